"""Mentorships: the relation of one mentor and one mentee in a program."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, one_of

STATES = ("open", "completed", "ended")


class Mentorship(Row):
    """Its id is the registration in every statement about it."""

    __tablename__ = "mentorships"

    program_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("programs.id", ondelete="CASCADE"))
    mentor_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    mentee_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    status: Mapped[str] = mapped_column(default="open")
    started_at: Mapped[datetime] = mapped_column(default=clock.now)
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("status", STATES),
        CheckConstraint("mentor_id <> mentee_id", name="two_people"),
        Index(
            "uq_mentorships_one_open_per_mentee",
            "organization_id",
            "program_id",
            "mentee_id",
            unique=True,
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
    )
