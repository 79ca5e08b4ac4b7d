"""The learner's pages, and what of them can be placed in a course."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from flask import Blueprint, render_template, request
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.errors import Invalid
from lti_mentor.lti.deep_linking import Choice, PlacedLink
from lti_mentor.mentoring import (
    catalog,
    course_map,
    courses,
    evidence,
    goal_columns,
    goal_progress,
    goals,
    joining,
    mentorships,
    pursuits,
    readiness_columns,
    standing,
)
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.evidence import Submission
from lti_mentor.mentoring.goals import GoalDraft, LinkDraft
from lti_mentor.mentoring.homes import learner as homes
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.readiness import SCALE, shown
from lti_mentor.web import fields, placed
from lti_mentor.web.fields import FormSchema
from lti_mentor.web.forms import form
from lti_mentor.web.language import _
from lti_mentor.web.lists import page_of
from lti_mentor.web.placed import Destination, Kind
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

learner = Blueprint("learner", __name__, url_prefix="/learner")


@learner.get("/", endpoint="home")
def show_home() -> str:
    """What do I do next, and how far am I?"""
    visit = current_visit()
    with tool().database.reading() as db:
        is_mentee = "mentee" in visit.parts
        page = homes.home(db, visit.person, visit.course_id, since=visit.previous_at, is_mentee=is_mentee)
    return render_template("learner/home.html", home=page)


# Goals ----------------------------------------------------------------------------------------------------------------


class GoalForm(FormSchema):
    title = fields.text()
    unit = fields.text()
    baseline = fields.number(load_default=0.0)
    target = fields.number(required=True)
    current = fields.number(load_default=None)
    due_on = fields.day(required=True)
    visibility = fields.text()


@learner.get("/goals/new")
def new_goal(error: Invalid | None = None) -> str:
    """The goal form, with what was typed and what is wrong."""
    visit = current_visit()
    with tool().database.reading() as db:
        course = courses.get(db, visit.organization_id, visit.course_id) if visit.course_id else None
        items = courses.items(db, course) if course else []
        mine = [(pursuit, catalog.entry(pursuit.certification_id)) for pursuit in pursuits.all_of(db, visit.person)]
        mentor = mentorships.of_mentee(db, visit.person)
    in_six_weeks = clock.today() + timedelta(days=42)
    return render_template(
        "learner/goal_form.html",
        error=error,
        typed=request.form,
        course=course,
        items=items,
        certifications=mine,
        has_mentor=mentor is not None,
        due_on=in_six_weeks.isoformat(),
        today=clock.today().isoformat(),
    )


@learner.post("/goals")
@form(again=new_goal)
def set_goal(db: Session) -> str:
    typed = fields.load(GoalForm, goals.problems)
    draft = GoalDraft(**{**typed, "visibility": typed["visibility"] or "shared"}, links=_links())
    goal = goals.set_goal(db, current_visit().person, draft)
    return visit_url("learner.goal", goal_id=goal.id)


def _links() -> list[LinkDraft]:
    """The ticked parts: ``measure``, ``course``, ``item <id>``, ``certification <slug>``, ``domain <slug>/<code>``."""
    return [_link(text) for text in request.form.getlist("link")]


def _link(text: str) -> LinkDraft:
    kind, _, rest = text.partition(" ")
    given = request.form.get(f"weight {text}", "1") or "1"
    if not given.isdecimal() or len(given) > 3:
        raise Invalid({"links": "goal.link_weight"})
    weight = int(given)
    if kind == "course":
        return LinkDraft(kind=kind, weight=weight, course_id=current_visit().course_id)
    if kind == "item":
        return LinkDraft(kind=kind, weight=weight, item_id=_uuid(rest), course_id=current_visit().course_id)
    if kind in ("certification", "domain"):
        slug, _, code = rest.partition("/")
        return LinkDraft(kind=kind, weight=weight, certification_id=slug, domain_code=code or None)
    return LinkDraft(kind=kind, weight=weight)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Invalid({"links": "item.unknown"}) from None


@learner.get("/goals/<uuid:goal_id>")
def goal(goal_id: uuid.UUID, error: Invalid | None = None) -> str:
    """One goal: its progress explained, and what can be done with it."""
    visit = current_visit()
    with tool().database.reading() as db:
        found = goals.get_own(db, visit.person, goal_id)
        progress = goal_progress.of_many(db, [found])[found.id]
    return render_template(
        "learner/goal.html", goal=found, progress=progress, error=error, typed=request.form, today=clock.today()
    )


class ProgressForm(FormSchema):
    current = fields.number(required=True)


@learner.post("/goals/<uuid:goal_id>/progress")
@form(again=goal)
def make_progress(db: Session, goal_id: uuid.UUID) -> str:
    person = current_visit().person
    found = goals.get_own(db, person, goal_id)
    goals.make_progress(db, found, fields.load(ProgressForm)["current"], by=person)
    return visit_url("learner.goal", goal_id=goal_id)


class DueDateForm(FormSchema):
    due_on = fields.day(required=True)


@learner.post("/goals/<uuid:goal_id>/due-date")
@form(again=goal)
def move_due_date(db: Session, goal_id: uuid.UUID) -> str:
    person = current_visit().person
    found = goals.get_own(db, person, goal_id)
    goals.move_due_date(db, found, fields.load(DueDateForm)["due_on"], by=person)
    return visit_url("learner.goal", goal_id=goal_id)


@learner.post("/goals/<uuid:goal_id>/achieved")
@form()
def achieve_goal(db: Session, goal_id: uuid.UUID) -> str:
    person = current_visit().person
    goals.achieve(db, goals.get_own(db, person, goal_id), by=person)
    return visit_url("learner.goal", goal_id=goal_id)


@learner.post("/goals/<uuid:goal_id>/reopened")
@form()
def reopen_goal(db: Session, goal_id: uuid.UUID) -> str:
    person = current_visit().person
    goals.reopen(db, goals.get_own(db, person, goal_id), by=person)
    return visit_url("learner.goal", goal_id=goal_id)


@learner.post("/goals/<uuid:goal_id>/removed")
@form()
def remove_goal(db: Session, goal_id: uuid.UUID) -> str:
    person = current_visit().person
    goals.remove(db, goals.get_own(db, person, goal_id), by=person)
    return visit_url("learner.home")


@learner.get("/goals")
def all_goals() -> str:
    """Every goal of the person, open ones first."""
    visit = current_visit()
    with tool().database.reading() as db:
        page = page_of(goals.all_of(db, visit.person), lambda goal: goal.title)
        progress = goal_progress.of_many(db, page.rows)
        sums = goal_columns.of_person(db, visit.person)
    return render_template("learner/goals.html", page=page, progress=progress, sums=sums, today=clock.today())


# Certifications -------------------------------------------------------------------------------------------------------


@learner.get("/certifications")
def choose_certification(error: Invalid | None = None) -> str:
    """The catalog."""
    visit = current_visit()
    with tool().database.reading() as db:
        known = {pursuit.certification_id: pursuit.id for pursuit in pursuits.all_of(db, visit.person)}
        entries = sorted(catalog.offered(), key=lambda entry: entry.name)
    chosen = request.values.get("certification")  # by a link that was placed, too
    return render_template(
        "learner/certifications.html", entries=entries, known=known, chosen=chosen, error=error, typed=request.form
    )


class PursuitForm(FormSchema):
    certification = fields.text()
    status = fields.text()
    target_on = fields.day(load_default=None)


@learner.post("/certifications")
@form(again=choose_certification)
def start_pursuit(db: Session) -> str:
    typed = fields.load(PursuitForm)
    if not typed["certification"]:
        raise Invalid({"certification": "choice.missing"})
    pursuit = joining.start(
        db,
        current_visit().person,
        typed["certification"],
        status=typed["status"] or "studying",
        target_on=typed["target_on"],
    )
    return visit_url("learner.rate", pursuit_id=pursuit.id)


@learner.get("/pursuits/<uuid:pursuit_id>")
def pursuit(pursuit_id: uuid.UUID, error: Invalid | None = None) -> str:
    """One certification: every number with its parts, and the facts of the exam."""
    visit = current_visit()
    with tool().database.reading() as db:
        found = pursuits.get_own(db, visit.person, pursuit_id)
        where = standing.of(db, found)
        pieces = evidence.of_pursuit(db, found)
        has_mentor = mentorships.of_mentee(db, visit.person) is not None
        not_final_in = readiness_columns.not_final_in(db, found)
    return render_template(
        "learner/pursuit.html",
        has_mentor=has_mentor,
        not_final_in=not_final_in,
        pursuit=found,
        entry=catalog.entry(found.certification_id),
        readiness=where.readiness,
        pieces=pieces,
        error=error,
        typed=request.form,
        today=clock.today(),
    )


@learner.post("/pursuits/<uuid:pursuit_id>/studying")
@form()
def start_studying(db: Session, pursuit_id: uuid.UUID) -> str:
    """From interest to work."""
    pursuits.study(db, pursuits.get_own(db, current_visit().person, pursuit_id))
    return visit_url("learner.pursuit", pursuit_id=pursuit_id)


@learner.get("/pursuits/<uuid:pursuit_id>/rating")
def rate(pursuit_id: uuid.UUID, error: Invalid | None = None) -> str:
    """The self-rating form, one row a domain."""
    visit = current_visit()
    with tool().database.reading() as db:
        found = pursuits.get_own(db, visit.person, pursuit_id)
        where = standing.of(db, found)
    entry = catalog.entry(found.certification_id)
    return render_template(
        "learner/rating.html", pursuit=found, entry=entry, readiness=where.readiness, scale=SCALE, error=error
    )


@learner.post("/pursuits/<uuid:pursuit_id>/rating")
@form(again=rate)
def rate_self(db: Session, pursuit_id: uuid.UUID) -> str:
    found = pursuits.get_own(db, current_visit().person, pursuit_id)
    given = {name[7:]: _step(value) for name, value in request.form.items() if name.startswith("rating-")}
    if not given:
        raise Invalid({"rating": "choice.missing"})
    before = standing.of(db, found)
    if set(given) - {domain.code for domain in before.readiness.domains}:
        raise Invalid({"rating": "domain.unknown"})
    changed = {code: value for code, value in given.items() if not _is_same(before.readiness.domain(code).own, value)}
    pursuits.rate_self(db, found, changed)
    standing.record_change(db, found, before)
    return visit_url("learner.home")


def _step(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 4 else -1


def _is_same(rating: Any, value: int) -> bool:
    return rating is not None and rating.value == value


class ExamForm(FormSchema):
    exam_on = fields.day(required=True)


@learner.post("/pursuits/<uuid:pursuit_id>/exam")
@form(again=pursuit)
def book_exam(db: Session, pursuit_id: uuid.UUID) -> str:
    found = pursuits.get_own(db, current_visit().person, pursuit_id)
    pursuits.book_exam(db, found, fields.load(ExamForm)["exam_on"])
    return visit_url("learner.pursuit", pursuit_id=pursuit_id)


class AwardForm(FormSchema):
    outcome = fields.text()
    awarded_on = fields.day(load_default=None)
    expires_on = fields.day(load_default=None)


@learner.post("/pursuits/<uuid:pursuit_id>/result")
@form(again=pursuit)
def tell_result(db: Session, pursuit_id: uuid.UUID) -> str:
    found = pursuits.get_own(db, current_visit().person, pursuit_id)
    typed = fields.load(AwardForm)
    if typed["outcome"] == "failed":
        pursuits.fail_exam(db, found)
    elif typed["outcome"] == "passed":
        if found.status != "passed":
            pursuits.pass_exam(db, found)
        pursuits.award(db, found, awarded_on=typed["awarded_on"] or clock.today(), expires_on=typed["expires_on"])
    else:
        raise Invalid({"outcome": "choice.missing"})
    return visit_url("learner.pursuit", pursuit_id=pursuit_id)


# Evidence -------------------------------------------------------------------------------------------------------------


@learner.get("/pursuits/<uuid:pursuit_id>/domains/<code>/evidence")
def new_evidence(pursuit_id: uuid.UUID, code: str, error: Invalid | None = None) -> str:
    """The form for a new piece."""
    visit = current_visit()
    with tool().database.reading() as db:
        found = pursuits.get_own(db, visit.person, pursuit_id)
        mentor = mentorships.of_mentee(db, visit.person)
    entry = catalog.entry(found.certification_id)
    domain = entry.domain(code)
    return render_template(
        "learner/evidence_form.html",
        pursuit=found,
        entry=entry,
        domain=domain,
        piece=None,
        has_mentor=mentor is not None,
        error=error,
        typed=request.form,
    )


class EvidenceForm(FormSchema):
    text = fields.text()
    link = fields.text()


@learner.post("/pursuits/<uuid:pursuit_id>/domains/<code>/evidence")
@form(again=new_evidence)
def submit_evidence(db: Session, pursuit_id: uuid.UUID, code: str) -> str:
    found = pursuits.get_own(db, current_visit().person, pursuit_id)
    piece = evidence.submit(db, found, code, Submission(**fields.load(EvidenceForm)))
    return visit_url("learner.piece", evidence_id=piece.id)


@learner.get("/evidence/<uuid:evidence_id>")
def piece(evidence_id: uuid.UUID, error: Invalid | None = None) -> str:
    """One piece with what was said about it; looking at an answer makes it final."""
    visit = current_visit()
    with tool().database.reading() as db:
        found = evidence.get_own(db, visit.person, evidence_id)
        reviews = [review for review in evidence.reviews(db, found) if review.taken_back_at is None]
        way = pursuits.get_own(db, visit.person, found.pursuit_id)
    if any(review.seen_at is None for review in reviews):
        with tool().database.transaction() as db:
            evidence.mark_seen(db, evidence.get_own(db, visit.person, evidence_id))
    entry = catalog.entry(way.certification_id)
    return render_template(
        "learner/evidence.html",
        piece=found,
        reviews=reviews,
        pursuit=way,
        entry=entry,
        domain=entry.domain(found.domain_code),
        error=error,
        typed=request.form,
    )


@learner.post("/evidence/<uuid:evidence_id>")
@form(again=piece)
def resubmit_evidence(db: Session, evidence_id: uuid.UUID) -> str:
    found = evidence.get_own(db, current_visit().person, evidence_id)
    evidence.resubmit(db, found, Submission(**fields.load(EvidenceForm)))
    return visit_url("learner.piece", evidence_id=evidence_id)


# In the course -------------------------------------------------------------------------------------------------------


def _goals_to_place(db: Session, course: Course | None) -> Iterator[Choice]:
    yield Choice(
        kind="goal",
        target="",
        title=_("Set a goal"),
        text=_("The form for a goal with a number and a date; afterwards the list of the person’s goals."),
        shows=(
            _("Before the first goal: the form for one, with a number, a date and who may see it."),
            _("Afterwards: all goals of the person, with their progress."),
        ),
    )


def _to_goals(db: Session, link: PlacedLink, person: Person) -> Destination:
    return ("learner.all_goals" if goals.all_of(db, person) else "learner.new_goal"), {}


def _certifications_to_place(db: Session, course: Course | None) -> Iterator[Choice]:
    used = course_map.certifications_of(db, course) if course else set()
    for entry in sorted(catalog.offered(), key=lambda entry: entry.slug not in used):
        weights = [f" ({shown(domain.weight)} %)" if entry.weights_published else "" for domain in entry.domains]
        domains = "; ".join(f"{domain.title}{weight}" for domain, weight in zip(entry.domains, weights, strict=True))
        yield Choice(
            kind="certification",
            target=entry.slug,
            title=entry.name,
            text=_("How far you are to %(name)s, domain by domain.", name=entry.name),
            shows=(
                _("Before they begin: the certifications to choose from, with this one chosen."),
                _("Afterwards: for each domain what is confirmed and what they say themselves; the facts of the exam."),
                _("Domains: %(domains)s.", domains=domains),
            ),
        )


def _to_certification(db: Session, link: PlacedLink, person: Person) -> Destination:
    way = pursuits.of_person(db, person, link.target)
    if way is not None:
        return "learner.pursuit", {"pursuit_id": way.id}
    return "learner.choose_certification", {"certification": link.target}


placed.add(Kind(name="goal", rank=20, offered=_goals_to_place, destination=_to_goals, has_column=True))
placed.add(
    Kind(
        name="certification",
        rank=40,
        offered=_certifications_to_place,
        is_there=lambda db, link: link.target in catalog.entries(),
        destination=_to_certification,
        has_column=True,
    )
)
