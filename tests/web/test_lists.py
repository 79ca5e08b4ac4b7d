"""Long lists: pages of twenty, a search, and forms that keep their place."""

import re
from datetime import timedelta

import pytest

from lti_mentor import clock
from lti_mentor.mentoring import courses, goals, programs
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.web import kept
from tests.conftest import met
from tests.support.member import Member


@pytest.fixture
def coordinator(database, cast, loaded_settings):
    return Member(database, loaded_settings, cast.coordinator, cast.course)


@pytest.fixture
def crowd(database, cast):
    with database.transaction() as db:
        found = [met(db, "Home", f"crowd {number:02}") for number in range(45)]
        for person in found:
            courses.join(db, cast.course, person, teaches=False)
    return found


def shown(page):
    return re.findall(r"Crowd \d\d", page.text)


def test_people_come_in_pages_of_twenty_in_the_order_they_were_met(coordinator, cast, crowd):
    page = f"coordinator/programs/{cast.program.id}/people"
    seen = []
    for number, summary in ((1, "1–20 of 50"), (2, "21–40 of 50"), (3, "41–50 of 50")):
        answer = coordinator.get(f"{page}?page={number}")
        assert summary in answer.text
        seen += shown(answer)
    assert seen == [f"Crowd {number:02}" for number in range(45)]
    assert "41–50 of 50" in coordinator.get(f"{page}?page=999").text
    assert "1–20 of 50" in coordinator.get(f"{page}?page=nonsense").text


def test_what_is_kept_about_somebody_is_counted_up_to_a_thousand_of_a_kind(
    database, cast, loaded_settings, monkeypatch
):
    monkeypatch.setattr(kept, "MOST", 3)
    page = Member(database, loaded_settings, cast.learner, cast.course).get("about-me/").text
    counts = dict(re.findall(r'<th scope="row">([^<]*)</th><td>([^<]*)</td>', page))
    assert counts["Statements in the record store"] == "3 or more"
    assert counts["Accounts in learning platforms"] == "1"


def test_people_are_found_by_words_of_their_name(coordinator, cast, crowd):
    page = f"coordinator/programs/{cast.program.id}/people"
    assert shown(coordinator.get(f"{page}?q=07+crowd")) == ["Crowd 07"]
    assert "Nobody has this name" in coordinator.get(f"{page}?q=<nobody>").text


def test_enrolling_from_a_later_page_keeps_the_place(coordinator, cast, crowd, database):
    page = f"coordinator/programs/{cast.program.id}/people?q=crowd&page=2"
    answer = coordinator.post(page, page, person=str(crowd[30].id), part="mentee")
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("/people?q=crowd&page=2&done=coordinator.enroll_people")
    with database.reading() as db:
        assert programs.participant(db, cast.program, crowd[30].id, "mentee") is not None
    refused = coordinator.post(page, page, part="mentee")
    assert refused.status_code == 422
    assert "21–40 of 45" in refused.text


def test_waiting_learners_and_goals_come_in_pages_too(coordinator, cast, crowd, database, loaded_settings):
    with database.transaction() as db:
        for person in crowd:
            programs.enroll(db, cast.program, person, "mentee")
        for number in range(21):
            due_on = clock.today() + timedelta(days=number + 1)
            goals.set_goal(db, cast.learner, GoalDraft(title=f"Aim {number}", baseline=0, target=1, due_on=due_on))
    pairing = coordinator.get(f"coordinator/programs/{cast.program.id}/pairing?page=2")
    assert "21–40 of 46" in pairing.text
    learner = Member(database, loaded_settings, cast.learner, cast.course)
    assert "1–20 of 21" in learner.get("learner/goals").text
    assert "Aim 20" in learner.get("learner/goals?q=20").text
    assert "No goal has these words" in learner.get("learner/goals?q=nothing").text
