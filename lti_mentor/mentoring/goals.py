"""Goals of a mentee: a measure, a due date, and links to courses, items, certifications and exam domains."""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ColumnElement, ForeignKey, Index, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from lti_mentor import clock
from lti_mentor.activity import facts
from lti_mentor.activity.record import last_activity
from lti_mentor.db import Base, Row, new_id, one_of
from lti_mentor.errors import Invalid, NotAllowed, NotFound, Refused
from lti_mentor.mentoring import catalog, courses, gradebook, mentorships, people
from lti_mentor.mentoring.courses import Item
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program
from lti_mentor.mentoring.progress import measure_progress
from lti_mentor.mentoring.readiness import shown

STATES = ("open", "achieved", "removed")
VISIBILITIES = ("private", "shared")
LINK_KINDS = ("measure", "course", "item", "certification", "domain")


class Goal(Row):
    __tablename__ = "goals"

    owner_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    mentorship_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("mentorships.id", ondelete="SET NULL"))
    title: Mapped[str]
    unit: Mapped[str]  # what the measure counts, in the owner's words
    baseline: Mapped[float]
    target: Mapped[float]
    current: Mapped[float]
    due_on: Mapped[date]
    original_due_on: Mapped[date]  # never changes
    visibility: Mapped[str]
    status: Mapped[str] = mapped_column(default="open")
    set_at: Mapped[datetime] = mapped_column(default=clock.now)
    closed_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]  # by the mentor, after the mentee said achieved
    override: Mapped[int | None]  # percent, by the mentor, with a comment
    override_comment: Mapped[str | None]
    statement_id: Mapped[uuid.UUID]  # of the statement that set it: achieving refers to it
    closing_statement_id: Mapped[uuid.UUID | None]  # of the one that said achieved: void when it is open again
    links: Mapped[list["GoalLink"]] = relationship(order_by="GoalLink.position", lazy="selectin")

    __table_args__ = (
        one_of("status", STATES),
        one_of("visibility", VISIBILITIES),
        CheckConstraint("target <> baseline", name="distance"),
        Index("ix_goals_owner_status_due", "organization_id", "owner_id", "status", "due_on"),
    )


class GoalLink(Row):
    """One weighted part of the goal's progress."""

    __tablename__ = "goal_links"

    goal_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("goals.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    kind: Mapped[str]
    weight: Mapped[int] = mapped_column(default=1)
    course_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("courses.id", ondelete="CASCADE"), index=True)
    item_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"))
    certification_id: Mapped[str | None] = mapped_column(ForeignKey("certifications.id"))
    domain_code: Mapped[str | None]

    __table_args__ = (one_of("kind", LINK_KINDS), CheckConstraint("weight > 0", name="weight"))


@dataclass(frozen=True, kw_only=True)
class LinkDraft:
    """One weighted part; which of the ids it needs depends on its kind."""

    kind: str
    weight: int = 1
    course_id: uuid.UUID | None = None
    item_id: uuid.UUID | None = None
    certification_id: str | None = None
    domain_code: str | None = None


@dataclass(frozen=True, kw_only=True)
class GoalDraft:
    title: str
    unit: str = ""
    baseline: float
    target: float
    current: float | None = None
    due_on: date
    visibility: str = "shared"
    links: Sequence[LinkDraft] = field(default_factory=tuple)


def set_goal(db: Session, owner: Person, draft: GoalDraft) -> Goal:
    """A new goal; the original due date is kept for ever. Raises Invalid, and NotFound for a link to nothing."""
    _check(draft)
    links = list(draft.links) or [LinkDraft(kind="measure")]
    for link in links:
        _check_link(db, owner, link)
    same = (Goal.owner_id == owner.id, Goal.status == "open", Goal.title == draft.title.strip())
    if db.scalar(select(Goal.id).where(Goal.organization_id == owner.organization_id, *same)) is not None:
        raise Invalid({"title": "goal.same_title"})
    mentorship = mentorships.of_mentee(db, owner)
    goal = Goal(
        id=new_id(),
        organization_id=owner.organization_id,
        owner_id=owner.id,
        mentorship_id=mentorship.id if mentorship else None,
        title=draft.title.strip(),
        unit=draft.unit.strip(),
        baseline=draft.baseline,
        target=draft.target,
        current=draft.baseline if draft.current is None else draft.current,
        due_on=draft.due_on,
        original_due_on=draft.due_on,
        visibility=draft.visibility,
        set_at=clock.now(),
        statement_id=new_id(),
        links=[
            GoalLink(organization_id=owner.organization_id, position=position, **vars(link))
            for position, link in enumerate(links)
        ],
    )
    db.add(goal)
    _moved(db, goal)
    domains = tuple(
        (link.certification_id, link.domain_code) for link in links if link.certification_id and link.domain_code
    )
    fact = facts.GoalSet(id=goal.statement_id, due_on=goal.due_on, domains=domains, **_about(db, goal, goal.owner_id))
    _note(db, goal, fact)
    return goal


def problems(values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the fields of a draft that are given, by name."""
    wrong: dict[str, str] = {}
    title = values.get("title", "")
    if not title.strip() or len(title) > 200:
        wrong["title"] = "text.too_long" if title.strip() else "goal.no_title"
    if len(values.get("unit", "")) > 100:
        wrong["unit"] = "text.too_long"
    for name in ("baseline", "target", "current"):
        value = values.get(name)
        if value is not None and not (math.isfinite(value) and abs(value) < 1e12):
            wrong[name] = "number.range"
    if values.get("target") is not None and values["target"] == values.get("baseline"):
        wrong["target"] = "goal.target_is_baseline"
    if values.get("due_on") is not None and values["due_on"] < clock.today():
        wrong["due_on"] = "date.past"
    return wrong


def _check(draft: GoalDraft) -> None:
    wrong = problems(vars(draft))
    if draft.visibility not in VISIBILITIES:
        wrong["visibility"] = "goal.visibility"
    if any(not 1 <= link.weight <= 100 or link.kind not in LINK_KINDS for link in draft.links):
        wrong["links"] = "goal.link_weight"
    if wrong:
        raise Invalid(wrong)


def _check_link(db: Session, owner: Person, link: LinkDraft) -> None:
    if link.course_id is not None:
        courses.get(db, owner.organization_id, link.course_id)
    if link.item_id is not None:
        known = select(Item.id).where(Item.organization_id == owner.organization_id, Item.id == link.item_id)
        if db.scalar(known) is None:
            raise NotFound("item.unknown")
    if link.certification_id is not None:
        entry = catalog.entry(link.certification_id)
        if link.domain_code is not None and link.domain_code not in {domain.code for domain in entry.domains}:
            raise NotFound("domain.unknown")


def _about(db: Session, goal: Goal, actor_id: uuid.UUID) -> dict[str, Any]:
    """What every fact about the goal carries."""
    mentorship = _mentorship(db, goal)
    course_ids = [link.course_id for link in goal.links if link.course_id]
    certification_ids = [link.certification_id for link in goal.links if link.certification_id]
    return {
        "actor": people.actor_name(db, actor_id),
        "at": clock.now(),
        "goal": goal.id,
        "course": course_ids[0] if course_ids else None,
        "certification": certification_ids[0] if certification_ids else None,
        **mentorships.about(db, mentorship),
    }


def _mentorship(db: Session, goal: Goal) -> Mentorship | None:
    """The one the goal was set in; when that is over, the owner's open one in the same program."""
    first = db.get(Mentorship, goal.mentorship_id) if goal.mentorship_id else None
    if first is None or first.status == "open":
        return first
    owner = people.get(db, goal.organization_id, goal.owner_id)
    return mentorships.of_mentee(db, owner, db.get_one(Program, first.program_id)) or first


def _note(db: Session, goal: Goal, fact: facts.Fact) -> None:
    mentorships.note(db, goal.organization_id, _mentorship(db, goal), fact)


def _closing(db: Session, goal: Goal, actor_id: uuid.UUID) -> dict[str, Any]:
    return {
        "set_by": goal.statement_id,
        "due_on": goal.due_on,
        "original_due_on": goal.original_due_on,
        **_about(db, goal, actor_id),
    }


def _moved(db: Session, goal: Goal) -> None:
    """Its progress may be another now. Nothing in a gradebook shows that something happened to a private goal."""
    db.flush()
    if goal.visibility == "shared":
        gradebook.goals_moved(db, goal.organization_id, [goal.owner_id])


def of_course(course_id: ColumnElement[uuid.UUID] | uuid.UUID) -> ColumnElement[bool]:
    """Whether a goal is one of this course: linked to it, or to no course at all."""
    goals, links = (Base.metadata.tables[name].c for name in ("goals", "goal_links"))
    linked = select(links.id).where(links.goal_id == goals.id)
    here, anywhere = (
        linked.where(which).exists() for which in (links.course_id == course_id, links.course_id.is_not(None))
    )
    return or_(here, ~anywhere)


def all_of(db: Session, owner: Person) -> Sequence[Goal]:
    """Every goal that was not removed: open ones first, by due date."""
    wanted = select(Goal).where(
        Goal.organization_id == owner.organization_id, Goal.owner_id == owner.id, Goal.status != "removed"
    )
    return sorted(db.scalars(wanted), key=lambda goal: (goal.status != "open", goal.due_on))


def shared_in(db: Session, program: Program, owner: Person) -> list[Goal]:
    """The shared goals that were set in a mentorship of the program."""
    theirs = select(Mentorship.id).where(
        Mentorship.organization_id == program.organization_id, Mentorship.program_id == program.id
    )
    ids = set(db.scalars(theirs))
    return [goal for goal in all_of(db, owner) if goal.visibility == "shared" and goal.mentorship_id in ids]


def get_own(db: Session, person: Person, goal_id: uuid.UUID) -> Goal:
    """A goal of the person. Raises NotFound for every other."""
    goal = _get(db, person, goal_id)
    if goal.owner_id != person.id:
        raise NotFound("goal.unknown")
    return goal


def get_for_mentor(db: Session, mentor: Person, goal_id: uuid.UUID) -> Goal:
    """A shared goal of somebody the person mentors now. Raises NotFound for every other."""
    goal = _get(db, mentor, goal_id)
    if goal.visibility != "shared" or not mentorships.mentors(db, mentor, goal.owner_id):
        raise NotFound("goal.unknown")
    return goal


def _get(db: Session, person: Person, goal_id: uuid.UUID) -> Goal:
    goal = db.scalar(select(Goal).where(Goal.organization_id == person.organization_id, Goal.id == goal_id))
    if goal is None:
        raise NotFound("goal.unknown")
    return goal


def _open(goal: Goal, by: Person) -> None:
    if goal.owner_id != by.id:
        raise NotAllowed("goal.not_yours")
    if goal.status != "open":
        raise Refused("goal.closed", status=goal.status)


def move_due_date(db: Session, goal: Goal, due_on: date, *, by: Person) -> None:
    """Another due date; the original stays on record."""
    _open(goal, by)
    if due_on < clock.today():
        raise Invalid({"due_on": "date.past"})
    if due_on == goal.due_on:
        return
    goal.due_on = due_on
    db.flush()
    about = _about(db, goal, by.id)
    _note(db, goal, facts.DueDateMoved(due_on=due_on, original_due_on=goal.original_due_on, **about))


def make_progress(db: Session, goal: Goal, current: float, *, by: Person) -> None:
    """The measure stands here now."""
    _open(goal, by)
    if not (math.isfinite(current) and abs(current) < 1e12):
        raise Invalid({"current": "number.range"})
    if current == goal.current:
        return
    goal.current = current
    _moved(db, goal)
    percent = shown(measure_progress(baseline=goal.baseline, target=goal.target, current=current))
    _note(db, goal, facts.ProgressMade(percent=percent, **_about(db, goal, by.id)))


def achieve(db: Session, goal: Goal, *, by: Person) -> None:
    """The mentee says that it is achieved; no number does that by itself."""
    _open(goal, by)
    goal.status, goal.closed_at, goal.closing_statement_id = "achieved", clock.now(), new_id()
    _moved(db, goal)
    _note(db, goal, facts.GoalAchieved(id=goal.closing_statement_id, **_closing(db, goal, by.id)))


def reopen(db: Session, goal: Goal, *, by: Person) -> None:
    """It was not achieved after all, until the mentor has confirmed it; what said so is void."""
    if goal.owner_id != by.id:
        raise NotAllowed("goal.not_yours")
    if goal.status != "achieved" or goal.confirmed_at is not None or goal.closing_statement_id is None:
        raise Refused("goal.stays_closed")
    said, mentorship = goal.closing_statement_id, _mentorship(db, goal)
    goal.status, goal.closed_at, goal.closing_statement_id = "open", None, None
    _moved(db, goal)
    _note(db, goal, facts.Withdrawn(actor=people.actor_name(db, by.id), at=clock.now(), said=said))
    if mentorship is not None and mentorship.status == "open":
        mentorship.active_at = last_activity(db, mentorship.organization_id, mentorship.id)


def confirm(db: Session, goal: Goal, *, by: Person) -> None:
    """The mentor agrees that a shared goal is achieved."""
    if goal.visibility != "shared" or not mentorships.mentors(db, by, goal.owner_id):
        raise NotAllowed("goal.not_mentor")
    if goal.status != "achieved" or goal.confirmed_at is not None:
        raise Refused("goal.not_waiting")
    goal.confirmed_at = clock.now()
    db.flush()
    _note(db, goal, facts.GoalConfirmed(**_closing(db, goal, by.id)))


def remove(db: Session, goal: Goal, *, by: Person) -> None:
    """The mentee takes it away; it stays on record."""
    _open(goal, by)
    goal.status, goal.closed_at = "removed", clock.now()
    _moved(db, goal)
    _note(db, goal, facts.GoalRemoved(**_closing(db, goal, by.id)))


def override(db: Session, goal: Goal, *, percent: int, comment: str, by: Person) -> None:
    """The mentor's own number for an open goal, shown as one, with its reason."""
    _check_mentor(db, goal, by)
    wrong = {}
    if not 0 <= percent <= 100:
        wrong["percent"] = "percent.range"
    if not comment.strip() or len(comment) > 2_000:
        wrong["comment"] = "text.too_long" if comment.strip() else "comment.missing"
    if wrong:
        raise Invalid(wrong)
    goal.override, goal.override_comment = percent, comment.strip()
    _moved(db, goal)
    _note(db, goal, facts.ProgressMade(percent=percent, **_about(db, goal, by.id)))


def stop_overriding(db: Session, goal: Goal, *, by: Person) -> None:
    """The number is made of its parts again."""
    _check_mentor(db, goal, by)
    goal.override = goal.override_comment = None
    _moved(db, goal)


def _check_mentor(db: Session, goal: Goal, by: Person) -> None:
    if goal.visibility != "shared" or not mentorships.mentors(db, by, goal.owner_id):
        raise NotAllowed("goal.not_mentor")
    if goal.status != "open":
        raise Refused("goal.closed", status=goal.status)
