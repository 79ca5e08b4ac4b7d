"""Delivery while workers are killed at random, on a way that loses requests and answers."""

import random
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import requests

from tests.conftest import SECRET, url_of
from tests.support import processes
from tests.support.faulty_proxy import FAULTS, faulty_proxy
from tests.support.outside import Peer, add, say, standing, statement

A_BATCH = 50
SHARE = 0.12  # of the requests that go wrong in another way than by a kill
SEED = 20261125
WORKERS = 2
QUICK = {
    "ANSWER_TIMEOUT_SECONDS": "2",
    "READ_TIMEOUT_SECONDS": "2",
    "JOB_LEASE_SECONDS": "3",
    "WORKER_POLL_SECONDS": "1",
    "ALLOW_PRIVATE_ADDRESSES": "true",
    "LOG_LEVEL": "ERROR",
}


class Workers:
    """Two processes, which are all killed at once and started again."""

    def __init__(self, database_url: str) -> None:
        self.environment = {"DATABASE_URL": database_url, "SECRET_KEY": SECRET, **QUICK}
        self.running, self.restarts, self.lock = ExitStack(), 0, threading.Lock()
        self.processes = []

    def start(self) -> None:
        started = [processes.running("worker", **self.environment) for _ in range(WORKERS)]
        self.processes = [self.running.enter_context(each) for each in started]

    def kill(self) -> None:
        with self.lock:
            for process in self.processes:
                processes.kill(process)
            self.running.close()
            self.restarts += 1
            self.start()


@contextmanager
def served_alone(found: Peer) -> Iterator[Peer]:
    """The record store outside, as a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {"DATABASE_URL": url_of(found.database), "BASE_URL": url, "SECRET_KEY": SECRET, "LOG_LEVEL": "ERROR"}
    with processes.running("serve", "--port", str(port), "--workers", "1", **environment) as process:
        while process.poll() is None:
            try:
                if requests.get(f"{url}/healthz", timeout=5).ok:
                    break
            except requests.ConnectionError:
                continue
        yield replace(found, url=url)


@dataclass(frozen=True)
class Outcome:
    sent: int
    delivered: int  # as counted here
    lost: int
    doubled: int
    restarts: int
    seconds: float
    requests: int
    failed: int  # of the requests
    is_in_order: bool  # each registration

    def __str__(self) -> str:
        return (
            f"sent {self.sent}, delivered {self.delivered}, lost {self.lost}, duplicated {self.doubled},"
            f" restarts survived {self.restarts}; {self.seconds:.0f} s, {self.requests} requests,"
            f" {self.failed} of them failed"
        )


def survive(database, home, outside, loaded, *, count: int, kills: int, seconds: int) -> Outcome:
    """Store so many statements while they are delivered and workers are killed so often; all within these seconds."""
    workers = Workers(url_of(database))
    at = set(random.Random(SEED).sample(range(3, count // 100 + 5), kills))
    with faulty_proxy(outside.url, seed=SEED, share=SHARE, kills=at, kill=workers.kill) as proxy, workers.running:
        endpoint = outside.draft().endpoint.replace(outside.url, proxy.url)
        add(database, loaded, home, outside.draft(endpoint=endpoint))
        started = time.monotonic()
        workers.start()
        said = [statement(number) for number in range(count)]
        for start in range(0, count, A_BATCH):
            say(database, home, said[start : start + A_BATCH])
        while standing(database, home).waiting:
            assert time.monotonic() - started < seconds, (proxy.happened, standing(database, home))
            proxy.moved.wait(1)
            proxy.moved.clear()
        taken = time.monotonic() - started
        got = outside.statements()
    ids = [each["id"] for each in got]
    return Outcome(
        sent=count,
        delivered=standing(database, home).target.delivered,
        lost=count - len(set(ids)),
        doubled=len(ids) - len(set(ids)),
        restarts=workers.restarts,
        seconds=taken,
        requests=proxy.posts,
        failed=sum(proxy.happened[fault] for fault in FAULTS),
        is_in_order=_by_registration(got) == _by_registration(said),
    )


def _by_registration(statements: list[dict]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for each in statements:
        found[each["context"]["registration"]].append(each["id"])
    return found
