"""Deep linking in the practice LMS: the picker of a tool opens, and its signed answer becomes links of the course."""

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt
import requests
from flask import Flask, Response, jsonify, render_template, request, url_for

from lti_mentor.practice.grades import ToolColumn
from lti_mentor.practice.services import tool_key
from lti_mentor.practice.tokens import CLAIM

if TYPE_CHECKING:
    from lti_mentor.practice.lms import Lms

DEEP = "https://purl.imsglobal.org/spec/lti-dl/claim/"


@dataclass
class CourseLink:
    """A link that a tool placed in a course, with what it wants to be launched with."""

    id: str
    title: str
    url: str
    custom: dict[str, str] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)  # the links it was copied from, the nearest first
    column_id: str | None = None  # of the gradebook; copies have none


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
