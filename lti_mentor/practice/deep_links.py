"""Deep linking in the practice LMS: the picker of a tool opens, and its signed answer becomes links of the course."""

import secrets
from typing import TYPE_CHECKING, Any

import jwt
import requests
from flask import Flask, Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from lti_mentor.practice.grades import ToolColumn
from lti_mentor.practice.services import tool_key
from lti_mentor.practice.tokens import CLAIM
from lti_mentor.practice.world import INSTRUCTOR, CourseLink

if TYPE_CHECKING:
    from lti_mentor.practice.lms import Lms

DEEP = "https://purl.imsglobal.org/spec/lti-dl/claim/"


def request_claims(lms: "Lms", course_id: str) -> dict[str, Any]:
    """What makes a launch a request to choose something."""
    data = secrets.token_urlsafe(12)
    lms.asked_links[data] = course_id
    return {
        f"{CLAIM}message_type": "LtiDeepLinkingRequest",
        f"{CLAIM}resource_link": None,
        f"{DEEP}deep_linking_settings": {
            "accept_types": ["ltiResourceLink"],
            "accept_presentation_document_targets": ["iframe", "window"],
            "accept_multiple": True,
            "deep_link_return_url": f"{lms.world.issuer}/deep-links?course={course_id}&sesskey=a+b",
            "data": data,
        },
    }


def add_deep_linking(app: Flask, lms: "Lms") -> None:
    @app.get("/as/<person_id>/courses/<course_id>/add")
    def add_content(person_id: str, course_id: str) -> str:
        frame = url_for("open_tool", person_id=person_id, course_id=course_id, message="deep_linking")
        return render_template("add.html", frame=frame, course=lms.world.course(course_id), person_id=person_id)

    @app.post("/deep-links")
    def take_links() -> tuple[Response, int] | str:
        claims = _verified(lms, request.form.get("JWT", ""))
        if claims is None:
            return jsonify(error="the answer is not signed by a tool that was asked"), 400
        course_id = lms.asked_links.pop(claims[f"{DEEP}data"])
        links = [_link(lms, course_id, item) for item in claims[f"{DEEP}content_items"]]
        lms.links.setdefault(course_id, []).extend(links)
        return render_template("added.html", links=links)

    @app.post("/as/<person_id>/courses/<course_id>/links/<link_id>/group")
    def keep_for_group(person_id: str, course_id: str, link_id: str) -> AnyResponse:
        """Let only a group of the course open the link, or everybody again."""
        course, group = lms.world.course(course_id), request.form.get("group", "")
        link = next((each for each in lms.links.get(course_id, []) if each.id == link_id), None)
        if course is None or link is None or (group and group not in course.groups):
            abort(404)
        if INSTRUCTOR not in course.members.get(person_id, ()):
            abort(403)
        link.group = group
        return redirect(url_for("course_page", person_id=person_id, course_id=course_id), 303)


def _verified(lms: "Lms", token: str) -> dict[str, Any] | None:
    """The claims of an answer to a question of ours, given once."""
    try:
        header, unsigned = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
        tool = lms.tools[unsigned["iss"]]
        claims: dict[str, Any] = jwt.decode(
            token,
            tool_key(tool, header.get("kid")),
            algorithms=["RS256"],
            audience=lms.world.issuer,
            options={"require": ["exp", "iat"]},
        )
    except (jwt.PyJWTError, requests.RequestException, LookupError):
        return None
    is_answer = claims.get(f"{CLAIM}message_type") == "LtiDeepLinkingResponse" and claims.get("nonce")
    return claims if is_answer and claims.get(f"{DEEP}data") in lms.asked_links else None


def _link(lms: "Lms", course_id: str, item: dict[str, Any]) -> CourseLink:
    wanted, column = item.get("lineItem"), None
    if wanted:
        maximum, resource_id = wanted["scoreMaximum"], wanted.get("resourceId", "")
        column = ToolColumn(secrets.token_hex(4), course_id, wanted["label"], maximum, resource_id)
        column.review = wanted.get("submissionReview", {})
        lms.columns[column.id] = column
    custom = dict(item.get("custom", {}))
    column_id = column.id if column else None
    return CourseLink(secrets.token_hex(4), item["title"], item["url"], custom, column_id=column_id)
