"""Record stores outside: which get statements, whether they take them, and what they refused."""

import uuid
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any

from flask import render_template, request
from marshmallow import fields
from sqlalchemy.orm import Session

from lti_mentor.activity import outside
from lti_mentor.activity.outside import VERSIONS, TargetDraft
from lti_mentor.errors import Invalid, Refused
from lti_mentor.mentoring import audit
from lti_mentor.web import language
from lti_mentor.web.admin.blueprint import admin
from lti_mentor.web.fields import FormSchema, day, load, text
from lti_mentor.web.forms import form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url
from xapi.rows import Target

MOST_LETTERS = 50
LISTS = ("verbs", "activities", "profiles")


class TargetForm(FormSchema):
    label = text()
    endpoint = text()
    key = text()
    secret = text()
    version = text()
    token_endpoint = fields.String(load_default=None)
    scope = fields.String(load_default=None)
    verbs = text()
    activities = text()
    profiles = text()
    since = day(load_default=None)


@admin.get("/targets", endpoint="targets")
def show_targets(error: Invalid | None = None) -> str:
    """How each of them stands, and the form for one more."""
    with tool().database.reading() as db:
        found = outside.standings(db, current_visit().organization_id)
    return render_template("admin/targets.html", rows=found, versions=VERSIONS, error=error, typed=request.form)


@admin.post("/targets")
@form(again=show_targets)
def add_target(db: Session) -> str:
    """Send statements there from now on; a worker checks it first, for nothing is asked from a page."""
    visit = current_visit()
    try:
        typed = load(TargetForm, lambda known: outside.problems(_draft(known)))
        target = outside.add(db, tool().vault, visit.organization_id, _draft(typed))
    except Refused as problem:
        raise Invalid({"label": problem.reason}) from None
    place = f"admin.targets {target.label}: {target.endpoint}"
    audit.write(db, visit.organization_id, "target_added", place=place, actor_id=visit.person_id)
    return visit_url("admin.target", target_id=target.id)


def _draft(typed: Mapping[str, Any]) -> TargetDraft:
    """Also of a form that could be read in part."""
    lists = {name: tuple(typed[name].split()) for name in LISTS}
    since = _midnight(typed["since"]) if typed.get("since") else None
    return TargetDraft(**{**typed, **lists, "since": since, "version": typed["version"] or VERSIONS[0]})


def _midnight(on: date) -> datetime:
    """When the day begins where the administrator is."""
    return datetime.combine(on, time.min, language.zone())


@admin.get("/targets/<uuid:target_id>", endpoint="target")
def show_target(target_id: uuid.UUID, error: Invalid | None = None) -> str:
    """What waits for it, how it answered, and what it refused."""
    given = request.args.get("after", "")
    after = int(given) if given.isdecimal() and len(given) < 19 else 0
    with tool().database.reading() as db:
        row = outside.standing(db, current_visit().organization_id, target_id)
        letters = outside.dead_letters(db, row.target, most=MOST_LETTERS + 1, after=after)
    return render_template(
        "admin/target.html",
        row=row,
        target=row.target,
        letters=letters[:MOST_LETTERS],
        is_first=after == 0,
        following=letters[MOST_LETTERS - 1].seq if len(letters) > MOST_LETTERS else None,
        error=error,
        typed=request.form,
    )


def _to_change(db: Session, target_id: uuid.UUID, what: str) -> Target:
    """On record."""
    visit = current_visit()
    target = outside.to_change(db, visit.organization_id, target_id)
    place = f"admin.target {target.label}: {what}"
    audit.write(db, visit.organization_id, "target_changed", place=place, actor_id=visit.person_id)
    return target


@admin.post("/targets/<uuid:target_id>/paused")
@form()
def pause_target(db: Session, target_id: uuid.UUID) -> str:
    """Send nothing until it is resumed; statements wait for it."""
    outside.pause(_to_change(db, target_id, "paused"))
    return visit_url("admin.target", target_id=target_id)


@admin.post("/targets/<uuid:target_id>/resumed")
@form()
def resume_target(db: Session, target_id: uuid.UUID) -> str:
    """Check it again, and send what waits."""
    outside.resume(_to_change(db, target_id, "resumed"))
    return visit_url("admin.target", target_id=target_id)


class SecretForm(FormSchema):
    key = text()
    secret = text()


@admin.post("/targets/<uuid:target_id>/secret")
@form(again=show_target)
def change_secret(db: Session, target_id: uuid.UUID) -> str:
    """Get in with another key or secret; what waits stays."""
    typed = load(SecretForm)
    target = _to_change(db, target_id, "key and secret")
    outside.change_secret(tool().vault, target, key=typed["key"], secret=typed["secret"])
    return visit_url("admin.target", target_id=target_id)


class OlderForm(FormSchema):
    since = day(required=True)


@admin.post("/targets/<uuid:target_id>/older")
@form(again=show_target)
def send_older(db: Session, target_id: uuid.UUID) -> str:
    """Send what was stored from a day on, once more or for the first time."""
    since = _midnight(load(OlderForm)["since"])
    outside.send_older(db, _to_change(db, target_id, "older statements"), since)
    return visit_url("admin.target", target_id=target_id)


@admin.post("/targets/<uuid:target_id>/removed")
@form()
def remove_target(db: Session, target_id: uuid.UUID) -> str:
    """Forget it, with what waits for it and what it refused."""
    visit = current_visit()
    target = outside.to_change(db, visit.organization_id, target_id)
    place = f"admin.target {target.label}: {target.endpoint}"
    audit.write(db, visit.organization_id, "target_removed", place=place, actor_id=visit.person_id)
    outside.remove(db, target)
    return visit_url("admin.targets")


@admin.post("/targets/<uuid:target_id>/replayed")
@form()
def replay_letters(db: Session, target_id: uuid.UUID) -> str:
    """Send what it refused again: one statement or all."""
    wanted = _statement_id()
    outside.replay(db, _to_change(db, target_id, f"sent again what it refused, {wanted or 'all'}"), wanted)
    return visit_url("admin.target", target_id=target_id, _anchor="letters")


@admin.post("/targets/<uuid:target_id>/dropped")
@form()
def drop_letters(db: Session, target_id: uuid.UUID) -> str:
    """Give up what it refused: one statement or all."""
    wanted = _statement_id()
    outside.drop(db, _to_change(db, target_id, f"gave up what it refused, {wanted or 'all'}"), wanted)
    return visit_url("admin.target", target_id=target_id, _anchor="letters")


def _statement_id() -> uuid.UUID | None:
    """None stands for all of them. Raises Invalid for what is no id."""
    given = request.form.get("statement", "")
    try:
        return uuid.UUID(given) if given else None
    except ValueError:
        raise Invalid({"statement": "invalid"}) from None
