"""Certifications of the shipped catalog, and the pursuit of one by a person."""

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from lti_mentor import clock
from lti_mentor.db import Base, Row, one_of

PURSUIT_STATES = ("interested", "studying", "booked", "failed", "passed", "awarded", "abandoned")
RATED_BY = ("learner", "mentor")


class Certification(Base):
    """A catalog entry; shipped with the product and the same for every organization."""

    __tablename__ = "certifications"

    id: Mapped[str] = mapped_column(primary_key=True)  # the slug: comptia-security-plus
    name: Mapped[str]
    issuer: Mapped[str]
    code: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)  # the whole entry of the file, for display
    domains: Mapped[list["Domain"]] = relationship(order_by="Domain.position", lazy="selectin")


class Domain(Base):
    """An exam domain. ``weight`` is in percent of the exam, normalized over the certification."""

    __tablename__ = "domains"

    certification_id: Mapped[str] = mapped_column(ForeignKey("certifications.id", ondelete="CASCADE"), primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    title: Mapped[str]
    weight_numerator: Mapped[int]  # kept exact
    weight_denominator: Mapped[int]
    topics: Mapped[list[str]] = mapped_column(JSON)


class Pursuit(Row):
    """A person on the way to a certification."""

    __tablename__ = "pursuits"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    certification_id: Mapped[str] = mapped_column(ForeignKey("certifications.id"))
    status: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(default=clock.now)
    target_on: Mapped[date | None]
    exam_on: Mapped[date | None]
    attempts: Mapped[int] = mapped_column(default=0)
    awarded_on: Mapped[date | None]
    expires_on: Mapped[date | None]

    __table_args__ = (
        UniqueConstraint("organization_id", "person_id", "certification_id"),
        one_of("status", PURSUIT_STATES),
    )


class Rating(Row):
    """A rating on the anchored scale. The last one counts; earlier ones stay as history."""

    __tablename__ = "ratings"

    pursuit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pursuits.id", ondelete="CASCADE"), index=True)
    certification_id: Mapped[str]
    domain_code: Mapped[str]
    rated_by: Mapped[str]
    rater_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    value: Mapped[int]
    rated_at: Mapped[datetime] = mapped_column(default=clock.now)
    evidence_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("evidence.id", ondelete="SET NULL"))

    __table_args__ = (
        one_of("rated_by", RATED_BY),
        CheckConstraint("value IN (0, 25, 50, 75, 100)", name="value"),
        ForeignKeyConstraint(["certification_id", "domain_code"], ["domains.certification_id", "domains.code"]),
    )
