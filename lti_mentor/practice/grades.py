"""The gradebook service of the practice LMS (Assignment and Grade Services 2.0), as strict as a Moodle."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request

from lti_mentor import clock
from lti_mentor.practice.services import may

if TYPE_CHECKING:
    from lti_mentor.practice.lms import Lms

SCOPE = "https://purl.imsglobal.org/spec/lti-ags/scope/"
LINE_ITEM = "application/vnd.ims.lis.v2.lineitem+json"
LINE_ITEMS = "application/vnd.ims.lis.v2.lineitemcontainer+json"
SCORES = "application/vnd.ims.lis.v1.score+json"
RESULTS = "application/vnd.ims.lis.v2.resultcontainer+json"
PROGRESS = ("NotReady", "Failed", "Pending", "PendingManual", "FullyGraded")
AHEAD = timedelta(minutes=1)  # of a submission, as on Canvas
Refusal = tuple[Response, int]


@dataclass
class ToolColumn:
    """A column that a tool made, with the last score of each person."""

    id: str
    course_id: str
    label: str
    maximum: float
    resource_id: str
    link_id: str | None = None  # the link of the course that it was tied to
    review: dict[str, Any] = field(default_factory=dict)  # what the tool said of submission reviews
    scores: dict[str, tuple[datetime, float | None, str]] = field(
        default_factory=dict
    )  # person -> when, points, progress
    graded: dict[str, str] = field(default_factory=dict)  # person -> whether the last score may still change
    worked: dict[str, dict[str, datetime]] = field(default_factory=dict)  # person -> startedAt and submittedAt


def add_grade_service(app: Flask, lms: "Lms") -> None:
    _add_columns(app, lms)
    _add_scores(app, lms)


def column_address(lms: "Lms", column: ToolColumn) -> str:
    """With a query, as Moodle has it: what lies below comes before the question mark."""
    return f"{lms.world.issuer}/courses/{column.course_id}/lineitems/{column.id}?type_id=1"


def _described(lms: "Lms", column: ToolColumn) -> dict[str, Any]:
    given = {"label": column.label, "scoreMaximum": column.maximum, "resourceId": column.resource_id}
    return {"id": column_address(lms, column), **given}


def _add_columns(app: Flask, lms: "Lms") -> None:
    @app.get("/courses/<course_id>/lineitems")
    def lineitems(course_id: str) -> Response | Refusal:
        if not (may(lms, f"{SCOPE}lineitem") or may(lms, f"{SCOPE}lineitem.readonly")):
            return jsonify(error="invalid_token"), 401
        wanted = request.args.get("resource_id")
        columns = [each for each in lms.columns.values() if each.course_id == course_id]
        rows = [_described(lms, each) for each in columns if wanted in (None, each.resource_id)]
        return _typed(jsonify(rows), LINE_ITEMS)

    @app.get("/courses/<course_id>/lineitems/<column_id>")
    def lineitem(course_id: str, column_id: str) -> Response | Refusal:
        column = lms.columns.get(column_id)
        if not (may(lms, f"{SCOPE}lineitem") or may(lms, f"{SCOPE}lineitem.readonly")):
            return jsonify(error="invalid_token"), 401
        if column is None or column.course_id != course_id:
            return jsonify(error="not_found"), 404
        return _typed(jsonify(_described(lms, column)), LINE_ITEM)

    @app.post("/courses/<course_id>/lineitems")
    def add_lineitem(course_id: str) -> Response | Refusal:
        if not may(lms, f"{SCOPE}lineitem"):
            return jsonify(error="invalid_token"), 401
        given = request.get_json(silent=True) if request.content_type == LINE_ITEM else None
        if not isinstance(given, dict) or not given.get("label") or not given.get("scoreMaximum"):
            return jsonify(error="No handler found, or label and scoreMaximum are missing"), 400
        link_id = given.get("resourceLinkId")
        if link_id is not None and link_id not in _links(lms, course_id):
            return jsonify(error="no such link"), 403
        column = ToolColumn(
            secrets.token_hex(4), course_id, given["label"], given["scoreMaximum"], given.get("resourceId", ""), link_id
        )
        column.review = given.get("submissionReview", {})
        lms.columns[column.id] = column
        answer = _typed(jsonify(_described(lms, column)), LINE_ITEM)
        answer.status_code = 201
        return answer


def _links(lms: "Lms", course_id: str) -> set[str]:
    """The ids of what may be opened in a course: what tools placed, and the mentoring that is always there."""
    return {f"{course_id}-mentoring", *(link.id for link in lms.links.get(course_id, []))}


def _add_scores(app: Flask, lms: "Lms") -> None:
    @app.post("/courses/<course_id>/lineitems/<column_id>/scores")
    def add_score(course_id: str, column_id: str) -> Response | Refusal:
        lms.score_requests += 1
        column, course = lms.columns.get(column_id), lms.world.course(course_id)
        if not may(lms, f"{SCOPE}score"):
            return jsonify(error="invalid_token"), 401
        if column is None or course is None:
            return jsonify(error="not_found"), 404
        given = request.get_json(silent=True) if request.content_type == SCORES else None
        problem = _problem(given) if isinstance(given, dict) else "No handler found"
        if given is None or problem:
            return jsonify(error=problem), 400
        if given["userId"] not in course.members:
            return jsonify(error="User could not be found"), 400
        at = datetime.fromisoformat(given["timestamp"]).replace(microsecond=0)
        known = column.scores.get(given["userId"])
        if known is not None and at <= known[0]:
            return jsonify(error="Refusing score with an earlier timestamp"), 409
        # As on Moodle: a score that may still change counts for nothing, and what stood there goes.
        is_given = "scoreGiven" in given and (given["gradingProgress"] == "FullyGraded" or lms.shows_pending)
        points = given["scoreGiven"] / given["scoreMaximum"] * column.maximum if is_given else None
        column.scores[given["userId"]] = (at, points, given["activityProgress"])
        column.graded[given["userId"]] = given["gradingProgress"]
        times = given.get("submission", {})
        column.worked[given["userId"]] = {name: datetime.fromisoformat(value) for name, value in times.items()}
        return jsonify({})

    @app.get("/courses/<course_id>/lineitems/<column_id>/results")
    def results(course_id: str, column_id: str) -> Response | Refusal:
        column = lms.columns.get(column_id)
        if not may(lms, f"{SCOPE}result.readonly"):
            return jsonify(error="invalid_token"), 401
        if column is None:
            return jsonify(error="not_found"), 404
        rows = [
            {
                "userId": person,
                "resultScore": points,
                "resultMaximum": column.maximum,
                "scoreOf": column_address(lms, column),
            }
            for person, (_, points, _) in column.scores.items()
            if points is not None
        ]
        return _typed(jsonify(rows), RESULTS)


def _typed(answer: Response, media_type: str) -> Response:
    answer.content_type = media_type
    return answer


def _problem(given: dict[str, Any]) -> str | None:
    takes_away = given.get("gradingProgress") == "NotReady" and "scoreGiven" not in given
    numbers = () if takes_away else ("scoreGiven", "scoreMaximum")
    needed = ("userId", "timestamp", "activityProgress", "gradingProgress", *numbers)
    missing = [name for name in needed if given.get(name) is None]
    if missing:
        return f"{missing[0]} is missing"
    if given["gradingProgress"] not in PROGRESS or (not takes_away and given["scoreMaximum"] <= 0):
        return "not a grade"
    times = given.get("submission", {})
    problems = [_time_problem(name, value) for name, value in {"timestamp": given["timestamp"], **times}.items()]
    problems += [
        f"{name} in the future"
        for name, value in times.items()
        if not any(problems) and datetime.fromisoformat(value) > clock.now() + AHEAD
    ]
    return next((problem for problem in problems if problem), None)


def _time_problem(name: str, value: str) -> str | None:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return name
    return None if at.tzinfo and "." in value else f"{name} without sub-seconds or zone"
