"""Changing a platform: its rows, the visits that came from it, and the log of who did it, together.

``by`` is the visit of the administrator, which goes on; none is the command line.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from lti_mentor.lti import platforms, switches
from lti_mentor.lti.platforms import Deployment, Platform, Registration
from lti_mentor.mentoring import audit, courses, gradebook, organizations
from lti_mentor.mentoring.audit import Action
from lti_mentor.settings import Settings
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
    """Let its launches in: for the first time, or again after it was suspended. Raises Refused."""
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


def switch(
    db: Session, platform: Platform, wanted: Mapping[str, Any], settings: Settings, *, by: Visit | None = None
) -> list[str]:
    """Set what the platform needs; gives the names of what is different now, which are on record. Raises Refused."""
    before = platform.organization_ids
    changed = switches.change(db, platform, wanted, settings)
    if changed:
        what = f"platform {platform.title}: {', '.join(changed)}"
        _write(db, before | platform.organization_ids, "changed", what, by)
    return changed


def add(db: Session, registration: Registration, organization_id: uuid.UUID, settings: Settings) -> Platform:
    """Register a platform or more deployments of it, also those that wait. Raises Refused."""
    switches.check_keys(registration.jwks_uri or None, registration.issuer, settings)
    known = platforms.find_locked(db, registration.issuer, registration.client_id)
    before = known.organization_ids if known else set()
    added = platforms.add(db, registration, organization_id=organization_id)
    let_in_all(db, added, registration.deployment_ids, organization_id, place=f"{audit.COMMAND}platform add")
    told = before | {organization_id} | added.organization_ids
    _write(db, told, "registered", f"platform add {added.title}", None)
    return added


def let_in_all(
    db: Session, platform: Platform, deployment_ids: Collection[str], organization_id: uuid.UUID, *, place: str
) -> None:
    """Let those of them in that wait: whoever registers them again knows whose they are."""
    for each in platform.deployments:
        if each.status == "pending" and each.deployment_id in deployment_ids:
            platforms.let_in(db, platform, each, organization_id)
            where = f"{place} {platform.title}: deployment {each.deployment_id}"
            audit.write(db, organization_id, "deployment_approved", place=where)


def let_in(
    db: Session, platform: Platform, deployment: Deployment, organization_id: uuid.UUID, *, by: Visit | None = None
) -> None:
    """Let the launches of a deployment into the organization, which alone reads of it. Raises Refused."""
    before = platform.organization_ids
    platforms.let_in(db, platform, deployment, organization_id)
    place = f"platform {platform.title}: deployment {deployment.deployment_id}"
    _write(db, [organization_id], "deployment_approved", place, by)
    _write(db, before - platform.organization_ids, "changed", f"platform {platform.title}: adopting_id", by)


def refuse(db: Session, platform: Platform, deployment: Deployment, *, by: Visit | None = None) -> int:
    """Refuse the launches of a deployment until it is let in, and end its visits; gives how many there were.

    Its organization reads of it. Where it has none, those of the platform do, but of several none reads which one it
    was; and where that has none either, all do.
    """
    owner_id, ended = deployment.organization_id, 0
    told = {owner_id} if owner_id else platform.organization_ids or {each.id for each in organizations.listed(db)}
    which = f": deployment {deployment.deployment_id}" if len(told) == 1 else ""
    if owner_id:
        ended = visit.close_visits_from(db, owner_id, platform.id, deployment.id, but=by.key if by else None)
    platforms.refuse(deployment)
    _write(db, told, "deployment_refused", f"platform {platform.title}{which}", by)
    return ended


def _end_visits(db: Session, platform: Platform, by: Visit | None) -> int:
    return visit.close_visits(db, platform.id, but=by.key if by else None)


def _write_down(db: Session, platform: Platform, action: Action, by: Visit | None) -> None:
    """For each organization that it launches for."""
    _write(db, platform.organization_ids, action, f"platform {platform.title}", by)


def _write(db: Session, organization_ids: Iterable[uuid.UUID], action: Action, place: str, by: Visit | None) -> None:
    for organization_id in organization_ids:
        if by is None:
            audit.write(db, organization_id, action, place=f"{audit.COMMAND}{place}")
        else:
            audit.write(db, organization_id, action, place=place, actor_id=by.person_id)
