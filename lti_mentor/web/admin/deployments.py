"""Deployments: letting new ones in or not, and taking that back.

Where several organizations use a platform, or all institutions its client, nobody here knows whose a new one is: it is
neither shown nor decided about on these pages.
"""

import uuid

from sqlalchemy.orm import Session

from lti_mentor.errors import Refused
from lti_mentor.lti import platforms
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.web import platform_changes
from lti_mentor.web.admin.blueprint import admin
from lti_mentor.web.admin.platforms import to_change
from lti_mentor.web.forms import form
from lti_mentor.web.visit import current_visit, visit_url


def _found(db: Session, platform_id: uuid.UUID, deployment_id: uuid.UUID) -> tuple[Platform, Deployment]:
    platform = to_change(db, platform_id)
    if not platforms.may_decide(platform, current_visit().organization_id):
        raise Refused("deployment.whose")
    return platform, platforms.get_deployment(db, platform, deployment_id)


@admin.post("/platforms/<uuid:platform_id>/deployments/<uuid:deployment_id>/approved")
@form()
def let_in_deployment(db: Session, platform_id: uuid.UUID, deployment_id: uuid.UUID) -> str:
    """Let its launches into the organization."""
    visit = current_visit()
    platform, deployment = _found(db, platform_id, deployment_id)
    platform_changes.let_in(db, platform, deployment, visit.organization_id, by=visit)
    return visit_url("admin.platform", platform_id=platform_id)


@admin.post("/platforms/<uuid:platform_id>/deployments/<uuid:deployment_id>/refused")
@form()
def refuse_deployment(db: Session, platform_id: uuid.UUID, deployment_id: uuid.UUID) -> str:
    """Refuse its launches until somebody lets it in after all; also one that was let in."""
    platform, deployment = _found(db, platform_id, deployment_id)
    others = [each for each in platform.deployments if each.status == "active" and each.id != deployment.id]
    if platform.adopting_id is None and not others:
        raise Refused("deployment.last")  # the platform would be nobody's, and on no page any more
    platform_changes.refuse(db, platform, deployment, by=current_visit())
    return visit_url("admin.platform", platform_id=platform_id)
