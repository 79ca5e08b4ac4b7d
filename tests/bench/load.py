"""Eight people who knock at once, each a process with raw connections: measuring costs less than what it measures.

Logins and launches are timed, the signing of tokens between them is not: that is the platform's work.
"""

import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

KNOCKING = 8
FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


class Browser:
    """One connection to a server, and the cookies it was given."""

    def __init__(self, port: int, cookies: dict[str, str] | None = None) -> None:
        self.cookies, self.host = dict(cookies or {}), f"localhost:{port}"
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, method: str, path: str, body: bytes = b"", headers: str = FORM) -> tuple[int, str]:
        """Status, and where a redirect leads."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items() if value)
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nCookie: {cookies}\r\nContent-Length: {len(body)}\r\n"
        self.connection.sendall(f"{head}{headers}\r\n".encode() + body)
        status, location, _ = self._answer()
        return status, location

    def get(self, path: str, headers: str) -> tuple[int, bytes]:
        """Status and body."""
        self.connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n{headers}\r\n".encode())
        status, _, body = self._answer()
        return status, body

    def _answer(self) -> tuple[int, str, bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        length, location = 0, ""
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            if name == "Content-Length":
                length = int(value)
            elif name == "Location":
                location = value
            elif name == "Set-Cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        pieces = [body]
        missing = length - len(body)
        while missing > 0:
            pieces.append(self._more())
            missing -= len(pieces[-1])
        return int(lines[0][9:12]), location, b"".join(pieces)

    def _more(self) -> bytes:
        data = self.connection.recv(65536)
        if not data:
            raise ConnectionError("the server hung up")
        return data


@dataclass(frozen=True)
class Waiting:
    """Somebody who is at the platform between login and launch."""

    nonce: str
    state: str
    cookies: dict[str, str]


def log_in(port: int, start: dict[str, str]) -> Waiting:
    browser = Browser(port)
    status, location = browser.ask("POST", "/lti/login", urlencode(start).encode())
    browser.connection.close()
    if status != 302:
        raise ConnectionError(f"a login failed: {status}")
    asked = parse_qs(urlsplit(location).query)
    return Waiting(asked["nonce"][0], asked["state"][0], browser.cookies)


def launch(port: int, given: tuple[Waiting, str]) -> None:
    """To the first page, on one connection as a browser has it."""
    waiting, token = given
    browser = Browser(port, waiting.cookies)
    status, location = browser.ask(
        "POST", "/lti/launch", urlencode({"id_token": token, "state": waiting.state}).encode()
    )
    while status in (302, 303):
        status, location = browser.ask("GET", urlsplit(location)._replace(scheme="", netloc="").geturl())
    browser.connection.close()
    if status != 200:
        raise ConnectionError(f"a launch failed: {status}")


_together: Any = None


def _meet(barrier: Any) -> None:
    global _together
    _together = barrier


def _knock(task: tuple[Callable[..., Any], int, Sequence[Any]]) -> tuple[float, float, list[Any]]:
    """When this one began and ended, and what it found."""
    work, port, given = task
    _together.wait(timeout=60)
    began = time.monotonic()
    found = [work(port, each) for each in given]
    return began, time.monotonic(), found


class Crowd:
    """The processes, kept for all rounds."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def do(self, work: Callable[..., Any], port: int, given: Sequence[Any]) -> tuple[float, list[Any]]:
        """Seconds until the last one is through, and what all found."""
        shares = [(work, port, given[place::KNOCKING]) for place in range(KNOCKING)]
        done = self._pool.map(_knock, shares, chunksize=1)
        seconds = max(ended for _, ended, _ in done) - min(began for began, _, _ in done)
        return seconds, [each for _, _, found in done for each in found]


@contextmanager
def crowd() -> Iterator[Crowd]:
    with multiprocessing.Pool(KNOCKING, _meet, (multiprocessing.Barrier(KNOCKING),)) as pool:
        yield Crowd(pool)
