"""The production server: two workers with four threads each."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event

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


def asks_on(port, enough):
    """Asks on one connection, which is kept, until it is enough; how often."""
    count = 0
    with requests.Session() as session:
        while not enough.is_set():
            assert session.get(f"http://127.0.0.1:{port}/healthz", timeout=20).ok
            count += 1
    return count


def test_connections_that_are_kept_busy_keep_nobody_out(sqlite_database):
    port, enough = processes.free_port(), Event()
    with processes.serving(url_of(sqlite_database), port), ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(asks_on, port, enough) for _ in range(24)]
        try:
            for _ in range(20):
                assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=20).ok
        finally:
            enough.set()
        assert all(each.result() for each in asked)
