"""A record store outside: another tool with a database of its own, and what it has got."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.activity import outside, record
from lti_mentor.activity.outside import TargetDraft
from lti_mentor.app import create_app
from lti_mentor.db import Database, connect
from lti_mentor.mentoring import organizations
from lti_mentor.settings import Settings
from lti_mentor.vault import Vault
from tests.support.serving import served
from xapi import keys, store
from xapi.outbox import Standing
from xapi.rows import Attachment, StoredStatement, Target

AUTHORITY = {"objectType": "Agent", "account": {"homePage": "https://tool.example.org", "name": "us"}}


@dataclass(frozen=True)
class Peer:
    database: Database
    key: str
    secret: str
    url: str = ""

    def ids(self) -> list[str]:
        """Of its statements, in the order in which they came."""
        return [each["id"] for each in self.statements()]

    def statements(self) -> list[dict]:
        with self.database.reading() as db:
            return [json.loads(body) for body in db.scalars(select(StoredStatement.body).order_by(StoredStatement.seq))]

    def attachment(self, sha2: str) -> bytes:
        with self.database.reading() as db:
            return db.scalars(select(Attachment.content).where(Attachment.sha2 == sha2)).one()

    def draft(self, **changes) -> TargetDraft:
        given = {"label": "Warehouse", "endpoint": f"{self.url}/xapi", "key": self.key, "secret": self.secret}
        return TargetDraft(**{**given, **changes})


def prepared(template: Path, folder: Path, loaded: Settings) -> Peer:
    """Its database, with a key."""
    file = folder / "outside.db"
    file.write_bytes(template.read_bytes())
    database, vault = connect(f"sqlite:///{file}"), Vault(loaded.secret_key)
    with database.transaction() as db:
        key, secret = keys.add(
            db,
            tenant=organizations.named(db, "Outside").id,
            label="us",
            now=clock.now(),
            fingerprint=lambda text: record.key_hashes(db, vault, text)[0],
        )
    return Peer(database, key, secret)


@contextmanager
def peer(template: Path, folder: Path, loaded: Settings) -> Iterator[Peer]:
    found = prepared(template, folder, loaded)
    with served(lambda address: create_app(replace(loaded, base_url=address), found.database)) as url:
        yield replace(found, url=url)
    found.database.engine.dispose()


def statement(number: int = 0, **changes) -> dict:
    """One of a client's, under an id that the number decides."""
    return {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "actor": {"account": {"homePage": "https://lms.example.org", "name": f"person-{number % 7}"}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/completed"},
        "object": {"id": f"https://lms.example.org/things/{number % 5}"},
        "context": {"registration": f"00000000-0000-4000-9000-{number % 3:012}"},
        **changes,
    }


def say(database: Database, organization_id, statements: list[dict], contents=None, version="1.0.3") -> list[str]:
    """Store them as the record store does, with what waits for the targets; gives their ids."""
    with database.transaction() as db:
        taken = store.put(
            db, tenant=organization_id, statements=statements, now=clock.now(), authority=AUTHORITY,
            version=version, contents=contents or {},
        )  # fmt: skip
        outside.queue(db, organization_id, taken)
    return [str(each) for each in taken.ids]


def add(database: Database, loaded: Settings, organization_id, draft: TargetDraft) -> Target:
    with database.transaction() as db:
        return outside.add(db, Vault(loaded.secret_key), organization_id, draft)


def standing(database: Database, organization_id) -> Standing:
    """Of the only target."""
    with database.reading() as db:
        (only,) = outside.standings(db, organization_id)
        return only
