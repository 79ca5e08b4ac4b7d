"""The record store: how fast it takes statements, against an insert of the same JSON that checks nothing."""

import json
import random
import statistics
import tempfile
from base64 import b64encode
from contextlib import ExitStack
from pathlib import Path

from lti_mentor import migrations, settings
from lti_mentor.app import create_app
from lti_mentor.db import connect
from lti_mentor.vault import Vault
from tests.bench import bare_store
from tests.bench.load import KNOCKING, Browser, Crowd, crowd
from tests.bench.seeds import statement
from tests.bench.served import server
from tests.support import postgres
from tests.support.record_store import made_key

SECRET = "b" * 40
ROUNDS = 5
SIZES = {1: 2_400, 50: 16_000, 500: 32_000}  # statements of a round, by how many are sent together
OURS, BARE = "LTI Mentor", "an insert without validation"


def send(port: int, given: tuple[str, list[bytes]]) -> None:
    """All of it on one connection, one request after the other."""
    headers, bodies = given
    browser = Browser(port)
    for body in bodies:
        status, _ = browser.ask("POST", "/xapi/statements", body, headers)
        if status != 200:
            raise ConnectionError(f"statements were not stored: {status}")
    browser.connection.close()


def bodies(size: int, total: int, chance: random.Random) -> list[bytes]:
    if size == 1:
        return [json.dumps(statement(chance)).encode() for _ in range(total)]
    return [json.dumps([statement(chance) for _ in range(size)]).encode() for _ in range(total // size)]


def rate(callers: Crowd, port: int, key: str, size: int, chance: random.Random) -> float:
    """Statements a second over eight connections."""
    made = bodies(size, SIZES[size], chance)
    headers = f"Content-Type: application/json\r\nX-Experience-API-Version: 1.0.3\r\nAuthorization: Basic {key}\r\n"
    seconds, _ = callers.do(send, port, [(headers, made[part::KNOCKING]) for part in range(KNOCKING)])
    return len(made) * size / seconds


def rates(folder: Path, url: str) -> dict[str, dict[int, float]]:
    """The middle one of each, in turn, so that a slow moment of the machine meets both."""
    loaded = settings.load({"LTI_MENTOR_SECRET_KEY": SECRET, "LTI_MENTOR_DATABASE_URL": url})
    database = connect(url)
    migrations.prepare(database, loaded, Vault(loaded.secret_key))
    key = b64encode(":".join(made_key(database, loaded.secret_key)).encode()).decode()
    bare = f"sqlite:///{folder}/bare.db" if database.is_sqlite else url
    bare_store.prepare(bare)
    database.engine.dispose()
    found: dict[str, dict[int, list[float]]] = {name: {size: [] for size in SIZES} for name in (BARE, OURS)}
    chance = random.Random(1)
    with ExitStack() as stack:
        callers = stack.enter_context(crowd())
        ports = {
            BARE: stack.enter_context(server(lambda: bare_store.create(bare))),
            OURS: stack.enter_context(server(lambda: create_app(loaded))),
        }
        for number in range(ROUNDS + 1):
            for size in SIZES:
                for name, port in ports.items():
                    value = rate(callers, port, key, size, chance)
                    if number:
                        found[name][size].append(value)
    return {name: {size: statistics.median(values) for size, values in each.items()} for name, each in found.items()}


GOALS = {1: 0.5, 50: 0.4, 500: 0.4}


def lines(folder: Path) -> list[str]:
    with postgres.cluster() as url:
        both = {"SQLite": rates(folder, f"sqlite:///{folder}/records.db"), "PostgreSQL": rates(folder, url)}
    rows = [
        f"| {database} | {'single' if size == 1 else f'batches of {size}'} | {found[BARE][size]:.0f} |"
        f" {found[OURS][size]:.0f} | {found[OURS][size] / found[BARE][size]:.2f} × | {GOALS[size]} × |"
        for database, found in both.items()
        for size in SIZES
    ]
    return [
        "## Storing statements",
        "",
        "Statements of 1.5 kB a second over eight connections, behind the production server with two workers. The"
        " baseline stands behind the same server with the same settings of the database: it inserts the JSON it is sent"
        " into one table with four more indexes, in one transaction a request, and checks neither it nor who sends it."
        " LTI Mentor checks both, and makes statements findable by all of their agents and activities.",
        "",
        f"| database | sent | {BARE} | {OURS} | ratio | goal |",
        "|---|---|---|---|---|---|",
        *rows,
        "",
        f"Median of {ROUNDS} rounds, the two in turn: {SIZES[1]:,} single statements, {SIZES[50]:,} in batches of 50,"
        f" {SIZES[500]:,} in batches of 500.",
        "",
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print("\n".join(lines(Path(name))))
