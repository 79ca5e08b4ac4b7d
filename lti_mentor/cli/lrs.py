"""Keys of the record store."""

from datetime import UTC, datetime, time, timedelta

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.activity import record
from lti_mentor.cli.commands import ORGANIZATION, find_organization, main, open_vault, ready_database, writing
from lti_mentor.errors import Invalid
from lti_mentor.insight import browser
from lti_mentor.mentoring import audit, lrs_keys, organizations
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.lrs_keys import KeyDraft
from lti_mentor.mentoring.organizations import Organization
from lti_mentor.mentoring.programs import Program
from lti_mentor.web.errors import SENTENCES
from xapi import keys


@main.group()
def lrs() -> None:
    """The record store."""


@lrs.group("key")
def lrs_key() -> None:
    """Keys of clients that write or read statements."""


def read_expiry(ctx: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    """When the day is over (UTC), or this many days from now."""
    if text is None:
        return None
    try:
        if text.isdecimal():
            return clock.now() + timedelta(days=int(text))
        day = datetime.combine(datetime.strptime(text, "%Y-%m-%d").date(), time.min, UTC)  # noqa: DTZ007 (a day alone)
        return day + timedelta(days=1)
    except (ValueError, OverflowError):
        raise click.BadParameter("Give the last day, such as 2027-01-31, or how many days it is good.") from None


@lrs_key.command("add")
@ORGANIZATION
@click.option("--label", default="")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(keys.SCOPES), default=keys.USUAL)
@click.option("--expires", callback=read_expiry, help="The last day it is good (UTC), or for how many days.")
@click.option("--program", help="Name of the one program that it is for.")
@click.option("--course", help="Title, label or id of the one course that it is for.")
def lrs_key_add(
    organization: str,
    label: str,
    scopes: tuple[str, ...],
    expires: datetime | None,
    program: str | None,
    course: str | None,
) -> None:
    """Make a key; its secret is shown this once, alone on the last line."""
    vault = open_vault()
    with writing() as session:
        owner = organizations.named(session, organization)
        bound_to = _bound_to(session, owner, program, course)
        draft = KeyDraft(label=label, scopes=scopes, bound_to=bound_to, expires_at=expires)
        try:
            key, secret = lrs_keys.make(session, vault, owner.id, draft)
        except Invalid as problem:
            raise click.ClickException(" ".join(SENTENCES[reason] for reason in problem.fields.values())) from None
        audit.write(session, owner.id, "key_added", place=f"{audit.COMMAND}lrs key add {key}")
    click.echo(f"A key for the record store of {organization}. Keep it: it is not shown again.")
    click.echo(f"{key}:{secret}")


def _bound_to(db: Session, owner: Organization, program: str | None, course: str | None) -> Program | Course | None:
    if program and course:
        raise click.ClickException("A key is bound to a program or to a course, not to both.")
    found: list[Program | Course] = []
    if program:
        found += db.scalars(select(Program).where(Program.organization_id == owner.id, Program.name == program))
    if course:
        all_of = db.scalars(select(Course).where(Course.organization_id == owner.id))
        found += (each for each in all_of if course in (each.title, each.label, str(each.id)))
    if (program or course) and len(found) != 1:
        problem = "Nothing" if not found else "More than one thing"
        raise click.ClickException(
            f"{problem} in {owner.name} is called {program or course}: give a name that only one has, or an id."
        )
    return found[0] if found else None


@lrs_key.command("list")
@ORGANIZATION
def lrs_key_list(organization: str) -> None:
    """Keys without their secrets: what each may do, for what, until when, and when it was used."""
    with ready_database().reading() as session:
        owner = find_organization(session, organization)
        listed = keys.listed(session, tenant=owner.id)
        iris = {each.activity for each in listed if each.activity}
        titles = browser.titles(session, owner.id, record.iri_base(session), iris)
    for each in listed:
        click.echo(f"{each.key}  {keys.state(each, clock.now())}  {each.scopes}  {each.label}")
        bound = f"bound to {titles.get(each.activity, '')} {each.activity}" if each.activity else "bound to nothing"
        expires = f"good until {each.expires_at:%Y-%m-%d %H:%M} UTC" if each.expires_at else "without an end"
        used = f"used {each.last_used_at:%Y-%m-%d %H:%M} UTC" if each.last_used_at else "never used"
        click.echo(f"  {bound}, {expires}, {used}")


@lrs_key.command("disable")
@ORGANIZATION
@click.argument("key")
def lrs_key_disable(organization: str, key: str) -> None:
    """Let this key in no more."""
    with writing() as session:
        owner = find_organization(session, organization)
        if not keys.disable(session, tenant=owner.id, key=key, now=clock.now()):
            raise click.ClickException(f"There is no key {key} in {organization}: see lti-mentor lrs key list.")
        audit.write(session, owner.id, "key_disabled", place=f"{audit.COMMAND}lrs key disable {key}")
    click.echo(f"The key {key} is disabled.")
