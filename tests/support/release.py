"""Databases as a release leaves them, for the test of upgrades: ``python -m tests.support.release 0.1.0`` keeps one.

A file holds the rows alone, as INSERT statements; its name says release, revision of the schema and kind of database.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy.orm import Session

from lti_mentor import clock, migrations, settings
from lti_mentor.db import Database, connect
from lti_mentor.lti import contexts, links, login, platforms
from lti_mentor.lti.contexts import Offered
from lti_mentor.lti.deep_linking import PlacedLink
from lti_mentor.lti.platforms import Deployment, KeySet, Registration
from lti_mentor.mentoring import evidence, goals, meetings, readiness_columns, standing
from lti_mentor.mentoring.courses import Item
from lti_mentor.mentoring.evidence import Submission, Verdict
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.practice.tokens import SigningKey
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web import visit
from tests.conftest import SECRET, Cast, gather_cast, url_of
from tests.support import postgres

FOLDER = Path(__file__).parent.parent / "house" / "releases"


def keep(release: str) -> None:
    """Write what this version leaves in a database, for both kinds."""
    with tempfile.TemporaryDirectory() as folder:
        sqlite = connect(f"sqlite:///{folder}/now.db")
        _fill(sqlite)
        with closing(sqlite.engine.raw_connection()) as connection:
            _write(release, sqlite, connection.driver_connection.iterdump())
        sqlite.engine.dispose()
    with postgres.cluster() as url:
        database = connect(url)
        _fill(database)
        dump = ["pg_dump", "--data-only", "--inserts", url_of(database)]
        _write(release, database, subprocess.check_output(dump, text=True).splitlines())
        database.engine.dispose()


def _fill(database: Database) -> None:
    loaded = settings.load({"LTI_MENTOR_SECRET_KEY": SECRET})
    migrations.prepare(database, loaded, Vault(loaded.secret_key))
    tool = Tool(loaded, database, Vault(loaded.secret_key))
    with database.transaction() as db:
        cast = gather_cast(db)
        _live(db, cast)
        _connect(db, tool, cast)


def _live(db: Session, cast: Cast) -> None:
    """A goal, a piece of evidence with its answer, a meeting."""
    soon = clock.today() + timedelta(days=9)
    goals.set_goal(db, cast.learner, GoalDraft(title="Read the guide", baseline=0, target=10, due_on=soon))
    piece = evidence.submit(db, cast.pursuit, "1", Submission(text="I did it.\nAnd wrote it down; with 'care'."))
    before = standing.of(db, cast.pursuit)
    evidence.accept(db, piece, Verdict(version=1, rating=50, comment="Yes."), by=cast.mentor)
    standing.record_change(db, cast.pursuit, before)
    meetings.plan(db, cast.mentorship, planned_at=clock.now() + timedelta(days=2), minutes=30, by=cast.mentor)


def _connect(db: Session, tool: Tool, cast: Cast) -> None:
    """A platform with deployments of every status, somebody who came from it, a link and a column in its course."""
    url, owner = "https://lms.example.org", cast.learner.organization_id
    endpoints = {
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "jwks_uri": f"{url}/jwks",
    }
    registration = Registration(issuer=url, client_id="tests", **endpoints, deployment_ids=("1",))
    platform = platforms.add(db, registration, organization_id=owner)
    (deployment,) = platform.deployments
    cast.course.deployment_id = deployment.id
    for status in ("pending", "refused"):
        db.add(Deployment(platform_id=platform.id, deployment_id=status, status=status, last_launch_at=clock.now()))
    body = {"keys": [SigningKey().jwk()]}
    db.add(KeySet(jwks_uri=f"{url}/jwks", body=body, fetched_at=clock.now(), tried_at=clock.now()))
    offered = Offered(f"{url}/memberships", f"{url}/lineitems", ())
    contexts.keep(db, deployment, cast.course.context_id, offered)
    given = {"iss": url, "login_hint": "learner", "target_link_uri": f"{tool.settings.base_url}/lti/launch"}
    login.begin(db.connection(), tool, given, address="192.0.2.1", is_framed=True)
    visit.open_visit(
        db, cast.learner, platform_id=platform.id, course_id=cast.course.id, framing_origins=[url], hours=8
    )
    where = {"organization_id": owner, "deployment_id": deployment.id, "context_id": cast.course.context_id}
    link = PlacedLink(**where, kind="certification", target=cast.pursuit.certification_id)
    db.add(link)
    db.flush()
    links.launched(db, link, deployment, cast.course.context_id, "link 1")
    db.add(Item(organization_id=owner, course_id=cast.course.id, activity_iri=f"{url}/quiz/1", title="Quiz 1"))
    readiness_columns.open_column(db, cast.program, cast.course, cast.pursuit.certification_id, by=cast.coordinator)


def _write(release: str, database: Database, lines: Iterator[str] | list[str]) -> None:
    revision = ScriptDirectory.from_config(migrations.config(database)).get_current_head()
    rows = [line for line in _statements(lines) if 'INTO "alembic' not in line and "INTO public.alembic" not in line]
    file = FOLDER / f"{release}-{revision}-{database.engine.dialect.name}.sql"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")


def _statements(lines: Iterator[str] | list[str]) -> Iterator[str]:
    """Whole INSERT statements: a typed text may hold a line break."""
    kept = ""
    for line in lines:
        if kept or line.startswith("INSERT INTO"):
            kept = f"{kept}\n{line}" if kept else line
            if kept.endswith(");"):
                yield kept
                kept = ""


def bring_back(database: Database, file: Path) -> None:
    """The schema of that release, and its rows."""
    revision = file.stem.split("-")[1]
    migrations.upgrade(database, revision)
    late = "PRAGMA foreign_keys = OFF" if database.is_sqlite else "SET session_replication_role = replica"
    with closing(database.engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute(late)
        for statement in _statements(file.read_text(encoding="utf-8").split("\n")):
            cursor.execute(statement)
        connection.commit()
        connection.detach()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    keep(sys.argv[1])
