"""The observer's page: how those are doing whom the learning platform named, where they agreed."""

from flask import Blueprint, render_template

from lti_mentor.lti import platforms
from lti_mentor.mentoring import courses, observers
from lti_mentor.web import access
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit

observer = Blueprint("observer", __name__, url_prefix="/observer")


@observer.get("/", endpoint="home")
def show_home() -> str:
    """Nothing, unless the platform's setting lets observers see those who agreed."""
    access.require("observer")
    visit = current_visit()
    with tool().database.reading() as db:
        course = courses.get(db, visit.organization_id, visit.course_id) if visit.course_id else None
        platform = platforms.of_deployment(db, course.deployment_id) if course else None
        is_on = platform is not None and platform.observers
        found = observers.progress_of(db, visit.organization_id, visit.named) if is_on else []
    access.note_read(*(each.person for each in found))
    return render_template("observer/home.html", is_on=is_on, found=found)
