"""What all tests share: two real databases, a small cast, a practice LMS and a tool that answers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from lti_mentor import clock, migrations, settings
from lti_mentor.activity import record
from lti_mentor.app import create_app
from lti_mentor.db import Database, connect
from lti_mentor.lti import platforms
from lti_mentor.mentoring import courses, mentorships, organizations, people, programs, pursuits
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Identity, Person
from lti_mentor.mentoring.programs import Program, ProgramDraft
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.practice.server import Running, running
from lti_mentor.practice.world import INSTRUCTOR, LEARNER, LmsCourse, LmsItem, LmsPerson, World
from lti_mentor.settings import Settings
from lti_mentor.vault import Vault
from tests.support import postgres
from tests.support.serving import served
from xapi import activities

SECRET = "a secret that is only used by the tests of this project"
TOOL_URL = "http://localhost:8000"


@pytest.fixture(scope="session")
def loaded_settings() -> Settings:
    chosen = {"SECRET_KEY": SECRET, "ALLOW_PRIVATE_ADDRESSES": "true", "CHECK_STATEMENTS": "true"}
    return settings.load({f"LTI_MENTOR_{name}": value for name, value in chosen.items()})


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres.cluster() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_database(postgres_url: str, loaded_settings: Settings) -> Iterator[Database]:
    database = connect(postgres_url)
    record.check_statements(database)
    migrations.prepare(database, loaded_settings, Vault(loaded_settings.secret_key))
    yield database
    database.engine.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory, loaded_settings: Settings) -> Path:
    file = tmp_path_factory.mktemp("template") / "empty.db"
    database = connect(f"sqlite:///{file}")
    migrations.prepare(database, loaded_settings, Vault(loaded_settings.secret_key))
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("BEGIN")
    database.engine.dispose()
    return file


@pytest.fixture
def sqlite_database(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    file = tmp_path / "test.db"
    file.write_bytes(sqlite_template.read_bytes())
    database = connect(f"sqlite:///{file}")
    record.check_statements(database)
    yield database
    database.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty, migrated database: the test runs on both."""
    if request.param == "sqlite":
        found: Database = request.getfixturevalue("sqlite_database")
        return found
    found = request.getfixturevalue("postgres_database")
    empty(found)
    return found


def url_of(database: Database) -> str:
    """As an administrator sets it."""
    return database.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")


KEPT = frozenset({"installation", "certifications", "domains", "tool_keys", "alembic_version"})


def empty(database: Database) -> None:
    """Take everything out but what ``db upgrade`` put in."""
    names = [table.name for metadata in migrations.metadata() for table in metadata.tables.values()]
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE " + ", ".join(name for name in names if name not in KEPT)))
    activities.MEMORIES.pop(database.engine, None)  # elsewhere no organization comes back under its id


@dataclass
class Cast:
    """The same few people everywhere, and an outsider who must be refused everywhere."""

    learner: Person
    mentor: Person
    coordinator: Person
    analyst: Person
    administrator: Person
    outsider: Person  # of another organization
    other_learner: Person
    course: Course
    program: Program
    mentorship: Mentorship
    pursuit: Pursuit


def met(db: Session, organization: str, subject: str) -> Person:
    owner = organizations.named(db, organization)
    return people.meet(db, owner.id, Identity(issuer="https://lms.example.org", subject=subject, name=subject.title()))


def gather_cast(db: Session, organization: str = "Home") -> Cast:
    """A program of one pair in one course."""
    known = {
        name: met(db, organization, name) for name in ("learner", "mentor", "coordinator", "analyst", "other_learner")
    }
    course = courses.meet(
        db,
        known["learner"].organization_id,
        deployment_id=organizations.named(db, organization).id,
        context_id="1",
        label="C1",
        title="Course one",
    )
    for name, person in known.items():
        courses.join(db, course, person, teaches=name == "coordinator")
    today = clock.today()
    draft = ProgramDraft(name="Program", starts_on=today, ends_on=today + timedelta(weeks=26))
    program = programs.create(db, course, draft, by=known["coordinator"])
    programs.enroll(db, program, known["mentor"], "mentor", capacity=1)
    for name in ("learner", "other_learner"):
        programs.enroll(db, program, known[name], "mentee")
    people.grant(db, known["analyst"], "analyst")
    administrator = met(db, "Home", "administrator")
    people.grant(db, administrator, "administrator")
    pair = mentorships.pair(db, program, mentor=known["mentor"], mentee=known["learner"], by=known["coordinator"])
    pursuit = pursuits.start(db, known["learner"], "comptia-security-plus")
    return Cast(
        **known,
        administrator=administrator,
        outsider=met(db, "Elsewhere", "outsider"),
        course=course,
        program=program,
        mentorship=pair,
        pursuit=pursuit,
    )


@pytest.fixture
def cast(database: Database) -> Cast:
    with database.transaction() as db:
        return gather_cast(db)


@pytest.fixture
def sqlite_cast(sqlite_database: Database) -> Cast:
    with sqlite_database.transaction() as db:
        return gather_cast(db)


def small_world(issuer: str, tool_url: str) -> World:
    """One course of a learner, a mentor, a teacher and an analyst; and the same names in a second organization."""
    names = ("learner", "mentor", "coordinator", "analyst")
    members = {name: [INSTRUCTOR if name == "coordinator" else LEARNER] for name in names}
    items = [LmsItem(id="1", title="Quiz 1"), LmsItem(id="2", title="Quiz 2")]
    return World(
        issuer=issuer,
        client_id="tests",
        tool_url=tool_url,
        people=[LmsPerson(id=name, name=name.title()) for name in (*names, "outsider")],
        courses=[
            LmsCourse(id="1", label="C1", title="Course one", deployment_id="1", members=members, items=items),
            LmsCourse(id="1b", label="C2", title="Course two", deployment_id="2", members={"outsider": [LEARNER]}),
        ],
    )


@dataclass(frozen=True)
class Site:
    """A tool on localhost and a practice LMS on 127.0.0.1 that know each other."""

    url: str
    lms: Running
    database: Database
    settings: Settings


def register(database: Database, world: World) -> None:
    with database.transaction() as db:
        for name, deployment_id in (("Home", "1"), ("Elsewhere", "2")):
            registration = platforms.Registration(
                issuer=world.issuer,
                client_id=world.client_id,
                authorization_endpoint=f"{world.issuer}/authorize",
                token_endpoint=f"{world.issuer}/token",
                jwks_uri=f"{world.issuer}/jwks",
                deployment_ids=(deployment_id,),
            )
            platforms.add(db, registration, organization_id=organizations.named(db, name).id)


@pytest.fixture
def site(sqlite_database: Database, loaded_settings: Settings) -> Iterator[Site]:
    yield from _site(sqlite_database, loaded_settings)


@pytest.fixture
def both_site(database: Database, loaded_settings: Settings) -> Iterator[Site]:
    yield from _site(database, loaded_settings)


def _site(database: Database, loaded: Settings) -> Iterator[Site]:
    chosen: list[Settings] = []

    def make(address: str):  # type: ignore[no-untyped-def]
        chosen.append(replace(loaded, base_url=address))
        return create_app(chosen[0], database)

    with served(make) as url, running(lambda issuer: small_world(issuer, url)) as lms:
        register(database, lms.world)
        yield Site(url, lms, database, chosen[0])
