"""Tests of a connection that somebody asked for on a page: a worker tries it, and what it found is kept."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, ForeignKey, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base
from lti_mentor.lti.connection import Tried
from lti_mentor.lti.platforms import Platform

LEASE = timedelta(minutes=2)
LATE = timedelta(minutes=1)  # by then a worker should have looked


class ConnectionTest(Base):
    """Installation-wide, as its platform is; the last one of each platform."""

    __tablename__ = "connection_tests"

    platform_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("platforms.id", ondelete="CASCADE"), primary_key=True)
    asked_at: Mapped[datetime]
    leased_until: Mapped[datetime | None]  # a worker tries it
    tried_at: Mapped[datetime | None]
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)  # as ``Tried``; of a problem its reason

    @property
    def is_waiting(self) -> bool:
        """Asked for, and not tried since."""
        return self.tried_at is None or self.tried_at < self.asked_at

    @property
    def is_late(self) -> bool:
        return self.is_waiting and self.asked_at < clock.now() - LATE


def ask(db: Session, platform: Platform) -> None:
    """Try it as soon as a worker is free."""
    known = db.get(ConnectionTest, platform.id)
    if known is None:
        db.add(ConnectionTest(platform_id=platform.id, asked_at=clock.now()))
    elif not known.is_waiting:
        known.asked_at = clock.now()


def of(db: Session, platform: Platform) -> ConnectionTest | None:
    return db.get(ConnectionTest, platform.id)


def claim(db: Session) -> tuple[ConnectionTest, Platform] | None:
    """The test that waits longest, ours until its lease ends."""
    now = clock.now()
    wanted = (
        select(ConnectionTest, Platform)
        .join(Platform, Platform.id == ConnectionTest.platform_id)
        .where(
            or_(ConnectionTest.tried_at.is_(None), ConnectionTest.tried_at < ConnectionTest.asked_at),
            or_(ConnectionTest.leased_until.is_(None), ConnectionTest.leased_until < now),
        )
        .order_by(ConnectionTest.asked_at)
        .limit(1)
        .with_for_update(skip_locked=True, of=ConnectionTest)
    )
    found = db.execute(wanted).one_or_none()
    if found is None:
        return None
    test, platform = found
    test.leased_until = now + LEASE
    return test, platform


def keep(db: Session, claimed: ConnectionTest, tried: Sequence[Tried]) -> None:
    """What was found; nothing is kept when the platform is gone."""
    test = db.get(ConnectionTest, claimed.platform_id)
    if test is not None:
        test.leased_until, test.steps = None, [_step(each) for each in tried]
        test.tried_at = max(clock.now(), test.asked_at)  # the clock of whoever asked may be ahead


def _step(tried: Tried) -> dict[str, Any]:
    reason, values = (tried.problem.reason, tried.problem.values) if tried.problem else (None, {})
    return {"step": tried.step, "count": tried.count, "reason": reason, "values": dict(values)}
