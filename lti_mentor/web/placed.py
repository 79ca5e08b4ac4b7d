"""Where a link that was placed in a course leads."""

import uuid
from typing import Any

from sqlalchemy.orm import Session

from lti_mentor.lti.deep_linking import PlacedLink
from lti_mentor.mentoring import programs, pursuits
from lti_mentor.mentoring.people import Person


def destination(db: Session, link: PlacedLink | None, person: Person) -> tuple[str, dict[str, Any]]:
    """End point and values; the start page, with a word about it, for what is not there any more."""
    if link is None:
        return "home.home", {"done": "link.gone"}
    if link.kind == "program":
        return _program(db, link, person)
    if link.kind == "certification":
        pursuit = pursuits.of_person(db, person, link.target)
        if pursuit is not None:
            return "learner.pursuit", {"pursuit_id": pursuit.id}
        return "learner.choose_certification", {"certification": link.target}
    return "home.home", {}


def _program(db: Session, link: PlacedLink, person: Person) -> tuple[str, dict[str, Any]]:
    """A program is its coordinators' page; everybody else starts where they always do."""
    mine = {program.id for program in programs.coordinated_by(db, person)}
    if uuid.UUID(link.target) in mine:
        return "coordinator.home", {"program": link.target}
    return "home.home", {}
