"""Invitations: an address to paste into a learning platform, which then registers itself."""

import uuid
from urllib.parse import urlsplit

from flask import render_template, request
from marshmallow import fields
from sqlalchemy.orm import Session

from lti_mentor.errors import Invalid, Refused
from lti_mentor.lti import registration
from lti_mentor.mentoring import audit
from lti_mentor.web.admin.blueprint import admin
from lti_mentor.web.fields import FormSchema, load, whole
from lti_mentor.web.forms import ShownOnce, form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url


class InvitationForm(FormSchema):
    uses = whole(required=True)
    hours = whole(required=True)
    needs_approval = fields.Boolean(load_default=False)


@admin.get("/invitations", endpoint="invitations")
def show_invitations(error: Invalid | None = None) -> str:
    """Who may still register, and the form for one more."""
    with tool().database.reading() as db:
        return _page(db, error=error)


def _page(db: Session, *, secret: str | None = None, error: Invalid | None = None) -> str:
    base = tool().settings.base_url
    return render_template(
        "admin/invitations.html",
        invitations=registration.open_invitations(db, current_visit().organization_id),
        address=f"{base}/lti/register?invitation={secret}" if secret else None,
        base=base,
        domain=urlsplit(base).netloc,
        error=error,
        typed=request.form,
    )


@admin.post("/invitations")
@form(again=show_invitations)
def invite(db: Session) -> ShownOnce:
    """Make an address; the page with it is the only place where it is ever shown."""
    visit, wanted = current_visit(), load(InvitationForm)
    try:
        secret = registration.invite(db, visit.organization_id, **wanted)
    except Refused as problem:
        raise Invalid({"uses": problem.reason}) from None
    audit.write(db, visit.organization_id, "invited", place="admin.invitations", actor_id=visit.person_id)
    return ShownOnce(_page(db, secret=secret), visit_url("admin.invitations"))


@admin.post("/invitations/<uuid:invitation_id>/revoked")
@form()
def revoke_invitation(db: Session, invitation_id: uuid.UUID) -> str:
    """Let nobody register with it any more."""
    visit = current_visit()
    registration.revoke(db, visit.organization_id, invitation_id)
    audit.write(db, visit.organization_id, "invitation_revoked", place="admin.invitations", actor_id=visit.person_id)
    return visit_url("admin.invitations")
