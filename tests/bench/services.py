"""Rosters and scores: the jobs with all they keep, against the same requests with nothing kept."""

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, insert, select

from lti_mentor import clock, migrations, settings
from lti_mentor.db import connect, new_id
from lti_mentor.jobs import grades, rosters
from lti_mentor.lti import contexts
from lti_mentor.lti.grades import COLUMN, SCORE
from lti_mentor.lti.platforms import Deployment
from lti_mentor.mentoring import courses, gradebook, people, programs, telling
from lti_mentor.mentoring.courses import Member
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.mentoring.people import Identity
from lti_mentor.mentoring.programs import ProgramDraft
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.bench.lms import MEMBERS
from tests.conftest import register, small_world

SCORES = 5_000
ROUNDS = 2
Work = Callable[[str, str], Any]


@dataclass(frozen=True)
class Spent:
    seconds: float
    megabytes: float  # by which the process grew at most
    found: Any


def _child(work: Work, issuer: str, folder: str, answer: Connection) -> None:
    answer.send(work(issuer, folder))


def alone(work: Work, issuer: str, folder: str) -> Any:
    """What the work gives in a fresh process, whose memory is its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_child, args=(work, issuer, folder, theirs))
    process.start()
    found = ours.recv()
    process.join()
    return found


def spent(work: Callable[[], Any]) -> Spent:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before, began = _megabytes("VmRSS"), time.perf_counter()
    found = work()
    return Spent(time.perf_counter() - began, _megabytes("VmHWM") - before, found)


def _megabytes(name: str) -> float:
    said = Path("/proc/self/status").read_text(encoding="ascii")
    return int(said.partition(f"{name}:")[2].split()[0]) / 1024


def _tool(issuer: str, folder: str) -> Tool:
    """With a course of the platform that somebody opened."""
    loaded = settings.load({"LTI_MENTOR_SECRET_KEY": "b" * 40, "LTI_MENTOR_ALLOW_PRIVATE_ADDRESSES": "true"})
    database = connect(f"sqlite:///{folder}/{new_id()}.db")
    tool = Tool(loaded, database, Vault(loaded.secret_key))
    migrations.prepare(database, loaded, tool.vault)
    register(database, small_world(issuer, "http://localhost:8000"))
    with database.transaction() as db:
        deployment = db.scalars(select(Deployment).where(Deployment.deployment_id == "1")).one()
        offered = contexts.Offered(f"{issuer}/roster", f"{issuer}/lineitems", (COLUMN, SCORE))
        contexts.keep(db, deployment, "1", offered)
        place: dict[str, Any] = {"context_id": "1", "label": "C1", "title": "Course one"}
        organization_id = deployment.organization_id
        assert organization_id is not None
        course = courses.meet(db, organization_id, deployment_id=deployment.id, **place)
        first = people.meet(db, organization_id, Identity(issuer=issuer, subject="member-0"))
        courses.join(db, course, first, teaches=True)
    return tool


def fetch_roster(issuer: str, folder: str) -> Spent:
    """The baseline: every page, parsed."""

    def work() -> int:
        session, url, found = requests.Session(), f"{issuer}/roster", 0
        while url:
            answer = session.get(url, timeout=20)
            found += len(answer.json()["members"])
            url = answer.links.get("next", {}).get("url", "")
        return found

    return spent(work)


def sync_roster(issuer: str, folder: str) -> tuple[Spent, Spent]:
    """The job: of people who are all new, and again when all are known."""
    tool = _tool(issuer, folder)
    first = spent(lambda: rosters.run(tool))
    with tool.database.transaction() as db:
        contexts.ask_for_roster(db.scalars(select(contexts.ContextServices)).one())
    again = spent(lambda: rosters.run(tool))
    with tool.database.reading() as db:
        kept = db.scalars(select(func.count()).where(Member.listed_at.is_not(None))).one()
    return Spent(first.seconds, first.megabytes, kept), Spent(again.seconds, again.megabytes, kept)


@dataclass(frozen=True)
class Busy:
    """How often a platform was, and the seconds until it was to be asked again."""

    times: int
    seconds: float


def post_scores(issuer: str, folder: str) -> Spent:
    """The baseline: one session, nothing kept, a busy platform asked again at once."""

    def work() -> Busy:
        session, busy = requests.Session(), 0
        for number in range(SCORES):
            score = {"userId": f"member-{number}", "scoreGiven": number % 101, "scoreMaximum": 100}
            score |= {"activityProgress": "InProgress", "gradingProgress": "FullyGraded"}
            said = score | {"timestamp": clock.now().isoformat()}
            while session.post(f"{issuer}/lineitems/1/scores", json=said, timeout=20).status_code == 429:
                busy += 1
        return Busy(busy, 0)

    return spent(work)


def tell_scores(issuer: str, folder: str) -> Spent:
    """The job, until nothing waits; what it would wait until it asks again is added up beside."""
    tool = _tool(issuer, folder)
    _fill_column(tool, issuer)

    def work() -> Busy:
        times, seconds = 0, 0.0
        grades.run(tool)
        while (waits := _waits(tool)) is not None:
            times, seconds = times + 1, seconds + waits
            grades.run(tool)
        return Busy(times, seconds)

    return spent(work)


def _fill_column(tool: Tool, issuer: str) -> None:
    with tool.database.transaction() as db:
        course = db.scalars(select(courses.Course)).one()
        organization_id, today = course.organization_id, clock.today()
        everybody = [Identity(issuer=issuer, subject=f"member-{number}") for number in range(SCORES)]
        known = people.meet_many(db, organization_id, everybody, keyed=bytes)
        draft = ProgramDraft(name="Program", starts_on=today, ends_on=today + timedelta(weeks=9))
        program = programs.create(db, course, draft, by=known["member-0"])
        column = gradebook.open_column(db, program, course, "comptia-security-plus")
        column.lineitem_url = f"{issuer}/lineitems/1"
        rows = [
            {"id": new_id(), "organization_id": organization_id, "column_id": column.id, "person_id": person.id}
            | {"value": int(subject.partition("-")[2]) % 101, "changed_at": clock.now()}
            for subject, person in known.items()
        ]
        db.execute(insert(LatestScore), rows)


def _waits(tool: Tool) -> float | None:
    """Seconds until what is left is to be told, which are over now; none when nothing is left."""
    with tool.database.transaction() as db:
        column = db.scalars(select(GradeColumn)).one()
        if not telling.waiting(db, column, 1):
            return None
        now = clock.now()
        seconds = ((column.retry_at or now) - now).total_seconds()
        column.retry_at = None
    return max(seconds, 0)


def lines(issuer: str, folder: Path) -> list[str]:
    return [*roster_lines(issuer, folder), *score_lines(issuer, folder)]


def roster_lines(issuer: str, folder: Path) -> list[str]:
    bare, new, known = [], [], []
    for _ in range(ROUNDS):
        bare.append(alone(fetch_roster, issuer, str(folder)))
        first, again = alone(sync_roster, issuer, str(folder))
        new.append(first)
        known.append(again)
    table = {"fetched and parsed, nothing kept": bare, "the job, everybody new": new, "the job, everybody known": known}
    best = {name: min(values, key=lambda each: each.seconds) for name, values in table.items()}
    baseline = best["fetched and parsed, nothing kept"]
    rows = [
        f"| {name} | {each.seconds:.2f} | {each.seconds / baseline.seconds:.1f} × | {each.megabytes:.0f} |"
        for name, each in best.items()
    ]
    if any(each.found != MEMBERS for each in (*bare, *new, *known)):
        raise SystemExit("somebody of the roster is missing")
    return [
        f"## A roster of {MEMBERS:,} members",
        "",
        "| reading | seconds | × the baseline | MB the process grew |",
        "|---|---|---|---|",
        *rows,
        "",
        f"20 pages of 500; everybody was kept. Best of {ROUNDS} runs, each in a fresh process.",
        "",
    ]


def score_lines(issuer: str, folder: Path) -> list[str]:
    expected = {f"member-{number}": number % 101 for number in range(SCORES)}
    found = {}
    for name, work in (("one session, nothing kept", post_scores), ("the job", tell_scores)):
        requests.post(f"{issuer}/forget", data=b"", timeout=20)
        found[name] = alone(work, issuer, str(folder))
        if requests.get(f"{issuer}/told", timeout=20).json() != expected:
            raise SystemExit("a score was lost")
    least = found["one session, nothing kept"].seconds
    rows = [
        f"| {name} | {each.seconds:.1f} | {each.seconds / least:.1f} × | {SCORES / each.seconds:.0f}"
        f" | {each.found.times} | {each.found.seconds:.1f} | 0 |"
        for name, each in found.items()
    ]
    return [
        f"## {SCORES:,} scores to a platform that is busy now and then",
        "",
        "| telling | seconds | × the baseline | scores a second | times it was busy | seconds to wait for it | lost |",
        "|---|---|---|---|---|---|---|",
        *rows,
        "",
        "Busy is an answer 429 with `Retry-After: 1`. The baseline asks again at once, the job when it was told; these"
        " seconds come on top of the others, and up to five more each time until a worker looks again. Each score is"
        " kept as told in a transaction of its own, so that a killed worker tells none again that it noted.",
        "",
    ]
