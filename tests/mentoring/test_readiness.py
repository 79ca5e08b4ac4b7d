from datetime import UTC, datetime, timedelta
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


def test_an_item_without_a_result_counts_0_only_after_its_due_date():
    def item(score, due_in_days):
        due = None if due_in_days is None else NOW + timedelta(days=due_in_days)
        return ItemResult("Quiz", None if score is None else Fraction(score), Fraction(50), due, at=NOW)

    found = course_mark([item(40, -3), item(None, 3), item(None, None)], NOW)
    assert (found.value, found.graded, found.items) == (80, 1, 3)
    assert course_mark([item(40, -3), item(None, -1)], NOW).value == 40
    assert course_mark([item(None, 3)], NOW).value is None


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


@given(some.fractions(min_value=0, max_value=100))
def test_numbers_are_shown_rounded_half_up(value):
    assert abs(shown(value) - value) <= Fraction(1, 2)
    assert shown(Fraction(91, 2)) == 46
