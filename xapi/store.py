"""Writing statements and finding them again.

Every writer locks the head row of its tenant until it commits. So ``seq`` and ``stored`` grow in the order of commit: a
reader who has seen a time has seen everything before it, and a poller that uses ``since`` misses nothing.
"""

import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, case, exists, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from xapi import times
from xapi.errors import Conflict, InvalidStatement
from xapi.facets import (
    ACTIVITY,
    AGENT,
    REGISTRATION,
    RELATED_ACTIVITY,
    RELATED_AGENT,
    Statement,
    facets,
    short,
)
from xapi.rows import Facet, Head, StoredStatement, metadata
from xapi.validation import checked
from xapi.vocabulary import Verbs

MAXIMUM = 100  # statements on one page
_STATEMENTS, _FACETS = metadata.tables["xapi_statements"], metadata.tables["xapi_facets"]  # inserted without the ORM


@dataclass(frozen=True)
class Taken:
    """The ids of all statements in order, and those as stored that were not there before."""

    ids: list[uuid.UUID]
    new: list[Statement]


def append(db: Session, *, tenant: uuid.UUID, statement: Statement, now: datetime, authority: Statement) -> uuid.UUID:
    """Store one statement of our own making: complete, valid and new."""
    _write(db, tenant, [statement], now, authority)
    return uuid.UUID(statement["id"])


def put(db: Session, *, tenant: uuid.UUID, statements: Sequence[Any], now: datetime, authority: Statement) -> Taken:
    """Store statements from outside, all or none.

    One that is stored already and says the same is left as it is. Raises InvalidStatement and Conflict.
    """
    given = [checked(statement) for statement in statements]
    for statement in given:
        statement["id"] = statement["id"].lower() if "id" in statement else str(uuid.uuid4())
    ids = [uuid.UUID(statement["id"]) for statement in given]
    if len(set(ids)) < len(ids):
        raise InvalidStatement("id", "The same id appears twice in this batch.")
    _reserve(db, tenant, 0, now)
    known = _digests(db, tenant, ids)
    for statement_id, statement in zip(ids, given, strict=True):
        if statement_id in known and known[statement_id] != _digest(statement):
            raise Conflict(statement_id)
    new = [statement for statement_id, statement in zip(ids, given, strict=True) if statement_id not in known]
    if new:
        _write(db, tenant, new, now, authority)
    return Taken(ids, new)


def _write(db: Session, tenant: uuid.UUID, statements: list[Statement], now: datetime, authority: Statement) -> None:
    seq, stored = _reserve(db, tenant, len(statements), now)
    rows, found = [], []
    for place, statement in enumerate(statements):
        moment = stored + timedelta(microseconds=place)
        digest = _digest(statement)
        statement.setdefault("timestamp", times.written(moment))
        statement |= {"stored": times.written(moment), "authority": authority}
        statement.setdefault("version", "1.0.0")
        rows.append(
            {
                "tenant": tenant,
                "seq": seq + place,
                "statement_id": uuid.UUID(statement["id"]),
                "stored": moment,
                "timestamp": times.parsed(statement["timestamp"]),
                "verb": statement["verb"]["id"],
                "digest": digest,
                "body": _canonical(statement),
            }
        )
        found += [
            {"tenant": tenant, "kind": kind, "value": value, "seq": seq + place} for kind, value in facets(statement)
        ]
    db.execute(insert(_STATEMENTS), rows)
    db.execute(insert(_FACETS), found)
    for statement in statements:
        _void_target(db, tenant, statement)


def _void_target(db: Session, tenant: uuid.UUID, statement: Statement) -> None:
    if statement["verb"]["id"] != Verbs.VOIDED.iri:
        return
    target = (StoredStatement.tenant == tenant, StoredStatement.statement_id == uuid.UUID(statement["object"]["id"]))
    db.execute(
        update(StoredStatement)
        .where(*target, StoredStatement.verb != Verbs.VOIDED.iri)
        .values(voided_by=uuid.UUID(statement["id"]))
    )


_HEADS = metadata.tables["xapi_heads"]
_COUNT, _NOW = bindparam("count", type_=BigInteger), bindparam("now", type_=BigInteger)
_RESERVE = (
    update(_HEADS)
    .where(_HEADS.c.tenant == bindparam("of"))
    .values(
        last_seq=_HEADS.c.last_seq + _COUNT,
        last_stored=case(
            (_COUNT == 0, _HEADS.c.last_stored),
            (_HEADS.c.last_stored >= _NOW, _HEADS.c.last_stored + _COUNT),
            else_=_NOW + _COUNT - 1,
        ),
    )
    .returning(_HEADS.c.last_seq, _HEADS.c.last_stored)
)


def _reserve(db: Session, tenant: uuid.UUID, count: int, now: datetime) -> tuple[int, datetime]:
    """The first ``seq`` and ``stored`` of ``count`` new statements; the tenant stays locked until the transaction ends.

    With a count of 0 this only locks.
    """
    moment = _microseconds(now)
    given = {"of": tenant, "count": count, "now": moment}
    row = db.execute(_RESERVE, given).one_or_none()
    if row is None:
        dialect = postgresql if db.get_bind().dialect.name == "postgresql" else sqlite
        first = {"tenant": tenant, "last_seq": 0, "last_stored": moment - 1}
        db.execute(dialect.insert(Head).values(first).on_conflict_do_nothing())
        row = db.execute(_RESERVE, given).one()
    return row.last_seq - count + 1, _moment(row.last_stored - count + 1)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _digests(db: Session, tenant: uuid.UUID, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, bytes]:
    known: dict[uuid.UUID, bytes] = {}
    for start in range(0, len(ids), 500):
        rows = db.execute(
            select(StoredStatement.statement_id, StoredStatement.digest).where(
                StoredStatement.tenant == tenant, StoredStatement.statement_id.in_(ids[start : start + 500])
            )
        )
        known |= {row.statement_id: row.digest for row in rows}
    return known


_NOT_COMPARED = frozenset({"id", "stored", "authority", "version", "timestamp", "attachments"})


def _digest(statement: Statement) -> bytes:
    """Of the parts that make a statement what it is."""
    kept = {name: value for name, value in statement.items() if name not in _NOT_COMPARED}
    if "timestamp" in statement:
        kept["timestamp"] = times.written(times.parsed(statement["timestamp"]))
    return hashlib.sha256(json.dumps(kept, sort_keys=True, ensure_ascii=False).encode()).digest()


def _canonical(statement: Statement) -> str:
    return json.dumps(statement, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True)
class Query:
    """What to look for. ``since`` (exclusive) and ``until`` (inclusive) are about ``stored``, ``after`` is a seq."""

    agent: str | None = None  # as facets.agent_key writes it
    verb: str | None = None
    activity: str | None = None
    registration: str | None = None
    related_agents: bool = False
    related_activities: bool = False
    since: datetime | None = None
    until: datetime | None = None
    limit: int = MAXIMUM
    ascending: bool = False
    after: int | None = None


@dataclass(frozen=True)
class Page:
    statements: list[str]  # canonical JSON, one text each
    next: Query | None


def query(db: Session, *, tenant: uuid.UUID, wanted: Query) -> Page:
    """One page, newest first unless ascending; ``next`` asks for the following one."""
    order = StoredStatement.seq.asc() if wanted.ascending else StoredStatement.seq.desc()
    rows = db.execute(_selected(tenant, wanted).order_by(order).limit(wanted.limit + 1)).all()
    page = rows[: wanted.limit]
    more = replace(wanted, after=page[-1].seq) if len(rows) > wanted.limit else None
    return Page([row.body for row in page], more)


def _selected(tenant: uuid.UUID, wanted: Query) -> Select[int, str]:
    found = select(StoredStatement.seq, StoredStatement.body).where(
        StoredStatement.tenant == tenant, StoredStatement.voided_by.is_(None)
    )
    if wanted.verb:
        found = found.where(StoredStatement.verb == wanted.verb)
    if wanted.since:
        found = found.where(StoredStatement.stored > wanted.since)
    if wanted.until:
        found = found.where(StoredStatement.stored <= wanted.until)
    if wanted.after is not None:
        seq = StoredStatement.seq
        found = found.where(seq > wanted.after if wanted.ascending else seq < wanted.after)
    for kind, value in _facets_of(wanted):
        found = found.where(_has(tenant, kind, value))
    return found


def _has(tenant: uuid.UUID, kind: str, value: str) -> ColumnElement[bool]:
    return exists().where(
        Facet.tenant == literal(tenant),
        Facet.kind == kind,
        Facet.value == short(value),
        Facet.seq == StoredStatement.seq,
    )


def _facets_of(wanted: Query) -> Iterator[tuple[str, str]]:
    if wanted.agent:
        yield (RELATED_AGENT if wanted.related_agents else AGENT), wanted.agent
    if wanted.activity:
        yield (RELATED_ACTIVITY if wanted.related_activities else ACTIVITY), wanted.activity
    if wanted.registration:
        yield REGISTRATION, wanted.registration.lower()


def get(db: Session, *, tenant: uuid.UUID, statement_id: uuid.UUID) -> str | None:
    """The canonical JSON of a statement that is not voided."""
    return db.scalar(_one(tenant, statement_id).where(StoredStatement.voided_by.is_(None)))


def get_voided(db: Session, *, tenant: uuid.UUID, statement_id: uuid.UUID) -> str | None:
    """The canonical JSON of a voided statement."""
    return db.scalar(_one(tenant, statement_id).where(StoredStatement.voided_by.is_not(None)))


def _one(tenant: uuid.UUID, statement_id: uuid.UUID) -> Select[str]:
    return select(StoredStatement.body).where(
        StoredStatement.tenant == tenant, StoredStatement.statement_id == statement_id
    )


def scan(
    db: Session,
    *,
    tenant: uuid.UUID,
    since: datetime | None = None,
    until: datetime | None = None,
    verbs: Iterable[str] | None = None,
    activity: str | None = None,
    registration: str | None = None,
) -> Iterator[Statement]:
    """Statements by their own ``timestamp`` (both ends inclusive), oldest first, in bounded memory."""
    found = select(StoredStatement.body).where(StoredStatement.tenant == tenant, StoredStatement.voided_by.is_(None))
    if since:
        found = found.where(StoredStatement.timestamp >= since)
    if until:
        found = found.where(StoredStatement.timestamp <= until)
    if verbs is not None:
        found = found.where(StoredStatement.verb.in_(list(verbs)))
    for kind, value in ((RELATED_ACTIVITY, activity), (REGISTRATION, registration and registration.lower())):
        if value:
            found = found.where(_has(tenant, kind, value))
    ordered = found.order_by(StoredStatement.timestamp, StoredStatement.seq).execution_options(yield_per=500)
    for body in db.scalars(ordered):
        yield json.loads(body)


def consistent_through(db: Session, *, tenant: uuid.UUID) -> datetime:
    """Everything stored up to this time can be read already: later commits are stored later.

    Where nothing is stored yet a first writer may be open, so that is no time at all.
    """
    last = db.scalar(select(Head.last_stored).where(Head.tenant == tenant))
    return _EPOCH if last is None else _moment(last)
