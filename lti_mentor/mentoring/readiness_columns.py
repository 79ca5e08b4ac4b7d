"""Showing confirmed readiness or goals in the gradebook of a course: who may, and with which scores it begins.

Without a certification it is the column of goals, see ``goal_columns``.
"""

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from lti_mentor.errors import Invalid, NotFound
from lti_mentor.mentoring import audit, gradebook, programs, standing
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.gradebook import SENDS, GradeColumn
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.mentoring.standing import Standing


def place(db: Session, person: Person, program_id: uuid.UUID, course_id: uuid.UUID) -> tuple[Program, Course]:
    """A program the person coordinates, and one of its courses: to teach it is not enough. Raises NotFound."""
    program = programs.get_for_coordinator(db, person, program_id)
    course = next((course for course in programs.courses_of(db, program) if course.id == course_id), None)
    if course is None:
        raise NotFound("course.unknown")
    return program, course


def open_column(
    db: Session, program: Program, course: Course, certification_id: str | None, *, by: Person
) -> GradeColumn:
    """A column with the latest score of each mentee of the program. Raises NotFound as ``place`` does."""
    place(db, by, program.id, course.id)
    return _open(db, program, course, certification_id)


def choose(db: Session, column: GradeColumn, sends: str, *, by: Person) -> None:
    """What it sends of a score that may still change, from now on. Raises NotFound as ``place`` does, and Invalid."""
    place(db, by, column.program_id, column.course_id)
    if sends not in SENDS:
        raise Invalid({"sends": "choice.missing"})
    if sends != column.sends:
        gradebook.choose(db, column, sends)
        where = f"{column.certification_id or 'goals'} in course {column.course_id}: {sends}"
        audit.write(db, by.organization_id, "column_changed", place=where, actor_id=by.id)


def _open(db: Session, program: Program, course: Course, certification_id: str | None) -> GradeColumn:
    column = gradebook.open_column(db, program, course, certification_id)
    if certification_id is None:
        gradebook.count_all(db, column, course)
        return column
    gradebook.keep(
        db,
        column,
        {
            pursuit.person_id: (found.readiness.confirmed, pursuit.status == "awarded")
            for pursuit, found in would_be_sent(db, program, course, certification_id)
        },
    )
    return column


def prepare_column(
    db: Session, program: Program, course: Course, certification_id: str | None, *, by: Person
) -> GradeColumn:
    """The column of a link that is about to be placed; nothing is made or told before the platform has it.

    One that the platform has already is opened. Raises NotFound as ``place`` does.
    """
    place(db, by, program.id, course.id)
    column = gradebook.prepare_column(db, program, course, certification_id)
    return _open(db, program, course, certification_id) if column.lineitem_url is not None else column


def found_there(db: Session, course: Course, key: uuid.UUID, lineitem_url: str) -> None:
    """A link came with the column that was placed with it: the teacher saved it, and from now on it is told.

    So is one that is open and was not found: where columns are not listed, only a link says where it is.
    """
    column = gradebook.without_address(db, course, key)
    if column is not None:
        column.lineitem_url = lineitem_url
        _open(db, db.get_one(Program, column.program_id), course, column.certification_id)


def not_final_in(db: Session, pursuit: Pursuit) -> list[tuple[Program, Course]]:
    """Which columns, of a program in a course, are sent the readiness as one that may still change."""
    if pursuit.status in ("awarded", "abandoned"):
        return []
    columns = gradebook.columns_for(db, pursuit.organization_id, [pursuit.person_id], {pursuit.certification_id})
    pending = [column for _, column in columns if column.sends == "when_final"]
    return [(db.get_one(Program, each.program_id), db.get_one(Course, each.course_id)) for each in pending]


def would_be_sent(
    db: Session, program: Program, course: Course, certification_id: str
) -> list[tuple[Pursuit, Standing]]:
    """The mentees of the program in the course who are on the way to the certification, and where they stand."""
    wanted = select(Pursuit).where(
        Pursuit.organization_id == course.organization_id,
        Pursuit.certification_id == certification_id,
        Pursuit.person_id.in_(gradebook.mentees(program.id, course)),
        Pursuit.status != "abandoned",
    )
    pursuits = db.scalars(wanted.order_by(Pursuit.started_at, Pursuit.id)).all()
    found = standing.of_many(db, pursuits)
    return [(pursuit, found[pursuit.id]) for pursuit in pursuits]
