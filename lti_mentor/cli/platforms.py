"""Learning platforms, and the keys that they know the tool by."""

import json
import uuid

import click

from lti_mentor import clock, settings
from lti_mentor.activity import outside, record
from lti_mentor.cli import switches
from lti_mentor.cli.commands import main, open_vault, ready_database, sentence, writing
from lti_mentor.errors import Refused
from lti_mentor.lti import connection, keys, platforms, registration, tokens
from lti_mentor.mentoring import audit, organizations
from lti_mentor.tool import Tool
from lti_mentor.web import platform_changes


@main.group()
def platform() -> None:
    """Learning platforms that may launch the tool."""


platform.add_command(switches.change)
platform.add_command(switches.show)


@platform.command("add")
@click.option("--issuer", required=True)
@click.option("--client-id", required=True)
@click.option("--authorization-endpoint", required=True)
@click.option("--token-endpoint", required=True)
@click.option("--jwks-uri", help="Where it publishes its keys; or give --key-file.")
@switches.KEY_FILE
@click.option("--deployment-id", "deployment_ids", multiple=True, required=True, help="May be given several times.")
@click.option("--frame-ancestor", "frame_ancestors", multiple=True, help="An origin that may frame the tool.")
@click.option("--token-audience", help="What it calls the audience of a token, when that is not its token endpoint.")
@click.option("--foreign-azp/--no-foreign-azp", default=None, help="Whether azp may be another id than the client's.")
@click.option("--organization", default="Default", help="Made when there is none of that name.")
def platform_add(organization: str, **given: object) -> None:
    """Register a platform, or more deployments of a known one."""
    with writing() as session:
        owner = organizations.named(session, organization)
        registration = platforms.Registration(**given)  # type: ignore[arg-type]
        added = platform_changes.add(session, registration, owner.id, settings.load())
        click.echo(f"Platform {added.id} ({added.issuer}, client {added.client_id}) may launch for {owner.name}.")


@platform.command("invite")
@click.option("--organization", default="Default", help="Made when there is none of that name.")
@click.option("--uses", default=1, show_default=True, help="How many platforms may register.")
@click.option("--hours", default=72, show_default=True, help="How long the invitation is good for.")
@click.option("--approve", is_flag=True, help="Launches wait for lti-mentor platform approve.")
def platform_invite(organization: str, uses: int, hours: int, approve: bool) -> None:
    """Make an address that an LMS administrator pastes to register; it stands alone on the last line."""
    base = settings.load().base_url
    with writing() as session:
        owner = organizations.named(session, organization)
        secret = registration.invite(session, owner.id, uses=uses, hours=hours, needs_approval=approve)
        audit.write(session, owner.id, "invited", place=f"{audit.COMMAND}platform invite")
    click.echo(f"An invitation to register for {organization}, good for {hours} hours. Paste it in the LMS:")
    click.echo(f"{base}/lti/register?invitation={secret}")


@platform.command("approve")
@click.argument("platform_id", type=click.UUID)
def platform_approve(platform_id: uuid.UUID) -> None:
    """Let its launches in: for the first time, or again after it was disabled."""
    with writing() as session:
        approved = platforms.get_locked(session, platform_id)
        platform_changes.approve(session, approved)
    click.echo(f"{approved.issuer} may launch.")


@platform.command("test")
@click.argument("platform_id", type=click.UUID)
def platform_test(platform_id: uuid.UUID) -> None:
    """Fetch its keys and a token of its services, and say in words what does not work."""
    tool = Tool(settings.load(), ready_database(), open_vault())
    with tool.database.reading() as session:
        known = platforms.get(session, platform_id)
        shared = any(platforms.others_elsewhere(session, known, each) for each in known.organization_ids)
    words = {"keys": "Keys: %s can be used.", "token": "Token: given for %s scopes."}
    tried = connection.try_out(tool, known)
    for each in tried:
        click.echo(f"{each.step.title()}: {sentence(each.problem)}" if each.problem else words[each.step] % each.count)
    if shared:
        click.echo(f"People: {sentence(Refused('platform.elsewhere'))}")
    if any(each.problem for each in tried):
        raise click.ClickException(f"{known.issuer} does not work as it should.")


@platform.command("list")
def platform_list() -> None:
    """All platforms with their deployments and when somebody last launched from each."""
    with ready_database().reading() as session:
        for each in platforms.listed(session):
            deployments = ", ".join(map(switches.described, each.deployments))
            click.echo(f"{each.id}  {each.status}  {each.issuer}  client {each.client_id}  deployments {deployments}")


@platform.command("disable")
@click.argument("platform_id", type=click.UUID)
def platform_disable(platform_id: uuid.UUID) -> None:
    """Refuse its launches and end the visits that came from it; nothing is lost."""
    with writing() as session:
        disabled = platforms.get_locked(session, platform_id)
        closed = platform_changes.suspend(session, disabled)
    click.echo(f"{disabled.issuer} may not launch any more; {closed} open visits are ended.")


@platform.command("observers")
@click.argument("platform_id", type=click.UUID)
@click.argument("state", type=click.Choice(["on", "off"]))
def platform_observers(platform_id: uuid.UUID, state: str) -> None:
    """Let observers (parents, advisers) see the progress of people who agreed, or let them see nothing."""
    with writing() as session:
        changed = platforms.get_locked(session, platform_id)
        platform_changes.let_observers(session, changed, state == "on")
    seen = "the progress of people who agreed" if state == "on" else "nothing"
    click.echo(f"Observers from {changed.issuer} see {seen}.")


@platform.command("remove")
@click.argument("platform_id", type=click.UUID)
@click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")
def platform_remove(platform_id: uuid.UUID, dry_run: bool) -> None:
    """Forget the registration and end the visits that came from it; people, courses and statements stay."""
    if dry_run:
        return _show_removal(platform_id)
    with writing() as session:
        removed = platforms.get_locked(session, platform_id)
        closed = platform_changes.remove(session, removed)
    click.echo(f"{removed.issuer} is not registered any more; {closed} open visits are ended.")


def _show_removal(platform_id: uuid.UUID) -> None:
    with ready_database().reading() as session:
        leaving = platforms.get(session, platform_id)
        counted = platform_changes.removal(session, leaving)
    click.echo(f"Nothing is changed. Removing {leaving.issuer} (client {leaving.client_id}) would")
    click.echo(f"  forget {counted.deployments} deployments, which may not launch any more,")
    click.echo(f"  end {counted.visits} open visits,")
    click.echo(f"  tell no more scores to {counted.columns} columns of gradebooks,")
    click.echo(f"  keep {counted.courses} courses with their people, programs and statements.")


@main.group("keys")
def keys_() -> None:
    """The tool's own keys."""


@keys_.command("show")
@click.option("--jwk", "is_jwk", is_flag=True, help="As JWK; else as PEM.")
def keys_show(is_jwk: bool) -> None:
    """The public key that the tool signs with, to paste where a platform does not take its address.

    And one that is to sign, where there is one; which is which, and from when on, is said on standard error.
    """
    vault = open_vault()
    with writing() as session:
        signing = keys.ensure(session, vault)
        for key in dict.fromkeys([signing, keys.coming(session) or signing]):
            says = "signs now" if key == signing else f"signs from {key.signs_from:%Y-%m-%d %H:%M} UTC on"
            click.echo(f"The key {key.jwk['kid']} {says}:", err=True)
            click.echo(json.dumps({"use": "sig", **key.jwk}) if is_jwk else keys.as_pem(key).strip())


@keys_.command("rotate")
@click.option(
    "--now", "at_once", is_flag=True, help="Sign with it at once and publish no other: the old one is stolen."
)
def keys_rotate(at_once: bool) -> None:
    """Publish a new key, which signs once every platform can know it; the one before stays published after that."""
    vault = open_vault()
    with writing() as session:
        key = keys.replace(session, vault) if at_once else keys.rotate(session, vault)
        for each in organizations.listed(session):
            audit.write(session, each.id, "keys_rotated", place=f"{audit.COMMAND}keys rotate{' --now' * at_once}")
    if key.signs_from <= clock.now():
        click.echo(f"The tool signs with the new key {key.jwk['kid']} from now on, and publishes no other.")
        click.echo("Where the key was pasted, paste the new one now: lti-mentor keys show prints it.")
    else:
        at = f"{key.signs_from:%Y-%m-%d %H:%M} UTC"
        click.echo(f"The new key {key.jwk['kid']} is published, and signs from {at} on.")
        click.echo(f"Where the key was pasted, paste the new one by {at}: lti-mentor keys show prints it.")


@keys_.command("reseal")
def keys_reseal() -> None:
    """Seal everything stored with the first value of the secret key, so that the older ones can go."""
    vault = open_vault()
    with writing() as session:
        count = keys.reseal(session, vault) + 1
        record.reseal_pepper(session, vault)
        count += outside.reseal(session, vault)
        tokens.forget(session)
        for each in organizations.listed(session):
            audit.write(session, each.id, "secrets_resealed", place=f"{audit.COMMAND}keys reseal")
    click.echo(f"{count} secrets are sealed with the current secret key.")
