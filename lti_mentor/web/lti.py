"""The doors the LMS knocks at: login, launch and our public keys."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, g, jsonify, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from lti_mentor.activity.record import account_hash
from lti_mentor.db import UNREACHABLE
from lti_mentor.errors import LaunchError, MentorError, TooMany
from lti_mentor.lti import contexts, deep_linking, keys, launch, links, login, platforms, texts
from lti_mentor.lti.deep_linking import Picker
from lti_mentor.lti.launch import Launch
from lti_mentor.mentoring import course_copies, courses, joining, organizations, people, readiness_columns
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.people import Person
from lti_mentor.web import frames, headers, home, language, limits, placed, reviews, visit
from lti_mentor.web.placed import Content
from lti_mentor.web.tool import tool

lti = Blueprint("lti", __name__, url_prefix="/lti")
log = logging.getLogger(__name__)
# After these no launch can follow on the same login any more.
FOR_GOOD = (
    "launch.expired_login",
    "launch.login_required",
    "launch.pending_deployment",
    "launch.platform_error",
    "launch.unknown_state",
    "launch.used_state",
)
ERROR_CODE = re.compile(r"[A-Za-z_]{1,60}")
# OpenID Connect 3.1.2.6: it may ask nothing in a frame, and does not see there who is signed in.
LOGIN_REQUIRED = (
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "login_required",
)


@dataclass(frozen=True)
class Arrival:
    """``is_news``: the course is a copy of one we know, and no teacher has seen yet what came along."""

    content: Content
    course: Course | None
    is_news: bool


@lti.route("/login", methods=["GET", "POST"])
def begin_login() -> AnyResponse:
    """Security Framework 5.1.1.1: by GET or by POST."""
    if frames.shall_ask():
        return frames.ask()
    opened = frames.opened_in_tab()
    if opened is not None:
        return redirect(opened, 303)
    with tool().database.storing() as db:
        given, is_framed = request.values.to_dict(), frames.is_framed()
        begun = login.begin(db, tool(), given, address=limits.address(), is_framed=is_framed)
    headers.let_platform_frame(begun.platform)
    return frames.onward(begun)


@lti.post("/launch")
def take_launch() -> AnyResponse:
    """Verify, then write everything the launch brings in one transaction, then go to a page of its own."""
    settings, database = tool().settings, tool().database
    if "error" in request.form:
        raise _stopped(request.form["error"])
    state, token = request.form.get("state", ""), request.form.get("id_token", "")
    if not state or not token:
        raise LaunchError("launch.missing_parameter", name="state or id_token")
    secret, tab = frames.returned(state)
    with database.looking() as db:
        waiting = launch.pending(db, settings, state=state)
    headers.let_platform_frame(waiting.platform)
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
    g.framing_origins = tuple(launched.framing_origins)
    if launched.deep_link is not None and not launched.may_place:
        raise LaunchError("launch.not_teacher")
    if not launched.is_let_in:
        with database.transaction() as db:
            problem = launch.announce(db, launched)
        raise problem
    opened, endpoint, values = _open(launched)
    location = url_for(endpoint, visit_key=opened.key, **values)
    if frames.cookie_of(state) not in request.cookies:
        return frames.shown_at_once(location, opened.secret)
    response = redirect(location, 303)
    visit.set_cookie(response, opened)
    frames.forget_login(response, state)
    frames.remember_tab(response, tab, location)
    return response


def _stopped(given: str) -> LaunchError:
    """What the platform says instead of who it is (Security Framework 5.1.1.5); a code of its own, never a sentence."""
    word = given if ERROR_CODE.fullmatch(given) else "error"
    reason = "launch.login_required" if word in LOGIN_REQUIRED else "launch.platform_error"
    besides = texts.shown(request.form.get("error_description")) or ""
    return LaunchError(reason, detail=f"{word} {besides}".strip(), word=word)


def _tab_of(error: MentorError) -> str | None:
    """Where the login begins once more in a tab of its own, for a platform whose cookies are blocked in frames."""
    state = request.form.get("state", "")
    if error.reason != "launch.login_required" or not frames.is_framed() or frames.returned(state)[1]:
        return None
    try:
        with tool().database.looking() as db:
            waiting = launch.pending(db, tool().settings, state=state)
    except (LaunchError, *UNREACHABLE):
        return None
    headers.let_platform_frame(waiting.platform)
    return frames.tab_url(waiting.login.again) if waiting.login.again else None


def _open(launched: Launch) -> tuple[visit.Opened, str, dict[str, Any]]:
    """In one transaction; in another one where the person became one with another account in the same moment."""
    tries = count()

    def arrive(db: Session) -> tuple[visit.Opened, str, dict[str, Any]]:
        consumed = launch.consume(db, launched)
        if next(tries):
            organizations.lock(db, launched.organization_id)  # after whoever it was
        return _arrive(db, consumed)

    return tool().database.write(arrive)


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
    person = people.meet(db, launched.organization_id, identity, keyed=partial(account_hash, db, tool().vault))
    arrival = _enter(db, launched, person)
    course = arrival.course
    opened = visit.open_visit(
        db,
        person,
        platform_id=launched.platform.id,
        course_id=course.id if course else None,
        framing_origins=launched.framing_origins,
        hours=settings.visit_hours,
        a_minute=settings.launches_a_minute_of_person,
    )
    courses.launched(db, person, course)
    platforms.launched(db, launched.deployment)
    return opened, *_first_page(db, launched, person, opened, arrival)


def _enter(db: Session, launched: Launch, person: Person) -> Arrival:
    content = placed.content(db, launched)
    if launched.context is None:
        return Arrival(content, None, False)
    place = courses.Place(
        deployment_id=launched.deployment.id,
        context_id=launched.context.id,
        label=launched.context.label,
        title=launched.context.title,
        begins_at=launched.context.begins_at,
        ends_at=launched.context.ends_at,
    )
    course = joining.enter(db, person, place, teaches=launched.teaches)
    contexts.keep(db, launched.deployment, launched.context.id, launched.services)
    link_id = launched.resource_link_id if launched.review is None else None  # a review names the link as it likes
    if content.link is not None and link_id is not None:
        title = launched.resource_link_title
        links.launched(db, content.link, launched.deployment, launched.context.id, link_id, title=title)
    column_url = launched.services.lineitem_url
    if content.link is not None and column_url is not None:
        readiness_columns.found_there(db, course, content.link.key, column_url)
    copy = (
        course_copies.recognize(db, course, _originals(db, launched, content), by=person) if launched.teaches else None
    )
    return Arrival(content, course, copy is not None and copy.settled_at is None)


def _originals(db: Session, launched: Launch, content: Content) -> list[tuple[UUID, str]]:
    """The places this course may be a copy of, the nearest first.

    Ids of contexts are of the deployment; a key of ours is of the platform, where a copy may be a new deployment (see
    the quirk new_deployments).
    """
    here, placed_in = launched.deployment.id, content.placed_in
    originals = [(here, context_id) for context_id in launched.context_history]
    if placed_in is not None and (placed_in[0] == here or platforms.has(db, launched.platform, placed_in[0])):
        originals.append(placed_in)
    return originals


def _first_page(
    db: Session, launched: Launch, person: Person, opened: visit.Opened, arrival: Arrival
) -> tuple[str, dict[str, Any]]:
    if launched.deep_link is not None:
        picker = deep_linking.open_picker(db, launched.deployment, launched.deep_link, visit_key=opened.key)
        return "picker.choose", {"picker_id": picker.id}
    if launched.privacy_of is not None:
        visit.turn_into(db, opened, "privacy", _known(db, launched, [launched.privacy_of]))
        return "privacy.home", {}
    if launched.observed is not None:
        opened = visit.turn_into(db, opened, "observer", _known(db, launched, launched.observed))
    if launched.review is not None:
        return reviews.destination(db, launched, launched.review, person, arrival.content.link)
    choice = _open_choice(db, launched, opened, arrival.content)
    if arrival.is_news and launched.teaches:
        return "coordinator.home", {}
    if arrival.content.link is not None:
        return placed.destination(db, arrival.content.link, person)
    if arrival.content.is_lost:
        if choice is not None:
            return "picker.choose", {"picker_id": choice.id, "done": "link.lost"}
        return "home.home", {"done": "link.gone"}
    return home.first(db, person, opened.parts), {}


def _open_choice(db: Session, launched: Launch, opened: visit.Opened, content: Content) -> Picker | None:
    """A teacher may choose what an activity shows whose key leads nowhere, or that has none."""
    link_id = launched.resource_link_id
    if content.is_kept or not launched.teaches or launched.context is None or link_id is None:
        return None
    return deep_linking.open_choice(db, launched.deployment, link_id, visit_key=opened.key)


def _known(db: Session, launched: Launch, subjects: Sequence[str]) -> Sequence[Person]:
    return people.by_accounts(db, launched.organization_id, launched.platform.issuer, subjects)


@lti.get("/launch")
def explain_launch() -> tuple[str, int]:
    """Somebody opened the address by hand."""
    return render_template("lti/explain.html"), 405


@lti.get("/jwks")
def key_set() -> Response:
    """Security Framework 6.3: also keys that are to sign, and that signed."""
    with tool().database.reading() as db:
        response = jsonify(keys.public_set(db))
    response.headers["Cache-Control"] = f"public, max-age={int(keys.MAX_AGE.total_seconds())}"
    return response


@lti.errorhandler(LaunchError)
@lti.errorhandler(TooMany)
def refuse(error: MentorError) -> Response:
    """A page that says what went wrong; the log says a little more, and nothing secret."""
    headers.let_anybody_frame()
    log.warning("launch refused", extra={"reason": error.reason, "detail": getattr(error, "detail", "")})
    page = render_template("lti/refused.html", error=error, tab_url=_tab_of(error))
    response = Response(page, error.status, headers.when_again(error))
    if error.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'  # RFC 9110, 15.5.2: never without it
    if error.reason in FOR_GOOD:
        frames.forget_login(response, request.form.get("state", ""))
    return response
