"""Statements over HTTP (xAPI, Statement Resource): stored by PUT and POST, found by GET."""

import json
import uuid
from typing import Any
from urllib.parse import urlencode

from flask import Response, g, jsonify, request

from lti_mentor import clock
from lti_mentor.mentoring import results
from lti_mentor.web.lrs import PLACE, Answer, Wrong, needs, resource
from lti_mentor.web.tool import tool
from xapi import activities, keys, store, times
from xapi.errors import InvalidQuery, InvalidStatement
from xapi.facets import agent_key
from xapi.validation import checked_agent, is_iri, is_uuid

statements = resource("lrs_statements")


@statements.post("/statements", strict_slashes=False)
@needs(keys.WRITE)
def post_statements() -> Answer:
    """Store one statement or a list of them, all or none."""
    if request.args:
        raise InvalidQuery("There is no parameter here.")
    given = _json_body()
    return jsonify([str(statement_id) for statement_id in _put(given if isinstance(given, list) else [given])])


@statements.put("/statements", strict_slashes=False)
@needs(keys.WRITE)
def put_statement() -> Answer:
    """Store one statement under the id of the address."""
    statement_id, given = request.args.get("statementId", ""), _json_body()
    if not is_uuid(statement_id) or set(request.args) != {"statementId"}:
        raise InvalidQuery("The one parameter statementId has to be a UUID.")
    if not isinstance(given, dict):
        raise InvalidStatement("", "It has to be one statement.")
    if str(given.setdefault("id", statement_id)).lower() != statement_id.lower():
        raise InvalidStatement("id", "It differs from statementId.")
    _put([given])
    return Response(status=204)


def _json_body() -> Any:
    if request.mimetype != "application/json":
        raise Wrong(400, "content_type", "Send the content type application/json.")
    try:
        return json.loads(request.get_data(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Wrong(400, "json", "The body is not valid JSON.") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _put(given: list[Any]) -> list[uuid.UUID]:
    authority = {
        "objectType": "Agent",
        "account": {"homePage": tool().settings.base_url, "name": f"key-{g.caller.key}"},
    }
    with tool().database.transaction() as db:
        taken = store.put(db, tenant=g.caller.tenant, statements=given, now=clock.now(), authority=authority)
        if g.caller.may(keys.DEFINE):
            activities.define(db, tenant=g.caller.tenant, statements=taken.new)
        results.take_statements(db, g.caller.tenant, taken.new)
    return taken.ids


@statements.get("/statements", strict_slashes=False)
@needs(keys.READ)
def get_statements() -> Answer:
    """One statement by id, or a page of those that fit. HEAD works too."""
    unknown = set(request.args) - _PARAMETERS
    if unknown:
        raise InvalidQuery(f"There is no parameter {sorted(unknown)[0]}.")
    by_id = {"statementId", "voidedStatementId"} & set(request.args)
    if by_id:
        return _one(by_id)
    wanted = _query()
    with tool().database.reading() as db:
        page = store.query(db, tenant=g.caller.tenant, wanted=wanted)
        through = store.consistent_through(db, tenant=g.caller.tenant)
    more = _more(page.next)
    body = '{"statements":[' + ",".join(page.statements) + '],"more":' + json.dumps(more) + "}"
    response = Response(body, mimetype="application/json")
    response.headers["X-Experience-API-Consistent-Through"] = times.written(through)
    return response


_FILTERS = {"agent", "verb", "activity", "registration", "related_activities", "related_agents", "since", "until"}
_PARAMETERS = _FILTERS | {"statementId", "voidedStatementId", "limit", "format", "attachments", "ascending", "after"}


def _one(by_id: set[str]) -> Answer:
    if len(by_id) > 1 or set(request.args) - by_id - {"format", "attachments"}:
        raise InvalidQuery("An id is asked for alone.")
    name = by_id.pop()
    if not is_uuid(request.args[name]):
        raise InvalidQuery(f"{name} has to be a UUID.")
    find = store.get if name == "statementId" else store.get_voided
    with tool().database.reading() as db:
        body = find(db, tenant=g.caller.tenant, statement_id=uuid.UUID(request.args[name]))
        through = store.consistent_through(db, tenant=g.caller.tenant)
    if body is None:
        raise Wrong(404, "statement.unknown", "There is no statement with this id.")
    response = Response(body, mimetype="application/json")
    response.headers["X-Experience-API-Consistent-Through"] = times.written(through)
    response.headers["Last-Modified"] = json.loads(body)["stored"]
    return response


def _query() -> store.Query:
    given = request.args
    limit = _number("limit", 0)
    return store.Query(
        agent=_agent(given["agent"]) if "agent" in given else None,
        verb=_iri("verb"),
        activity=_iri("activity"),
        registration=_uuid("registration"),
        related_agents=_flag("related_agents"),
        related_activities=_flag("related_activities"),
        since=_time("since"),
        until=_time("until"),
        limit=min(limit, store.MAXIMUM) if limit else store.MAXIMUM,
        ascending=_flag("ascending"),
        after=_number("after", 0) if "after" in given else None,
    )


def _more(following: store.Query | None) -> str:
    """A relative address that keeps the filters and goes on after the last statement."""
    if following is None:
        return ""
    kept = {name: value for name, value in request.args.items() if name != "after"}
    return f"{request.script_root}{PLACE}/statements?{urlencode({**kept, 'after': str(following.after)})}"


def _agent(text: str) -> str:
    try:
        agent = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidQuery("agent has to be JSON.") from None
    checked_agent(agent)
    return agent_key(agent) or ""


def _iri(name: str) -> str | None:
    value = request.args.get(name)
    if value is not None and not is_iri(value):
        raise InvalidQuery(f"{name} has to be an IRI.")
    return value


def _uuid(name: str) -> str | None:
    value = request.args.get(name)
    if value is not None and not is_uuid(value):
        raise InvalidQuery(f"{name} has to be a UUID.")
    return value


def _flag(name: str) -> bool:
    value = request.args.get(name, "false")
    if value not in ("true", "false"):
        raise InvalidQuery(f"{name} is true or false.")
    return value == "true"


def _number(name: str, default: int) -> int:
    value = request.args.get(name, str(default))
    if not value.isdecimal() or len(value) > 15:
        raise InvalidQuery(f"{name} is a whole number.")
    return int(value)


def _time(name: str) -> Any:
    value = request.args.get(name)
    try:
        return None if value is None else times.parsed(value)
    except ValueError:
        raise InvalidQuery(f"{name} is a timestamp.") from None
