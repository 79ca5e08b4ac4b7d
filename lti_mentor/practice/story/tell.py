"""Telling the story: the plan becomes rows and statements by calling the domain with the clock moved."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.db import Database, Row
from lti_mentor.mentoring import (
    catalog,
    course_map,
    courses,
    evidence,
    goals,
    meetings,
    observers,
    organizations,
    pairing,
    people,
    programs,
    pursuits,
    results,
)
from lti_mentor.mentoring.courses import Course, Item
from lti_mentor.mentoring.evidence import Evidence, Submission, Verdict
from lti_mentor.mentoring.goals import Goal, GoalDraft, LinkDraft
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Identity, Person
from lti_mentor.mentoring.programs import Program, ProgramDraft
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.practice import lms
from lti_mentor.practice.story import cast, plan, ratings
from lti_mentor.practice.story.cast import Character
from lti_mentor.practice.world import World
from lti_mentor.web import visit
from xapi import store

CERTIFICATIONS = ("comptia-security-plus", "cka", "comptia-data-plus")
COURSES = ("SEC101", "OPS201", "DAT150")
PROGRAM = "Security certification push"
STEPS_IN_ONE_TRANSACTION = 100
RowType = TypeVar("RowType", bound=Row)
VALID_DAYS = 1095

Step = Callable[[Session], None]


@dataclass
class Told:
    """What has come into being so far, by the numbers of the plan."""

    organization_id: uuid.UUID
    world: World
    people: dict[str, Person] = field(default_factory=dict)
    courses: list[Course] = field(default_factory=list)
    items: dict[tuple[int, int], Item] = field(default_factory=dict)  # course, place
    program: Program | None = None
    pairs: dict[int, Mentorship] = field(default_factory=dict)
    pursuits: dict[int, Pursuit] = field(default_factory=dict)
    planned_meetings: dict[plan.MeetingPlan, meetings.Meeting] = field(default_factory=dict)
    set_goals: dict[tuple[int, int], Goal] = field(default_factory=dict)
    pieces: dict[plan.EvidencePlan, Evidence] = field(default_factory=dict)

    def learner(self, number: int) -> Person:
        return self.people[cast.LEARNERS[number].key]

    def mentor(self, learner: int) -> Person:
        return self.people[cast.MENTORS[plan.mentor_of(learner)].key]

    @property
    def coordinator(self) -> Person:
        return self.people[cast.COORDINATORS[0].key]


@dataclass(frozen=True, order=True)
class Event:
    at: datetime
    order: int
    step: Step = field(compare=False)


def tell(
    database: Database,
    world: World,
    deployments: dict[str, uuid.UUID],
    organization: str,
    progress: Callable[[int, int], None],
) -> Told:
    """Everything that happened until now. ``deployments`` gives our id for each course's deployment."""
    now = clock.now().replace(microsecond=0)
    with database.transaction() as db, clock.moved_to(now - timedelta(days=1200)):
        told = Told(organizations.named(db, organization).id, world)
    events = sorted(
        Event(now - timedelta(days=days), order, step)
        for order, (days, step) in enumerate(_steps(told, deployments, now))
    )
    for start in range(0, len(events), STEPS_IN_ONE_TRANSACTION):
        with database.transaction() as db:
            for event in events[start : start + STEPS_IN_ONE_TRANSACTION]:
                with clock.moved_to(event.at):
                    event.step(db)
        progress(min(start + STEPS_IN_ONE_TRANSACTION, len(events)), len(events))
    return told


Timed = tuple[float, Step]  # days ago


def fresh(db: Session, row: RowType) -> RowType:
    """The row as it is now, not as it was when it came into being."""
    return db.get_one(type(row), row.id)


def later(step: Callable[..., None], *values: Any) -> Step:
    """The step with what it needs besides the session."""
    return lambda db: step(db, *values)


def _steps(told: Told, deployments: dict[str, uuid.UUID], now: datetime) -> Iterator[Timed]:
    yield 1190.0, later(_arrivals, told, deployments, now)
    yield plan.AGE_DAYS, later(_start, told)
    yield from _visits(told)
    yield from _pairings(told)
    yield from _ways(told)
    yield from _meetings(told)
    yield from _goals(told)
    yield from _evidence(told)
    yield from _results(told, now)
    yield from ratings.steps(told)


def _identity(told: Told, character: Character) -> Identity:
    return Identity(issuer=told.world.issuer, subject=character.key, name=character.name)


def _arrivals(db: Session, told: Told, deployments: dict[str, uuid.UUID], now: datetime) -> None:
    """People and courses are known; what only mentoring does comes later."""
    for character in (*cast.LEARNERS, *cast.MENTORS, *cast.COORDINATORS, *cast.ANALYSTS):
        told.people[character.key] = people.meet(db, told.organization_id, _identity(told, character))
    for number, label in enumerate(COURSES):
        described = next(course for course in told.world.courses if course.label == label)
        course = courses.meet(
            db,
            told.organization_id,
            deployment_id=deployments[described.deployment_id],
            context_id=described.id,
            label=label,
            title=described.title,
        )
        told.courses.append(course)
        courses.join(db, course, told.coordinator, teaches=True)
        for place, item in enumerate(plan.ITEMS):
            told.items[number, place] = courses.add_item(
                db,
                course,
                activity_iri=told.world.item_iri(described, described.items[place]),
                title=item.title,
                due_at=now - timedelta(days=item.due_days_ago),
            )
        chosen = {
            told.items[number, place].id: {(CERTIFICATIONS[number], str(item.domain)): 1}
            for place, item in enumerate(plan.ITEMS)
        }
        course_map.save(db, course, chosen, by=told.coordinator)


def _start(db: Session, told: Told) -> None:
    starts_on = clock.today()
    draft = ProgramDraft(
        name=PROGRAM,
        starts_on=starts_on,
        ends_on=starts_on + timedelta(weeks=plan.WEEKS),
        meetings_per_month=2,
        target_active=80,
        target_cadence=70,
        target_on_time=70,
        target_certified=20,
    )
    told.program = programs.create(db, told.courses[0], draft, by=told.coordinator)
    for course in told.courses[1:]:
        programs.attach(db, told.program, course, by=told.coordinator)
    programs.enroll(db, told.program, told.people[cast.COORDINATORS[1].key], "coordinator")
    for number, mentor in enumerate(cast.MENTORS):
        programs.enroll(db, told.program, told.people[mentor.key], "mentor", capacity=4 if number == 0 else 3)
    for learner in plan.LEARNERS:
        programs.enroll(db, told.program, told.learner(learner), "mentee")
    people.grant(db, told.people[cast.ANALYSTS[0].key], "analyst")
    people.grant(db, told.people[cast.ANALYSTS[0].key], "records")
    people.grant(db, told.people[cast.ANALYSTS[1].key], "analyst")
    observers.agree(db, told.people[cast.MIDDLE.key])


def _visits(told: Told) -> Iterator[Timed]:
    for learner in plan.OPENED:
        first = plan.AGE_DAYS - 1 - learner % 5
        for number in range(5 if learner in plan.ACTIVE else 1):
            yield first - number * 27, later(_open, told, learner)
    yield plan.LAST_VISIT, later(_open, told, plan.MIDDLE)
    for number, mentor in enumerate(cast.MENTORS):
        teaches = number == 1
        yield plan.AGE_DAYS - 2, later(_join, told, mentor, teaches)
    for other in (*cast.COORDINATORS, *cast.ANALYSTS):
        yield plan.AGE_DAYS - 2, later(_join, told, other, other in cast.COORDINATORS)


def _open(db: Session, told: Told, learner: int) -> None:
    course = told.courses[plan.certification_of(learner)]
    courses.join(db, course, told.learner(learner), teaches=False)
    courses.launched(db, told.learner(learner), course)
    visit.open_visit(db, told.learner(learner), course_id=course.id, framing_origins=[], hours=1)


def _join(db: Session, told: Told, character: Character, teaches: bool) -> None:
    for course in told.courses:
        courses.join(db, course, told.people[character.key], teaches=teaches and course is told.courses[0])


def _pairings(told: Told) -> Iterator[Timed]:
    for learner in plan.PAIRED:
        yield plan.paired_days_ago(learner), later(_pair, told, learner)
        ended = plan.ended_days_ago(learner)
        if ended is not None:
            yield ended, later(_close, told, learner)
    yield 100.0, later(_pause, told)


def _program(told: Told) -> Program:
    if told.program is None:
        raise RuntimeError("the program starts before anything else in it")
    return told.program


def _pair(db: Session, told: Told, learner: int) -> None:
    told.pairs[learner] = pairing.pair(
        db, _program(told), mentor=told.mentor(learner), mentee=told.learner(learner), by=told.coordinator
    )


def _close(db: Session, told: Told, learner: int) -> None:
    how = "completed" if learner in plan.COMPLETED else "ended"
    pairing.finish(db, fresh(db, told.pairs[learner]), how, by=told.learner(learner))


def _pause(db: Session, told: Told) -> None:
    programs.pause(db, _program(told), told.people[cast.MENTORS[15].key])


def _ways(told: Told) -> Iterator[Timed]:
    for learner in (*plan.BOOKED, *plan.FAILED, *plan.STUDYING, *plan.AWARDED, *plan.EXPIRING):
        yield plan.started_days_ago(learner), later(_begin, told, learner, "studying")
    for learner in plan.INTERESTED:
        yield plan.started_days_ago(learner), later(_begin, told, learner, "interested")
    for learner in plan.BOOKED:
        yield 18.0 + learner, later(_book, told, learner, plan.EXAM_IN_DAYS[learner])
    for learner in plan.FAILED:
        yield 40.0, later(_book, told, learner, 12)
        yield 27.0, later(_fail, told, learner)
    for learner in plan.AWARDED:
        yield plan.awarded_days_ago(learner) + 6, later(_book, told, learner, 5)
        yield plan.awarded_days_ago(learner), later(_award, told, learner)
    for learner in plan.EXPIRING:
        yield VALID_DAYS - plan.EXPIRES_IN_DAYS[learner], later(_award, told, learner)


def _begin(db: Session, told: Told, learner: int, status: str) -> None:
    slug = CERTIFICATIONS[plan.certification_of(learner)]
    told.pursuits[learner] = pursuits.start(db, told.learner(learner), slug, status=status)


def _book(db: Session, told: Told, learner: int, in_days: int) -> None:
    """``in_days`` from the day the story is told for those with an exam ahead, else from the booking."""
    ahead = 18 + learner if learner in plan.EXAM_IN_DAYS else 0
    exam_on = clock.today() + timedelta(days=in_days + ahead)
    pursuits.book_exam(db, fresh(db, told.pursuits[learner]), exam_on)


def _fail(db: Session, told: Told, learner: int) -> None:
    pursuits.fail_exam(db, fresh(db, told.pursuits[learner]))


def _award(db: Session, told: Told, learner: int) -> None:
    pursuit = fresh(db, told.pursuits[learner])
    pursuits.pass_exam(db, pursuit)
    today = clock.today()
    pursuits.award(db, pursuit, awarded_on=today, expires_on=today + timedelta(days=VALID_DAYS))


def _meetings(told: Told) -> Iterator[Timed]:
    settle: dict[str, Any] = {"held": meetings.hold, "missed": meetings.miss}
    for planned in plan.meetings():
        before = min(planned.days_ago + 6, plan.paired_days_ago(planned.learner) - 0.5)
        before = max(before, 0.3) if planned.outcome == "planned" else before
        yield before, later(_plan_meeting, told, planned, before)
        if planned.outcome in settle:
            yield (
                planned.days_ago - 0.05,
                later(_settle, told, planned, settle[planned.outcome]),
            )
        elif planned.outcome == "called_off":
            yield planned.days_ago + 1.2, later(_settle, told, planned, meetings.call_off)


def _plan_meeting(db: Session, told: Told, planned: plan.MeetingPlan, before: float) -> None:
    at = clock.now() + timedelta(days=before - planned.days_ago)
    at = at.replace(hour=14, minute=0, second=0) if planned.outcome == "planned" else _usual_time(at, planned.learner)
    told.planned_meetings[planned] = meetings.plan(
        db,
        fresh(db, told.pairs[planned.learner]),
        planned_at=at,
        minutes=45 if planned.learner % 2 else 30,
        by=told.mentor(planned.learner),
    )


def _usual_time(at: datetime, learner: int) -> datetime:
    """The last time not after ``at`` that this pair would choose: in working hours."""
    usual = at.replace(hour=9 + learner % 8, minute=30 * (learner % 2), second=0, microsecond=0)
    return usual if usual <= at else usual - timedelta(days=1)


def _settle(db: Session, told: Told, planned: plan.MeetingPlan, settle: Any) -> None:
    settle(db, fresh(db, told.planned_meetings[planned]), by=told.mentor(planned.learner))


_TITLES = (
    ("Answer 300 practice questions", "questions", 0.0, 300.0),
    ("Bring wrong answers below 10 in a practice exam", "wrong answers", 40.0, 10.0),
    ("Finish the labs of the course", "labs", 0.0, 8.0),
    ("Explain one topic a week to a colleague", "topics", 0.0, 6.0),
    ("Read the study guide", "chapters", 0.0, 20.0),
    ("Build a small lab at home", "machines", 0.0, 3.0),
)


def _goals(told: Told) -> Iterator[Timed]:
    for planned in plan.goals():
        yield planned.set_days_ago, later(_set_goal, told, planned)
        middle = (planned.set_days_ago + max(planned.closed_days_ago or 1.5, 1.5)) / 2
        if planned.learner not in plan.SILENT:
            yield middle, later(_advance, told, planned)
        if planned.fate in ("achieved", "late"):
            yield planned.closed_days_ago or 0, later(_achieve, told, planned)
        elif planned.fate == "removed":
            yield planned.closed_days_ago or 0, later(_remove, told, planned)


def _set_goal(db: Session, told: Told, planned: plan.GoalPlan) -> None:
    title, unit, baseline, target = _TITLES[(planned.learner + planned.number) % len(_TITLES)]
    number = plan.certification_of(planned.learner)
    links = [LinkDraft(kind="measure", weight=2), LinkDraft(kind="course", course_id=told.courses[number].id)]
    if planned.number % 2 == 0 and planned.learner in told.pursuits:
        links.append(LinkDraft(kind="certification", certification_id=CERTIFICATIONS[number]))
    due_on = (clock.now() + timedelta(days=planned.set_days_ago - planned.due_days_ago)).date()
    draft = GoalDraft(title=title, unit=unit, baseline=baseline, target=target, due_on=due_on, links=links)
    told.set_goals[planned.learner, planned.number] = goals.set_goal(db, told.learner(planned.learner), draft)


def _goal(db: Session, told: Told, planned: plan.GoalPlan) -> Goal:
    return goals.get_own(db, told.learner(planned.learner), told.set_goals[planned.learner, planned.number].id)


def _advance(db: Session, told: Told, planned: plan.GoalPlan) -> None:
    goal = _goal(db, told, planned)
    goals.make_progress(db, goal, goal.baseline + (goal.target - goal.baseline) / 2, by=told.learner(planned.learner))


def _achieve(db: Session, told: Told, planned: plan.GoalPlan) -> None:
    goal, owner = _goal(db, told, planned), told.learner(planned.learner)
    goals.make_progress(db, goal, goal.target, by=owner)
    goals.achieve(db, goal, by=owner)


def _remove(db: Session, told: Told, planned: plan.GoalPlan) -> None:
    goals.remove(db, _goal(db, told, planned), by=told.learner(planned.learner))


def _evidence(told: Told) -> Iterator[Timed]:
    for planned in plan.evidence():
        yield planned.submitted_days_ago, later(_submit, told, planned)
        if planned.fate != "waiting":
            answered = planned.submitted_days_ago - planned.answered_after
            yield answered, later(_answer, told, planned)


def _submit(db: Session, told: Told, planned: plan.EvidencePlan) -> None:
    slug = CERTIFICATIONS[plan.certification_of(planned.learner)]
    topics = catalog.entry(slug).domain(str(planned.domain)).topics
    text = (
        f"I worked on “{topics[planned.learner % len(topics)].lower()}” in our test environment,"
        " wrote down each step and what went wrong, and showed the result to my team."
    )
    submission = Submission(text=text, link=f"https://notes.example.org/{planned.learner}-{planned.domain}")
    pursuit = fresh(db, told.pursuits[planned.learner])
    told.pieces[planned] = evidence.submit(db, pursuit, str(planned.domain), submission)


def _answer(db: Session, told: Told, planned: plan.EvidencePlan) -> None:
    piece, mentor = fresh(db, told.pieces[planned]), told.mentor(planned.learner)
    if planned.fate == "returned":
        comment = "Good start. Please show the result as well, not only the plan: a screenshot or the log is enough."
        evidence.return_it(db, piece, Verdict(version=1, comment=comment), by=mentor)
        return
    evidence.accept(db, piece, Verdict(version=1, rating=planned.rating, comment="Clear, thank you."), by=mentor)
    evidence.mark_seen(db, piece)


def _results(told: Told, now: datetime) -> Iterator[Timed]:
    for planned in plan.results():
        yield planned.days_ago, later(_report, told, planned)
    for item in plan.ITEMS:
        if item.due_days_ago > 0:
            yield item.due_days_ago - 0.01, _note_due


def _note_due(db: Session) -> None:
    """As the worker does it every hour."""
    while course := courses.next_with_due_items(db):
        course_map.note_due(db, course)


def _report(db: Session, told: Told, planned: plan.ResultPlan) -> None:
    """As the LMS does it: a statement to the record store."""
    label = COURSES[plan.certification_of(planned.learner)]
    course = next(each for each in told.world.courses if each.label == label)
    learner = told.world.person(cast.LEARNERS[planned.learner].key)
    if learner is None:
        raise RuntimeError("everybody in the story is in the practice LMS")
    statement = lms.scored(told.world, course, learner, course.items[planned.item], planned.score)
    statement["timestamp"] = clock.now().astimezone(UTC).isoformat()
    authority = {"objectType": "Agent", "account": {"homePage": told.world.issuer, "name": "practice-lms"}}
    store.put(db, tenant=told.organization_id, statements=[statement], now=clock.now(), authority=authority)
    results.take_statements(db, told.organization_id, [statement])
