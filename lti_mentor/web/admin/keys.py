"""The keys that the tool signs with. They are the installation's: one organization alone may change them here."""

from flask import render_template
from sqlalchemy.orm import Session

from lti_mentor.errors import Refused
from lti_mentor.lti import keys
from lti_mentor.mentoring import audit, organizations
from lti_mentor.web.admin.blueprint import admin
from lti_mentor.web.forms import form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url


@admin.get("/keys", endpoint="keys")
def show_keys() -> str:
    """Which key signs, which is to sign, and which are still published."""
    with tool().database.reading() as db:
        published, signing, coming = keys.listed(db), keys.signing(db), keys.coming(db)
        is_alone = len(organizations.listed(db)) == 1
    return render_template(
        "admin/keys.html",
        keys=published,
        signing=signing,
        coming=coming,
        is_alone=is_alone,
        base=tool().settings.base_url,
    )


@admin.post("/keys")
@form()
def rotate_keys(db: Session) -> str:
    """Publish a new key, which signs once every platform can know it."""
    visit = current_visit()
    if len(organizations.listed(db)) > 1:
        raise Refused("keys.shared")
    keys.rotate(db, tool().vault)
    audit.write(db, visit.organization_id, "keys_rotated", place="admin.keys", actor_id=visit.person_id)
    return visit_url("admin.keys")
