"""The analyst's pages: figures and single statements, read from the record store alone."""

import json
import uuid
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, make_response, render_template, request

from lti_mentor import clock
from lti_mentor.activity.record import iri_base
from lti_mentor.errors import Invalid
from lti_mentor.insight import explain, figures, privacy
from lti_mentor.mentoring import audit, people, programs
from lti_mentor.web import access
from lti_mentor.web.forms import Shown
from lti_mentor.web.language import _
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit
from xapi import store, times
from xapi.facets import agent_key
from xapi.vocabulary import Term, Verbs, verbs

insight = Blueprint("insight", __name__, url_prefix="/insight")
PAGE = 20


@insight.get("/", endpoint="home")
def show_home() -> str:
    """Is it working, for whom, and how do I know?"""
    access.require("analyst")
    visit, settings = current_visit(), tool().settings
    now = clock.now()
    with tool().database.reading() as db:
        listed = programs.listed(db, visit.organization_id)
        chosen = next((each for each in listed if str(each.id) == request.args.get("program")), None)
        largest = max(listed, key=lambda each: programs.size(db, each), default=None)
        program = chosen or largest
        base = iri_base(db)
        record = None
        if program is not None:
            said = store.scan(db, tenant=visit.organization_id, until=now)
            former = people.former_actor_names(db, visit.organization_id)
            record = figures.gather(said, program=f"{base}/programs/{program.id}", base=base, former=former)
    hidden = record is None or privacy.is_hidden(len(record.mentees), settings.minimum_group)
    summary = figures.summarize(record, now) if record and not hidden else None
    return render_template(
        "insight/home.html",
        programs=listed,
        program=program,
        insight=summary,
        steps=privacy.steps(summary.funnel) if summary else [],
        minimum=settings.minimum_group,
        count=privacy.count,
        percent=privacy.percent,
        explain=explain.of,
        curl=_curl,
    )


def _curl(verb: str) -> str:
    """A command that reads the statements of one verb from the record store."""
    address = f"{tool().settings.base_url}/xapi/statements?{urlencode({'verb': verb})}"
    return f"curl -u KEY:SECRET -H 'X-Experience-API-Version: 1.0.3' '{address}'"


@insight.get("/statements")
def statements() -> Shown:
    """Single statements; who and how much only with the right to records. Each view is written down."""
    access.require("analyst")
    visit = current_visit()
    may_see_people = "records" in visit.parts
    try:
        wanted, error = _wanted(), None
    except Invalid as problem:
        wanted, error = None, problem
    person = request.args.get("person", "") if may_see_people else ""
    with tool().database.reading() as db:
        base = iri_base(db)
        subject = people.by_actor_name(db, visit.organization_id, person) if person else None
        if wanted is not None and person:
            wanted = _about(wanted, base, person)
        page = store.query(db, tenant=visit.organization_id, wanted=wanted) if wanted else None
    with tool().database.transaction() as db:
        about = {"actor_id": visit.person_id, "subject_id": subject.id if subject else None}
        audit.write(db, visit.organization_id, "read_statements", place="insight.statements", **about)
    shown = render_template(
        "insight/statements.html",
        rows=[_row(json.loads(body), base, may_see_people) for body in page.statements] if page else [],
        following=page.next.after if page and page.next else None,
        may_see_people=may_see_people,
        verbs=[(term.iri, _verb_label(term)) for term in verbs()],
        given=request.args,
        error=error,
    )
    return make_response(shown, error.status) if error else shown


def _verb_label(term: Term) -> str:
    """Two verbs are both called scheduled."""
    return {
        Verbs.SCHEDULED: _("scheduled (a meeting)"),
        Verbs.DATED: _("scheduled (a goal or an exam)"),
    }.get(term, term.display)


def _wanted() -> store.Query:
    """What the filters ask for. Raises Invalid."""
    given, moments, wrong = request.args, {}, {}
    for name, time in (("since", "T00:00:00Z"), ("until", "T23:59:59Z")):
        if given.get(name):
            try:
                moments[name] = times.parsed(given[name] + time)
            except ValueError:
                wrong[name] = "date.missing"
    if wrong:
        raise Invalid(wrong)
    return store.Query(
        verb=given.get("verb") or None,
        activity=given.get("activity") or None,
        related_activities=True,
        since=moments.get("since"),
        until=moments.get("until"),
        after=int(given["after"]) if given.get("after", "").isdecimal() and len(given["after"]) < 19 else None,
        limit=PAGE,
    )


def _about(wanted: store.Query, base: str, person: str) -> store.Query:
    agent = agent_key({"account": {"homePage": base, "name": person}})
    return store.Query(**{**vars(wanted), "agent": agent, "related_agents": True})


def _row(statement: dict[str, Any], base: str, may_see_people: bool) -> dict[str, Any]:
    account = statement["actor"].get("account", {})
    result = statement.get("result", {}).get("score", {})
    return {
        "id": uuid.UUID(statement["id"]),
        "at": times.parsed(statement["timestamp"]),
        "verb": statement["verb"].get("display", {}).get("en", statement["verb"]["id"]),
        "thing": statement["object"].get("id", "").removeprefix(base),
        "person": account.get("name") if may_see_people and account.get("homePage") == base else None,
        "score": result.get("raw") if may_see_people else None,
    }
