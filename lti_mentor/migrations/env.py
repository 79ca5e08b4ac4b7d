"""Run by Alembic with the database in the attributes of its configuration."""

from typing import Any

from alembic import context
from sqlalchemy.engine import Connection

from lti_mentor.migrations import metadata


def set_references(connection: Connection, word: str) -> None:
    """SQLite changes a table by making it anew; with references on, dropping the old one would drop what refers to it.

    The switch has no effect inside a transaction, so it goes to the driver, before the first and after the last one.
    """
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA foreign_keys = {word}")


database = context.config.attributes["database"]
with database.engine.connect() as connection:
    set_references(connection, "OFF")
    context.configure(connection=connection, target_metadata=metadata(), render_as_batch=database.is_sqlite)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
    set_references(connection, "ON")
