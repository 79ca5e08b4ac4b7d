"""Writing statements and finding them again.

Every writer locks the head row of its tenant until it commits. So ``seq`` and ``stored`` grow in the order of commit: a
reader who has seen a time has seen everything before it, and a poller that uses ``since`` misses nothing.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from xapi import attachments, equality, links, times, validation
from xapi.errors import Conflict, InvalidStatement
from xapi.facets import (
    ACTIVITY,
    AGENT,
    BROADEST,
    REGISTRATION,
    RELATED_ACTIVITY,
    RELATED_AGENT,
    VERB,
    Statement,
    agent_key,
    facets,
    short,
)
from xapi.rows import Facet, Head, StoredStatement, inserting, metadata

MAXIMUM = 100  # statements on one page
_STATEMENTS, _FACETS = metadata.tables["xapi_statements"], metadata.tables["xapi_facets"]  # inserted without the ORM


@dataclass(frozen=True)
class Taken:
    """The ids of all statements in order, those as stored that were not there before, and when that was."""

    ids: list[uuid.UUID]
    new: list[Statement]
    through: datetime
    is_wanted: bool  # by record stores outside, maybe: they have to be queued for them


def append(db: Session, *, tenant: uuid.UUID, statement: Statement, now: datetime, authority: Statement) -> Taken:
    """Store one statement of our own making: complete, valid and new. It may void anything."""
    ready = _ready(statement, authority)
    seq, stored, is_wanted = _reserve(db, tenant, 1, now)
    _write(db, tenant, {seq: ready}, stored - timedelta(microseconds=seq), _key_of(authority))
    links.point(db, tenant, {seq: statement}, whose=None)
    return Taken([uuid.UUID(statement["id"])], [statement], stored, is_wanted)


def put(
    db: Session,
    *,
    tenant: uuid.UUID,
    statements: Sequence[Any],
    now: datetime,
    authority: Statement,
    version: str = validation.ONE,
    contents: Mapping[str, bytes] = MappingProxyType({}),
    voids_all: bool = False,
) -> Taken:
    """Store statements from outside by the rules of this version, all or none.

    ``contents`` are their attachments by SHA-2. One that is stored already and says the same is left as it is. They
    void what has the same authority, or with ``voids_all`` anything. Raises InvalidStatement, Conflict and
    VoidingRefused.
    """
    given = _checked(statements, authority, version, contents)
    named = _named(given)
    seq, stored, is_wanted = _reserve(db, tenant, len(given), now)
    known = _known(db, tenant, list(named))
    for statement_id, row in known.items():
        if not _says_the_same(row, named[statement_id]):
            raise Conflict(statement_id)
    ids = [uuid.UUID(each.statement.setdefault("id", str(uuid.uuid4()))) for each in given]
    new = {seq + place: each for place, each in enumerate(given) if ids[place] not in known}
    said, whose = {at: each.statement for at, each in new.items()}, _key_of(authority)
    if new:
        _write(db, tenant, new, stored - timedelta(microseconds=seq), whose)
        links.point(db, tenant, said, whose=None if voids_all else whose)
        links.take_up(db, tenant, named.keys() - known.keys(), whose=whose)
        attachments.keep(db, tenant, said, contents, now)
    return Taken(ids, list(said.values()), stored + timedelta(microseconds=len(given) - 1), is_wanted)


class _Ready(NamedTuple):
    """A statement with all that can be made of it before anybody has to wait for it."""

    statement: Statement
    digest: bytes
    facets: set[tuple[str, str]]


def _ready(statement: Statement, authority: Statement) -> _Ready:
    statement["authority"] = authority
    return _Ready(statement, equality.digest(statement), facets(statement))


def _checked(
    statements: Sequence[Any], authority: Statement, version: str, contents: Mapping[str, bytes]
) -> list[_Ready]:
    """Raises InvalidStatement, with the place in the list where there are several."""
    given: list[_Ready] = []
    for place, statement in enumerate(statements):
        try:
            ready = _ready(validation.checked(statement, version), authority)
            attachments.check(ready.statement, contents, version)
            if len(ready.facets) > BROADEST:
                raise InvalidStatement("", f"It names more than {BROADEST} agents and activities.")
        except InvalidStatement as error:
            raise (error.inside(f"[{place}]") if len(statements) > 1 else error) from None
        given.append(ready)
    attachments.check_parts([each.statement for each in given], contents)
    return given


def _named(given: Sequence[_Ready]) -> dict[uuid.UUID, _Ready]:
    """Those that come with an id, in small letters from now on. Raises InvalidStatement."""
    named: dict[uuid.UUID, _Ready] = {}
    for place, each in enumerate(given):
        if "id" in each.statement:
            statement_id = uuid.UUID(each.statement["id"])
            each.statement["id"] = str(statement_id)
            if statement_id in named:
                raise InvalidStatement(f"[{place}].id", "It appears twice in this batch.", "xAPI 2.0, 4.1.6.1")
            named[statement_id] = each
    return named


def _write(db: Session, tenant: uuid.UUID, statements: Mapping[int, _Ready], base: datetime, whose: str) -> None:
    """Each under its ``seq``, and as many microseconds after the base."""
    rows, found = [], []
    for seq, (statement, digest, said) in statements.items():
        moment = base + timedelta(microseconds=seq)
        statement.setdefault("timestamp", times.written(moment))
        statement["stored"] = times.written(moment)
        statement.setdefault("version", "1.0.0")
        rows.append(
            {
                "tenant": tenant,
                "seq": seq,
                "statement_id": uuid.UUID(statement["id"]),
                "stored": moment,
                "timestamp": times.parsed(statement["timestamp"]),
                "verb": statement["verb"]["id"],
                "authority": whose,
                "digest": digest,
                "body": _canonical(statement),
            }
        )
        at = {"tenant": tenant, "seq": seq, "source": seq}
        found += [at | {"kind": kind, "value": value} for kind, value in said]
    db.execute(insert(_STATEMENTS), rows)
    db.execute(insert(_FACETS), found)


def _key_of(authority: Statement) -> str:
    return short(agent_key(authority) or "")


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
    .returning(_HEADS.c.last_seq, _HEADS.c.last_stored, _HEADS.c.targets)
)


def _reserve(db: Session, tenant: uuid.UUID, count: int, now: datetime) -> tuple[int, datetime, bool]:
    """The first ``seq`` and ``stored`` for ``count`` statements; the tenant stays locked until the transaction ends.

    Each has one of its own, and those that turn out to be known leave a gap. And whether somebody outside wants any.
    """
    moment = _microseconds(now)
    given = {"of": tenant, "count": count, "now": moment}
    row = db.execute(_RESERVE, given).one_or_none()
    if row is None:
        first = {"tenant": tenant, "last_seq": 0, "last_stored": moment - 1}
        db.execute(inserting(db, Head).values(first).on_conflict_do_nothing())
        row = db.execute(_RESERVE, given).one()
    return row.last_seq - count + 1, _moment(row.last_stored - count + 1), row.targets > 0


def last_seq(db: Session, *, tenant: uuid.UUID, now: datetime) -> int:
    """Of all statements so far; nobody stores another one until the transaction ends."""
    following, _, _ = _reserve(db, tenant, 0, now)
    return following - 1


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


_KNOWN = select(_STATEMENTS.c.digest, _STATEMENTS.c.body, _STATEMENTS.c.statement_id).where(
    _STATEMENTS.c.tenant == bindparam("tenant"), _STATEMENTS.c.statement_id.in_(bindparam("ids", expanding=True))
)


def _known(db: Session, tenant: uuid.UUID, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Row[Any]]:
    known: dict[uuid.UUID, Row[Any]] = {}
    for start in range(0, len(ids), 500):
        rows = db.execute(_KNOWN, {"tenant": tenant, "ids": ids[start : start + 500]})
        known |= {row.statement_id: row for row in rows}
    return known


def _says_the_same(known: Row[Any], given: _Ready) -> bool:
    """Also as it is given back, with its time, and where an older version made the digest."""
    if known.digest == given.digest:
        return True
    stored = json.loads(known.body)
    if "timestamp" not in given.statement:
        del stored["timestamp"]
    return equality.digest(stored) == given.digest


def _canonical(statement: Statement) -> str:
    return json.dumps(statement, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True)
class Query:
    """What to look for. ``since`` (exclusive) and ``until`` (inclusive) are about ``stored``, ``after`` is a seq."""

    agent: str | tuple[str, ...] | None = None  # as facets.agent_key writes it; one of several
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
    authority: str | None = None  # as facets.agent_key writes it
    also_voided: bool = False


@dataclass(frozen=True)
class Page:
    statements: list[str]  # canonical JSON, one text each
    next: Query | None


def query(db: Session, *, tenant: uuid.UUID, wanted: Query) -> Page:
    """One page, newest first unless ascending; ``next`` asks for the following one."""
    found = _found(tenant, wanted).subquery()
    order = StoredStatement.seq.asc() if wanted.ascending else StoredStatement.seq.desc()
    whole = select(StoredStatement.seq, StoredStatement.body).join(found, StoredStatement.seq == found.c.seq)
    rows = db.execute(whole.where(StoredStatement.tenant == tenant).order_by(order)).all()
    page = rows[: wanted.limit]
    more = replace(wanted, after=page[-1].seq) if len(rows) > wanted.limit else None
    return Page([row.body for row in page], more)


def _found(tenant: uuid.UUID, wanted: Query) -> Select[int]:
    """The seq of one statement more than fit on the page.

    The rarest filter leads, and what else is asked for has to be said by the same statement: the one found, or one that
    it is about. Whoever sees only what is their own finds it only by what it says itself.
    """
    filters = list(_filters(wanted))
    own = [(RELATED_AGENT, short(wanted.authority))] if wanted.authority else []
    if not filters and not own:
        return _paged(select(StoredStatement.seq).where(*_present(tenant, wanted)), StoredStatement.seq, tenant, wanted)
    said = aliased(Facet)
    (kind, value), *others = filters or own
    found = select(said.seq).distinct().where(said.tenant == tenant, said.kind == kind, _says(said.value, value))
    for kind, value in others:
        found = found.where(_has(tenant, kind, value, said.seq, said.source))
    if own:  # an "=" PostgreSQL takes for rare, and sorts all there are
        found = found.where(said.source.between(said.seq, said.seq))
    found = found.join(StoredStatement, StoredStatement.seq == said.seq).where(*_present(tenant, wanted))
    return _paged(found, said.seq, tenant, wanted)


def _present(tenant: uuid.UUID, wanted: Query) -> tuple[ColumnElement[bool], ...]:
    found = [StoredStatement.tenant == tenant]
    if not wanted.also_voided:
        found.append(StoredStatement.voided_by.is_(None))
    if wanted.authority:
        found.append(StoredStatement.authority == short(wanted.authority))
    return tuple(found)


@dataclass(frozen=True)
class Kept:
    """A statement as it lies in the store, and the id of the one that voided it."""

    seq: int
    body: str
    voided_by: uuid.UUID | None


def browse(db: Session, *, tenant: uuid.UUID, wanted: Query) -> list[Kept]:
    """One more than fit on the page, newest first: the last one is there to say that there are more."""
    found = _found(tenant, wanted).subquery()
    whole = select(StoredStatement.seq, StoredStatement.body, StoredStatement.voided_by)
    whole = whole.join(found, StoredStatement.seq == found.c.seq).where(StoredStatement.tenant == tenant)
    return [Kept(*row) for row in db.execute(whole.order_by(StoredStatement.seq.desc()))]


def count(db: Session, *, tenant: uuid.UUID, wanted: Query) -> int:
    """How many fit, on all pages together."""
    found = _found(tenant, wanted).order_by(None).limit(None).subquery()
    return db.scalars(select(func.count()).select_from(found)).one()


def _paged(found: Select[int], seq: InstrumentedAttribute[int], tenant: uuid.UUID, wanted: Query) -> Select[int]:
    """Times are asked for by seq, which grows with them."""
    if wanted.since:
        found = found.where(seq > _last_seq(tenant, wanted.since))
    if wanted.until:
        found = found.where(seq <= _last_seq(tenant, wanted.until))
    if wanted.after is not None:
        found = found.where(seq > wanted.after if wanted.ascending else seq < wanted.after)
    return found.order_by(seq.asc() if wanted.ascending else seq.desc()).limit(wanted.limit + 1)


def _last_seq(tenant: uuid.UUID, moment: datetime) -> ColumnElement[int]:
    """Of what was stored up to this time."""
    earlier = aliased(StoredStatement)
    last = select(earlier.seq).where(earlier.tenant == tenant, earlier.stored <= moment)
    return func.coalesce(last.order_by(earlier.stored.desc()).limit(1).scalar_subquery(), 0)


def _says(column: InstrumentedAttribute[str], value: str | tuple[str, ...]) -> ColumnElement[bool]:
    return column == value if isinstance(value, str) else column.in_(value)


def _has(
    tenant: uuid.UUID,
    kind: str,
    value: str | tuple[str, ...],
    seq: InstrumentedAttribute[int],
    source: InstrumentedAttribute[int],
) -> ColumnElement[bool]:
    facet = aliased(Facet)
    return exists().where(
        facet.tenant == literal(tenant),
        facet.kind == kind,
        _says(facet.value, value),
        facet.seq == seq,
        facet.source == source,
    )


def _filters(wanted: Query) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """What to find it by, the rarest first."""
    if wanted.registration:
        yield REGISTRATION, wanted.registration.lower()
    if wanted.activity:
        yield (RELATED_ACTIVITY if wanted.related_activities else ACTIVITY), short(wanted.activity)
    if wanted.agent:
        several = (wanted.agent,) if isinstance(wanted.agent, str) else wanted.agent
        names = tuple(short(each) for each in several)
        yield (RELATED_AGENT if wanted.related_agents else AGENT), names if len(names) > 1 else names[0]
    if wanted.verb:
        yield VERB, short(wanted.verb)


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
    since: datetime | None = None,
    until: datetime | None = None,
    verbs: Iterable[str] | None = None,
    agent: str | None = None,
    activity: str | None = None,
    registration: str | None = None,
    authority: str | None = None,
) -> Iterator[Statement]:
    """Statements by their own ``timestamp`` (both ends inclusive) and what they say, oldest first, in bounded memory.

    What is said by a statement that they are about does not count. ``authority`` leaves out almost all of others, but
    not those that name it otherwise.
    """
    found = select(StoredStatement.body).where(StoredStatement.tenant == tenant, StoredStatement.voided_by.is_(None))
    if since:
        found = found.where(StoredStatement.timestamp >= since)
    if until:
        found = found.where(StoredStatement.timestamp <= until)
    if verbs is not None:
        found = found.where(StoredStatement.verb.in_(list(verbs)))
    said = ((AGENT, agent), (RELATED_ACTIVITY, activity), (REGISTRATION, registration and registration.lower()))
    for kind, value in said:
        if value:
            found = found.where(_has(tenant, kind, short(value), StoredStatement.seq, StoredStatement.seq))
    if authority:
        named = select(Facet.seq).where(
            Facet.tenant == tenant, Facet.kind == RELATED_AGENT, Facet.value == short(authority)
        )
        found = found.where(StoredStatement.seq.in_(named.where(Facet.source == Facet.seq)))
    ordered = found.order_by(StoredStatement.timestamp, StoredStatement.seq).execution_options(yield_per=500)
    for body in db.scalars(ordered):
        yield json.loads(body)


_LAST = select(_HEADS.c.last_stored).where(_HEADS.c.tenant == bindparam("of"))


def consistent_through(db: Session, *, tenant: uuid.UUID) -> datetime:
    """Everything stored up to this time can be read already: later commits are stored later.

    Where nothing is stored yet a first writer may be open, so that is no time at all.
    """
    last = db.execute(_LAST, {"of": tenant}).scalar()
    return _EPOCH if last is None else _moment(last)


def settle(db: Session, *, tenant: uuid.UUID, now: datetime) -> None:
    """Say that everything up to now is here: whoever writes from now on is stored later."""
    moment = _microseconds(now)
    made = inserting(db, Head).values(tenant=tenant, last_seq=0, last_stored=moment)
    db.execute(
        made.on_conflict_do_update(
            index_elements=["tenant"], set_={"last_stored": moment}, where=Head.last_stored < moment
        )
    )
