"""Reminders: a card on a person's home, recorded, at most one a week per pair."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, one_of

KINDS = ("never_met", "silent", "review_waiting")


class Reminder(Row):
    __tablename__ = "reminders"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    mentorship_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mentorships.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    sent_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    sent_at: Mapped[datetime] = mapped_column(default=clock.now)
    closed_at: Mapped[datetime | None]  # by the person who got it

    __table_args__ = (one_of("kind", KINDS),)
