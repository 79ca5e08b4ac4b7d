"""lti-mentor platform set and show: what single platforms need to be let in."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lti_mentor import settings
from lti_mentor.cli.commands import find_organization, ready_database, writing
from lti_mentor.lti import keysets, platforms, switches
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.web import platform_changes

# What --clear takes, and the column it empties before anything else is set.
CLEARED: dict[str, tuple[str, Any]] = {
    "leeway": ("leeway_seconds", None),
    "token-audience": ("token_audience", None),
    "trusted-audiences": ("trusted_audiences", []),
    "roles": ("role_map", {}),
    "frame-ancestors": ("frame_ancestors", []),
    "adopt-into": ("adopting_id", None),
}


def read_keys(ctx: click.Context, parameter: click.Parameter, files: Sequence[Path]) -> list[dict[str, str]]:
    """The public keys in these files."""
    return [key for file in files for key in keysets.read(file.read_text(encoding="utf-8", errors="replace"))]


KEY_FILE = click.option(
    "--key-file",
    "pasted_keys",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    callback=read_keys,
    help="Its public key as PEM, JWK or JWK set, where it publishes none.",
)


@click.command("set")
@click.argument("platform_id", type=click.UUID)
@click.option("--leeway", "leeway_seconds", type=int, help="Seconds by which its clock may differ.")
@click.option("--foreign-azp/--no-foreign-azp", default=None, help="Whether azp may be another id than the client's.")
@click.option("--token-audience", help="The audience of our assertions, when it is not the token endpoint.")
@click.option("--trust-audience", "trusted", multiple=True, help="An audience that may stand beside the client id.")
@click.option("--role", "roles", multiple=True, help="URI=teacher or URI=learner: what a role of it makes here.")
@click.option("--jwks-uri", help="Where it publishes its keys.")
@KEY_FILE
@click.option("--frame-ancestor", "ancestors", multiple=True, help="An origin that may frame the tool.")
@click.option("--adopt-into", "adopting", help="The organization that takes new deployments in, without approval.")
@click.option("--clear", "cleared", multiple=True, type=click.Choice(list(CLEARED)), help="Empty this first.")
def change(
    platform_id: uuid.UUID,
    trusted: Sequence[str],
    roles: Sequence[str],
    ancestors: Sequence[str],
    adopting: str | None,
    cleared: Sequence[str],
    **single: Any,
) -> None:
    """Change what a platform needs; lists and roles are added to what there is."""
    with writing() as db:
        platform = platforms.get_locked(db, platform_id)
        wanted = {name: value for name, value in single.items() if value not in (None, [])}
        emptied = dict(CLEARED[name] for name in cleared)
        for name, added in (("trusted_audiences", trusted), ("frame_ancestors", ancestors)):
            if added:
                wanted[name] = list(dict.fromkeys([*emptied.get(name, getattr(platform, name)), *added]))
        if roles:
            wanted["role_map"] = emptied.get("role_map", platform.role_map) | switches.roles(roles)
        if adopting is not None:
            wanted["adopting_id"] = find_organization(db, adopting).id
        changed = platform_changes.switch(db, platform, emptied | wanted, settings.load())
    click.echo(f"{platform.issuer}: {', '.join(changed)} changed." if changed else "Nothing is different.")


@click.command("show")
@click.argument("platform_id", type=click.UUID)
def show(platform_id: uuid.UUID) -> None:
    """Everything about a platform."""
    with ready_database().reading() as db:
        platform = platforms.get(db, platform_id)
    for name, value in _lines(platform):
        click.echo(f"{name + ':':24}{value}")


def described(deployment: Deployment) -> str:
    """Its id, and what is to be known of it."""
    if deployment.status != "active":
        return f"{deployment.deployment_id} ({deployment.status})"
    at = deployment.last_launch_at
    return f"{deployment.deployment_id} (last launch {at:%Y-%m-%d})" if at else deployment.deployment_id


def _lines(platform: Platform) -> list[tuple[str, object]]:
    pasted = [key.get("kid", "without id") for key in platform.pasted_keys or ()]
    default = f"{settings.load().clock_leeway_seconds} seconds, as the settings say"
    return [
        ("platform", platform.id),
        ("status", platform.status),
        ("issuer", platform.issuer),
        ("product", platform.family or "not known"),
        ("client id", platform.client_id),
        ("deployments", ", ".join(map(described, platform.deployments)) or "none"),
        ("new deployments", "are taken in" if platform.adopting_id else "wait for approval"),
        ("authorization endpoint", platform.authorization_endpoint),
        ("token endpoint", platform.token_endpoint),
        ("token audience", platform.token_audience or "the token endpoint"),
        ("keys", platform.jwks_uri or f"pasted: {', '.join(pasted)}"),
        ("leeway", default if platform.leeway_seconds is None else f"{platform.leeway_seconds} seconds"),
        ("foreign azp", "allowed" if platform.foreign_azp else "refused"),
        ("trusted audiences", ", ".join(platform.trusted_audiences) or "none"),
        *[("role", f"{role} is a {part}") for role, part in platform.role_map.items()],
        ("frames", ", ".join(platform.framing_origins)),
        ("granted scopes", ", ".join(platform.granted_scopes) or "not known"),
    ]
