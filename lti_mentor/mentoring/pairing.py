"""Bringing a pair together and letting it go, with all that hangs on it: evidence, meetings, cards and readiness."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.mentoring import evidence, meetings, mentorships, notices, people, pursuits, standing
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program
from lti_mentor.mentoring.pursuits import Pursuit

FINISHES = {"completed": mentorships.complete, "ended": mentorships.end}


def pair(db: Session, program: Program, *, mentor: Person, mentee: Person, by: Person) -> Mentorship:
    """Open a mentorship; what waits with a former mentor of the program goes along. Raises Refused and NotAllowed."""
    mine = pursuits.all_of(db, mentee)
    before = standing.of_many(db, mine)
    opened = mentorships.pair(db, program, mentor=mentor, mentee=mentee, by=by)
    evidence.hand_over(db, opened)
    standing.record_changes(db, mine, before)
    return opened


def finish(db: Session, mentorship: Mentorship, how: str, *, by: Person) -> None:
    """``how`` is one of FINISHES. Meetings ahead are called off and cards closed; the program's rules count no more."""
    mine: Sequence[Pursuit] = pursuits.all_of(db, people.get(db, mentorship.organization_id, mentorship.mentee_id))
    before = standing.of_many(db, mine)
    for meeting in meetings.of_mentorship(db, mentorship):
        if meeting.status == "planned" and meeting.planned_at > clock.now():
            meetings.call_off(db, meeting, by=db.get_one(Person, mentorship.mentee_id))
    FINISHES[how](db, mentorship, by=by)
    notices.close_of(db, mentorship)
    standing.record_changes(db, mine, before)
