"""The record store over HTTP (xAPI 1.0.3, Communication): statements and about."""

import json
import logging
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from lti_mentor import clock
from lti_mentor.activity import record
from lti_mentor.db import UNREACHABLE
from lti_mentor.mentoring import results
from lti_mentor.web.tool import tool
from xapi import keys, store, times
from xapi.errors import Conflict, InvalidQuery, InvalidStatement
from xapi.facets import agent_key
from xapi.validation import checked_agent, is_iri, is_uuid

log = logging.getLogger(__name__)
lrs = Blueprint("lrs", __name__, url_prefix="/xapi")

VERSION = "1.0.3"
Answer = Response | tuple[Response, int]


class _Refused(Exception):
    """An answer with this status and sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status, self.reason, self.message = status, reason, message
        super().__init__(message)


@lrs.after_request
def _add_headers(response: Response) -> Response:
    response.headers["X-Experience-API-Version"] = VERSION
    return response


@lrs.errorhandler(_Refused)
def _show_refused(error: _Refused) -> Answer:
    return _problem(error.status, error.reason, error.message)


@lrs.errorhandler(InvalidStatement)
def _show_invalid(error: InvalidStatement) -> Answer:
    return _problem(400, "statement.invalid", str(error))


@lrs.errorhandler(InvalidQuery)
def _show_query(error: InvalidQuery) -> Answer:
    return _problem(400, "query.invalid", str(error))


@lrs.errorhandler(Conflict)
def _show_conflict(error: Conflict) -> Answer:
    return _problem(409, "statement.conflict", str(error))


@lrs.errorhandler(HTTPException)
def _show_http(error: HTTPException) -> Answer:
    return _problem(error.code or 500, "request.refused", error.name)


def _show_database(error: Exception) -> Answer:
    log.exception("database error")
    return _problem(503, "database.away", "The database does not answer. Nothing was stored: try again.")


for _kind in UNREACHABLE:
    lrs.register_error_handler(_kind, _show_database)


@lrs.errorhandler(Exception)
def _show_unexpected(error: Exception) -> Answer:
    log.exception("unexpected error")
    return _problem(500, "error", "Something went wrong here, and nothing was stored.")


def _problem(status: int, reason: str, message: str) -> Answer:
    response = jsonify(error=reason, message=message)
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="record store"'
    return response


def needs(scope: str) -> Callable[[Callable[[], Answer]], Callable[[], Answer]]:
    """Let in only callers whose key has this scope, and who say which version they speak."""

    def decorate(view: Callable[[], Answer]) -> Callable[[], Answer]:
        @wraps(view)
        def take() -> Answer:
            _check_version()
            g.caller = _caller()
            if scope not in g.caller.scopes:
                raise _Refused(403, "key.scope", f"This key does not have the scope {scope}.")
            return view()

        return take

    return decorate


def _check_version() -> None:
    version = request.headers.get("X-Experience-API-Version")
    if version is None or not (version == "1.0" or version.startswith("1.0.")):
        raise _Refused(400, "version", "Send the header X-Experience-API-Version: 1.0.3.")


def _caller() -> keys.Caller:
    given = request.authorization
    if given is None or given.type != "basic" or not given.username:
        raise _Refused(401, "key.missing", "Send a key and its secret with Basic authentication.")
    secret, vault = given.password or "", tool().vault
    with tool().database.reading() as db:
        caller = keys.find(
            db, key=given.username, secret=secret, fingerprints=lambda text: record.key_hashes(db, vault, text)
        )
    if caller is None:
        raise _Refused(401, "key.unknown", "This key is not known, or its secret is wrong.")
    if caller.is_aged:
        with tool().database.transaction() as db:
            keys.renew(db, caller, record.key_hashes(db, vault, secret.encode())[0])
    return caller


@lrs.get("/about")
def about() -> Answer:
    """Which versions are spoken; anybody may ask."""
    return jsonify(version=[VERSION])


@lrs.route("/<path:place>", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
def anything_else(place: str) -> Answer:
    """What is not here is refused in the same form as everything else."""
    if place.strip("/") in ("statements", "about"):
        return _problem(405, "method", "This resource does not know this method.")
    return _problem(404, "resource.unknown", "There is no such resource.")


@lrs.post("/statements", strict_slashes=False)
@needs(keys.WRITE)
def post_statements() -> Answer:
    """Store one statement or a list of them, all or none."""
    given = _json_body()
    statements = given if isinstance(given, list) else [given]
    return jsonify([str(statement_id) for statement_id in _put(statements)])


@lrs.put("/statements", strict_slashes=False)
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
        raise _Refused(400, "content_type", "Send the content type application/json.")
    try:
        return json.loads(request.get_data(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise _Refused(400, "json", "The body is not valid JSON.") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _put(statements: list[Any]) -> list[uuid.UUID]:
    authority = {
        "objectType": "Agent",
        "account": {"homePage": tool().settings.base_url, "name": f"key-{g.caller.key}"},
    }
    with tool().database.transaction() as db:
        taken = store.put(db, tenant=g.caller.tenant, statements=statements, now=clock.now(), authority=authority)
        results.take_statements(db, g.caller.tenant, taken.new)
    return taken.ids


@lrs.get("/statements", strict_slashes=False)
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
        raise _Refused(404, "statement.unknown", "There is no statement with this id.")
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
    return f"{request.script_root}/xapi/statements?{urlencode({**kept, 'after': str(following.after)})}"


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
