"""The production server: two workers with four threads each."""

import socket
from contextlib import ExitStack

import requests

from tests.conftest import url_of
from tests.support import processes


def slow(port):
    """Somebody who began to send a form; a thread waits for the rest of it."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    head = f"POST /lti/login HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 100\r\n"
    connection.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\niss=".encode())
    return connection


def test_nobody_waits_behind_busy_threads_while_another_worker_has_one_free(sqlite_database):
    port = processes.free_port()
    with processes.serving(url_of(sqlite_database), port), ExitStack() as stack:
        held = [stack.enter_context(slow(port)) for _ in range(7)]
        for _ in range(10):
            assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=20).ok
        held.append(stack.enter_context(slow(port)))
        for each in held:
            each.sendall(b"x" * 96)
            assert each.recv(100).startswith(b"HTTP/1.1 4")
        assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=20).ok
