"""Keys of the record store: which clients write and read there, what for, and until when."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any

from flask import render_template, request
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.activity.record import iri_base
from lti_mentor.errors import Invalid, NotFound
from lti_mentor.insight import browser
from lti_mentor.mentoring import audit, lrs_keys, programs
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.lrs_keys import KeyDraft
from lti_mentor.mentoring.programs import Program
from lti_mentor.web import language
from lti_mentor.web.admin.blueprint import admin
from lti_mentor.web.fields import FormSchema, day, load, text
from lti_mentor.web.forms import ShownOnce, form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url
from xapi import keys
from xapi.rows import Key


class KeyForm(FormSchema):
    label = text()
    bound_to = text()
    expires = day(load_default=None)


@admin.get("/lrs-keys", endpoint="lrs_keys")
def show_lrs_keys(error: Invalid | None = None) -> str:
    """Who may do what there, and the form for one more."""
    with tool().database.reading() as db:
        return _page(db, error=error)


def _page(db: Session, *, made: tuple[str, str] | None = None, error: Invalid | None = None) -> str:
    organization_id = current_visit().organization_id
    listed, now = keys.listed(db, tenant=organization_id), clock.now()
    iris = {each.activity for each in listed if each.activity}
    return render_template(
        "admin/lrs_keys.html",
        rows=[(each, keys.state(each, now)) for each in reversed(listed)],
        titles=browser.titles(db, organization_id, iri_base(db), iris),
        programs=programs.listed(db, organization_id),
        courses=lrs_keys.courses_with_programs(db, organization_id),
        scopes=keys.SCOPES,
        chosen=request.form.getlist("scopes") if error else keys.USUAL,
        made=made,
        endpoint=f"{tool().settings.base_url}/xapi",
        last_moment=_last_moment,
        error=error,
        typed=request.form if error else {},
    )


@admin.post("/lrs-keys")
@form(again=show_lrs_keys)
def make_lrs_key(db: Session) -> ShownOnce:
    """Make a key; the page with its secret is the only place where it is ever shown."""
    visit = current_visit()
    typed = load(KeyForm, lambda known: lrs_keys.problems(_draft(db, known)))
    made = lrs_keys.make(db, tool().vault, visit.organization_id, _draft(db, typed))
    audit.write(db, visit.organization_id, "key_added", place=f"admin.lrs_keys {made[0]}", actor_id=visit.person_id)
    return ShownOnce(_page(db, made=made), visit_url("admin.lrs_keys"))


def _draft(db: Session, typed: Mapping[str, Any]) -> KeyDraft:
    """Also of a form that could be read in part."""
    return KeyDraft(
        label=typed["label"],
        scopes=tuple(request.form.getlist("scopes")),
        bound_to=_bound_to(db, typed["bound_to"]),
        expires_at=_when_over(typed["expires"]) if typed.get("expires") else None,
    )


def _when_over(last: date) -> datetime:
    """When the day is over where the administrator is."""
    return datetime.combine(last + timedelta(days=1), time.min, language.zone())


def _last_moment(key: Key) -> datetime | None:
    """On which it is good: the end of a day where it was made, some time of a day further east or west."""
    return key.expires_at - timedelta(microseconds=1) if key.expires_at else None


def _bound_to(db: Session, given: str) -> Program | Course | None:
    """One of those that the form offers. Raises Invalid."""
    organization_id = current_visit().organization_id
    offered: list[Program | Course] = [
        *programs.listed(db, organization_id),
        *lrs_keys.courses_with_programs(db, organization_id),
    ]
    found = next((each for each in offered if str(each.id) == given), None)
    if given and found is None:
        raise Invalid({"bound_to": "choice.missing"})
    return found


@admin.post("/lrs-keys/<key>/disabled")
@form()
def disable_lrs_key(db: Session, key: str) -> str:
    """Let this key in no more."""
    visit = current_visit()
    if not keys.disable(db, tenant=visit.organization_id, key=key, now=clock.now()):
        raise NotFound("key.unknown")
    audit.write(db, visit.organization_id, "key_disabled", place=f"admin.lrs_keys {key}", actor_id=visit.person_id)
    return visit_url("admin.lrs_keys")
