"""Statements over HTTP (xAPI 1.0.3 Part Three, 2.1; xAPI 2.0 4.1.6.1): stored by PUT and POST, found by GET."""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial
from threading import Lock
from typing import Any
from urllib.parse import urlencode

from flask import Response, g, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.activity import outside, record
from lti_mentor.db import Database
from lti_mentor.mentoring import results
from lti_mentor.web import lrs_query as query
from lti_mentor.web.lrs import PLACE, Answer, Wrong, authority, needs, only_mine, out_of_bounds, resource
from lti_mentor.web.tool import tool
from xapi import activities, attachments, drafts, formats, keys, multipart, store, strict, times
from xapi.drafts import Batch
from xapi.errors import InvalidQuery, InvalidStatement, VoidingRefused
from xapi.facets import Statement, activities_in, agent_key
from xapi.multipart import Part
from xapi.vocabulary import Verbs

statements = resource("lrs_statements")
JSON, MIXED = "application/json", "multipart/mixed"
FRESH = timedelta(milliseconds=20)
PATIENCE = 0.25  # seconds, for the turn
TURN = Lock()
MOST_LANGUAGES = 10  # that are looked for in every text


@statements.after_request
def _say_through(response: Response) -> Response:
    """Everything stored up to this time can be found, errors included: to callers that are known."""
    if "through" not in g and "caller" in g:
        with tool().database.reading() as db:
            g.through = store.consistent_through(db, tenant=g.caller.tenant)
    if "through" in g:
        response.headers["X-Experience-API-Consistent-Through"] = times.written(g.through)
    return response


# Storing ------------------------------------------------------------------------------------------------------------


@statements.post("/statements", strict_slashes=False)
@needs(keys.WRITE)
def post_statements() -> Answer:
    """Store one statement or a list of them, all or none."""
    query.only()
    with _in_turn():
        given, contents = _given()
        ids = _put(given if isinstance(given, list) else [given], contents)
    return Response(strict.written([str(statement_id) for statement_id in ids]), mimetype=JSON)


@statements.put("/statements", strict_slashes=False)
@needs(keys.WRITE)
def put_statement() -> Answer:
    """Store one statement under the id of the address."""
    query.only("statementId")
    statement_id = query.uuid_of("statementId")
    with _in_turn():
        given, contents = _given()
        if not isinstance(given, dict):
            raise InvalidStatement("", "It has to be one statement.", "Part Three, 2.1.1")
        if str(given.setdefault("id", str(statement_id))).lower() != str(statement_id):
            raise InvalidStatement("id", "It differs from statementId.", "Part Three, 2.1.1")
        _put([given], contents)
    return Response(status=204)


@contextmanager
def _in_turn() -> Iterator[None]:
    """One request of a process after the other: threads that compute at once wait for the interpreter at every call of
    the database, and the others wait for the lock that one of them holds. Who waits long goes on: it may be for a lock.
    """
    request.get_data()  # which takes as long as the sender likes
    has_turn = TURN.acquire(timeout=PATIENCE)
    try:
        yield
    finally:
        if has_turn:
            TURN.release()


def _given() -> tuple[Any, dict[str, bytes]]:
    """What is sent, and its attachments by SHA-2."""
    if request.mimetype == JSON:
        return _parsed(request.get_data()), {}
    if request.mimetype == MIXED:
        first, *attached = multipart.parts(request.get_data(), request.mimetype_params.get("boundary", ""))
        if first.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            raise InvalidStatement("", f"The first part of the message is {JSON}.", "Part Three, 1.5.2")
        return _parsed(first.content), multipart.contents(attached)
    raise Wrong(400, "content_type", f"Send the content type {JSON} or {MIXED}.")


def _parsed(body: bytes) -> Any:
    try:
        return strict.parsed(body)
    except ValueError:
        raise Wrong(400, "json", "The body is not valid JSON.") from None


def _put(sent: list[Any], contents: dict[str, bytes]) -> list[uuid.UUID]:
    """Once more where a form or a roster wrote about the same people: those lock what we lock, the other way round."""
    with tool().database.reading() as db:
        ours = authority(db)
    batch = drafts.checked(sent, tenant=g.caller.tenant, authority=ours, version=g.version, contents=contents)
    given = [draft.statement for draft in batch.drafts]
    if not all(map(g.caller.may_see, given)):
        raise out_of_bounds("a statement has to have it as its object or among the activities of its context")
    teaches = g.caller.may(keys.DEFINE) and g.caller.activity is None
    taken, learned = tool().database.write(partial(_store, batch, activities.said(given) if teaches else {}))
    g.through = taken.through
    if learned is not None:
        activities.remember(learned)
    return taken.ids


def _store(batch: Batch, said: activities.Said, db: Session) -> tuple[store.Taken, activities.Learned | None]:
    """``said`` is what all of them say about activities: what was here already teaches nothing."""
    taken, learned = _take(db, batch), None
    if said:
        new = said if len(taken.new) == len(batch.drafts) else activities.said(taken.new)
        learned = activities.define(db, tenant=g.caller.tenant, said=new, version=taken.definitions)
    outside.queue(db, g.caller.tenant, taken)
    if g.caller.activity is None:  # of the items of courses a bound key says nothing that counts
        results.take_statements(db, g.caller.tenant, taken.new)
    return taken, learned


def _take(db: Session, batch: Batch) -> store.Taken:
    """A bound key voids what it may see, and hears of nothing else whether it is there. Raises Wrong."""
    refusal = out_of_bounds("it voids only statements that are here and name it too")
    is_bound, may_void_all = g.caller.activity is not None, g.caller.may(keys.ALL)
    keyed, now = partial(record.statement_hash, db, tool().vault), clock.now()
    try:
        taken = store.take(db, tenant=g.caller.tenant, batch=batch, now=now, keyed=keyed, voids_all=may_void_all)
    except VoidingRefused as error:
        raise (refusal if is_bound else error) from None
    if is_bound and not all(_may_void(db, statement) for statement in taken.new):
        raise refusal
    return taken


def _may_void(db: Session, statement: Statement) -> bool:
    """Whether it is none that voids, or the other one names the activity too."""
    if statement["verb"]["id"] != Verbs.VOIDED.iri:
        return True
    target_id = uuid.UUID(statement["object"]["id"])
    known = (find(db, tenant=g.caller.tenant, statement_id=target_id) for find in _IDS.values())
    return any(body is not None and g.caller.may_see(json.loads(body)) for body in known)


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
    if body is None or not _is_for(db, json.loads(body)):
        raise Wrong(404, "statement.unknown", "There is no statement with this id.")
    (text,) = _formatted(db, [body])
    response = _answer(db, text, [body])
    response.last_modified = datetime.fromisoformat(json.loads(body)["stored"])
    return response


def _is_for(db: Session, statement: Statement) -> bool:
    """Whether the caller may see it."""
    return g.caller.may_see(statement) and only_mine(db) in (None, agent_key(statement["authority"]))


def _page(db: Session) -> Answer:
    page = store.query(db, tenant=g.caller.tenant, wanted=_wanted(db))
    more = json.dumps(_more(page.next))
    text = f'{{"statements":[{",".join(_formatted(db, page.statements))}],"more":{more}}}'
    return _answer(db, text, page.statements)


def _wanted(db: Session) -> store.Query:
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
        authority=only_mine(db),
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
    known = {} if only_mine(db) else activities.definitions(db, tenant=g.caller.tenant, iris=iris)
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
