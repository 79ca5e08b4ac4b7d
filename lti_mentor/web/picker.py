"""The picker: a teacher chooses what to place in the course."""

import uuid
from dataclasses import dataclass, replace
from typing import Any

from flask import Blueprint, g, render_template, request
from sqlalchemy.orm import Session

from lti_mentor.errors import Invalid, NotAllowed, NotFound
from lti_mentor.lti import deep_linking
from lti_mentor.lti.deep_linking import Choice, Picker
from lti_mentor.lti.origins import origin
from lti_mentor.mentoring import courses, gradebook, programs, readiness_columns
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.programs import Program
from lti_mentor.web import placed
from lti_mentor.web.forms import form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

picker = Blueprint("picker", __name__, url_prefix="/picker")
LONGEST_SEARCH = 100  # characters


@dataclass(frozen=True)
class ColumnPreview:
    """What a link may bring into the gradebook: of the mentees of this program, if of any."""

    label: str
    is_open: bool  # it stands there already
    sends: str | None  # as it was chosen for it, also when it was there before
    program: Program | None


@picker.get("/<uuid:picker_id>")
def choose(picker_id: uuid.UUID, error: Invalid | None = None) -> str:
    """What there is, each with what people will find behind it; what is ticked stays in the list of a search."""
    visit = current_visit()
    with tool().database.reading() as db:
        asked = deep_linking.get_picker(db, visit.organization_id, picker_id, visit_key=visit.key)
        course = _course(db)
        offered = placed.offered(db, course)
        ticked = request.values.getlist("choice") or _chosen(db, asked)
        columns = _columns(db, offered, course)
    words = _searched().casefold().split()
    found = {key for key, each in offered.items() if all(word in each.title.casefold() for word in words)}
    return render_template(
        "picker/choose.html",
        picker=asked,
        offered={key: each for key, each in offered.items() if key in found or key in ticked},
        nothing_found=not found,
        is_long=len(offered) > 5,
        ticked=ticked,
        columns=columns,
        error=error,
        typed=request.values,
    )


def _searched() -> str:
    return request.values.get("q", "").strip()[:LONGEST_SEARCH]


def _chosen(db: Session, asked: Picker) -> list[str]:
    """What the activity shows now."""
    if asked.resource_link_id is None:
        return []
    link = deep_linking.of_activity(db, asked.organization_id, asked.deployment_id, [asked.resource_link_id])
    return [f"{link.kind} {link.target}".strip()] if link else []


def _course(db: Session) -> Course | None:
    visit = current_visit()
    return courses.get(db, visit.organization_id, visit.course_id) if visit.course_id else None


def _columns(db: Session, offered: dict[str, Choice], course: Course | None) -> dict[str, ColumnPreview]:
    """By the value of the box, for what a column can show something of."""
    program = _program(db, course)
    there = gradebook.columns_of(db, program, course) if program and course else []
    labels = {column.certification_id: gradebook.label(db, column) for column in there}
    sends = gradebook.sent_in(db, program, course) if program and course else {}
    return {
        key: _preview_of(choice.target or None, labels, sends, program)
        for key, choice in offered.items()
        if placed.KINDS[choice.kind].has_column
    }


def _preview_of(
    slug: str | None, labels: dict[str | None, str], sends: dict[str | None, str], program: Program | None
) -> ColumnPreview:
    label = labels.get(slug) or gradebook.plain_label(slug)
    return ColumnPreview(label, slug in labels, sends.get(slug), program)


def _program(db: Session, course: Course | None) -> Program | None:
    """The program of the course that a column would be of: one that the person coordinates."""
    mine = programs.coordinated_in(db, current_visit().person, course) if course else []
    return mine[0] if mine else None


@picker.post("/<uuid:picker_id>")
@form(again=choose)
def place(db: Session, picker_id: uuid.UUID) -> str:
    visit = current_visit()
    asked = deep_linking.get_picker(db, visit.organization_id, picker_id, visit_key=visit.key)
    decision = request.form.get("decision")
    if decision == "search":
        return visit_url("picker.choose", picker_id=picker_id, q=_searched() or None, **_ticked())
    course = _course(db)
    offered = placed.offered(db, course)
    wanted = [] if decision == "cancel" else request.form.getlist("choice")
    if not wanted and decision != "cancel":
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


def _ticked() -> dict[str, Any]:
    """What a search keeps, in the address of what it finds."""
    return {name: request.form.getlist(name) for name in ("choice", "column")}


def _with_column(db: Session, choice: Choice, course: Course) -> Choice:
    """With the column of what it shows, which the platform makes when the teacher saves the link."""
    if not placed.KINDS[choice.kind].has_column:
        return choice
    program = _program(db, course)
    if program is None:
        raise NotAllowed("program.not_coordinator")
    column = readiness_columns.prepare_column(db, program, course, choice.target or None, by=current_visit().person)
    if column.status == "open":
        return choice  # it is shown without this link
    closes_at = placed.moments(program.starts_on, program.ends_on)[1]
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
