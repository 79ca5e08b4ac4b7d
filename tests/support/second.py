"""The second platform as a process of its own, and a tool that knows it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import select

from lti_mentor.app import create_app
from lti_mentor.db import Database
from lti_mentor.lti import platforms
from lti_mentor.mentoring import organizations
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.settings import Settings
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.support.serving import served
from tests.support.visitor import Visitor

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-second-platform"
IS_INSTALLED = (ENVIRONMENT / ".installed").exists()
HOW = "the second platform is not installed: make test does it"


@dataclass(frozen=True)
class Second:
    """The platform, and the tool that knows it."""

    url: str
    ids: dict[str, str]  # of the first people, by name
    tool: Tool

    def open(self, person: str) -> Visitor:
        """Up to the page of the tool."""
        visitor = Visitor()
        visitor.get(f"{self.url}/as/{person}")
        visitor.submit("/lti/launch")
        return visitor

    def choose(self) -> Visitor:
        """The picker of a teacher."""
        visitor = Visitor()
        visitor.get(f"{self.url}/as/coordinator/choose")
        visitor.submit("/lti/launch")
        return visitor

    def person(self, db, name: str) -> Person:  # type: ignore[no-untyped-def]
        return db.scalars(select(Person).join(Account).where(Account.subject == self.ids[name])).one()


@contextmanager
def second_platform(database: Database, loaded: Settings, folder: Path, *, crowd: int = 0) -> Iterator[Second]:
    """Registered by hand, as an administrator does it; ``crowd`` is how many more are in the course."""
    chosen: list[Settings] = []

    def make(address: str):  # type: ignore[no-untyped-def]
        chosen.append(replace(loaded, base_url=address))
        return create_app(chosen[0], database)

    with served(make) as url, _running(url, folder, crowd) as said:
        with database.transaction() as db:
            copied = {**said["registration"], "deployment_ids": tuple(said["registration"]["deployment_ids"])}
            owner = organizations.named(db, "Home")
            platforms.add(db, platforms.Registration(**copied), organization_id=owner.id)
        tool = Tool(chosen[0], database, Vault(chosen[0].secret_key))
        yield Second(said["registration"]["issuer"], said["people"], tool)


@contextmanager
def _running(tool_url: str, folder: Path, crowd: int) -> Iterator[dict]:
    """What it says of itself while it runs."""
    command = [ENVIRONMENT / "bin" / "python", "-m", "tests.support.second_platform", tool_url, folder, str(crowd)]
    with (folder / "platform.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        with process:
            try:
                yield json.loads(process.stdout.readline())
            finally:
                process.kill()
