"""Coming into a course, a program or on the way to a certification, with what follows: readiness and latest scores."""

import uuid
from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy.orm import Session

from lti_mentor.mentoring import courses, programs, pursuits, standing
from lti_mentor.mentoring.courses import Course, Listed, Place
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Participant, Program
from lti_mentor.mentoring.pursuits import Pursuit


def enter(db: Session, person: Person, place: Place, *, teaches: bool) -> Course:
    """The course somebody comes in from; nothing more happens when they are known there."""
    course, arrived = courses.enter(db, person, place, teaches=teaches)
    _arrive(db, course, [person.id] if arrived == "new" else [], [person.id] if arrived == "back" else [])
    return course


def take_roster(db: Session, course: Course, listed: Sequence[Listed], *, at: datetime) -> list[uuid.UUID]:
    """Take a page of the roster; gives who is suspended or gone now and was not before."""
    taken = courses.take_roster(db, course, listed, at=at)
    _arrive(db, course, taken.new, taken.back)
    return taken.gone


def _arrive(db: Session, course: Course, new: Sequence[uuid.UUID], back: Sequence[uuid.UUID]) -> None:
    if new:
        standing.record_joined(db, course, new)
    if new or back:
        standing.keep_scores(db, course.organization_id, [*new, *back])


def enroll(db: Session, program: Program, person: Person, part: str, *, capacity: int = 0) -> Participant:
    """Give the person a part, as ``programs.enroll`` does; the columns of the program show where a mentee stands."""
    row = programs.enroll(db, program, person, part, capacity=capacity)
    standing.keep_scores(db, program.organization_id, [person.id])
    return row


def start(db: Session, person: Person, certification_id: str, *, status: str, target_on: date | None) -> Pursuit:
    """Begin, as ``pursuits.start`` does; what the person's courses show already counts from now on."""
    pursuit = pursuits.start(db, person, certification_id, status=status, target_on=target_on)
    standing.record_changes(db, [pursuit], standing.nothing_yet([pursuit]))
    standing.keep_scores(db, person.organization_id, [person.id])
    return pursuit
