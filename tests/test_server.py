"""The production server: two workers with four threads each."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPResponse

import requests

from tests.conftest import url_of
from tests.support import processes


class Sender:
    """Somebody who sends forms slowly, all on one connection: a thread waits for the rest of each."""

    def __init__(self, port):
        self.port, self.connection = port, socket.create_connection(("127.0.0.1", port), timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def begin(self):
        head = f"POST /lti/login HTTP/1.1\r\nHost: localhost:{self.port}\r\nContent-Length: 100\r\n"
        self.connection.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\niss=".encode())

    def end(self):
        self.connection.sendall(b"x" * 96)
        answer = HTTPResponse(self.connection)
        answer.begin()
        answer.read()
        assert answer.status == 400


def answers(port):
    return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=20).ok


def test_nobody_waits_behind_busy_threads_while_another_worker_has_one_free(sqlite_database):
    port = processes.free_port()
    with processes.serving(url_of(sqlite_database), port), ExitStack() as stack:
        senders = [stack.enter_context(Sender(port)) for _ in range(7)]
        for each in senders:
            each.begin()
        assert all(answers(port) for _ in range(10))
        for each in senders:
            each.end()
        assert answers(port)


def test_connections_that_are_kept_busy_keep_nobody_out(sqlite_database):
    port = processes.free_port()
    with processes.serving(url_of(sqlite_database), port), ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        senders = []
        for number in range(24):
            if number == 4:
                assert answers(port)  # by the other worker: both are there
            senders.append(stack.enter_context(Sender(port)))
            senders[-1].begin()
        for each in senders:
            each.end()
        for each in senders:
            each.begin()
        asked = None
        for _ in range(20):
            for each in senders:
                each.end()
                each.begin()
            asked = asked or pool.submit(answers, port)
        assert asked.done(), "a new connection never had its turn"
        assert asked.result()
