"""The first page of a visit: each person comes to the home that is theirs, also from a link that was placed."""

from collections.abc import Iterator

from flask import Blueprint, redirect, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from lti_mentor.lti.deep_linking import Choice
from lti_mentor.mentoring import mentorships
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.people import Person
from lti_mentor.web import placed
from lti_mentor.web.language import _
from lti_mentor.web.placed import Kind
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

home = Blueprint("home", __name__)

# The first part somebody has decides where they start; the other homes are a tab away.
FIRST = (
    ("mentor", "mentor.home"),
    ("coordinator", "coordinator.home"),
    ("mentee", "learner.home"),
    ("analyst", "insight.home"),
    ("teacher", "coordinator.home"),
    ("administrator", "admin.home"),
    ("observer", "observer.home"),
    ("privacy", "privacy.home"),
)


@home.get("/", endpoint="home")
def show_home() -> Response:
    """Go to the home of the person's first part; a learner's when there is none."""
    visit = current_visit()
    with tool().database.reading() as db:
        endpoint = first(db, visit.person, visit.parts)
    return redirect(visit_url(endpoint, done=request.args.get("done")), 303)


def first(db: Session, person: Person, parts: frozenset[str]) -> str:
    """The end point of the home of somebody with these parts."""
    if {"mentor", "mentee"} <= parts and not mentorships.of_mentor(db, person):
        parts = parts - {"mentor"}  # nobody waits there yet
    return next((endpoint for part, endpoint in FIRST if part in parts), "learner.home")


def _to_place(db: Session, course: Course | None) -> Iterator[Choice]:
    yield Choice(
        kind="home",
        target="",
        title=_("My mentoring"),
        text=_("Goals, next steps and your mentor in this course."),
        shows=(
            _("A learner finds the next step, their goals, and how far they are with each certification."),
            _("A mentor finds who waits for an answer, a coordinator which pairs need help."),
        ),
    )


placed.add(Kind(name="home", rank=10, offered=_to_place, destination=lambda db, link, person: ("home.home", {})))
