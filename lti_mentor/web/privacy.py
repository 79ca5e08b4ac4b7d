"""Data privacy: an administrator of the learning platform asks for the data of one person, or has it erased.

The visit of such a launch is for this alone; whom it is about was named by the launch.
"""

from flask import Blueprint, Response, render_template, request
from sqlalchemy.orm import Session

from lti_mentor.activity import outside
from lti_mentor.errors import Invalid, NotFound
from lti_mentor.mentoring import people
from lti_mentor.mentoring import privacy as data
from lti_mentor.mentoring.people import Person
from lti_mentor.web import access, forms, kept
from lti_mentor.web.forms import form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

privacy = Blueprint("privacy", __name__, url_prefix="/privacy")


def _named(db: Session) -> Person | None:
    """Whom the launch asked about; nobody, when nothing is kept about them. Raises NotAllowed in every other visit."""
    access.require("privacy")
    visit = current_visit()
    return people.get(db, visit.organization_id, visit.named[0]) if visit.named else None


def _somebody(db: Session) -> Person:
    found = _named(db)
    if found is None:
        raise NotFound("privacy.nobody")
    return found


@privacy.get("/", endpoint="home")
def show_home() -> str:
    """What is kept about the person and what can be done, or after erasing which record stores outside to ask."""
    is_erased = request.args.get("done") == "privacy.erase"
    with tool().database.reading() as db:
        found = _named(db)
        counts = kept.counted(db, found) if found else []
        told = outside.holders(db, current_visit().organization_id) if is_erased else []
    if found is not None:
        access.note_read(found)
    return render_template("privacy/home.html", person=found, counts=counts, told=told)


@privacy.post("/data.json")
def download() -> Response:
    """Everything as one file."""
    forms.require_own()
    with tool().database.reading() as db:
        found = _somebody(db)
    return kept.download(found, place="privacy")


@privacy.get("/erase")
def confirm(error: Invalid | None = None) -> str:
    """What goes, what stays, and the last question."""
    with tool().database.reading() as db:
        found = _somebody(db)
        targets = outside.holders(db, found.organization_id)
    return render_template("privacy/erase.html", person=found, targets=targets, error=error)


@privacy.post("/erase")
@form(again=confirm)
def erase(db: Session) -> str:
    """Forget the person; where record stores outside may have something, the page that follows names them."""
    found = _somebody(db)
    if request.form.get("confirmed") != "yes":
        raise Invalid({"confirmed": "privacy.confirm"})
    data.erase(db, tool().vault, found, by=current_visit().person)
    return visit_url("privacy.home")
