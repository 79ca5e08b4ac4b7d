"""Who can open an activity of a course: asked of the learning platform, and people are chosen by it."""

import uuid
from dataclasses import dataclass

from flask import render_template, request
from sqlalchemy.orm import Session

from lti_mentor.errors import NotFound
from lti_mentor.lti import contexts, links
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.links import LaunchedLink
from lti_mentor.mentoring import courses, programs
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.programs import Program
from lti_mentor.web import placed
from lti_mentor.web.coordinator.blueprint import coordinator
from lti_mentor.web.forms import form
from lti_mentor.web.language import _
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url


@dataclass(frozen=True)
class Activity:
    """Something of ours in a course of the program."""

    link: LaunchedLink
    title: str
    course: Course
    services: ContextServices | None

    @property
    def is_listed(self) -> bool:
        """Whether the platform gives lists of the people of its course."""
        return self.services is not None and self.services.memberships_url is not None

    @property
    def is_busy(self) -> bool:
        """Whether something is about to change without anybody doing anything."""
        is_due = self.services is not None and (self.services.is_waiting or self.services.is_being_read)
        return self.is_listed and self.link.is_waiting and is_due


@dataclass(frozen=True)
class Chosen:
    """The activity that people are chosen by, and who can open it."""

    activity: Activity
    people: set[uuid.UUID]
    is_everybody: bool  # of its course


def of_program(db: Session, program: Program) -> list[Activity]:
    """What people of the program's courses opened of what was placed there."""
    found = []
    for course in programs.courses_of(db, program):
        key = (course.organization_id, course.deployment_id, course.context_id)
        services = contexts.of(db, *key)
        for link, kept in links.of_context(db, *key):
            title = link.title or placed.title(db, course, kept) or _("an activity without a name")
            found.append(Activity(link, title, course, services))
    return found


def _one_of(activities: list[Activity], link_id: str) -> Activity:
    """Raises NotFound."""
    for activity in activities:
        if str(activity.link.id) == link_id:
            return activity
    raise NotFound("activity.unknown")


def chosen(db: Session, activities: list[Activity]) -> Chosen | None:
    """The one that ``?link=`` names. Raises NotFound where it is none of them."""
    link_id = request.args.get("link")
    return _chosen(db, _one_of(activities, link_id)) if link_id else None


def _chosen(db: Session, activity: Activity) -> Chosen:
    able = links.people_of(db, activity.link)
    return Chosen(activity, able, bool(able) and courses.people_of(db, [activity.course]).keys() <= able)


@coordinator.get("/programs/<uuid:program_id>/links/<uuid:link_id>")
def link_people(program_id: uuid.UUID, link_id: uuid.UUID) -> str:
    """How the list of those who can open it stands; the page asks again while it is read."""
    with tool().database.reading() as db:
        program = programs.get_for_coordinator(db, current_visit().person, program_id)
        found = _chosen(db, _one_of(of_program(db, program), str(link_id)))
    return render_template("coordinator/link_people.html", program=program, chosen=found, is_part=True)


@coordinator.post("/programs/<uuid:program_id>/links/<uuid:link_id>")
@form()
def ask_for_people(db: Session, program_id: uuid.UUID, link_id: uuid.UUID) -> str:
    """Read who can open it as soon as a worker is free, after the list of its course."""
    program = programs.get_for_coordinator(db, current_visit().person, program_id)
    activity = _one_of(of_program(db, program), str(link_id))
    if activity.services is None or not activity.is_listed:
        raise NotFound("activity.no_list")
    links.ask_for_people(activity.link)
    contexts.ask_for_roster(activity.services)
    return visit_url("coordinator.people_", program_id=program_id, link=link_id)
