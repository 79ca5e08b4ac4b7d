"""Deployments of learning platforms: which wait, and whose they are."""

import uuid

import click
from sqlalchemy.orm import Session

from lti_mentor.cli.commands import find_organization, main, ready_database, writing
from lti_mentor.errors import NotFound
from lti_mentor.lti import platforms
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.mentoring import organizations
from lti_mentor.web import platform_changes


@main.group()
def deployment() -> None:
    """Deployments of learning platforms; launches of a new one wait until it is let in."""


@deployment.command("list")
@click.option("--waiting", is_flag=True, help="Only those that nobody has decided about.")
def deployment_list(waiting: bool) -> None:
    """All deployments with their organizations and platforms."""
    with ready_database().reading() as session:
        names = {each.id: each.name for each in organizations.listed(session)}
        for platform in platforms.listed(session):
            for each in platform.deployments:
                if each.status == "pending" or not waiting:
                    owner = names[each.organization_id] if each.organization_id else "no organization"
                    click.echo(f"{each.id}  {each.status}  {each.deployment_id}  {owner}  {platform.title}")


@deployment.command("approve")
@click.argument("deployment_id", type=click.UUID)
@click.option("--organization", required=True, help="Whose people launch from it.")
def deployment_approve(deployment_id: uuid.UUID, organization: str) -> None:
    """Let its launches into an organization, also after it was refused."""
    with writing() as session:
        owner = find_organization(session, organization)
        platform, approved = _found(session, deployment_id)
        platform_changes.let_in(session, platform, approved, owner.id)
    click.echo(f"Deployment {approved.deployment_id} of {platform.title} launches for {owner.name}.")


@deployment.command("refuse")
@click.argument("deployment_id", type=click.UUID)
def deployment_refuse(deployment_id: uuid.UUID) -> None:
    """Refuse its launches, also after it was let in, and end its visits; it asks no more, and nothing is lost."""
    with writing() as session:
        platform, refused = _found(session, deployment_id)
        closed = platform_changes.refuse(session, platform, refused)
    click.echo(f"Deployment {refused.deployment_id} of {platform.title} is refused; {closed} open visits are ended.")


def _found(session: Session, deployment_id: uuid.UUID) -> tuple[Platform, Deployment]:
    platform = platforms.of_deployment(session, deployment_id)
    if platform is None:
        raise NotFound("deployment.unknown")
    platforms.lock(session, platform.id)
    return platform, platforms.get_deployment(session, platform, deployment_id)
