"""Mentorships: the relation of one mentor and one mentee in a program."""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypedDict

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, or_, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.activity import facts
from lti_mentor.activity.record import record
from lti_mentor.db import Row, one_of
from lti_mentor.errors import NotAllowed, NotFound, Refused
from lti_mentor.mentoring import organizations, people, programs
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program

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
    active_at: Mapped[datetime | None]  # the last time one of the two did something that counts as activity

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


class About(TypedDict, total=False):
    """What every fact about a mentorship carries."""

    program: uuid.UUID
    registration: uuid.UUID
    instructor: str


def about(db: Session, mentorship: Mentorship | None) -> About:
    """Program, registration and mentor of the pair, unless the mentor was erased; empty without a pair."""
    if mentorship is None:
        return {}
    said: About = {"program": mentorship.program_id, "registration": mentorship.id}
    try:
        return {**said, "instructor": people.actor_name(db, mentorship.mentor_id)}
    except NotFound:
        return said


def note(db: Session, organization_id: uuid.UUID, mentorship: Mentorship | None, fact: facts.Fact) -> uuid.UUID:
    """Record what somebody did, and when their pair was active; gives the id of the statement."""
    if mentorship is not None and mentorship.status == "open" and isinstance(fact, facts.ACTIVITY):
        mentorship.active_at = fact.at
    return record(db, organization_id, fact)


def pair(db: Session, program: Program, *, mentor: Person, mentee: Person, by: Person) -> Mentorship:
    """Open a mentorship. Capacity is kept here, whoever asks. Raises Refused and NotAllowed."""
    if programs.participant(db, program, by.id, "coordinator") is None:
        raise NotAllowed("program.not_coordinator")
    organizations.lock(db, program.organization_id)
    _check_mentee(db, program, mentor, mentee)
    _check_mentor(db, program, mentor)
    mentorship = Mentorship(
        organization_id=program.organization_id,
        program_id=program.id,
        mentor_id=mentor.id,
        mentee_id=mentee.id,
        started_at=clock.now(),
    )
    db.add(mentorship)
    db.flush()
    fact = facts.Paired(actor=people.actor_name(db, mentee.id), at=clock.now(), **about(db, mentorship))
    record(db, mentorship.organization_id, fact)
    return mentorship


def _check_mentee(db: Session, program: Program, mentor: Person, mentee: Person) -> None:
    if mentor.id == mentee.id:
        raise Refused("pair.same_person")
    if programs.participant(db, program, mentee.id, "mentee") is None:
        raise Refused("pair.not_enrolled", name=mentee.name)
    if of_mentee(db, mentee, program) is not None:
        raise Refused("pair.has_mentor", name=mentee.name)


def _check_mentor(db: Session, program: Program, mentor: Person) -> None:
    row = programs.participant(db, program, mentor.id, "mentor")
    if row is None:
        raise Refused("pair.no_mentor", name=mentor.name)
    if row.paused:
        raise Refused("pair.paused", name=mentor.name)
    if load(db, program).get(mentor.id, 0) >= row.capacity:
        raise Refused("pair.full", name=mentor.name)


def load(db: Session, program: Program) -> dict[uuid.UUID, int]:
    """Open mentorships by mentor."""
    counted = (
        select(Mentorship.mentor_id, func.count().label("total"))
        .where(
            Mentorship.organization_id == program.organization_id,
            Mentorship.program_id == program.id,
            Mentorship.status == "open",
        )
        .group_by(Mentorship.mentor_id)
    )
    return {row.mentor_id: row.total for row in db.execute(counted)}


def complete(db: Session, mentorship: Mentorship, *, by: Person) -> None:
    """The pair reached what it wanted; early is as good as late."""
    _close(db, mentorship, by, "completed")
    fact = facts.MentorshipCompleted(
        actor=people.actor_name(db, mentorship.mentee_id), at=clock.now(), **about(db, mentorship)
    )
    record(db, mentorship.organization_id, fact)


def end(db: Session, mentorship: Mentorship, *, by: Person) -> None:
    """The pair stops, without anybody's fault."""
    _close(db, mentorship, by, "ended")
    fact = facts.MentorshipEnded(
        actor=people.actor_name(db, mentorship.mentee_id), at=clock.now(), **about(db, mentorship)
    )
    record(db, mentorship.organization_id, fact)


def _close(db: Session, mentorship: Mentorship, by: Person, status: str) -> None:
    program = db.get_one(Program, mentorship.program_id)
    coordinates = programs.participant(db, program, by.id, "coordinator") is not None
    if by.id not in (mentorship.mentor_id, mentorship.mentee_id) and not coordinates:
        raise NotAllowed("mentorship.not_yours")
    if mentorship.status != "open":
        raise Refused("mentorship.closed")
    mentorship.status, mentorship.ended_at = status, clock.now()
    db.flush()


SILENT = timedelta(days=30)


def quiet_since(mentorship: Mentorship) -> datetime:
    """The last time the two worked on something; the beginning when they never did."""
    return mentorship.active_at or mentorship.started_at


def is_silent(mentorship: Mentorship) -> bool:
    """Whether thirty days went by without anything that counts as activity."""
    return quiet_since(mentorship) <= clock.now() - SILENT


def of_mentor(db: Session, mentor: Person) -> Sequence[Mentorship]:
    """The open mentorships of a mentor."""
    wanted = select(Mentorship).where(
        Mentorship.organization_id == mentor.organization_id,
        Mentorship.mentor_id == mentor.id,
        Mentorship.status == "open",
    )
    return db.scalars(wanted.order_by(Mentorship.started_at)).all()


def of_mentee(db: Session, mentee: Person, program: Program | None = None) -> Mentorship | None:
    """The open mentorship of a mentee, the newest of several programs."""
    wanted = select(Mentorship).where(
        Mentorship.organization_id == mentee.organization_id,
        Mentorship.mentee_id == mentee.id,
        Mentorship.status == "open",
    )
    if program is not None:
        wanted = wanted.where(Mentorship.program_id == program.id)
    return db.scalar(wanted.order_by(Mentorship.started_at.desc()).limit(1))


def of_mentees(db: Session, organization_id: uuid.UUID, person_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Mentorship]:
    """The open mentorship of each, the newest of several programs."""
    wanted = select(Mentorship).where(
        Mentorship.organization_id == organization_id,
        Mentorship.mentee_id.in_(set(person_ids)),
        Mentorship.status == "open",
    )
    return {pair.mentee_id: pair for pair in db.scalars(wanted.order_by(Mentorship.started_at))}


def of_mentee_id(db: Session, organization_id: uuid.UUID, person_id: uuid.UUID) -> Mentorship | None:
    """The open mentorship of the mentee with this id."""
    return of_mentee(db, people.get(db, organization_id, person_id))


def get_for(db: Session, person: Person, mentorship_id: uuid.UUID) -> Mentorship:
    """An open mentorship the person is one of the two of. Raises NotFound for every other."""
    mentorship = db.scalar(
        select(Mentorship).where(
            Mentorship.organization_id == person.organization_id,
            Mentorship.id == mentorship_id,
            Mentorship.status == "open",
            or_(Mentorship.mentor_id == person.id, Mentorship.mentee_id == person.id),
        )
    )
    if mentorship is None:
        raise NotFound("mentorship.unknown")
    return mentorship


def of_program(db: Session, program: Program) -> Sequence[Mentorship]:
    """Its open mentorships, the oldest first."""
    wanted = select(Mentorship).where(
        Mentorship.organization_id == program.organization_id,
        Mentorship.program_id == program.id,
        Mentorship.status == "open",
    )
    return db.scalars(wanted.order_by(Mentorship.started_at, Mentorship.id)).all()


def get_of_program(db: Session, program: Program, mentorship_id: uuid.UUID) -> Mentorship:
    """One of its open mentorships. Raises NotFound."""
    found = next((pair for pair in of_program(db, program) if pair.id == mentorship_id), None)
    if found is None:
        raise NotFound("mentorship.not_open")
    return found


def get_as_mentor(db: Session, mentor: Person, mentorship_id: uuid.UUID) -> Mentorship:
    """An open mentorship the person is the mentor of. Raises NotFound for every other."""
    mentorship = get_for(db, mentor, mentorship_id)
    if mentorship.mentor_id != mentor.id:
        raise NotFound("mentorship.unknown")
    return mentorship


def partner(db: Session, mentorship: Mentorship, person: Person) -> Person:
    """The other one of the two."""
    other = mentorship.mentee_id if person.id == mentorship.mentor_id else mentorship.mentor_id
    return people.get(db, mentorship.organization_id, other)


def mentors(db: Session, mentor: Person, mentee_id: uuid.UUID) -> bool:
    """Whether this person mentors that one now."""
    return any(mentorship.mentee_id == mentee_id for mentorship in of_mentor(db, mentor))
