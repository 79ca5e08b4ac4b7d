from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as some

from lti_mentor.mentoring.readiness import (
    NO_COURSE,
    SCALE,
    CourseMark,
    DomainInput,
    ItemResult,
    Rating,
    Rules,
    course_mark,
    readiness,
    shown,
    shown_gap,
    what_if,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def rating(value: int | None) -> Rating | None:
    return None if value is None else Rating(value, NOW)


def mark(value: int | None) -> CourseMark:
    return NO_COURSE if value is None else CourseMark(Fraction(value), 1, 1, (), NOW)


def domains(mentor, course, own, weights=(12, 22, 18, 28, 20)) -> list[DomainInput]:
    rows = enumerate(zip(weights, mentor, course, own, strict=True), start=1)
    return [DomainInput(str(n), f"Domain {n}", Fraction(w), rating(m), rating(o), mark(c)) for n, (w, m, c, o) in rows]


EXAMPLE = domains((75, 50, None, 50, None), (90, 68, 55, None, None), (75, 50, 50, 75, 25))


def test_the_worked_example_comes_out_to_the_digit():
    found = readiness(EXAMPLE, Rules())
    assert [float(domain.value) for domain in found.domains] == [81, 57.2, 55, 50, 0]
    assert found.confirmed == Fraction("46.204")
    assert (shown(found.confirmed), shown(found.own_estimate), shown(found.covered)) == (46, 55, 80)
    assert [shown_gap(domain.gap) for domain in found.domains] == ["0", "3.9", "3.6", "7", "15"]
    assert found.next_domain is not None
    assert found.next_domain.code == "5"


def test_accepting_evidence_for_domain_5_moves_the_example_to_56_or_61():
    outcomes = {}
    for value in (50, 75):
        before, after = what_if(EXAMPLE, Rules(), "5", Rating(value, NOW))
        outcomes[value] = (shown(before.confirmed), shown(after.confirmed))
    assert outcomes == {50: (46, 56), 75: (46, 61)}


def test_each_value_comes_with_its_parts_and_dates():
    first = readiness(EXAMPLE, Rules()).domains[0]
    assert [(part.kind, part.value, part.weight, part.at) for part in first.parts] == [
        ("mentor", 75, 60, NOW),
        ("course", 90, 40, NOW),
    ]
    assert not readiness(EXAMPLE, Rules()).domains[4].confirmed
    assert readiness(EXAMPLE, Rules()).domains[4].parts == ()


def test_a_course_part_names_the_sources_of_its_results_and_the_latest_date():
    later = NOW + timedelta(days=1)
    found = course_mark(
        [
            ItemResult("Quiz 1", Fraction(8), Fraction(10), None, source="statement", at=NOW),
            ItemResult("Quiz 2", Fraction(6), Fraction(10), None, source="typed", at=later),
            ItemResult("Quiz 3", None, Fraction(10), None, source="never shown"),
        ],
        NOW,
    )
    only = readiness([DomainInput("1", "Domain 1", Fraction(1), rating(50), None, found)], Rules()).domains[0]
    assert [part.sources for part in only.parts] == [("mentor",), ("statement", "typed")]
    assert (only.parts[1].value, only.at) == (70, later)
    assert [item.item_title for item in only.course.parts] == ["Quiz 1", "Quiz 2", "Quiz 3"]


def test_the_share_of_the_mentor_is_a_setting_and_the_only_one_present_counts_alone():
    both, mentor_only, course_only, nothing = domains(
        (50, 50, None, None), (100, None, 100, None), (None,) * 4, (1,) * 4
    )
    rules = Rules(mentor_weight=80)
    values = [readiness([one], rules).domains[0].value for one in (both, mentor_only, course_only, nothing)]
    assert values == [60, 50, 100, 0]
    assert not readiness([course_only], Rules(mentor_weight=100)).domains[0].confirmed


def test_an_item_without_a_result_counts_0_only_after_its_due_date():
    def item(score, due_in_days):
        due = None if due_in_days is None else NOW + timedelta(days=due_in_days)
        return ItemResult("Quiz", None if score is None else Fraction(score), Fraction(50), due, at=NOW)

    found = course_mark([item(40, -3), item(None, 3), item(None, None)], NOW)
    assert (found.value, found.graded, found.items) == (80, 1, 3)
    assert course_mark([item(40, -3), item(None, -1)], NOW).value == 40
    assert course_mark([item(None, 3)], NOW).value is None
    assert course_mark([], NOW) == NO_COURSE


def test_a_course_mark_weighs_its_items():
    heavy = ItemResult("Practice exam", Fraction(90), Fraction(100), None, weight=Fraction(3))
    light = ItemResult("Quiz", Fraction(5), Fraction(10), None)
    assert course_mark([heavy, light], NOW).value == 80


def test_an_item_without_points_to_get_is_left_out():
    pointless = ItemResult("Attendance", Fraction(0), Fraction(0), NOW - timedelta(days=1), at=NOW)
    graded = ItemResult("Quiz", Fraction(5), Fraction(10), None, at=NOW)
    found = course_mark([pointless, graded], NOW)
    assert (found.value, found.graded, found.items) == (50, 1, 2)


def test_weights_that_are_all_0_count_as_equal():
    found = readiness(domains((100, 0), (None,) * 2, (50, 50), (0, 0)), Rules())
    assert (found.confirmed, found.own_estimate, found.covered) == (50, 50, 100)
    assert readiness(domains((100, 100), (None,) * 2, (None,) * 2, (0, 0)), Rules()).ready


def test_a_certification_without_domains_has_nothing_to_show_and_is_never_ready():
    found = readiness([], Rules(ready_line=0, floor=0))
    assert (found.confirmed, found.covered, found.ready, found.next_domain, found.at) == (0, 0, False, None, None)


def test_the_learners_rating_stands_beside_the_confirmed_value_with_the_difference():
    found = readiness(EXAMPLE, Rules())
    assert [domain.difference for domain in found.domains] == [-6, Fraction("-7.2"), -5, 25, None]


def test_the_program_moves_the_ready_line_and_the_gaps_with_it():
    found = readiness(EXAMPLE, Rules(ready_line=80))
    assert [float(domain.gap) for domain in found.domains] == [0, 5.016, 4.5, 8.4, 16]
    assert readiness(EXAMPLE, Rules(ready_line=46, floor=0)).ready
    assert not readiness(EXAMPLE, Rules(ready_line=47, floor=0)).ready


def test_ready_needs_the_line_overall_and_the_floor_in_every_domain():
    high = domains((100, 100, 100, 100, 25), (None,) * 5, (None,) * 5)
    assert readiness(high, Rules()).confirmed > 75
    assert not readiness(high, Rules()).ready
    assert readiness(domains((75,) * 5, (None,) * 5, (None,) * 5), Rules()).ready


steps = some.one_of(some.none(), some.sampled_from(SCALE))
marks = some.one_of(some.none(), some.integers(0, 100))
weights = some.lists(some.integers(1, 60), min_size=5, max_size=5)
fives = some.lists(steps, min_size=5, max_size=5)


@given(fives, some.lists(marks, min_size=5, max_size=5), fives, weights)
def test_every_number_stays_between_0_and_100(mentor, course, own, weight):
    found = readiness(domains(mentor, course, own, weight), Rules())
    for value in (found.confirmed, found.own_estimate, found.covered, *(domain.value for domain in found.domains)):
        assert 0 <= value <= 100
    assert sum(domain.share for domain in found.domains) == 100


@given(fives, some.lists(marks, min_size=5, max_size=5), fives, fives, weights)
def test_the_learners_own_rating_never_changes_what_is_confirmed(mentor, course, own, other, weight):
    one, two = (readiness(domains(mentor, course, chosen, weight), Rules()) for chosen in (own, other))
    assert (one.confirmed, one.covered, one.ready) == (two.confirmed, two.covered, two.ready)


@given(fives, some.lists(marks, min_size=5, max_size=5), weights, some.integers(2, 9))
def test_scaling_all_weights_changes_nothing(mentor, course, weight, factor):
    none = (None,) * 5
    one = readiness(domains(mentor, course, none, weight), Rules())
    two = readiness(domains(mentor, course, none, [each * factor for each in weight]), Rules())
    assert one.confirmed == two.confirmed
    assert [domain.gap for domain in one.domains] == [domain.gap for domain in two.domains]


@given(fives, some.lists(marks, min_size=5, max_size=5), weights, some.permutations(range(5)))
def test_the_order_of_the_domains_changes_no_number(mentor, course, weight, order):
    given_order = domains(mentor, course, (None,) * 5, weight)
    one = readiness(given_order, Rules())
    two = readiness([given_order[place] for place in order], Rules())
    assert (one.confirmed, one.covered, one.ready) == (two.confirmed, two.covered, two.ready)
    assert {domain.code: domain for domain in one.domains} == {domain.code: domain for domain in two.domains}


@given(
    fives,
    some.lists(marks, min_size=5, max_size=5),
    weights,
    some.sampled_from("12345"),
    some.tuples(some.sampled_from(SCALE), some.sampled_from(SCALE)).map(sorted),
)
def test_a_higher_rating_of_the_mentor_never_lowers_readiness(mentor, course, weight, code, ratings):
    inputs = domains(mentor, course, (None,) * 5, weight)
    (_, lower), (_, higher) = (what_if(inputs, Rules(), code, Rating(value, NOW)) for value in ratings)
    assert lower.confirmed <= higher.confirmed
    assert lower.domain(code).gap >= higher.domain(code).gap
    assert lower.ready <= higher.ready


@given(fives, some.lists(marks, min_size=5, max_size=5), weights, some.sampled_from("12345"), some.sampled_from(SCALE))
def test_what_if_is_what_really_comes_out(mentor, course, weight, code, value):
    inputs = domains(mentor, course, (None,) * 5, weight)
    before, after = what_if(inputs, Rules(), code, Rating(value, NOW))
    rated = [replace(one, mentor=Rating(value, NOW)) if one.code == code else one for one in inputs]
    assert (before, after) == (readiness(inputs, Rules()), readiness(rated, Rules()))


@given(fives, some.lists(marks, min_size=5, max_size=5), weights)
def test_the_gaps_fill_the_way_to_the_ready_line(mentor, course, weight):
    found = readiness(domains(mentor, course, (None,) * 5, weight), Rules())
    filled = sum(domain.share * max(domain.value, Fraction(75)) for domain in found.domains) / 100
    assert found.confirmed + sum(domain.gap for domain in found.domains) == filled


@given(
    some.lists(
        some.tuples(some.one_of(some.none(), some.integers(0, 60)), some.integers(0, 9), some.integers(-5, 5)),
        max_size=6,
    )
)
def test_a_course_mark_stays_between_0_and_100_and_counts_its_items(rows):
    items = [
        ItemResult(
            "Quiz",
            score if score is None else Fraction(score),
            Fraction(50),
            NOW + timedelta(days=due),
            Fraction(weight),
        )
        for score, weight, due in rows
    ]
    found = course_mark(items, NOW)
    assert found.value is None or 0 <= found.value <= 100
    assert found.graded <= found.items == len(items)


@given(some.integers(0, 10_000_000))
def test_numbers_are_shown_rounded_half_up(thousandths):
    value, decimal = Fraction(thousandths, 1000), Decimal(thousandths).scaleb(-3)
    assert shown(value) == int(decimal.quantize(Decimal(1), ROUND_HALF_UP))
    assert Decimal(shown_gap(value)) == decimal.quantize(Decimal("0.1"), ROUND_HALF_UP)
    assert not shown_gap(value).endswith(".0")


def test_a_half_is_rounded_up():
    assert [shown(Fraction(number)) for number in ("0.5", "45.5", "46.499", "99.5")] == [1, 46, 46, 100]
    assert [shown_gap(Fraction(number)) for number in ("0.05", "6.95", "7.04")] == ["0.1", "7", "7"]
