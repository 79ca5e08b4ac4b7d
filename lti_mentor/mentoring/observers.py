"""Observers: people whom a learning platform names to look after others, such as parents and advisers.

They have no part in a program. Where the platform's setting lets them, they see how those are doing whom the launch
named and who agreed; nobody has agreed before they say so themselves.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row
from lti_mentor.mentoring import audit, catalog, standing
from lti_mentor.mentoring.audit import Action
from lti_mentor.mentoring.catalog import CatalogEntry
from lti_mentor.mentoring.goals import Goal
from lti_mentor.mentoring.meetings import Meeting
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.mentoring.readiness import Readiness


class ObserverConsent(Row):
    """The person lets the observers that their school names see their progress."""

    __tablename__ = "observer_consents"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    given_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (UniqueConstraint("organization_id", "person_id"),)


def consent_of(db: Session, person: Person) -> ObserverConsent | None:
    """None as long as the person has not agreed."""
    return db.scalar(
        select(ObserverConsent).where(
            ObserverConsent.organization_id == person.organization_id, ObserverConsent.person_id == person.id
        )
    )


def agree(db: Session, person: Person) -> None:
    """Let observers see one's progress; on record."""
    if consent_of(db, person) is None:
        db.add(ObserverConsent(organization_id=person.organization_id, person_id=person.id))
        _log(db, "observers_allowed", person)


def withdraw(db: Session, person: Person) -> None:
    """Let no observer see it any more; on record."""
    if consent_of(db, person) is not None:
        mine = (ObserverConsent.organization_id == person.organization_id, ObserverConsent.person_id == person.id)
        db.execute(delete(ObserverConsent).where(*mine))
        _log(db, "observers_refused", person)


def _log(db: Session, action: Action, person: Person) -> None:
    audit.write(db, person.organization_id, action, place="about_me", actor_id=person.id, subject_id=person.id)
    db.flush()


@dataclass(frozen=True)
class Progress:
    """How somebody is doing, in numbers and dates: nothing that anybody wrote."""

    person: Person
    ways: tuple[tuple[Pursuit, CatalogEntry, Readiness], ...]
    open_goals: int  # shared ones, as the next
    achieved_goals: int
    last_met: datetime | None


def progress_of(db: Session, organization_id: uuid.UUID, named: Sequence[uuid.UUID]) -> list[Progress]:
    """Of those who were named and agreed; a fixed number of queries."""
    agreed = (
        select(Person)
        .join(ObserverConsent, ObserverConsent.person_id == Person.id)
        .where(Person.organization_id == organization_id, Person.id.in_(named))
    )
    people = db.scalars(agreed.order_by(Person.name, Person.number)).all()
    ids = [person.id for person in people]
    wanted = select(Pursuit).where(
        Pursuit.organization_id == organization_id, Pursuit.person_id.in_(ids), Pursuit.status != "abandoned"
    )
    pursuits = db.scalars(wanted.order_by(Pursuit.started_at.desc())).all()
    standings, goals, met = (
        standing.of_many(db, pursuits),
        _goals(db, organization_id, ids),
        _met(db, organization_id, ids),
    )
    return [
        Progress(
            person,
            tuple(
                (pursuit, catalog.entry(pursuit.certification_id), standings[pursuit.id].readiness)
                for pursuit in pursuits
                if pursuit.person_id == person.id
            ),
            goals.get((person.id, "open"), 0),
            goals.get((person.id, "achieved"), 0),
            met.get(person.id),
        )
        for person in people
    ]


def _goals(db: Session, organization_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> dict[tuple[uuid.UUID, str], int]:
    """How many shared goals each has, by state."""
    wanted = (
        select(Goal.owner_id, Goal.status, func.count())
        .where(Goal.organization_id == organization_id, Goal.owner_id.in_(ids), Goal.visibility == "shared")
        .group_by(Goal.owner_id, Goal.status)
    )
    return {(owner_id, status): count for owner_id, status, count in db.execute(wanted)}


def _met(db: Session, organization_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    """When each last met a mentor."""
    wanted = (
        select(Mentorship.mentee_id, func.max(Meeting.planned_at))
        .join(Meeting, Meeting.mentorship_id == Mentorship.id)
        .where(Mentorship.organization_id == organization_id, Mentorship.mentee_id.in_(ids), Meeting.status == "held")
        .group_by(Mentorship.mentee_id)
    )
    return dict(db.execute(wanted).all())
