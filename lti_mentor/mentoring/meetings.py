"""Meetings of a mentorship: planned, held, missed or called off."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, one_of

STATES = ("planned", "held", "missed", "called_off")


class Meeting(Row):
    __tablename__ = "meetings"

    mentorship_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mentorships.id", ondelete="CASCADE"), index=True)
    planned_at: Mapped[datetime]
    minutes: Mapped[int]
    status: Mapped[str] = mapped_column(default="planned")
    planned_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    settled_at: Mapped[datetime | None]  # when somebody said held, missed or called off

    __table_args__ = (one_of("status", STATES),)
