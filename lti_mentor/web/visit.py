"""Visits: each launch is one, under its own URL path and with its own cookie, so that none mixes with another.

Everything under ``/v/<key>/`` is for the person of that visit. ``open_visit`` makes one, ``guard`` is asked before each
request, and views read ``current_visit()`` and build addresses with ``visit_url("learner.home")``.

Where the browser keeps no cookie the page itself carries the secret: htmx sends it as a header, a form as a field. It
never stands in an address.
"""

import hmac
import secrets
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast

from flask import g, request, url_for
from sqlalchemy import (
    JSON,
    ColumnElement,
    CursorResult,
    ForeignKey,
    Index,
    UniqueConstraint,
    Uuid,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column
from werkzeug.wrappers import Response as AnyResponse

from lti_mentor import clock
from lti_mentor.db import Base, Glance, Row, fewer_than, insert_below, insert_if, new_id, one_of, same
from lti_mentor.errors import MentorError, NotAllowed, TooMany
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.people import Grant, Person
from lti_mentor.mentoring.programs import Participant
from lti_mentor.vault import hashed
from lti_mentor.web import headers
from lti_mentor.web.tool import tool

COOKIE = "mentor_visit"
HEADER = "Mentor-Visit"
FIELD = "mentor_visit"
KINDS = ("usual", "observer", "privacy")


class VisitRow(Row):
    __tablename__ = "visits"

    key: Mapped[str] = mapped_column(unique=True)
    secret_hash: Mapped[str]
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    # none: by a link of an administrator
    platform_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("platforms.id", ondelete="SET NULL"))
    course_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("courses.id", ondelete="CASCADE"))
    locale: Mapped[str]
    zone: Mapped[str]
    framing_origins: Mapped[list[str]] = mapped_column(JSON)
    previous_at: Mapped[datetime | None]  # when the visit before this one began
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(default="usual")

    __table_args__ = (Index("ix_visits_person_id_opened_at", "person_id", "opened_at"), one_of("kind", KINDS))


class NamedPerson(Row):
    """Somebody that the launch of a visit named: whom an observer looks after, or whose data is asked for."""

    __tablename__ = "named_people"

    visit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("visits.id", ondelete="CASCADE"))
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)

    __table_args__ = (UniqueConstraint("organization_id", "visit_id", "person_id"),)


class VisitOver(MentorError):
    """The visit is unknown in this browser, or its time is over."""

    status = 401
    default_reason = "visit.over"


@dataclass(frozen=True)
class Visit:
    """Who is here, from which course, in which language and zone."""

    key: str
    secret: str
    person: Person
    course_id: uuid.UUID | None
    locale: str
    zone: str
    framing_origins: tuple[str, ...]
    previous_at: datetime | None
    parts: frozenset[str]  # of PARTS, and of KINDS
    is_in_page: bool = False  # no cookie is kept: pages carry the secret
    named: tuple[uuid.UUID, ...] = ()  # people, by the launch

    @property
    def organization_id(self) -> uuid.UUID:
        return self.person.organization_id

    @property
    def person_id(self) -> uuid.UUID:
        return self.person.id


@dataclass(frozen=True)
class Opened:
    """A new visit, the cookie value that proves it, and what the person has of PARTS and KINDS."""

    key: str
    secret: str
    parts: frozenset[str]


PARTS = ("mentee", "mentor", "coordinator", "analyst", "records", "administrator", "teacher")


def _parts_of(person_id: ColumnElement[Any], course_id: ColumnElement[Any]) -> Iterator[ColumnElement[bool]]:
    """For each of PARTS, whether this person has it in the product."""
    participants, grants, members = (row.__table__.c for row in (Participant, Grant, Member))
    for part in ("mentee", "mentor", "coordinator"):
        yield exists().where(participants.person_id == person_id, participants.part == part)
    for right in ("analyst", "records", "administrator"):
        yield exists().where(grants.person_id == person_id, grants.right == right)
    yield exists().where(members.person_id == person_id, members.course_id == course_id, members.teaches)


# Made once: building a statement costs more than running it.
_VISITS, _PEOPLE = (Base.metadata.tables[name] for name in ("visits", "people"))
WITHIN = timedelta(minutes=1)
_OF_PERSON = (same(_VISITS.c.organization_id), same(_VISITS.c.person_id))
_OPEN = insert_if(
    _VISITS,
    fewer_than("of_person", _VISITS.c.opened_at, *_OF_PERSON),
    previous_at=select(func.max(_VISITS.c.opened_at)).where(*_OF_PERSON).scalar_subquery(),
).returning(*_parts_of(*(bindparam(name, type_=Uuid()) for name in ("person_id", "course_id"))))


def open_visit(
    db: Session,
    person: Person,
    *,
    course_id: uuid.UUID | None,
    framing_origins: Iterable[str],
    hours: int,
    platform_id: uuid.UUID | None = None,
    a_minute: int = 0,
) -> Opened:
    """Begin a visit; the others of the same person go on. Raises TooMany after ``a_minute`` of them; 0 is no limit."""
    key, secret = secrets.token_urlsafe(18), secrets.token_urlsafe(32)
    now = clock.now()
    values = {
        "id": new_id(),
        "organization_id": person.organization_id,
        "key": key,
        "secret_hash": hashed(secret),
        "person_id": person.id,
        "platform_id": platform_id,
        "course_id": course_id,
        "locale": person.locale,
        "zone": person.zone,
        "framing_origins": list(framing_origins),
        "kind": "usual",
        "opened_at": now,
        "expires_at": now + timedelta(hours=hours),
    }
    db.flush()  # what the launch says of the person counts
    has = insert_below(db.connection(), _OPEN, values, since=now - WITHIN, of_person=a_minute).one_or_none()
    if has is None:
        raise TooMany("launch.too_many", seconds=int(WITHIN.total_seconds()))
    return Opened(key, secret, _named(has))


def turn_into(db: Session, opened: Opened, kind: str, named: Iterable[Person]) -> Opened:
    """Make it a visit of this kind, about these people, for as long as it goes on."""
    row = db.scalars(select(VisitRow).where(VisitRow.key == opened.key)).one()
    row.kind = kind
    for person in named:
        db.add(NamedPerson(organization_id=row.organization_id, visit_id=row.id, person_id=person.id))
    db.flush()
    return replace(opened, parts=_parts_in(kind, opened.parts))


def _open_from(platform_id: uuid.UUID) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Open visits that a launch of this platform began."""
    return VisitRow.platform_id == platform_id, VisitRow.expires_at > clock.now()


def count_visits(db: Session, platform_id: uuid.UUID) -> int:
    """How many ``close_visits`` would end."""
    return db.scalar(select(func.count()).select_from(VisitRow).where(*_open_from(platform_id))) or 0


def close_visits(db: Session, platform_id: uuid.UUID, *, but: str | None = None) -> int:
    """End the open visits that came from the platform, but for the one with this key; gives how many there were."""
    ended = update(VisitRow).where(*_open_from(platform_id), VisitRow.key != (but or ""))
    closed = db.execute(ended.values(expires_at=clock.now()), execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", closed).rowcount


def close_visits_from(
    db: Session, organization_id: uuid.UUID, platform_id: uuid.UUID, deployment_id: uuid.UUID, *, but: str | None
) -> int:
    """The same for one deployment. A visit of no course may be from any that the organization has there."""
    its = select(Course.id).where(Course.organization_id == organization_id, Course.deployment_id == deployment_id)
    ended = update(VisitRow).where(
        *_open_from(platform_id),
        VisitRow.organization_id == organization_id,
        or_(VisitRow.course_id.is_(None), VisitRow.course_id.in_(its)),
        VisitRow.key != (but or ""),
    )
    closed = db.execute(ended.values(expires_at=clock.now()), execution_options={"synchronize_session": False})
    return cast("CursorResult[Any]", closed).rowcount


def close_visits_of(
    db: Session, organization_id: uuid.UUID, person_ids: Iterable[uuid.UUID], *, course_id: uuid.UUID
) -> None:
    """End the open visits of these people that came from this course."""
    theirs = (VisitRow.person_id.in_(list(person_ids)), VisitRow.course_id == course_id)
    still_open = update(VisitRow).where(VisitRow.organization_id == organization_id, *theirs)
    now = clock.now()
    db.execute(
        still_open.where(VisitRow.expires_at > now).values(expires_at=now),
        execution_options={"synchronize_session": False},
    )


def set_cookie(response: AnyResponse, opened: Opened) -> None:
    """Only for this visit's path."""
    seconds = tool().settings.visit_hours * 3600
    path = f"{request.script_root}/v/{opened.key}/"
    headers.set_cookie(response, COOKIE, opened.secret, path=path, seconds=seconds)


def guard() -> None:
    """Before each request under /v/: find the visit. Raises VisitOver."""
    key = (request.view_args or {}).pop("visit_key", None)
    if key is None:
        return
    if not key.isprintable():
        raise VisitOver()
    secret = request.cookies.get(COOKIE) or request.headers.get(HEADER) or _secret_in_form()
    with tool().database.looking() as db:
        found = db.execute(_FOUND, {"key": key}).one_or_none()
    if found is None:
        raise VisitOver()
    row, person = _GLANCE.rows(found)
    g.framing_origins = tuple(row.framing_origins)
    if row.expires_at < clock.now() or person.erased_at is not None:
        raise VisitOver() if row.framing_origins else VisitOver("visit.link_over")
    if not hmac.compare_digest(hashed(secret), row.secret_hash):
        raise VisitOver("visit.other_browser")
    g.visit = Visit(
        key=row.key,
        secret=secret,
        person=person,
        course_id=row.course_id,
        locale=row.locale,
        zone=row.zone,
        framing_origins=g.framing_origins,
        previous_at=row.previous_at,
        parts=_parts_in(row.kind, _named(found[-len(PARTS) :])),
        is_in_page=COOKIE not in request.cookies,
        named=() if row.kind == "usual" else _people_named(row),
    )
    if g.visit.is_in_page:
        g.referrer_policy = "same-origin"  # lets every browser say which page a form comes from
    if row.kind == "privacy" and request.blueprint not in ("home", "privacy"):
        raise NotAllowed("privacy.only_that")


def _secret_in_form() -> str:
    """Of a form of ours alone: with a form of their own somebody could put others into a visit that is not theirs."""
    return request.form.get(FIELD, "") if headers.is_from_here() else ""


def _people_named(row: VisitRow) -> tuple[uuid.UUID, ...]:
    wanted = select(NamedPerson.person_id).where(
        NamedPerson.organization_id == row.organization_id, NamedPerson.visit_id == row.id
    )
    with tool().database.looking() as db:
        return tuple(db.scalars(wanted))


def _parts_in(kind: str, has: Iterable[str]) -> frozenset[str]:
    """An administrator who asks for somebody's data is here for that alone; an observer keeps what they have."""
    return frozenset({kind}) if kind == "privacy" else frozenset({*has, kind} - {"usual"})


_THIS = _VISITS.c.key == bindparam("key")
_GLANCE = Glance(VisitRow, Person)
_FOUND = (
    select(*_GLANCE.columns, *_parts_of(_VISITS.c.person_id, _VISITS.c.course_id))
    .join_from(_VISITS, _PEOPLE, _PEOPLE.c.id == _VISITS.c.person_id)
    .where(_THIS)
)


def _named(has: Iterable[bool]) -> frozenset[str]:
    return frozenset(name for name, yes in zip(PARTS, has, strict=True) if yes)


def current_visit() -> Visit:
    """The visit of this request."""
    return cast(Visit, g.visit)


def visit_url(endpoint: str, **values: object) -> str:
    """An address inside the current visit."""
    return url_for(endpoint, visit_key=current_visit().key, **values)  # type: ignore[arg-type]
