from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as some

from lti_mentor.mentoring.progress import GoalPart, Override, course_progress, goal_progress, measure_progress
from lti_mentor.mentoring.readiness import ItemResult, shown


def part(kind: str, value: int, weight: int = 1) -> GoalPart:
    return GoalPart(kind, "", Fraction(value), Fraction(weight), "self", None)


def test_the_example_of_a_measure_a_course_and_a_domain_is_55():
    assert shown(goal_progress([part("measure", 50, 2), part("course", 71), part("domain", 50)]).value) == 55


def test_a_falling_target_works():
    assert measure_progress(baseline=40, target=10, current=25) == 50


def test_progress_is_cut_to_0_and_100():
    assert measure_progress(baseline=0, target=10, current=-5) == 0
    assert measure_progress(baseline=0, target=10, current=25) == 100


def test_an_ungraded_item_counts_0_in_the_course_part():
    graded = ItemResult("Quiz 1", Fraction(80), Fraction(100), None)
    assert course_progress([graded, ItemResult("Quiz 2", None, Fraction(100), None)]) == 40


def test_an_override_replaces_the_number_and_keeps_its_comment_and_the_parts():
    found = goal_progress([part("measure", 50)], Override(80, "I saw it done."))
    assert (found.value, found.override.comment, len(found.parts)) == (80, "I saw it done.", 1)


@given(some.floats(-1e6, 1e6), some.floats(-1e6, 1e6), some.floats(-1e6, 1e6))
def test_progress_of_a_measure_lies_between_0_and_100(baseline, target, current):
    if baseline != target:
        assert 0 <= measure_progress(baseline=baseline, target=target, current=current) <= 100
