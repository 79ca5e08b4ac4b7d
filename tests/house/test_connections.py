"""How connections of the database are used again."""

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
