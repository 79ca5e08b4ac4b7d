"""A database of every released schema is brought up to date, and everything in it is still there."""

import json

import pytest
from sqlalchemy import create_engine, func, inspect, select, table

from lti_mentor import migrations
from lti_mentor.db import connect
from lti_mentor.insight.definitions import ACTIVITY
from lti_mentor.lti import keys
from lti_mentor.lti.keys import ToolKey
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.evidence import Review
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.vault import Vault
from tests.support import release
from tests.support.member import Member
from xapi import store, times

RELEASES = sorted(release.FOLDER.glob("*.sql"))


@pytest.fixture
def empty_database(request, tmp_path):
    """A database without a schema, of the kind that the test asks for."""
    if request.param == "sqlite":
        database = connect(f"sqlite:///{tmp_path}/old.db")
    else:
        url = request.getfixturevalue("postgres_url")
        server = create_engine(url.replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.exec_driver_sql("DROP DATABASE IF EXISTS old")
            connection.exec_driver_sql("CREATE DATABASE old")
        server.dispose()
        database = connect(url.replace("/postgres", "/old"))
    yield database
    database.engine.dispose()


def rows(database) -> dict[str, int]:
    with database.engine.connect() as connection:
        names = set(inspect(connection).get_table_names()) - {"alembic_version"}
        return {name: connection.scalar(select(func.count()).select_from(table(name))) for name in names}


@pytest.mark.parametrize(
    ("empty_database", "file"),
    [(file.stem.split("-")[2], file) for file in RELEASES],
    ids=[file.stem for file in RELEASES],
    indirect=["empty_database"],
)
def test_an_upgraded_database_of_a_release_has_lost_nothing(empty_database, file, loaded_settings):
    database, vault = empty_database, Vault(loaded_settings.secret_key)
    release.bring_back(database, file)
    before = rows(database)
    assert before["goals"] == 1
    assert before["xapi_statements"] > 10
    migrations.prepare(database, loaded_settings, vault)
    assert migrations.is_current(database)
    after = rows(database)
    assert after.pop("xapi_facets") >= before.pop("xapi_facets")  # later versions find statements by more
    assert {name: after[name] for name in before} == before
    with database.reading() as db:
        assert all(vault.open(keys.PURPOSE, key.sealed_private_pem) for key in db.scalars(select(ToolKey)))
        learner = db.scalars(select(Person).join(Account).where(Account.subject == "learner")).one()
        course = db.scalars(select(Course)).one()
        pair, answer = db.scalars(select(Mentorship)).one(), db.scalars(select(Review)).one()
        tenant = learner.organization_id
        said = list(store.scan(db, tenant=tenant, verbs=ACTIVITY))
        last = max(each["timestamp"] for each in said)
        by_verb = store.query(db, tenant=tenant, wanted=store.Query(verb=said[0]["verb"]["id"])).statements
    assert said[0] in map(json.loads, by_verb)
    assert pair.active_at == times.parsed(last)
    assert answer.submitted_at is not None
    page = Member(database, loaded_settings, learner, course).get("learner/goals")
    assert page.status_code == 200
    assert "Read the guide" in page.text


def test_every_kind_of_database_of_the_newest_schema_is_kept(sqlite_database):
    with sqlite_database.engine.connect() as connection:
        newest = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    kinds = {file.stem.split("-")[2] for file in RELEASES if file.stem.split("-")[1] == newest}
    assert kinds == {"sqlite", "postgresql"}
