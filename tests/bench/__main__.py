"""make bench: figures as ratios against a named baseline, measured in one run, written to docs/benchmarks.md."""

import cProfile
import io
import multiprocessing
import platform
import pstats
import re
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from sqlalchemy import Engine, event, insert
from werkzeug.test import TestResponse

from lti_mentor import clock, migrations, settings
from lti_mentor.app import create_app
from lti_mentor.db import Database, connect
from lti_mentor.mentoring import people
from lti_mentor.mentoring.goals import Goal, GoalLink
from lti_mentor.practice.tokens import SigningKey, claims
from lti_mentor.vault import Vault
from lti_mentor.web import visit
from tests.bench import bare_tool, delivery, lms, reading, records, served, services
from tests.conftest import gather_cast, register, small_world

ROUNDS, BURST = 60, 5
FEW, MANY = 100, 100_000  # goals
PROFILED = 100  # launches
TOOL = "http://localhost:8000"


class Bench:
    """The same requests against any of the tools."""

    def __init__(self, issuer: str, key: SigningKey) -> None:
        self.world, self.key = small_world(issuer, TOOL), key
        self.person, self.course = self.world.people[0], self.world.courses[0]
        self.after: Callable[[], TestResponse]  # the first page, once launched

    def launch(self, app: Flask) -> float:
        """Seconds for login and launch, without making the token."""
        client = app.test_client()
        start = {
            "iss": self.world.issuer,
            "login_hint": "learner",
            "target_link_uri": f"{TOOL}/lti/launch",
            "client_id": self.world.client_id,
            "lti_message_hint": "hint",
            "lti_deployment_id": "1",
        }
        began = time.perf_counter()
        login = client.post("/lti/login", data=start, base_url="https://localhost:8000")
        taken = time.perf_counter() - began
        asked = parse_qs(urlsplit(login.headers["Location"]).query)
        body = claims(self.world, self.person, self.course, nonce=asked["nonce"][0])
        form = {"id_token": self.key.sign(body), "state": asked["state"][0]}
        began = time.perf_counter()
        answer = client.post("/lti/launch", data=form, base_url="https://localhost:8000")
        taken += time.perf_counter() - began
        if answer.status_code not in (200, 303):
            sys.exit(f"a launch failed: {answer.status_code} {answer.text[:300]}")
        self.after = lambda: client.get(answer.headers["Location"], base_url="https://localhost:8000")
        return taken

    def complete(self, app: Flask, times: int) -> None:
        """Login, launch and first page, so often."""
        for _ in range(times):
            self.launch(app)
            if self.after().status_code != 200:
                sys.exit("a first page failed")


def in_turn(tools: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Each in turn, so that a slow moment of the machine meets all of them."""
    found: dict[str, list[float]] = {name: [] for name in tools}
    for number in range(ROUNDS + 3):
        for name, measure in tools.items():
            values = [measure() for _ in range(BURST)]
            if number >= 3:
                found[name] += values
    return found


def launches(folder: Path, key: SigningKey, keys: tuple[str, str]) -> list[str]:
    loaded = settings.load(
        {
            "LTI_MENTOR_SECRET_KEY": "b" * 40,
            "LTI_MENTOR_ALLOW_PRIVATE_ADDRESSES": "true",
            "LTI_MENTOR_LAUNCHES_A_MINUTE_OF_PERSON": "1000000",  # one launches all the time
        }
    )
    database = connect(f"sqlite:///{folder}/launch.db")
    migrations.prepare(database, loaded, Vault(loaded.secret_key))
    with lms.running(key.jwk()) as issuer:
        bench = Bench(issuer, key)
        register(database, bench.world)
        ours = create_app(loaded, database)
        bare = {
            cached: bare_tool.create(issuer, bench.world.client_id, *keys, key_cache=cached) for cached in (False, True)
        }
        found = in_turn(
            {
                "bare library as shipped": lambda: bench.launch(bare[False]),
                "bare library, key cache on": lambda: bench.launch(bare[True]),
                "LTI Mentor": lambda: bench.launch(ours),
            }
        )
        profile = profiled(lambda: bench.complete(ours, PROFILED))
    middle = {name: statistics.median(values) * 1000 for name, values in found.items()}
    mine, shipped, cached = (
        middle["LTI Mentor"],
        *(middle[f"bare library{x}"] for x in (" as shipped", ", key cache on")),
    )
    how = f"Requests in process. Each figure is from {ROUNDS * BURST} runs, the tools in turn, {BURST} at a time."
    lines = ["## A login and launch", "", how, "", "| tool | median ms | LTI Mentor is |", "|---|---|---|"]
    lines += [f"| {name} | {value:.2f} | {mine / value:.2f} × |" for name, value in middle.items()]
    lines += [
        "",
        f"Goal: at most 2 × as shipped ({mine / shipped:.2f}) and 4 × with the key cache ({mine / cached:.2f}).",
        "",
    ]
    return [
        *lines,
        "What a complete launch of LTI Mentor (login, launch, first page) spends its time on:",
        "",
        "| on | % of a launch |",
        "|---|---|",
        *(f"| {name} | {share:.0f} |" for name, share in shares(profile)),
        "",
        f"The longest steps of {PROFILED} launches (calls, own and cumulative seconds):",
        "",
        "```",
        longest(profile),
        "```",
        "",
    ]


def pair() -> tuple[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def profiled(work: Callable[[], object]) -> pstats.Stats:
    profiler = cProfile.Profile()
    profiler.runcall(work)
    return pstats.Stats(profiler)


PARTS = (
    ("the database: SQLite itself", r"sqlite3"),
    ("the database: SQLAlchemy", r"sqlalchemy"),
    ("requests and answers: Flask, Werkzeug", r"/flask/|werkzeug|/http/|urllib|markupsafe"),
    ("the page: Jinja and Babel", r"jinja2|/templates/|babel"),
    ("the token: PyJWT, cryptography", r"/jwt/|cryptography|rsa"),
    ("the statement: tincan, xapi", r"tincan|xapi/"),
    ("our own code", r"lti_mentor/"),
    ("the rest of Python", r""),
)


def shares(profile: pstats.Stats) -> list[tuple[str, float]]:
    """In percent by what the time was spent in, without what the measuring itself does."""
    found = dict.fromkeys((name for name, _ in PARTS), 0.0)
    for (file, _, function), (_, _, own, _, _) in profile.stats.items():  # type: ignore[attr-defined]
        if not re.search(r"/tests/|practice/|werkzeug/test|sign", f"{file} {function}"):
            place = f"{file} {function}"
            found[next(name for name, pattern in PARTS if re.search(pattern, place))] += own
    total = sum(found.values())
    return [(name, seconds / total * 100) for name, seconds in found.items()]


def longest(profile: pstats.Stats) -> str:
    profile.stream = text = io.StringIO()  # type: ignore[attr-defined]
    profile.sort_stats("cumulative").print_stats(r"lti_mentor/(web|lti|mentoring|activity)|xapi/|tincan/stat")
    rows = [line for line in text.getvalue().splitlines() if ".py:" in line][:18]
    return "\n".join(line.replace(str(Path.cwd()) + "/", "").split("site-packages/")[-1] for line in rows)


def home(folder: Path, number_of_goals: int) -> tuple[Callable[[], float], Callable[[], int]]:
    """Measures the learner's home, and counts its queries, with so many goals of others in the database."""
    loaded = settings.load({"LTI_MENTOR_SECRET_KEY": "b" * 40})
    database = connect(f"sqlite:///{folder}/home-{number_of_goals}.db")
    migrations.prepare(database, loaded, Vault(loaded.secret_key))
    with database.transaction() as db:
        cast = gather_cast(db)
        opened = visit.open_visit(db, cast.learner, course_id=cast.course.id, framing_origins=[], hours=8)
    fill(database, cast.learner.organization_id, cast.learner.id, number_of_goals)
    client = create_app(loaded, database).test_client()
    client.set_cookie(visit.COOKIE, opened.secret, path=f"/v/{opened.key}/", domain="localhost")
    queries = [0]

    def count(connection, cursor, statement, *rest):  # type: ignore[no-untyped-def]
        queries[0] += not statement.startswith(("PRAGMA", "BEGIN"))

    event.listen(Engine, "before_cursor_execute", count)

    def measure() -> float:
        began = time.perf_counter()
        answer = client.get(f"/v/{opened.key}/learner/", base_url="http://localhost:8000")
        if answer.status_code != 200:
            sys.exit(f"the home failed: {answer.status_code}")
        return time.perf_counter() - began

    def counted() -> int:
        queries[0] = 0
        measure()
        return queries[0]

    return measure, counted


def fill(database: Database, organization_id: uuid.UUID, learner_id: uuid.UUID, total: int) -> None:
    """Goals of a thousand others, and twenty of the learner."""
    due = clock.today() + timedelta(days=9)
    with database.transaction() as db:
        owners = [
            people.meet(db, organization_id, people.Identity(issuer="https://bench.example.org", subject=str(n))).id
            for n in range(min(1000, total))
        ]
        rows, links = [], []
        for number in range(total):
            goal_id = uuid.uuid4()
            rows.append(
                {
                    "id": goal_id,
                    "organization_id": organization_id,
                    "owner_id": learner_id if number < 20 else owners[number % len(owners)],
                    "title": f"Goal {number}",
                    "unit": "pages",
                    "baseline": 0.0,
                    "target": 10.0,
                    "current": 5.0,
                    "due_on": due + timedelta(days=number % 50),
                    "original_due_on": due,
                    "visibility": "shared",
                    "status": "open",
                    "set_at": clock.now(),
                    "statement_id": uuid.uuid4(),
                }
            )
            links.append(
                {
                    "id": uuid.uuid4(),
                    "organization_id": organization_id,
                    "goal_id": goal_id,
                    "position": 0,
                    "kind": "measure",
                    "weight": 1,
                }
            )
        db.execute(insert(Goal), rows)
        db.execute(insert(GoalLink), links)


def homes(folder: Path) -> list[str]:
    few, few_queries = home(folder, FEW)
    many, many_queries = home(folder, MANY)
    found = in_turn({f"{FEW:,}": few, f"{MANY:,}": many})
    lines = ["## The learner's home", "", "| goals in the database | p50 ms | p95 ms | queries |", "|---|---|---|---|"]
    last = {}
    for (name, values), queries in zip(found.items(), (few_queries(), many_queries()), strict=True):
        ordered = sorted(value * 1000 for value in values)
        last[name] = ordered[int(len(ordered) * 0.95)]
        lines.append(f"| {name} | {statistics.median(ordered):.2f} | {last[name]:.2f} | {queries} |")
    ratio = last[f"{MANY:,}"] / last[f"{FEW:,}"]
    return [
        *lines,
        "",
        f"p95 with {MANY:,} goals is {ratio:.2f} × that with {FEW:,}; goal: at most 1.5 ×, at most 8 queries.",
        "",
    ]


def main() -> None:
    key, keys = SigningKey(), pair()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [
            "# Benchmarks",
            "",
            "Made by `make bench`. Times are of a shared machine: read them as ratios within one run.",
            f"Machine: {platform.machine()}, {multiprocessing.cpu_count()} cores, {platform.system()},"
            f" Python {platform.python_version()}, SQLite on disk, the platform in a process of its own over loopback.",
            "",
            *served_lines(folder, key, keys),
            *launches(folder, key, keys),
            *homes(folder),
        ]
        with lms.running(key.jwk()) as issuer:
            lines += services.lines(issuer, folder)
        lines += records.lines(folder)
        lines += reading.lines(folder)
        lines += delivery.lines(folder)
    text = "\n".join(lines)
    print(text)
    Path("docs/benchmarks.md").write_text(text.rstrip() + "\n", encoding="utf-8")


def served_lines(folder: Path, key: SigningKey, keys: tuple[str, str]) -> list[str]:
    with lms.running(key.jwk()) as issuer:
        return served.lines(folder, issuer, key, keys)


if __name__ == "__main__":
    main()
