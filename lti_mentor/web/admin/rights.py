"""Rights: who has which, and giving and taking them."""

import uuid

from flask import render_template, request
from sqlalchemy.orm import Session

from lti_mentor.errors import Invalid
from lti_mentor.mentoring import people
from lti_mentor.mentoring.people import Person
from lti_mentor.web.admin.blueprint import admin
from lti_mentor.web.forms import form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

MOST_FOUND = 20


@admin.get("/rights", endpoint="rights")
def show_rights(error: Invalid | None = None) -> str:
    """Everybody with a right, and the people whose name fits what is searched for."""
    organization_id, words = current_visit().organization_id, request.args.get("q", "").strip()
    with tool().database.reading() as db:
        given = people.grants(db, organization_id)
        found = people.search(db, organization_id, words, most=MOST_FOUND + 1) if words else []
    return render_template(
        "admin/rights.html",
        given=given,
        found=found[:MOST_FOUND],
        are_more=len(found) > MOST_FOUND,
        words=words,
        error=error,
        typed=request.form,
    )


@admin.post("/rights")
@form(again=show_rights)
def give_right(db: Session) -> str:
    """Give a right to one of the people that were found."""
    people.grant(db, _person(db), _right(), by=current_visit().person)
    return visit_url("admin.rights")


@admin.post("/rights/revoked")
@form(again=show_rights)
def take_right(db: Session) -> str:
    """Take a right away, but never one's own to be here."""
    people.revoke(db, _person(db), _right(), by=current_visit().person)
    return visit_url("admin.rights")


def _person(db: Session) -> Person:
    try:
        person_id = uuid.UUID(request.form.get("person", ""))
    except ValueError:
        raise Invalid({"person": "choice.missing"}) from None
    return people.get(db, current_visit().organization_id, person_id)


def _right() -> str:
    right = request.form.get("right", "")
    if right not in people.RIGHTS:
        raise Invalid({"right": "choice.missing"})
    return right
