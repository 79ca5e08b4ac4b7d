"""A small but strict LTI 1.3 platform: courses, log-in, signed launches, and a gradebook that speaks xAPI."""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask, Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from lti_mentor.practice.copies import add_copies, resolved
from lti_mentor.practice.deep_links import add_deep_linking, request_claims
from lti_mentor.practice.grades import ToolColumn, add_grade_service, column_address
from lti_mentor.practice.messages import ADMINISTRATOR, add_privacy, changes_for, is_reviewable, target_of
from lti_mentor.practice.registration import RegisteredTool, add_registration
from lti_mentor.practice.services import add_services
from lti_mentor.practice.tokens import CLAIM, GRADES, SigningKey, claims
from lti_mentor.practice.world import INSTRUCTOR, CourseLink, LmsCourse, LmsItem, LmsPerson, World

COOKIE = "practice_person"
STORAGE_FRAME = "post_message_forwarding"  # as Canvas names it
MOST_SHOWN = 100  # people of a course to choose from
CUSTOM = {"context_history": "$Context.id.history", "link_history": "$ResourceLink.id.history"}  # set by hand


@dataclass(frozen=True)
class Hint:
    """What a login was begun for."""

    person_id: str
    course_id: str
    client_id: str
    message: str = ""  # deep_linking, review, privacy, or nothing special
    link: CourseLink | None = None
    about: str = ""  # the person of a review or of a privacy launch
    column_id: str = ""  # of a review


class Lms:
    """The platform's own state: keys, hints that wait for a log-in, and grades."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.offers_storage = world.offers_storage  # LTI Client Side postMessages
        self.log_in_origin: str | None = None  # where it is not that of the courses; of its storage, too
        self.keys = [SigningKey()]
        self.hints: dict[str, Hint] = {}
        self.links: dict[str, list[CourseLink]] = {each.id: list(each.links) for each in world.courses if each.links}
        self.asked_links: dict[str, str] = {}  # data of a deep linking request -> course
        base = f"{world.tool_url}/lti"
        first = RegisteredTool(
            world.client_id, None, "Mentoring", f"{base}/login", world.launch_url, f"{base}/jwks", dict(CUSTOM)
        )
        self.tools: dict[str, RegisteredTool] = {first.client_id: first}
        self.access_tokens: dict[str, frozenset[str]] = {}  # token -> scopes
        self.assertions: set[str] = set()  # ids of assertions that were used
        self.token_requests = 0
        self.roster_requests = 0
        self.columns: dict[str, ToolColumn] = {}  # that tools made, by id
        self.lists_columns = True  # else a launch names the column of its link and nothing else
        self.score_requests = 0
        self.shows_pending = False  # numbers that may still change, as Moodle never does
        self.bad_answers: list[Callable[[], Response | None]] = []  # of the services, before they work again
        self.most_members = 50  # in one page of a roster, whatever is asked for
        self.forgets_link = False  # on the way to the next page of those who can open it
        self.registration_tokens: set[str] = set()
        self.grades: dict[tuple[str, str, str], float] = {}  # course, person, item
        self.key_requests = 0
        self.before_keys: Callable[[], None] = lambda: None  # what happens meanwhile

    def rotate(self) -> None:
        """Sign with a new key; the one before is not published any more."""
        self.keys = [SigningKey()]

    def sign_in(self, page: Response, person_id: str) -> None:
        same_site = "None" if self.offers_storage else "Lax"  # a page of the tool comes between, where storage is used
        page.set_cookie(COOKIE, person_id, httponly=True, secure=self.offers_storage, samesite=same_site)

    def begin(self, person: LmsPerson, course: LmsCourse, **wanted: Any) -> str:
        """The login initiation, as a form that submits itself."""
        tool = self.tools.get(request.args.get("client", self.world.client_id)) or abort(404)
        hint, key = Hint(person.id, course.id, tool.client_id, **wanted), secrets.token_urlsafe(12)
        self.hints[key] = hint
        fields = {
            "iss": self.world.issuer,
            "login_hint": person.id,
            "target_link_uri": target_of(self, hint) or tool.launch_url,
            "lti_message_hint": json.dumps({"launch": key}),
            "client_id": tool.client_id,
            "lti_deployment_id": tool.deployment_id or course.deployment_id,
            **_storage(self),
        }
        return render_template("post.html", action=tool.login_url, fields=fields)

    def token(self, person: LmsPerson, course: LmsCourse, nonce: str, **changes: Any) -> str:
        """A signed launch; ``changes`` replace claims, None takes one away."""
        body = claims(self.world, person, course, nonce=nonce) | changes
        if not self.lists_columns:
            body[GRADES] = _lone_column(body.get(GRADES) or {})
        return self.keys[0].sign({name: value for name, value in body.items() if value is not None})


def _lone_column(offered: Mapping[str, Any]) -> dict[str, Any] | None:
    """Without the list of columns, and no right to it."""
    score = "https://purl.imsglobal.org/spec/lti-ags/scope/score"
    return {"lineitem": offered["lineitem"], "scope": [score]} if "lineitem" in offered else None


def create_lms(world: World) -> Flask:
    """The platform as a Flask application; its state is ``app.extensions["lms"]``."""
    app = Flask("practice_lms", template_folder=_here("templates"), static_folder=_here("static"))
    lms = Lms(world)
    app.extensions["lms"] = lms
    app.after_request(_headers(lms))
    app.context_processor(lambda: {"lms": lms, "storage_frame": STORAGE_FRAME})
    _add_pages(app, lms)
    _add_platform(app, lms)
    _add_gradebook(app, lms)
    add_privacy(app, lms)
    add_registration(app, lms)
    add_services(app, lms)
    add_grade_service(app, lms)
    add_deep_linking(app, lms)
    add_copies(app, lms)
    return app


def _here(name: str) -> str:
    return __file__.rpartition("/")[0] + "/" + name


def _headers(lms: Lms) -> Any:
    tool = urlsplit(lms.world.tool_url)

    def add(response: Response) -> Response:
        others = f"{tool.scheme}://{tool.netloc} {lms.log_in_origin or ''}"
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; frame-src 'self' {others};"
            f" form-action 'self' {others}; frame-ancestors 'self' {lms.world.issuer}"
        )
        return response

    return add


def _member(lms: Lms, person_id: str, course_id: str) -> tuple[LmsPerson, LmsCourse]:
    person, course = lms.world.person(person_id), lms.world.course(course_id)
    if person is None or course is None or person_id not in course.members:
        abort(404)
    return person, course


def _add_pages(app: Flask, lms: Lms) -> None:
    @app.get("/")
    def start() -> str:
        return render_template("start.html", world=lms.world, most=MOST_SHOWN)

    @app.get("/as/<person_id>/courses/<course_id>")
    def course_page(person_id: str, course_id: str) -> Response:
        person, course = _member(lms, person_id, course_id)
        teaches = INSTRUCTOR in course.members[person_id]
        page = Response(
            render_template(
                "course.html",
                person=person,
                person_id=person_id,
                course=course,
                teaches=teaches,
                tools=lms.tools.values(),
                links=[each for each in lms.links.get(course_id, []) if person_id in lms.world.opening(course, each)],
            )
        )
        lms.sign_in(page, person_id)
        return page

    @app.get("/as/<person_id>/storage")
    def storage(person_id: str) -> Response:
        """The frame that keeps things for tools. At its origin the person is signed in below this page alone."""
        page = Response(render_template("storage.html"))
        page.set_cookie(COOKIE, person_id, httponly=True, secure=True, samesite="None", partitioned=True)
        return page

    @app.get("/as/<person_id>/courses/<course_id>/open")
    def open_tool(person_id: str, course_id: str) -> str:
        person, course = _member(lms, person_id, course_id)
        given = request.args
        link = next((each for each in lms.links.get(course.id, []) if each.id == given.get("link", "")), None)
        if link is not None and person_id not in lms.world.opening(course, link):
            abort(403)
        if given.get("message") == "review" and given.get("column") not in lms.columns:
            abort(404)
        about, column_id = given.get("about", ""), given.get("column", "")
        return lms.begin(person, course, message=given.get("message", ""), link=link, about=about, column_id=column_id)


def _add_platform(app: Flask, lms: Lms) -> None:
    @app.route("/authorize", methods=["GET", "POST"])
    def authorize() -> Any:
        given = request.values
        tool = lms.tools.get(given.get("client_id", ""))
        if tool is None or given.get("redirect_uri") != tool.launch_url:
            return "This client or this redirect URI is not registered.", 400
        problem = _problem(lms, given)
        if problem:
            fields = {"error": problem, "state": given.get("state", "")}
            return render_template("post.html", action=tool.launch_url, fields=fields)
        hint = lms.hints.pop(json.loads(given["lti_message_hint"])["launch"])
        person, course = _asked_by(lms, hint)
        asked = {**course.custom, **tool.custom, **(hint.link.custom if hint.link else {})}
        changes: dict[str, Any] = {"aud": tool.client_id, f"{CLAIM}custom": resolved(asked, course, hint.link)}
        if tool.deployment_id:
            changes[f"{CLAIM}deployment_id"] = tool.deployment_id
        if hint.link is not None:
            changes[f"{CLAIM}resource_link"] = {"id": hint.link.id, "title": hint.link.title}
            changes |= _with_column(lms, hint.link, person, course)
        if hint.message == "deep_linking":
            changes |= request_claims(lms, course.id)
        changes |= changes_for(lms, hint, claims(lms.world, person, course, nonce="") | changes)
        changes[f"{CLAIM}target_link_uri"] = target_of(lms, hint) or tool.launch_url
        token = lms.token(person, course, given["nonce"], **changes)
        fields = {"id_token": token, "state": given["state"], **_storage(lms)}
        return render_template("post.html", action=tool.launch_url, fields=fields)

    @app.get("/jwks")
    def key_set() -> Response:
        lms.key_requests += 1
        lms.before_keys()
        return jsonify(keys=[key.jwk() for key in lms.keys])


def _storage(lms: Lms) -> dict[str, str]:
    """Which frame keeps things for tools, when one does."""
    frame = STORAGE_FRAME if lms.log_in_origin else "_parent"
    return {"lti_storage_target": frame} if lms.offers_storage else {}


def _with_column(lms: Lms, link: CourseLink, person: LmsPerson, course: LmsCourse) -> dict[str, Any]:
    """A link that has one column names it beside the other grade services."""
    columns = [each for each in lms.columns.values() if link.id == each.link_id or link.column_id == each.id]
    if len(columns) != 1:
        return {}
    offered = claims(lms.world, person, course, nonce="")[GRADES]
    return {GRADES: {**offered, "lineitem": column_address(lms, columns[0])}}


def _asked_by(lms: Lms, hint: Hint) -> tuple[LmsPerson, LmsCourse]:
    """Who launches; an administrator comes from no course, which names the deployment alone."""
    course = lms.world.course(hint.course_id)
    if hint.message == "privacy" and course is not None:
        return ADMINISTRATOR, course
    return _member(lms, hint.person_id, hint.course_id)


_WANTED = {"scope": "openid", "response_type": "id_token", "response_mode": "form_post", "prompt": "none"}


def _problem(lms: Lms, given: Mapping[str, str]) -> str | None:
    """An error code of OpenID Connect, when the request is not right in every part."""
    if any(given.get(name) != value for name, value in _WANTED.items()):
        return "invalid_request"
    if not given.get("nonce") or not given.get("state"):
        return "invalid_request"
    try:
        hint = lms.hints.get(json.loads(given.get("lti_message_hint", ""))["launch"])
    except (ValueError, TypeError, KeyError):
        return "invalid_request"
    if hint is None or hint.person_id != given.get("login_hint") or hint.client_id != given.get("client_id"):
        return "access_denied"
    signed_in = request.cookies.get(COOKIE)
    return "login_required" if signed_in is None else None


def _add_gradebook(app: Flask, lms: Lms) -> None:
    @app.get("/as/<person_id>/courses/<course_id>/grades")
    def gradebook(person_id: str, course_id: str) -> str:
        person, course = _teacher(lms, person_id, course_id)
        known = {person.id: person for person in lms.world.people}
        learners = [known.get(member) for member, roles in course.members.items() if INSTRUCTOR not in roles]
        said = request.args.get("said", "")
        return render_template(
            "grades.html",
            person=person,
            course=course,
            items=course.items,
            learners=learners,
            said=said,
            columns=[column for column in lms.columns.values() if column.course_id == course.id],
            is_reviewable=is_reviewable,
        )

    @app.post("/as/<person_id>/courses/<course_id>/grades")
    def give_grade(person_id: str, course_id: str) -> AnyResponse:
        _, course = _teacher(lms, person_id, course_id)
        learner = lms.world.person(request.form["learner"])
        item = next((item for item in course.items if item.id == request.form["item"]), None)
        score = request.form.get("score", type=float)
        if learner is None or learner.id not in course.members or item is None:
            abort(404)
        if score is None or not 0 <= score <= item.maximum:
            said = f"A grade lies between 0 and {item.maximum}."
        else:
            lms.grades[course.id, learner.id, item.id] = score
            said = _report(lms.world, course, learner, item, score)
        return redirect(url_for("gradebook", person_id=person_id, course_id=course_id, said=said), 303)


def _teacher(lms: Lms, person_id: str, course_id: str) -> tuple[LmsPerson, LmsCourse]:
    person, course = _member(lms, person_id, course_id)
    if INSTRUCTOR not in course.members[person_id]:
        abort(403)
    return person, course


def _report(world: World, course: LmsCourse, learner: LmsPerson, item: LmsItem, score: float) -> str:
    """Tell the record store of the tool, as an LMS with an xAPI plugin does."""
    if course.lrs_key is None:
        return "The grade is saved. This course reports to no record store."
    key, _, secret = course.lrs_key.partition(":")
    try:
        answer = requests.post(
            f"{world.tool_url}/xapi/statements",
            json=scored(world, course, learner, item, score),
            auth=(key, secret),
            headers={"X-Experience-API-Version": "1.0.3"},
            timeout=(3, 10),
        )
    except requests.RequestException:
        return "The grade is saved, but the record store does not answer: it was not told."
    if answer.status_code == 200:
        return f"The grade is saved and reported: {learner.name or learner.id}, {item.title}, {score:g}."
    return f"The grade is saved, but the record store refused it with status {answer.status_code}."


def scored(world: World, course: LmsCourse, learner: LmsPerson, item: LmsItem, score: float) -> dict[str, Any]:
    """A grade as an xAPI statement."""
    iri = world.item_iri(course, item)
    return {
        "actor": {"objectType": "Agent", "account": {"homePage": world.issuer, "name": learner.id}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/scored", "display": {"en": "scored"}},
        "object": {
            "id": iri,
            "definition": {"type": "http://adlnet.gov/expapi/activities/assessment", "name": {"en": item.title}},
        },
        "result": {"score": {"raw": score, "min": 0, "max": item.maximum, "scaled": score / item.maximum}},
        "context": {"contextActivities": {"parent": [{"id": f"{world.issuer}/courses/{course.id}"}]}},
    }
