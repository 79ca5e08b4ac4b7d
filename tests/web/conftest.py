"""Something at every address, for the tests that walk the URL map."""

from datetime import timedelta

import pytest

from lti_mentor import clock
from lti_mentor.mentoring import evidence, goals, meetings, notices
from lti_mentor.mentoring.evidence import Submission
from lti_mentor.mentoring.goals import GoalDraft


@pytest.fixture
def things(sqlite_database, sqlite_cast):
    """Something at every address, all of it the learner's, the mentor's or the coordinator's."""
    cast = sqlite_cast
    with sqlite_database.transaction() as db:
        draft = GoalDraft(
            title="Read", baseline=0, target=10, due_on=clock.today() + timedelta(days=9), visibility="shared"
        )
        goal = goals.set_goal(db, cast.learner, draft)
        piece = evidence.submit(db, cast.pursuit, "1", Submission(text="I did it."))
        card = notices.remind(db, cast.mentorship, "check_in", by=cast.coordinator)[1]
        meeting = meetings.plan(
            db, cast.mentorship, planned_at=clock.now() + timedelta(days=2), minutes=30, by=cast.mentor
        )
    return {
        "goal_id": goal.id,
        "evidence_id": piece.id,
        "meeting_id": meeting.id,
        "pursuit_id": cast.pursuit.id,
        "mentorship_id": cast.mentorship.id,
        "program_id": cast.program.id,
        "course_id": cast.course.id,
        "person_id": cast.mentor.id,
        "how": "ended",
        "code": "1",
        "outcome": "called_off",
        "reminder_id": card.id,
        "word": "fine",
    }
