"""Programs: dates, cadence, targets and the people who take part."""

import uuid
from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, one_of

MODELS = ("one-to-one",)
PARTS = ("mentee", "mentor", "coordinator")


class Program(Row):
    __tablename__ = "programs"

    name: Mapped[str]
    model: Mapped[str] = mapped_column(default="one-to-one")
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    meetings_per_month: Mapped[int]
    target_active: Mapped[int]  # percent of open mentorships active in the last 30 days
    target_cadence: Mapped[int]  # percent of the agreed meetings that were held
    target_on_time: Mapped[int]  # percent of due goals achieved by their original date
    target_certified: Mapped[int]  # people
    mentor_weight: Mapped[int] = mapped_column(default=60)
    ready_line: Mapped[int] = mapped_column(default=75)
    floor: Mapped[int] = mapped_column(default=50)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("organization_id", "name"),
        one_of("model", MODELS),
        CheckConstraint("ends_on > starts_on", name="dates"),
    )


class ProgramCourse(Row):
    __tablename__ = "program_courses"

    program_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("programs.id", ondelete="CASCADE"))
    course_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("courses.id", ondelete="CASCADE"), index=True)

    __table_args__ = (UniqueConstraint("organization_id", "program_id", "course_id"),)


class Participant(Row):
    """The part a person has in a program."""

    __tablename__ = "participants"

    program_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("programs.id", ondelete="CASCADE"))
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    part: Mapped[str]
    capacity: Mapped[int] = mapped_column(default=0)  # mentees a mentor takes on
    paused: Mapped[bool] = mapped_column(default=False)
    joined_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (
        UniqueConstraint("organization_id", "program_id", "person_id", "part"),
        one_of("part", PARTS),
    )
