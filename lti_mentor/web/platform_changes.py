"""Changing a platform: its rows, the visits that came from it, and the log of who did it, together.

``by`` is the visit of the administrator, which goes on; none is the command line.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from lti_mentor.lti import platforms, switches
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.mentoring import audit, courses, gradebook
from lti_mentor.mentoring.audit import Action
from lti_mentor.web import visit
from lti_mentor.web.visit import Visit


@dataclass(frozen=True)
class Removal:
    """What goes with a platform: deployments, open visits, columns that are told no more scores; ``courses`` stay."""

    deployments: int
    visits: int
    columns: int
    courses: int


def removal(db: Session, platform: Platform) -> Removal:
    """What ``remove`` would do."""
    deployment_ids = [each.id for each in platform.deployments if each.status == "active"]
    return Removal(
        deployments=len(deployment_ids),
        visits=visit.count_visits(db, platform.id),
        columns=gradebook.count_open(db, deployment_ids),
        courses=courses.count_of(db, deployment_ids),
    )


def approve(db: Session, platform: Platform, *, by: Visit | None = None) -> None:
    """Let its launches in: for the first time, or again after it was suspended."""
    platforms.approve(db, platform.id)
    _write_down(db, platform, "approved", by)


def suspend(db: Session, platform: Platform, *, by: Visit | None = None) -> int:
    """Refuse its launches and end the visits that came from it; gives how many there were."""
    platforms.disable(db, platform.id)
    _write_down(db, platform, "disabled", by)
    return _end_visits(db, platform, by)


def remove(db: Session, platform: Platform, *, by: Visit | None = None) -> int:
    """Forget the registration and end the visits that came from it; gives how many there were."""
    _write_down(db, platform, "removed", by)
    ended = _end_visits(db, platform, by)
    platforms.remove(db, platform.id)
    return ended


def let_observers(db: Session, platform: Platform, allowed: bool, *, by: Visit | None = None) -> None:
    """Whether observers may see the progress of people who agreed."""
    platform.observers = allowed
    _write_down(db, platform, "observers_on" if allowed else "observers_off", by)


def switch(db: Session, platform: Platform, wanted: Mapping[str, Any], *, by: Visit | None = None) -> list[str]:
    """Set what the platform needs; gives the names of what is different now, which are on record. Raises Refused."""
    changed = switches.change(db, platform, wanted)
    if changed:
        _write_down(db, platform, "changed", by, what=f": {', '.join(changed)}")
    return changed


def let_in(
    db: Session, platform: Platform, deployment: Deployment, organization_id: uuid.UUID, *, by: Visit | None = None
) -> None:
    """Let the launches of a deployment into the organization, which alone reads of it."""
    platforms.let_in(deployment, organization_id)
    place = f"platform {platform.title}: deployment {deployment.deployment_id}"
    _write(db, [organization_id], "deployment_approved", place, by)


def refuse(db: Session, platform: Platform, deployment: Deployment, *, by: Visit | None = None) -> None:
    """Refuse the launches of a deployment until it is let in. Of several organizations none reads which one it was."""
    platforms.refuse(deployment)
    which = f": deployment {deployment.deployment_id}" if len(platform.organization_ids) == 1 else ""
    _write_down(db, platform, "deployment_refused", by, what=which)


def _end_visits(db: Session, platform: Platform, by: Visit | None) -> int:
    return visit.close_visits(db, platform.id, but=by.key if by else None)


def _write_down(db: Session, platform: Platform, action: Action, by: Visit | None, *, what: str = "") -> None:
    """For each organization that it launches for."""
    _write(db, platform.organization_ids, action, f"platform {platform.title}{what}", by)


def _write(db: Session, organization_ids: Iterable[uuid.UUID], action: Action, place: str, by: Visit | None) -> None:
    for organization_id in organization_ids:
        if by is None:
            audit.write(db, organization_id, action, place=f"{audit.COMMAND}{place}")
        else:
            audit.write(db, organization_id, action, place=place, actor_id=by.person_id)
