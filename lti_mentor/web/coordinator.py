"""The coordinator's pages."""

import uuid
from collections.abc import Sequence
from datetime import timedelta

from flask import Blueprint, render_template, request
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.errors import Invalid, MentorError, NotAllowed, Refused
from lti_mentor.mentoring import catalog, courses, mentorships, notices, people, programs
from lti_mentor.mentoring.courses import Course, DomainKey
from lti_mentor.mentoring.homes import coordinator as homes
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program, ProgramDraft
from lti_mentor.web import fields, language
from lti_mentor.web.fields import FormSchema
from lti_mentor.web.forms import form
from lti_mentor.web.lists import page_of
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

coordinator = Blueprint("coordinator", __name__, url_prefix="/coordinator")


@coordinator.get("/", endpoint="home")
def show_home() -> str:
    """Which pairs are stuck, and what can I do about it in one click?"""
    visit = current_visit()
    if not visit.parts & {"coordinator", "teacher"}:
        raise NotAllowed()
    with tool().database.reading() as db:
        mine = programs.coordinated_by(db, visit.person)
        page = homes.home(db, _chosen(mine)) if mine else None
    return render_template("coordinator/home.html", home=page, programs=mine, today=clock.today())


def _chosen(mine: Sequence[Program]) -> Program:
    wanted = request.args.get("program")
    return next((program for program in mine if str(program.id) == wanted), mine[0])


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
    today = clock.today()
    return render_template(
        "coordinator/program_form.html",
        course=course,
        error=error,
        typed=request.form,
        starts_on=today.isoformat(),
        ends_on=(today + timedelta(weeks=26)).isoformat(),
    )


def _own_course(db: Session) -> Course:
    """The course of the visit, which the person teaches. Raises NotAllowed."""
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
    draft = ProgramDraft(**fields.load(ProgramForm))
    program = programs.create(db, _own_course(db), draft, by=current_visit().person)
    return visit_url("coordinator.people_", program_id=program.id)


@coordinator.get("/programs/<uuid:program_id>/people")
def people_(program_id: uuid.UUID, error: Invalid | None = None) -> str:
    """Everybody met in the program's courses, and the part each has."""
    visit = current_visit()
    with tool().database.reading() as db:
        program = programs.get_for_coordinator(db, visit.person, program_id)
        parts = {
            part: {row.person_id: row for row in programs.participants(db, program, part)} for part in programs.PARTS
        }
        known = courses.people_of(db, programs.courses_of(db, program))
        enrolled = people.by_ids(db, visit.organization_id, [pid for rows in parts.values() for pid in rows])
    everybody = sorted({**known, **enrolled}.values(), key=lambda person: person.number)
    return render_template(
        "coordinator/people.html",
        program=program,
        page=page_of(everybody, _name),
        parts_of=parts,
        error=error,
        typed=request.form,
    )


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
    for person in chosen:
        programs.enroll(
            db, program, person, part, capacity=int(capacity) if part == "mentor" and capacity.isdecimal() else 0
        )
    return visit_url(
        "coordinator.people_", program_id=program_id, q=request.args.get("q"), page=request.args.get("page")
    )


def _people(db: Session, ids: list[str]) -> list[Person]:
    try:
        wanted = [uuid.UUID(text) for text in ids if text]
    except ValueError:
        raise Invalid({"person": "person.unknown"}) from None
    return [people.get(db, current_visit().organization_id, person_id) for person_id in wanted]


@coordinator.get("/programs/<uuid:program_id>/pairing")
def pairing(program_id: uuid.UUID, error: Invalid | None = None) -> str:
    """Learners without a mentor, and mentors with free places."""
    visit = current_visit()
    with tool().database.reading() as db:
        program = programs.get_for_coordinator(db, visit.person, program_id)
        waiting = homes.without_mentor(db, program)
        load = mentorships.load(db, program)
        rows = programs.participants(db, program, "mentor")
        known = people.by_ids(db, visit.organization_id, [row.person_id for row in rows])
    mentors = [
        (known[row.person_id], row.capacity - load.get(row.person_id, 0), row.paused, row.capacity) for row in rows
    ]
    mentors.sort(key=lambda row: (row[2], -row[1], row[0].number))
    return render_template(
        "coordinator/pairing.html",
        program=program,
        page=page_of(waiting, _name),
        mentors=mentors,
        error=error,
        typed=request.form,
    )


@coordinator.post("/programs/<uuid:program_id>/pairing")
@form(again=pairing)
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
            mentorships.pair(db, program, mentor=mentor, mentee=mentee, by=visit.person)
        except Refused as error:
            raise Invalid({f"mentor-{learner_id}": error.reason}) from None
    return visit_url("coordinator.home", program=program_id)


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


@coordinator.get("/map")
def course_map(error: MentorError | None = None) -> str:
    """Which item of this course shows which exam domain."""
    with tool().database.reading() as db:
        course = _own_course(db)
        items = courses.items(db, course)
        mapped = courses.course_map(db, course)
    return render_template(
        "coordinator/map.html",
        course=course,
        items=items,
        mapped=mapped,
        entries=list(catalog.entries().values()),
        stale=[entry for entry in catalog.entries().values() if entry.is_stale(clock.today())],
        error=error,
        typed=request.form,
    )


@coordinator.post("/map")
@form(again=course_map)
def save_map(db: Session) -> str:
    course = _own_course(db)
    entries = {
        item.id: [_domain_key(text) for text in request.form.getlist(f"domain-{item.id}") if text]
        for item in courses.items(db, course)
    }
    courses.save_map(db, course, entries, by=current_visit().person)
    return visit_url("coordinator.course_map")


def _domain_key(text: str) -> DomainKey:
    slug, _, code = text.partition("/")
    return slug, catalog.entry(slug).domain(code).code


class ItemForm(FormSchema):
    title = fields.text()
    activity_iri = fields.text()
    due_on = fields.day(load_default=None)


@coordinator.post("/items")
@form(again=course_map)
def add_item(db: Session) -> str:
    course, typed = _own_course(db), fields.load(ItemForm)
    wrong = {}
    if not typed["title"]:
        wrong["title"] = "item.no_title"
    if ":" not in typed["activity_iri"]:
        wrong["activity_iri"] = "item.address"
    if wrong:
        raise Invalid(wrong)
    due_at = fields.local_moment(typed["due_on"].isoformat(), "23:59", language.zone()) if typed["due_on"] else None
    courses.add_item(db, course, activity_iri=typed["activity_iri"], title=typed["title"], due_at=due_at)
    return visit_url("coordinator.course_map")
