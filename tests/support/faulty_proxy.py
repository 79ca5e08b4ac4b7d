"""A proxy that loses requests and answers, errs, hangs and resets, as its seed decides, and counts what passes."""

import http.client
import json
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

FAULTS = ("error", "busy", "lost request", "lost answer", "hang", "hang after taking")
ABORT = struct.pack("ii", 1, 0)  # close with a reset


class FaultyProxy(ThreadingHTTPServer):
    """``passed_on`` counts how often each statement has reached the other side."""

    daemon_threads = True

    def __init__(self, upstream: str, *, seed: int, share: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream, self.share = urlsplit(upstream), share
        self.random, self.lock, self.moved = random.Random(seed), threading.Lock(), threading.Event()
        self.posts, self.happened, self.passed_on = 0, Counter[str](), Counter[str]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def fate(self) -> str:
        """Of the next batch."""
        with self.lock:
            self.posts += 1
            fate = self.random.choice(FAULTS) if self.random.random() < self.share else "passed on"
            self.happened[fate] += 1
        return fate

    def handle_error(self, request, client_address) -> None:
        """Clients that are killed are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def do_GET(self) -> None:
        self._answer(*self._pass_on())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fate = self.server.fate()
        if fate == "error":
            return self._answer(500, b"broken")
        if fate == "busy":
            return self._answer(429, b"", {"Retry-After": "1"})
        if fate == "lost request":
            return self._reset()
        if fate == "hang":
            return self._hang()
        with self.server.lock:
            self.server.passed_on.update(each["id"] for each in json.loads(body))
        answer = self._pass_on(body)
        if fate == "lost answer":
            self._reset()
        elif fate == "hang after taking":
            self._hang()
        else:
            self._answer(*answer)
        self.server.moved.set()

    def _pass_on(self, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.server.upstream.netloc, timeout=20)
        headers = {name: value for name, value in self.headers.items() if name not in ("Host", "Content-Length")}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self.close_connection = True
        self.connection.close()

    def _hang(self) -> None:
        """Until the other side gives up."""
        self.connection.recv(1)
        self.close_connection = True

    def log_message(self, *given) -> None:
        """Quiet."""


@contextmanager
def faulty_proxy(upstream: str, **how) -> Iterator[FaultyProxy]:
    server = FaultyProxy(upstream, **how)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
