"""The platform of the measurements, in a process of its own: keys, tokens, a long roster and a gradebook, from memory.

It checks nothing and does as little as it can, so that the tools are measured and not the platform.
"""

import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import parse_qs, urlsplit

MEMBERS, PER_PAGE = 10_000, 500
BUSY_EVERY = 700  # scores: then it asks to come again


def page_of(first: int) -> bytes:
    members = [
        {
            "user_id": f"member-{number}",
            "name": f"Member Number {number}",
            "email": f"member-{number}@students.example.org",
            "roles": ["http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"],
            "status": "Active",
        }
        for number in range(first, first + PER_PAGE)
    ]
    return json.dumps({"id": "roster", "members": members}).encode()


class Platform(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    keys: bytes = b""
    pages: tuple[bytes, ...] = ()
    told: dict[str, int] = {}  # noqa: RUF012 (one platform a process)
    asked = 0

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/jwks":
            self._answer(200, self.keys)
        elif address.path == "/roster":
            first = int(parse_qs(address.query).get("from", ["0"])[0])
            following = first + PER_PAGE
            link = f'<http://{self.headers["Host"]}/roster?from={following}>; rel="next"'
            self._answer(200, self.pages[first // PER_PAGE], **({"Link": link} if following < MEMBERS else {}))
        else:
            self._answer(200, json.dumps(self.told).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/token":
            self._answer(200, b'{"access_token": "token", "expires_in": 3600}')
        elif self.path == "/forget":
            self.told.clear()
            self._answer(200, b"{}")
        else:
            self._take(json.loads(body))

    def _take(self, score: dict[str, Any]) -> None:
        Platform.asked += 1
        if Platform.asked % BUSY_EVERY == 0:
            self._answer(429, b"{}", **{"Retry-After": "1"})
            return
        self.told[score["userId"]] = score["scoreGiven"]
        self._answer(200, b"{}")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


def _serve(jwk: dict[str, Any], port: Connection) -> None:
    Platform.keys = json.dumps({"keys": [jwk]}).encode()
    Platform.pages = tuple(page_of(first) for first in range(0, MEMBERS, PER_PAGE))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
    port.send(server.server_port)
    server.serve_forever()


@contextmanager
def running(jwk: dict[str, Any]) -> Iterator[str]:
    """The address of a platform with this public key."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(jwk, theirs), daemon=True)
    process.start()
    yield f"http://127.0.0.1:{ours.recv()}"
    process.terminate()
    process.join()
