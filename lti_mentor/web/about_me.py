"""What is kept about the person of the visit, and whom they let see their progress."""

from flask import Blueprint, Response, render_template
from sqlalchemy.orm import Session

from lti_mentor.mentoring import observers
from lti_mentor.web import forms, kept
from lti_mentor.web.forms import form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

about_me = Blueprint("about_me", __name__, url_prefix="/about-me")


@about_me.get("/")
def show() -> str:
    """Counted in words, with the file and the switch for observers."""
    person = current_visit().person
    with tool().database.reading() as db:
        counts = kept.counted(db, person)
        consent = observers.consent_of(db, person)
    return render_template("about_me/show.html", counts=counts, consent=consent)


@about_me.post("/data.json")
def download() -> Response:
    """Everything as one file."""
    forms.require_own()
    return kept.download(current_visit().person, place="about_me")


@about_me.post("/observers/allowed")
@form()
def allow_observers(db: Session) -> str:
    observers.agree(db, current_visit().person)
    return visit_url("about_me.show")


@about_me.post("/observers/refused")
@form()
def refuse_observers(db: Session) -> str:
    observers.withdraw(db, current_visit().person)
    return visit_url("about_me.show")
