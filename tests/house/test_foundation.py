"""Settings, database, time, vault and the command line."""

import signal
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError, StatementError

from lti_mentor import backup, clock, db, settings
from lti_mentor.app import create_app
from lti_mentor.cli import main
from lti_mentor.errors import SettingsError
from lti_mentor.lti import keys, platforms
from lti_mentor.lti.keys import ToolKey
from lti_mentor.lti.platforms import Registration
from lti_mentor.mentoring import goals, organizations
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.goals import Goal, GoalDraft
from lti_mentor.mentoring.organizations import Organization
from lti_mentor.mentoring.people import Grant
from lti_mentor.mentoring.retention import RetentionRule
from lti_mentor.vault import Vault
from tests.conftest import url_of
from xapi.rows import StoredStatement

GOOD = {"LTI_MENTOR_SECRET_KEY": "s" * 32}


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("BASE_URL", "mentor.example.org", "public URL"),
        ("BASE_URL", "https://mentor.example.org/", "no slash"),
        ("DATABASE_URL", "sqlite://", "needs a file"),
        ("DATABASE_URL", "sqlite:///:memory:", "needs a file"),
        ("DATABASE_URL", "sqlite:///file:x?mode=memory&uri=true", "needs a file"),
        ("SECRET_KEY", "short", "at least 32"),
        ("MINIMUM_GROUP", "3", "below 5"),
        ("VISIT_HOURS", "many", "whole number"),
        ("VISIT_HOURS", "-1", "not below 0"),
        ("ALLOW_PRIVATE_ADDRESSES", "maybe", "true or false"),
        ("ALLOWED_NETWORKS", "10.0.0.0/99", "not a network"),
        ("DEFAULT_TIME_ZONE", "Mars/North", "time zone"),
        ("COLOR", "blue", "no setting"),
    ],
)
def test_a_wrong_setting_is_refused_with_a_sentence(name, value, problem):
    with pytest.raises(SettingsError, match=problem):
        settings.load(GOOD | {f"LTI_MENTOR_{name}": value})


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path):
    (tmp_path / "mine.toml").write_text('visit_hours = 3\nlogin_minutes = 7\nsecret_key = ["' + "a" * 32 + '"]')
    loaded = settings.load({"LTI_MENTOR_CONFIG": str(tmp_path / "mine.toml"), "LTI_MENTOR_VISIT_HOURS": "5"})
    assert (loaded.visit_hours, loaded.login_minutes, loaded.clock_leeway_seconds) == (5, 7, 60)


def test_a_time_without_a_zone_is_not_stored(sqlite_database):
    with pytest.raises(StatementError), sqlite_database.transaction() as session:
        session.add(Organization(name="Naive", created_at=datetime(2026, 1, 1)))  # noqa: DTZ001
        session.flush()


def test_a_reading_cannot_write(database):
    with pytest.raises(SQLAlchemyError), database.reading() as session:
        session.add(Organization(name="Sneaky"))
        session.flush()


def test_a_long_export_delays_no_form(database, cast):
    """A reading stays open while a form is saved; the reading goes on seeing what it saw."""
    started, saved = threading.Event(), threading.Event()
    seen = []

    def export():
        with database.reading() as session:
            seen.append(len(session.scalars(select(Goal)).all()))
            started.set()
            assert saved.wait(10)
            session.expire_all()
            seen.append(len(session.scalars(select(Goal)).all()))

    thread = threading.Thread(target=export)
    thread.start()
    assert started.wait(10)
    with database.transaction() as session:
        draft = GoalDraft(title="Read", baseline=0, target=10, due_on=clock.today() + timedelta(days=9))
        goals.set_goal(session, cast.learner, draft)
    saved.set()
    thread.join(10)
    assert seen == [0, 0]


def test_a_goal_and_its_statement_are_written_together_or_not_at_all(database, cast):
    before = count(database, StoredStatement)
    with pytest.raises(RuntimeError), database.transaction() as session:
        draft = GoalDraft(title="Read", baseline=0, target=10, due_on=clock.today() + timedelta(days=9))
        goals.set_goal(session, cast.learner, draft)
        raise RuntimeError
    assert (count(database, Goal), count(database, StoredStatement)) == (0, before)


def test_processes_that_write_one_file_take_turns(sqlite_database):
    """Two processes are two databases here, each with its own connections."""
    other = db.connect(str(sqlite_database.engine.url))
    with sqlite_database.transaction() as session:
        session.add(organization := Organization(name=""))
    failed = []

    def add(database):
        try:
            for _ in range(25):
                with database.transaction() as session:
                    session.get_one(Organization, organization.id).name += "x"
        except SQLAlchemyError as error:
            failed.append(error)

    threads = [threading.Thread(target=add, args=(database,)) for database in (sqlite_database, other) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    other.engine.dispose()
    with sqlite_database.reading() as session:
        assert len(session.get_one(Organization, organization.id).name) == 200
    assert failed == []


def test_a_writer_does_not_wait_for_ever(sqlite_database, monkeypatch):
    monkeypatch.setattr(db, "WAIT_SECONDS", 1)
    other = db.connect(str(sqlite_database.engine.url))
    with sqlite_database.transaction() as session:
        session.add(Organization(name="First"))
        session.flush()
        with pytest.raises(db.UNREACHABLE), other.transaction() as late:
            late.add(Organization(name="Late"))
    with other.transaction() as late:
        late.add(Organization(name="Later"))
    other.engine.dispose()
    assert count(sqlite_database, Organization) >= 2


def count(database, row) -> int:
    with database.reading() as session:
        return len(session.scalars(select(row)).all())


KILLED = """
import os, signal, sys, uuid
from datetime import timedelta
from lti_mentor import clock
from lti_mentor.db import connect
from lti_mentor.mentoring import goals, people
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor import migrations
database = connect(sys.argv[1])
with database.transaction() as db:
    owner = people.get(db, uuid.UUID(sys.argv[2]), uuid.UUID(sys.argv[3]))
    goals.set_goal(db, owner, GoalDraft(title="Read", baseline=0, target=1, due_on=clock.today() + timedelta(days=9)))
    if sys.argv[4] == "before":
        os.kill(os.getpid(), signal.SIGKILL)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("moment", "goals_left"), [("before", 0), ("after", 1)])
def test_a_process_killed_around_the_commit_leaves_both_or_neither(database, cast, moment, goals_left):
    before = count(database, StoredStatement)
    arguments = [url_of(database), str(cast.learner.organization_id), str(cast.learner.id), moment]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (count(database, Goal), count(database, StoredStatement) - before) == (goals_left, goals_left)


def test_a_secret_is_opened_after_a_rotation_and_never_with_another_key():
    old, new = "o" * 32, "n" * 32
    sealed = Vault((old,)).seal("tool-key", b"secret")
    again = Vault((new, old)).reseal("tool-key", sealed)
    assert Vault((new,)).open("tool-key", again) == b"secret"
    with pytest.raises(SettingsError):
        Vault((new,)).open("tool-key", sealed)
    with pytest.raises(SettingsError):
        Vault((old,)).open("another purpose", sealed)


def run(url, *arguments, **environment):
    chosen = {"LTI_MENTOR_DATABASE_URL": url, "LTI_MENTOR_SECRET_KEY": "s" * 40, **environment}
    return CliRunner().invoke(main, arguments, env=chosen)


def test_an_administrator_sets_everything_up_from_the_command_line(tmp_path):
    url = f"sqlite:///{tmp_path}/cli.db"
    assert "db upgrade" in run(url, "platform", "list").output
    assert run(url, "db", "upgrade").exit_code == 0
    added = run(
        url, "platform", "add", "--issuer", "https://lms.example.org", "--client-id", "c1",
        "--authorization-endpoint", "https://lms.example.org/auth", "--token-endpoint", "https://lms.example.org/token",
        "--jwks-uri", "https://lms.example.org/jwks", "--deployment-id", "1", "--deployment-id", "2",
        "--frame-ancestor", "https://portal.example.org", "--organization", "Home",
        "--token-audience", "https://api.example.org/token", "--foreign-azp",
    )  # fmt: skip
    assert added.exit_code == 0, added.output
    listed = run(url, "platform", "list").output
    assert "deployments 1, 2" in listed
    assert "may not launch any more" in run(url, "platform", "disable", listed.split()[0]).output
    key = run(url, "lrs", "key", "add", "--organization", "Home").output.strip().splitlines()[-1]
    assert len(key.split(":")) == 2
    assert "active" in run(url, "lrs", "key", "list", "--organization", "Home").output
    unknown = run(url, "grant", "nobody", "analyst", "--organization", "Home")
    assert unknown.exit_code == 1
    assert "Nobody in Home fits nobody" in unknown.output
    assert " UTC on." in run(url, "keys", "rotate").output
    with db.connect(url).reading() as session:
        old, new = session.scalars(select(ToolKey).order_by(ToolKey.signs_from))
        assert (keys.signing(session), keys.coming(session)) == (old, new)
    both = "n" * 40 + "," + "s" * 40
    assert "3 secrets" in run(url, "keys", "reseal", LTI_MENTOR_SECRET_KEY=both).output
    with db.connect(url).reading() as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "secrets_resealed"))
    assert (entry.place, entry.actor_id) == ("lti-mentor keys reseal", None)


def test_a_backup_brings_everything_back(tmp_path):
    url = f"sqlite:///{tmp_path}/now.db"
    run(url, "db", "upgrade")
    run(url, "lrs", "key", "add", "--organization", "Kept")
    assert run(url, "db", "backup", str(tmp_path / "saved")).exit_code == 0
    run(url, "lrs", "key", "add", "--organization", "Later")
    assert run(url, "db", "restore", str(tmp_path / "saved")).exit_code == 0
    assert "Later" not in run(url, "organization", "list").output
    assert "Kept" in run(url, "organization", "list").output
    (tmp_path / "nonsense").write_text("not a database, only some words that were typed")
    assert "not a backup" in run(url, "db", "restore", str(tmp_path / "nonsense")).output


def test_a_backup_that_cannot_be_written_is_refused_with_a_sentence(tmp_path, sqlite_database):
    with pytest.raises(SettingsError, match="cannot be written"):
        backup.save(sqlite_database, tmp_path / "no folder" / "copy.db")


def test_a_platform_added_again_is_brought_up_to_date(sqlite_database):
    given = {"issuer": "https://lms.example.org", "client_id": "c", "deployment_ids": ("1",)}
    ends = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), "https://lms.example.org/x")
    with sqlite_database.transaction() as session:
        owner = organizations.named(session, "Home").id
        first = Registration(**given, **ends, frame_ancestors=("https://a.example.org",))
        platforms.add(session, first, organization_id=owner)
        moved = ends | {"jwks_uri": "https://lms.example.org/keys"}
        special = {"token_audience": "https://api.example.org/token", "foreign_azp": True}
        again = Registration(**given, **moved, **special, frame_ancestors=("https://b.example.org",))
        platforms.add(session, again, organization_id=owner)
        found = platforms.add(session, Registration(**given, **moved), organization_id=owner)
    assert (found.token_audience, found.foreign_azp) == ("https://api.example.org/token", True)
    assert found.jwks_uri == "https://lms.example.org/keys"
    assert found.frame_ancestors == ["https://a.example.org", "https://b.example.org"]


def test_a_backup_of_postgresql_brings_everything_back(postgres_url, tmp_path):
    engine = create_engine(postgres_url.replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE saved")
    engine.dispose()
    url = postgres_url.replace("/postgres", "/saved")
    run(url, "db", "upgrade")
    run(url, "lrs", "key", "add", "--organization", "Kept")
    saved = run(url, "db", "backup", str(tmp_path / "saved"))
    assert saved.exit_code == 0, saved.output
    run(url, "lrs", "key", "add", "--organization", "Later")
    restored = run(url, "db", "restore", str(tmp_path / "saved"))
    assert restored.exit_code == 0, restored.output
    assert [line.split()[-1] for line in run(url, "organization", "list").output.splitlines()] == ["Kept"]


def test_a_taken_port_gives_a_sentence(tmp_path):
    import socket  # noqa: PLC0415

    url = f"sqlite:///{tmp_path}/now.db"
    run(url, "db", "upgrade")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        done = run(url, "serve", "--port", str(holder.getsockname()[1]))
    assert done.exit_code == 1
    assert "is taken by another program" in done.output


def test_a_server_without_a_secret_key_does_not_start(tmp_path, loaded_settings):
    with pytest.raises(SettingsError, match="LTI_MENTOR_SECRET_KEY is not set"):
        settings.require_secret(replace(loaded_settings, secret_key=()))


def test_an_unprepared_database_is_said_on_the_page_and_by_the_health_check(tmp_path, loaded_settings):
    client = create_app(loaded_settings, db.connect(f"sqlite:///{tmp_path}/empty.db")).test_client()
    assert client.get("/healthz").status_code == 503
    page = client.get("/lti/jwks")
    assert page.status_code == 503
    assert "lti-mentor db upgrade" in page.text


def test_a_database_that_is_away_is_not_called_unprepared(tmp_path, loaded_settings):
    away = db.connect(f"sqlite:///{tmp_path / 'no folder' / 'away.db'}")
    answer = create_app(loaded_settings, away).test_client().get("/lti/jwks")
    assert answer.status_code == 503
    assert "Code for support: database.away" in answer.text


def test_the_clock_can_be_moved_and_stands_still():
    with clock.moved_to(datetime(2026, 1, 1, tzinfo=UTC)):
        assert clock.now() == clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.now() > datetime(2026, 1, 1, tzinfo=UTC)


def test_what_a_person_typed_is_not_in_the_message_of_a_database_error(database, cast):
    with pytest.raises(SQLAlchemyError) as caught, database.transaction() as session:
        session.add(Goal(organization_id=cast.learner.organization_id, owner_id=cast.learner.id, title="My secret aim"))
        session.flush()
    assert "My secret aim" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "is_race"),
    [
        (lambda home: Organization(name=home.name), True),
        (lambda home: Organization(id=home.id, name="Another"), True),
        (lambda home: Grant(organization_id=home.id, person_id=db.new_id(), right="analyst"), True),
        (lambda home: RetentionRule(organization_id=home.id, days=0, whose="all"), False),
        (lambda home: Organization(), False),
    ],
    ids=["unique", "primary key", "foreign key", "check", "not null"],
)
def test_only_what_another_transaction_may_have_done_is_a_lost_race(database, row, is_race):
    with database.transaction() as session:
        session.add(home := Organization(name="Home"))
    with pytest.raises(IntegrityError) as caught, database.transaction() as session:
        session.add(row(home))
    assert db.lost_a_race(caught.value) is is_race


@pytest.mark.parametrize(
    ("days", "names", "is_raised", "times"),
    [
        (9, ["New", "Newer"], False, 1),
        (9, ["Home", "New"], False, 2),
        (9, ["Home", "Home", "New"], False, 3),
        (9, ["Home", "Home", "Home", "New"], True, 3),
        (0, ["New", "Newer"], True, 1),
    ],
    ids=["nothing in the way", "lost once", "lost twice", "lost three times", "no race"],
)
def test_work_that_lost_a_race_is_done_again_twice_and_only_then(database, days, names, is_raised, times):
    with database.transaction() as session:
        session.add(home := Organization(name="Home"))
    left = iter(names)

    def work(session):
        session.add(RetentionRule(organization_id=home.id, days=days, whose="all"))
        session.add(Organization(name=next(left)))

    with pytest.raises(IntegrityError) if is_raised else nullcontext():
        database.write(work)
    assert len(list(left)) == len(names) - times
    with database.reading() as session:
        assert len(session.scalars(select(RetentionRule)).all()) == (0 if is_raised else 1), (
            "the first time left nothing"
        )
