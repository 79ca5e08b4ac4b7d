"""The schema: which tables there are, and how a database is brought up to date."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

from lti_mentor import queue
from lti_mentor.activity import record
from lti_mentor.db import Base, Database
from lti_mentor.lti import connection_tests, contexts, deep_linking, keys, links, login, platforms, registration, tokens
from lti_mentor.mentoring import (
    audit,
    certifications,
    course_copies,
    evidence,
    goals,
    gradebook,
    linking,
    meetings,
    notices,
    observers,
    programs,
    results,
    retention,
)
from lti_mentor.settings import Settings
from lti_mentor.vault import Vault
from lti_mentor.web import exports, forms, limits, visit
from lti_mentor.web.admin import link
from xapi import rows

# Modules whose tables belong to the schema; importing them is what fills the metadata.
WITH_ROWS = (
    audit,
    certifications,
    connection_tests,
    contexts,
    course_copies,
    deep_linking,
    evidence,
    exports,
    forms,
    goals,
    gradebook,
    keys,
    limits,
    link,
    linking,
    links,
    login,
    meetings,
    notices,
    observers,
    platforms,
    programs,
    queue,
    record,
    registration,
    results,
    retention,
    tokens,
    visit,
)

# Tables of the whole installation; every other one belongs to an organization.
INSTALLATION_WIDE = frozenset(
    {
        "organizations",
        "installation",
        "certifications",
        "domains",
        "platforms",
        "tool_keys",
        "key_sets",
        "logins",
        "access_tokens",
        "connection_tests",
        "jobs",
        "attempts",
    }
)
HERE = "lti_mentor:migrations"
FOLDER = Path(__file__).parent


def metadata() -> list[MetaData]:
    """Ours and the record store's."""
    return [Base.metadata, rows.metadata]


def config(database: Database) -> Config:
    settings = Config()
    settings.set_main_option("script_location", HERE)
    settings.attributes["database"] = database
    return settings


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema up to date."""
    command.upgrade(config(database), revision)


def is_current(database: Database) -> bool:
    """Whether the schema is the one this version works with."""
    with database.reader.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == _head()


@cache
def _head() -> str | None:
    return ScriptDirectory(str(FOLDER)).get_current_head()


def prepare(database: Database, settings: Settings, vault: Vault) -> None:
    """Schema, IRI base, catalog and a key of the tool: what ``db upgrade`` does."""
    upgrade(database)
    with database.transaction() as db:
        record.fix_iri_base(db, settings.base_url)
        certifications.sync_catalog(db)
        record.ensure_pepper(db, vault)
        keys.ensure(db, vault)
