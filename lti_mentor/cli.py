"""lti-mentor: everything an administrator does from the command line."""

import signal
import socket
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from lti_mentor import backup, cli_platforms, clock, migrations, settings
from lti_mentor.activity import record
from lti_mentor.app import create_app
from lti_mentor.db import Database, connect
from lti_mentor.errors import MentorError, SettingsError
from lti_mentor.jobs import worker as jobs
from lti_mentor.lti import connection, keys, platforms, registration, tokens
from lti_mentor.mentoring import audit, linking, organizations, people
from lti_mentor.mentoring.organizations import Organization
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web import request_log
from lti_mentor.web.errors import SENTENCES
from lti_mentor.web.visit import close_visits
from xapi import keys as lrs_keys


class Commands(click.Group):
    """A problem is one sentence on standard error, and an exit code that is not 0."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise click.ClickException(str(error)) from None
        except MentorError as error:
            raise click.ClickException(_sentence(error)) from None
        except SQLAlchemyError:
            raise click.ClickException(
                "The database does not answer or is not prepared: run lti-mentor db upgrade."
            ) from None


def _sentence(error: MentorError) -> str:
    sentence = SENTENCES.get(error.reason, SENTENCES["error"])
    return sentence % error.values if "%(" in sentence else sentence


@click.group(cls=Commands)
def main() -> None:
    """Mentoring inside the learning management system."""


def _database() -> Database:
    """The configured database; its connections are closed when the command ends."""
    database = connect(settings.load().database_url)
    click.get_current_context().call_on_close(database.engine.dispose)
    return database


def _ready_database() -> Database:
    """Raises SettingsError when the schema is not the one this version works with."""
    database = _database()
    if not migrations.is_current(database):
        raise SettingsError("The database is not up to date: run lti-mentor db upgrade.")
    return database


def _vault() -> Vault:
    loaded = settings.load()
    settings.require_secret(loaded)
    return Vault(loaded.secret_key)


@contextmanager
def _writing() -> Iterator[Session]:
    with _ready_database().transaction() as db:
        yield db


@main.command()
@click.option("--port", default=8000, help="Port of the tool; the practice LMS takes --lms-port.")
@click.option("--lms-port", default=8080)
def demo(port: int, lms_port: int) -> None:
    """Run the tool with a practice LMS and a seeded story, until Ctrl-C."""
    from lti_mentor.practice.demo import run  # noqa: PLC0415 (the practice LMS is no part of a production start)

    run(port, lms_port)


@main.command()
@click.option("--host", default="127.0.0.1")
@click.option("--port", default=8000)
@click.option("--workers", default=2)
def serve(host: str, port: int, workers: int) -> None:
    """Serve the tool with a production server."""
    loaded = settings.load()
    settings.require_secret(loaded)
    _ready_database().engine.dispose()
    _check_port(host, port)
    from lti_mentor.server import Server  # noqa: PLC0415 (gunicorn does not import on every platform)

    Server(lambda: create_app(loaded), host=host, port=port, workers=workers, log_level=loaded.log_level).run()


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise click.ClickException(
                f"Port {port} is taken by another program: stop it, or choose another port."
            ) from None


@main.command()
def worker() -> None:
    """Work on jobs until stopped."""
    loaded = settings.load()
    request_log.to_standard_error(loaded.log_level)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    jobs.work(Tool(loaded, _ready_database(), _vault()), stop)


@main.group()
def db() -> None:
    """Prepare, save and bring back the database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the schema up to date; the first time this also fixes the base of all IRIs."""
    migrations.prepare(_database(), settings.load(), _vault())
    click.echo("The database is up to date.")


@db.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def db_backup(file: Path) -> None:
    """Save the database to FILE while the tool runs."""
    backup.save(_database(), file)
    click.echo(f"The database is saved in {file}.")


@db.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def db_restore(file: Path) -> None:
    """Bring the database back from FILE; stop the tool first."""
    backup.restore(_database(), file)
    click.echo(f"The database is what it was in {file}.")


@main.group()
def platform() -> None:
    """Learning platforms that may launch the tool."""


platform.add_command(cli_platforms.change)
platform.add_command(cli_platforms.show)


@platform.command("add")
@click.option("--issuer", required=True)
@click.option("--client-id", required=True)
@click.option("--authorization-endpoint", required=True)
@click.option("--token-endpoint", required=True)
@click.option("--jwks-uri", help="Where it publishes its keys; or give --key-file.")
@cli_platforms.KEY_FILE
@click.option("--deployment-id", "deployment_ids", multiple=True, required=True, help="May be given several times.")
@click.option("--frame-ancestor", "frame_ancestors", multiple=True, help="An origin that may frame the tool.")
@click.option("--token-audience", help="What it calls the audience of a token, when that is not its token endpoint.")
@click.option("--foreign-azp/--no-foreign-azp", default=None, help="Whether azp may be another id than the client's.")
@click.option("--organization", default="Default", help="Made when there is none of that name.")
def platform_add(organization: str, **given: object) -> None:
    """Register a platform, or more deployments of a known one."""
    with _writing() as session:
        owner = organizations.named(session, organization)
        registration = platforms.Registration(**given)  # type: ignore[arg-type]
        added = platforms.add(session, registration, organization_id=owner.id)
        audit.write(session, owner.id, "registered", place=f"platform {added.id}")
        click.echo(f"Platform {added.id} ({added.issuer}, client {added.client_id}) may launch for {owner.name}.")


@platform.command("invite")
@click.option("--organization", default="Default", help="Made when there is none of that name.")
@click.option("--uses", default=1, show_default=True, help="How many platforms may register.")
@click.option("--hours", default=72, show_default=True, help="How long the invitation is good for.")
@click.option("--approve", is_flag=True, help="Launches wait for lti-mentor platform approve.")
def platform_invite(organization: str, uses: int, hours: int, approve: bool) -> None:
    """Make an address that an LMS administrator pastes to register; it stands alone on the last line."""
    base = settings.load().base_url
    with _writing() as session:
        owner = organizations.named(session, organization)
        secret = registration.invite(session, owner.id, uses=uses, hours=hours, needs_approval=approve)
        audit.write(session, owner.id, "invited", place="platform invite")
    click.echo(f"An invitation to register for {organization}, good for {hours} hours. Paste it in the LMS:")
    click.echo(f"{base}/lti/register?invitation={secret}")


@platform.command("approve")
@click.argument("platform_id", type=click.UUID)
def platform_approve(platform_id: uuid.UUID) -> None:
    """Let its launches in: for the first time, or again after it was disabled."""
    with _writing() as session:
        approved = platforms.approve(session, platform_id)
        _audit(session, approved, "approved")
    click.echo(f"{approved.issuer} may launch.")


@platform.command("test")
@click.argument("platform_id", type=click.UUID)
def platform_test(platform_id: uuid.UUID) -> None:
    """Fetch its keys and a token of its services, and say in words what does not work."""
    tool = Tool(settings.load(), _ready_database(), _vault())
    with tool.database.reading() as session:
        known = platforms.get(session, platform_id)
    words = {"keys": "Keys: %s can be used.", "token": "Token: given for %s scopes."}
    tried = connection.try_out(tool, known)
    for each in tried:
        click.echo(f"{each.step.title()}: {_sentence(each.problem)}" if each.problem else words[each.step] % each.count)
    if any(each.problem for each in tried):
        raise click.ClickException(f"{known.issuer} does not work as it should.")


@platform.command("list")
def platform_list() -> None:
    """All platforms with their deployments."""
    with _ready_database().reading() as session:
        for each in platforms.listed(session):
            deployments = ", ".join(deployment.deployment_id for deployment in each.deployments)
            click.echo(f"{each.id}  {each.status}  {each.issuer}  client {each.client_id}  deployments {deployments}")


@platform.command("disable")
@click.argument("platform_id", type=click.UUID)
def platform_disable(platform_id: uuid.UUID) -> None:
    """Refuse its launches and end the visits that came from it; nothing is lost."""
    with _writing() as session:
        disabled = platforms.disable(session, platform_id)
        _audit(session, disabled, "disabled")
        closed = _close_visits(session, disabled)
    click.echo(f"{disabled.issuer} may not launch any more; {closed} open visits are ended.")


@platform.command("remove")
@click.argument("platform_id", type=click.UUID)
def platform_remove(platform_id: uuid.UUID) -> None:
    """Forget the registration and end the visits that came from it; people, courses and statements stay."""
    with _writing() as session:
        leaving = platforms.get(session, platform_id)
        _audit(session, leaving, "removed")
        closed = _close_visits(session, leaving)
        removed = platforms.remove(session, platform_id)
    click.echo(f"{removed.issuer} is not registered any more; {closed} open visits are ended.")


def _audit(session: Session, platform: platforms.Platform, action: str) -> None:
    """For each organization that it launches for."""
    for organization_id in {deployment.organization_id for deployment in platform.deployments}:
        audit.write(session, organization_id, action, place=f"platform {platform.id}")


def _close_visits(session: Session, platform: platforms.Platform) -> int:
    organization_ids = [deployment.organization_id for deployment in platform.deployments]
    return close_visits(session, issuer=platform.issuer, organization_ids=organization_ids)


@main.group("keys")
def keys_() -> None:
    """The tool's own keys."""


@keys_.command("rotate")
def keys_rotate() -> None:
    """Sign with a new key; the one before stays published until the next rotation."""
    vault = _vault()
    with _writing() as session:
        click.echo(f"The tool signs with the new key {keys.rotate(session, vault).jwk['kid']}.")


@keys_.command("reseal")
def keys_reseal() -> None:
    """Seal everything stored with the first value of the secret key, so that the older ones can go."""
    vault = _vault()
    with _writing() as session:
        count = keys.reseal(session, vault) + 1
        record.reseal_pepper(session, vault)
        tokens.forget(session)
    click.echo(f"{count} secrets are sealed with the current secret key.")


@main.group()
def lrs() -> None:
    """The record store."""


@lrs.group("key")
def lrs_key() -> None:
    """Keys of clients that write or read statements."""


_ORGANIZATION = click.option("--organization", default="Default")


@lrs_key.command("add")
@_ORGANIZATION
@click.option("--label", default="")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(lrs_keys.SCOPES), default=lrs_keys.SCOPES)
def lrs_key_add(organization: str, label: str, scopes: tuple[str, ...]) -> None:
    """Make a key; its secret is shown this once, alone on the last line."""
    vault = _vault()
    with _writing() as session:
        owner = organizations.named(session, organization)
        key, secret = lrs_keys.add(
            session,
            tenant=owner.id,
            label=label,
            now=clock.now(),
            fingerprint=lambda text: record.key_hashes(session, vault, text)[0],
            scopes=scopes,
        )
        audit.write(session, owner.id, "key_added", place="lrs key add")
    click.echo(f"A key for the record store of {organization}. Keep it: it is not shown again.")
    click.echo(f"{key}:{secret}")


@lrs_key.command("list")
@_ORGANIZATION
def lrs_key_list(organization: str) -> None:
    """Keys without their secrets."""
    with _ready_database().reading() as session:
        for each in lrs_keys.listed(session, tenant=_organization(session, organization).id):
            click.echo(f"{each.key}  {'disabled' if each.disabled_at else 'active'}  {each.scopes}  {each.label}")


@lrs_key.command("disable")
@_ORGANIZATION
@click.argument("key")
def lrs_key_disable(organization: str, key: str) -> None:
    """Let this key in no more."""
    with _writing() as session:
        owner = _organization(session, organization)
        if not lrs_keys.disable(session, tenant=owner.id, key=key, now=clock.now()):
            raise click.ClickException(f"There is no key {key} in {organization}: see lti-mentor lrs key list.")
        audit.write(session, owner.id, "key_disabled", place="lrs key disable")
    click.echo(f"The key {key} is disabled.")


def _organization(session: Session, name: str) -> Organization:
    found = session.scalar(select(Organization).where(Organization.name == name))
    if found is None:
        raise click.ClickException(f"There is no organization {name}: see lti-mentor organization list.")
    return found


@main.group()
def organization() -> None:
    """Organizations."""


@organization.command("list")
def organization_list() -> None:
    """All organizations."""
    with _ready_database().reading() as session:
        for each in session.scalars(select(Organization).order_by(Organization.name)):
            click.echo(f"{each.id}  {each.name}")


@main.command()
@click.argument("person")
@click.argument("right", type=click.Choice(people.RIGHTS))
@_ORGANIZATION
def grant(person: str, right: str, organization: str) -> None:
    """Give PERSON (id, mail address or subject in the LMS) a right."""
    with _writing() as session:
        found = _person(session, organization, person)
        people.grant(session, found, right)
        click.echo(f"{found.name or found.id} has the right {right}.")


@main.command()
@click.argument("person")
@click.argument("right", type=click.Choice(people.RIGHTS))
@_ORGANIZATION
def revoke(person: str, right: str, organization: str) -> None:
    """Take a right away from PERSON."""
    with _writing() as session:
        found = _person(session, organization, person)
        people.revoke(session, found, right)
        click.echo(f"{found.name or found.id} has the right {right} no more.")


@main.group()
def person() -> None:
    """People."""


@person.command("link")
@click.argument("kept")
@click.argument("other")
@_ORGANIZATION
def person_link(kept: str, other: str, organization: str) -> None:
    """Make two accounts of one person one: everything of OTHER belongs to KEPT then. It cannot be taken back."""
    with _writing() as session:
        stays, goes = _person(session, organization, kept), _person(session, organization, other)
        linking.merge(session, stays, goes, by=None, place="person link")
        click.echo(f"{stays.name or stays.id} has both accounts now.")


def _person(session: Session, organization: str, text: str) -> Person:
    owner = _organization(session, organization)
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


if __name__ == "__main__":
    sys.exit(main())
