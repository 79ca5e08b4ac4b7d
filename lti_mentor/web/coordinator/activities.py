"""Who can open an activity of a course: asked of the learning platform, and people are chosen by it."""

import uuid
from dataclasses import dataclass, replace

from flask import render_template, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from lti_mentor.errors import NotFound
from lti_mentor.lti import contexts, links
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.deep_linking import PlacedLink
from lti_mentor.lti.links import LaunchedLink
from lti_mentor.mentoring import programs
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.programs import Program
from lti_mentor.web import placed
from lti_mentor.web.coordinator.blueprint import coordinator
from lti_mentor.web.forms import form
from lti_mentor.web.language import _
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url


@dataclass(frozen=True)
class Activity:
    """Something of ours in a course of the program. ``number`` tells those apart that have one name."""

    link: LaunchedLink
    title: str
    course: Course
    services: ContextServices | None
    number: int | None = None

    @property
    def is_listed(self) -> bool:
        """Whether the platform gives lists of the people of its course."""
        return self.services is not None and self.services.memberships_url is not None

    @property
    def is_busy(self) -> bool:
        """Whether something is about to change without anybody doing anything."""
        return self.services is not None and self.is_listed and self.link.is_waiting and self.services.are_links_due


@dataclass(frozen=True)
class Chosen:
    """The activity that people are chosen by, and who of its course can open it."""

    activity: Activity
    people: set[uuid.UUID]
    is_everybody: bool  # whom the list of the course had named by then
    is_let_in: bool  # else nothing is read

    @property
    def is_busy(self) -> bool:
        """Whether the page asks again."""
        return self.is_let_in and self.activity.is_busy


def _launched(db: Session, program: Program, course: Course) -> list[tuple[LaunchedLink, PlacedLink]]:
    """Of the programs of a course it is this one's activity alone."""
    found = links.of_context(db, course.organization_id, course.deployment_id, course.context_id)
    return [(link, kept) for link, kept in found if kept.kind != "program" or kept.target == str(program.id)]


def _services(db: Session, course: Course) -> ContextServices | None:
    return contexts.of(db, course.organization_id, course.deployment_id, course.context_id)


def of_program(db: Session, program: Program) -> list[Activity]:
    """What people of the program's courses opened of what was placed there."""
    found = []
    for course in programs.courses_of(db, program):
        launched, services = _launched(db, program, course), _services(db, course)
        choices = placed.offered(db, course) if any(link.title is None for link, _kept in launched) else {}
        for link, kept in launched:
            title = link.title or placed.title(choices, kept) or _("an activity without a name")
            found.append(Activity(link, title, course, services))
    return _numbered(found)


def _numbered(activities: list[Activity]) -> list[Activity]:
    """Those with one name, of one course or of courses that are called the same."""
    names = [(activity.course.title or activity.course.label, activity.title) for activity in activities]
    return [
        replace(activity, number=names[: place + 1].count(name)) if names.count(name) > 1 else activity
        for place, (activity, name) in enumerate(zip(activities, names, strict=True))
    ]


def _one_of(db: Session, program: Program, link_id: uuid.UUID) -> Activity:
    """As the platform calls it, whatever the others are called. Raises NotFound."""
    for course in programs.courses_of(db, program):
        for link, _kept in _launched(db, program, course):
            if link.id == link_id:
                return Activity(link, link.title or "", course, _services(db, course))
    raise NotFound("activity.unknown")


def chosen(db: Session, activities: list[Activity]) -> Chosen | None:
    """The one that ``?link=`` names. Raises NotFound where it is none of them."""
    link_id = request.args.get("link")
    if not link_id:
        return None
    for activity in activities:
        if str(activity.link.id) == link_id:
            return _chosen(db, activity)
    raise NotFound("activity.unknown")


def _chosen(db: Session, activity: Activity) -> Chosen:
    course, read_at = activity.course, activity.link.people_read_at
    wanted = select(Member.person_id, Member.listed_at).where(
        Member.organization_id == course.organization_id, Member.course_id == course.id, Member.left_at.is_(None)
    )
    listed_at = {row.person_id: row.listed_at for row in db.execute(wanted)}
    able = links.people_of(db, activity.link) & listed_at.keys()
    by_then = {person_id for person_id, at in listed_at.items() if at and read_at and at <= read_at}
    is_let_in = activity.services is None or contexts.is_let_in(db, activity.services)
    return Chosen(activity, able, bool(by_then) and by_then <= able, is_let_in)


@coordinator.get("/programs/<uuid:program_id>/links/<uuid:link_id>")
def link_people(program_id: uuid.UUID, link_id: uuid.UUID) -> str:
    """How the list of those who can open it stands; the page asks again while it is read."""
    with tool().database.reading() as db:
        program = programs.get_for_coordinator(db, current_visit().person, program_id)
        found = _chosen(db, _one_of(db, program, link_id))
    return render_template("coordinator/link_people.html", program=program, chosen=found, is_part=True)


@coordinator.post("/programs/<uuid:program_id>/links/<uuid:link_id>")
@form()
def ask_for_people(db: Session, program_id: uuid.UUID, link_id: uuid.UUID) -> str:
    """Read who can open it as soon as a worker is free, after the list of its course."""
    program = programs.get_for_coordinator(db, current_visit().person, program_id)
    activity = _one_of(db, program, link_id)
    if activity.services is None or not activity.is_listed:
        raise NotFound("activity.no_list")
    links.ask_for_people(activity.link)
    contexts.ask_for_roster(activity.services)
    return visit_url("coordinator.people_", program_id=program_id, link=link_id)
