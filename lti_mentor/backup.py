"""Saving a database and bringing it back."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from lti_mentor.db import Database
from lti_mentor.errors import SettingsError


def save(database: Database, file: Path) -> None:
    """A consistent copy, taken while others go on writing. Raises SettingsError."""
    if file.exists():
        raise SettingsError(f"{file} exists already: choose another name.")
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # nobody else reads it, not even meanwhile
    except OSError:
        raise SettingsError(f"{file} cannot be written: check the folder.") from None
    if not database.is_sqlite:
        _run(database, "pg_dump", "--format=custom", f"--file={file}", f"--dbname={_dsn(database)}")
        return
    with closing(sqlite3.connect(_path(database))) as source, closing(sqlite3.connect(file)) as target:
        source.backup(target)


def restore(database: Database, file: Path) -> None:
    """Replace everything in the database by what the file holds. Raises SettingsError."""
    if not database.is_sqlite:
        _run(
            database,
            "pg_restore",
            "--clean",
            "--if-exists",
            "--single-transaction",
            f"--dbname={_dsn(database)}",
            str(file),
        )
        return
    with closing(sqlite3.connect(file)) as source:
        try:
            source.execute("SELECT iri_base FROM installation").fetchone()
        except sqlite3.DatabaseError:
            raise SettingsError(f"{file} is not a backup of this tool: nothing was changed.") from None
        with closing(sqlite3.connect(_path(database))) as target:
            source.backup(target)


def _path(database: Database) -> str:
    path = database.engine.url.database
    if not path or path == ":memory:":
        raise SettingsError("A database in memory cannot be saved.")
    return path


def _dsn(database: Database) -> str:
    """Without the password: everybody on the machine sees the arguments of a program."""
    url = database.engine.url
    return url._replace(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _run(database: Database, program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise SettingsError(f"{program} is not installed: install the PostgreSQL client.")
    password = database.engine.url.password
    surroundings = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    done = subprocess.run([found, *arguments], check=False, capture_output=True, env=surroundings)  # noqa: S603 (no shell)
    if done.returncode:
        raise SettingsError(f"{program} did not succeed: check that the database answers and the file can be used.")
