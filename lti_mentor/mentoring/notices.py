"""Reminders: a card on a person's home, recorded, at most one a week per pair."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, one_of
from lti_mentor.errors import NotAllowed, Refused
from lti_mentor.mentoring import programs
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program

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


PAUSE = timedelta(days=7)


def remind(db: Session, mentorship: Mentorship, kind: str, *, by: Person) -> list[Reminder]:
    """A card for both, or for the mentor alone about a waiting review; at most one a week per pair."""
    program = db.get_one(Program, mentorship.program_id)
    if programs.participant(db, program, by.id, "coordinator") is None:
        raise NotAllowed("program.not_coordinator")
    if kind not in KINDS or mentorship.status != "open":
        raise Refused("reminder.not_here")
    if mentorship.id in reminded(db, [mentorship]):
        raise Refused("reminder.this_week")
    receivers = [mentorship.mentor_id] if kind == "review_waiting" else [mentorship.mentor_id, mentorship.mentee_id]
    cards = [
        Reminder(
            organization_id=mentorship.organization_id,
            person_id=receiver,
            mentorship_id=mentorship.id,
            kind=kind,
            sent_by_id=by.id,
            sent_at=clock.now(),
        )
        for receiver in receivers
    ]
    db.add_all(cards)
    db.flush()
    return cards


def reminded(db: Session, mentorships: Sequence[Mentorship]) -> set[uuid.UUID]:
    """Which of the pairs were reminded within a week."""
    if not mentorships:
        return set()
    wanted = select(Reminder.mentorship_id).where(
        Reminder.organization_id == mentorships[0].organization_id,
        Reminder.mentorship_id.in_([mentorship.id for mentorship in mentorships]),
        Reminder.sent_at > clock.now() - PAUSE,
    )
    return set(db.scalars(wanted))


def for_person(db: Session, person: Person) -> Sequence[Reminder]:
    """The cards that are still open, newest first."""
    wanted = select(Reminder).where(
        Reminder.organization_id == person.organization_id,
        Reminder.person_id == person.id,
        Reminder.closed_at.is_(None),
    )
    return db.scalars(wanted.order_by(Reminder.sent_at.desc())).all()


def close(db: Session, person: Person, reminder_id: uuid.UUID) -> None:
    """Put a card away."""
    for card in for_person(db, person):
        if card.id == reminder_id:
            card.closed_at = clock.now()
