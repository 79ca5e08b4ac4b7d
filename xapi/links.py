"""Statements about statements: what refers to what, and what follows from it.

A statement whose object is a StatementRef is found by what the other one says too, however long the chain (Part Three,
2.1.3). The other one may come later; so may the statement that a voiding one is about.
"""

import uuid
from collections.abc import Iterable, Sequence

from sqlalchemy import exists, func, insert, literal, select, update
from sqlalchemy.orm import Session, aliased

from xapi.facets import Statement
from xapi.rows import Facet, Reference, StoredStatement, metadata
from xapi.vocabulary import Verbs

FARTHEST = 100  # statements that one can be found by: whoever builds longer chains does not fill the store
_REFERENCES = metadata.tables["xapi_references"]


def point(db: Session, tenant: uuid.UUID, statements: Sequence[Statement], first: int) -> None:
    """Note what these statements refer to, and void what they void. ``first`` is the seq of the first one."""
    pointing = {
        first + place: uuid.UUID(statement["object"]["id"])
        for place, statement in enumerate(statements)
        if statement["object"].get("objectType") == "StatementRef"
    }
    if not pointing:
        return
    rows = [{"tenant": tenant, "target_id": target_id, "seq": seq} for seq, target_id in pointing.items()]
    db.execute(insert(_REFERENCES), rows)
    targets = _seqs(db, tenant, pointing.values())
    for seq, target_id in pointing.items():
        if target_id in targets:
            _carry(db, tenant, [(targets[target_id], seq)])
    for statement in statements:
        if statement["verb"]["id"] == Verbs.VOIDED.iri:
            _void(db, tenant, uuid.UUID(statement["object"]["id"]), by=uuid.UUID(statement["id"]))


def take_up(db: Session, tenant: uuid.UUID, statements: Sequence[Statement], first: int) -> None:
    """Give what refers to these statements, and was there before them, what it waits for."""
    ids = {uuid.UUID(statement["id"]): first + place for place, statement in enumerate(statements)}
    for target_id, seq in _referring(db, tenant, list(ids)):
        _carry(db, tenant, [(ids[target_id], seq)])
        voiding = db.execute(
            select(StoredStatement.statement_id).where(
                StoredStatement.tenant == tenant, StoredStatement.seq == seq, StoredStatement.verb == Verbs.VOIDED.iri
            )
        ).scalar()
        if voiding is not None:
            _void(db, tenant, target_id, by=voiding)


def _void(db: Session, tenant: uuid.UUID, target_id: uuid.UUID, *, by: uuid.UUID) -> None:
    """A voiding statement itself cannot be voided (Part Two, 2.3.2)."""
    target = (StoredStatement.tenant == tenant, StoredStatement.statement_id == target_id)
    db.execute(update(StoredStatement).where(*target, StoredStatement.verb != Verbs.VOIDED.iri).values(voided_by=by))


def _carry(db: Session, tenant: uuid.UUID, waiting: list[tuple[int, int]]) -> None:
    """What each target can be found by, to the one that refers to it, and on to those that refer to that one."""
    while waiting:
        target, seq = waiting.pop()
        if _carried(db, tenant, target, seq):
            statement_id = db.scalar(
                select(StoredStatement.statement_id).where(StoredStatement.tenant == tenant, StoredStatement.seq == seq)
            )
            waiting += [(seq, farther) for _, farther in _referring(db, tenant, [statement_id])]


def _carried(db: Session, tenant: uuid.UUID, target: int, seq: int) -> bool:
    """Whether there was something new."""
    sources = select(func.count(Facet.source.distinct())).where(Facet.tenant == tenant, Facet.seq.in_((target, seq)))
    if db.scalars(sources).one() > FARTHEST:
        return False
    theirs, known = aliased(Facet), aliased(Facet)
    there = exists().where(
        known.tenant == tenant,
        known.kind == theirs.kind,
        known.value == theirs.value,
        known.seq == seq,
        known.source == theirs.source,
    )
    rows = select(theirs.tenant, theirs.kind, theirs.value, literal(seq), theirs.source).where(
        theirs.tenant == tenant, theirs.seq == target, theirs.source != seq, ~there
    )
    copied = insert(Facet).from_select(["tenant", "kind", "value", "seq", "source"], rows)
    return db.connection().execute(copied, execution_options={"preserve_rowcount": True}).rowcount > 0


def _referring(db: Session, tenant: uuid.UUID, ids: Sequence[uuid.UUID | None]) -> list[tuple[uuid.UUID, int]]:
    found: list[tuple[uuid.UUID, int]] = []
    for start in range(0, len(ids), 500):
        wanted = select(Reference.target_id, Reference.seq).where(
            Reference.tenant == tenant, Reference.target_id.in_(ids[start : start + 500])
        )
        found += [(row.target_id, row.seq) for row in db.execute(wanted.order_by(Reference.seq))]
    return found


def _seqs(db: Session, tenant: uuid.UUID, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    wanted = list(ids)
    found: dict[uuid.UUID, int] = {}
    for start in range(0, len(wanted), 500):
        rows = db.execute(
            select(StoredStatement.statement_id, StoredStatement.seq).where(
                StoredStatement.tenant == tenant, StoredStatement.statement_id.in_(wanted[start : start + 500])
            )
        )
        found |= {row.statement_id: row.seq for row in rows}
    return found
