from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as some

from lti_mentor.mentoring.progress import GoalPart, Override, course_progress, goal_progress, measure_progress
from lti_mentor.mentoring.readiness import ItemResult, shown

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def part(kind: str, value: int, weight: int = 1) -> GoalPart:
    return GoalPart(kind, "", Fraction(value), Fraction(weight), "self", NOW)


def test_the_example_of_a_measure_a_course_and_a_domain_is_55():
    found = goal_progress([part("measure", 50, 2), part("course", 71), part("domain", 50)])
    assert (found.value, shown(found.value)) == (Fraction("55.25"), 55)
    assert [(each.kind, each.value, each.weight, each.source, each.at) for each in found.parts] == [
        ("measure", 50, 2, "self", NOW),
        ("course", 71, 1, "self", NOW),
        ("domain", 50, 1, "self", NOW),
    ]


def test_a_falling_target_works():
    assert measure_progress(baseline=40, target=10, current=25) == 50


def test_progress_is_cut_to_0_and_100():
    assert measure_progress(baseline=0, target=10, current=-5) == 0
    assert measure_progress(baseline=0, target=10, current=25) == 100


def test_an_ungraded_item_counts_0_in_the_course_part():
    graded = ItemResult("Quiz 1", Fraction(80), Fraction(100), None)
    assert course_progress([graded, ItemResult("Quiz 2", None, Fraction(100), None)]) == 40


def test_the_course_part_is_the_plain_mean_whatever_the_items_weigh_for_a_domain():
    heavy = ItemResult("Exam", Fraction(100), Fraction(100), None, weight=Fraction(9))
    assert course_progress([heavy, ItemResult("Quiz", Fraction(0), Fraction(10), None)]) == 50
    assert course_progress([]) == 0


def test_decimals_are_taken_as_typed():
    assert measure_progress(baseline=0.1, target=0.4, current=0.2) == Fraction(100, 3)


def test_a_measure_without_a_way_to_go_is_done_when_the_target_is_met():
    assert measure_progress(baseline=5, target=5, current=5) == 100
    assert measure_progress(baseline=5, target=5, current=4) == 0


def test_a_goal_without_parts_that_weigh_stands_at_0():
    assert goal_progress([]).value == 0
    assert goal_progress([part("measure", 80, 0)]).value == 0


def test_an_override_replaces_the_number_and_keeps_its_comment_and_the_parts():
    found = goal_progress([part("measure", 50)], Override(80, "I saw it done."))
    assert (found.value, found.override.comment, len(found.parts)) == (80, "I saw it done.", 1)


@given(some.floats(-1e6, 1e6), some.floats(-1e6, 1e6), some.floats(-1e6, 1e6))
def test_progress_of_a_measure_lies_between_0_and_100(baseline, target, current):
    if baseline != target:
        assert 0 <= measure_progress(baseline=baseline, target=target, current=current) <= 100


parts = some.lists(some.builds(part, some.just("measure"), some.integers(0, 100), some.integers(0, 9)), max_size=5)


@given(parts, some.integers(2, 9))
def test_progress_lies_between_its_parts_and_only_the_proportion_of_weights_matters(found, factor):
    value = goal_progress(found).value
    weighing = [each.value for each in found if each.weight]
    assert min(weighing, default=0) <= value <= max(weighing, default=0)
    assert goal_progress([replace(each, weight=each.weight * factor) for each in found]).value == value
    assert goal_progress(found[::-1]).value == value


@given(some.integers(-50, 50), some.integers(-50, 50), some.integers(-50, 50))
def test_a_falling_goal_is_the_mirror_of_a_rising_one(baseline, target, current):
    rising = measure_progress(baseline=baseline, target=target, current=current)
    assert rising == measure_progress(baseline=-baseline, target=-target, current=-current)
