"""Courses of the LMS, their graded items, and the map from items to exam domains."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, one_of

SOURCES = ("statement", "connector", "grades", "file", "typed")


class Course(Row):
    """An LTI context. ``deployment_id`` is our id of the deployment it belongs to."""

    __tablename__ = "courses"

    deployment_id: Mapped[uuid.UUID]
    context_id: Mapped[str]
    label: Mapped[str | None]
    title: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (UniqueConstraint("organization_id", "deployment_id", "context_id"),)


class Member(Row):
    """A person met in a course through a launch. ``teaches`` is what the LMS said."""

    __tablename__ = "members"

    course_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("courses.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    teaches: Mapped[bool]
    seen_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (UniqueConstraint("organization_id", "course_id", "person_id"),)


class Item(Row):
    """A graded activity of the course, known by the activity IRI the LMS uses in its statements."""

    __tablename__ = "items"

    course_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("courses.id", ondelete="CASCADE"), index=True)
    activity_iri: Mapped[str]
    title: Mapped[str]
    due_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("organization_id", "course_id", "activity_iri"),)


class MappedItem(Row):
    """One line of the course map: this item shows this exam domain."""

    __tablename__ = "mapped_items"

    item_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), index=True)
    certification_id: Mapped[str]
    domain_code: Mapped[str]
    weight: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        UniqueConstraint("organization_id", "item_id", "certification_id", "domain_code"),
        ForeignKeyConstraint(["certification_id", "domain_code"], ["domains.certification_id", "domains.code"]),
    )


class Result(Row):
    """The latest result of a person for an item."""

    __tablename__ = "results"

    item_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    score: Mapped[float]
    maximum: Mapped[float]
    source: Mapped[str]
    achieved_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("organization_id", "item_id", "person_id"), one_of("source", SOURCES))
