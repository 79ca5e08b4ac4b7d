"""The picker: a teacher chooses what to place in the course."""

import uuid
from dataclasses import replace
from datetime import datetime, time

from flask import Blueprint, g, render_template, request
from sqlalchemy.orm import Session

from lti_mentor.errors import Invalid, NotAllowed, NotFound
from lti_mentor.lti import deep_linking
from lti_mentor.lti.deep_linking import Choice, Picker
from lti_mentor.lti.origins import origin
from lti_mentor.mentoring import catalog, course_map, courses, programs, readiness_columns
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program
from lti_mentor.web import language, placed
from lti_mentor.web.forms import form
from lti_mentor.web.language import _
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

picker = Blueprint("picker", __name__, url_prefix="/picker")
LAST_MINUTE = time(23, 59)


@picker.get("/<uuid:picker_id>")
def choose(picker_id: uuid.UUID, error: Invalid | None = None) -> str:
    """What there is: the mentoring of this course, its programs, certifications with their column, goals."""
    visit = current_visit()
    with tool().database.reading() as db:
        asked = deep_linking.get_picker(db, visit.organization_id, picker_id, visit_key=visit.key)
        course = _course(db)
        offered = _offered(db, course, visit.person)
        chosen = _chosen(db, asked)
        may_have_column = asked.accepts_columns and bool(course and programs.coordinated_in(db, visit.person, course))
    words = request.args.get("q", "").strip().casefold().split()
    shown = {key: each for key, each in offered.items() if all(word in each.title.casefold() for word in words)}
    return render_template(
        "picker/choose.html",
        picker=asked,
        offered=shown,
        is_long=len(offered) > 5,
        may_have_column=may_have_column,
        chosen=request.form.getlist("choice") if request.form else chosen,
        error=error,
        typed=request.form,
        with_column=placed.WITH_COLUMN,
    )


def _chosen(db: Session, asked: Picker) -> list[str]:
    """What the activity shows now."""
    if asked.resource_link_id is None:
        return []
    link = deep_linking.of_activity(db, asked.organization_id, asked.deployment_id, [asked.resource_link_id])
    return [f"{link.kind} {link.target}".strip()] if link else []


def _course(db: Session) -> Course | None:
    visit = current_visit()
    return courses.get(db, visit.organization_id, visit.course_id) if visit.course_id else None


def _offered(db: Session, course: Course | None, person: Person) -> dict[str, Choice]:
    """By the value of its box: what the person may place here."""
    found = [
        Choice(
            kind="home", target="", title=_("My mentoring"), text=_("Goals, next steps and your mentor in this course.")
        )
    ]
    for program in programs.of_course(db, course) if course else []:
        text, (opens_at, closes_at) = _("The mentoring program of this course."), _dates(program)
        found.append(
            Choice(
                kind="program",
                target=str(program.id),
                title=program.name,
                text=text,
                opens_at=opens_at,
                closes_at=closes_at,
            )
        )
    used = course_map.certifications_of(db, course) if course else set()
    for entry in sorted(catalog.offered(), key=lambda entry: entry.slug not in used):
        text = _("How far you are to %(name)s, domain by domain.", name=entry.name)
        found.append(Choice(kind="certification", target=entry.slug, title=entry.name, text=text))
    text = _("The form for a goal with a number and a date; afterwards the list of the person’s goals.")
    found.insert(1, Choice(kind="goal", target="", title=_("Set a goal"), text=text))
    return {choice.value: choice for choice in found}


def _dates(program: Program) -> tuple[datetime, datetime]:
    """The first and the last moment of a program, in the zone of whoever places it."""
    zone = language.zone()
    return datetime.combine(program.starts_on, time.min, zone), datetime.combine(program.ends_on, LAST_MINUTE, zone)


@picker.post("/<uuid:picker_id>")
@form(again=choose)
def place(db: Session, picker_id: uuid.UUID) -> str:
    visit = current_visit()
    asked = deep_linking.get_picker(db, visit.organization_id, picker_id, visit_key=visit.key)
    course = _course(db)
    offered = _offered(db, course, visit.person)
    wanted = [] if request.form.get("decision") == "cancel" else request.form.getlist("choice")
    if not wanted and request.form.get("decision") != "cancel":
        raise Invalid({"choice": "choice.missing"})
    if not set(wanted) <= set(offered):
        raise Invalid({"choice": "picker.unknown_choice"})
    if len(wanted) > 1 and not asked.accepts_several:
        raise Invalid({"choice": "picker.one_only"})
    context_id = course.context_id if course else None
    if asked.resource_link_id is not None:
        for key in wanted:
            deep_linking.show(db, asked, offered[key], context_id=context_id)
        return visit_url("coordinator.home", done="link.chosen" if wanted else None)
    columns = set(request.form.getlist("column")) if asked.accepts_columns and course is not None else set()
    choices = [_with_column(db, offered[key], course) if key in columns and course else offered[key] for key in wanted]
    deep_linking.answer(db, asked, choices, context_id=context_id, base_url=tool().settings.base_url)
    return visit_url("picker.send", picker_id=picker_id)


def _with_column(db: Session, choice: Choice, course: Course) -> Choice:
    """With the column of what it shows, which the platform makes when the teacher saves the link."""
    if choice.kind not in placed.WITH_COLUMN:
        return choice
    person = current_visit().person
    mine = programs.coordinated_in(db, person, course)
    if not mine:
        raise NotAllowed("program.not_coordinator")
    column = readiness_columns.prepare_column(db, mine[0], course, choice.target or None, by=person)
    if column.status == "open":
        return choice  # it is shown without this link
    closes_at = _dates(mine[0])[1]
    named = replace(choice, column_label=column.label, column_tag=column.tag)
    return replace(named, column_key=column.key, closes_at=closes_at)


@picker.get("/<uuid:picker_id>/answer")
def send(picker_id: uuid.UUID) -> str:
    """The signed answer, as a form that goes to the platform by itself."""
    visit = current_visit()
    with tool().database.reading() as db:
        asked = deep_linking.get_picker(db, visit.organization_id, picker_id, visit_key=visit.key)
        if asked.answered_at is None:
            raise Invalid({"choice": "choice.missing"})
        if asked.return_url is None:
            raise NotFound("picker.unknown")
        token = deep_linking.signed(db, tool().vault, asked)
    g.form_targets = (origin(asked.return_url),)
    return render_template("picker/send.html", picker=asked, token=token)
