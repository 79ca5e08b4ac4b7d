"""What record stores outside have not got yet: queued with the statements, claimed with a lease, marked after sending.

A target is worked on by one worker at a time, in the order of the store; so whatever belongs together, such as the
statements of one registration, arrives in that order. A lease that ends while its worker still sends does no harm: a
statement keeps its id, and is taken once.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    CursorResult,
    Row,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session

from xapi import delivery, store, strict
from xapi.delivery import Progress
from xapi.facets import Statement, digests_of_agent
from xapi.rows import (
    DeadLetter,
    Facet,
    FormerTarget,
    Head,
    Outbound,
    StoredStatement,
    Target,
    Withheld,
    inserting,
    lock_targets,
    metadata,
)

NEW, ACTIVE, PAUSED, REFUSED = "new", "active", "paused", "refused"
A_LOOK = 500  # statements that are looked at in one transaction when older ones are queued; fewer where they are long
_TARGETS, _OUTBOX = metadata.tables["xapi_targets"], metadata.tables["xapi_outbox"]


# Queueing -----------------------------------------------------------------------------------------------------------

_WANTING = select(_TARGETS.c.id, _TARGETS.c.verbs, _TARGETS.c.activities, _TARGETS.c.profiles).where(
    _TARGETS.c.tenant == bindparam("of")
)


def queue(db: Session, *, tenant: uuid.UUID, statements: Sequence[Statement]) -> None:
    """Queue statements that were stored in this very transaction, for every target that wants them."""
    for target in db.execute(_WANTING, {"of": tenant}).all():
        ids = [uuid.UUID(each["id"]) for each in statements if delivery.fits(target, each)]
        for start in range(0, len(ids), 500):
            row = (literal(tenant), literal(target.id), StoredStatement.seq, StoredStatement.stored)
            chosen = select(*row).where(
                StoredStatement.tenant == tenant, StoredStatement.statement_id.in_(ids[start : start + 500])
            )
            db.execute(insert(_OUTBOX).from_select(["tenant", "target_id", "seq", "queued_at"], chosen))


def add_target(db: Session, target: Target, *, since: datetime | None, now: datetime) -> None:
    """A new target; writers queue for it from now on."""
    queue_older(db, target, since=since, now=now)
    _count(db, target, 1)
    db.add(target)
    db.flush()


def _count(db: Session, target: Target, more: int) -> None:
    counted = update(Head).where(Head.tenant == target.tenant).values(targets=Head.targets + more)
    db.execute(counted, execution_options={"synchronize_session": False})


def queue_older(db: Session, target: Target, *, since: datetime | None, now: datetime) -> None:
    """Let the target get what was stored from this time on, or nothing, and everything that is stored from now on.

    Statements of a writer that is not done yet are waited for: there is no gap. Nor is there one where older ones are
    being queued already: both go on from whichever begins earlier.
    """
    last = store.last_seq(db, tenant=target.tenant, now=now)
    start = last if since is None else store.last_before(db, tenant=target.tenant, moment=since)
    if target.queued_seq < target.queue_until:
        start = min(start, target.queued_seq)
    target.queue_from = target.queued_seq = start
    target.queue_until = last


def _queue_some(db: Session, target: Target, now: datetime) -> None:
    """The next ones of those that were there before the target was."""
    wanted = select(StoredStatement.seq).where(
        StoredStatement.tenant == target.tenant,
        StoredStatement.seq > target.queued_seq,
        StoredStatement.seq <= target.queue_until,
        ~exists().where(Withheld.tenant == StoredStatement.tenant, Withheld.seq == StoredStatement.seq),
    )
    seqs = db.scalars(wanted.order_by(StoredStatement.seq).limit(A_LOOK)).all()
    seen = store.within(db, target.tenant, seqs, store.PAGE_BYTES)
    bodies = store.bodies(db, target.tenant, seen)
    _queue(db, target, [seq for seq, body in bodies.items() if delivery.fits(target, strict.parsed(body))], now)
    is_the_rest = len(seen) == len(seqs) < A_LOOK
    target.queued_seq = target.queue_until if is_the_rest else seen[-1]


def _queue(db: Session, target: Target, seqs: Iterable[int], now: datetime) -> None:
    rows = [{"tenant": target.tenant, "target_id": target.id, "seq": seq, "queued_at": now} for seq in seqs]
    if rows:
        db.execute(inserting(db, Outbound).on_conflict_do_nothing(), rows)


# Sending ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Letter:
    seq: int
    body: str  # as it is stored

    @property
    def has_attachments(self) -> bool:
        """Maybe: it says so too where only a text in it looks like that."""
        return '"attachments":' in self.body


def claim(db: Session, *, now: datetime, until: datetime, but: Iterable[uuid.UUID] = ()) -> Target | None:
    """The target that waits longest for its turn, of those with something to do; ours until the lease ends.

    None of those that are named: it is not their turn.
    """
    free = or_(Target.leased_until.is_(None), Target.leased_until <= now)
    due = or_(Target.retry_at.is_(None), Target.retry_at <= now)
    has_letters = exists().where(Outbound.tenant == Target.tenant, Outbound.target_id == Target.id)
    has_work = or_(has_letters, Target.queued_seq < Target.queue_until)
    works = or_(Target.status == NEW, and_(Target.status == ACTIVE, has_work))
    wanted = select(Target).where(free, due, works, Target.id.not_in(list(but)))
    wanted = wanted.order_by(Target.leased_until.asc().nulls_first(), Target.created_at)
    # a writer that queues for this target does not wait for us
    target = db.scalar(wanted.limit(1).with_for_update(skip_locked=True, key_share=True))
    if target is not None:
        target.leased_until = until
    return target


def take(db: Session, claimed: Target, *, now: datetime, until: datetime) -> list[Letter] | None:
    """The next letters, oldest first, with the lease renewed.

    An empty list when those that were looked at are not wanted; none when nothing waits or the target is not ours any
    more.
    """
    target = _ours(db, claimed)
    if target is None or target.status != ACTIVE:
        return None
    target.leased_until = claimed.leased_until = until
    letters = _letters(db, target)
    if letters or target.queued_seq >= target.queue_until:
        return letters or None
    _queue_some(db, target, now)
    return _letters(db, target)


def _letters(db: Session, target: Target) -> list[Letter]:
    """So many as go together. Those that are new wait until the older ones are queued: everything goes in order."""
    is_whole = target.queued_seq >= target.queue_until
    waiting = select(Outbound.seq).where(Outbound.tenant == target.tenant, Outbound.target_id == target.id)
    waiting = waiting.where(true() if is_whole else Outbound.seq <= target.queued_seq)
    seqs = db.scalars(waiting.order_by(Outbound.seq).limit(delivery.MOST)).all()
    chosen = store.within(db, target.tenant, seqs, delivery.MOST_BYTES)
    return [Letter(seq, body) for seq, body in store.bodies(db, target.tenant, chosen).items()]


def _ours(db: Session, claimed: Target) -> Target | None:
    mine = (Target.tenant == claimed.tenant, Target.id == claimed.id, Target.leased_until == claimed.leased_until)
    wanted = select(Target).where(*mine).with_for_update(key_share=True)
    return db.scalar(wanted.execution_options(populate_existing=True))


def release(db: Session, claimed: Target, *, now: datetime) -> None:
    """The turn is over; the next one is whose turn was longest ago."""
    target = _ours(db, claimed)
    if target is not None:
        target.leased_until = now


# What became of it --------------------------------------------------------------------------------------------------


def delivered(db: Session, target: Target, letters: Iterable[Letter], *, now: datetime) -> int:
    """They are there, also those that were refused once. Gives how many were not marked before."""
    seqs = [letter.seq for letter in letters]
    count = len(_remove(db, target, seqs))
    db.execute(delete(DeadLetter).where(*_dead(target), DeadLetter.seq.in_(seqs)))
    done = {"delivered": Target.delivered + count, "delivered_at": now}
    _change(db, target, **done, failures=0, retry_at=None, problem=None, answer=None, failed_at=None)
    return count


def refused(db: Session, target: Target, letter: Letter, *, status: int | None, answer: str, now: datetime) -> None:
    """Put it aside with the answer; not where it was erased meanwhile."""
    if _put_aside(db, target, [letter], status=status, answer=answer, at=now):
        _change(db, target, errors=Target.errors + 1, failures=0, retry_at=None, problem=None, failed_at=None)


def unfit(db: Session, target: Target, letters: Sequence[Letter], reason: str, *, now: datetime) -> None:
    """Put aside, with a code, what it would not take whatever it says: it is not asked, so nothing is known of it."""
    if letters:
        _put_aside(db, target, letters, status=None, answer=reason, at=now)


def _put_aside(db: Session, target: Target, letters: Sequence[Letter], **values: Any) -> bool:
    """Whether there is still one of them."""
    key = {"tenant": target.tenant, "target_id": target.id}
    rows = [{**key, "seq": seq, **values} for seq in _remove(db, target, [letter.seq for letter in letters])]
    if rows:
        kept = inserting(db, DeadLetter).values(rows)
        db.execute(kept.on_conflict_do_update(index_elements=[*key, "seq"], set_=values))
    return bool(rows)


def _remove(db: Session, target: Target, seqs: list[int]) -> Sequence[int]:
    """Those of them that were still there."""
    lock_targets(db, Target.tenant == target.tenant, Target.id == target.id)
    gone = delete(Outbound).where(
        Outbound.tenant == target.tenant, Outbound.target_id == target.id, Outbound.seq.in_(seqs)
    )
    return db.scalars(gone.returning(Outbound.seq)).all()


def failed(db: Session, target: Target, problem: str, answer: str, *, now: datetime, retry_at: datetime) -> None:
    """It does not answer as it should: nothing is sent until then."""
    counted = {"failures": Target.failures + 1, "errors": Target.errors + 1}
    _change(db, target, **counted, problem=problem, answer=answer, failed_at=now, retry_at=retry_at)


def shut_out(db: Session, target: Target, problem: str, answer: str, *, now: datetime) -> None:
    """It does not let us in: nothing is sent until somebody says so."""
    counted = {"failures": Target.failures + 1, "errors": Target.errors + 1}
    working = Target.status.in_((NEW, ACTIVE))
    _change(db, target, working, **counted, problem=problem, answer=answer, failed_at=now, status=REFUSED)


def accepted(db: Session, target: Target) -> None:
    """A new target answered well: it gets statements from now on."""
    _change(db, target, Target.status == NEW, status=ACTIVE, failures=0, problem=None, answer=None, retry_at=None)


def _change(db: Session, target: Target, *conditions: Any, **values: Any) -> None:
    this = update(Target).where(Target.tenant == target.tenant, Target.id == target.id, *conditions)
    db.execute(this.values(values), execution_options={"synchronize_session": False})


# Looking ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """A target and what waits for it."""

    target: Target
    waiting: int
    oldest: datetime | None  # since when the one waits that waits longest
    dead: int

    @property
    def is_down(self) -> bool:
        """Nothing gets through, and nobody wanted it so."""
        failing = self.target.failures >= delivery.DOWN_AFTER
        return self.target.status == REFUSED or (failing and self.target.status != PAUSED)

    @property
    def state(self) -> str:
        """In one word: new, paused, refused, down, retrying, sending or idle."""
        if self.target.status != ACTIVE and not (self.target.status == NEW and self.target.failures):
            return self.target.status
        if self.target.failures:
            return "down" if self.is_down else "retrying"
        return "sending" if self.waiting or self.progress else "idle"

    @property
    def progress(self) -> Progress | None:
        """Of queueing what was there before; none once it is done."""
        target = self.target
        if target.queued_seq >= target.queue_until:
            return None
        return Progress(target.queued_seq - target.queue_from, target.queue_until - target.queue_from)


def standings(db: Session, *, tenant: uuid.UUID | None = None) -> list[Standing]:
    """All targets, of one tenant or of the whole installation, the oldest first."""
    wanted = select(Target).order_by(Target.created_at, Target.label)
    targets = db.scalars(wanted.where(Target.tenant == tenant) if tenant else wanted).all()
    return [standing(db, target) for target in targets]


def get(db: Session, *, tenant: uuid.UUID, target_id: uuid.UUID) -> Target | None:
    return db.get(Target, (tenant, target_id))


def named(db: Session, *, tenant: uuid.UUID, label: str) -> Target | None:
    return db.scalar(select(Target).where(Target.tenant == tenant, Target.label == label))


def lock(db: Session, target: Target, *, now: datetime) -> None:
    """Read it again, and let no worker change it until the transaction ends; nobody stores anything until then.

    Whoever needs both waits for writers first and for targets then.
    """
    store.last_seq(db, tenant=target.tenant, now=now)
    db.refresh(target, with_for_update={"key_share": True})


def standing(db: Session, target: Target) -> Standing:
    """What waits for this one."""
    counted = select(func.count(), func.min(Outbound.queued_at)).where(
        Outbound.tenant == target.tenant, Outbound.target_id == target.id
    )
    waiting, oldest = db.execute(counted).one()
    dead = select(func.count()).where(DeadLetter.tenant == target.tenant, DeadLetter.target_id == target.id)
    return Standing(target, waiting, oldest, db.scalar(dead) or 0)


def dead_letters(
    db: Session, target: Target, *, most: int, after: int = 0
) -> Sequence[Row[int, int | None, str, datetime, uuid.UUID]]:
    """The oldest first, each with the id of its statement; those after a ``seq``."""
    statement = and_(StoredStatement.tenant == DeadLetter.tenant, StoredStatement.seq == DeadLetter.seq)
    columns = (DeadLetter.seq, DeadLetter.status, DeadLetter.answer, DeadLetter.at, StoredStatement.statement_id)
    wanted = select(*columns).join(StoredStatement, statement)
    return db.execute(wanted.where(*_dead(target), DeadLetter.seq > after).order_by(DeadLetter.seq).limit(most)).all()


# Changing -----------------------------------------------------------------------------------------------------------


def remove(db: Session, target: Target, *, now: datetime) -> None:
    """Forget it, with what waits for it; a writer that has just queued for it is waited for."""
    store.last_seq(db, tenant=target.tenant, now=now)
    if target.leased_until is not None:
        former = {"tenant": target.tenant, "id": target.id, "label": target.label, "endpoint": target.endpoint}
        db.add(FormerTarget(**former, removed_at=now))
    _count(db, target, -1)
    db.delete(target)
    db.flush()


def replay(db: Session, target: Target, statement_id: uuid.UUID | None = None, *, now: datetime) -> int:
    """Queue dead letters again, one or all; gives how many."""
    gone = delete(DeadLetter).where(*_dead(target, statement_id)).returning(DeadLetter.seq)
    seqs = db.scalars(gone).all()
    _queue(db, target, seqs, now)
    return len(seqs)


def drop(db: Session, target: Target, statement_id: uuid.UUID | None = None) -> int:
    """Forget dead letters, one or all; gives how many."""
    return cast("CursorResult[Any]", db.execute(delete(DeadLetter).where(*_dead(target, statement_id)))).rowcount


def _dead(target: Target, statement_id: uuid.UUID | None = None) -> list[Any]:
    found = [DeadLetter.tenant == target.tenant, DeadLetter.target_id == target.id]
    if statement_id is None:
        return found
    named = select(StoredStatement.seq).where(
        StoredStatement.tenant == target.tenant, StoredStatement.statement_id == statement_id
    )
    return [*found, DeadLetter.seq.in_(named)]


# Erasing ------------------------------------------------------------------------------------------------------------


def forget_agents(db: Session, *, tenant: uuid.UUID, agents: Iterable[str], now: datetime) -> int:
    """Send nothing any more that speaks of somebody, nor queue it again; gives how many letters there were."""
    store.last_seq(db, tenant=tenant, now=now)
    lock_targets(db, Target.tenant == tenant)
    return sum(_forget(db, tenant, agent) for agent in agents)


def _forget(db: Session, tenant: uuid.UUID, agent: str) -> int:
    said = Facet.digest.in_(digests_of_agent(tenant, agent))
    withheld = select(literal(tenant), Facet.seq).where(said).distinct()
    db.execute(inserting(db, Withheld).from_select(["tenant", "seq"], withheld).on_conflict_do_nothing())
    spoken = select(Facet.seq).where(said)
    return sum(
        cast("CursorResult[Any]", db.execute(delete(row).where(row.tenant == tenant, row.seq.in_(spoken)))).rowcount
        for row in (Outbound, DeadLetter)
    )


def holders(db: Session, *, tenant: uuid.UUID) -> list[Target | FormerTarget]:
    """Where statements may lie: every target that a worker ever began with, also of those that were removed."""
    begun = select(Target).where(Target.tenant == tenant, Target.leased_until.is_not(None))
    former = select(FormerTarget).where(FormerTarget.tenant == tenant)
    targets = db.scalars(begun.order_by(Target.created_at, Target.label)).all()
    known = {target.endpoint for target in targets}
    removed = db.scalars(former.order_by(FormerTarget.removed_at, FormerTarget.label))
    gone = {each.endpoint: each for each in removed if each.endpoint not in known}
    return [*targets, *gone.values()]
