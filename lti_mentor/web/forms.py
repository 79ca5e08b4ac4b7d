"""Forms: forged ones are refused, one that is sent twice counts once, and what was typed is never lost.

In a template, ``{{ form_fields() }}`` stands in every form. A view that takes one is written so::

    @learner.post("/goals")
    @form(again=new_goal)
    def set_goal(db):
        goal = goals.set_goal(db, current_visit().person, draft_from(request.form))
        return visit_url("learner.goal", goal_id=goal.id)

It runs inside one transaction and returns where the browser goes next. When it raises Invalid, ``again(error=...)``,
the view of the page with the form, shows it with what was typed and the problem beside each field.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

from flask import Flask, after_this_request, current_app, g, make_response, request
from markupsafe import Markup
from sqlalchemy import UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column
from werkzeug.wrappers import Response

from lti_mentor import clock
from lti_mentor.db import Row, lost_a_race
from lti_mentor.errors import Invalid, NotAllowed
from lti_mentor.mentoring.people import Person
from lti_mentor.web import frames, headers
from lti_mentor.web.language import _
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import FIELD, Visit, VisitOver, current_visit, visit_url

Shown = str | Response


@dataclass(frozen=True)
class ShownOnce:
    """What a view returns that made a secret: its page is the answer, and the same form sent again leads elsewhere."""

    page: str
    location: str


Again = Callable[..., Shown]
_PAGES = "lti_mentor.pages"  # the end point of each view


class UsedForm(Row):
    """A form that was taken, and where its answer led."""

    __tablename__ = "used_forms"

    visit_key: Mapped[str]
    form_key: Mapped[str]
    location: Mapped[str]
    used_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (UniqueConstraint("organization_id", "visit_key", "form_key"),)


def install(app: Flask) -> None:
    """After the blueprints: where each view is shown."""
    app.extensions[_PAGES] = {view: endpoint for endpoint, view in app.view_functions.items()}
    app.jinja_env.globals.update(form_fields=form_fields, done_note=done_note)


def form_fields() -> Markup:
    """The hidden fields of every form: what proves the visit, and a key of its own."""
    visit = current_visit()
    fields = {"csrf": csrf_token(visit), "once": request.form.get("once") or secrets.token_urlsafe(18)}
    if visit.is_in_page:
        fields[FIELD] = visit.secret
    return Markup().join(
        Markup('<input type="hidden" name="{}" value="{}">').format(name, value) for name, value in fields.items()
    )


def csrf_token(visit: Visit) -> str:
    """Bound to the visit; needs no cookie of its own."""
    return hmac.new(visit.secret.encode(), b"csrf", hashlib.sha256).hexdigest()


def form(*, again: Again | None = None) -> Callable[[Callable[..., str | ShownOnce]], Callable[..., Shown]]:
    """Make a view take a form, as the docstring of this module shows."""

    def decorate(view: Callable[..., str | ShownOnce]) -> Callable[..., Shown]:
        @wraps(view)
        def take(**kwargs: Any) -> Shown:
            g.form_page = _page_of(again, kwargs)
            after_this_request(_keep_address)
            try:
                return _answer(view, again, kwargs)
            except Exception:
                g.form_page = visit_url("home.home")  # the page that says what is wrong repeats no address
                raise

        return take

    return decorate


def _answer(view: Callable[..., str | ShownOnce], again: Again | None, values: dict[str, Any]) -> Shown:
    _check_forgery(current_visit())
    try:
        taken = _once(view, values)
        return taken.page if isinstance(taken, ShownOnce) else frames.go_on(with_note(taken))
    except Invalid as error:
        if again is None:
            raise
        return make_response(again(error=error, **values), error.status)


def _page_of(again: Again | None, values: dict[str, Any]) -> str:
    """Where the form stands, or the start page: its answer has this address in the history, see answer.js."""
    endpoint = current_app.extensions[_PAGES].get(again)
    return visit_url(endpoint, **values) if endpoint else visit_url("home.home")


def _keep_address(response: Response) -> Response:
    """For htmx, which would note where the form was sent: nobody can come back there."""
    response.headers["HX-Push-Url"] = "false"
    return response


# What a page says after a form was taken, by the end point that took it; the others lead to a page that shows it.
DONE = {
    "link.gone": "What this link led to is not there any more. This is your start page.",
    "link.lost": "What this activity showed is not there any more.",
    "link.chosen": "The activity shows this to everybody from now on.",
    "learner.make_progress": "Your progress is saved.",
    "learner.move_due_date": "The date is moved. The first one stays on record.",
    "learner.achieve_goal": "The goal is achieved.",
    "learner.reopen_goal": "The goal is open again.",
    "learner.remove_goal": "The goal is removed.",
    "learner.rate_self": "Your rating is saved.",
    "learner.book_exam": "The date of the exam is saved.",
    "learner.tell_result": "The result is saved.",
    "learner.submit_evidence": "The evidence is with your mentor.",
    "learner.resubmit_evidence": "The new version is with your mentor.",
    "accounts.use_code": "Both accounts are one now.",
    "pair.plan_meeting": "The meeting is planned.",
    "pair.settle_meeting": "The meeting is noted.",
    "pair.finish": "The mentorship is finished.",
    "pair.close_reminders": "The reminder is put away.",
    "pair.answer_check_in": "Your coordinator reads your answer.",
    "about_me.allow_observers": "Observers whom your school names may see your progress.",
    "about_me.refuse_observers": "No observer sees your progress any more.",
    "privacy.erase": "Everything about the person is erased.",
    "mentor.confirm_goal": "The goal is confirmed.",
    "mentor.override_goal": "Your number is set.",
    "mentor.stop_overriding": "The parts make the number again.",
    "mentor.take_back": "The answer is taken back.",
    "coordinator.create_program": "The program is made. Enroll the first people.",
    "coordinator.change_program": "The settings are saved.",
    "coordinator.change_rules": "The rules are saved.",
    "coordinator.attach_course": "The program runs in this course too.",
    "coordinator.enroll_people": "They are enrolled.",
    "coordinator.pair_people": "They are paired.",
    "coordinator.finish_pair": "The pair is finished.",
    "coordinator.pause_mentor": "The mentor gets no new learners for now.",
    "coordinator.resume_mentor": "The mentor is free for new learners again.",
    "coordinator.read_rosters": "The lists are read as soon as possible.",
    "coordinator.ask_for_people": "The learning platform is asked as soon as possible.",
    "coordinator.remind": "The cards are on their homes.",
    "coordinator.open_grades": "The column is made and filled as soon as possible.",
    "coordinator.choose_sends": "The choice is saved. Scores that are not final are sent by it as soon as possible.",
    "coordinator.close_grades": "Nothing more is sent. What stands in the gradebook stays there.",
    "coordinator.save_map": "The map is saved.",
    "coordinator.settle_copy": "The note is put away. The course map keeps what came along.",
    "coordinator.add_item": "The item is added.",
    "admin.approve": "The platform may launch.",
    "admin.suspend": "The platform may not launch any more, and the visits that came from it are ended.",
    "admin.let_observers": "What observers see is changed.",
    "admin.remove": "The platform is removed.",
    "admin.change_switches": "The settings are saved. The next launch goes by them.",
    "admin.let_in_deployment": "Launches of the deployment come in from now on.",
    "admin.refuse_deployment": "Launches of the deployment are refused from now on.",
    "admin.revoke_invitation": "Nobody can register with this invitation any more.",
    "admin.invite": "The invitation is made. If you did not copy its address, make another.",
    "admin.rotate_keys": "The new key is published. Below stands when it begins to sign.",
    "admin.give_right": "The right is given.",
    "admin.add_target": "The record store is added and checked as soon as a worker is free.",
    "admin.pause_target": "Nothing is sent there now. Statements wait.",
    "admin.resume_target": "It is checked again as soon as a worker is free.",
    "admin.change_secret": "The new secret is kept. It is checked as soon as a worker is free.",
    "admin.send_older": "Older statements are sent as soon as a worker is free.",
    "admin.remove_target": "The record store is removed. What it has got stays there.",
    "admin.replay_letters": "What was refused is sent again.",
    "admin.drop_letters": "What was refused is given up there. It stays in the record store here.",
    "admin.make_lrs_key": "The key is made. If you did not copy the secret, disable the key and make another.",
    "admin.disable_lrs_key": "The key is disabled.",
    "admin.add_rule": "The rule is added. Statements go as soon as a worker is free.",
    "admin.remove_rule": "The rule is removed. What went stays gone.",
    "admin.take_right": "The right is taken away.",
}


def require_own() -> None:
    """For a form that is answered with a file. Raises NotAllowed for one that did not come from the visit."""
    _check_forgery(current_visit())


def with_note(location: str) -> str:
    """The address with what to say there, if this form has something to say."""
    if request.endpoint not in DONE:
        return location
    path, mark, place = location.partition("#")
    return f"{path}{'&' if '?' in path else '?'}done={request.endpoint}{mark}{place}"


def done_note() -> str | None:
    """What the page says about the form that led here, in the language of the request."""
    text = DONE.get(request.args.get("done", ""))
    return _(text) if text and request.method == "GET" else None


def _check_forgery(visit: Visit) -> None:
    """The token decides; a browser that names another origin is refused as well."""
    given = request.form.get("csrf", "")
    if not hmac.compare_digest(given.encode(), csrf_token(visit).encode()):
        raise NotAllowed("form.forged")
    origin = request.headers.get("Origin")
    if origin not in (None, "null") and not headers.is_own_origin(origin):
        raise NotAllowed("form.forged")


def _once(view: Callable[..., str | ShownOnce], kwargs: dict[str, Any]) -> str | ShownOnce:
    """Where to go: from the view, or from the first time when the same form comes again."""
    visit, once = current_visit(), request.form.get("once", "")
    if not 16 <= len(once) <= 64 or not once.isprintable():
        raise NotAllowed("form.forged")
    form_key = _key_of(once)
    try:
        return _take(view, kwargs, form_key)
    except Exception as error:
        if not lost_a_race(error):
            raise
        with tool().database.reading() as db:
            if db.get(Person, visit.person_id) is None:
                raise VisitOver() from None  # became one with another account
        return _take(view, kwargs, form_key)


def _take(view: Callable[..., str | ShownOnce], kwargs: dict[str, Any], form_key: str) -> str | ShownOnce:
    visit = current_visit()
    with tool().database.transaction() as db:
        known = _location(db, visit, form_key)
        if known is not None:
            return known
        used = UsedForm(organization_id=visit.organization_id, visit_key=visit.key, form_key=form_key, location="")
        db.add(used)
        db.flush()
        taken = view(db, **kwargs)
        used.location = taken.location if isinstance(taken, ShownOnce) else taken
        return taken


def _key_of(once: str) -> str:
    """The same only for the same form, sent to the same address with the same in it: one page has several buttons."""
    typed = [(name, request.form.getlist(name)) for name in sorted(request.form) if name not in ("csrf", FIELD)]
    return hashlib.sha256(json.dumps([once, request.path, typed]).encode()).hexdigest()


def _location(db: Session, visit: Visit, form_key: str) -> str | None:
    return db.scalar(
        select(UsedForm.location).where(
            UsedForm.organization_id == visit.organization_id,
            UsedForm.visit_key == visit.key,
            UsedForm.form_key == form_key,
        )
    )
