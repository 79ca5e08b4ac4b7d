"""How many requests there were, by endpoint and status, and how long they took: one count for all workers.

Every endpoint has a row of numbers in one piece of memory. ``Server`` makes it before the workers are forked, so that
they share it, and a worker that ends takes nothing along; an application by itself counts in memory of its own.
"""

import hashlib
import struct
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from mmap import mmap
from threading import Lock

from flask import Flask, Response, current_app, g, request

STATUSES = (200, 201, 204, 206, 302, 303, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429, 500, 502, 503)
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
SIZE = 1_000_000  # bytes, for all endpoints together
UNKNOWN = "none"  # the endpoint of an address that leads nowhere
_STATUS_COLUMNS = (*STATUSES, 0)  # 0 is any other
_WIDTH = len(_STATUS_COLUMNS) + len(BOUNDS) + 2  # and slower than all bounds, and the sum
_DIGEST = hashlib.sha256().digest_size
_KEY = "lti_mentor.measures"


@dataclass
class Measures:
    """``memory`` begins with a digest of the endpoints: workers of a new version begin anew."""

    memory: bytearray | mmap = field(default_factory=lambda: bytearray(SIZE))
    guard: AbstractContextManager[object] = field(default_factory=Lock)
    _rows: dict[str, int] = field(default_factory=dict)

    def know(self, endpoints: list[str]) -> None:
        names = sorted({*endpoints, UNKNOWN})
        if _DIGEST + len(names) * _WIDTH * 8 > len(self.memory):
            raise ValueError("there are too many endpoints to measure")
        self._rows = {name: _DIGEST + place * _WIDTH * 8 for place, name in enumerate(names)}
        digest = hashlib.sha256(repr((names, STATUSES, BOUNDS)).encode()).digest()
        with self.guard:
            if self.memory[:_DIGEST] != digest:
                self.memory[:] = digest + bytes(len(self.memory) - _DIGEST)

    def add(self, endpoint: str, status: int, seconds: float) -> None:
        start = self._rows.get(endpoint, self._rows[UNKNOWN])
        status_column = _STATUS_COLUMNS.index(status if status in STATUSES else 0)
        faster = sum(1 for bound in BOUNDS if seconds > bound)
        with self.guard:
            self._add(start, status_column, 1)
            self._add(start, len(_STATUS_COLUMNS) + faster, 1)
            self._add(start, _WIDTH - 1, seconds)

    def _add(self, start: int, column: int, value: float) -> None:
        at = start + column * 8
        (before,) = struct.unpack_from("<d", self.memory, at)
        struct.pack_into("<d", self.memory, at, before + value)

    def lines(self) -> Iterator[str]:
        """In Prometheus' text format; endpoints that nobody asked for are left out."""
        with self.guard:
            copy = bytes(self.memory)
        rows = {name: struct.unpack_from(f"<{_WIDTH}d", copy, start) for name, start in self._rows.items()}
        rows = {name: row for name, row in rows.items() if any(row)}
        yield "# HELP lti_mentor_requests_total Requests that were answered."
        yield "# TYPE lti_mentor_requests_total counter"
        for name, row in rows.items():
            for status, count in zip(_STATUS_COLUMNS, row, strict=False):
                if count:
                    labels = f'endpoint="{name}",status="{status or "other"}"'
                    yield f"lti_mentor_requests_total{{{labels}}} {count:.0f}"
        yield "# HELP lti_mentor_request_seconds Time until an answer began."
        yield "# TYPE lti_mentor_request_seconds histogram"
        for name, row in rows.items():
            yield from _histogram(name, row[len(_STATUS_COLUMNS) :])


def _histogram(name: str, row: tuple[float, ...]) -> Iterator[str]:
    *counts, total = row
    so_far = 0.0
    for bound, count in zip((*BOUNDS, "+Inf"), counts, strict=True):
        so_far += count
        yield f'lti_mentor_request_seconds_bucket{{endpoint="{name}",le="{bound}"}} {so_far:.0f}'
    yield f'lti_mentor_request_seconds_sum{{endpoint="{name}"}} {total:.6f}'
    yield f'lti_mentor_request_seconds_count{{endpoint="{name}"}} {so_far:.0f}'


def install(app: Flask) -> None:
    """Count from now on; ``share`` says where, once everything is registered."""
    app.after_request(_count)


def share(app: Flask, measures: Measures) -> None:
    """Count there."""
    measures.know(list(app.view_functions))
    app.extensions[_KEY] = measures


def measures() -> Measures:
    found: Measures = current_app.extensions[_KEY]
    return found


def _count(response: Response) -> Response:
    if "began" in g:
        measures().add(request.endpoint or UNKNOWN, response.status_code, time.perf_counter() - g.began)
    return response
