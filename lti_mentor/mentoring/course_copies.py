"""Copies of a course: its set-up comes along, never people, results or conversations.

An item comes with its title and what it shows. Its address does not, because the copy has another; nor its date,
because a copy runs at another time. Until a teacher gives it an address no result can arrive for it and nothing counts.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint, select, tuple_
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row
from lti_mentor.errors import NotFound, Refused
from lti_mentor.mentoring import audit, course_map, courses, gradebook, organizations, programs, readiness_columns
from lti_mentor.mentoring.courses import Course, Item, MappedItem
from lti_mentor.mentoring.goals import GoalLink
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program


class CourseCopy(Row):
    """A course and the one it was copied from."""

    __tablename__ = "course_copies"

    course_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("courses.id", ondelete="CASCADE"))
    original_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("courses.id", ondelete="CASCADE"))
    recognized_at: Mapped[datetime] = mapped_column(default=clock.now)
    settled_at: Mapped[datetime | None]  # when a teacher had seen what came along, or at once when nothing did

    __table_args__ = (UniqueConstraint("organization_id", "course_id"),)


def recognize(db: Session, course: Course, places: Sequence[tuple[uuid.UUID, str]], *, by: Person) -> CourseCopy | None:
    """The copy this course is, made once: when it has no set-up yet and the course of one of these places is known.

    ``places`` are a deployment and an id of a context there, the nearest original first.
    """
    others = [place for place in places if place != (course.deployment_id, course.context_id)]
    if not others:
        return None
    known = of(db, course)
    if known is not None:
        return known
    original = _nearest(db, course, others)
    if original is None or courses.items(db, course) or programs.of_course(db, course):
        return None
    organizations.lock(db, course.organization_id)
    return of(db, course) or _copy(db, original, course, by)


def of(db: Session, course: Course) -> CourseCopy | None:
    """What is known of this course as a copy."""
    return db.scalar(
        select(CourseCopy).where(
            CourseCopy.organization_id == course.organization_id, CourseCopy.course_id == course.id
        )
    )


def _nearest(db: Session, course: Course, places: Sequence[tuple[uuid.UUID, str]]) -> Course | None:
    wanted = select(Course).where(
        Course.organization_id == course.organization_id,
        tuple_(Course.deployment_id, Course.context_id).in_(places),
    )
    return min(
        db.scalars(wanted), key=lambda found: places.index((found.deployment_id, found.context_id)), default=None
    )


def _copy(db: Session, original: Course, course: Course, by: Person) -> CourseCopy:
    mapped = course_map.of_course(db, original)
    items = courses.items(db, original)
    for item in items:
        twin = Item(organization_id=course.organization_id, course_id=course.id, title=item.title)
        db.add(twin)
        db.flush()
        for (certification_id, code), weight in mapped.get(item.id, {}).items():
            line = MappedItem(item_id=twin.id, certification_id=certification_id, domain_code=code, weight=weight)
            line.organization_id = course.organization_id
            db.add(line)
    copy = CourseCopy(organization_id=course.organization_id, course_id=course.id, original_id=original.id)
    if not items and not _running(db, original):
        copy.settled_at = clock.now()
    db.add(copy)
    db.flush()
    audit.write(
        db, course.organization_id, "course_copied", place=f"course {original.id} to {course.id}", actor_id=by.id
    )
    return copy


def _running(db: Session, course: Course) -> list[Program]:
    return [program for program in programs.of_course(db, course) if program.ends_on >= clock.today()]


@dataclass(frozen=True)
class Arrived:
    """What a teacher is told about a copy, until they have seen it."""

    course: Course
    original: Course
    items: int
    programs: tuple[Program, ...]  # of the original, still running and the person's own: they may run here too


def arrived(db: Session, course: Course, person: Person) -> Arrived | None:
    """What there is to see for a teacher of the copy; none when it is no copy, or was seen."""
    copy = of(db, course)
    if copy is None or copy.settled_at is not None or not courses.teaches(db, person, course):
        return None
    original = courses.get(db, course.organization_id, copy.original_id)
    here = {program.id for program in programs.of_course(db, course)}
    mine = {program.id for program in programs.coordinated_by(db, person)} - here
    running = tuple(program for program in _running(db, original) if program.id in mine)
    return Arrived(course, original, len(courses.items(db, course)), running)


def settle(db: Session, course: Course) -> None:
    """A teacher has seen what came along. Raises NotFound."""
    copy = of(db, course)
    if copy is None:
        raise NotFound("course.no_copy")
    copy.settled_at = copy.settled_at or clock.now()


def original_of(db: Session, course: Course) -> Course | None:
    """The course this one is a copy of."""
    copy = of(db, course)
    return courses.get(db, course.organization_id, copy.original_id) if copy is not None else None


def dates_ahead(db: Session, original: Course) -> dict[str, datetime]:
    """By title when its items are due: proposals for a copy, without the dates that have passed."""
    now = clock.now()
    return {item.title: item.due_at for item in courses.items(db, original) if item.due_at and item.due_at > now}


def take_out(db: Session, course: Course, item_ids: Collection[uuid.UUID]) -> None:
    """Remove items that came along and are not in this course. Raises Refused for one that is in somebody's goal."""
    in_goals = select(GoalLink.id).where(
        GoalLink.organization_id == course.organization_id, GoalLink.item_id.in_(item_ids)
    )
    if db.scalar(in_goals.limit(1)) is not None:
        raise Refused("item.in_goals")
    for item in courses.items(db, course):
        if item.id in item_ids and item.activity_iri is None:
            db.delete(item)
    db.flush()
    gradebook.course_moved(db, course)


def attach(db: Session, program: Program, course: Course, *, by: Person) -> None:
    """Let the program run in the course; in a copy of one of its courses with the columns it has in the original.

    They keep their keys, because the platform copied them with its own columns. Scores are those of the people here.
    """
    attached = {each.id for each in programs.courses_of(db, program)}
    programs.attach(db, program, course, by=by)
    original = original_of(db, course)
    if original is None or course.id in attached or original.id not in attached:
        return
    for column in gradebook.columns_of(db, program, original):
        twin = readiness_columns.open_column(db, program, course, column.certification_id, by=by)
        gradebook.choose(db, twin, column.sends)  # nobody chooses here: the log names who did for the original
        twin.key = column.key
