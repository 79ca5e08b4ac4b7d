"""Meetings of a mentorship: planned, held, missed or called off."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.activity import facts
from lti_mentor.db import Row, one_of
from lti_mentor.errors import Invalid, NotAllowed, NotFound, Refused
from lti_mentor.mentoring import mentorships, people
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person

STATES = ("planned", "held", "missed", "called_off")


class Meeting(Row):
    __tablename__ = "meetings"

    mentorship_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mentorships.id", ondelete="CASCADE"), index=True)
    planned_at: Mapped[datetime]
    minutes: Mapped[int]
    status: Mapped[str] = mapped_column(default="planned")
    planned_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    settled_at: Mapped[datetime | None]  # when somebody said held, missed or called off

    __table_args__ = (one_of("status", STATES),)


def plan(db: Session, mentorship: Mentorship, *, planned_at: datetime, minutes: int, by: Person) -> Meeting:
    """Agree on a time. Raises Invalid for one in the past or a length no one meets for."""
    _check_pair(mentorship, by)
    wrong = {}
    if planned_at <= clock.now():
        wrong["planned_at"] = "date.past"
    if not 5 <= minutes <= 480:
        wrong["minutes"] = "meeting.minutes"
    same = (Meeting.mentorship_id == mentorship.id, Meeting.planned_at == planned_at, Meeting.status == "planned")
    if db.scalar(select(Meeting.id).where(Meeting.organization_id == mentorship.organization_id, *same)) is not None:
        wrong["planned_at"] = "meeting.same_time"
    if wrong:
        raise Invalid(wrong)
    meeting = Meeting(
        organization_id=mentorship.organization_id,
        mentorship_id=mentorship.id,
        planned_at=planned_at,
        minutes=minutes,
        planned_by_id=by.id,
        created_at=clock.now(),
    )
    db.add(meeting)
    db.flush()
    _record(db, meeting, mentorship, facts.MeetingPlanned)
    return meeting


def hold(db: Session, meeting: Meeting, *, by: Person, minutes: int | None = None) -> None:
    """It took place, for as long as planned unless said otherwise."""
    if meeting.planned_at > clock.now():
        raise Refused("meeting.not_yet")
    _settle(db, meeting, "held", facts.MeetingHeld, by, minutes)


def miss(db: Session, meeting: Meeting, *, by: Person) -> None:
    """Somebody did not come."""
    if meeting.planned_at > clock.now():
        raise Refused("meeting.not_yet")
    _settle(db, meeting, "missed", facts.MeetingMissed, by)


def call_off(db: Session, meeting: Meeting, *, by: Person) -> None:
    """It is not going to take place."""
    _settle(db, meeting, "called_off", facts.MeetingCalledOff, by)


def _settle(
    db: Session, meeting: Meeting, status: str, kind: type[facts.MeetingFact], by: Person, minutes: int | None = None
) -> None:
    mentorship = db.get_one(Mentorship, meeting.mentorship_id)
    _check_pair(mentorship, by)
    if meeting.status != "planned":
        raise Refused("meeting.settled", status=meeting.status)
    if minutes is not None and not 5 <= minutes <= 480:
        raise Invalid({"minutes": "meeting.minutes"})
    meeting.status, meeting.settled_at = status, clock.now()
    meeting.minutes = minutes or meeting.minutes
    db.flush()
    _record(db, meeting, mentorship, kind)


def _check_pair(mentorship: Mentorship, by: Person) -> None:
    if by.id not in (mentorship.mentor_id, mentorship.mentee_id):
        raise NotAllowed("mentorship.not_yours")


def _record(db: Session, meeting: Meeting, mentorship: Mentorship, kind: type[facts.MeetingFact]) -> None:
    fact = kind(
        actor=people.actor_name(db, mentorship.mentee_id),
        at=clock.now(),
        meeting=meeting.id,
        planned_at=meeting.planned_at,
        minutes=meeting.minutes,
        **mentorships.about(db, mentorship),
    )
    mentorships.note(db, meeting.organization_id, mentorship, fact)


def get_for(db: Session, person: Person, meeting_id: uuid.UUID) -> Meeting:
    """A meeting of an open mentorship of the person. Raises NotFound for every other."""
    meeting = db.scalar(
        select(Meeting).where(Meeting.organization_id == person.organization_id, Meeting.id == meeting_id)
    )
    if meeting is None:
        raise NotFound("meeting.unknown")
    mentorships.get_for(db, person, meeting.mentorship_id)
    return meeting


def of_mentorship(db: Session, mentorship: Mentorship) -> list[Meeting]:
    """All meetings of the pair, the latest first."""
    wanted = select(Meeting).where(
        Meeting.organization_id == mentorship.organization_id, Meeting.mentorship_id == mentorship.id
    )
    return list(db.scalars(wanted.order_by(Meeting.planned_at.desc())))
