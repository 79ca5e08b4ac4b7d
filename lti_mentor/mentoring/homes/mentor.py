"""The mentor's home: who needs me today, sorted by the first reason that fires."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.mentoring import catalog, mentorships, standing
from lti_mentor.mentoring.evidence import Evidence
from lti_mentor.mentoring.goals import Goal
from lti_mentor.mentoring.meetings import Meeting
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.mentoring.readiness import DomainReadiness, ItemResult, Readiness

REASONS = ("evidence_waiting", "exam_soon", "meeting_overdue", "silent", "goal_overdue", "nothing")
EXAM_SOON = 14
CHANGE = timedelta(days=28)


@dataclass(frozen=True)
class MenteeRow:
    mentorship: Mentorship
    person: Person
    reason: str
    days: int | None  # of the reason: how long it waits, or how far the exam is
    oldest: Evidence | None
    waiting: int
    pursuit: Pursuit | None
    certification: str | None
    readiness: Readiness | None
    change: Fraction | None  # over 28 days
    exam_in_days: int | None
    weakest: DomainReadiness | None
    last_meeting: datetime | None
    next_meeting: datetime | None
    new_results: tuple[ItemResult, ...]  # since they met, or since the pair began
    goals_achieved: int


@dataclass(frozen=True)
class MentorHome:
    rows: tuple[MenteeRow, ...]

    @property
    def partners(self) -> dict[uuid.UUID, Person]:
        """Each mentee by id of the mentorship."""
        return {row.mentorship.id: row.person for row in self.rows}

    @property
    def reviews(self) -> int:
        return sum(row.waiting for row in self.rows)

    @property
    def oldest_days(self) -> int | None:
        waits = [_days_since(row.oldest.submitted_at) for row in self.rows if row.oldest]
        return max(waits, default=None)

    @property
    def exams_soon(self) -> tuple[int, ...]:
        """Days to each exam within two weeks."""
        near = [row.exam_in_days for row in self.rows if row.exam_in_days is not None]
        return tuple(sorted(days for days in near if 0 <= days <= EXAM_SOON))


@dataclass(frozen=True)
class _Found:
    """What is known of all mentees, by id of person or mentorship."""

    waiting: dict[uuid.UUID, list[Evidence]]
    meetings: dict[uuid.UUID, tuple[datetime | None, datetime | None]]  # last held, next planned
    overdue: dict[uuid.UUID, int]
    achieved: dict[uuid.UUID, list[datetime]]
    pursuits: dict[uuid.UUID, Pursuit]
    now: dict[uuid.UUID, standing.Standing]
    before: dict[uuid.UUID, standing.Standing]


def home(db: Session, mentor: Person) -> MentorHome:
    """All mentees of the mentor; a fixed number of queries."""
    wanted = (
        select(Mentorship, Person, Program)
        .join(Person, Person.id == Mentorship.mentee_id)
        .join(Program, Program.id == Mentorship.program_id)
        .where(
            Mentorship.organization_id == mentor.organization_id,
            Mentorship.mentor_id == mentor.id,
            Mentorship.status == "open",
        )
    )
    pairs = [(row[0], row[1], row[2]) for row in db.execute(wanted)]
    found = _find(db, mentor.organization_id, [pair[0] for pair in pairs])
    rows = [_row(mentorship, person, program, found) for mentorship, person, program in pairs]
    return MentorHome(tuple(sorted(rows, key=_urgency)))


def _urgency(row: MenteeRow) -> tuple[int, int, str]:
    """A silent pair with nothing planned is overdue against its cadence as well, and that reason comes first."""
    days = row.days or 0
    is_overdue_too = row.reason == "silent" and row.next_meeting is None
    reason = "meeting_overdue" if is_overdue_too else row.reason
    return REASONS.index(reason), days if row.reason == "exam_soon" else -days, row.person.name or ""


def _find(db: Session, organization_id: uuid.UUID, pairs: Sequence[Mentorship]) -> _Found:
    people = [mentorship.mentee_id for mentorship in pairs]
    pursuits = _main_pursuits(db, organization_id, people)
    chosen = list(pursuits.values())
    ids = [mentorship.id for mentorship in pairs]
    sources = standing.gather(db, chosen)
    return _Found(
        waiting=_waiting(db, organization_id, ids),
        meetings=_meetings(db, organization_id, ids),
        overdue=_overdue(db, organization_id, people),
        achieved=_achieved(db, organization_id, people),
        pursuits=pursuits,
        now=sources.at(clock.now()),
        before=sources.at(clock.now() - CHANGE),
    )


def _main_pursuits(db: Session, organization_id: uuid.UUID, people: Sequence[uuid.UUID]) -> dict[uuid.UUID, Pursuit]:
    """The pursuit that matters most for each: an exam ahead first, then the newest."""
    wanted = select(Pursuit).where(
        Pursuit.organization_id == organization_id, Pursuit.person_id.in_(people), Pursuit.status != "abandoned"
    )
    ordered = sorted(
        db.scalars(wanted),
        key=lambda pursuit: (pursuit.status == "booked", pursuit.status != "awarded", pursuit.started_at),
    )
    return {pursuit.person_id: pursuit for pursuit in ordered}


def _waiting(db: Session, organization_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[Evidence]]:
    wanted = select(Evidence).where(
        Evidence.organization_id == organization_id, Evidence.mentorship_id.in_(ids), Evidence.status == "waiting"
    )
    found: dict[uuid.UUID, list[Evidence]] = {}
    for piece in db.scalars(wanted.order_by(Evidence.submitted_at)):
        found.setdefault(piece.mentorship_id, []).append(piece)
    return found


def _meetings(
    db: Session, organization_id: uuid.UUID, ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, tuple[datetime | None, datetime | None]]:
    held, coming = Meeting.status == "held", (Meeting.status == "planned") & (Meeting.planned_at > clock.now())
    wanted = (
        select(
            Meeting.mentorship_id,
            func.max(Meeting.planned_at).filter(held),
            func.min(Meeting.planned_at).filter(coming),
        )
        .where(Meeting.organization_id == organization_id, Meeting.mentorship_id.in_(ids))
        .group_by(Meeting.mentorship_id)
    )
    return {mentorship_id: (last, following) for mentorship_id, last, following in db.execute(wanted)}


def _overdue(db: Session, organization_id: uuid.UUID, people: Sequence[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Days the oldest overdue shared goal of each is late."""
    wanted = (
        select(Goal.owner_id, func.min(Goal.due_on))
        .where(
            Goal.organization_id == organization_id,
            Goal.owner_id.in_(people),
            Goal.status == "open",
            Goal.visibility == "shared",
            Goal.due_on < clock.today(),
        )
        .group_by(Goal.owner_id)
    )
    return {owner: (clock.today() - due).days for owner, due in db.execute(wanted)}


def _achieved(db: Session, organization_id: uuid.UUID, people: Sequence[uuid.UUID]) -> dict[uuid.UUID, list[datetime]]:
    """When shared goals of each were achieved."""
    wanted = select(Goal.owner_id, Goal.closed_at).where(
        Goal.organization_id == organization_id,
        Goal.owner_id.in_(people),
        Goal.status == "achieved",
        Goal.visibility == "shared",
    )
    found: dict[uuid.UUID, list[datetime]] = {}
    for owner, closed_at in db.execute(wanted):
        if closed_at is not None:
            found.setdefault(owner, []).append(closed_at)
    return found


def _row(mentorship: Mentorship, person: Person, program: Program, found: _Found) -> MenteeRow:
    pursuit = found.pursuits.get(person.id)
    readiness = found.now[pursuit.id].readiness if pursuit else None
    waiting = found.waiting.get(mentorship.id, [])
    last, following = found.meetings.get(mentorship.id, (None, None))
    exam = _days_until(pursuit.exam_on) if pursuit and pursuit.status == "booked" else None
    since = last or mentorship.started_at
    reason, days = _reason(mentorship, program, found, waiting, readiness, exam, last)
    return MenteeRow(
        mentorship=mentorship,
        person=person,
        reason=reason,
        days=days,
        oldest=waiting[0] if waiting else None,
        waiting=len(waiting),
        pursuit=pursuit,
        certification=catalog.entry(pursuit.certification_id).code if pursuit else None,
        readiness=readiness,
        change=readiness.confirmed - found.before[pursuit.id].readiness.confirmed if pursuit and readiness else None,
        exam_in_days=exam,
        weakest=readiness.weakest if readiness else None,
        last_meeting=last,
        next_meeting=following,
        new_results=readiness.results_since(since) if readiness else (),
        goals_achieved=sum(at > since for at in found.achieved.get(person.id, [])),
    )


def _reason(
    mentorship: Mentorship,
    program: Program,
    found: _Found,
    waiting: list[Evidence],
    readiness: Readiness | None,
    exam: int | None,
    last: datetime | None,
) -> tuple[str, int | None]:
    """The first that fires."""
    if waiting:
        return "evidence_waiting", _days_since(waiting[0].submitted_at)
    if exam is not None and 0 <= exam <= EXAM_SOON and readiness and not readiness.ready:
        return "exam_soon", exam
    since_met = _days_since(last or mentorship.started_at)
    has_next = found.meetings.get(mentorship.id, (None, None))[1] is not None
    if mentorships.is_silent(mentorship):
        return "silent", _days_since(mentorships.quiet_since(mentorship))
    if since_met > 31 / program.meetings_per_month and not has_next:
        return "meeting_overdue", since_met
    if mentorship.mentee_id in found.overdue:
        return "goal_overdue", found.overdue[mentorship.mentee_id]
    return "nothing", None


def _days_since(moment: datetime) -> int:
    return (clock.now() - moment).days


def _days_until(day: date | None) -> int | None:
    return None if day is None else (day - clock.today()).days
