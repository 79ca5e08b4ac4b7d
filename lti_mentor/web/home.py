"""The first page of a visit: each person comes to the home that is theirs."""

from flask import Blueprint, redirect, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from lti_mentor.mentoring import mentorships
from lti_mentor.mentoring.people import Person
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
