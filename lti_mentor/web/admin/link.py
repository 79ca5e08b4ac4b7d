"""The way to the administrator's pages without a learning platform: a link from the command line, for one use.

Its secret stands after the # of the address: a browser sends that nowhere, so it is in no log on the way.
"""

import secrets
import uuid
from datetime import datetime, timedelta
from typing import Any, cast

from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from sqlalchemy import CursorResult, ForeignKey, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column
from werkzeug.wrappers import Response as AnyResponse

from lti_mentor import clock
from lti_mentor.db import Row
from lti_mentor.errors import NotAllowed, Refused
from lti_mentor.mentoring import audit, people
from lti_mentor.mentoring.people import Identity, Person
from lti_mentor.settings import Settings
from lti_mentor.vault import hashed
from lti_mentor.web import headers, visit
from lti_mentor.web.tool import tool

admin_link = Blueprint("admin_link", __name__, url_prefix="/admin")
GOOD_FOR = timedelta(minutes=15)

# The account of whoever comes in without being known to an LMS. No platform has this issuer: theirs are web addresses.
ISSUER, SUBJECT = "lti-mentor", "administrator"


class AdminLink(Row):
    """The right to open a visit once. The secret itself is shown once."""

    __tablename__ = "admin_links"

    secret_hash: Mapped[str] = mapped_column(index=True)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


def administrator(db: Session, organization_id: uuid.UUID, settings: Settings) -> Person:
    """The person of the organization who stands for its command line, made at the first time."""
    identity = Identity(
        issuer=ISSUER,
        subject=SUBJECT,
        name="Administrator",
        locale=settings.default_locale,
        zone=settings.default_time_zone,
    )
    person = people.meet(db, organization_id, identity)
    people.grant(db, person, "administrator")
    return person


def make(db: Session, person: Person) -> str:
    """A new link for an administrator; gives its secret. Raises Refused for anybody else."""
    if "administrator" not in people.rights(db, person):
        raise Refused("admin.no_right", person=person.name or person.id)
    secret = secrets.token_urlsafe(32)
    values = {"organization_id": person.organization_id, "person_id": person.id, "secret_hash": hashed(secret)}
    db.add(AdminLink(**values, expires_at=clock.now() + GOOD_FOR))
    place = f"{audit.COMMAND}admin link"
    audit.write(db, person.organization_id, "link_made", place=place, subject_id=person.id)
    return secret


def take(db: Session, secret: str) -> Person:
    """Use the link; of many at the same moment one can. Raises Refused."""
    now = clock.now()
    good = (AdminLink.secret_hash == hashed(secret), AdminLink.used_at.is_(None), AdminLink.expires_at > now)
    used = update(AdminLink).where(*good).values(used_at=now)
    taken = cast("CursorResult[Any]", db.execute(used, execution_options={"synchronize_session": False}))
    if taken.rowcount != 1:
        raise Refused("admin.link_over")
    owner = select(Person).join(AdminLink, AdminLink.person_id == Person.id)
    person = db.scalars(owner.where(AdminLink.secret_hash == hashed(secret))).one()
    if "administrator" not in people.rights(db, person):
        raise Refused("admin.link_over")
    audit.write(db, person.organization_id, "link_used", place="admin", actor_id=person.id)
    return person


def address(settings: Settings, secret: str) -> str:
    """What is opened in a browser."""
    return f"{settings.base_url}/admin#{secret}"


@admin_link.get("")
def ask() -> str:
    """One button: whoever only looks at the address, such as a preview in a chat, does not use the link up."""
    g.referrer_policy = "same-origin"  # lets every browser say that the form comes from here
    return render_template("admin/enter.html")


@admin_link.post("")
def enter() -> AnyResponse:
    """A visit in the browser's own window: no page may frame it. Takes the secret, or the whole link.

    From its own page alone: with a form of theirs somebody could put others into a visit that is not theirs.
    """
    if not headers.is_from_here():
        raise NotAllowed("admin.other_page")
    settings, secret = tool().settings, request.form.get("link", "").rpartition("#")[2].strip()
    with tool().database.transaction() as db:
        person = take(db, secret)
        opened = visit.open_visit(db, person, course_id=None, framing_origins=(), hours=settings.visit_hours)
    response = redirect(url_for("admin.home", visit_key=opened.key), 303)
    visit.set_cookie(cast(Response, response), opened)
    return response
