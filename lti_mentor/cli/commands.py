"""What all commands share: how they reach the database, and how they say what went wrong."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from lti_mentor import migrations, settings
from lti_mentor.activity import record
from lti_mentor.db import Database, connect
from lti_mentor.errors import MentorError, SettingsError
from lti_mentor.mentoring.organizations import Organization
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.vault import Vault
from lti_mentor.web.errors import SENTENCES

ORGANIZATION = click.option("--organization", default="Default")


class Commands(click.Group):
    """A problem is one sentence on standard error, and an exit code that is not 0."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise click.ClickException(str(error)) from None
        except MentorError as error:
            raise click.ClickException(sentence(error)) from None
        except SQLAlchemyError:
            raise click.ClickException(
                "The database does not answer or is not prepared: run lti-mentor db upgrade."
            ) from None


def sentence(error: MentorError) -> str:
    """What went wrong, in English, and what to do next."""
    text = SENTENCES.get(error.reason, SENTENCES["error"])
    return text % error.values if "%(" in text else text


@click.group(cls=Commands)
def main() -> None:
    """Mentoring inside the learning management system."""


def open_database() -> Database:
    """The configured database; its connections are closed when the command ends."""
    loaded = settings.load()
    database = connect(loaded.database_url)
    if loaded.check_statements:
        record.check_statements(database)
    click.get_current_context().call_on_close(database.engine.dispose)
    return database


def ready_database() -> Database:
    """Raises SettingsError when the schema is not the one this version works with."""
    database = open_database()
    if not migrations.is_current(database):
        raise SettingsError("The database is not up to date: run lti-mentor db upgrade.")
    return database


def open_vault() -> Vault:
    loaded = settings.load()
    settings.require_secret(loaded)
    return Vault(loaded.secret_key)


@contextmanager
def writing() -> Iterator[Session]:
    with ready_database().transaction() as db:
        yield db


def find_organization(session: Session, name: str) -> Organization:
    found = session.scalar(select(Organization).where(Organization.name == name))
    if found is None:
        raise click.ClickException(f"There is no organization {name}: see lti-mentor organization list.")
    return found


def find_person(session: Session, organization: str, text: str) -> Person:
    owner = find_organization(session, organization)
    wanted = (
        select(Person)
        .join(Account, Account.person_id == Person.id)
        .where(Person.organization_id == owner.id)
        .where((Person.email == text) | (Account.subject == text) | (Person.id == _uuid(text)))
        .distinct()
    )
    found = session.scalars(wanted).all()
    if len(found) != 1:
        problem = "Nobody" if not found else "More than one person"
        raise click.ClickException(
            f"{problem} in {organization} fits {text}: give the id, a mail address or a subject."
        )
    return found[0]


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
