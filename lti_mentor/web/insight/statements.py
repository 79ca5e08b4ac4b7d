"""Single statements: who and how much only with the right to records. Each view is written down."""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from flask import make_response, render_template, request
from sqlalchemy.orm import Session

from lti_mentor.activity.record import iri_base
from lti_mentor.errors import Invalid
from lti_mentor.insight import browser, readers
from lti_mentor.insight.browser import Found, Line
from lti_mentor.mentoring import audit, people, privacy
from lti_mentor.web import access
from lti_mentor.web.forms import Shown
from lti_mentor.web.insight.blueprint import insight
from lti_mentor.web.insight.command import curl
from lti_mentor.web.insight.sentences import sentence
from lti_mentor.web.language import _, zone
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit
from xapi import store, times
from xapi.facets import Statement, agent_key
from xapi.validation import is_uuid
from xapi.vocabulary import Term, Verbs, verbs

FILTERS = ("q", "verb", "activity", "person", "mentorship", "since", "until")
_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_FAR_BACK = 50  # pages that are remembered on the way


@insight.get("/statements")
def statements() -> Shown:
    """A page of those that fit, newest first."""
    access.require("analyst")
    found, rows, error = None, [], None
    with tool().database.reading() as db:
        base = iri_base(db)
        asked = Asked(store.Query())
        try:
            asked = asked_for(db, request.args)
            found = _page(db, asked.wanted, base)
            rows = [_row(line, base) for line in found.lines]
        except Invalid as problem:
            error = problem
    with tool().database.transaction() as db:
        write_down(db, "read_statements", "insight.statements", asked.subjects)
    shown = render_template(
        "insight/statements.html",
        rows=rows,
        found=found,
        may_see_people=may_see_people(),
        verbs=_verbs(request.args.get("verb")),
        most=browser.PAGE,
        given=request.args,
        kept={name: request.args[name] for name in FILTERS if request.args.get(name)},
        trail=_trail(),
        curl=curl(_parameters(asked.wanted)),
        error=error,
    )
    return make_response(shown, error.status) if error else shown


def may_see_people() -> bool:
    return "records" in current_visit().parts


def write_down(db: Session, action: audit.Action, place: str, subjects: Iterable[uuid.UUID]) -> None:
    """Who looked, once for each person that it was about."""
    visit = current_visit()
    about: list[uuid.UUID | None] = [*sorted(subjects)] or [None]
    for subject_id in about:
        audit.write(db, visit.organization_id, action, place=place, actor_id=visit.person_id, subject_id=subject_id)


def guard(base: str) -> Callable[[Statement], Statement]:
    """What takes out of a statement what the visitor may not see."""
    return partial(readers.with_records if may_see_people() else readers.without_records, base=base)


def _page(db: Session, wanted: store.Query, base: str) -> Found:
    visit = current_visit()

    def tell(statements: Sequence[Statement]) -> list[str]:
        iris = {each["object"].get("id", "") for each in statements}
        titles = browser.titles(db, visit.organization_id, base, iris)
        return [sentence(each, base, titles) for each in statements]

    words = request.args.get("q", "")
    return browser.page(db, tenant=visit.organization_id, wanted=wanted, words=words, guard=guard(base), tell=tell)


def _trail() -> list[str]:
    """Where the pages before this one began, the newest page aside."""
    given = request.args.get("trail", "").split(",")
    return [place for place in given if place.isdecimal() and len(place) < 19][-_FAR_BACK:]


def _verbs(chosen: str | None) -> list[tuple[str, str]]:
    """Ours, and the one that is asked for, whoever uses it."""
    ours = [(term.iri, _verb_label(term)) for term in verbs()]
    return ours if not chosen or chosen in dict(ours) else [*ours, (chosen, chosen)]


def _verb_label(term: Term) -> str:
    """Two verbs are both called scheduled."""
    return {
        Verbs.SCHEDULED: _("scheduled (a meeting)"),
        Verbs.DATED: _("scheduled (a goal or an exam)"),
    }.get(term, term.display)


# What is asked for --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """``subjects`` are the people that it is about, where it is about some."""

    wanted: store.Query
    subjects: frozenset[uuid.UUID] = frozenset()


def asked_for(db: Session, given: Mapping[str, str]) -> Asked:
    """What the filters ask for. Raises Invalid."""
    wrong: dict[str, str] = {}
    since, until = _moment(given, "since", wrong), _moment(given, "until", wrong)
    agents: tuple[str, ...] | None = None  # none is asked for; of somebody nothing is said of, nothing is found
    subjects: set[uuid.UUID] = set()
    mentorship = _typed(given, "mentorship") if may_see_people() else None
    if mentorship and not is_uuid(mentorship):
        wrong["mentorship"] = "statements.mentorship"
    person = _typed(given, "person") if may_see_people() else None
    if person:
        subject_id, agents = _person(db, person, wrong)
        subjects |= {subject_id} if subject_id else set()
    if wrong:
        raise Invalid(wrong)
    if may_see_people():
        texts = [given[name] for name in ("q", "activity", "mentorship") if given.get(name)]
        subjects |= browser.named(db, current_visit().organization_id, texts)
    after = given.get("after", "")
    wanted = store.Query(
        agent=agents,
        related_agents=True,
        verb=_typed(given, "verb"),
        activity=_typed(given, "activity"),
        related_activities=may_see_people(),  # what is only in the context says whose mentorship it is
        registration=mentorship,
        after=int(after) if after.isdecimal() and len(after) < 19 else None,
        since=since,
        until=until,
    )
    return Asked(wanted, frozenset(subjects))


def _typed(given: Mapping[str, str], name: str) -> str | None:
    return given.get(name, "").replace("\0", "").strip() or None


def _moment(given: Mapping[str, str], name: str, wrong: dict[str, str]) -> datetime | None:
    """A day as the visitor has it, like every time on the page."""
    if not given.get(name):
        return None
    try:
        since, until = times.since_and_until(date.fromisoformat(given[name]), zone())
        return since if name == "since" else until
    except (ValueError, OverflowError):
        wrong[name] = "date.missing"
        return None


def _person(db: Session, given: str, wrong: dict[str, str]) -> tuple[uuid.UUID | None, tuple[str, ...]]:
    """Who, and all that they are called: by a pseudonym, which may be of somebody who was erased, or by the name."""
    visit = current_visit()
    subject = people.by_actor_name(db, visit.organization_id, given)
    if subject is None and _PSEUDONYM.fullmatch(given):
        key = agent_key({"account": {"homePage": iri_base(db), "name": given}})
        return None, (key,) if key else ()
    if subject is None:
        found = people.search(db, visit.organization_id, given, most=2)
        if len(found) != 1 or found[0].erased_at is not None:
            wrong["person"] = "statements.many_people" if len(found) > 1 else "statements.nobody"
            return None, ()
        (subject,) = found
    return subject.id, tuple(privacy.agents_of(db, subject))


# What is shown ------------------------------------------------------------------------------------------------------


_OUR_VERBS = frozenset(term.iri for term in verbs())


def _usable(iri: str) -> str | None:
    """What can be filtered by: nothing that is hidden."""
    return None if iri == readers.HIDDEN else iri


def _row(line: Line, base: str) -> dict[str, Any]:
    said = line.statement
    account = said.get("actor", {}).get("account", {})
    is_activity = said["object"].get("objectType", "Activity") == "Activity"
    by_id = "voidedStatementId" if line.voided_by else "statementId"
    return {
        "id": said["id"],
        "at": times.parsed(said["timestamp"]),
        "sentence": line.sentence,
        "json": json.dumps(said, ensure_ascii=False, indent=2),
        "curl": curl({by_id: said["id"]}),
        "voided_by": line.voided_by,
        "person": account.get("name") if account.get("homePage") == base else None,
        "mentorship": said.get("context", {}).get("registration"),
        "activity": _usable(said["object"]["id"]) if is_activity else None,
        "verb": _usable(said["verb"]["id"]) if said["verb"]["id"] not in _OUR_VERBS else None,
    }


def _parameters(wanted: store.Query) -> dict[str, str]:
    """The same as xAPI asks for it; an agent is left out, since its parameter is JSON and long."""
    moments = {"since": wanted.since, "until": wanted.until}
    said = {"verb": wanted.verb, "activity": wanted.activity, "registration": wanted.registration}
    said |= {name: times.written(moment) for name, moment in moments.items() if moment}
    related = {"related_activities": "true"} if wanted.activity and wanted.related_activities else {}
    return {name: value for name, value in said.items() if value} | related
