"""The mentor's pages: answering, taking back, an own number for a goal."""

import re
from datetime import timedelta

import pytest

from lti_mentor import clock
from lti_mentor.mentoring import evidence, goals, standing
from lti_mentor.mentoring.evidence import Submission
from lti_mentor.mentoring.goals import GoalDraft
from tests.support.member import Member


@pytest.fixture
def mentor(database, cast, loaded_settings):
    return Member(database, loaded_settings, cast.mentor, cast.course)


@pytest.fixture
def pieces(database, cast):
    with database.transaction() as db:
        pursuit = db.merge(cast.pursuit)
        return [evidence.submit(db, pursuit, code, Submission(text="I did it.")) for code in "12"]


def test_after_an_answer_the_next_piece_is_one_click_away_and_the_answer_can_be_taken_back(
    database, cast, mentor, pieces
):
    page = f"mentor/evidence/{pieces[0].id}"
    answer = mentor.post(page, page, version="1", rating="50", decision="accept")
    assert answer.headers["Location"].endswith(f"{page}/done")
    done = mentor.get(f"{page}/done").text
    assert "Next: 1 waiting" in done
    assert f"evidence/{pieces[1].id}" in done
    assert mentor.post(f"{page}/taken-back", f"{page}/done").status_code == 303
    with database.reading() as db:
        assert standing.of(db, cast.pursuit).readiness.confirmed == 0
        assert evidence.get_for_mentor(db, cast.mentor, pieces[0].id).status == "waiting"
    again = mentor.get(page).text
    assert "with help" in again
    assert not re.search(r'name="rating" value="\d+" checked', again)


def test_evidence_of_today_waits_no_days(mentor, pieces):
    page = mentor.get("mentor/").text
    assert "evidence came today" in page
    assert "0 days" not in page


def test_a_mentor_sets_a_number_of_their_own_and_takes_it_away(database, cast, mentor, loaded_settings):
    with database.transaction() as db:
        due_on = clock.today() + timedelta(days=9)
        goal = goals.set_goal(db, cast.learner, GoalDraft(title="Read", baseline=0, target=10, due_on=due_on))
    page = f"mentor/goals/{goal.id}/override"
    wrong = mentor.post(page, page, percent="140", comment="")
    assert wrong.status_code == 422
    assert "Your own number</span>: Between 0 and 100." in wrong.text
    assert 'value="140"' in wrong.text
    assert mentor.post(page, page, percent="40", comment="Read half, understood all.").status_code == 303
    learner = Member(database, loaded_settings, cast.learner, cast.course)
    assert "The mentor set this to 40 %" in learner.get(f"learner/goals/{goal.id}").text
    assert mentor.post(f"{page}/removed", page).status_code == 303
    assert "The mentor set this" not in learner.get(f"learner/goals/{goal.id}").text
    learner.post(f"learner/goals/{goal.id}/achieved", f"learner/goals/{goal.id}")
    assert "This goal is closed" in mentor.get(page).text
    assert mentor.again(page, mentor.sent | {"once": "x" * 20, "percent": "9", "comment": "No."}).status_code == 409
