"""How connections of the database are used again."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest
from sqlalchemy import column, delete, func, insert, select, table, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from lti_mentor import db
from lti_mentor.mentoring.organizations import Organization
from tests.conftest import url_of

NAMES = select(Organization.__table__.c.name)


def test_a_look_sees_columns_and_cannot_write(database):
    with database.transaction() as session:
        session.add(Organization(name="Seen"))
    with database.looking() as connection:
        assert connection.scalars(NAMES).all() == ["Seen"]
    with pytest.raises(SQLAlchemyError), database.looking() as connection:
        connection.execute(delete(Organization))
    with database.looking() as connection:
        assert db.in_transaction()
        assert connection.scalars(NAMES).all() == ["Seen"]
    assert not db.in_transaction()


def test_columns_are_stored_together_or_not_at_all(database):
    added = insert(Organization.__table__)
    with pytest.raises(IntegrityError), database.storing() as connection:
        connection.execute(added, {"id": uuid4(), "name": "Refused"})
        connection.execute(added, {"id": uuid4(), "name": None})
    with database.storing() as connection:
        assert db.in_transaction()
        connection.execute(added, {"id": uuid4(), "name": "Stored"})
    with database.looking() as connection:
        assert connection.scalars(NAMES).all() == ["Stored"]


def test_whoever_looks_leaves_the_statements_prepared(postgres_database):
    """The driver prepares what it is asked for the sixth time, and would forget it at a ROLLBACK."""
    postgres_database.engine.dispose()
    statements = table("pg_prepared_statements", column("statement"))
    prepared = select(func.count()).where(statements.c.statement.contains("FROM organizations"))
    database = postgres_database
    for way in (database.reading, database.looking, database.storing, database.transaction):
        for _ in range(7):
            with way() as opened:
                opened.execute(NAMES).all()
        with way() as opened:
            assert opened.execute(prepared).scalar_one() == 1


def test_a_connection_that_the_server_ended_is_not_used_again(postgres_database):
    other = db.connect(url_of(postgres_database))
    ways = (other.transaction, other.storing, other.reading, other.looking)
    ending = text("SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    for way in ways:
        with way() as opened:
            opened.execute(NAMES).all()
        with postgres_database.transaction() as session:
            assert session.execute(ending).scalar_one() > 0
        with way() as opened:
            opened.execute(NAMES).all()
    other.engine.dispose()


@pytest.fixture
def log_size(sqlite_database, monkeypatch):
    """Of the log that SQLite keeps beside the database, which is short here."""
    monkeypatch.setattr(db, "LOG_BYTES", 2_000_000)
    monkeypatch.setattr(db, "LOG_STEP", 500_000)
    sqlite_database.engine.dispose()
    return lambda: Path(f"{sqlite_database.engine.url.database}-wal").stat().st_size


def write(database, kilobytes):
    with database.transaction() as session:
        session.add_all(Organization(name=f"{uuid4()} {'x' * 1000}") for _ in range(kilobytes))


def names_in(database):
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Organization))


def test_the_log_of_sqlite_begins_anew_once_it_is_long(sqlite_database, log_size):
    write(sqlite_database, 50)
    assert 0 < log_size() < db.LOG_BYTES - db.LOG_STEP
    for _ in range(100):
        write(sqlite_database, 50)
    assert log_size() < 2 * db.LOG_BYTES
    assert names_in(sqlite_database) == 101 * 50


@pytest.mark.parametrize("reading", [0, 3])
def test_the_log_of_sqlite_begins_anew_while_others_write_and_read_all_the_time(sqlite_database, log_size, reading):
    """With connections of their own, as other processes have them."""
    url = f"sqlite:///{sqlite_database.engine.url.database}"
    writers, readers = [sqlite_database, db.connect(url)], [db.connect(url) for _ in range(reading)]
    lengths, is_over = [], Event()

    def keep_writing(mine):
        for _ in range(150):
            write(mine, 40)
            lengths.append(log_size())

    def keep_reading(mine):
        while not is_over.is_set():
            with mine.reading() as session:
                session.scalars(NAMES.limit(100)).all()

    with ThreadPoolExecutor() as pool:
        done = [pool.submit(keep_reading, each) for each in readers]
        try:
            list(pool.map(keep_writing, writers))
        finally:
            is_over.set()
        for each in done:
            each.result()
    for each in [*writers, *readers]:
        each.engine.dispose()
    assert max(lengths) < 8 * db.LOG_BYTES  # of a hundred, where it only grows
    assert names_in(sqlite_database) == 2 * 150 * 40


def test_the_log_of_sqlite_is_found_where_a_link_leads(sqlite_database, log_size, tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(sqlite_database.engine.url.database)
    linked = db.connect(f"sqlite:///{link}")
    for _ in range(100):
        write(linked, 50)
    assert log_size() < 2 * db.LOG_BYTES
    linked.engine.dispose()


def test_whoever_reads_in_the_log_of_sqlite_keeps_it_and_stops_nobody(sqlite_database, log_size):
    write(sqlite_database, 50)
    with sqlite_database.reading() as session:
        before = session.scalars(NAMES).all()
        for _ in range(20):
            write(sqlite_database, 50)
        assert log_size() > 2 * db.LOG_BYTES
        assert session.scalars(NAMES).all() == before
    for _ in range(5):
        write(sqlite_database, 50)
    assert log_size() < db.LOG_BYTES
    assert names_in(sqlite_database) == 26 * 50


def _without_sorting(action, name, *_):
    is_it = action == sqlite3.SQLITE_PRAGMA and name == "wal_checkpoint"
    return sqlite3.SQLITE_DENY if is_it else sqlite3.SQLITE_OK


def test_what_was_committed_is_there_where_the_log_of_sqlite_cannot_be_sorted_in(
    sqlite_database, log_size, monkeypatch, caplog
):
    class Refusing(sqlite3.Connection):
        """Which is refused what it wants, as on a full disk."""

        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            self.set_authorizer(_without_sorting)

    write(sqlite_database, 50)
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Refusing))
    write(sqlite_database, 500)
    assert "the log of the database was not sorted in" in caplog.text
    assert names_in(sqlite_database) == 550
