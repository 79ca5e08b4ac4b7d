"""Statements about statements: what refers to what, and what follows from it.

A statement whose object is a StatementRef is found by what the other one says too, however long the chain (Part Three,
2.1.3). The other one may come later; so may the statement that a voiding one is about.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from sqlalchemy import and_, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from xapi import strict
from xapi.errors import InvalidStatement, VoidingRefused
from xapi.facets import BROADEST, Statement, facet_digests, facet_digests_ever
from xapi.rows import Facet, Reference, StoredStatement, count_withdrawal, inserting, metadata
from xapi.vocabulary import Verbs

Said = tuple[int, bytes]  # the seq of a statement, and the digest of one of its facets

# Whoever builds long chains, or says much about them at once, neither fills the store nor keeps others waiting.
FARTHEST = 100  # steps from one statement to others
MOST_COPIES = 150_000  # facets that the statements of one batch, or those about one, get from others
_REFERENCES = metadata.tables["xapi_references"]


def point(db: Session, tenant: uuid.UUID, statements: Mapping[int, Statement], *, whose: str | None) -> None:
    """Let these statements, just stored under their seq, be found by what they are about, or void it.

    They may void what is of this authority; without one anything. Raises InvalidStatement and VoidingRefused.
    """
    pointing = {seq: target_id for seq, statement in statements.items() if (target_id := _target(statement))}
    if not pointing:
        return
    targets = [{"tenant": tenant, "target_id": target_id, "seq": seq} for seq, target_id in pointing.items()]
    db.execute(insert(_REFERENCES), targets)
    chains: dict[uuid.UUID, list[Said]] = {}
    copies = 0
    for seq, target_id in pointing.items():
        if target_id not in chains:
            chains[target_id] = _chain(db, tenant, target_id)
        copies += len(chains[target_id])
        if copies > MOST_COPIES:
            raise InvalidStatement("", "What this batch is about says too much together: send fewer at once.")
        _find_by(db, [seq], chains[target_id])
        if statements[seq]["verb"]["id"] == Verbs.VOIDED.iri:
            _void(db, tenant, target_id, by=uuid.UUID(statements[seq]["id"]), whose=whose)


def take_up(db: Session, tenant: uuid.UUID, ids: Iterable[uuid.UUID], *, whose: str) -> None:
    """Let what refers to these statements, and was there before them, be found by them; if it voids, it does so now.

    Only what is of the same authority: what else its key might have voided is not known any more.
    """
    targets = sorted({target_id for target_id, _ in _referring(db, tenant, list(ids))})
    for target_id in targets:
        chain = _chain(db, tenant, target_id)
        first = sorted(_above(db, tenant, target_id, FARTHEST))[: MOST_COPIES // len(chain)]
        _find_by(db, first, chain)
    for target_id, by in _voiding(db, tenant, targets, whose):
        _void(db, tenant, target_id, by=by, whose=whose)


def forget(db: Session, tenant: uuid.UUID, statements: Mapping[int, Statement]) -> None:
    """Let nothing be found any more by what these statements say, which are about to go, nor by what lies behind them.

    Each row is named whole, by what is said, so that no index by ``seq`` is needed.
    """
    ids = {uuid.UUID(statement["id"]): seq for seq, statement in statements.items()}
    targets = {target_id for target_id, _ in _referring(db, tenant, list(ids))}
    # One that came late gave what lies behind it to all before it: the two together go twice as far.
    about = {ids[target_id]: _above(db, tenant, target_id, 2 * FARTHEST) for target_id in sorted(targets)}
    for seq, statement in statements.items():
        target_id = _target(statement)
        beyond = _chain(db, tenant, target_id, facet_digests_ever) if target_id else []
        whole = [(seq, said) for said in facet_digests_ever(tenant, statement)] + beyond
        rows = [
            {"of": said, "of_seq": found, "of_source": source}
            for source, said in whole
            for found in {seq, *about.get(seq, ())}
        ]
        db.execute(_UNSAID, rows)


_FACETS = metadata.tables["xapi_facets"]
_UNSAID = delete(_FACETS).where(
    _FACETS.c.digest == bindparam("of"),
    _FACETS.c.seq == bindparam("of_seq"),
    _FACETS.c.source == bindparam("of_source"),
)


def _target(statement: Statement) -> uuid.UUID | None:
    thing = statement["object"]
    return uuid.UUID(thing["id"]) if thing.get("objectType") == "StatementRef" else None


def _void(db: Session, tenant: uuid.UUID, target_id: uuid.UUID, *, by: uuid.UUID, whose: str | None) -> None:
    """A voiding statement itself cannot be voided (Part Two, 2.3.2). Raises VoidingRefused."""
    target = (
        StoredStatement.tenant == tenant,
        StoredStatement.statement_id == target_id,
        StoredStatement.verb != Verbs.VOIDED.iri,
    )
    authority = db.scalar(select(StoredStatement.authority).where(*target))
    if authority is not None and whose not in (None, authority):
        raise VoidingRefused(target_id)
    if authority is not None:
        db.execute(update(StoredStatement).where(*target).values(voided_by=by))
        if whose is None:  # else the target came in with the same key: it is none of our own
            count_withdrawal(db, tenant)


def _find_by(db: Session, seqs: Iterable[int], chain: Iterable[Said]) -> None:
    rows = [{"digest": said, "seq": seq, "source": source} for source, said in chain for seq in seqs]
    if rows:
        db.execute(inserting(db, Facet).on_conflict_do_nothing(), rows)


def _chain(
    db: Session,
    tenant: uuid.UUID,
    first: uuid.UUID,
    digests_of: Callable[[uuid.UUID, Statement], set[bytes]] = facet_digests,
) -> list[Said]:
    """What the statement says, then what the one says that it is about, and so on."""
    found: dict[int, Statement] = {}
    total = 0
    following: uuid.UUID | None = first
    while following is not None and len(found) < FARTHEST:
        row = db.execute(
            select(StoredStatement.seq, StoredStatement.body).where(
                StoredStatement.tenant == tenant, StoredStatement.statement_id == following
            )
        ).one_or_none()
        if row is None or row.seq in found:
            break
        statement = strict.parsed(row.body)
        total += len(facet_digests(tenant, statement))
        if total > BROADEST:
            break
        found[row.seq] = statement
        following = _target(statement)
    return [(source, each) for source, statement in found.items() for each in digests_of(tenant, statement)]


def _above(db: Session, tenant: uuid.UUID, target_id: uuid.UUID, farthest: int) -> set[int]:
    """The seq of all that is about the statement, or about something that is."""
    found: set[int] = set()
    level = [target_id]
    for _step in range(farthest):
        seqs = {seq for _, seq in _referring(db, tenant, level)} - found
        if not seqs:
            break
        found |= seqs
        level = list(_ids(db, tenant, sorted(seqs)))
    return found


_REFERRING = select(_REFERENCES.c.target_id, _REFERENCES.c.seq).where(
    _REFERENCES.c.tenant == bindparam("tenant"), _REFERENCES.c.target_id.in_(bindparam("ids", expanding=True))
)


def _referring(db: Session, tenant: uuid.UUID, ids: Sequence[uuid.UUID]) -> list[tuple[uuid.UUID, int]]:
    found: list[tuple[uuid.UUID, int]] = []
    for start in range(0, len(ids), 500):
        rows = db.execute(_REFERRING, {"tenant": tenant, "ids": ids[start : start + 500]})
        found += [(row.target_id, row.seq) for row in rows]
    return found


def _voiding(
    db: Session, tenant: uuid.UUID, targets: Sequence[uuid.UUID], whose: str
) -> Iterator[tuple[uuid.UUID, uuid.UUID]]:
    """Which of them are voided, and by what, in the order of storing."""
    for start in range(0, len(targets), 500):
        wanted = (
            select(Reference.target_id, StoredStatement.statement_id)
            .join(
                StoredStatement, and_(StoredStatement.tenant == Reference.tenant, StoredStatement.seq == Reference.seq)
            )
            .where(Reference.tenant == tenant, Reference.target_id.in_(targets[start : start + 500]))
            .where(StoredStatement.verb == Verbs.VOIDED.iri, StoredStatement.authority == whose)
        )
        yield from db.execute(wanted.order_by(StoredStatement.seq)).all()


def _ids(db: Session, tenant: uuid.UUID, seqs: Sequence[int]) -> Iterator[uuid.UUID]:
    for start in range(0, len(seqs), 500):
        yield from db.scalars(
            select(StoredStatement.statement_id).where(
                StoredStatement.tenant == tenant, StoredStatement.seq.in_(seqs[start : start + 500])
            )
        )
