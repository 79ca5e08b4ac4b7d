"""Delivery to a record store outside: how fast against sending alone, and 100,000 while workers are killed."""

import json
import sys
import tempfile
import time
import uuid
from pathlib import Path

import requests
from sqlalchemy import select

from lti_mentor import migrations, settings
from lti_mentor.db import Database, connect
from lti_mentor.jobs import statements
from lti_mentor.mentoring import organizations
from lti_mentor.settings import Settings
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.conftest import SECRET
from tests.support.killed import Outcome, served_alone, survive
from tests.support.learning_locker import IS_INSTALLED, learning_locker
from tests.support.outside import Peer, add, prepared, say, standing, statement
from xapi.rows import StoredStatement

FAST, MANY, KILLS, SECONDS = 10_000, 100_000, 120, 3600
A_BATCH = 100
THEIRS = "the statement service of Learning Locker, which keeps them in memory"
OWN = "another LTI Mentor (`make learning-locker` installs a store of others)"
VERSION = {"X-Experience-API-Version": "1.0.3"}


def lines(folder: Path, many: int = MANY) -> list[str]:
    alone, job = fast(folder)
    name, outcome = killed(folder, many)
    return [
        "## Statements to a record store outside",
        "",
        f"| delivering {FAST:,} statements to another LTI Mentor | statements a second | × the baseline |",
        "|---|---|---|",
        f"| one session, the same batches, nothing kept | {FAST / alone:.0f} | 1.00 × |",
        f"| the job: claimed, sent, marked | {FAST / job:.0f} | {alone / job:.2f} × |",
        "",
        f"To {name}, while workers are killed, on a way that loses requests and answers, errs, hangs and resets:"
        f" {outcome}.",
        "",
    ]


def killed(folder: Path, many: int) -> tuple[str, Outcome]:
    """How the record store is called, which is one of others where there is one, and what happened on the way to it."""
    loaded, database = _loaded(), _made(folder / "killed.db")
    name, there = (THEIRS, learning_locker(folder)) if IS_INSTALLED else (OWN, served_alone(_peer(folder / "killed")))
    with there as peer:
        how = {"count": many, "kills": KILLS * many // MANY, "seconds": SECONDS}
        return name, survive(database, _home(database), peer, loaded, **how)


def fast(folder: Path) -> tuple[float, float]:
    """Seconds of sending alone, and of the job."""
    with served_alone(_peer(folder / "fast")) as peer:
        return _fast(_made(folder / "fast.db"), _loaded(), peer)


def _loaded() -> Settings:
    return settings.load({"LTI_MENTOR_SECRET_KEY": SECRET, "LTI_MENTOR_ALLOW_PRIVATE_ADDRESSES": "true"})


def _made(file: Path) -> Database:
    loaded, database = _loaded(), connect(f"sqlite:///{file}")
    migrations.prepare(database, loaded, Vault(loaded.secret_key))
    return database


def _peer(folder: Path) -> Peer:
    folder.mkdir()
    _made(folder / "template.db").engine.dispose()
    return prepared(folder / "template.db", folder, _loaded())


def _home(database: Database) -> uuid.UUID:
    with database.transaction() as db:
        return organizations.named(db, "Home").id


def _fast(database: Database, loaded: Settings, peer: Peer) -> tuple[float, float]:
    """Each sends statements that are new there."""
    home, tool = _home(database), Tool(loaded, database, Vault(loaded.secret_key))
    for start in range(0, FAST, A_BATCH):
        say(database, home, [statement(FAST + start + place) for place in range(A_BATCH)])
    with database.reading() as db:
        bodies = list(db.scalars(select(StoredStatement.body).order_by(StoredStatement.seq)))
    session, began = requests.Session(), time.perf_counter()
    session.auth = (peer.key, peer.secret)
    for start in range(0, FAST, A_BATCH):
        batch = f"[{','.join(bodies[start : start + A_BATCH])}]".encode()
        headers = {**VERSION, "Content-Type": "application/json"}
        assert len(json.loads(session.post(f"{peer.url}/xapi/statements", batch, headers=headers).text)) == A_BATCH
    alone = time.perf_counter() - began
    add(database, loaded, home, peer.draft())
    for start in range(0, FAST, A_BATCH):
        say(database, home, [statement(start + place) for place in range(A_BATCH)])
    began = time.perf_counter()
    while standing(database, home).waiting:
        statements.run(tool)
    return alone, time.perf_counter() - began


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print("\n".join(lines(Path(name), *map(int, sys.argv[1:]))))
