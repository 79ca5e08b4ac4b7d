"""Documents: the state of an agent in an activity, profiles of agents, profiles of activities.

A document is bytes of any media type and comes back as it was sent. Writers of one document take turns, each seeing
what the one before it left: of two that expect the same entity tag only one is let through.
"""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, func, select, update
from sqlalchemy.orm import Session

from xapi import strict
from xapi.errors import DocumentConflict, DocumentTooLong, InvalidDocument, PreconditionFailed
from xapi.facets import short
from xapi.rows import Document, inserting

STATE, AGENT_PROFILE, ACTIVITY_PROFILE = "state", "agent_profile", "activity_profile"
JSON = "application/json"
ANY = "*"  # the entity tag of whatever document there is
Clock = Callable[[], datetime]
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a document is kept. Without an id: all those of the agent, the activity and, if named, the registration."""

    tenant: uuid.UUID
    kind: str
    agent: str | None = None  # as facets.agent_key writes it
    activity: str | None = None
    registration: uuid.UUID | None = None
    document_id: str | None = None


@dataclass(frozen=True)
class Content:
    body: bytes
    content_type: str

    @property
    def is_json(self) -> bool:
        return self.content_type.partition(";")[0].strip().lower() == JSON


class Bare(Enum):
    """What a PUT may do that comes with neither If-Match nor If-None-Match."""

    REPLACES = "replaces"
    CREATES = "creates"
    IS_REFUSED = "is refused"


def bare_put(kind: str, version: str) -> Bare:
    """As the version of xAPI says (1.0.3: Communication 3.1; 2.0: 4.1.4)."""
    if version.startswith("2."):
        return Bare.CREATES
    return Bare.REPLACES if kind == STATE else Bare.IS_REFUSED


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On what terms a document may be changed. Entity tags stand without their quotes."""

    if_match: frozenset[str] = frozenset()
    if_none_match: frozenset[str] = frozenset()
    bare: Bare = Bare.CREATES
    longest: int = 1_000_000  # bytes

    def check(self, kept: Document | None) -> None:
        """Raises PreconditionFailed."""
        known = set() if kept is None else {kept.etag, ANY}
        if (self.if_match and not known & self.if_match) or known & self.if_none_match:
            raise PreconditionFailed


def get(db: Session, place: Place) -> Document | None:
    return db.scalar(select(Document).where(*_here(place)))


def ids(db: Session, place: Place, *, since: datetime | None = None) -> tuple[list[str], datetime | None]:
    """The ids of the documents changed after this time, and when the last change was."""
    wanted = select(Document.document_id, Document.modified).where(*_among(place))
    if since:
        wanted = wanted.where(Document.modified > since)
    rows = db.execute(wanted).all()
    return sorted({row.document_id for row in rows}), max((row.modified for row in rows), default=None)


def put(db: Session, place: Place, content: Content, terms: Terms, *, now: Clock) -> None:
    """Keep this document. Raises DocumentConflict, DocumentTooLong, InvalidDocument and PreconditionFailed."""

    def replaced(kept: Document | None) -> Content:
        if not (terms.if_match or terms.if_none_match) and terms.bare != Bare.REPLACES:
            if kept is not None:
                raise DocumentConflict
            if terms.bare == Bare.IS_REFUSED:
                raise InvalidDocument("Send If-None-Match: * to make a document, or If-Match to replace one.")
        return content

    _write(db, place, replaced, terms, now)


def post(db: Session, place: Place, content: Content, terms: Terms, *, now: Clock) -> None:
    """Merge this JSON object into the one there is, property by property; where there is none, keep it.

    Raises DocumentTooLong, InvalidDocument and PreconditionFailed.
    """

    def merged(kept: Document | None) -> Content:
        if kept is None:
            if content.is_json:
                _parsed(content)
            return content
        both = _json_object(Content(kept.body, kept.content_type)) | _json_object(content)
        return Content(_written(both), JSON)

    _write(db, place, merged, terms, now)


def delete_one(db: Session, place: Place, terms: Terms) -> None:
    """There is none afterwards. Raises PreconditionFailed."""
    terms.check(_locked(db, place))
    db.execute(delete(Document).where(*_here(place)))


def delete_all(db: Session, place: Place) -> None:
    """All of the agent, the activity and, if named, the registration."""
    db.execute(delete(Document).where(*_among(place)))


def of_agent(db: Session, *, tenant: uuid.UUID, agent: str) -> Iterator[Document]:
    """Everything kept about somebody: states and profiles, the oldest change first, one in memory at a time."""
    theirs = select(Document.place).where(Document.tenant == tenant, Document.agent == short(agent))
    for place in db.scalars(theirs.order_by(Document.modified, Document.place)).all():
        yield from db.scalars(select(Document).where(Document.tenant == tenant, Document.place == place))


def count_of(db: Session, *, tenant: uuid.UUID, agents: Iterable[str]) -> int:
    """How many documents are kept about somebody who is called all that."""
    theirs = Document.agent.in_([short(agent) for agent in agents])
    return db.scalars(select(func.count()).where(Document.tenant == tenant, theirs)).one()


def forget_agent(db: Session, *, tenant: uuid.UUID, agent: str) -> int:
    """Keep nothing about somebody; gives how many documents there were."""
    theirs = delete(Document).where(Document.tenant == tenant, Document.agent == short(agent))
    return cast("CursorResult[Any]", db.execute(theirs)).rowcount


def _write(
    db: Session, place: Place, content_over: Callable[[Document | None], Content], terms: Terms, now: Clock
) -> None:
    """Where two make the same document at once, the second finds the first's and is asked again.

    The clock is read once nobody has to be waited for: whoever comes later is the later one.
    """
    is_written = False
    while not is_written:
        kept = _locked(db, place)
        terms.check(kept)
        content = content_over(kept)
        if len(content.body) > terms.longest:
            raise DocumentTooLong(terms.longest)
        values = {
            "content_type": content.content_type,
            "body": content.body,
            "etag": hashlib.sha1(content.body, usedforsecurity=False).hexdigest(),  # SHA-1 is what 1.0.3 demands
            "modified": now() if kept is None else max(now(), kept.modified + _TICK),
        }
        if kept is None:
            is_written = _insert(db, place, values)
        else:
            db.execute(update(Document).where(*_here(place)).values(values))
            is_written = True


def _locked(db: Session, place: Place) -> Document | None:
    """As the last writer left it; whoever comes next waits until this transaction ends."""
    wanted = select(Document).where(*_here(place)).with_for_update()
    return db.scalar(wanted.execution_options(populate_existing=True))


def _insert(db: Session, place: Place, values: dict[str, Any]) -> bool:
    """Whether nobody else was first."""
    names = {
        "tenant": place.tenant,
        "place": _digest(place),
        "kind": place.kind,
        "agent": place.agent and short(place.agent),
        "activity": place.activity and short(place.activity),
        "registration": place.registration,
        "document_id": place.document_id,
    }
    made = inserting(db, Document).values(names | values).on_conflict_do_nothing()
    return db.scalar(made.returning(Document.place)) is not None


def _here(place: Place) -> tuple[ColumnElement[bool], ...]:
    return Document.tenant == place.tenant, Document.place == _digest(place)


def _digest(place: Place) -> bytes:
    registration = place.registration and str(place.registration)
    names = [place.kind, place.agent, place.activity, registration, place.document_id]
    return hashlib.sha256(json.dumps(names).encode()).digest()


def _among(place: Place) -> list[ColumnElement[bool]]:
    found = [
        Document.tenant == place.tenant,
        Document.kind == place.kind,
        Document.agent == (place.agent and short(place.agent)),
        Document.activity == (place.activity and short(place.activity)),
    ]
    return [*found, Document.registration == place.registration] if place.registration else found


def _parsed(content: Content) -> Any:
    try:
        return strict.parsed(content.body)
    except ValueError:
        raise InvalidDocument("The document is not valid JSON.") from None


def _json_object(content: Content) -> dict[str, Any]:
    found = _parsed(content) if content.is_json else None
    if not isinstance(found, dict):
        raise InvalidDocument("POST merges JSON objects (application/json). Use PUT to replace what is here.")
    return found


def _written(merged: dict[str, Any]) -> bytes:
    try:
        return json.dumps(merged, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        raise InvalidDocument("The document has a number or a text that JSON cannot hold.") from None
