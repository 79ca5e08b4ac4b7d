"""Starting a program, its settings, and placing it in a course."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

from flask import render_template, request
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.errors import Invalid, MentorError, NotAllowed, Refused
from lti_mentor.lti.deep_linking import Choice, PlacedLink
from lti_mentor.mentoring import course_copies, courses, program_rules, programs
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import ProgramDraft
from lti_mentor.mentoring.readiness import Rules
from lti_mentor.web import fields, language, placed
from lti_mentor.web.coordinator.blueprint import coordinator
from lti_mentor.web.fields import FormSchema
from lti_mentor.web.forms import form
from lti_mentor.web.language import _
from lti_mentor.web.placed import Destination, Kind
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url


class ProgramForm(FormSchema):
    name = fields.text()
    starts_on = fields.day(required=True)
    ends_on = fields.day(required=True)
    meetings_per_month = fields.whole(load_default=2)
    target_active = fields.whole(load_default=80)
    target_cadence = fields.whole(load_default=70)
    target_on_time = fields.whole(load_default=70)
    target_certified = fields.whole(load_default=1)


@coordinator.get("/programs/new")
def new_program(error: Invalid | None = None) -> str:
    """The program form."""
    with tool().database.reading() as db:
        course = _own_course(db)
    starts_on, ends_on = _days(course)
    return render_template(
        "coordinator/program_form.html",
        course=course,
        error=error,
        typed=request.form,
        starts_on=starts_on.isoformat(),
        ends_on=ends_on.isoformat(),
    )


def _days(course: Course) -> tuple[date, date]:
    """From the beginning of the course to its end where these are ahead; from today, and half a year, where not."""
    begins, ends = (at and at.astimezone(language.zone()).date() for at in (course.begins_at, course.ends_at))
    starts_on = max(begins or clock.today(), clock.today())
    return starts_on, ends if ends and ends > starts_on else starts_on + timedelta(weeks=26)


def _own_course(db: Session) -> Course:
    """The course of the visit, which the person teaches. Raises Refused and NotAllowed."""
    visit = current_visit()
    if visit.course_id is None:
        raise Refused("course.none")
    course = courses.get(db, visit.organization_id, visit.course_id)
    if not courses.teaches(db, visit.person, course):
        raise NotAllowed("program.not_teacher")
    return course


@coordinator.post("/programs")
@form(again=new_program)
def create_program(db: Session) -> str:
    draft = ProgramDraft(**fields.load(ProgramForm, programs.problems))
    program = programs.create(db, _own_course(db), draft, by=current_visit().person)
    return visit_url("coordinator.people_", program_id=program.id)


@coordinator.get("/programs/<uuid:program_id>/settings")
def program_settings(program_id: uuid.UUID, error: MentorError | None = None) -> str:
    """What may still be changed, and what was fixed before the start."""
    visit = current_visit()
    with tool().database.reading() as db:
        program = programs.get_for_coordinator(db, visit.person, program_id)
        attached = programs.courses_of(db, program)
        here = courses.get(db, visit.organization_id, visit.course_id) if visit.course_id else None
        may_attach = here is not None and here.id not in {course.id for course in attached}
        may_attach = may_attach and here is not None and courses.teaches(db, visit.person, here)
    return render_template(
        "coordinator/settings.html",
        program=program,
        attached=attached,
        attachable=here if may_attach else None,
        error=error,
        typed=request.form,
    )


class ChangesForm(FormSchema):
    """What is not sent stays as it is: after the start the fixed fields are not on the page."""

    name = fields.text()
    starts_on = fields.day()
    ends_on = fields.day(required=True)
    meetings_per_month = fields.whole(required=True)
    target_active = fields.whole()
    target_cadence = fields.whole()
    target_on_time = fields.whole()
    target_certified = fields.whole()


@coordinator.post("/programs/<uuid:program_id>/settings")
@form(again=program_settings)
def change_program(db: Session, program_id: uuid.UUID) -> str:
    visit = current_visit()
    program = programs.get_for_coordinator(db, visit.person, program_id)
    changes = fields.load(ChangesForm, programs.problems)
    programs.change(db, program, replace(programs.draft_of(program), **changes), by=visit.person)
    return visit_url("coordinator.program_settings", program_id=program_id)


class RulesForm(FormSchema):
    mentor_weight = fields.whole(required=True)
    ready_line = fields.whole(required=True)
    floor = fields.whole(required=True)


@coordinator.post("/programs/<uuid:program_id>/rules")
@form(again=program_settings)
def change_rules(db: Session, program_id: uuid.UUID) -> str:
    visit = current_visit()
    program = programs.get_for_coordinator(db, visit.person, program_id)
    program_rules.save(db, program, Rules(**fields.load(RulesForm)), by=visit.person)
    return visit_url("coordinator.program_settings", program_id=program_id)


@coordinator.post("/programs/<uuid:program_id>/courses")
@form()
def attach_course(db: Session, program_id: uuid.UUID) -> str:
    """Let the program run in the course of this visit too."""
    visit = current_visit()
    program = programs.get_for_coordinator(db, visit.person, program_id)
    course_copies.attach(db, program, _own_course(db), by=visit.person)
    return visit_url("coordinator.program_settings", program_id=program_id)


# In the course -------------------------------------------------------------------------------------------------------


def _to_place(db: Session, course: Course | None) -> Iterator[Choice]:
    for program in programs.of_course(db, course) if course else []:
        opens_at, closes_at = placed.moments(program.starts_on, program.ends_on)
        yield Choice(
            kind="program",
            target=str(program.id),
            title=program.name,
            text=_("The mentoring program of this course."),
            shows=(
                _("Whoever coordinates the program finds its pairs, and which of them need help."),
                _("Everybody else finds their own start page: a mentor their mentees, a learner the next step."),
            ),
            opens_at=opens_at,
            closes_at=closes_at,
        )


def _is_there(db: Session, link: PlacedLink) -> bool:
    return link.target in {str(program.id) for program in programs.listed(db, link.organization_id)}


def _destination(db: Session, link: PlacedLink, person: Person) -> Destination:
    mine = {str(program.id) for program in programs.coordinated_by(db, person)}
    return ("coordinator.home", {"program": link.target}) if link.target in mine else ("home.home", {})


placed.add(Kind(name="program", rank=30, offered=_to_place, is_there=_is_there, destination=_destination))
