"""The mentor's pages."""

import uuid

from flask import Blueprint, render_template, request
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.errors import Invalid
from lti_mentor.mentoring import (
    catalog,
    evidence,
    goal_progress,
    goals,
    mentorships,
    notices,
    people,
    pursuits,
    standing,
)
from lti_mentor.mentoring.evidence import Verdict
from lti_mentor.mentoring.homes import mentor as homes
from lti_mentor.mentoring.homes import review as review_pages
from lti_mentor.mentoring.readiness import SCALE
from lti_mentor.web import access, fields
from lti_mentor.web.fields import FormSchema
from lti_mentor.web.forms import form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

mentor = Blueprint("mentor", __name__, url_prefix="/mentor")


@mentor.get("/", endpoint="home")
def show_home() -> str:
    """Who needs me today?"""
    access.require("mentor")
    person = current_visit().person
    with tool().database.reading() as db:
        page = homes.home(db, person)
        cards = notices.for_person(db, person)
    access.note_read(*(row.person for row in page.rows))
    return render_template("mentor/home.html", home=page, cards=cards)


@mentor.get("/mentees/<uuid:mentorship_id>")
def mentee(mentorship_id: uuid.UUID) -> str:
    """One mentee's record: certifications, the one asked for first, evidence, shared goals."""
    person = current_visit().person
    with tool().database.reading() as db:
        mentorship = mentorships.get_as_mentor(db, person, mentorship_id)
        learner = people.get(db, person.organization_id, mentorship.mentee_id)
        ways = sorted(
            pursuits.all_of(db, learner), key=lambda way: way.certification_id != request.args.get("certification")
        )
        standings = standing.of_many(db, ways)
        pieces = {way.id: evidence.of_pursuit(db, way) for way in ways}
        shared = [goal for goal in goals.all_of(db, learner) if goal.visibility == "shared"]
        progress = goal_progress.of_many(db, shared)
    access.note_read(learner)
    return render_template(
        "mentor/mentee.html",
        mentorship=mentorship,
        learner=learner,
        ways=[(way, catalog.entry(way.certification_id), standings[way.id].readiness) for way in ways],
        pieces=pieces,
        goals=shared,
        progress=progress,
        today=clock.today(),
    )


@mentor.get("/evidence/<uuid:evidence_id>")
def review(evidence_id: uuid.UUID, error: Invalid | None = None) -> str:
    """Is this evidence enough for this domain?"""
    person = current_visit().person
    with tool().database.reading() as db:
        page = review_pages.page(db, evidence.get_for_mentor(db, person, evidence_id))
    access.note_read(page.learner)
    chosen = request.form.get("rating", request.args.get("rating", ""))
    return render_template("mentor/review.html", page=page, scale=SCALE, error=error, typed=request.form, chosen=chosen)


@mentor.get("/evidence/<uuid:evidence_id>/outcome")
def outcome(evidence_id: uuid.UUID) -> str:
    """The live line: what accepting with the chosen rating changes."""
    person = current_visit().person
    with tool().database.reading() as db:
        page = review_pages.page(db, evidence.get_for_mentor(db, person, evidence_id))
    chosen = next((each for each in page.outcomes if str(each.rating) == request.args.get("rating")), None)
    return render_template("mentor/outcome.html", chosen=chosen)


class ReviewForm(FormSchema):
    version = fields.whole(required=True)
    comment = fields.text()
    rating = fields.whole(load_default=None)
    decision = fields.text()


@mentor.post("/evidence/<uuid:evidence_id>")
@form(again=review)
def decide(db: Session, evidence_id: uuid.UUID) -> str:
    person = current_visit().person
    typed = fields.load(ReviewForm)
    piece = evidence.get_for_mentor(db, person, evidence_id)
    verdict = Verdict(
        version=typed["version"],
        comment=typed["comment"],
        rating=typed["rating"],
        topics=request.form.getlist("topic"),
    )
    if typed["decision"] == "accept":
        evidence.accept(db, piece, verdict, by=person)
    elif typed["decision"] == "return":
        evidence.return_it(db, piece, verdict, by=person)
    elif typed["decision"] == "ask":
        evidence.ask(db, piece, verdict, by=person)
    else:
        raise Invalid({"decision": "choice.missing"})
    return visit_url("mentor.reviewed", evidence_id=evidence_id)


@mentor.get("/evidence/<uuid:evidence_id>/done")
def reviewed(evidence_id: uuid.UUID) -> str:
    """What was decided, a way back, and what waits next."""
    person = current_visit().person
    with tool().database.reading() as db:
        page = review_pages.page(db, evidence.get_for_mentor(db, person, evidence_id))
    access.note_read(page.learner)
    return render_template("mentor/reviewed.html", page=page)


@mentor.post("/evidence/<uuid:evidence_id>/taken-back")
@form()
def take_back(db: Session, evidence_id: uuid.UUID) -> str:
    person = current_visit().person
    piece = evidence.get_for_mentor(db, person, evidence_id)
    kept = [each for each in evidence.reviews(db, piece) if each.taken_back_at is None]
    if kept:
        evidence.take_back(db, kept[-1], by=person)
    return visit_url("mentor.review", evidence_id=evidence_id)


@mentor.post("/goals/<uuid:goal_id>/confirmed")
@form()
def confirm_goal(db: Session, goal_id: uuid.UUID) -> str:
    person = current_visit().person
    goal = goals.get_for_mentor(db, person, goal_id)
    goals.confirm(db, goal, by=person)
    return _mentee_url(db, goal.owner_id)


class OverrideForm(FormSchema):
    percent = fields.whole(required=True)
    comment = fields.text()


@mentor.get("/goals/<uuid:goal_id>/override")
def override_form(goal_id: uuid.UUID, error: Invalid | None = None) -> str:
    """The mentor's own number for a goal, with its reason."""
    person = current_visit().person
    with tool().database.reading() as db:
        goal = goals.get_for_mentor(db, person, goal_id)
        learner = people.get(db, person.organization_id, goal.owner_id)
        progress = goal_progress.of_many(db, [goal])[goal.id]
    access.note_read(learner)
    return render_template(
        "mentor/override.html", goal=goal, learner=learner, progress=progress, error=error, typed=request.form
    )


@mentor.post("/goals/<uuid:goal_id>/override")
@form(again=override_form)
def override_goal(db: Session, goal_id: uuid.UUID) -> str:
    person, typed = current_visit().person, fields.load(OverrideForm)
    goal = goals.get_for_mentor(db, person, goal_id)
    goals.override(db, goal, percent=typed["percent"], comment=typed["comment"], by=person)
    return _mentee_url(db, goal.owner_id)


@mentor.post("/goals/<uuid:goal_id>/override/removed")
@form()
def stop_overriding(db: Session, goal_id: uuid.UUID) -> str:
    """Back to the number that the parts make."""
    person = current_visit().person
    goal = goals.get_for_mentor(db, person, goal_id)
    goals.stop_overriding(db, goal, by=person)
    return _mentee_url(db, goal.owner_id)


def _mentee_url(db: Session, mentee_id: uuid.UUID) -> str:
    pairs = mentorships.of_mentor(db, current_visit().person)
    return visit_url("mentor.mentee", mentorship_id=next(pair.id for pair in pairs if pair.mentee_id == mentee_id))
