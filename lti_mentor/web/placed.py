"""What an activity of a course shows: where a link that was placed leads, and what a teacher chose.

Each feature says here what of it can be placed, from the module with its pages::

    placed.add(Kind(name="survey", rank=50, offered=_surveys, is_there=_is_open, destination=_to_survey))
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from sqlalchemy.orm import Session

from lti_mentor.lti import deep_linking
from lti_mentor.lti.deep_linking import Choice, PlacedLink
from lti_mentor.lti.launch import Launch
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.people import Person
from lti_mentor.web import language

LAST_MINUTE = time(23, 59)
Destination = tuple[str, dict[str, Any]]  # end point and values


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Something that can be placed. ``name`` is kept with every link of it, so it never changes."""

    name: str
    rank: int  # the lowest stands first in the picker
    offered: Callable[[Session, Course | None], Iterable[Choice]]  # what there is of it to place in a course
    destination: Callable[[Session, PlacedLink, Person], Destination]
    is_there: Callable[[Session, PlacedLink], bool] = lambda db, link: True
    has_column: bool = False  # a column of the gradebook shows something of it


KINDS: dict[str, Kind] = {}


def add(kind: Kind) -> None:
    """Offer it in the picker from now on."""
    KINDS[kind.name] = kind


def offered(db: Session, course: Course | None) -> dict[str, Choice]:
    """By the value of its box: what may be placed in the course."""
    kinds = sorted(KINDS.values(), key=lambda kind: kind.rank)
    return {choice.value: choice for kind in kinds for choice in kind.offered(db, course)}


def moments(first: date, last: date) -> tuple[datetime, datetime]:
    """The first and the last moment of these days, in the zone of whoever places something."""
    zone = language.zone()
    return datetime.combine(first, time.min, zone), datetime.combine(last, LAST_MINUTE, zone)


@dataclass(frozen=True)
class Content:
    """``link`` is what the activity shows, if that is still there; ``is_lost`` when it had something that is not."""

    link: PlacedLink | None
    is_kept: bool  # by the platform, with its key
    is_lost: bool
    placed_in: tuple[UUID, str] | None  # deployment and context it was placed in first


def content(db: Session, launched: Launch) -> Content:
    """By the key that the platform kept; else what a teacher chose for this activity, or for one it is a copy of."""
    key = launched.custom.get("mentor_link") or next(
        iter(parse_qs(urlsplit(launched.target_link_uri).query).get("link", [])), None
    )
    kept = deep_linking.placed(db, launched.organization_id, key) if key else None
    placed_in = kept.place if kept is not None else None
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
    """Not when its feature is gone, either."""
    kind = KINDS.get(link.kind)
    return kind is not None and kind.is_there(db, link)


def title(choices: Mapping[str, Choice], link: PlacedLink) -> str | None:
    """What it shows, as the picker of its course calls it among these."""
    choice = choices.get(f"{link.kind} {link.target}".strip())
    return choice.title if choice is not None else None


def destination(db: Session, link: PlacedLink, person: Person) -> Destination:
    """Where a link leads that is still there."""
    return KINDS[link.kind].destination(db, link, person)
