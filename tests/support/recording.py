"""A platform that notes what it is asked and answers as a test says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from flask import Flask, Response, request

from tests.support.serving import served

METHODS = ["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True)
class Asked:
    method: str
    address: str  # path and query
    headers: dict[str, str]
    form: dict[str, str]
    body: str


@contextmanager
def recording(answer: Callable[[Asked], Response]) -> Iterator[tuple[str, list[Asked]]]:
    """Its address, and what it was asked so far."""
    seen: list[Asked] = []

    def take(path: str = "") -> Response:
        address = request.full_path.rstrip("?")
        body = request.get_data(as_text=True)
        seen.append(Asked(request.method, address, dict(request.headers), request.form.to_dict(), body))
        return answer(seen[-1])

    def make(base: str) -> Flask:
        app = Flask("recording")
        app.add_url_rule("/", view_func=take, methods=METHODS)
        app.add_url_rule("/<path:path>", view_func=take, methods=METHODS)
        return app

    with served(make) as base:
        yield base, seen
