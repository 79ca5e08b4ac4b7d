"""The coordinator's home: which pairs are stuck, and what can be done about it in one click."""

import uuid
from collections.abc import Sequence

from flask import render_template, request
from sqlalchemy.orm import Session

from lti_mentor.errors import NotAllowed, Refused
from lti_mentor.lti import deep_linking
from lti_mentor.mentoring import course_copies, course_map, courses, notices, programs
from lti_mentor.mentoring.homes import coordinator as homes
from lti_mentor.mentoring.programs import Program
from lti_mentor.web.coordinator.blueprint import coordinator
from lti_mentor.web.forms import form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url


@coordinator.get("/", endpoint="home")
def show_home() -> str:
    """Which pairs are stuck, and what can I do about it in one click?"""
    visit = current_visit()
    if not visit.parts & {"coordinator", "teacher"}:
        raise NotAllowed()
    with tool().database.reading() as db:
        mine = programs.coordinated_by(db, visit.person)
        page = homes.home(db, _chosen(mine)) if mine else None
        here = courses.get(db, visit.organization_id, visit.course_id) if visit.course_id else None
        maps = {course.id: course for course in page.courses} if page else {}
        if here is not None and course_map.may_set(db, visit.person, here):
            maps[here.id] = here
        copy = course_copies.arrived(db, here, visit.person) if here is not None else None
        choice = deep_linking.choice_of_visit(db, visit.organization_id, visit_key=visit.key)
    return render_template(
        "coordinator/home.html", home=page, programs=mine, maps=maps.values(), copy=copy, choice=choice
    )


def _chosen(mine: Sequence[Program]) -> Program:
    wanted = request.args.get("program")
    return next((program for program in mine if str(program.id) == wanted), mine[0])


@coordinator.post("/programs/<uuid:program_id>/reminders")
@form()
def remind(db: Session, program_id: uuid.UUID) -> str:
    """Remind one pair, or all of a list that may be reminded; silent ones may be asked how they are doing instead."""
    visit = current_visit()
    program = programs.get_for_coordinator(db, visit.person, program_id)
    page = homes.home(db, program)
    kind = request.form.get("kind", "")
    rows = {"never_met": page.never_met, "silent": page.silent, "review_waiting": page.old_reviews}.get(kind, ())
    wanted = request.form.get("mentorship", "all")
    chosen = [row for row in rows if wanted in ("all", str(row.mentorship.id)) and row.may_remind]
    if not chosen:
        raise Refused("reminder.this_week" if rows else "reminder.not_here")
    asks = kind == "silent" and request.form.get("as") == "check_in"
    for row in chosen:
        notices.remind(db, row.mentorship, "check_in" if asks else kind, by=visit.person)
    return visit_url("coordinator.home", program=program_id)
