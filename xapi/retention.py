"""Statements that go because of their age, and all that goes with them.

What they are found by, what they refer to, letters that were refused, and attachments that no other statement names go
along. Ids stay taken, and times and ``seq`` go on from where they are: nothing that was said once comes back.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from xapi import delivery, removal, store, strict
from xapi.facets import Statement
from xapi.removal import Gone
from xapi.rows import Attachment, Enclosure, Outbound, StoredStatement, Target, Withheld, lock_targets


@dataclass(frozen=True)
class Old:
    """A statement, voided or not."""

    seq: int
    stored: datetime
    statement: Statement


_COLUMNS = (StoredStatement.seq, StoredStatement.stored, StoredStatement.body)


def look(db: Session, *, tenant: uuid.UUID, after: int, until: int, most: int) -> tuple[list[Old], int]:
    """The next ones, oldest first and fewer where they are long, and the last seq that is seen by then.

    ``until`` is the last one that counts.
    """
    wanted = select(StoredStatement.seq).where(
        StoredStatement.tenant == tenant, StoredStatement.seq > after, StoredStatement.seq <= until
    )
    seqs = db.scalars(wanted.order_by(StoredStatement.seq).limit(most)).all()
    seen = store.within(db, tenant, seqs, store.PAGE_BYTES)
    return _these(db, tenant, seen), until if len(seen) == len(seqs) < most else seen[-1]


def _these(db: Session, tenant: uuid.UUID, seqs: Sequence[int]) -> list[Old]:
    wanted = select(*_COLUMNS).where(StoredStatement.tenant == tenant, StoredStatement.seq.in_(seqs))
    return [_old(row) for row in db.execute(wanted.order_by(StoredStatement.seq))]


def _old(row: Row[int, datetime, str]) -> Old:
    return Old(row.seq, row.stored, strict.parsed(row.body))


def waiting(db: Session, *, tenant: uuid.UUID, old: Sequence[Old]) -> dict[int, str]:
    """Those that a target wants and has not got yet, by seq, with the label of one."""
    targets = db.scalars(select(Target).where(Target.tenant == tenant)).all()
    labels, seqs = {target.id: target.label for target in targets}, [each.seq for each in old]
    if not targets or not seqs:
        return {}
    letters = select(Outbound.seq, Outbound.target_id).where(Outbound.tenant == tenant, Outbound.seq.in_(seqs))
    found = {seq: labels[target_id] for seq, target_id in db.execute(letters)}
    withheld = set(db.scalars(select(Withheld.seq).where(Withheld.tenant == tenant, Withheld.seq.in_(seqs))))
    for target in targets:
        for each in old:
            is_to_queue = target.queued_seq < each.seq <= target.queue_until
            if is_to_queue and each.seq not in withheld and delivery.fits(target, each.statement):
                found[each.seq] = target.label
    return found


def remove(
    db: Session, *, tenant: uuid.UUID, seqs: Sequence[int], now: datetime, own: str, keyed: Callable[[bytes], bytes]
) -> Gone:
    """Remove those of these statements that no target waits for, as ``removal.remove`` does.

    Whoever writes statements, changes a target or marks its letters takes turns with us: the head first, then targets.
    """
    store.last_seq(db, tenant=tenant, now=now)
    lock_targets(db, Target.tenant == tenant)
    old = _these(db, tenant, seqs)
    kept = waiting(db, tenant=tenant, old=old)
    seqs = [each.seq for each in old if each.seq not in kept]
    return removal.remove(db, tenant=tenant, seqs=seqs, own=own, keyed=keyed)


def attached(db: Session, *, tenant: uuid.UUID, seqs: Sequence[int]) -> Sequence[str]:
    """The SHA-2 of their attachments, once for each statement that names it."""
    named = select(Enclosure.sha2).where(Enclosure.tenant == tenant, Enclosure.seq.in_(seqs))
    return db.scalars(named).all()


def attachments_of_these_alone(db: Session, *, tenant: uuid.UUID, named: Mapping[str, int]) -> int:
    """How many would go with statements that name them so often, by SHA-2."""
    hashes, found = list(named), 0
    for start in range(0, len(hashes), 500):
        some = hashes[start : start + 500]
        kept = select(Attachment.sha2).where(Attachment.tenant == tenant, Attachment.sha2.in_(some))
        said = select(Enclosure.sha2, func.count()).where(Enclosure.tenant == tenant, Enclosure.sha2.in_(some))
        counts = dict(db.execute(said.group_by(Enclosure.sha2)).all())
        found += sum(counts.get(sha2, 0) <= named[sha2] for sha2 in db.scalars(kept))
    return found
