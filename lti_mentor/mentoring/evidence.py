"""Evidence for an exam domain: submitted, then accepted with a rating or returned with a comment."""

import uuid
from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, one_of

STATES = ("waiting", "accepted", "returned")
DECISIONS = ("accepted", "returned", "asked")


class Evidence(Row):
    __tablename__ = "evidence"

    pursuit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pursuits.id", ondelete="CASCADE"), index=True)
    mentorship_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mentorships.id", ondelete="CASCADE"))
    domain_code: Mapped[str]
    text: Mapped[str]
    link: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1)
    status: Mapped[str] = mapped_column(default="waiting")
    submitted_at: Mapped[datetime] = mapped_column(default=clock.now)  # of this version

    __table_args__ = (
        one_of("status", STATES),
        Index("ix_evidence_mentorship_status", "organization_id", "mentorship_id", "status"),
    )


class Review(Row):
    """What the mentor said about one version."""

    __tablename__ = "reviews"

    evidence_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("evidence.id", ondelete="CASCADE"), index=True)
    reviewer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    version: Mapped[int]
    decision: Mapped[str]
    rating: Mapped[int | None]
    comment: Mapped[str]
    topics: Mapped[list[str]] = mapped_column(JSON)
    decided_at: Mapped[datetime] = mapped_column(default=clock.now)
    seen_at: Mapped[datetime | None]  # by the learner; until then it may be taken back
    taken_back_at: Mapped[datetime | None]

    __table_args__ = (one_of("decision", DECISIONS),)
