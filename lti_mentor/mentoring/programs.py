"""Programs: dates, cadence, targets and the people who take part."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.activity import facts
from lti_mentor.activity.record import record
from lti_mentor.db import Row, one_of
from lti_mentor.errors import Invalid, NotAllowed, NotFound, Refused
from lti_mentor.mentoring import courses, organizations, people
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.readiness import Rules

MODELS = ("one-to-one",)
PARTS = ("mentee", "mentor", "coordinator")
FIXED = ("starts_on", "target_active", "target_cadence", "target_on_time", "target_certified")  # once it has started


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

    @property
    def has_started(self) -> bool:
        return self.starts_on <= clock.today()

    @property
    def rules(self) -> Rules:
        return Rules(self.mentor_weight, self.ready_line, self.floor)

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


@dataclass(frozen=True, kw_only=True)
class ProgramDraft:
    """What is fixed before a program starts. Targets are percent, ``target_certified`` is people."""

    name: str
    starts_on: date
    ends_on: date
    meetings_per_month: int = 2
    target_active: int = 80
    target_cadence: int = 70
    target_on_time: int = 70
    target_certified: int = 1


def create(db: Session, course: Course, draft: ProgramDraft, *, by: Person) -> Program:
    """A program attached to the course; whoever makes it has to teach the course and becomes its coordinator."""
    if not courses.teaches(db, by, course):
        raise NotAllowed("program.not_teacher")
    _check(db, course.organization_id, draft)
    program = Program(organization_id=course.organization_id, **vars(draft))
    db.add(program)
    db.flush()
    _record_plan(db, program, draft, by, course)
    attach(db, program, course, by=by)
    enroll(db, program, by, "coordinator")
    return program


def _record_plan(db: Session, program: Program, draft: ProgramDraft, by: Person, course: Course | None = None) -> None:
    fact = facts.ProgramPlanned(
        actor=people.actor_name(db, by.id),
        at=clock.now(),
        program=program.id,
        course=course.id if course else None,
        **{name: value for name, value in vars(draft).items() if name != "name"},
    )
    record(db, program.organization_id, fact)


def draft_of(program: Program) -> ProgramDraft:
    """What is fixed of a program, as a draft to change."""
    return ProgramDraft(**{field.name: getattr(program, field.name) for field in fields(ProgramDraft)})


def change(db: Session, program: Program, draft: ProgramDraft, *, by: Person) -> None:
    """Another name, end or cadence; before the start, anything. Targets stay as they were fixed: Refused after it."""
    if participant(db, program, by.id, "coordinator") is None:
        raise NotAllowed("program.not_coordinator")
    before = draft_of(program)
    if program.has_started and any(getattr(draft, name) != getattr(before, name) for name in FIXED):
        raise Refused("program.started")
    if draft == before:
        return
    if draft.starts_on != before.starts_on and draft.starts_on < clock.today():
        raise Invalid({"starts_on": "date.past"})
    _check(db, program.organization_id, draft, program)
    for name, value in vars(draft).items():
        setattr(program, name, value)
    db.flush()
    if replace(draft, name=before.name) != before:
        _record_plan(db, program, draft, by)


def problems(values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the fields of a draft that are given, by name."""
    wrong: dict[str, str] = {}
    name = values.get("name", "")
    if not name.strip() or len(name) > 200:
        wrong["name"] = "text.too_long" if name.strip() else "program.no_name"
    starts_on, ends_on = values.get("starts_on"), values.get("ends_on")
    if starts_on and ends_on and ends_on <= starts_on:
        wrong["ends_on"] = "program.ends_before_start"
    if not 1 <= values.get("meetings_per_month", 1) <= 31:
        wrong["meetings_per_month"] = "program.cadence"
    for target in ("target_active", "target_cadence", "target_on_time"):
        if not 0 <= values.get(target, 0) <= 100:
            wrong[target] = "percent.range"
    if not 0 <= values.get("target_certified", 0) < 1_000_000:
        wrong["target_certified"] = "number.range"
    return wrong


def _check(db: Session, organization_id: uuid.UUID, draft: ProgramDraft, program: Program | None = None) -> None:
    wrong = problems(vars(draft))
    taken = select(Program.id).where(Program.organization_id == organization_id, Program.name == draft.name)
    if db.scalar(taken) not in (None, program.id if program else None):
        wrong["name"] = "program.name_taken"
    if wrong:
        raise Invalid(wrong)


def attach(db: Session, program: Program, course: Course, *, by: Person) -> None:
    """Let the program run in a course that the person teaches too; nothing happens when it does already."""
    if not courses.teaches(db, by, course):
        raise NotAllowed("program.not_teacher")
    if course.id not in {attached.id for attached in courses_of(db, program)}:
        db.add(ProgramCourse(organization_id=program.organization_id, program_id=program.id, course_id=course.id))
        db.flush()


def courses_of(db: Session, program: Program) -> Sequence[Course]:
    """The courses a program runs in."""
    wanted = (
        select(Course)
        .join(ProgramCourse, ProgramCourse.course_id == Course.id)
        .where(ProgramCourse.organization_id == program.organization_id, ProgramCourse.program_id == program.id)
    )
    return db.scalars(wanted.order_by(Course.title)).all()


def of_course(db: Session, course: Course) -> Sequence[Program]:
    """The programs that run in a course, newest first."""
    wanted = (
        select(Program)
        .join(ProgramCourse, ProgramCourse.program_id == Program.id)
        .where(ProgramCourse.organization_id == course.organization_id, ProgramCourse.course_id == course.id)
    )
    return db.scalars(wanted.order_by(Program.created_at.desc())).all()


def listed(db: Session, organization_id: uuid.UUID) -> Sequence[Program]:
    """All programs of an organization, newest first."""
    wanted = select(Program).where(Program.organization_id == organization_id)
    return db.scalars(wanted.order_by(Program.created_at.desc())).all()


def coordinated_by(db: Session, person: Person) -> Sequence[Program]:
    """The programs the person coordinates, newest first."""
    wanted = (
        select(Program)
        .join(Participant, Participant.program_id == Program.id)
        .where(
            Participant.organization_id == person.organization_id,
            Participant.person_id == person.id,
            Participant.part == "coordinator",
        )
    )
    return db.scalars(wanted.order_by(Program.created_at.desc())).all()


def coordinated_in(db: Session, person: Person, course: Course) -> list[Program]:
    """Of those, the ones that run in a course."""
    here = {program.id for program in of_course(db, course)}
    return [program for program in coordinated_by(db, person) if program.id in here]


def get_for_coordinator(db: Session, person: Person, program_id: uuid.UUID) -> Program:
    """A program the person coordinates. Raises NotFound for every other."""
    for program in coordinated_by(db, person):
        if program.id == program_id:
            return program
    raise NotFound("program.unknown")


def participant(db: Session, program: Program, person_id: uuid.UUID, part: str) -> Participant | None:
    """The part of a person in a program, if they have it."""
    return db.scalar(
        select(Participant).where(
            Participant.organization_id == program.organization_id,
            Participant.program_id == program.id,
            Participant.person_id == person_id,
            Participant.part == part,
        )
    )


def participants(db: Session, program: Program, part: str) -> Sequence[Participant]:
    """Everybody with this part, in the order they joined."""
    wanted = select(Participant).where(
        Participant.organization_id == program.organization_id,
        Participant.program_id == program.id,
        Participant.part == part,
    )
    return db.scalars(wanted.order_by(Participant.joined_at, Participant.id)).all()


def size(db: Session, program: Program) -> int:
    """How many learners are enrolled."""
    counted = select(func.count()).where(
        Participant.organization_id == program.organization_id,
        Participant.program_id == program.id,
        Participant.part == "mentee",
    )
    return db.scalars(counted).one()


def enroll(db: Session, program: Program, person: Person, part: str, *, capacity: int = 0) -> Participant:
    """Give the person a part, once; a mentor's capacity may be changed by enrolling again."""
    if part not in PARTS:
        raise Refused("part.unknown")
    if part == "mentor" and not 1 <= capacity <= 50:
        raise Invalid({"capacity": "mentor.capacity"})
    organizations.lock(db, program.organization_id)
    row = participant(db, program, person.id, part)
    if row is not None:
        row.capacity = capacity
        return row
    row = Participant(
        organization_id=program.organization_id,
        program_id=program.id,
        person_id=person.id,
        part=part,
        capacity=capacity,
        joined_at=clock.now(),
    )
    db.add(row)
    db.flush()
    fact = facts.Enrolled(actor=people.actor_name(db, person.id), at=clock.now(), program=program.id, part=part)
    record(db, program.organization_id, fact)
    return row


def pause(db: Session, program: Program, mentor: Person) -> None:
    """Give the mentor no new mentees until resumed."""
    _mentor(db, program, mentor).paused = True


def resume(db: Session, program: Program, mentor: Person) -> None:
    """The mentor may get new mentees again."""
    _mentor(db, program, mentor).paused = False


def _mentor(db: Session, program: Program, mentor: Person) -> Participant:
    row = participant(db, program, mentor.id, "mentor")
    if row is None:
        raise NotFound("mentor.unknown")
    return row
