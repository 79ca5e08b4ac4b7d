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
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
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
from tests.support import postgres
from tests.support.record_store import made_key
from xapi import times
from xapi.search import Query

FEW, MANY = 10_000, int(os.environ.get("BENCH_STATEMENTS", "1000000"))
ROUNDS, WARM = 40, 5
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


def filled(url: str, total: int) -> None:
    database = connect(url)
    loaded = settings.load({"LTI_MENTOR_SECRET_KEY": SECRET})
    migrations.prepare(database, loaded, Vault(loaded.secret_key))
    with database.transaction() as db:
        tenant = organizations.named(db, "Home").id
    seeds.fill(database, tenant, total)


def opened(url: str, stack: ExitStack) -> Store:
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


def page_through(_issuer: str, url: str) -> Spent:
    """Everything by ``more``: how many there were, and the middle page time of the first and of the last tenth."""
    loaded = settings.load({"LTI_MENTOR_SECRET_KEY": SECRET, "LTI_MENTOR_DATABASE_URL": url})
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


def export_lines(_issuer: str, url: str) -> Spent:
    """Everything as JSON Lines, which are counted and not kept."""
    made = _export(url)
    return spent(lambda: sum(piece.count("\n") for piece in exports.lines(made, "jsonl", [])))


def export_parquet(_issuer: str, url: str) -> Spent:
    """Everything into a Parquet file with the usual columns; counted by reading it back."""
    made, duckdb = _export(url), exports.need_duckdb()
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        taken = spent(lambda: exports.write_parquet(made, exports.COLUMNS, file))
        ((rows,),) = duckdb.sql(f"SELECT count(*) FROM '{file.name}'").fetchall()
    return replace(taken, found=rows)


def _export(url: str) -> exports.Export:
    database = connect(url)
    with database.reading() as db:
        tenant = organizations.named(db, "Home").id
    return exports.export(database, tenant, Query())


EXPORTS = {"JSON Lines": export_lines, "Parquet": export_parquet}


@dataclass(frozen=True)
class Found:
    """In one database, with few statements and with many."""

    p50s: dict[str, tuple[float, float]]
    paged: dict[int, Spent]  # by how many statements there are
    exported: dict[tuple[str, int], Spent]  # by the kind of file, too


def found_in(few: str, many: str) -> Found:
    """By their URLs: both are empty."""
    urls = {FEW: few, MANY: many}
    for total, url in urls.items():
        filled(url, total)
    with ExitStack() as stack:
        middle = p50s(opened(few, stack), opened(many, stack))
    paged = {total: alone(page_through, "", url) for total, url in urls.items()}
    exported = {(kind, total): alone(work, "", url) for kind, work in EXPORTS.items() for total, url in urls.items()}
    counted = [(total, each.found[0]) for total, each in paged.items()]
    counted += [(total, each.found) for (_, total), each in exported.items()]
    for total, seen in counted:
        if seen != total:
            sys.exit(f"{seen} of {total} statements were found")
    return Found(middle, paged, exported)


def lines(folder: Path) -> list[str]:
    found = {"SQLite": found_in(*(f"sqlite:///{folder}/{name}.db" for name in ("few", "many")))}
    with postgres.cluster() as few, postgres.cluster() as many:
        found["PostgreSQL"] = found_in(few, many)
    worst = max(many / few for each in found.values() for few, many in each.p50s.values())
    return [
        "## Finding statements",
        "",
        f"`GET /xapi/statements?limit=25` behind the production server, on one connection. {seeds.SKEW}",
        "",
        f"| p50 ms | {' | '.join(f'{name}: of {FEW:,} | of {MANY:,} | ratio' for name in found)} |",
        f"|---|{'---|' * 3 * len(found)}",
        *(_filter_row(name, [each.p50s[name] for each in found.values()]) for name in FILTERS),
        "",
        f"Each figure is from {ROUNDS} requests, the two in turn. Goal: at most 2 × (at worst {worst:.2f}).",
        "",
        "| everything by `more`, 100 a page | statements | p50 ms, first tenth | last tenth | ratio | MB it grew |",
        "|---|---|---|---|---|---|",
        *(_paging_row(name, each) for name, those in found.items() for each in those.paged.values()),
        "",
        "| everything as a file | of | statements | statements a second | MB it grew |",
        "|---|---|---|---|---|",
        *(
            f"| {kind} | {name} | {each.found:,} | {each.found / each.seconds:.0f} | {each.megabytes:.0f} |"
            for name, those in found.items()
            for (kind, _), each in those.exported.items()
        ),
        "",
        "In a fresh process each; the goal is that neither page times nor memory grow with the number of statements."
        " DuckDB collects a group of rows before it writes them, so Parquet takes more until there are some 60,000.",
        "",
    ]


def _filter_row(name: str, taken: list[tuple[float, float]]) -> str:
    return f"| {name} | {' | '.join(f'{few:.1f} | {many:.1f} | {many / few:.2f} ×' for few, many in taken)} |"


def _paging_row(name: str, paged: Spent) -> str:
    seen, first, last = paged.found
    pages = f"{first * 1000:.1f} | {last * 1000:.1f} | {last / first:.2f} ×"
    return f"| {name} | {seen:,} | {pages} | {paged.megabytes:.0f} |"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print("\n".join(lines(Path(name))))
