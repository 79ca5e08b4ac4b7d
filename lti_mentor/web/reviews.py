"""A submission review: from a score in the gradebook to the record behind it, for whoever may look at it."""

from typing import Any

from flask import Blueprint, render_template
from sqlalchemy.orm import Session

from lti_mentor.lti.deep_linking import PlacedLink
from lti_mentor.lti.launch import Launch
from lti_mentor.lti.messages import Review
from lti_mentor.mentoring import courses, gradebook, people, pursuits, records
from lti_mentor.mentoring.gradebook import GradeColumn
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program

reviews = Blueprint("reviews", __name__, url_prefix="/reviews")


def destination(
    db: Session, launched: Launch, review: Review, person: Person, link: PlacedLink | None
) -> tuple[str, dict[str, Any]]:
    """End point and values. Somebody who is not known leads to the same page as somebody who is not to be seen."""
    learner = people.by_account(db, launched.organization_id, launched.platform.issuer, review.subject)
    column = _column(db, launched, review)
    kind, slug = (link.kind, link.target) if link is not None else ("", None)
    if column is not None:
        kind, slug = "goal" if column.certification_id is None else "certification", column.certification_id
    slug = slug if kind == "certification" else None
    if learner is None:
        return "reviews.nothing", {}
    match records.way_to(db, person, learner, program_id=column.program_id if column else None):
        case Person() if kind == "goal":
            return "learner.all_goals", {}
        case Person():
            pursuit = pursuits.of_person(db, learner, slug) if slug else None
            return ("learner.pursuit", {"pursuit_id": pursuit.id}) if pursuit else ("learner.home", {})
        case Mentorship() as pair:
            first = {"_anchor": "goals"} if kind == "goal" else {"certification": slug}
            return "mentor.mentee", {"mentorship_id": pair.id, **first}
        case Program() as program:
            first = {"_anchor": "goals"} if kind == "goal" else {"certification": slug}
            return "coordinator.learner", {"program_id": program.id, "learner_id": learner.id, **first}
    return "reviews.nothing", {}


def _column(db: Session, launched: Launch, review: Review) -> GradeColumn | None:
    """The column of ours that the score stands in, where the platform names it."""
    if launched.context is None or review.lineitem_url is None:
        return None
    course = courses.find(db, launched.organization_id, launched.deployment.id, launched.context.id)
    return gradebook.at_address(db, course, review.lineitem_url) if course is not None else None


@reviews.get("/nothing")
def nothing() -> tuple[str, int]:
    """Who may see a record, and what to do."""
    return render_template("reviews/nothing.html"), 403
