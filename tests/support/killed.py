"""Delivery while one worker after the other is killed at random, on a way that loses requests and answers."""

import random
import socket
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import requests

from lti_mentor import clock
from tests.conftest import SECRET, url_of
from tests.support import processes
from tests.support.faulty_proxy import FAULTS, faulty_proxy
from tests.support.outside import Peer, add, say, standing, statement
from xapi.outbox import Standing

A_BATCH = 50
LAST = 10  # batches that are stored after the last kill
BETWEEN = (0.3, 2.0)  # seconds from one kill to the next
SHARE = 0.12  # of the requests that go wrong in another way than by a kill
SEED = 20261125
WORKERS = 2
QUICK = {
    "ANSWER_TIMEOUT_SECONDS": "1",
    "READ_TIMEOUT_SECONDS": "1",
    "JOB_LEASE_SECONDS": "3",
    "WORKER_POLL_SECONDS": "1",
    "ALLOW_PRIVATE_ADDRESSES": "true",
    "LOG_LEVEL": "ERROR",
}


class Workers:
    """Processes of which one at a time is killed and another started in its place."""

    def __init__(self, database_url: str) -> None:
        self.environment = {"DATABASE_URL": database_url, "SECRET_KEY": SECRET, **QUICK}
        self.running: list[tuple[ExitStack, subprocess.Popen]] = []
        self.restarts = 0

    @contextmanager
    def started(self) -> Iterator[None]:
        try:
            self.running = [self._start() for _ in range(WORKERS)]
            yield
        finally:
            for place, _ in self.running:
                place.close()

    def _start(self) -> tuple[ExitStack, subprocess.Popen]:
        place = ExitStack()
        return place, place.enter_context(processes.running("worker", **self.environment))

    def kill(self, number: int) -> None:
        place, process = self.running[number]
        processes.kill(process)
        place.close()
        self.running[number] = self._start()
        self.restarts += 1

    def kill_at_random(self, kills: int, over: threading.Event) -> None:
        """So often, whatever the one is doing that is hit; all of them have their turn."""
        chance = random.Random(SEED)
        victims = [number % WORKERS for number in range(kills)]
        chance.shuffle(victims)
        for number in victims:
            if over.wait(chance.uniform(*BETWEEN)):
                return
            self.kill(number)


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
    sent_again: int  # of them, because nobody could know that they had arrived
    delivered: int  # as counted here
    lost: int
    doubled: int  # at the record store outside
    restarts: int
    seconds: float
    requests: int
    failed: int  # of the requests
    is_in_order: bool  # each registration

    def __str__(self) -> str:
        return (
            f"sent {self.sent}, {self.sent_again} of them more than once, delivered {self.delivered}, lost {self.lost},"
            f" stored twice {self.doubled}, restarts survived {self.restarts}; {self.seconds:.0f} s,"
            f" {self.requests} requests, {self.failed} of them failed"
        )


def survive(database, home, outside, loaded, *, count: int, kills: int, seconds: int) -> Outcome:
    """Deliver so many statements while workers are killed so often; all within these seconds.

    Half of them are there before the target is added. The last ones are stored after the last kill, so that each kill
    meets workers with work to do.
    """
    workers, over = Workers(url_of(database)), threading.Event()
    said = [statement(number) for number in range(count)]
    batches = [said[start : start + A_BATCH] for start in range(0, count, A_BATCH)]
    older, newer, last = batches[: len(batches) // 2], batches[len(batches) // 2 : -LAST], batches[-LAST:]
    for batch in older:
        say(database, home, batch)
    with (
        faulty_proxy(outside.url, seed=SEED, share=SHARE) as proxy,
        workers.started(),
        ThreadPoolExecutor(1) as thread,
    ):
        endpoint, yesterday = outside.draft().endpoint.replace(outside.url, proxy.url), clock.now() - timedelta(days=1)
        started = time.monotonic()
        add(database, loaded, home, outside.draft(endpoint=endpoint, since=yesterday))
        killing = thread.submit(workers.kill_at_random, kills, over)
        try:
            for batch in newer:
                say(database, home, batch)
            killing.result(seconds)
            for batch in last:
                say(database, home, batch)
            while _is_on_its_way(standing(database, home)):
                assert time.monotonic() - started < seconds, (proxy.happened, standing(database, home))
                proxy.moved.wait(1)
                proxy.moved.clear()
        finally:
            over.set()
        taken = time.monotonic() - started
        got = outside.statements()
    ids = [each["id"] for each in got]
    return Outcome(
        sent=count,
        sent_again=sum(times > 1 for times in proxy.passed_on.values()),
        delivered=standing(database, home).target.delivered,
        lost=count - len(set(ids)),
        doubled=len(ids) - len(set(ids)),
        restarts=workers.restarts,
        seconds=taken,
        requests=proxy.posts,
        failed=sum(proxy.happened[fault] for fault in FAULTS),
        is_in_order=_by_registration(got) == _by_registration(said),
    )


def _is_on_its_way(found: Standing) -> bool:
    return found.waiting > 0 or found.progress is not None


def _by_registration(statements: list[dict]) -> dict[str, list[str]]:
    found = defaultdict(list)
    for each in statements:
        found[each["context"]["registration"]].append(each["id"])
    return found
