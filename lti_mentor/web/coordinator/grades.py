"""A column of our own in the gradebook of a course: what would be sent, what was sent, what stands there."""

import uuid
from dataclasses import dataclass
from fractions import Fraction

from flask import render_template, request
from sqlalchemy.orm import Session

from lti_mentor.errors import Invalid, NotFound
from lti_mentor.lti import contexts
from lti_mentor.mentoring import catalog, course_map, goal_columns, gradebook, people, readiness_columns
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.goal_columns import GoalSum
from lti_mentor.mentoring.gradebook import SENDS, GradeColumn
from lti_mentor.mentoring.programs import Program
from lti_mentor.web import access
from lti_mentor.web.coordinator.blueprint import coordinator
from lti_mentor.web.forms import form
from lti_mentor.web.lists import page_of
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

GOALS = "goals"  # in an address and a form: no certification, but goals


@dataclass(frozen=True)
class Line:
    """What would be sent of somebody; nothing without a value. ``goals`` explain it where it is about them."""

    person_id: uuid.UUID
    value: Fraction | None
    is_complete: bool
    goals: GoalSum | None = None


@coordinator.get("/programs/<uuid:program_id>/courses/<uuid:course_id>/grades", endpoint="grades")
def show_grades(program_id: uuid.UUID, course_id: uuid.UUID, error: Invalid | None = None) -> str:
    """For one certification, or for goals, everybody's score, before anything is sent and after."""
    visit = current_visit()
    with tool().database.reading() as db:
        program, course = readiness_columns.place(db, visit.person, program_id, course_id)
        services = contexts.of(db, course.organization_id, course.deployment_id, course.context_id)
        columns = {column.certification_id: column for column in gradebook.columns_of(db, program, course)}
        slugs = sorted(course_map.certifications_of(db, course) | {slug for slug in columns if slug is not None})
        wanted = request.values.get("certification")
        chosen = None if wanted == GOALS else next((slug for slug in slugs if slug == wanted), next(iter(slugs), None))
        found = _lines(db, program, course, chosen)
        column, before = columns.get(chosen), gradebook.column_for(db, program, course, chosen)
        scores = gradebook.scores_of(db, before) if before else {}
        known = people.by_ids(db, visit.organization_id, [line.person_id for line in found])
    page = page_of(found, lambda line: known[line.person_id].name or str(known[line.person_id].number))
    access.note_read(*(known[line.person_id] for line in page.rows))
    return render_template(
        "coordinator/grades.html",
        program=program,
        course=course,
        offered=bool(columns) or (services is not None and services.lineitems_url is not None),
        entries=[catalog.entry(slug) for slug in slugs],
        chosen=catalog.entry(chosen) if chosen else None,
        value=chosen or GOALS,
        column=column,
        sends=before.sends if before else SENDS[0],
        unfinished=sum(score.sent_value is not None and not score.sent_complete for score in scores.values()),
        page=page,
        known=known,
        scores=scores if column else {},
        error=error,
    )


def _lines(db: Session, program: Program, course: Course, slug: str | None) -> list[Line]:
    if slug is None:
        return [
            Line(person_id, found.value if found else None, found is not None and found.is_complete, found)
            for person_id, found in goal_columns.would_be_sent(db, program, course).items()
        ]
    return [
        Line(pursuit.person_id, found.readiness.confirmed, pursuit.status == "awarded")
        for pursuit, found in readiness_columns.would_be_sent(db, program, course, slug)
    ]


@coordinator.post("/programs/<uuid:program_id>/courses/<uuid:course_id>/grades")
@form(again=show_grades)
def open_grades(db: Session, program_id: uuid.UUID, course_id: uuid.UUID) -> str:
    """Begin to show it in the gradebook."""
    person = current_visit().person
    program, course = readiness_columns.place(db, person, program_id, course_id)
    chosen = request.form.get("certification", "")
    if chosen != GOALS and chosen not in course_map.certifications_of(db, course):
        raise Invalid({"certification": "choice.missing"})
    column = readiness_columns.open_column(db, program, course, None if chosen == GOALS else chosen, by=person)
    readiness_columns.choose(db, column, request.form.get("sends", column.sends), by=person)
    return _url(program_id, course_id, chosen)


@coordinator.post("/programs/<uuid:program_id>/courses/<uuid:course_id>/grades/closed")
@form()
def close_grades(db: Session, program_id: uuid.UUID, course_id: uuid.UUID) -> str:
    """Send nothing more."""
    person = current_visit().person
    program, course = readiness_columns.place(db, person, program_id, course_id)
    gradebook.close_column(_chosen(db, program, course))
    return _url(program_id, course_id, request.form["certification"])


@coordinator.post("/programs/<uuid:program_id>/courses/<uuid:course_id>/grades/sends")
@form(again=show_grades)
def choose_sends(db: Session, program_id: uuid.UUID, course_id: uuid.UUID) -> str:
    """What is sent before a score is final."""
    person = current_visit().person
    program, course = readiness_columns.place(db, person, program_id, course_id)
    readiness_columns.choose(db, _chosen(db, program, course), request.form.get("sends", ""), by=person)
    return _url(program_id, course_id, request.form["certification"])


def _chosen(db: Session, program: Program, course: Course) -> GradeColumn:
    """The open column that a form is about. Raises NotFound."""
    columns = {column.certification_id or GOALS: column for column in gradebook.columns_of(db, program, course)}
    chosen = request.form.get("certification", "")
    if chosen not in columns:
        raise NotFound("grades.no_such_column")
    return columns[chosen]


def _url(program_id: uuid.UUID, course_id: uuid.UUID, chosen: str) -> str:
    return visit_url("coordinator.grades", program_id=program_id, course_id=course_id, certification=chosen)
