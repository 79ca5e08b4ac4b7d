"""The record store with a million statements: whether finding them takes as long as with ten thousand."""

import json
import os
import statistics
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path
from urllib.parse import urlencode

from lti_mentor import migrations, settings
from lti_mentor.app import create_app
from lti_mentor.db import connect
from lti_mentor.insight import exports
from lti_mentor.mentoring import organizations
from lti_mentor.vault import Vault
from tests.bench import seeds
from tests.bench.load import Browser
from tests.bench.served import server
from tests.bench.services import Spent, alone, spent
from tests.support.record_store import made_key
from xapi import times
from xapi.search import Query

FEW, MANY = 10_000, int(os.environ.get("BENCH_STATEMENTS", "1000000"))
ROUNDS, WARM = 40, 5
EXPORTED = 200_000
SECRET = "b" * 40
Parameters = dict[str, str]


@dataclass(frozen=True)
class Store:
    """A filled one behind the production server."""

    port: int
    headers: str
    registration: str
    lately: str  # the time of the newest but five thousand

    @cached_property
    def browser(self) -> Browser:
        """Connected when it is needed: a server hangs up when it has nothing to do meanwhile."""
        return Browser(self.port)

    def ask(self, **parameters: str) -> tuple[float, dict]:  # type: ignore[type-arg]
        """Seconds, and the page."""
        began = time.perf_counter()
        status, body = self.browser.get(f"/xapi/statements?{urlencode(parameters)}", self.headers)
        taken = time.perf_counter() - began
        if status != 200:
            sys.exit(f"statements were not found: {status} {body[:300]!r}")
        return taken, json.loads(body)


def filled(file: Path, total: int) -> None:
    database = connect(f"sqlite:///{file}")
    loaded = settings.load({"LTI_MENTOR_SECRET_KEY": SECRET})
    migrations.prepare(database, loaded, Vault(loaded.secret_key))
    with database.transaction() as db:
        tenant = organizations.named(db, "Home").id
    seeds.fill(database, tenant, total)


def opened(file: Path, stack: ExitStack) -> Store:
    url = f"sqlite:///{file}"
    loaded = settings.load({"LTI_MENTOR_SECRET_KEY": SECRET, "LTI_MENTOR_DATABASE_URL": url})
    database = connect(url)
    key = b64encode(":".join(made_key(database, loaded.secret_key)).encode()).decode()
    database.engine.dispose()
    port = stack.enter_context(server(lambda: create_app(loaded)))
    headers = f"X-Experience-API-Version: 1.0.3\r\nAuthorization: Basic {key}\r\n"
    bare = Store(port, headers, "", "")
    _, page = bare.ask(limit="1")
    newest = page["statements"][0]
    lately = times.parsed(newest["stored"]) - timedelta(milliseconds=5000)
    return Store(port, headers, newest["context"]["registration"], times.written(lately))


def agent(number: int) -> str:
    return json.dumps(seeds.agent(number))


TEACHER = json.dumps(seeds.agent(0, "teacher"))
RELATED = {"related_activities": "true"}
FILTERS: dict[str, Callable[[Store], Parameters]] = {
    "none": lambda store: {},
    "agent, the busiest": lambda store: {"agent": agent(0)},
    "agent": lambda store: {"agent": agent(100)},
    "verb, the commonest": lambda store: {"verb": seeds.verb("completed")},
    "verb, the rarest": lambda store: {"verb": seeds.verb("failed")},
    "activity": lambda store: {"activity": seeds.item(0, 0)},
    "registration": lambda store: {"registration": store.registration},
    "since": lambda store: {"since": store.lately},
    "since, ascending": lambda store: {"since": store.lately, "ascending": "true"},
    "agent and verb": lambda store: {"agent": agent(0), "verb": seeds.verb("passed")},
    "agent and verb that never meet": lambda store: {"agent": agent(0), "verb": seeds.verb("attended")},
    "related activities: a course": lambda store: RELATED | {"activity": seeds.course(0)},
    "a course and an agent": lambda store: RELATED | {"activity": seeds.course(0), "agent": agent(100)},
    "related agents: a teacher": lambda store: {
        "agent": json.dumps(seeds.agent(0, "teacher")),
        "related_agents": "true",
    },
    "nothing matches": lambda store: {"agent": agent(-1)},
}


def p50s(few: Store, many: Store) -> dict[str, tuple[float, float]]:
    """Milliseconds in both, asked in turn on one connection each."""
    found = {}
    for name, parameters in FILTERS.items():
        taken: tuple[list[float], list[float]] = ([], [])
        for number in range(WARM + ROUNDS):
            for store, values in zip((few, many), taken, strict=True):
                seconds, _ = store.ask(limit="25", **parameters(store))
                if number >= WARM:
                    values.append(seconds * 1000)
        found[name] = (statistics.median(taken[0]), statistics.median(taken[1]))
    return found


def page_through(_issuer: str, file: str) -> Spent:
    """Everything by ``more``: how many there were, and the middle page time of the first and of the last tenth."""
    loaded = settings.load({"LTI_MENTOR_SECRET_KEY": SECRET, "LTI_MENTOR_DATABASE_URL": f"sqlite:///{file}"})
    database = connect(loaded.database_url)
    key = made_key(database, loaded.secret_key)
    client, headers = create_app(loaded, database).test_client(), {"X-Experience-API-Version": "1.0.3"}
    seen, times_taken = 0, []

    def work() -> tuple[int, float, float]:
        nonlocal seen
        more = "/xapi/statements"
        while more:
            began = time.perf_counter()
            answer = client.get(more, auth=key, headers=headers)
            times_taken.append(time.perf_counter() - began)
            page = json.loads(answer.data)
            seen, more = seen + len(page["statements"]), page["more"]
        tenth = len(times_taken) // 10
        return seen, statistics.median(times_taken[:tenth]), statistics.median(times_taken[-tenth:])

    return spent(work)


def export_some(_issuer: str, file: str) -> Spent:
    """JSON Lines of everything, or of the first ones where there are very many."""
    database = connect(f"sqlite:///{file}")
    with database.reading() as db:
        tenant = organizations.named(db, "Home").id

    def work() -> int:
        pieces = exports.lines(exports.export(database, tenant, Query()), "jsonl", [])
        return sum(piece.count("\n") for piece in islice(pieces, EXPORTED // exports.AT_ONCE))

    return spent(work)


def lines(folder: Path) -> list[str]:
    few_file, many_file = folder / "few.db", folder / "many.db"
    filled(few_file, FEW)
    filled(many_file, MANY)
    with ExitStack() as stack:
        found = p50s(opened(few_file, stack), opened(many_file, stack))
    paged = {total: alone(page_through, "", str(file)) for total, file in ((FEW, few_file), (MANY, many_file))}
    exported = {total: alone(export_some, "", str(file)) for total, file in ((FEW, few_file), (MANY, many_file))}
    for total, each in paged.items():
        if each.found[0] != total:
            sys.exit(f"{each.found[0]} of {total} statements were found by paging")
    worst = max(many / few for few, many in found.values())
    return [
        "## Finding statements",
        "",
        f"`GET /xapi/statements?limit=25` behind the production server, on one connection. {seeds.SKEW}",
        "",
        f"| filter | p50 ms of {FEW:,} | p50 ms of {MANY:,} | ratio |",
        "|---|---|---|---|",
        *(f"| {name} | {few:.1f} | {many:.1f} | {many / few:.2f} × |" for name, (few, many) in found.items()),
        "",
        f"Each figure is from {ROUNDS} requests, the two in turn. Goal: at most 2 × (at worst {worst:.2f}).",
        "",
        "| everything by `more`, 100 a page | p50 ms, first tenth | last tenth | ratio | MB it grew |",
        "|---|---|---|---|---|",
        *(_paging_row(each) for each in paged.values()),
        "",
        "| as JSON Lines | statements | statements a second | MB it grew |",
        "|---|---|---|---|",
        *(
            f"| of {total:,} | {each.found:,} | {each.found / each.seconds:.0f} | {each.megabytes:.0f} |"
            for total, each in exported.items()
        ),
        "",
        "In a fresh process each; the goal is that neither page times nor memory grow with the number of statements.",
        "",
    ]


def _paging_row(each: Spent) -> str:
    seen, first, last = each.found
    pages = f"{first * 1000:.1f} | {last * 1000:.1f} | {last / first:.2f} ×"
    return f"| {seen:,} statements | {pages} | {each.megabytes:.0f} |"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print("\n".join(lines(Path(name))))
