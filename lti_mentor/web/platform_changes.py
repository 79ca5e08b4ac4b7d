"""Changing a platform: its rows, the visits that came from it, and the log of who did it, together.

``by`` is the visit of the administrator, which goes on; none is the command line.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from lti_mentor.lti import platforms
from lti_mentor.lti.platforms import Platform
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
    deployment_ids = [each.id for each in platform.deployments]
    return Removal(
        deployments=len(deployment_ids),
        visits=visit.count_visits(db, issuer=platform.issuer, organization_ids=platform.organization_ids),
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


def _end_visits(db: Session, platform: Platform, by: Visit | None) -> int:
    but = by.key if by else None
    return visit.close_visits(db, issuer=platform.issuer, organization_ids=platform.organization_ids, but=but)


def _write_down(db: Session, platform: Platform, action: Action, by: Visit | None) -> None:
    """For each organization that it launches for."""
    place = f"platform {platform.title}"
    for organization_id in platform.organization_ids:
        if by is None:
            audit.write(db, organization_id, action, place=f"{audit.COMMAND}{place}")
        else:
            audit.write(db, organization_id, action, place=place, actor_id=by.person_id)
