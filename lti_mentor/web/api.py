"""Our own API: what of the record store can be had as a file, and the OpenAPI document that describes it.

Everything else about statements is xAPI itself (``web/lrs*.py``), with the same keys.
"""

import logging

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import HTTPException

from lti_mentor.db import UNREACHABLE
from lti_mentor.errors import Invalid, Refused, TooMany
from lti_mentor.insight import exports
from lti_mentor.web import headers, openapi
from lti_mentor.web import lrs_query as query
from lti_mentor.web.errors import SENTENCES
from lti_mentor.web.exports import download
from lti_mentor.web.lrs import Wrong, caller_with, only_mine
from lti_mentor.web.tool import tool
from xapi import keys, store
from xapi.errors import InvalidQuery, InvalidStatement
from xapi.facets import agent_key

log = logging.getLogger(__name__)
api = Blueprint("api", __name__, url_prefix="/api")


@api.get("/openapi.json")
def describe() -> Response:
    """What this API can do (OpenAPI 3.1); anybody may read it."""
    return jsonify(openapi.document(tool().settings.base_url))


@api.get("/statements.<any(csv, jsonl, parquet):kind>")
def statements(kind: str) -> Response:
    """The statements that fit, oldest first, as a file."""
    g.caller = caller_with(keys.READ, keys.READ_MINE)
    columns_too = () if kind == "jsonl" else ("columns",)
    query.only("agent", "verb", "activity", "registration", "since", "until", *columns_too)
    columns = exports.checked([each.strip() for each in request.args.get("columns", "").split(",") if each.strip()])
    made = exports.export(tool().database, g.caller.tenant, _wanted())
    return download(made, kind, columns)


def _wanted() -> store.Query:
    registration = query.registration()
    return store.Query(
        agent=agent_key(query.agent()) if "agent" in request.args else None,
        related_agents=True,
        verb=query.iri("verb") if "verb" in request.args else None,
        activity=query.iri("activity") if "activity" in request.args else None,
        related_activities=True,
        registration=str(registration) if registration else None,
        since=query.moment("since"),
        until=query.moment("until"),
        authority=only_mine(),
        within=g.caller.activity,
    )


# What went wrong ----------------------------------------------------------------------------------------------------

Problem = tuple[Response, int, dict[str, str]]


def _problem(status: int, reason: str, message: str) -> Problem:
    headers = {"WWW-Authenticate": 'Basic realm="record store"'} if status == 401 else {}
    return jsonify(error=reason, message=message), status, headers


@api.errorhandler(Wrong)
def _show_wrong(error: Wrong) -> Problem:
    return _problem(error.status, error.reason, error.message)


@api.errorhandler(InvalidQuery)
@api.errorhandler(InvalidStatement)
def _show_query(error: InvalidQuery | InvalidStatement) -> Problem:
    return _problem(400, "query.invalid", str(error))


@api.errorhandler(Invalid)
def _show_invalid(error: Invalid) -> Problem:
    return _problem(400, "query.invalid", SENTENCES[next(iter(error.fields.values()))])


@api.errorhandler(Refused)
def _show_refused(error: Refused) -> Problem:
    return _problem(501 if error.reason == "export.no_parquet" else 409, error.reason, SENTENCES[error.reason])


@api.errorhandler(TooMany)
def _show_too_many(error: TooMany) -> Problem:
    answer, status, named = _problem(error.status, error.reason, SENTENCES[error.reason])
    return answer, status, named | headers.when_again(error)


@api.errorhandler(HTTPException)
def _show_http(error: HTTPException) -> Problem:
    return _problem(error.code or 500, "request.refused", error.name)


@api.errorhandler(Exception)
def _show_unexpected(error: Exception) -> Problem:
    log.exception("unexpected error")
    return _problem(500, "error", "Something went wrong here. Try again in a moment.")


def _show_database(error: Exception) -> Problem:
    log.exception("database error")
    return _problem(503, "database.away", "The database does not answer. Try again.")


for away in UNREACHABLE:
    api.register_error_handler(away, _show_database)
