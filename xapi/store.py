"""Writing statements and finding them again.

Every writer locks the head row of its tenant until it commits. So ``seq`` and ``stored`` grow in the order of commit: a
reader who has seen a time has seen everything before it, and a poller that uses ``since`` misses nothing.
"""

import heapq
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    LargeBinary,
    Row,
    Select,
    and_,
    bindparam,
    case,
    cast,
    func,
    null,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from xapi import attachments, equality, inserts, links, search, strict, times, validation
from xapi.drafts import Batch, Draft, checked, draft_of, indexed, key_of
from xapi.errors import Conflict
from xapi.facets import (
    AGENT,
    ANY_ACTIVITY,
    REGISTRATION,
    RELATED_AGENT,
    Statement,
    digests_of_agent,
    facet_digest,
    short,
)
from xapi.inserts import Findable, Written
from xapi.rows import Head, StoredStatement, inserting, metadata
from xapi.search import MAXIMUM, Query

__all__ = ["MAXIMUM", "Query"]

PAGE_BYTES = 10_000_000
_STATEMENTS, _FACETS = metadata.tables["xapi_statements"], metadata.tables["xapi_facets"]


@dataclass(frozen=True)
class Taken:
    """The ids of all statements in order, those as stored that were not there before, and when that was."""

    ids: list[uuid.UUID]
    new: list[Statement]
    through: datetime
    is_wanted: bool  # by record stores outside, maybe: they have to be queued for them
    definitions: int  # the version of what is known of activities


def take(
    db: Session,
    *,
    tenant: uuid.UUID,
    batch: Batch,
    now: datetime,
    keyed: Callable[[bytes], bytes],
    voids_all: bool = False,
) -> Taken:
    """Store statements from outside, all or none.

    One that is stored already and says the same is left as it is; so is one that was removed, whose digests are kept as
    ``keyed`` hashes. They void what has the same authority, or with ``voids_all`` anything. Raises Conflict and
    VoidingRefused.
    """
    db.flush()  # so that rows are locked in the order in which they were changed
    given, whose, connection = batch.drafts, key_of(batch.authority), db.connection()
    seq, stored, head = _reserve(connection, tenant, len(given), now)
    known = _known(connection, tenant, list(batch.named))
    for draft in given:
        if draft.id in known and not _says_the_same(known[draft.id], draft, keyed):
            raise Conflict(draft.id)
    new = {place: draft for place, draft in enumerate(given) if draft.id not in known}
    said: dict[int, Statement] = {}
    if new:
        findable = batch.findable if len(new) == len(given) else indexed(new.items())
        said = _write(connection, tenant, new, findable, seq, stored, whose)
        links.point(db, tenant, said, whose=None if voids_all else whose)
        links.take_up(db, tenant, batch.named - known.keys(), whose=whose)
        attachments.keep(db, tenant, said, batch.contents, now)
    through = stored + timedelta(microseconds=len(given) - 1)
    return Taken([draft.id for draft in given], list(said.values()), through, head.targets > 0, head.definitions)


def put(
    db: Session,
    *,
    tenant: uuid.UUID,
    statements: Sequence[Any],
    now: datetime,
    authority: Statement,
    version: str = validation.ONE,
    contents: Mapping[str, bytes] = MappingProxyType({}),
    keyed: Callable[[bytes], bytes] = bytes,
    voids_all: bool = False,
) -> Taken:
    """Check and take; without ``keyed`` a statement that was removed is never the same.

    Raises InvalidStatement, Conflict and VoidingRefused.
    """
    batch = checked(statements, tenant=tenant, authority=authority, version=version, contents=contents)
    return take(db, tenant=tenant, batch=batch, now=now, keyed=keyed, voids_all=voids_all)


def append(db: Session, *, tenant: uuid.UUID, statement: Statement, now: datetime, authority: Statement) -> Taken:
    """Store one statement of our own making: complete, valid and new. It may void anything."""
    db.flush()  # as above
    draft, connection = draft_of(statement, tenant, authority), db.connection()
    given = indexed([(0, draft)])
    seq, stored, head = _reserve(connection, tenant, 1, now)
    said = _write(connection, tenant, {0: draft}, given, seq, stored, key_of(authority))
    links.point(db, tenant, said, whose=None)
    return Taken([draft.id], list(said.values()), stored, head.targets > 0, head.definitions)


def _write(
    connection: Connection,
    tenant: uuid.UUID,
    drafts: Mapping[int, Draft],
    findable: Findable,
    first: int,
    stored: datetime,
    whose: str,
) -> dict[int, Statement]:
    """Each by its place after the first seq, and as many microseconds later; gives them as stored, under their seq."""
    said: dict[int, Statement] = {}
    rows: list[Written] = []
    for place, draft in drafts.items():
        seq, moment = first + place, times.written(stored + timedelta(microseconds=place))
        said[seq], body = draft.stored(moment)
        rows.append(Written(seq, said[seq]["id"], moment, draft.timestamp or moment, said[seq]["verb"]["id"], body))
    inserts.add(connection, tenant, whose, rows, findable, first)
    return said


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
    .returning(_HEADS.c.last_seq, _HEADS.c.last_stored, _HEADS.c.targets, _HEADS.c.definitions)
)


def _reserve(connection: Connection, tenant: uuid.UUID, count: int, now: datetime) -> tuple[int, datetime, Row[Any]]:
    """The first ``seq`` and ``stored`` for ``count`` statements; the tenant stays locked until the transaction ends.

    Each has one of its own, and those that turn out to be known leave a gap. And the head row as it is now.
    """
    moment = microseconds(now)
    given = {"of": tenant, "count": count, "now": moment}
    row = connection.execute(_RESERVE, given).one_or_none()
    if row is None:
        first = {"tenant": tenant, "last_seq": 0, "last_stored": moment - 1}
        connection.execute(inserting(connection, Head).values(first).on_conflict_do_nothing())
        row = connection.execute(_RESERVE, given).one()
    return row.last_seq - count + 1, _moment(row.last_stored - count + 1), row


def last_seq(db: Session, *, tenant: uuid.UUID, now: datetime) -> int:
    """Of all statements so far; nobody stores another one until the transaction ends."""
    db.flush()
    following, _, _ = _reserve(db.connection(), tenant, 0, now)
    return following - 1


def last_before(db: Session, *, tenant: uuid.UUID, moment: datetime) -> int:
    """The seq of the last statement that was stored before; 0 for none."""
    earlier = select(StoredStatement.seq).where(StoredStatement.tenant == tenant, StoredStatement.stored < moment)
    return db.scalar(earlier.order_by(StoredStatement.stored.desc(), StoredStatement.seq.desc()).limit(1)) or 0


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


_REMOVED = metadata.tables["xapi_removed_statements"]
_KNOWN = union_all(
    select(
        _STATEMENTS.c.statement_id, _STATEMENTS.c.body, null().label("digest"), null().label("timeless_digest")
    ).where(
        _STATEMENTS.c.tenant == bindparam("tenant"), _STATEMENTS.c.statement_id.in_(bindparam("ids", expanding=True))
    ),
    select(_REMOVED.c.statement_id, null(), _REMOVED.c.digest, _REMOVED.c.timeless_digest).where(
        _REMOVED.c.tenant == bindparam("tenant"), _REMOVED.c.statement_id.in_(bindparam("ids", expanding=True))
    ),
)


def _known(connection: Connection, tenant: uuid.UUID, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Row[Any]]:
    known: dict[uuid.UUID, Row[Any]] = {}
    for start in range(0, len(ids), 500):
        rows = connection.execute(_KNOWN, {"tenant": tenant, "ids": ids[start : start + 500]})
        known |= {row.statement_id: row for row in rows}
    return known


def _says_the_same(known: Row[Any], given: Draft, keyed: Callable[[bytes], bytes]) -> bool:
    """Also as it is given back, with its time. Seldom asked: nothing is made beforehand to answer it faster."""
    digest, is_timeless = equality.digest(given.statement), "timestamp" not in given.statement
    if known.body is None:  # removed: of its text nothing is left
        return bool(keyed(digest) == (known.timeless_digest if is_timeless else known.digest))
    stored = strict.parsed(known.body)
    if is_timeless:
        del stored["timestamp"]
    return equality.digest(stored) == digest


@dataclass(frozen=True)
class Page:
    statements: list[str]  # canonical JSON, one text each
    next: Query | None


def query(db: Session, *, tenant: uuid.UUID, wanted: Query) -> Page:
    """One page, newest first unless ascending; ``next`` asks for the following one.

    It ends early where its statements are long, after one at least.
    """
    found = list(db.scalars(search.found(db, tenant, wanted)))
    chosen = within(db, tenant, found[: wanted.limit], PAGE_BYTES)
    more = replace(wanted, after=chosen[-1]) if len(chosen) < len(found) else None
    return Page(list(bodies(db, tenant, chosen).values()), more)


_SEQS = bindparam("seqs", expanding=True, type_=BigInteger)
_BODIES = select(_STATEMENTS.c.seq, _STATEMENTS.c.body).where(
    _STATEMENTS.c.tenant == bindparam("tenant"), _STATEMENTS.c.seq.in_(_SEQS)
)
_SIZES = {
    name: select(_STATEMENTS.c.seq, size).where(
        _STATEMENTS.c.tenant == bindparam("tenant"), _STATEMENTS.c.seq.in_(_SEQS)
    )
    for name, size in (
        ("sqlite", func.length(cast(_STATEMENTS.c.body, LargeBinary))),
        ("postgresql", func.octet_length(_STATEMENTS.c.body)),
    )
}


def within(db: Session, tenant: uuid.UUID, seqs: Sequence[int], most: int) -> Sequence[int]:
    """The first ones of these whose texts have so many bytes together; at least one."""
    rows = db.execute(_SIZES[db.get_bind().dialect.name], {"tenant": tenant, "seqs": seqs})
    sizes: dict[int, int] = {row.seq: row[1] for row in rows}
    total = 0
    for place, seq in enumerate(seqs):
        total += sizes.get(seq, 0)
        if total > most and place:
            return seqs[:place]
    return seqs


def bodies(db: Session, tenant: uuid.UUID, seqs: Sequence[int]) -> dict[int, str]:
    """The texts of these statements, in this order."""
    rows = db.execute(_BODIES, {"tenant": tenant, "seqs": seqs})
    found: dict[int, str] = {row.seq: row.body for row in rows}
    return {seq: found[seq] for seq in seqs if seq in found}


@dataclass(frozen=True)
class Kept:
    """A statement as it lies in the store, and the id of the one that voided it."""

    seq: int
    body: str
    voided_by: uuid.UUID | None


def browse(db: Session, *, tenant: uuid.UUID, wanted: Query) -> list[Kept]:
    """One more than fit on the page, newest first: the last one is there to say that there are more."""
    found = search.found(db, tenant, wanted).subquery()
    whole = select(StoredStatement.seq, StoredStatement.body, StoredStatement.voided_by)
    whole = whole.join(found, StoredStatement.seq == found.c.seq).where(StoredStatement.tenant == tenant)
    return [Kept(*row) for row in db.execute(whole.order_by(StoredStatement.seq.desc()))]


def count(db: Session, *, tenant: uuid.UUID, wanted: Query) -> int:
    """How many fit, on all pages together: counted in indexes alone, and then without those that are voided."""
    found = search.fitting(db, tenant, replace(wanted, also_voided=True)).subquery()
    counted = select(func.count()).select_from(found)
    everything = db.scalars(counted).one()
    if wanted.also_voided:
        return everything
    voided = select(StoredStatement.seq).where(
        StoredStatement.tenant == tenant,
        StoredStatement.seq > 0,  # as all are: SQLite may take another index than that of the voided ones otherwise
        StoredStatement.voided_by.is_not(None),
    )
    return everything - db.scalars(counted.where(found.c.seq.in_(voided))).one()


def get(db: Session, *, tenant: uuid.UUID, statement_id: uuid.UUID) -> str | None:
    """The JSON of a statement that is not voided."""
    return db.scalar(_one(tenant, statement_id).where(StoredStatement.voided_by.is_(None)))


def get_voided(db: Session, *, tenant: uuid.UUID, statement_id: uuid.UUID) -> str | None:
    """The JSON of a voided statement."""
    return db.scalar(_one(tenant, statement_id).where(StoredStatement.voided_by.is_not(None)))


def _one(tenant: uuid.UUID, statement_id: uuid.UUID) -> Select[str]:
    return select(StoredStatement.body).where(
        StoredStatement.tenant == tenant, StoredStatement.statement_id == statement_id
    )


def scan(
    db: Session,
    *,
    tenant: uuid.UUID,
    verbs: Iterable[str] | None = None,
    agent: str | None = None,
    activity: str | None = None,
    registration: str | None = None,
    authority: str | None = None,
    newest_first: bool = False,
) -> Iterator[Statement]:
    """Statements by what they say, in the order of their own ``timestamp``, oldest first unless asked.

    What is said by a statement that they are about does not count. No more than a few of them are in memory.
    """
    found = select(StoredStatement.seq).where(StoredStatement.tenant == tenant, StoredStatement.voided_by.is_(None))
    if verbs is not None:
        found = found.where(StoredStatement.verb.in_(list(verbs)))
    if authority:
        found = found.where(StoredStatement.authority == short(authority))
    said = (
        ((REGISTRATION,), registration and registration.lower()),
        ((AGENT,), agent),
        (ANY_ACTIVITY, activity),
    )
    filters = [tuple(facet_digest(tenant, kind, short(value)) for kind in kinds) for kinds, value in said if value]
    if filters:
        lead = search.rarest(db, filters, Query())
        found = found.where(StoredStatement.seq.in_(search.saying(lead)))
        for other in filters:
            if other != lead:
                found = found.where(search.has(other, StoredStatement.seq, StoredStatement.seq))
    order: list[ColumnElement[Any]] = [_STATEMENTS.c.timestamp, _STATEMENTS.c.seq]
    if filters:  # or databases are tempted to walk over all there is, in this order
        order[0] = func.coalesce(*order[:1], *order[:1])
    ordered = found.order_by(*(each.desc() if newest_first else each for each in order))
    ordered = ordered.execution_options(yield_per=100)
    for seqs in db.scalars(ordered).partitions():
        for body in bodies(db, tenant, seqs).values():
            yield strict.parsed(body)


def naming(db: Session, *, tenant: uuid.UUID, related: Iterable[str], direct: Iterable[str]) -> Iterator[Kept]:
    """What itself names one of these agents, in whatever part or as one that did something or that it is about.

    Voided statements are among them, each is there once, in the order of storing. No more than a few are in memory.
    """
    found = _naming(db, tenant, related, direct)
    while left := list(islice(found, AT_ONCE)):
        while left:
            seqs = within(db, tenant, left, PAGE_BYTES)
            whole = select(StoredStatement.seq, StoredStatement.body, StoredStatement.voided_by)
            of_these = whole.where(StoredStatement.tenant == tenant, StoredStatement.seq.in_(seqs))
            yield from (Kept(*row) for row in db.execute(of_these.order_by(StoredStatement.seq)))
            left = left[len(seqs) :]


def count_naming(db: Session, *, tenant: uuid.UUID, related: Iterable[str], direct: Iterable[str], most: int) -> int:
    """How many those are, up to so many: none is looked for after them."""
    return sum(1 for _ in islice(_naming(db, tenant, related, direct), most))


def _naming(db: Session, tenant: uuid.UUID, related: Iterable[str], direct: Iterable[str]) -> Iterator[int]:
    """Each seq once, in order: what each agent is named in is read by itself, in the order of the index."""
    digests = {digest for agent in related for digest in digests_of_agent(tenant, agent)}
    digests |= {facet_digest(tenant, AGENT, short(agent)) for agent in direct}
    found = heapq.merge(*(_saying(db, digest) for digest in sorted(digests)))
    return (seq for seq, _ in groupby(found))


def _saying(db: Session, digest: bytes) -> Iterator[int]:
    last = 0
    while seqs := db.scalars(_NAMING, {"digest": digest, "after": last}).all():
        yield from seqs
        last = seqs[-1]


@dataclass(frozen=True, order=True)
class Position:
    """Up to which seq somebody has seen everything, and how often some of our own had been voided or removed by then.

    That of others is not counted: whoever goes on from a position reads what we said alone.
    """

    seq: int = 0
    withdrawals: int = 0


_POSITION = select(_HEADS.c.last_seq, _HEADS.c.withdrawals).where(_HEADS.c.tenant == bindparam("of"))


def position(db: Session, *, tenant: uuid.UUID) -> Position:
    """Of whoever reads everything now: whoever is still writing commits after it."""
    row = db.execute(_POSITION, {"of": tenant}).one_or_none()
    return Position() if row is None else Position(*row)


AT_ONCE = 100
_NAMING = (
    select(_FACETS.c.seq)
    .where(_FACETS.c.digest == bindparam("digest", type_=_FACETS.c.digest.type))
    .where(_FACETS.c.source.between(_FACETS.c.seq, _FACETS.c.seq))
    .where(_FACETS.c.seq > bindparam("after", type_=BigInteger))
    .order_by(_FACETS.c.seq)
    .limit(AT_ONCE)
)
_NAMED = _NAMING.subquery()
_LATER = (
    select(_NAMED.c.seq, _STATEMENTS.c.body)
    .outerjoin_from(
        _NAMED,
        _STATEMENTS,
        and_(
            _STATEMENTS.c.seq == _NAMED.c.seq,
            _STATEMENTS.c.tenant == bindparam("tenant"),
            _STATEMENTS.c.authority == bindparam("whose"),
            _STATEMENTS.c.voided_by.is_(None),
        ),
    )
    .order_by(_NAMED.c.seq)
)


def later(db: Session, *, tenant: uuid.UUID, after: int, authority: str) -> Iterator[Statement]:
    """What of this authority was stored after this seq and is not voided, in order. Nothing of others is read.

    No more than a few of them are in memory.
    """
    whose, connection = short(authority), db.connection()
    given = {"digest": facet_digest(tenant, RELATED_AGENT, whose), "tenant": tenant, "whose": whose}
    rows = connection.execute(_LATER, {**given, "after": after}).all()
    while rows:
        for _, body in rows:
            if body is not None:
                yield strict.parsed(body)
        rows = connection.execute(_LATER, {**given, "after": rows[-1].seq}).all()


_LAST = select(_HEADS.c.last_stored).where(_HEADS.c.tenant == bindparam("of"))


def consistent_through(db: Session, *, tenant: uuid.UUID) -> datetime:
    """Everything stored up to this time can be read already: later commits are stored later.

    Where nothing is stored yet a first writer may be open, so that is no time at all.
    """
    last = db.execute(_LAST, {"of": tenant}).scalar()
    return _EPOCH if last is None else _moment(last)


def settle(db: Session, *, tenant: uuid.UUID, now: datetime) -> None:
    """Say that everything up to now is here: whoever writes from now on is stored later."""
    moment = microseconds(now)
    made = inserting(db, Head).values(tenant=tenant, last_seq=0, last_stored=moment)
    db.execute(
        made.on_conflict_do_update(
            index_elements=["tenant"], set_={"last_stored": moment}, where=Head.last_stored < moment
        )
    )
