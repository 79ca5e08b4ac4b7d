"""Messages of the practice LMS about somebody else: submission reviews and data privacy launches."""

from typing import TYPE_CHECKING, Any

from flask import Flask, Response, abort, render_template, request

from lti_mentor.practice.grades import ToolColumn, column_address
from lti_mentor.practice.tokens import CLAIM
from lti_mentor.practice.world import LmsPerson

if TYPE_CHECKING:
    from lti_mentor.practice.lms import Hint, Lms

ADMINISTRATOR = LmsPerson(id="administrator", name="Practice Administrator")
ADMINISTERS = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator"


def is_reviewable(column: ToolColumn, person_id: str) -> bool:
    """Whether the tool said that a score like this person's has something behind it."""
    score = column.scores.get(person_id)
    return score is not None and score[2] in column.review.get("reviewableStatus", [])


def target_of(lms: "Lms", hint: "Hint") -> str | None:
    """Where the message goes, when it is not the launch address of the tool."""
    if hint.message == "review":
        url: str | None = lms.columns[hint.column_id].review.get("url")
        return url
    return hint.link.url if hint.link else None


def changes_for(lms: "Lms", hint: "Hint", claims: dict[str, Any]) -> dict[str, Any]:
    """What makes a launch with these claims one of these messages; None takes a claim away."""
    for_user = {f"{CLAIM}for_user": {"user_id": hint.about}}
    if hint.message == "review":
        column = lms.columns[hint.column_id]
        grades = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
        return for_user | {
            f"{CLAIM}message_type": "LtiSubmissionReviewRequest",
            f"{CLAIM}custom": {**claims[f"{CLAIM}custom"], **column.review.get("custom", {})},
            f"{CLAIM}resource_link": {"id": f"{column.course_id}-{column.id}", "title": column.label},
            grades: {**claims[grades], "lineitem": column_address(lms, column)},
        }
    if hint.message == "privacy":
        gone = (f"{CLAIM}context", f"{CLAIM}resource_link", f"{CLAIM}custom", f"{CLAIM}launch_presentation")
        services = [name for name in claims if "/lti-nrps/" in name or "/lti-ags/" in name]
        return (
            for_user
            | dict.fromkeys([*gone, *services])
            | {
                f"{CLAIM}message_type": "DataPrivacyLaunchRequest",
                f"{CLAIM}roles": [ADMINISTERS],
            }
        )
    return {}


def add_privacy(app: Flask, lms: "Lms") -> None:
    @app.get("/privacy")
    def privacy() -> Response:
        """Whose data the administrator may ask for; the course says which deployment is asked."""
        known = {person.id: person for person in lms.world.people}
        listed = [(course, [known.get(each) for each in course.members]) for course in lms.world.courses]
        page = Response(render_template("privacy.html", listed=listed))
        lms.sign_in(page, ADMINISTRATOR.id)
        return page

    @app.get("/privacy/open")
    def open_privacy() -> str:
        course_id, _, about = request.args.get("about", "").partition("/")
        course = lms.world.course(course_id) or abort(404)
        return lms.begin(ADMINISTRATOR, course, message="privacy", about=about)
