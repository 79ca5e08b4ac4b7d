"""What an activity of a course shows: where a link that was placed leads, and what a teacher chose."""

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy.orm import Session

from lti_mentor.lti import deep_linking
from lti_mentor.lti.deep_linking import PlacedLink
from lti_mentor.lti.launch import Launch
from lti_mentor.mentoring import catalog, goals, programs, pursuits
from lti_mentor.mentoring.people import Person

WITH_COLUMN = ("certification", "goal")  # kinds that a column of the gradebook shows something of


@dataclass(frozen=True)
class Content:
    """``link`` is what the activity shows, if that is still there; ``is_lost`` when it had something that is not."""

    link: PlacedLink | None
    is_kept: bool  # by the platform, with its key
    is_lost: bool
    placed_in: str | None  # the context it was placed in first, in the deployment of the launch


def content(db: Session, launched: Launch) -> Content:
    """By the key that the platform kept; else what a teacher chose for this activity, or for one it is a copy of."""
    key = launched.custom.get("mentor_link") or next(
        iter(parse_qs(urlsplit(launched.target_link_uri).query).get("link", [])), None
    )
    kept = deep_linking.placed(db, launched.organization_id, key) if key else None
    is_here = kept is not None and kept.deployment_id == launched.deployment.id
    placed_in = kept.context_id if kept is not None and is_here else None
    if kept is not None and _is_there(db, kept):
        return Content(kept, True, False, placed_in)
    chosen = None
    if launched.resource_link_id is not None:
        links = [launched.resource_link_id, *launched.link_history]
        chosen = deep_linking.of_activity(db, launched.organization_id, launched.deployment.id, links)
    if chosen is not None and _is_there(db, chosen):
        return Content(chosen, False, False, placed_in)
    return Content(None, False, key is not None or chosen is not None, placed_in)


def _is_there(db: Session, link: PlacedLink) -> bool:
    if link.kind == "program":
        return link.target in {str(program.id) for program in programs.listed(db, link.organization_id)}
    return link.kind != "certification" or link.target in catalog.entries()


def destination(db: Session, link: PlacedLink, person: Person) -> tuple[str, dict[str, Any]]:
    """End point and values."""
    if link.kind == "program":
        return _program(db, link, person)
    if link.kind == "certification":
        pursuit = pursuits.of_person(db, person, link.target)
        if pursuit is not None:
            return "learner.pursuit", {"pursuit_id": pursuit.id}
        return "learner.choose_certification", {"certification": link.target}
    if link.kind == "goal":
        return ("learner.all_goals" if goals.all_of(db, person) else "learner.new_goal"), {}
    return "home.home", {}


def _program(db: Session, link: PlacedLink, person: Person) -> tuple[str, dict[str, Any]]:
    """A program is its coordinators' page; everybody else starts where they always do."""
    mine = {program.id for program in programs.coordinated_by(db, person)}
    if uuid.UUID(link.target) in mine:
        return "coordinator.home", {"program": link.target}
    return "home.home", {}
