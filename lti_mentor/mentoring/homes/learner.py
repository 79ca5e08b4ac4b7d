"""The learner's home: the next step, the way to the certification, the mentor, the goals of this course."""

import statistics
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any

from sqlalchemy import ColumnElement, Select, Uuid, and_, bindparam, func, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from lti_mentor import clock
from lti_mentor.db import Base, Glance
from lti_mentor.mentoring import catalog, goal_progress, standing
from lti_mentor.mentoring.evidence import Evidence, Review
from lti_mentor.mentoring.goals import Goal, GoalLink, of_course
from lti_mentor.mentoring.meetings import Meeting
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.notices import Reminder
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program
from lti_mentor.mentoring.progress import GoalProgress
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.mentoring.readiness import DomainReadiness, ItemResult, Readiness

EXAM_SOON = timedelta(days=14)
RENEWAL = timedelta(days=90)
SHOWN_GOALS = 3
USUAL_ANSWER_DAYS = 3


@dataclass(frozen=True)
class Strip:
    """The way to one certification."""

    pursuit: Pursuit
    entry: catalog.CatalogEntry
    readiness: Readiness
    exam_in_days: int | None
    change: Fraction | None  # since the last visit
    new_results: tuple[ItemResult, ...]  # since the last visit


@dataclass(frozen=True)
class NextStep:
    """Why something is next, as a code the page has a sentence for, and what the sentence is about."""

    code: str
    evidence: Evidence | None = None
    meeting: Meeting | None = None
    goal: Goal | None = None
    strip: Strip | None = None  # the certification it is about
    domain: DomainReadiness | None = None
    days: int | None = None


@dataclass(frozen=True)
class MyMentor:
    mentorship: Mentorship
    person: Person
    next_meeting: Meeting | None
    waiting: int
    waiting_days: int | None  # of the oldest piece with the mentor
    usual_days: int
    others: tuple[tuple[Mentorship, Person], ...]  # of other programs


@dataclass(frozen=True)
class GoalRow:
    goal: Goal
    progress: GoalProgress


@dataclass(frozen=True)
class LearnerHome:
    next_step: NextStep
    strips: tuple[Strip, ...]
    mentor: MyMentor | None
    goals: tuple[GoalRow, ...]
    goals_in_course: int
    returned: tuple[Evidence, ...]
    cards: tuple[Reminder, ...]  # from the coordinator, still open

    @property
    def partners(self) -> dict[uuid.UUID, Person]:
        """Each mentor by id of the mentorship."""
        pairs = ((self.mentor.mentorship, self.mentor.person), *self.mentor.others) if self.mentor else ()
        return {mentorship.id: person for mentorship, person in pairs}


def home(
    db: Session,
    person: Person,
    course_id: uuid.UUID | None,
    *,
    since: datetime | None = None,
    is_mentee: bool = True,
) -> LearnerHome:
    """Everything on the page; the number of queries does not depend on how much there is.

    Whoever is no mentee of any program has no mentor who would have to be looked for.
    """
    pursuits = _pursuits(db, person)
    pair = _pair(db, person) if is_mentee else None
    pieces, answer_days = _evidence(db, pursuits)
    rules = {person.id: pair.program.rules} if pair else {}
    strips = _strips(standing.gather(db, pursuits, rules=rules), since)
    goals, total = _goals(db, person, course_id)
    mentor = _my_mentor(pair, pieces, answer_days)
    return LearnerHome(
        next_step=_next_step(strips, mentor, goals, pieces),
        strips=strips,
        mentor=mentor,
        goals=tuple(_goal_rows(db, goals, strips)),
        goals_in_course=total,
        returned=tuple(piece for piece in pieces if piece.status == "returned"),
        cards=pair.reminders if pair else (),
    )


# Each launch leads here, so these are made once: building a statement costs more than running it.
_OF, _BY = bindparam("organization_id", type_=Uuid()), bindparam("person_id", type_=Uuid())
_GLANCE, _TABLE = Glance(Pursuit), Base.metadata.tables["pursuits"].c
_PURSUITS = (
    select(*_GLANCE.columns)
    .where(_TABLE.organization_id == _OF, _TABLE.person_id == _BY, _TABLE.status != "abandoned")
    .order_by(_TABLE.started_at.desc())
    .limit(5)
)


def _own(person: Person) -> dict[str, object]:
    return {"organization_id": person.organization_id, "person_id": person.id}


def _pursuits(db: Session, person: Person) -> Sequence[Pursuit]:
    return [_GLANCE.rows(found)[0] for found in db.connection().execute(_PURSUITS, _own(person))]


@dataclass(frozen=True)
class _Pair:
    mentorship: Mentorship
    mentor: Person
    program: Program
    next_meeting: Meeting | None
    reminders: tuple[Reminder, ...]  # the open ones, newest first
    others: tuple[tuple[Mentorship, Person], ...]


_NEXT_MEETING = (
    select(Meeting.id)
    .where(
        Meeting.mentorship_id == Mentorship.id,
        Meeting.status == "planned",
        Meeting.planned_at > bindparam("begun_after"),
    )
    .order_by(Meeting.planned_at)
    .limit(1)
    .correlate(Mentorship)
    .scalar_subquery()
)
_OPEN_REMINDER = and_(
    Reminder.organization_id == Mentorship.organization_id,
    Reminder.person_id == Mentorship.mentee_id,
    Reminder.closed_at.is_(None),
)
_PAIRS = (
    select(Mentorship, Person, Program, Meeting, Reminder)
    .join(Person, Person.id == Mentorship.mentor_id)
    .join(Program, Program.id == Mentorship.program_id)
    .outerjoin(Meeting, Meeting.id == _NEXT_MEETING)
    .outerjoin(Reminder, _OPEN_REMINDER)
    .where(Mentorship.organization_id == _OF, Mentorship.mentee_id == _BY, Mentorship.status == "open")
    .order_by(Mentorship.started_at.desc(), Mentorship.id, Reminder.sent_at.desc())
)


def _pair(db: Session, person: Person) -> _Pair | None:
    """The open mentorship with all the page says of it, in one query."""
    given = {**_own(person), "begun_after": clock.now() - timedelta(hours=2)}
    rows = [(row[0], row[1], row[2], row[3], row[4]) for row in db.execute(_PAIRS, given)]
    if not rows:
        return None
    first = rows[0]
    reminders = tuple(row[4] for row in rows if row[0].id == first[0].id and row[4] is not None)
    others = {row[0].id: (row[0], row[1]) for row in rows if row[0].id != first[0].id}
    return _Pair(*first[:4], reminders, tuple(others.values()))


def _evidence(db: Session, pursuits: Sequence[Pursuit]) -> tuple[list[Evidence], list[float]]:
    """The pieces, oldest first; and after how many days each version was answered."""
    if not pursuits:
        return [], []
    answered = (Review.taken_back_at.is_(None), Review.decision != "asked")
    wanted = (
        select(Evidence, Review)
        .outerjoin(Review, and_(Review.evidence_id == Evidence.id, *answered))
        .where(
            Evidence.organization_id == pursuits[0].organization_id,
            Evidence.pursuit_id.in_([pursuit.id for pursuit in pursuits]),
        )
        .order_by(Evidence.submitted_at, Evidence.id)
    )
    rows = [(row[0], row[1]) for row in db.execute(wanted)]
    waits = [review.decided_at - review.submitted_at for _, review in rows if review and review.submitted_at]
    return list({piece.id: piece for piece, _ in rows}.values()), [wait / timedelta(days=1) for wait in waits]


def _strips(sources: standing.Sources, since: datetime | None) -> tuple[Strip, ...]:
    now = sources.at(clock.now())
    before = sources.at(since) if since else {}
    return tuple(
        Strip(
            pursuit=pursuit,
            entry=catalog.entry(pursuit.certification_id),
            readiness=now[pursuit.id].readiness,
            exam_in_days=_days_to(pursuit),
            change=now[pursuit.id].readiness.confirmed - before[pursuit.id].readiness.confirmed if before else None,
            new_results=now[pursuit.id].readiness.results_since(since) if since else (),
        )
        for pursuit in sources.pursuits
    )


def _days_to(pursuit: Pursuit) -> int | None:
    if pursuit.exam_on is None or pursuit.status != "booked":
        return None
    return (pursuit.exam_on - clock.today()).days


_GOALS, _LINKS = (Base.metadata.tables[name] for name in ("goals", "goal_links"))
_GOAL_GLANCE = Glance(Goal, GoalLink)


def _most_urgent(*which: ColumnElement[bool]) -> Select[Any]:
    """Each goal with each of its links, and last how many goals there are."""
    own = (_GOALS.c.organization_id == _OF, _GOALS.c.owner_id == _BY, _GOALS.c.status == "open")
    counted = select(_GOALS, func.count().over().label("total")).where(*own, *which)
    first = counted.order_by(_GOALS.c.due_on, _GOALS.c.id).limit(SHOWN_GOALS).subquery()
    return (
        select(*(first.c[column.name] for column in _GOALS.c), _LINKS, first.c.total)
        .join_from(first, _LINKS, _LINKS.c.goal_id == first.c.id, isouter=True)
        .order_by(first.c.due_on, first.c.id, _LINKS.c.position)
    )


_EVERYWHERE, _HERE = _most_urgent(), _most_urgent(of_course(bindparam("course_id", type_=Uuid())))


def _goals(db: Session, person: Person, course_id: uuid.UUID | None) -> tuple[Sequence[Goal], int]:
    """The most urgent open goals of this course (all courses without one), and how many there are."""
    wanted, given = (_EVERYWHERE, {}) if course_id is None else (_HERE, {"course_id": course_id})
    rows = db.connection().execute(wanted, _own(person) | given).all()
    found: dict[uuid.UUID, tuple[Goal, list[GoalLink]]] = {}
    for goal, link in map(_GOAL_GLANCE.rows, rows):
        found.setdefault(goal.id, (goal, []))[1].append(link)
    for goal, links in found.values():
        set_committed_value(goal, "links", [link for link in links if link is not None])
    return [goal for goal, _ in found.values()], rows[0].total if rows else 0


def _goal_rows(db: Session, goals: Sequence[Goal], strips: Sequence[Strip]) -> list[GoalRow]:
    known = {(strip.pursuit.person_id, strip.pursuit.certification_id): strip.readiness for strip in strips}
    progress = goal_progress.of_many(db, goals, known_readiness=known)
    return [GoalRow(goal, progress[goal.id]) for goal in goals]


def _my_mentor(pair: _Pair | None, pieces: list[Evidence], answer_days: list[float]) -> MyMentor | None:
    if pair is None:
        return None
    mine = [piece for piece in pieces if piece.mentorship_id == pair.mentorship.id]
    waiting = [piece for piece in mine if piece.status == "waiting"]
    oldest = min((piece.submitted_at for piece in waiting), default=None)
    usual = floor(statistics.median(answer_days) + 0.5) if len(answer_days) > 2 else USUAL_ANSWER_DAYS
    days = None if oldest is None else (clock.now() - oldest).days
    return MyMentor(pair.mentorship, pair.mentor, pair.next_meeting, len(waiting), days, max(1, usual), pair.others)


def _next_step(
    strips: Sequence[Strip],
    mentor: MyMentor | None,
    goals: Sequence[Goal],
    pieces: list[Evidence],
) -> NextStep:
    """The first rule that fires."""
    now, today = clock.now(), clock.today()
    meeting = mentor.next_meeting if mentor else None
    for piece in pieces:
        if piece.status in ("returned", "asked"):
            return NextStep(f"evidence_{piece.status}", evidence=piece)
    if meeting is not None and meeting.planned_at - now <= timedelta(hours=24):
        return NextStep("meeting_soon", meeting=meeting)
    for strip in strips:
        soon = strip.exam_in_days is not None and 0 <= strip.exam_in_days <= EXAM_SOON.days
        if soon and not strip.readiness.ready:
            return NextStep("exam_soon", strip=strip, domain=strip.readiness.next_domain, days=strip.exam_in_days)
    for goal in goals:
        if goal.due_on < today:
            return NextStep("goal_overdue", goal=goal, days=(today - goal.due_on).days)
    if not goals:
        return NextStep("no_goal")
    return _certification_step(strips, pieces, has_mentor=mentor is not None) or _nothing_due(strips, mentor)


def _certification_step(strips: Sequence[Strip], pieces: list[Evidence], *, has_mentor: bool) -> NextStep | None:
    if not strips:
        return NextStep("no_certification")
    studying = [strip for strip in strips if strip.pursuit.status not in ("awarded", "passed")]
    for strip in studying:
        if any(domain.own is None for domain in strip.readiness.domains):
            return NextStep("not_rated", strip=strip)
    if studying and not has_mentor:
        return NextStep("no_mentor", strip=studying[0])
    for strip in studying:
        on_the_way = {
            piece.domain_code for piece in pieces if piece.status == "waiting" and piece.pursuit_id == strip.pursuit.id
        }
        open_gaps = [d for d in strip.readiness.domains if d.gap > 0 and d.code not in on_the_way]
        if open_gaps:
            return NextStep("largest_gap", strip=strip, domain=max(open_gaps, key=lambda domain: domain.gap))
    return None


def _nothing_due(strips: Sequence[Strip], mentor: MyMentor | None) -> NextStep:
    """Who has the ball; else one good thing."""
    if mentor is not None and mentor.waiting:
        return NextStep("with_mentor", days=mentor.waiting_days)
    for strip in strips:
        expires_on = strip.pursuit.expires_on
        if expires_on is not None and 0 <= (expires_on - clock.today()).days <= RENEWAL.days:
            return NextStep("renewal", strip=strip, days=(expires_on - clock.today()).days)
    return NextStep("nothing_due")
