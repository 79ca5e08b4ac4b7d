"""Statements over HTTP (xAPI 1.0.3 Part Three, 2.1; xAPI 2.0 4.1.6.1): stored by PUT and POST, found by GET."""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import urlencode

from flask import Response, g, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.db import UNREACHABLE, Database
from lti_mentor.web import lrs_query as query
from lti_mentor.web import lrs_storing as storing
from lti_mentor.web.lrs import PLACE, Answer, Wrong, needs, only_mine, resource
from lti_mentor.web.lrs_storing import JSON
from lti_mentor.web.tool import tool
from xapi import activities, attachments, formats, keys, multipart, store, strict, times
from xapi.errors import InvalidQuery
from xapi.facets import Statement, activities_in, agent_key
from xapi.multipart import Part

statements = resource("lrs_statements")
FRESH = timedelta(milliseconds=20)
MOST_LANGUAGES = 10  # that are looked for in every text


@statements.after_request
def _say_through(response: Response) -> Response:
    """Everything stored up to this time can be found: to callers that are known, errors included.

    Left out where the database does not say it: the answer goes out all the same.
    """
    if "through" not in g and "caller" in g:
        with suppress(*UNREACHABLE), tool().database.reading() as db:
            g.through = store.consistent_through(db, tenant=g.caller.tenant)
    if "through" in g:
        response.headers["X-Experience-API-Consistent-Through"] = times.written(g.through)
    return response


# Storing ------------------------------------------------------------------------------------------------------------


@statements.post("/statements", strict_slashes=False)
@needs(keys.WRITE, at_its_turn=True)
def post_statements() -> Answer:
    """Store one statement or a list of them, all or none."""
    query.only()
    ids = storing.take_sent()
    return Response(strict.written([str(statement_id) for statement_id in ids]), mimetype=JSON)


@statements.put("/statements", strict_slashes=False)
@needs(keys.WRITE, at_its_turn=True)
def put_statement() -> Answer:
    """Store one statement under the id of the address."""
    query.only("statementId")
    storing.take_sent(query.uuid_of("statementId"))
    return Response(status=204)


# Finding ------------------------------------------------------------------------------------------------------------

_IDS = {"statementId": store.get, "voidedStatementId": store.get_voided}
_FILTERS = ("agent", "verb", "activity", "registration", "related_activities", "related_agents", "since", "until")
_SHAPES = ("format", "attachments")


@statements.get("/statements", strict_slashes=False)
@needs(keys.READ, keys.READ_MINE)
def get_statements() -> Answer:
    """One statement by id, or a page of those that fit. HEAD works too."""
    query.only(*_IDS, *_FILTERS, *_SHAPES, "limit", "ascending", "after")
    _settle()
    by_id = _IDS.keys() & request.args.keys()
    if by_id and request.args.keys() - {*_SHAPES, min(by_id)}:
        raise InvalidQuery(f"{min(by_id)} goes with format and attachments alone.")
    with tool().database.reading() as db:
        answer = _one(db, min(by_id)) if by_id else _page(db)
        g.through = store.consistent_through(db, tenant=g.caller.tenant)
    return answer


def _settle() -> None:
    """Move the time through which everything can be found on to now, unless somebody is writing."""
    tenant, now = g.caller.tenant, clock.now()
    with tool().database.reading() as db:
        if store.consistent_through(db, tenant=tenant) > now - FRESH:
            return
    with suppress(OperationalError), tool().database.writing_at_once() as db:
        store.settle(db, tenant=tenant, now=now)


def _one(db: Session, name: str) -> Answer:
    statement_id = query.uuid_of(name)
    body = _IDS[name](db, tenant=g.caller.tenant, statement_id=statement_id)
    if body is None or not _is_for(json.loads(body)):
        raise Wrong(404, "statement.unknown", "There is no statement with this id.")
    (text,) = _formatted(db, [body])
    response = _answer(db, text, [body])
    response.last_modified = datetime.fromisoformat(json.loads(body)["stored"])
    return response


def _is_for(statement: Statement) -> bool:
    """Whether the caller may see it."""
    return g.caller.may_see(statement) and only_mine() in (None, agent_key(statement["authority"]))


def _page(db: Session) -> Answer:
    page = store.query(db, tenant=g.caller.tenant, wanted=_wanted())
    more = json.dumps(_more(page.next))
    text = f'{{"statements":[{",".join(_formatted(db, page.statements))}],"more":{more}}}'
    return _answer(db, text, page.statements)


def _wanted() -> store.Query:
    limit, registration = query.number("limit"), query.registration()
    return store.Query(
        agent=agent_key(query.agent()) if "agent" in request.args else None,
        verb=query.iri("verb") if "verb" in request.args else None,
        activity=query.iri("activity") if "activity" in request.args else None,
        registration=str(registration) if registration else None,
        related_agents=query.flag("related_agents"),
        related_activities=query.flag("related_activities"),
        since=query.moment("since"),
        until=query.moment("until"),
        limit=min(limit, store.MAXIMUM) if limit else store.MAXIMUM,
        ascending=query.flag("ascending"),
        after=query.number("after"),
        authority=only_mine(),
        within=g.caller.activity,
    )


def _more(following: store.Query | None) -> str:
    """A relative address that keeps the filters and goes on after the last statement."""
    if following is None:
        return ""
    kept = {name: value for name, value in request.args.items() if name != "after"}
    return f"{request.script_root}{PLACE}/statements?{urlencode({**kept, 'after': str(following.after)})}"


def _formatted(db: Session, bodies: list[str]) -> list[str]:
    """As the parameter ``format`` asks for: exact is as they are kept."""
    wanted = query.choice("format", "exact", "ids", "canonical")
    if wanted == "exact":
        return bodies
    found = [strict.parsed(body) for body in bodies]
    if wanted == "ids":
        return [strict.written(formats.ids(each)) for each in found]
    iris = {activity["id"] for each in found for activity in activities_in(each)}
    if g.caller.activity is not None:  # others say of other activities what is not for a bound key
        iris &= {g.caller.activity}
    known = {} if only_mine() else activities.definitions(db, tenant=g.caller.tenant, iris=iris)
    return [strict.written(formats.canonical(each, _languages(), known)) for each in found]


def _languages() -> list[str]:
    """What the reader takes, the best one first."""
    return [language for language, quality in request.accept_languages if quality > 0][:MOST_LANGUAGES]


def _answer(db: Session, text: str, bodies: list[str]) -> Response:
    """In JSON, or with the attachments of these statements where they are asked for."""
    if not query.flag("attachments"):
        return Response(text, mimetype=JSON)
    tenant = g.caller.tenant
    named = attachments.enclosed(db, tenant=tenant, statements=[json.loads(body) for body in bodies])
    body, content_type = multipart.message(text.encode(), _attached(tool().database, tenant, named))
    return Response(body, content_type=content_type)


def _attached(database: Database, tenant: uuid.UUID, named: Mapping[str, str]) -> Iterator[Part]:
    """Read one by one while they are sent: no more than one of them is in memory."""
    for sha2, media_type in named.items():
        with database.reading() as db:
            content = attachments.content(db, tenant=tenant, sha2=sha2)
        if content is not None:
            yield multipart.attachment(sha2, media_type, content)
