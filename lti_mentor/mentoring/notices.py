"""Reminders and check-ins: a card on a person's home, recorded, at most one a week per pair."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, one_of
from lti_mentor.errors import NotAllowed, NotFound, Refused
from lti_mentor.mentoring import programs
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program

KINDS = ("never_met", "silent", "review_waiting", "check_in")
ANSWERS = ("fine", "help")


class Reminder(Row):
    __tablename__ = "reminders"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    mentorship_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mentorships.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    sent_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    sent_at: Mapped[datetime] = mapped_column(default=clock.now)
    closed_at: Mapped[datetime | None]  # by the person who got it
    answer: Mapped[str | None]  # to a check-in

    __table_args__ = (one_of("kind", KINDS), one_of("answer", ANSWERS))


@dataclass(frozen=True)
class CheckIn:
    """The last time a coordinator asked a pair how they are doing, and what each has answered so far."""

    asked_at: datetime
    by_mentee: str | None  # of ANSWERS
    by_mentor: str | None


PAUSE = timedelta(days=7)


def remind(db: Session, mentorship: Mentorship, kind: str, *, by: Person) -> list[Reminder]:
    """A card for both, or for the mentor alone about a waiting review; at most one a week per pair.

    ``check_in`` asks both how they are doing; each answers with one word of ANSWERS.
    """
    program = db.get_one(Program, mentorship.program_id)
    if programs.participant(db, program, by.id, "coordinator") is None:
        raise NotAllowed("program.not_coordinator")
    if kind not in KINDS or mentorship.status != "open":
        raise Refused("reminder.not_here")
    if mentorship.id in reminded(db, [mentorship]):
        raise Refused("reminder.this_week")
    receivers = [mentorship.mentor_id] if kind == "review_waiting" else [mentorship.mentor_id, mentorship.mentee_id]
    now = clock.now()
    cards = [
        Reminder(
            organization_id=mentorship.organization_id,
            person_id=receiver,
            mentorship_id=mentorship.id,
            kind=kind,
            sent_by_id=by.id,
            sent_at=now,
        )
        for receiver in receivers
    ]
    db.add_all(cards)
    db.flush()
    return cards


def reminded(db: Session, mentorships: Sequence[Mentorship]) -> dict[uuid.UUID, str]:
    """Which of the pairs got a card within a week, and of which kind."""
    if not mentorships:
        return {}
    wanted = select(Reminder.mentorship_id, Reminder.kind).where(
        Reminder.organization_id == mentorships[0].organization_id,
        Reminder.mentorship_id.in_([mentorship.id for mentorship in mentorships]),
        Reminder.sent_at > clock.now() - PAUSE,
    )
    return dict(db.execute(wanted).all())


def for_person(db: Session, person: Person) -> Sequence[Reminder]:
    """The cards that are still open, newest first."""
    wanted = select(Reminder).where(
        Reminder.organization_id == person.organization_id,
        Reminder.person_id == person.id,
        Reminder.closed_at.is_(None),
    )
    return db.scalars(wanted.order_by(Reminder.sent_at.desc())).all()


def close_of(db: Session, mentorship: Mentorship) -> None:
    """Put away every open card about a pair."""
    wanted = select(Reminder).where(
        Reminder.organization_id == mentorship.organization_id,
        Reminder.mentorship_id == mentorship.id,
        Reminder.closed_at.is_(None),
    )
    for card in db.scalars(wanted):
        card.closed_at = clock.now()


def close_all(db: Session, person: Person) -> None:
    """Put the reminders away; a check-in stays until it is answered."""
    for card in for_person(db, person):
        if card.kind != "check_in":
            card.closed_at = clock.now()


def answer(db: Session, person: Person, reminder_id: uuid.UUID, word: str) -> None:
    """Answer a check-in, once. Raises NotFound for a card that is not the person's or is answered already."""
    if word not in ANSWERS:
        raise Refused("answer.unknown")
    card = next((card for card in for_person(db, person) if card.id == reminder_id and card.kind == "check_in"), None)
    if card is None:
        raise NotFound("reminder.not_here")
    card.answer, card.closed_at = word, clock.now()


def check_ins(db: Session, pairs: Sequence[Mentorship]) -> dict[uuid.UUID, CheckIn]:
    """The last check-in of each pair that had one."""
    if not pairs:
        return {}
    wanted = select(Reminder).where(
        Reminder.organization_id == pairs[0].organization_id,
        Reminder.mentorship_id.in_([pair.id for pair in pairs]),
        Reminder.kind == "check_in",
    )
    mentors = {pair.id: pair.mentor_id for pair in pairs}
    last: dict[uuid.UUID, CheckIn] = {}
    for card in db.scalars(wanted.order_by(Reminder.sent_at)):
        known = last.get(card.mentorship_id)
        if known is None or known.asked_at != card.sent_at:
            known = CheckIn(card.sent_at, None, None)
        if card.person_id == mentors[card.mentorship_id]:
            known = replace(known, by_mentor=card.answer)
        else:
            known = replace(known, by_mentee=card.answer)
        last[card.mentorship_id] = known
    return last
