"""The readiness column in the gradebook of a course: what would be sent, what was sent, what stands there."""

import uuid

from flask import render_template, request
from sqlalchemy.orm import Session

from lti_mentor.errors import Invalid, NotFound
from lti_mentor.lti import contexts
from lti_mentor.mentoring import catalog, course_map, gradebook, people, readiness_columns
from lti_mentor.web import access
from lti_mentor.web.coordinator.blueprint import coordinator
from lti_mentor.web.forms import form
from lti_mentor.web.lists import page_of
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url


@coordinator.get("/programs/<uuid:program_id>/courses/<uuid:course_id>/grades", endpoint="grades")
def show_grades(program_id: uuid.UUID, course_id: uuid.UUID, error: Invalid | None = None) -> str:
    """For one certification everybody's score, before anything is sent and after."""
    visit = current_visit()
    with tool().database.reading() as db:
        program, course = readiness_columns.place(db, visit.person, program_id, course_id)
        services = contexts.of(db, course.organization_id, course.deployment_id, course.context_id)
        columns = {column.certification_id: column for column in gradebook.columns_of(db, program, course)}
        slugs = sorted(course_map.certifications_of(db, course) | set(columns))
        chosen = next(
            (slug for slug in slugs if slug == request.values.get("certification")), slugs[0] if slugs else None
        )
        found = readiness_columns.would_be_sent(db, program, course, chosen) if chosen else []
        column = columns.get(chosen or "")
        scores = gradebook.scores_of(db, column) if column else {}
        known = people.by_ids(db, visit.organization_id, [pursuit.person_id for pursuit, _ in found])
    page = page_of(found, lambda row: known[row[0].person_id].name or str(known[row[0].person_id].number))
    access.note_read(*(known[pursuit.person_id] for pursuit, _ in page.rows))
    return render_template(
        "coordinator/grades.html",
        program=program,
        course=course,
        offered=services is not None and services.lineitems_url is not None,
        entries=[catalog.entry(slug) for slug in slugs],
        chosen=catalog.entry(chosen) if chosen else None,
        column=column,
        page=page,
        known=known,
        scores=scores,
        error=error,
    )


@coordinator.post("/programs/<uuid:program_id>/courses/<uuid:course_id>/grades")
@form(again=show_grades)
def open_grades(db: Session, program_id: uuid.UUID, course_id: uuid.UUID) -> str:
    """Begin to show readiness in the gradebook."""
    person = current_visit().person
    program, course = readiness_columns.place(db, person, program_id, course_id)
    slug = request.form.get("certification", "")
    if slug not in course_map.certifications_of(db, course):
        raise Invalid({"certification": "choice.missing"})
    readiness_columns.open_column(db, program, course, slug, by=person)
    return _url(program_id, course_id, slug)


@coordinator.post("/programs/<uuid:program_id>/courses/<uuid:course_id>/grades/closed")
@form()
def close_grades(db: Session, program_id: uuid.UUID, course_id: uuid.UUID) -> str:
    """Send nothing more."""
    person = current_visit().person
    program, course = readiness_columns.place(db, person, program_id, course_id)
    slug = request.form.get("certification", "")
    column = next((each for each in gradebook.columns_of(db, program, course) if each.certification_id == slug), None)
    if column is None:
        raise NotFound("grades.no_such_column")
    gradebook.close_column(column)
    return _url(program_id, course_id, slug)


def _url(program_id: uuid.UUID, course_id: uuid.UUID, slug: str) -> str:
    return visit_url("coordinator.grades", program_id=program_id, course_id=course_id, certification=slug)
