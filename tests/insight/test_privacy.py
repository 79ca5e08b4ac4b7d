"""Nobody can be told from what is shown of a group."""

from hypothesis import given
from hypothesis import strategies as st

from lti_mentor.insight import privacy

WHOLES = st.integers(min_value=1, max_value=400)


def everything(part: int, whole: int) -> tuple[str, str, int]:
    return privacy.count(part, whole), privacy.percent(part, whole), privacy.drawn(part, whole)


@given(WHOLES)
def test_one_to_four_people_all_look_alike(whole):
    assert len({everything(part, whole) for part in range(1, min(5, whole + 1))}) == 1


@given(st.integers(min_value=10, max_value=400))
def test_one_to_four_who_are_missing_all_look_alike(whole):
    assert len({everything(whole - rest, whole) for rest in range(1, 5)}) == 1


@given(st.integers(min_value=10, max_value=400), st.data())
def test_other_numbers_are_shown_as_they_are(whole, data):
    part = data.draw(st.integers(min_value=5, max_value=whole - 5))
    assert privacy.count(part, whole) == str(part)


@given(st.integers(min_value=1, max_value=4), st.data())
def test_of_one_to_four_people_every_part_looks_alike(whole, data):
    part = data.draw(st.integers(min_value=0, max_value=whole))
    assert everything(part, whole) == ("< 5", "–", 0)


def test_a_percentage_says_no_more_than_the_count_beside_it():
    assert (privacy.count(2, 20), privacy.percent(2, 20)) == ("< 5", "< 25 %")
    assert (privacy.count(18, 20), privacy.percent(18, 20)) == ("> 15", "> 75 %")
    assert (privacy.count(34, 41), privacy.percent(34, 41)) == ("34", "83 %")
    assert privacy.percent(0, 0) == privacy.percent(1, 4) == "–"
    assert (privacy.percent(0, 40), privacy.percent(40, 40)) == ("< 5 %", "> 95 %")


def test_a_step_of_the_funnel_hides_the_few_who_did_not_take_it():
    funnel = (("enrolled", 64), ("opened", 62), ("paired", 40), ("certified", 3))
    assert privacy.steps(funnel) == [
        ("enrolled", "64", 64),
        ("opened", "> 59", 59),
        ("paired", "40", 40),
        ("certified", "< 5", 0),
    ]


def test_a_step_gives_nothing_away_about_any_earlier_one():
    funnel = (("enrolled", 20), ("opened", 18), ("paired", 18), ("met", 16), ("achieved", 15), ("certified", 12))
    assert [said for _, said, _ in privacy.steps(funnel)] == ["20", "> 15", "> 15", "> 15", "15", "> 10"]


@given(st.lists(st.integers(min_value=0, max_value=60), min_size=2, max_size=6))
def test_no_two_steps_that_are_shown_differ_by_one_to_four(values):
    said = [text for _, text, _ in privacy.steps(tuple((str(place), value) for place, value in enumerate(values)))]
    shown = [int(text) for text in said if text.isdecimal()]
    assert not any(0 < earlier - later < 5 for place, earlier in enumerate(shown) for later in shown[place:])


def test_figures_about_few_people_stay_hidden():
    assert privacy.is_hidden(9, 10)
    assert not privacy.is_hidden(10, 10)
