"""Showing confirmed readiness in the gradebook of a course: who may, and with which scores it begins."""

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from lti_mentor.errors import NotAllowed
from lti_mentor.mentoring import courses, gradebook, programs, standing
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.gradebook import GradeColumn
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.mentoring.standing import Standing


def open_column(db: Session, course: Course, certification_id: str, *, by: Person) -> GradeColumn:
    """A column with the latest score of everybody in the course who is on the way. Raises NotAllowed."""
    _check(db, course, by)
    column = gradebook.open_column(db, course, certification_id)
    gradebook.keep(
        db,
        column,
        {
            pursuit.person_id: (found.readiness.confirmed, pursuit.status == "awarded")
            for pursuit, found in would_be_sent(db, course, certification_id)
        },
    )
    return column


def close_column(db: Session, course: Course, column: GradeColumn, *, by: Person) -> None:
    """Raises NotAllowed."""
    _check(db, course, by)
    gradebook.close_column(column)


def get_course(db: Session, person: Person, course_id: uuid.UUID) -> Course:
    """A course of a program the person coordinates: to teach it is not enough. Raises NotFound and NotAllowed."""
    course = courses.get(db, person.organization_id, course_id)
    _check(db, course, person)
    return course


def _check(db: Session, course: Course, by: Person) -> None:
    mine = {program.id for program in programs.coordinated_by(db, by)}
    if not mine & {program.id for program in programs.of_course(db, course)}:
        raise NotAllowed("program.not_coordinator")


def would_be_sent(db: Session, course: Course, certification_id: str) -> list[tuple[Pursuit, Standing]]:
    """The mentees of the course's programs who are on the way to the certification, and where they stand."""
    learners = select(Member.person_id).where(
        Member.organization_id == course.organization_id,
        Member.course_id == course.id,
        Member.left_at.is_(None),
        gradebook.is_mentee(),
    )
    wanted = select(Pursuit).where(
        Pursuit.organization_id == course.organization_id,
        Pursuit.certification_id == certification_id,
        Pursuit.person_id.in_(learners),
        Pursuit.status != "abandoned",
    )
    pursuits = db.scalars(wanted.order_by(Pursuit.started_at, Pursuit.id)).all()
    found = standing.of_many(db, pursuits)
    return [(pursuit, found[pursuit.id]) for pursuit in pursuits]
