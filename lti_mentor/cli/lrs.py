"""Keys of the record store."""

import click

from lti_mentor import clock
from lti_mentor.activity import record
from lti_mentor.cli.commands import ORGANIZATION, find_organization, main, open_vault, ready_database, writing
from lti_mentor.mentoring import audit, organizations
from xapi import keys as lrs_keys


@main.group()
def lrs() -> None:
    """The record store."""


@lrs.group("key")
def lrs_key() -> None:
    """Keys of clients that write or read statements."""


@lrs_key.command("add")
@ORGANIZATION
@click.option("--label", default="")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(lrs_keys.SCOPES), default=lrs_keys.USUAL)
def lrs_key_add(organization: str, label: str, scopes: tuple[str, ...]) -> None:
    """Make a key; its secret is shown this once, alone on the last line."""
    vault = open_vault()
    with writing() as session:
        owner = organizations.named(session, organization)
        key, secret = lrs_keys.add(
            session,
            tenant=owner.id,
            label=label,
            now=clock.now(),
            fingerprint=lambda text: record.key_hashes(session, vault, text)[0],
            scopes=scopes,
        )
        audit.write(session, owner.id, "key_added", place=f"{audit.COMMAND}lrs key add")
    click.echo(f"A key for the record store of {organization}. Keep it: it is not shown again.")
    click.echo(f"{key}:{secret}")


@lrs_key.command("list")
@ORGANIZATION
def lrs_key_list(organization: str) -> None:
    """Keys without their secrets."""
    with ready_database().reading() as session:
        for each in lrs_keys.listed(session, tenant=find_organization(session, organization).id):
            click.echo(f"{each.key}  {'disabled' if each.disabled_at else 'active'}  {each.scopes}  {each.label}")


@lrs_key.command("disable")
@ORGANIZATION
@click.argument("key")
def lrs_key_disable(organization: str, key: str) -> None:
    """Let this key in no more."""
    with writing() as session:
        owner = find_organization(session, organization)
        if not lrs_keys.disable(session, tenant=owner.id, key=key, now=clock.now()):
            raise click.ClickException(f"There is no key {key} in {organization}: see lti-mentor lrs key list.")
        audit.write(session, owner.id, "key_disabled", place=f"{audit.COMMAND}lrs key disable")
    click.echo(f"The key {key} is disabled.")
