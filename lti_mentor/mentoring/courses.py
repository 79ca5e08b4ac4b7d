"""Courses of the LMS, their graded items, and the map from items to exam domains."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, and_, bindparam, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.activity import facts
from lti_mentor.activity.record import record
from lti_mentor.db import Base, Glance, Row, one_of, same
from lti_mentor.errors import NotFound, Refused
from lti_mentor.mentoring import organizations, people
from lti_mentor.mentoring.people import Account, Person

SEEN_AGAIN = timedelta(hours=1)
SOURCES = ("statement", "connector", "grades", "file", "typed")


class Course(Row):
    """An LTI context. ``deployment_id`` is our id of the deployment it belongs to."""

    __tablename__ = "courses"

    deployment_id: Mapped[uuid.UUID]
    context_id: Mapped[str]
    label: Mapped[str | None]
    title: Mapped[str | None]
    begins_at: Mapped[datetime | None]  # as the platform says, where it does
    ends_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (UniqueConstraint("organization_id", "deployment_id", "context_id"),)


class Member(Row):
    """A person of a course: met through a launch, or named in its roster. ``teaches`` is what the LMS said."""

    __tablename__ = "members"

    course_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("courses.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    teaches: Mapped[bool]
    seen_at: Mapped[datetime | None]  # the last launch, to the hour; none for somebody only the roster knows
    listed_at: Mapped[datetime | None]  # the last reading of the roster that had them
    left_at: Mapped[datetime | None]  # gone or suspended; what they did stays

    __table_args__ = (UniqueConstraint("organization_id", "course_id", "person_id"),)


class Item(Row):
    """A graded activity of the course, known by the activity IRI the LMS uses in its statements.

    One that came along with a copy of the course has none at first: in the copy the LMS uses another.
    """

    __tablename__ = "items"

    course_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("courses.id", ondelete="CASCADE"), index=True)
    activity_iri: Mapped[str | None]
    seen_iri: Mapped[str | None]  # while it has none: where somebody of the course got a grade under its title
    title: Mapped[str]
    due_at: Mapped[datetime | None]
    overdue_noted_at: Mapped[datetime | None]  # when the readiness it moved by becoming due was recorded

    __table_args__ = (
        UniqueConstraint("organization_id", "course_id", "activity_iri"),
        Index("ix_items_organization_id_activity_iri", "organization_id", "activity_iri"),
    )


class MappedItem(Row):
    """One line of the course map: this item shows this exam domain."""

    __tablename__ = "mapped_items"

    item_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), index=True)
    certification_id: Mapped[str]
    domain_code: Mapped[str]
    weight: Mapped[int] = mapped_column(default=1)

    __table_args__ = (
        UniqueConstraint("organization_id", "item_id", "certification_id", "domain_code"),
        ForeignKeyConstraint(["certification_id", "domain_code"], ["domains.certification_id", "domains.code"]),
    )


class Result(Row):
    """A result of a person for an item. The latest counts; earlier ones stay as history."""

    __tablename__ = "results"

    item_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("items.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    score: Mapped[float]
    maximum: Mapped[float]
    source: Mapped[str]
    achieved_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("organization_id", "item_id", "person_id", "achieved_at"),
        one_of("source", SOURCES),
    )


def find(db: Session, organization_id: uuid.UUID, deployment_id: uuid.UUID, context_id: str) -> Course | None:
    """The course of this LTI context, if somebody came from it."""
    return db.scalar(
        select(Course).where(
            Course.organization_id == organization_id,
            Course.deployment_id == deployment_id,
            Course.context_id == context_id,
        )
    )


def meet(
    db: Session,
    organization_id: uuid.UUID,
    *,
    deployment_id: uuid.UUID,
    context_id: str,
    label: str | None,
    title: str | None,
    begins_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Course:
    """The course of this LTI context, made at the first launch; what is said of it is kept up to date."""
    course = find(db, organization_id, deployment_id, context_id)
    if course is None:
        organizations.lock(db, organization_id)
        course = find(db, organization_id, deployment_id, context_id)
    if course is None:
        course = Course(organization_id=organization_id, deployment_id=deployment_id, context_id=context_id)
        db.add(course)
    course.label, course.title = label or course.label, title or course.title
    course.begins_at, course.ends_at = begins_at or course.begins_at, ends_at or course.ends_at
    db.flush()
    return course


def join(db: Session, course: Course, person: Person, *, teaches: bool) -> Member:
    """Remember that the person came in through this course, and whether the LMS calls them a teacher there."""
    member = _member(db, course, person) or _new_member(db, course, person, teaches)
    _seen(db, member, teaches)
    db.flush()
    return member


def _new_member(db: Session, course: Course, person: Person, teaches: bool) -> Member:
    organizations.lock(db, course.organization_id)
    member = _member(db, course, person)
    if member is None:
        member = Member(
            organization_id=course.organization_id,
            course_id=course.id,
            person_id=person.id,
            teaches=teaches,
            seen_at=clock.now(),
        )
        db.add(member)
    return member


@dataclass(frozen=True, kw_only=True)
class Place:
    """The LTI context a launch comes from."""

    deployment_id: uuid.UUID
    context_id: str
    label: str | None
    title: str | None
    begins_at: datetime | None = None
    ends_at: datetime | None = None


# Made once: building a statement costs more than running it.
_GLANCE = Glance(Course, Member)
_COURSES, _MEMBERS = (Base.metadata.tables[name] for name in ("courses", "members"))
_ENTERED = (
    select(*_GLANCE.columns)
    .join_from(
        _COURSES, _MEMBERS, and_(_MEMBERS.c.course_id == _COURSES.c.id, same(_MEMBERS.c.person_id)), isouter=True
    )
    .where(*(same(_COURSES.c[name]) for name in ("organization_id", "deployment_id", "context_id")))
)


def enter(db: Session, person: Person, place: Place, *, teaches: bool) -> tuple[Course, str | None]:
    """``meet`` and ``join`` at once: one query when nothing is new. Gives the course, to be looked at, and whether the
    person is "new" in it or came "back"."""
    given = {"person_id": person.id, "organization_id": person.organization_id}
    key = {"deployment_id": place.deployment_id, "context_id": place.context_id}
    found = db.connection().execute(_ENTERED, given | key).one_or_none()
    course, member = _GLANCE.rows(found) if found is not None else (None, None)
    if course is None or any(value and value != getattr(course, name) for name, value in vars(place).items()):
        course = meet(db, person.organization_id, **vars(place))
    if member is None:
        _seen(db, _new_member(db, course, person, teaches), teaches)
        return course, "new"
    _seen(db, member, teaches)
    return course, "back" if member.left_at is not None else None


def _seen(db: Session, member: Member, teaches: bool) -> None:
    """Written at most once an hour, unless it changed. Whoever comes in is there, whatever a roster said."""
    is_news = member.seen_at is None or clock.now() - member.seen_at > SEEN_AGAIN or member.left_at is not None
    if member.teaches != teaches or is_news:
        row = db.get_one(Member, member.id)  # it may be only looked at
        row.teaches, row.seen_at, row.left_at = teaches, clock.now(), None


_MEMBER = select(Member).where(
    Member.organization_id == bindparam("organization_id"),
    Member.course_id == bindparam("course_id"),
    Member.person_id == bindparam("person_id"),
)


def _member(db: Session, course: Course, person: Person) -> Member | None:
    key = {"organization_id": course.organization_id, "course_id": course.id, "person_id": person.id}
    return db.scalar(_MEMBER, key)


def teaches(db: Session, person: Person, course: Course) -> bool:
    """Whether the LMS called the person a teacher of this course at the last launch, and they are still there."""
    member = _member(db, course, person)
    return member is not None and member.teaches and member.left_at is None


def launched(db: Session, person: Person, course: Course | None) -> None:
    """Record that the person came in."""
    fact = facts.Launched(actor=people.actor_name(db, person.id), at=clock.now(), course=course.id if course else None)
    record(db, person.organization_id, fact)


def count_of(db: Session, deployment_ids: Iterable[uuid.UUID]) -> int:
    """How many courses these deployments have."""
    wanted = select(func.count()).select_from(Course).where(Course.deployment_id.in_(list(deployment_ids)))
    return db.scalar(wanted) or 0


def get(db: Session, organization_id: uuid.UUID, course_id: uuid.UUID) -> Course:
    """A course of the organization. Raises NotFound."""
    course = db.scalar(select(Course).where(Course.organization_id == organization_id, Course.id == course_id))
    if course is None:
        raise NotFound("course.unknown")
    return course


def add_item(db: Session, course: Course, *, activity_iri: str, title: str, due_at: datetime | None = None) -> Item:
    """A graded activity of the course, by the IRI the LMS uses for it. Raises Refused when it is there already.

    When an item of this title waits for its address, this is its address.
    """
    known = items(db, course)
    if any(item.activity_iri == activity_iri for item in known):
        raise Refused("item.known", title=title)
    item = next((item for item in known if item.activity_iri is None and item.title == title), None)
    if item is None:
        item = Item(organization_id=course.organization_id, course_id=course.id, title=title)
        db.add(item)
    item.activity_iri, item.seen_iri, item.due_at = activity_iri, None, due_at
    db.flush()
    return item


def give_address(
    db: Session, course: Course, item_id: uuid.UUID, activity_iri: str, *, due_at: datetime | None
) -> None:
    """Say which IRI the LMS uses for an item that came along with a copy, and when it is due here.

    Raises NotFound for an item that waits for none, Refused when another item of the course has it.
    """
    known = items(db, course)
    item = next((item for item in known if item.id == item_id and item.activity_iri is None), None)
    if item is None:
        raise NotFound("item.unknown")
    if any(other.activity_iri == activity_iri for other in known):
        raise Refused("item.address_taken")
    item.activity_iri, item.seen_iri, item.due_at = activity_iri, None, due_at
    db.flush()


def items(db: Session, course: Course) -> Sequence[Item]:
    """The graded activities of the course, by title."""
    wanted = select(Item).where(Item.organization_id == course.organization_id, Item.course_id == course.id)
    return db.scalars(wanted.order_by(Item.title)).all()


def next_with_due_items(db: Session) -> Course | None:
    """The course of any organization whose item became due first and is not noted yet."""
    wanted = (
        select(Course)
        .join(Item, Item.course_id == Course.id)
        .where(Item.due_at < clock.now(), Item.overdue_noted_at.is_(None))
        .order_by(Item.due_at)
        .limit(1)
    )
    return db.scalar(wanted.with_for_update(skip_locked=True, of=Course))


def newly_due(db: Session, course: Course) -> Sequence[Item]:
    """Its items that became due and are not noted yet."""
    wanted = select(Item).where(
        Item.organization_id == course.organization_id,
        Item.course_id == course.id,
        Item.due_at < clock.now(),
        Item.overdue_noted_at.is_(None),
    )
    return db.scalars(wanted).all()


def people_of(db: Session, chosen: Sequence[Course]) -> dict[uuid.UUID, Person]:
    """Everybody who is in one of the courses."""
    wanted = (
        select(Person)
        .join(Member, Member.person_id == Person.id)
        .where(
            Member.organization_id.in_({course.organization_id for course in chosen}),
            Member.course_id.in_([course.id for course in chosen]),
            Member.left_at.is_(None),
        )
        .distinct()
    )
    return {person.id: person for person in db.scalars(wanted)}


def ids_of(db: Session, course: Course, issuer: str) -> dict[str, uuid.UUID]:
    """Everybody who is in the course, by what the LMS of this issuer calls them."""
    wanted = (
        select(Account.subject, Member.person_id)
        .join(Account, and_(Account.person_id == Member.person_id, Account.organization_id == Member.organization_id))
        .where(
            Member.organization_id == course.organization_id,
            Member.course_id == course.id,
            Member.left_at.is_(None),
            Account.issuer == issuer,
        )
    )
    return dict(db.execute(wanted).all())


@dataclass(frozen=True)
class Listed:
    """What a roster says of a person."""

    person: Person
    teaches: bool
    is_active: bool


@dataclass(frozen=True)
class Taken:
    """Whom a page of a roster moved, by id: suspended or gone and not so before, new, there again."""

    gone: list[uuid.UUID] = field(default_factory=list)
    new: list[uuid.UUID] = field(default_factory=list)
    back: list[uuid.UUID] = field(default_factory=list)


def take_roster(db: Session, course: Course, listed: Sequence[Listed], *, at: datetime) -> Taken:
    """Take a page of the roster.

    Whom the LMS launched as a teacher stays one: some rosters call them learners.
    """
    wanted = select(Member).where(
        Member.organization_id == course.organization_id,
        Member.course_id == course.id,
        Member.person_id.in_([each.person.id for each in listed]),
    )
    known = {member.person_id: member for member in db.scalars(wanted)}
    taken = Taken()
    for each in listed:
        member = known.get(each.person.id)
        if member is None:
            member = Member(organization_id=course.organization_id, course_id=course.id, person_id=each.person.id)
            member.teaches, member.left_at = each.teaches, None if each.is_active else at
            db.add(member)
            known[each.person.id] = member
            taken.new.append(each.person.id)
        elif member.seen_at is None:
            member.teaches = each.teaches
        member.listed_at = at
        if each.is_active and member.left_at is not None:
            member.left_at = None
            taken.back.append(each.person.id)
        elif not each.is_active and member.left_at is None:
            member.left_at = at
            taken.gone.append(each.person.id)
    db.flush()
    return taken


def close_roster(
    db: Session, course: Course, *, at: datetime, listed_since: datetime, seen_since: datetime
) -> list[uuid.UUID]:
    """The list is complete: whoever was not on one since ``listed_since`` left; gives who did. Nothing of theirs is
    removed.

    Somebody who came in since ``seen_since`` is there, also when the LMS does not list them, as with administrators.
    """
    wanted = select(Member).where(
        Member.organization_id == course.organization_id,
        Member.course_id == course.id,
        Member.left_at.is_(None),
        or_(Member.listed_at.is_(None), Member.listed_at < listed_since),
        or_(Member.seen_at.is_(None), Member.seen_at < seen_since),
    )
    gone = list(db.scalars(wanted))
    for member in gone:
        member.left_at = at
    db.flush()
    return [member.person_id for member in gone]
