"""Organizations, and the rights of their people."""

import click
from sqlalchemy import select

from lti_mentor.cli.commands import ORGANIZATION, find_person, main, ready_database, writing
from lti_mentor.mentoring import linking, people
from lti_mentor.mentoring.organizations import Organization


@main.group()
def organization() -> None:
    """Organizations."""


@organization.command("list")
def organization_list() -> None:
    """All organizations."""
    with ready_database().reading() as session:
        for each in session.scalars(select(Organization).order_by(Organization.name)):
            click.echo(f"{each.id}  {each.name}")


@main.command()
@click.argument("person")
@click.argument("right", type=click.Choice(people.RIGHTS))
@ORGANIZATION
def grant(person: str, right: str, organization: str) -> None:
    """Give PERSON (id, mail address or subject in the LMS) a right."""
    with writing() as session:
        found = find_person(session, organization, person)
        people.grant(session, found, right)
        click.echo(f"{found.name or found.id} has the right {right}.")


@main.command()
@click.argument("person")
@click.argument("right", type=click.Choice(people.RIGHTS))
@ORGANIZATION
def revoke(person: str, right: str, organization: str) -> None:
    """Take a right away from PERSON."""
    with writing() as session:
        found = find_person(session, organization, person)
        people.revoke(session, found, right)
        click.echo(f"{found.name or found.id} has the right {right} no more.")


@main.group()
def person() -> None:
    """People."""


@person.command("link")
@click.argument("kept")
@click.argument("other")
@ORGANIZATION
def person_link(kept: str, other: str, organization: str) -> None:
    """Make two accounts of one person one: everything of OTHER belongs to KEPT then. It cannot be taken back."""
    with writing() as session:
        stays, goes = find_person(session, organization, kept), find_person(session, organization, other)
        linking.merge(session, stays, goes, by=None, place="person link")
        click.echo(f"{stays.name or stays.id} has both accounts now.")
