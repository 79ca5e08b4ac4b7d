"""How long statements are kept: the rules, and what one would do before it is one."""

import shlex
import threading
import uuid
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import make_response, render_template, request
from marshmallow import fields
from marshmallow.validate import OneOf
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.errors import Invalid, TooMany
from lti_mentor.insight.retention import Forecast, forecast
from lti_mentor.mentoring import audit, organizations, retention
from lti_mentor.mentoring.retention import WHOSE, RetentionRule
from lti_mentor.web.admin.blueprint import admin
from lti_mentor.web.fields import FormSchema, load
from lti_mentor.web.forms import Shown, form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url
from xapi.vocabulary import PROFILE_VERSION, verbs

LOOK = timedelta(seconds=2)  # what a page may take; the command line looks to the end
LOOKING = threading.Lock()  # one thread of this process: the others have launches to answer
MOST_KINDS = 20  # that a page lists


class RuleForm(FormSchema):
    days = fields.Integer(required=True, error_messages=dict.fromkeys(("required", "invalid"), "retention.days"))
    whose = fields.String(required=True, validate=OneOf(WHOSE, error="choice.missing"))
    verb = fields.String(load_default=None)
    profile = fields.String(load_default=None)


def _rule(given: Mapping[str, str]) -> RetentionRule:
    """Checked, and not kept yet. Raises Invalid."""

    def problems(known: Mapping[str, Any]) -> Mapping[str, str]:
        """Of what could be read: whatever could not stands in for nothing wrong."""
        try:
            retention.check(RetentionRule(**{"days": 1, "verb": None, "profile": None, **known}))
        except Invalid as problem:
            return problem.fields
        return {}

    rule = RetentionRule(**load(RuleForm, problems, given=given))
    retention.check(rule)
    return rule


@admin.get("/retention", endpoint="retention")
def show_retention(error: Invalid | None = None) -> str:
    """The rules, and the form for one more."""
    with tool().database.reading() as db:
        rules = retention.listed(db, current_visit().organization_id)
    return render_template(
        "admin/retention.html",
        rules=rules,
        whose=WHOSE,
        verbs=verbs(),
        profile=PROFILE_VERSION,
        error=error,
        typed=request.values,
    )


@admin.get("/retention/look")
def look_at_rule() -> Shown:
    """What would go by the rule that was typed; nothing is kept or removed. Raises TooMany."""
    try:
        rule = _rule(request.args)
    except Invalid as error:
        return make_response(show_retention(error=error), error.status)
    organization_id = current_visit().organization_id
    with tool().database.reading() as db:
        organization = organizations.get(db, organization_id)
        has_others = bool(retention.listed(db, organization_id))
    found = _forecast(organization_id, rule)
    return render_template(
        "admin/retention_look.html",
        rule=rule,
        found=found,
        has_others=has_others,
        most=found.most[:MOST_KINDS],
        labels={term.iri: term.display for term in verbs()},
        options=f"--organization {shlex.quote(organization.name)} {retention.options(rule)}",
    )


def _forecast(organization_id: uuid.UUID, rule: RetentionRule) -> Forecast:
    if not LOOKING.acquire(blocking=False):
        raise TooMany("retention.looked_at", seconds=int(LOOK.total_seconds()))
    try:
        return forecast(tool().database, organization_id, [rule], until=clock.now() + LOOK)
    finally:
        LOOKING.release()


@admin.post("/retention")
@form(again=show_retention)
def add_rule(db: Session) -> str:
    """From now on a worker removes what it is about."""
    visit = current_visit()
    rule = retention.add(db, visit.organization_id, _rule(request.form))
    _write_down(db, f"added {retention.options(rule)}")
    return visit_url("admin.retention")


@admin.post("/retention/<uuid:rule_id>/removed")
@form()
def remove_rule(db: Session, rule_id: uuid.UUID) -> str:
    """What went stays gone, and what is left stays."""
    rule = retention.remove(db, current_visit().organization_id, rule_id)
    _write_down(db, f"removed {retention.options(rule)}")
    return visit_url("admin.retention")


def _write_down(db: Session, what: str) -> None:
    visit = current_visit()
    place = f"admin.retention: {what}"
    audit.write(db, visit.organization_id, "retention_changed", place=place, actor_id=visit.person_id)
