"""One JSON line for each thing worth knowing, with the id of the request; never a secret, a token or a query."""

import json
import logging
import re
import secrets
import sys
import time
from datetime import UTC, datetime

from flask import Flask, Response, g, has_request_context, request

_EXTRAS = ("reason", "detail", "status", "method", "endpoint", "milliseconds", "job", "count")
_encoded = json.JSONEncoder(ensure_ascii=False).encode
_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
log = logging.getLogger("lti_mentor.request")


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "message": record.getMessage(),
        }
        if has_request_context():
            line["request"] = g.get("request_id")
        line |= {name: vars(record)[name] for name in _EXTRAS if name in vars(record)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _encoded(line)


def to_standard_error(level: str) -> None:
    """Send all logs of this process to standard error as JSON lines; what those do not say is not looked up."""
    logging.logThreads = logging.logMultiprocessing = False
    logging._srcfile = ""  # as the manual of logging says: nobody looks for the line that called
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def install(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
    g.began = time.perf_counter()


def _end(response: Response) -> Response:
    if "began" not in g:
        return response  # of another request that this one stood for
    response.headers["X-Request-Id"] = g.request_id
    taken = round((time.perf_counter() - g.began) * 1000, 1)
    log.info(
        "request",
        extra={
            "status": response.status_code,
            "method": request.method,
            "endpoint": request.endpoint,
            "milliseconds": taken,
        },
    )
    return response
