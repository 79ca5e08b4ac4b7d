"""Who takes part, and who is paired with whom."""

import uuid

from flask import render_template, request
from sqlalchemy.orm import Session

from lti_mentor.errors import Invalid, Refused
from lti_mentor.lti import contexts
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.mentoring import (
    courses,
    goal_progress,
    goals,
    joining,
    meetings,
    mentorships,
    pairing,
    people,
    programs,
)
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.homes import coordinator as homes
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program
from lti_mentor.web import access
from lti_mentor.web.coordinator import activities
from lti_mentor.web.coordinator.blueprint import coordinator
from lti_mentor.web.forms import form
from lti_mentor.web.lists import page_of
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url


@coordinator.get("/programs/<uuid:program_id>/people")
def people_(program_id: uuid.UUID, error: Invalid | None = None) -> str:
    """Everybody met in the program's courses, or those who can open an activity there, and the part each has."""
    visit = current_visit()
    with tool().database.reading() as db:
        program = programs.get_for_coordinator(db, visit.person, program_id)
        parts = {
            part: {row.person_id: row for row in programs.participants(db, program, part)} for part in programs.PARTS
        }
        known = courses.people_of(db, programs.courses_of(db, program))
        enrolled = people.by_ids(db, visit.organization_id, [pid for rows in parts.values() for pid in rows])
        rosters = _rosters(db, program)
        found = activities.of_program(db, program)
        chosen = activities.chosen(db, found)
    everybody = sorted({**known, **enrolled}.values(), key=lambda person: person.number)
    if chosen is not None:
        everybody = [person for person in everybody if person.id in chosen.people]
    return render_template(
        "coordinator/people.html",
        program=program,
        page=page_of(everybody, _name),
        activities=found,
        chosen=chosen,
        is_part=False,
        parts_of=parts,
        rosters=rosters,
        error=error,
        typed=request.form,
    )


Roster = tuple[Course, ContextServices, bool]


def _rosters(db: Session, program: Program) -> list[Roster]:
    """The courses of the program whose platform gives a list of their people, and whether it is let in."""
    found = []
    for course in programs.courses_of(db, program):
        services = contexts.of(db, course.organization_id, course.deployment_id, course.context_id)
        if services is not None and services.memberships_url is not None:
            found.append((course, services, contexts.is_let_in(db, services)))
    return found


@coordinator.get("/programs/<uuid:program_id>/rosters")
def rosters(program_id: uuid.UUID) -> str:
    """How the lists of the courses stand; the page asks again while one is read."""
    with tool().database.reading() as db:
        program = programs.get_for_coordinator(db, current_visit().person, program_id)
        found = _rosters(db, program)
    return render_template("coordinator/rosters.html", program=program, rosters=found, is_part=True)


@coordinator.post("/programs/<uuid:program_id>/rosters")
@form()
def read_rosters(db: Session, program_id: uuid.UUID) -> str:
    """Read the lists of all courses of the program as soon as a worker is free."""
    program = programs.get_for_coordinator(db, current_visit().person, program_id)
    for _, services, _is_let_in in _rosters(db, program):
        contexts.ask_for_roster(services)
    return visit_url("coordinator.people_", program_id=program_id)


def _name(person: Person) -> str:
    return person.name or str(person.number)


@coordinator.post("/programs/<uuid:program_id>/people")
@form(again=people_)
def enroll_people(db: Session, program_id: uuid.UUID) -> str:
    """Enroll the ticked people with one part."""
    visit = current_visit()
    program = programs.get_for_coordinator(db, visit.person, program_id)
    chosen = _people(db, request.form.getlist("person"))
    if not chosen:
        raise Invalid({"person": "choice.missing"})
    part = request.form.get("part", "mentee")
    capacity = request.form.get("capacity", "3")
    places = int(capacity) if part == "mentor" and capacity.isdecimal() and len(capacity) < 4 else 0
    for person in chosen:
        joining.enroll(db, program, person, part, capacity=places)
    return _people_url(program_id)


def _people(db: Session, ids: list[str]) -> list[Person]:
    try:
        wanted = [uuid.UUID(text) for text in ids if text]
    except ValueError:
        raise Invalid({"person": "person.unknown"}) from None
    return [people.get(db, current_visit().organization_id, person_id) for person_id in wanted]


@coordinator.get("/programs/<uuid:program_id>/pairing", endpoint="pairing")
def show_pairing(program_id: uuid.UUID, error: Invalid | None = None) -> str:
    """Learners without a mentor, and mentors with free places."""
    visit = current_visit()
    with tool().database.reading() as db:
        program = programs.get_for_coordinator(db, visit.person, program_id)
        waiting = homes.without_mentor(db, program)
        load = mentorships.load(db, program)
        rows = programs.participants(db, program, "mentor")
        known = people.by_ids(db, visit.organization_id, [row.person_id for row in rows])
        page = page_of(waiting, _name)
        elsewhere = mentorships.of_mentees(db, visit.organization_id, [person.id for person in page.rows])
    mentors = [
        (known[row.person_id], row.capacity - load.get(row.person_id, 0), row.paused, row.capacity) for row in rows
    ]
    mentors.sort(key=lambda row: (row[2], -row[1], row[0].number))
    return render_template(
        "coordinator/pairing.html",
        program=program,
        page=page,
        elsewhere=elsewhere,
        mentors=mentors,
        places=sum(max(free, 0) for _, free, paused, _ in mentors if not paused),
        waiting=len(waiting),
        error=error,
        typed=request.form,
    )


@coordinator.post("/programs/<uuid:program_id>/pairing")
@form(again=show_pairing)
def pair_people(db: Session, program_id: uuid.UUID) -> str:
    """Every learner for whom a mentor was chosen, all or none."""
    visit = current_visit()
    program = programs.get_for_coordinator(db, visit.person, program_id)
    chosen = {name[7:]: value for name, value in request.form.items() if name.startswith("mentor-") and value}
    if not chosen:
        raise Invalid({"mentor": "pair.nothing"})
    for learner_id, mentor_id in chosen.items():
        mentee, mentor = _people(db, [learner_id, mentor_id])
        try:
            pairing.pair(db, program, mentor=mentor, mentee=mentee, by=visit.person)
        except Refused as error:
            raise Invalid({f"mentor-{learner_id}": error.reason}) from None
    return visit_url("coordinator.home", program=program_id)


@coordinator.post("/programs/<uuid:program_id>/mentors/<uuid:person_id>/paused")
@form()
def pause_mentor(db: Session, program_id: uuid.UUID, person_id: uuid.UUID) -> str:
    """No new mentees for a while."""
    visit = current_visit()
    program = programs.get_for_coordinator(db, visit.person, program_id)
    programs.pause(db, program, people.get(db, visit.organization_id, person_id))
    return _people_url(program_id)


@coordinator.post("/programs/<uuid:program_id>/mentors/<uuid:person_id>/resumed")
@form()
def resume_mentor(db: Session, program_id: uuid.UUID, person_id: uuid.UUID) -> str:
    """Free for new mentees again."""
    visit = current_visit()
    program = programs.get_for_coordinator(db, visit.person, program_id)
    programs.resume(db, program, people.get(db, visit.organization_id, person_id))
    return _people_url(program_id)


def _people_url(program_id: uuid.UUID) -> str:
    """The same page of the list as before."""
    kept = {name: request.args.get(name) for name in ("q", "page", "link")}
    return visit_url("coordinator.people_", program_id=program_id, **kept)


# Pairs ----------------------------------------------------------------------------------------------------------------


@coordinator.get("/programs/<uuid:program_id>/pairs")
def pairs(program_id: uuid.UUID) -> str:
    """Who is with whom, and since when."""
    visit = current_visit()
    with tool().database.reading() as db:
        program = programs.get_for_coordinator(db, visit.person, program_id)
        found = mentorships.of_program(db, program)
        known = people.by_ids(
            db, visit.organization_id, [pid for pair in found for pid in (pair.mentor_id, pair.mentee_id)]
        )

    def names(pair: Mentorship) -> str:
        return f"{_name(known[pair.mentee_id])} {_name(known[pair.mentor_id])}"

    return render_template("coordinator/pairs.html", program=program, page=page_of(found, names), known=known)


@coordinator.get("/programs/<uuid:program_id>/pairs/<uuid:mentorship_id>")
def pair(program_id: uuid.UUID, mentorship_id: uuid.UUID) -> str:
    """One pair: how often they met, and how it may finish."""
    visit = current_visit()
    with tool().database.reading() as db:
        program = programs.get_for_coordinator(db, visit.person, program_id)
        found = mentorships.get_of_program(db, program, mentorship_id)
        known = people.by_ids(db, visit.organization_id, [found.mentor_id, found.mentee_id])
        held = [each for each in meetings.of_mentorship(db, found) if each.status == "held"]
        shared = goals.shared_in(db, program, known[found.mentee_id])
        progress = goal_progress.of_many(db, shared)
    access.note_read(known[found.mentee_id])
    return render_template(
        "coordinator/pair.html",
        program=program,
        pair=found,
        mentor=known[found.mentor_id],
        mentee=known[found.mentee_id],
        held=held,
        goals=shared,
        progress=progress,
        quiet_since=mentorships.quiet_since(found),
    )


@coordinator.post("/programs/<uuid:program_id>/pairs/<uuid:mentorship_id>/<any(completed, ended):how>")
@form()
def finish_pair(db: Session, program_id: uuid.UUID, mentorship_id: uuid.UUID, how: str) -> str:
    """They reached what they wanted, or stop without anybody's fault."""
    visit = current_visit()
    program = programs.get_for_coordinator(db, visit.person, program_id)
    found = mentorships.get_of_program(db, program, mentorship_id)
    pairing.finish(db, found, how, by=visit.person)
    return visit_url("coordinator.pairs", program_id=program_id)
