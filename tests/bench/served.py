"""Launches per second of production servers, each with two workers: login, launch and first page, eight at a time."""

import multiprocessing
import os
import signal
import socket
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from flask import Flask

from lti_mentor import migrations, settings
from lti_mentor.app import create_app
from lti_mentor.db import connect
from lti_mentor.practice.tokens import SigningKey, claims
from lti_mentor.practice.world import LEARNER, LmsPerson, World
from lti_mentor.server import Server
from lti_mentor.vault import Vault
from tests.bench import bare_tool
from tests.bench.load import Crowd, crowd, launch, log_in
from tests.conftest import register, small_world

ROUNDS, LAUNCHES = 9, 160
SHIPPED, CACHED = "bare library as shipped", "bare library, key cache on"
KNOWN, NEW = "LTI Mentor, people it knows", "LTI Mentor, new people only"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _serve(make: Callable[[], Flask], port: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # one line a request is written, and not kept
    Server(make, host="127.0.0.1", port=port, workers=2, log_level="INFO").run()


def _wait_for(port: int, process: multiprocessing.Process) -> None:
    """Until it answers; raises when it ended or takes half a minute."""
    for _try in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        process.join(0.1)
        if not process.is_alive():
            break
    raise RuntimeError("the server of the bench did not start")


@contextmanager
def server(make: Callable[[], Flask]) -> Iterator[int]:
    """The port of the application behind the server of ``lti-mentor serve``."""
    port = free_port()
    process = multiprocessing.Process(target=_serve, args=(make, port))
    process.start()
    try:
        _wait_for(port, process)
        yield port
    finally:
        os.kill(process.pid or 0, signal.SIGTERM)
        process.join()


class Launches:
    """A tool, the people who come to it, and how many of them came so far."""

    def __init__(self, port: int, world: World, key: SigningKey, people: Iterator[LmsPerson]) -> None:
        self.port, self.world, self.key, self.people = port, world, key, people

    def rate(self, callers: Crowd, number: int) -> float:
        """Complete launches a second."""
        start = {
            "iss": self.world.issuer,
            "login_hint": "somebody",
            "target_link_uri": f"{self.world.tool_url}/lti/launch",
            "client_id": self.world.client_id,
            "lti_message_hint": "hint",
            "lti_deployment_id": "1",
        }
        before, waiting = callers.do(log_in, self.port, [start] * number)
        signed = [(each, self._token(each.nonce)) for each in waiting]
        after, _ = callers.do(launch, self.port, signed)
        return number / (before + after)

    def _token(self, nonce: str) -> str:
        return self.key.sign(claims(self.world, next(self.people), self.world.courses[0], nonce=nonce))


def known(world: World, number: int) -> Iterator[LmsPerson]:
    people = [LmsPerson(id=f"known-{each}", name=f"Known {each}") for each in range(number)]
    world.courses[0].members.update({person.id: [LEARNER] for person in people})
    while True:
        yield from people


def strangers(world: World) -> Iterator[LmsPerson]:
    count = 0
    while True:
        count += 1
        world.courses[0].members[f"stranger-{count}"] = [LEARNER]
        yield LmsPerson(id=f"stranger-{count}", name=f"Stranger {count}")


def rates(folder: Path, issuer: str, key: SigningKey, keys: tuple[str, str]) -> dict[str, list[float]]:
    """Of each tool in turn, so that a slow moment of the machine meets all of them."""
    tool_port = free_port()
    world = small_world(issuer, f"http://localhost:{tool_port}")
    loaded = settings.load(
        {
            "LTI_MENTOR_SECRET_KEY": "b" * 40,
            "LTI_MENTOR_ALLOW_PRIVATE_ADDRESSES": "true",
            "LTI_MENTOR_BASE_URL": world.tool_url,
            "LTI_MENTOR_DATABASE_URL": f"sqlite:///{folder}/served.db",
            # everybody is one caller here
            "LTI_MENTOR_LOGINS_A_MINUTE_OF_ADDRESS": "1000000",
            "LTI_MENTOR_LAUNCHES_A_MINUTE_OF_PERSON": "1000000",
            "LTI_MENTOR_LAUNCHES_A_MINUTE_OF_PLATFORM": "1000000",
        }
    )
    database = connect(loaded.database_url)
    migrations.prepare(database, loaded, Vault(loaded.secret_key))
    register(database, world)
    database.engine.dispose()

    def bare(cached: bool) -> Callable[[], Flask]:
        return lambda: bare_tool.create_with_page(issuer, world.client_id, *keys, key_cache=cached)

    with ExitStack() as stack:
        callers = stack.enter_context(crowd())
        ours = stack.enter_context(server(lambda: create_app(loaded)))
        tools = {
            SHIPPED: Launches(stack.enter_context(server(bare(False))), world, key, known(world, 64)),
            CACHED: Launches(stack.enter_context(server(bare(True))), world, key, known(world, 64)),
            KNOWN: Launches(ours, world, key, known(world, 64)),
            NEW: Launches(ours, world, key, strangers(world)),
        }
        for each in tools.values():
            each.rate(callers, 80)
        found: dict[str, list[float]] = {name: [] for name in tools}
        for _ in range(ROUNDS):
            for name, each in tools.items():
                found[name].append(each.rate(callers, LAUNCHES))
    return found


def lines(folder: Path, issuer: str, key: SigningKey, keys: tuple[str, str]) -> list[str]:
    usual = {name: statistics.median(values) for name, values in rates(folder, issuer, key, keys).items()}
    rows = [
        f"| {name} | {rate:.0f} | {rate / usual[SHIPPED]:.2f} × | {rate / usual[CACHED]:.2f} × |"
        for name, rate in usual.items()
    ]
    return [
        "## Launches a second",
        "",
        "Login, launch and first page behind `lti-mentor serve` with two workers, eight people at a time. The bare"
        " library stands behind the same server, keeps launches in its session cookie and shows a page of its own; LTI"
        " Mentor writes a visit and a statement, person and membership where there is news of them (always of new"
        " people), and shows the home of a learner.",
        "",
        "| tool | launches a second | × as shipped | × with the key cache |",
        "|---|---|---|---|",
        *rows,
        "",
        f"Median of {ROUNDS} rounds of {LAUNCHES} launches, the tools in turn; tokens are signed between login and"
        " launch, outside the time. Goal, read for people it knows, who are all but the first launch of each: at least"
        " 0.6 × as shipped and 0.3 × with the key cache.",
        "",
    ]
