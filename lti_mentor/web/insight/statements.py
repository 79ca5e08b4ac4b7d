"""Single statements: who and how much only with the right to records. Each view is written down."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import make_response, render_template, request
from sqlalchemy.orm import Session

from lti_mentor.activity.record import iri_base
from lti_mentor.errors import Invalid
from lti_mentor.insight import browser, readers
from lti_mentor.insight.browser import Found, Line
from lti_mentor.mentoring import audit, people
from lti_mentor.mentoring.people import Person
from lti_mentor.web import access
from lti_mentor.web.forms import Shown
from lti_mentor.web.insight.blueprint import insight
from lti_mentor.web.insight.sentences import sentence
from lti_mentor.web.language import _
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit
from xapi import store, times
from xapi.facets import agent_key
from xapi.validation import is_uuid
from xapi.vocabulary import Term, Verbs, verbs

FILTERS = ("q", "verb", "activity", "person", "mentorship", "since", "until")


@insight.get("/statements")
def statements() -> Shown:
    """A page of those that fit, newest first."""
    access.require("analyst")
    visit, found, rows, error = current_visit(), None, [], None
    with tool().database.reading() as db:
        base = iri_base(db)
        asked = Asked(store.Query())
        try:
            asked = asked_for(db, request.args)
            found = _page(db, asked.wanted)
            rows = _rows(db, found.lines, base)
        except Invalid as problem:
            error = problem
    with tool().database.transaction() as db:
        about = {"actor_id": visit.person_id, "subject_id": asked.subject.id if asked.subject else None}
        audit.write(db, visit.organization_id, "read_statements", place="insight.statements", **about)
    shown = render_template(
        "insight/statements.html",
        rows=rows,
        found=found,
        may_see_people=may_see_people(),
        verbs=[(term.iri, _verb_label(term)) for term in verbs()],
        given=request.args,
        kept={name: request.args[name] for name in FILTERS if request.args.get(name)},
        curl=_curl(_parameters(asked.wanted)),
        error=error,
    )
    return make_response(shown, error.status) if error else shown


def may_see_people() -> bool:
    return "records" in current_visit().parts


def _page(db: Session, wanted: store.Query) -> Found:
    guard = readers.with_records if may_see_people() else readers.without_records
    words = request.args.get("q", "")
    return browser.page(db, tenant=current_visit().organization_id, wanted=wanted, words=words, guard=guard)


def _verb_label(term: Term) -> str:
    """Two verbs are both called scheduled."""
    return {
        Verbs.SCHEDULED: _("scheduled (a meeting)"),
        Verbs.DATED: _("scheduled (a goal or an exam)"),
    }.get(term, term.display)


# What is asked for --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """``subject`` is the one person that it is about."""

    wanted: store.Query
    subject: Person | None = None


def asked_for(db: Session, given: Mapping[str, str]) -> Asked:
    """What the filters ask for. Raises Invalid."""
    wrong: dict[str, str] = {}
    since, until = _moment(given, "since", wrong), _moment(given, "until", wrong)
    subject, agent = None, None
    mentorship = _typed(given, "mentorship") if may_see_people() else None
    if mentorship and not is_uuid(mentorship):
        wrong["mentorship"] = "statements.mentorship"
    person = _typed(given, "person") if may_see_people() else None
    if person:
        subject, agent = _person(db, person, wrong)
    if wrong:
        raise Invalid(wrong)
    after = given.get("after", "")
    wanted = store.Query(
        agent=agent,
        related_agents=True,
        verb=_typed(given, "verb"),
        activity=_typed(given, "activity"),
        related_activities=True,
        registration=mentorship,
        after=int(after) if after.isdecimal() and len(after) < 19 else None,
        since=since,
        until=until,
    )
    return Asked(wanted, subject)


def _typed(given: Mapping[str, str], name: str) -> str | None:
    return given.get(name, "").replace("\0", "").strip() or None


def _moment(given: Mapping[str, str], name: str, wrong: dict[str, str]) -> datetime | None:
    if not given.get(name):
        return None
    try:
        return times.parsed(given[name] + {"since": "T00:00:00Z", "until": "T23:59:59.999999Z"}[name])
    except ValueError:
        wrong[name] = "date.missing"
        return None


def _person(db: Session, given: str, wrong: dict[str, str]) -> tuple[Person | None, str | None]:
    """By the pseudonym, which may be of somebody who was erased, or by the name."""
    visit = current_visit()
    subject, name = people.by_actor_name(db, visit.organization_id, given), given
    if subject is None and not is_uuid(given):
        found = people.search(db, visit.organization_id, given, most=2)
        if len(found) != 1 or found[0].erased_at is not None:
            wrong["person"] = "statements.many_people" if len(found) > 1 else "statements.nobody"
            return None, None
        subject, name = found[0], people.actor_name(db, found[0].id)
    return subject, agent_key({"account": {"homePage": iri_base(db), "name": name}})


# What is shown ------------------------------------------------------------------------------------------------------


def _rows(db: Session, lines: list[Line], base: str) -> list[dict[str, Any]]:
    iris = {line.statement["object"].get("id", "") for line in lines}
    titles = browser.titles(db, current_visit().organization_id, base, iris)
    return [_row(line, base, titles) for line in lines]


def _row(line: Line, base: str, titles: Mapping[str, str]) -> dict[str, Any]:
    said = line.statement
    account = said.get("actor", {}).get("account", {})
    is_activity = said["object"].get("objectType", "Activity") == "Activity"
    by_id = "voidedStatementId" if line.voided_by else "statementId"
    return {
        "id": said["id"],
        "at": times.parsed(said["timestamp"]),
        "sentence": sentence(said, base, titles),
        "json": json.dumps(said, ensure_ascii=False, indent=2),
        "curl": _curl({by_id: said["id"]}),
        "voided_by": line.voided_by,
        "person": account.get("name") if account.get("homePage") == base else None,
        "mentorship": said.get("context", {}).get("registration"),
        "activity": said["object"]["id"] if is_activity else None,
    }


def _parameters(wanted: store.Query) -> dict[str, str]:
    """The same as xAPI asks for it; an agent is left out, since its parameter is JSON and long."""
    moments = {"since": wanted.since, "until": wanted.until}
    said = {"verb": wanted.verb, "activity": wanted.activity, "registration": wanted.registration}
    said |= {name: times.written(moment) for name, moment in moments.items() if moment}
    related = {"related_activities": "true"} if wanted.activity else {}
    return {name: value for name, value in said.items() if value} | related


def _curl(parameters: Mapping[str, str]) -> str:
    """A command that reads the same from the record store."""
    query = f"?{urlencode(parameters)}" if parameters else ""
    address = f"{tool().settings.base_url}/xapi/statements{query}"
    return f"curl -u KEY:SECRET -H 'X-Experience-API-Version: 1.0.3' '{address}'"
