"""Taking statements out for good: no client of the record store can, whoever runs it may have to.

What hangs on them goes along; what others still hold stays. A statement that refers to one that is gone keeps its id.
Ids stay taken: a client that sends everything once more brings nothing back.
"""

import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import CursorResult, delete, insert, select
from sqlalchemy.orm import Session

from xapi import equality, links, store, strict
from xapi.facets import Statement, digests_of_agent, short
from xapi.rows import Attachment, Enclosure, Facet, RemovedStatement, StoredStatement, count_withdrawal


@dataclass(frozen=True)
class Gone:
    statements: int = 0
    attachments: int = 0


def remove_naming(
    db: Session, *, tenant: uuid.UUID, agents: Iterable[str], own: str, keyed: Callable[[bytes], bytes]
) -> Gone:
    """Remove the statements that name somebody themselves, in whatever part."""
    named = select(Facet.seq).where(
        Facet.digest.in_([digest for agent in agents for digest in digests_of_agent(tenant, agent)]),
        Facet.source == Facet.seq,
    )
    return remove(db, tenant=tenant, seqs=set(db.scalars(named)), own=own, keyed=keyed)


def remove(db: Session, *, tenant: uuid.UUID, seqs: Collection[int], own: str, keyed: Callable[[bytes], bytes]) -> Gone:
    """Remove these statements, with the attachments that came along with no other; ``keyed`` hashes of digests stay.

    ``own`` is the authority of our own statements: of others nothing is remembered that would have to be forgotten.
    """
    left, enclosed, removed = sorted(seqs), set[str](), 0
    while left:
        some = store.within(db, tenant, left[:500], store.PAGE_BYTES)
        left = left[len(some) :]
        these = (StoredStatement.tenant == tenant, StoredStatement.seq.in_(some))
        enclosed |= set(db.scalars(select(Enclosure.sha2).where(Enclosure.tenant == tenant, Enclosure.seq.in_(some))))
        columns = (StoredStatement.seq, StoredStatement.authority, StoredStatement.body)
        rows = db.execute(select(*columns).where(*these)).all()
        said = {row.seq: strict.parsed(row.body) for row in rows}
        if said:
            db.execute(insert(RemovedStatement), [_what_is_left(tenant, each, keyed) for each in said.values()])
        if short(own) in {row.authority for row in rows}:
            count_withdrawal(db, tenant)
        links.forget(db, tenant, said)
        db.execute(delete(StoredStatement).where(*these))
        removed += len(said)
    return Gone(removed, _remove_attachments(db, tenant, sorted(enclosed)))


def _what_is_left(tenant: uuid.UUID, said: Statement, keyed: Callable[[bytes], bytes]) -> dict[str, Any]:
    timeless = {name: value for name, value in said.items() if name != "timestamp"}
    return {
        "tenant": tenant,
        "statement_id": uuid.UUID(said["id"]),
        "digest": keyed(equality.digest(said)),
        "timeless_digest": keyed(equality.digest(timeless)),
    }


def _remove_attachments(db: Session, tenant: uuid.UUID, hashes: list[str]) -> int:
    """Those of them that belong to no statement any more; gives how many there were."""
    removed = 0
    for start in range(0, len(hashes), 500):
        some = hashes[start : start + 500]
        still = set(db.scalars(select(Enclosure.sha2).where(Enclosure.tenant == tenant, Enclosure.sha2.in_(some))))
        gone = Attachment.sha2.in_([sha2 for sha2 in some if sha2 not in still])
        result = db.execute(delete(Attachment).where(Attachment.tenant == tenant, gone))
        removed += cast("CursorResult[Any]", result).rowcount
    return removed
