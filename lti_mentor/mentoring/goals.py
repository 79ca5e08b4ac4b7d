"""Goals of a mentee: a measure, a due date, and links to courses, items, certifications and exam domains."""

import uuid
from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lti_mentor import clock
from lti_mentor.db import Row, one_of

STATES = ("open", "achieved", "removed")
VISIBILITIES = ("private", "shared")
LINK_KINDS = ("measure", "course", "item", "certification", "domain")


class Goal(Row):
    __tablename__ = "goals"

    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    mentorship_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("mentorships.id", ondelete="SET NULL"))
    title: Mapped[str]
    unit: Mapped[str]  # what the measure counts, in the owner's words
    baseline: Mapped[float]
    target: Mapped[float]
    current: Mapped[float]
    due_on: Mapped[date]
    original_due_on: Mapped[date]  # never changes
    visibility: Mapped[str]
    status: Mapped[str] = mapped_column(default="open")
    set_at: Mapped[datetime] = mapped_column(default=clock.now)
    closed_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]  # by the mentor, after the mentee said achieved
    override: Mapped[int | None]  # percent, by the mentor, with a comment
    override_comment: Mapped[str | None]
    statement_id: Mapped[uuid.UUID]  # of the statement that set it: achieving refers to it
    links: Mapped[list["GoalLink"]] = relationship(order_by="GoalLink.position", lazy="selectin")

    __table_args__ = (
        one_of("status", STATES),
        one_of("visibility", VISIBILITIES),
        CheckConstraint("target <> baseline", name="distance"),
        Index("ix_goals_owner_status_due", "organization_id", "owner_id", "status", "due_on"),
    )


class GoalLink(Row):
    """One weighted part of the goal's progress."""

    __tablename__ = "goal_links"

    goal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("goals.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    kind: Mapped[str]
    weight: Mapped[int] = mapped_column(default=1)
    course_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("courses.id", ondelete="CASCADE"), index=True)
    item_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"))
    certification_id: Mapped[str | None] = mapped_column(ForeignKey("certifications.id"))
    domain_code: Mapped[str | None]

    __table_args__ = (one_of("kind", LINK_KINDS), CheckConstraint("weight > 0", name="weight"))
