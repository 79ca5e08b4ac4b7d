"""Jobs as rows: claimed with a lease, done after the work, tried again when it fails or its worker dies."""

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, ColumnElement, Index, case, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base, inserting, new_id, one_of

STATES = ("waiting", "done", "dead")
NEVER = threading.Event()  # it is set by nobody: whoever works until then works to the end
MOST_ATTEMPTS = 10
LATELY = timedelta(minutes=10)  # rarely is a worker that long in one job


class Job(Base):
    """Installation-wide; ``payload`` holds ids, never content. One waiting job per ``unique_key``."""

    __tablename__ = "jobs"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    unique_key: Mapped[str] = mapped_column(unique=True)
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(default="waiting")
    run_after: Mapped[datetime]
    leased_until: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    last_problem: Mapped[str | None]  # a code, never an answer

    __table_args__ = (one_of("status", STATES), Index("ix_jobs_status_run_after", "status", "run_after"))


def add(
    db: Session,
    kind: str,
    *,
    unique_key: str,
    payload: Mapping[str, Any] | None = None,
    run_after: datetime | None = None,
) -> Job:
    """Ask for some work; asking again under the same key changes nothing while it waits."""
    first = {"id": new_id(), "kind": kind, "unique_key": unique_key, "payload": dict(payload or {}), "attempts": 0}
    first |= {"status": "waiting", "run_after": run_after or clock.now()}
    db.execute(inserting(db, Job).values(first).on_conflict_do_nothing())  # others may ask at the same moment
    job = db.scalars(select(Job).where(Job.unique_key == unique_key)).one()
    if job.status != "waiting":
        job.status, job.attempts, job.leased_until = "waiting", 0, None
        job.run_after = run_after or clock.now()
    db.flush()
    return job


def claim(db: Session, *, lease_seconds: int) -> Job | None:
    """The next job that is due and that nobody works on; it is ours until the lease ends."""
    now = clock.now()
    free = (Job.leased_until.is_(None)) | (Job.leased_until < now)
    wanted = select(Job).where(Job.status == "waiting", Job.run_after <= now, free).order_by(Job.run_after).limit(1)
    job = db.scalar(wanted.with_for_update(skip_locked=True))
    if job is not None:
        job.claimed_at, job.leased_until = now, now + timedelta(seconds=lease_seconds)
        job.attempts += 1
    return job


@dataclass(frozen=True)
class State:
    """How many jobs are due and not begun, worked on, failing again and again, and put aside; since when the oldest
    waits; the last claim."""

    due: int
    working: int
    failing: int
    dead: int
    oldest_due: datetime | None
    worker_seen: datetime | None

    @property
    def waits_in_vain(self) -> bool:
        """Whether a job is due for long and no worker took any meanwhile."""
        before = clock.now() - LATELY
        is_late = self.oldest_due is not None and self.oldest_due < before
        return is_late and (self.worker_seen is None or self.worker_seen <= before)

    @property
    def is_new(self) -> bool:
        """Whether no worker has ever been here: the first one brings the regular jobs."""
        return self.oldest_due is None and self.worker_seen is None


def state(db: Session) -> State:
    now = clock.now()
    is_waiting, is_leased = Job.status == "waiting", Job.leased_until >= now
    is_due = is_waiting & (Job.run_after <= now) & (Job.leased_until.is_(None) | ~is_leased)

    def many(which: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count(case((which, Job.id)))

    counted = select(
        many(is_due),
        many(is_waiting & is_leased),
        many(is_waiting & (Job.attempts >= MOST_ATTEMPTS)),
        many(Job.status == "dead"),
        func.min(case((is_due, Job.run_after))),
        func.max(Job.claimed_at),
    )
    return State(*db.execute(counted).one())


def done(db: Session, claimed: Job, *, again_after: timedelta | None = None) -> None:
    """The work is done, once, or until it is due again. Nothing changes when another worker owns it by now."""
    job = _still_ours(db, claimed)
    if job is None:
        return
    job.leased_until, job.last_problem = None, None
    if again_after is None:
        job.status = "done"
    else:
        job.attempts, job.run_after = 0, clock.now() + again_after


def failed(db: Session, claimed: Job, problem: str, *, every: timedelta | None = None) -> None:
    """Try again later, each time twice as late, at last every quarter of an hour or so.

    After MOST_ATTEMPTS a job that is to be done once is put aside for a person to look at. One that is due ``every`` so
    often works for all organizations: it comes again.
    """
    job = _still_ours(db, claimed)
    if job is None:
        return
    job.leased_until, job.last_problem = None, problem
    job.run_after = clock.now() + timedelta(seconds=2 ** min(job.attempts, MOST_ATTEMPTS))
    if every is None and job.attempts >= MOST_ATTEMPTS:
        job.status = "dead"


def _still_ours(db: Session, claimed: Job) -> Job | None:
    """The row under the lease of this claim; each claim counts one attempt more."""
    mine = (Job.id == claimed.id, Job.attempts == claimed.attempts, Job.leased_until == claimed.leased_until)
    return db.scalar(select(Job).where(*mine).with_for_update())
