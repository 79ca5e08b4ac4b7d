"""A database of every released schema is brought up to date, and everything in it is still there."""

import hashlib
import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import LargeBinary, Uuid, column, create_engine, func, insert, inspect, select, table

from lti_mentor import migrations
from lti_mentor.activity import record
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
from xapi import attachments, documents, store, times
from xapi.documents import Place
from xapi.facets import agent_key
from xapi.rows import Attachment, Document, StoredStatement

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
        authority = agent_key(record.authority(db))
        ours = {each["id"] for each in store.later(db, tenant=tenant, after=0, authority=authority)}
        assert ours == {each["id"] for each in store.scan(db, tenant=tenant, authority=authority)} != set()
        by_verb = store.query(db, tenant=tenant, wanted=store.Query(verb=said[0]["verb"]["id"])).statements
    assert said[0] in map(json.loads, by_verb)
    assert pair.active_at == times.parsed(last)
    assert answer.submitted_at is not None
    page = Member(database, loaded_settings, learner, course).get("learner/goals")
    assert page.status_code == 200
    assert "Read the guide" in page.text


ANN, ANNS = {"mbox": "mailto:Ann@Example.org"}, "mbox mailto:Ann@example.org"
PDF, DIGEST = b"%PDF", "a" * 64
WITH_ADDRESS = {"sha2": DIGEST.upper(), "contentType": "application/pdf", "fileUrl": "https://lms.example.org/x"}
WITHOUT = {"sha2": DIGEST, "contentType": "application/pdf"}


OLDER = table(
    "xapi_statements",
    *(column(each.name, each.type) for each in StoredStatement.__table__.columns),
    column("digest", LargeBinary),
)

OLDER_FACETS = table(
    "xapi_facets", column("tenant", Uuid), *(column(name) for name in ("value", "kind", "seq", "source"))
)


def older_statement(connection, tenant, seq, key, attachment):
    authority = {"account": {"homePage": "https://tool.example.org", "name": key}}
    body = {"id": str(uuid.UUID(int=seq)), "actor": ANN, "verb": {"id": "urn:x:scored"}, "object": {"id": "urn:x:exam"}}
    body |= {"authority": authority, "attachments": [attachment]}
    times = dict.fromkeys(("stored", "timestamp"), datetime(2026, 5, 1, tzinfo=UTC))
    row = {"statement_id": uuid.UUID(int=seq), "verb": "urn:x:scored", "digest": b"", "body": json.dumps(body), **times}
    at = {"tenant": tenant, "seq": seq}
    connection.execute(insert(OLDER).values(at | row))
    for kind in ("agent", "related_agent"):
        facet = {"source": seq, "kind": kind, "value": f"mbox {ANN['mbox']}"}
        connection.execute(insert(OLDER_FACETS).values(at | facet))
    return body


def older_document(connection, tenant, agent, name):
    names = ["agent_profile", agent, None, None, name]
    row = {"kind": "agent_profile", "agent": agent, "document_id": name, "content_type": "text/plain", "etag": "1"}
    row |= {"place": hashlib.sha256(json.dumps(names).encode()).digest(), "body": agent.encode()}
    modified = datetime(2026, 5, 1 if agent == ANNS else 2, tzinfo=UTC)
    connection.execute(insert(Document.__table__).values(row | {"tenant": tenant, "modified": modified}))


@pytest.mark.parametrize("empty_database", ["sqlite", "postgresql"], indirect=True)
def test_older_statements_get_an_owner_their_attachments_and_one_spelling(empty_database, loaded_settings):
    database, tenant = empty_database, uuid.uuid4()
    kind = "sqlite" if database.is_sqlite else "postgresql"
    release.bring_back(database, release.FOLDER / f"0.1.0-0022-{kind}.sql")
    with database.engine.begin() as connection:
        sent = [
            older_statement(connection, tenant, seq, key, attachment)
            for seq, key, attachment in ((1, "first", WITH_ADDRESS), (2, "second", WITH_ADDRESS), (3, "third", WITHOUT))
        ]
        content = {"tenant": tenant, "sha2": DIGEST, "content": PDF, "stored": datetime(2026, 5, 1, tzinfo=UTC)}
        connection.execute(insert(Attachment.__table__).values(content))
        for agent, name in ((ANNS, "both"), (f"mbox {ANN['mbox']}", "both"), (f"mbox {ANN['mbox']}", "one")):
            older_document(connection, tenant, agent, name)
    migrations.prepare(database, loaded_settings, Vault(loaded_settings.secret_key))
    with database.reading() as db:
        for wanted, count in (
            ({"agent": ANNS, "related_agents": True}, 3),
            ({"agent": ANNS, "authority": "account https://tool.example.org second"}, 1),
        ):
            assert len(store.query(db, tenant=tenant, wanted=store.Query(**wanted)).statements) == count
        came = [[part.content for part in attachments.parts(db, tenant=tenant, statements=[each])] for each in sent]
        place = Place(tenant=tenant, kind=documents.AGENT_PROFILE, agent=ANNS)
        kept = [documents.get(db, replace(place, document_id=name)).body for name in ("both", "one")]
        assert documents.ids(db, place)[0] == ["both", "one"]
        assert len(list(documents.of_agent(db, tenant=tenant, agent=ANNS))) == 3
    assert came == [[PDF], [], [PDF]]
    assert kept == [ANNS.encode(), f"mbox {ANN['mbox']}".encode()]


def test_every_kind_of_database_of_the_newest_schema_is_kept(sqlite_database):
    with sqlite_database.engine.connect() as connection:
        newest = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    kinds = {file.stem.split("-")[2] for file in RELEASES if file.stem.split("-")[1] == newest}
    assert kinds == {"sqlite", "postgresql"}


@pytest.mark.parametrize("empty_database", ["sqlite", "postgresql"], indirect=True)
def test_the_key_that_signed_before_the_upgrade_signs_after_it(empty_database, loaded_settings):
    migrations.upgrade(empty_database, "0028")
    names = ("id", "jwk", "sealed_private_pem", "status", "created_at")
    old = table("tool_keys", *(column(name, Uuid() if name == "id" else None) for name in names))
    with empty_database.engine.begin() as connection:
        for status, day in (("current", 2), ("retiring", 1)):
            row = {"id": uuid.uuid4(), "jwk": f'{{"kid": "{status}"}}', "sealed_private_pem": "sealed"}
            connection.execute(insert(old), row | {"status": status, "created_at": f"2026-01-0{day} 00:00:00+00:00"})
    migrations.upgrade(empty_database)
    with empty_database.reading() as db:
        assert [key.jwk["kid"] for key in keys.listed(db)] == ["current", "retiring"]
        assert keys.signing(db).jwk["kid"] == "current"
        assert keys.coming(db) is None
