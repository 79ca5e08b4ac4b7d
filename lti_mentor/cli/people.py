"""Organizations, and the rights of their people."""

import click
from sqlalchemy.orm import Session

from lti_mentor import settings
from lti_mentor.cli.commands import (
    ORGANIZATION,
    find_organization,
    find_person,
    main,
    open_vault,
    ready_database,
    writing,
)
from lti_mentor.mentoring import audit, linking, organizations, people, privacy
from lti_mentor.mentoring.organizations import Organization
from lti_mentor.mentoring.people import Person
from lti_mentor.web.admin import link
from xapi.rows import FormerTarget, Target


@main.group()
def organization() -> None:
    """Organizations."""


@organization.command("list")
def organization_list() -> None:
    """All organizations."""
    with ready_database().reading() as session:
        for each in organizations.listed(session):
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

    def merge(session: Session) -> Person:
        stays, goes = find_person(session, organization, kept), find_person(session, organization, other)
        linking.merge(session, stays, goes, by=None, place=f"{audit.COMMAND}person link")
        return stays

    linked = ready_database().write(merge)
    click.echo(f"{linked.name or linked.id} has both accounts now.")


@person.command("export")
@click.argument("person")
@ORGANIZATION
def person_export(person: str, organization: str) -> None:
    """Print everything that is kept about PERSON as JSON, statements and documents included."""
    database = ready_database()
    with database.transaction() as session:
        found = find_person(session, organization, person)
        place = f"{audit.COMMAND}person export"
        audit.write(session, found.organization_id, "exported", place=place, subject_id=found.id)
    with database.reading() as session:
        for piece in privacy.export(session, found):
            click.echo(piece, nl=False)


@person.command("erase")
@click.argument("person")
@ORGANIZATION
@click.option("--yes", is_flag=True, help="Do not ask.")
def person_erase(person: str, organization: str, yes: bool) -> None:
    """Erase what is kept about PERSON, as a data privacy launch does. It cannot be taken back."""
    with ready_database().reading() as session:
        found = find_person(session, organization, person)
        name, person_id = found.name or str(found.id), found.id
    vault = open_vault()
    if not yes:
        click.confirm(f"Erase everything that is kept about {name}?", abort=True)

    def erase(session: Session) -> list[Target | FormerTarget]:
        erased = find_person(session, organization, str(person_id))
        return privacy.erase(session, vault, erased, by=None, place=f"{audit.COMMAND}person erase")

    told = ready_database().write(erase)
    click.echo(f"Nothing is kept about {name} any more.")
    for target in told:
        click.echo(f"{target.label} may have statements about them: have them erased there too ({target.endpoint}).")


@main.group()
def admin() -> None:
    """The administrator's pages."""


@admin.command("link")
@click.option("--organization", help="Whose pages; not needed while there is only one.")
@click.option("--for", "person", help="An administrator, by id, mail address or subject; otherwise the command line's.")
def admin_link(organization: str | None, person: str | None) -> None:
    """Make a link to the pages, for 15 minutes and one use; it stands alone on the last line."""
    loaded = settings.load()
    with writing() as session:
        owner = _owner(session, organization)
        found = find_person(session, owner.name, person) if person else link.administrator(session, owner.id, loaded)
        secret = link.make(session, found)
    click.echo(f"A link to the administration of {owner.name}, good for 15 minutes and one use. Open it in a browser:")
    click.echo(link.address(loaded, secret))


def _owner(session: Session, name: str | None) -> Organization:
    """The one that is named, or the only one; the first one is made, so that a new installation can begin here."""
    if name is not None:
        return find_organization(session, name)
    known = organizations.listed(session)
    if len(known) > 1:
        raise click.ClickException("There are several organizations: name one with --organization.")
    return known[0] if known else organizations.named(session, "Default")
