"""The record store over HTTP (xAPI 1.0.3 Part Three, xAPI 2.0 4.1): what all its resources share, and about.

Each request says which version it speaks, and ``g.version`` is the newest one of that kind: ``ONE`` or ``TWO``. One
store keeps the statements of both.
"""

import hmac
import logging
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, current_app, g, jsonify, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from lti_mentor import clock
from lti_mentor.activity import record
from lti_mentor.db import UNREACHABLE, is_away
from lti_mentor.web.tool import tool
from xapi import keys
from xapi.errors import (
    Conflict,
    DocumentConflict,
    DocumentTooLong,
    InvalidDocument,
    InvalidQuery,
    InvalidStatement,
    PreconditionFailed,
    VoidingRefused,
)
from xapi.facets import Statement, agent_key
from xapi.validation import ONE, TWO

log = logging.getLogger(__name__)

NEITHER = "0.95"  # said to whoever speaks no version: a client of either kind then knows that it was not understood
PLACE = "/xapi"
Answer = Response | tuple[Response, int]


class Wrong(Exception):
    """An answer with this status, code and sentence."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status, self.reason, self.message = status, reason, message
        super().__init__(message)


def resource(name: str) -> Blueprint:
    """Addresses of the record store: with its versions, its errors, and pages of other sites let in."""
    made = Blueprint(name, __name__, url_prefix=PLACE)
    made.before_request(_begin)
    made.after_request(_add_headers)
    made.register_error_handler(Wrong, lambda error: _problem(error.status, error.reason, error.message))
    made.register_error_handler(InvalidStatement, lambda error: _problem(400, "statement.invalid", str(error)))
    made.register_error_handler(InvalidQuery, lambda error: _problem(400, "query.invalid", str(error)))
    made.register_error_handler(Conflict, lambda error: _problem(409, "statement.conflict", str(error)))
    made.register_error_handler(VoidingRefused, lambda error: _problem(403, "statement.not_yours", str(error)))
    made.register_error_handler(InvalidDocument, lambda error: _problem(400, "document.invalid", str(error)))
    made.register_error_handler(DocumentConflict, lambda error: _problem(409, "document.conflict", str(error)))
    made.register_error_handler(PreconditionFailed, lambda error: _problem(412, "document.changed", str(error)))
    made.register_error_handler(DocumentTooLong, lambda error: _problem(413, "document.too_long", str(error)))
    made.register_error_handler(HTTPException, _show_http)
    for away in UNREACHABLE:
        made.register_error_handler(away, _show_database)
    made.register_error_handler(Exception, _show_unexpected)
    return made


def _begin() -> Answer | None:
    if request.method == "OPTIONS":
        return _preflight()
    g.version = _version(request.headers.get("X-Experience-API-Version"))
    if request.headers.get("Content-Encoding", "identity") != "identity":  # a small body may be a large one inside
        raise Wrong(415, "content_encoding", "Send the body as it is, without Content-Encoding.")
    if request.method == "POST" and "method" in request.args and g.version != TWO:
        return _as_meant()
    return None


_PATCHES = {ONE: re.compile(r"1\.0(\.[0-9]+)?"), TWO: re.compile(r"2\.0(\.[0-9]+)?")}


def _version(given: str | None) -> str:
    for version, patches in _PATCHES.items():
        if given is not None and patches.fullmatch(given):
            return version
    return NEITHER


_ASKED = "Authorization, Content-Type, If-Match, If-None-Match, Accept-Language, X-Experience-API-Version"
_SHOWN = "ETag, Last-Modified, X-Experience-API-Version, X-Experience-API-Consistent-Through"


def _preflight() -> Answer:
    """For browsers: pages of any site may ask, with a key that they bring themselves; cookies play no part."""
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, PUT, POST, DELETE"
    response.headers["Access-Control-Allow-Headers"] = _ASKED
    response.headers["Access-Control-Max-Age"] = "86400"
    return response


def _add_headers(response: Response) -> Response:
    response.headers["X-Experience-API-Version"] = g.get("version", NEITHER)
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = _SHOWN
    return response


# A form that stands for another request (1.0.3 alone: Part Three, 1.3) ----------------------------------------------

_METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE"})
_HEADERS = {
    "Authorization": "HTTP_AUTHORIZATION",
    "X-Experience-API-Version": "HTTP_X_EXPERIENCE_API_VERSION",
    "Content-Type": "CONTENT_TYPE",
    "Content-Length": "CONTENT_LENGTH",
    "If-Match": "HTTP_IF_MATCH",
    "If-None-Match": "HTTP_IF_NONE_MATCH",
    "Accept-Language": "HTTP_ACCEPT_LANGUAGE",
}


def _as_meant() -> Answer:
    """The answer to the request that the form stands for."""
    meant, form = _meant() | {"CONTENT_TYPE": "application/json"}, request.form.to_dict()
    version = form.get("X-Experience-API-Version", request.headers.get("X-Experience-API-Version"))
    if set(request.args) != {"method"} or request.args["method"] not in _METHODS or _version(version) != ONE:
        raise Wrong(400, "form.method", "Send the form to ?method=GET, HEAD, PUT, POST or DELETE, with version 1.0.3.")
    if request.mimetype != "application/x-www-form-urlencoded":
        raise Wrong(400, "form.type", "Send the content type application/x-www-form-urlencoded.")
    content = form.pop("content", "").encode()
    for name, variable in _HEADERS.items():
        if name in form:
            meant[variable] = form.pop(name)
    meant |= {
        "REQUEST_METHOD": request.args["method"],
        "QUERY_STRING": urlencode(form),
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.input": BytesIO(content),
    }
    response = _answer_to(meant)
    g.version = ONE
    return response


def _meant() -> dict[str, Any]:
    """The request of this moment, before anything was made of it."""
    return {name: value for name, value in request.environ.items() if not name.startswith(("werkzeug.", "flask."))}


def _answer_to(meant: dict[str, Any]) -> Response:
    """To another request than the one that came; it is counted and logged in its stead."""
    g.pop("began")
    with current_app.app_context(), current_app.request_context(meant):  # a ``g`` of its own
        return current_app.full_dispatch_request()


# What went wrong ----------------------------------------------------------------------------------------------------


def _show_http(error: HTTPException) -> Answer:
    return _problem(error.code or 500, "request.refused", error.name)


def _show_database(error: Exception) -> Answer:
    log.exception("database error")
    return _problem(503, "database.away", "The database does not answer. Nothing was stored: try again.")


def _show_unexpected(error: Exception) -> Answer:
    log.exception("unexpected error")
    return _problem(500, "error", "Something went wrong here, and nothing was stored.")


def _problem(status: int, reason: str, message: str) -> Answer:
    response = jsonify(error=reason, message=message)
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="record store"'
    return response


# Who asks -----------------------------------------------------------------------------------------------------------


MOST_LET_IN = 1000
_OWN = secrets.token_bytes(32)  # of this process alone: what is remembered of secrets is of no use elsewhere
LET_IN: set[bytes] = set()  # digests of keys with their secrets that were good the last time


def needs(*scopes: str, at_its_turn: bool = False) -> Callable[[Callable[[], Answer]], Callable[[], Answer]]:
    """Let in only callers whose key has one of these scopes, and who say which version they speak.

    With ``at_its_turn`` a key that was good the last time is looked up by the view, for all whose turn it is together;
    one that was not is kept from having a turn at all.
    """

    def decorate(view: Callable[[], Answer]) -> Callable[[], Answer]:
        @wraps(view)
        def take() -> Answer:
            if g.version == NEITHER:
                raise Wrong(400, "version", f"Send the header X-Experience-API-Version: {ONE} or {TWO}.")
            if at_its_turn and key_digest() in LET_IN:
                return _known_by_then(view, *scopes)
            g.caller = caller_with(*scopes)
            if at_its_turn:
                _let_in(key_digest())
            return view()

        return take

    return decorate


def key_digest() -> bytes:
    """Stands for the key and the secret of the request, in this process. Raises Wrong."""
    return hmac.digest(_OWN, ":".join(_credentials()).encode(), "sha256")


def _let_in(digest: bytes) -> None:
    if len(LET_IN) >= MOST_LET_IN:
        LET_IN.clear()
    LET_IN.add(digest)


def _known_by_then(view: Callable[[], Answer], *scopes: str) -> Answer:
    """Who is refused before the turn has a key that is looked up as well: it may be good no more."""
    try:
        return view()
    except Exception as error:
        is_about_key = isinstance(error, Wrong) and error.status in (401, 403)
        if "caller" not in g and not is_about_key and not is_away(error):
            g.caller = caller_with(*scopes)
        raise


def caller_with(*scopes: str) -> keys.Caller:
    """Who asks, by a key that has one of these scopes. Raises Wrong."""
    caller = _caller()
    if not caller.may(*scopes, reading=request.method in ("GET", "HEAD")):
        raise Wrong(403, "key.scope", f"This key does not have the scope {scopes[0]}.")
    return caller


def stay_within(iri: str | None) -> None:
    """Keep a bound key to what is kept about its own activity; none is what is about no activity. Raises Wrong."""
    if g.caller.activity not in (None, iri):
        raise out_of_bounds("documents and definitions of this activity alone are open to it")


def out_of_bounds(why: str) -> Wrong:
    return Wrong(403, "key.bound", f"This key is bound to {g.caller.activity}: {why}.")


def _caller() -> keys.Caller:
    key, secret = _credentials()
    vault = tool().vault
    with tool().database.looking() as db:
        caller = keys.find(db, key=key, secret=secret, fingerprints=lambda text: record.key_hashes(db, vault, text))
        g.iri_base = record.iri_base(db)
    if caller is None:
        raise Wrong(401, "key.unknown", "This key is not known, or its secret is wrong.")
    now = clock.now()
    if caller.expires_at is not None and caller.expires_at <= now:
        until = f"{caller.expires_at:%Y-%m-%d %H:%M} UTC"
        raise Wrong(401, "key.expired", f"This key was good until {until}: ask an administrator here for another one.")
    if caller.is_aged:
        with tool().database.transaction() as db:
            keys.renew(db, caller, record.key_hashes(db, vault, secret.encode())[0])
    if caller.is_to_note(now):
        with suppress(OperationalError), tool().database.writing_at_once() as db:
            keys.note_use(db, caller, now)
    return caller


def _credentials() -> tuple[str, str]:
    """A key and its secret; the header may have anything in it. Raises Wrong."""
    try:
        given = request.authorization
    except ValueError:  # letters outside ASCII, where there should be base64
        given = None
    key, secret = (given.username, given.password) if given is not None and given.type == "basic" else (None, None)
    if not key or not (key.isascii() and key.isprintable()):
        raise Wrong(401, "key.missing", "Send a key and its secret with Basic authentication.")
    return key, secret or ""


def authority() -> Statement:
    """Who vouches for what the caller stores."""
    return {"objectType": "Agent", "account": {"homePage": g.iri_base, "name": f"key-{g.caller.key}"}}


def only_mine() -> str | None:
    """Whose statements alone are given out, as facets.agent_key writes it, where the key may see no others."""
    return None if g.caller.may(keys.READ, reading=True) else agent_key(authority())


# About, and whatever is not here ------------------------------------------------------------------------------------

lrs = resource("lrs")


@lrs.before_app_request
def _mend_address() -> Answer | None:
    """Understand who adds /statements to an endpoint with a slash at its end: a page may not follow a redirection."""
    if not request.path.startswith(f"{PLACE}//"):
        return None
    return _answer_to(_meant() | {"PATH_INFO": _SLASHES.sub("/", request.path)})


_SLASHES = re.compile("/+")


@lrs.get("/about", strict_slashes=False)
def about() -> Answer:
    """Which versions are spoken; anybody may ask, in any version or none."""
    if g.version == NEITHER:
        g.version = TWO
    return jsonify(version=[ONE, TWO])


_RESOURCES = frozenset(
    {"about", "statements", "agents", "agents/profile", "activities", "activities/profile", "activities/state"}
)


@lrs.route("", defaults={"place": ""}, methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
@lrs.route("/", defaults={"place": ""}, methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
@lrs.route("/<path:place>", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
def anything_else(place: str) -> Answer:
    """What is not here is refused in the same form as everything else."""
    if place.strip("/") in _RESOURCES:
        return _problem(405, "method", "This resource does not know this method.")
    return _problem(404, "resource.unknown", "There is no such resource.")
