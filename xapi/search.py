"""Where statements are found: the rows of the index that say what is asked for, the rarest of them first."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Select, bindparam, func, literal_column, select, union
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from xapi.facets import (
    ACTIVITY,
    AGENT,
    AGENT_VERB,
    ANY_ACTIVITY,
    ANY_AGENT,
    REGISTRATION,
    RELATED_AGENT,
    VERB,
    facet_digest,
    pair,
    short,
)
from xapi.rows import Facet, StoredStatement, metadata

MAXIMUM = 100  # statements on one page
MOST_PAGES = 20  # that are put together
Filter = tuple[bytes, ...]  # one of these facets, as facets.facet_digest writes them
_FACETS = metadata.tables["xapi_facets"]


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
    within: str | None = None  # an activity: only what names it itself, found by what it says itself
    also_voided: bool = False


def found(db: Session, tenant: uuid.UUID, wanted: Query) -> Select[int]:
    """The seq of one statement more than fit on the page, in its order.

    Where one of a few facets leads, each has a page of its own, of which this is the beginning: so it takes no longer
    where many statements say one of them.
    """
    lead, others = _plan(db, tenant, wanted)
    if lead is None:
        return _paged(_all(tenant, wanted), wanted)
    if not 1 < len(lead) <= MOST_PAGES:
        return _paged(_saying_so(tenant, wanted, lead, others), wanted)
    pages = [_paged(_saying_so(tenant, wanted, (digest,), others), wanted) for digest in lead]
    together = union(*(select(page.subquery().c.seq) for page in pages)).subquery()
    return _paged(select(together.c.seq), wanted)


def fitting(db: Session, tenant: uuid.UUID, wanted: Query) -> Select[int]:
    """The seq of all that fit, once each and in no order, from where the page begins."""
    lead, others = _plan(db, tenant, wanted)
    return _all(tenant, wanted) if lead is None else _saying_so(tenant, wanted, lead, others)


def _plan(db: Session, tenant: uuid.UUID, wanted: Query) -> tuple[Filter | None, list[Filter]]:
    """The rarest filter, by which they are found, if there is any, and what they have to say besides."""
    filters = [
        tuple(facet_digest(tenant, kind, value) for kind in kinds for value in values)
        for kinds, values in _filters(wanted)
    ]
    own: list[Filter] = [(facet_digest(tenant, RELATED_AGENT, short(wanted.authority)),)] if wanted.authority else []
    if not filters and not own:
        return None, []
    lead = rarest(db, [*filters, *own], wanted)
    return lead, [each for each in filters if each != lead]


def _all(tenant: uuid.UUID, wanted: Query) -> Select[int]:
    rows = select(StoredStatement.seq).where(*_present(tenant, wanted))
    return _bounded(rows, StoredStatement.seq, tenant, wanted)


def _saying_so(tenant: uuid.UUID, wanted: Query, lead: Filter, others: Sequence[Filter]) -> Select[int]:
    """All of it has to be said by the same statement: the one found, or one that it is about.

    Whoever sees only what is their own finds it only by what it says itself.
    """
    said = aliased(Facet)
    rows = select(said.seq).distinct().where(_says(said.digest, lead))
    if wanted.authority or wanted.within:  # an "=" PostgreSQL takes for rare, and sorts all there are
        rows = rows.where(said.source.between(said.seq, said.seq))
    for other in others:
        rows = rows.where(has(other, said.seq, said.source))
    if wanted.authority or not wanted.also_voided:
        rows = rows.join(StoredStatement, StoredStatement.seq == said.seq).where(*_present(tenant, wanted))
    return _bounded(rows, said.seq, tenant, wanted)


FAR = 500  # rows of an index: to walk over them takes less than to ask anything
_AFTER = bindparam("after", type_=BigInteger)
_OF_ONE = select(_FACETS.c.seq).where(_FACETS.c.digest == bindparam("digest", type_=_FACETS.c.digest.type))
_FAR_BACK = _OF_ONE.where(_FACETS.c.seq < _AFTER).order_by(_FACETS.c.seq.desc()).offset(FAR).limit(1)
_FAR_AHEAD = _OF_ONE.where(_FACETS.c.seq > _AFTER).order_by(_FACETS.c.seq).offset(FAR).limit(1)
_END = 2**62


def rarest(db: Session, filters: Sequence[Filter], wanted: Query) -> Filter:
    """The filter that the fewest statements fit, from where the page begins: of it so many rows reach the farthest."""
    if len(filters) == 1:
        return filters[0]
    probe, end = (_FAR_AHEAD, 0) if wanted.ascending else (_FAR_BACK, _END)
    after, farthest, chosen = end if wanted.after is None else wanted.after, -1, filters[0]
    for each in filters:
        given = [{"digest": one, "after": after} for one in each]
        seqs = [seq for one in given if (seq := db.scalar(probe, one)) is not None]
        if not seqs:
            return each
        distance = min(abs(after - seq) for seq in seqs)
        if distance > farthest:
            farthest, chosen = distance, each
    return chosen


def _present(tenant: uuid.UUID, wanted: Query) -> tuple[ColumnElement[bool], ...]:
    found = [StoredStatement.tenant == tenant]
    if not wanted.also_voided:
        found.append(StoredStatement.voided_by.is_(None))
    if wanted.authority:
        found.append(StoredStatement.authority == short(wanted.authority))
    return tuple(found)


def _bounded(found: Select[int], seq: InstrumentedAttribute[int], tenant: uuid.UUID, wanted: Query) -> Select[int]:
    """Times are asked for by seq, which grows with them."""
    if wanted.since:
        found = found.where(seq > _last_seq(tenant, wanted.since))
    if wanted.until:
        found = found.where(seq <= _last_seq(tenant, wanted.until))
    if wanted.after is not None:
        found = found.where(seq > wanted.after if wanted.ascending else seq < wanted.after)
    return found


def _paged(found: Select[int], wanted: Query) -> Select[int]:
    seq = found.selected_columns[0]
    return found.order_by(seq.asc() if wanted.ascending else seq.desc()).limit(wanted.limit + 1)


def _last_seq(tenant: uuid.UUID, moment: datetime) -> ColumnElement[int]:
    """Of what was stored up to this time."""
    earlier = aliased(StoredStatement)
    last = select(earlier.seq).where(earlier.tenant == tenant, earlier.stored <= moment)
    return func.coalesce(last.order_by(earlier.stored.desc()).limit(1).scalar_subquery(), 0)


def _says(column: InstrumentedAttribute[bytes], wanted: Filter) -> ColumnElement[bool]:
    return column == wanted[0] if len(wanted) == 1 else column.in_(wanted)


def has(wanted: Filter, seq: InstrumentedAttribute[int], source: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Asked of each row that the lead finds: PostgreSQL would read all that say it before, but for the OFFSET."""
    facet = aliased(Facet)
    said = select(facet.seq).where(_says(facet.digest, wanted), facet.seq == seq, facet.source == source)
    return said.correlate_except(facet).offset(literal_column("0")).exists()


def _filters(wanted: Query) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What to find it by: one of these kinds with one of these values. What is rare most of the time comes first."""
    named = (wanted.agent,) if isinstance(wanted.agent, str) else wanted.agent
    agents = None if named is None else tuple(map(short, named))  # of nobody at all, nothing is found
    verb = short(wanted.verb) if wanted.verb else None
    if wanted.registration:
        yield (REGISTRATION,), (wanted.registration.lower(),)
    if wanted.within:
        yield ANY_ACTIVITY, (short(wanted.within),)
    if agents is not None and verb and not wanted.related_agents:
        yield (AGENT_VERB,), tuple(pair(agent, verb) for agent in agents)
    elif agents is not None:
        yield (ANY_AGENT if wanted.related_agents else (AGENT,)), agents
    if wanted.activity:
        yield (ANY_ACTIVITY if wanted.related_activities else (ACTIVITY,)), (short(wanted.activity),)
    if verb and (agents is None or wanted.related_agents):
        yield (VERB,), (verb,)


def saying(wanted: Filter) -> Select[int]:
    """The seq of what says this itself."""
    said = aliased(Facet)
    return select(said.seq).where(_says(said.digest, wanted), said.source.between(said.seq, said.seq))
