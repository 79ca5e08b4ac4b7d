"""My accounts: the platforms a person comes from, and making two accounts one."""

from datetime import timedelta

from flask import Blueprint, make_response, render_template, request
from sqlalchemy.orm import Session

from lti_mentor.errors import Invalid
from lti_mentor.mentoring import linking, people
from lti_mentor.web import limits
from lti_mentor.web.forms import Shown, form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

accounts = Blueprint("accounts", __name__, url_prefix="/accounts")

TRIES = 10  # codes that a person may type in an hour


@accounts.get("/", endpoint="home")
def show(error: Invalid | None = None) -> str:
    """Where the person is known from, the code that is open, and the field for one of another platform."""
    visit = current_visit()
    with tool().database.reading() as db:
        known = people.accounts_of(db, visit.person)
        code = linking.code_of(db, tool().vault, visit.person)
    return render_template("accounts/home.html", accounts=known, code=code, error=error, typed=request.form)


@accounts.post("/code")
@form()
def make_code(db: Session) -> str:
    visit = current_visit()
    linking.make_code(db, tool().vault, people.get(db, visit.organization_id, visit.person_id))
    return visit_url("accounts.home")


@accounts.post("/link")
def use_code() -> Shown:
    """Each try counts, in a transaction of its own: a wrong one leaves nothing else.

    Whose account it becomes is shown before; it cannot be taken back.
    """
    with tool().database.transaction() as db:
        limits.take(
            db, tool().vault, "link", str(current_visit().person_id), each=TRIES, together=0, within=timedelta(hours=1)
        )
    return _become_one() if request.form.get("decision") == "confirm" else _ask()


def _ask() -> Shown:
    visit, typed = current_visit(), request.form.get("code", "")
    try:
        with tool().database.reading() as db:
            maker = linking.maker_of(db, tool().vault, visit.person, typed)
            known = people.accounts_of(db, maker)
    except Invalid as error:
        return make_response(show(error), error.status)
    return render_template("accounts/confirm.html", maker=maker, accounts=known, typed=typed)


@form(again=show)
def _become_one(db: Session) -> str:
    visit = current_visit()
    person = people.get(db, visit.organization_id, visit.person_id)
    linking.use_code(db, tool().vault, person, request.form.get("code", ""))
    return visit_url("accounts.home")
