"""Statements about statements: what refers to what, and what follows from it.

A statement whose object is a StatementRef is found by what the other one says too, however long the chain (Part Three,
2.1.3). The other one may come later; so may the statement that a voiding one is about.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from xapi.facets import Statement, facets
from xapi.rows import Facet, StoredStatement, inserting, metadata
from xapi.vocabulary import Verbs

FARTHEST = 100  # steps from one statement to others: whoever builds longer chains does not fill the store
_REFERENCES = metadata.tables["xapi_references"]


def point(db: Session, tenant: uuid.UUID, statements: Mapping[int, Statement]) -> None:
    """Let these statements, just stored under their seq, be found by what they are about."""
    pointing = {seq: statement for seq, statement in statements.items() if _target(statement)}
    if not pointing:
        return
    targets = [{"tenant": tenant, "target_id": _target(statement), "seq": seq} for seq, statement in pointing.items()]
    db.execute(insert(_REFERENCES), targets)
    for seq, statement in pointing.items():
        _find_by(db, tenant, [seq], _chain(db, tenant, _target(statement)))
        if statement["verb"]["id"] == Verbs.VOIDED.iri:
            _void(db, tenant, _target(statement), by=uuid.UUID(statement["id"]))


def take_up(db: Session, tenant: uuid.UUID, statements: Iterable[Statement]) -> None:
    """Let what refers to these statements, and was there before them, be found by them."""
    ids = [uuid.UUID(statement["id"]) for statement in statements]
    for target_id, seq in _referring(db, tenant, ids):
        _find_by(db, tenant, _above(db, tenant, target_id), _chain(db, tenant, target_id))
        voiding = select(StoredStatement.statement_id).where(
            StoredStatement.tenant == tenant, StoredStatement.seq == seq, StoredStatement.verb == Verbs.VOIDED.iri
        )
        by = db.scalar(voiding)
        if by is not None:
            _void(db, tenant, target_id, by=by)


def _target(statement: Statement) -> uuid.UUID | None:
    thing = statement["object"]
    return uuid.UUID(thing["id"]) if thing.get("objectType") == "StatementRef" else None


def _void(db: Session, tenant: uuid.UUID, target_id: uuid.UUID | None, *, by: uuid.UUID) -> None:
    """A voiding statement itself cannot be voided (Part Two, 2.3.2)."""
    target = (StoredStatement.tenant == tenant, StoredStatement.statement_id == target_id)
    db.execute(update(StoredStatement).where(*target, StoredStatement.verb != Verbs.VOIDED.iri).values(voided_by=by))


def _find_by(db: Session, tenant: uuid.UUID, seqs: Iterable[int], chain: Mapping[int, Statement]) -> None:
    rows = [
        {"tenant": tenant, "kind": kind, "value": value, "seq": seq, "source": source}
        for source, statement in chain.items()
        for kind, value in facets(statement)
        for seq in seqs
    ]
    if rows:
        db.execute(inserting(db, Facet).on_conflict_do_nothing(), rows)


def _chain(db: Session, tenant: uuid.UUID, first: uuid.UUID | None) -> dict[int, Statement]:
    """The statement, what it is about, and so on, by seq."""
    found: dict[int, Statement] = {}
    following: uuid.UUID | None = first
    while following is not None and len(found) < FARTHEST:
        row = db.execute(
            select(StoredStatement.seq, StoredStatement.body).where(
                StoredStatement.tenant == tenant, StoredStatement.statement_id == following
            )
        ).one_or_none()
        if row is None or row.seq in found:
            break
        found[row.seq] = json.loads(row.body)
        following = _target(found[row.seq])
    return found


def _above(db: Session, tenant: uuid.UUID, target_id: uuid.UUID) -> set[int]:
    """The seq of all that is about the statement, or about something that is."""
    found: set[int] = set()
    level = [target_id]
    for _step in range(FARTHEST):
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


def _ids(db: Session, tenant: uuid.UUID, seqs: Sequence[int]) -> Iterator[uuid.UUID]:
    for start in range(0, len(seqs), 500):
        yield from db.scalars(
            select(StoredStatement.statement_id).where(
                StoredStatement.tenant == tenant, StoredStatement.seq.in_(seqs[start : start + 500])
            )
        )
