"""The doors the LMS knocks at: login, launch and our public keys."""

import logging
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from flask import Blueprint, Response, g, jsonify, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from lti_mentor.errors import LaunchError, MentorError, TooMany
from lti_mentor.lti import contexts, deep_linking, keys, launch, login
from lti_mentor.lti.launch import Launch
from lti_mentor.mentoring import courses, people
from lti_mentor.mentoring.people import Person
from lti_mentor.web import frames, headers, language, placed, visit
from lti_mentor.web.tool import tool

lti = Blueprint("lti", __name__, url_prefix="/lti")
log = logging.getLogger(__name__)


@lti.route("/login", methods=["GET", "POST"])
def begin_login() -> AnyResponse:
    """Security Framework 5.1.1.1: by GET or by POST."""
    if frames.shall_ask():
        return frames.ask()
    opened = frames.opened_in_tab()
    if opened is not None:
        return redirect(opened, 303)
    with tool().database.transaction() as db:
        begun = login.begin(db, tool().settings, request.values.to_dict(), address=request.remote_addr or "")
    return frames.onward(begun)


@lti.post("/launch")
def take_launch() -> AnyResponse:
    """Verify, then write everything the launch brings in one transaction, then go to a page of its own."""
    settings, database = tool().settings, tool().database
    if "error" in request.form:
        raise LaunchError("launch.platform_error", detail=request.form["error"][:60])
    state, token = request.form.get("state", ""), request.form.get("id_token", "")
    if not state or not token:
        raise LaunchError("launch.missing_parameter", name="state or id_token")
    secret, tab = frames.returned(state)
    with database.reading() as db:
        waiting = launch.pending(db, settings, state=state)
    page = frames.fetching_page(waiting.platform, state, token) if secret is None else None
    if page is not None:
        return Response(page)
    launch.check_browser(waiting, secret)
    try:
        launched = launch.verify(database, settings, waiting, token)
    except LaunchError:
        with database.transaction() as db:
            launch.failed(db, waiting)
        raise
    if launched.deep_link is not None and not launched.teaches:
        raise LaunchError("launch.not_teacher")
    with database.transaction() as db:
        launched = launch.consume(db, launched)
        opened, endpoint, values = _arrive(db, launched)
    g.framing_origins = tuple(launched.framing_origins)
    location = url_for(endpoint, visit_key=opened.key, **values)
    if frames.cookie_of(state) not in request.cookies:
        return visit.shown_at_once(location, opened.secret)
    response = redirect(location, 303)
    visit.set_cookie(cast(Response, response), opened)
    frames.set_cookie(response, frames.cookie_of(state), "", 0)
    frames.remember_tab(response, tab, opened.key)
    return response


def _arrive(db: Session, launched: Launch) -> tuple[visit.Opened, str, dict[str, Any]]:
    """A new visit, and the end point it begins with."""
    settings = tool().settings
    identity = people.Identity(
        issuer=launched.platform.issuer,
        subject=launched.subject,
        name=launched.name,
        email=launched.email,
        locale=language.known_locale(launched.locale, settings.default_locale),
        zone=language.known_zone(launched.zone, settings.default_time_zone),
    )
    person = people.meet(db, launched.organization_id, identity)
    course = None
    if launched.context is not None:
        place = courses.Place(
            deployment_id=launched.deployment.id,
            context_id=launched.context.id,
            label=launched.context.label,
            title=launched.context.title,
        )
        course = courses.enter(db, person, place, teaches=launched.teaches)
        contexts.keep(db, launched.deployment, launched.context.id, launched.services)
    opened = visit.open_visit(
        db,
        person,
        course_id=course.id if course else None,
        framing_origins=launched.framing_origins,
        hours=settings.visit_hours,
        a_minute=settings.launches_a_minute_of_person,
    )
    courses.launched(db, person, course)
    return opened, *_first_page(db, launched, person, opened)


def _first_page(db: Session, launched: Launch, person: Person, opened: visit.Opened) -> tuple[str, dict[str, Any]]:
    if launched.deep_link is not None:
        picker = deep_linking.open_picker(db, launched.deployment, launched.deep_link, visit_key=opened.key)
        return "picker.choose", {"picker_id": picker.id}
    query = parse_qs(urlsplit(launched.target_link_uri).query)
    key = launched.custom.get("mentor_link") or next(iter(query.get("link", [])), None)
    if key is None:
        return "home.home", {}
    link = deep_linking.placed(db, launched.organization_id, key)
    return placed.destination(db, link, person)


@lti.get("/launch")
def explain_launch() -> tuple[str, int]:
    """Somebody opened the address by hand."""
    return render_template("lti/explain.html"), 405


@lti.get("/jwks")
def key_set() -> Response:
    """Security Framework 6.3: current and retiring keys."""
    with tool().database.reading() as db:
        response = jsonify(keys.public_set(db))
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


@lti.errorhandler(LaunchError)
@lti.errorhandler(TooMany)
def refuse(error: MentorError) -> tuple[str, int, dict[str, str]]:
    """A page that says what went wrong; the log says a little more, and nothing secret."""
    headers.let_anybody_frame()
    log.warning("launch refused", extra={"reason": error.reason, "detail": getattr(error, "detail", "")})
    return render_template("lti/refused.html", error=error), error.status, headers.when_again(error)
