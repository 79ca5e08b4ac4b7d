"""How long the record store keeps statements."""

import uuid

import click

from lti_mentor import settings
from lti_mentor.cli.commands import ORGANIZATION, find_organization, open_vault, ready_database, writing
from lti_mentor.cli.lrs import lrs
from lti_mentor.errors import Invalid
from lti_mentor.insight.retention import Forecast, forecast
from lti_mentor.jobs import retention as jobs
from lti_mentor.mentoring import audit, retention
from lti_mentor.mentoring.retention import RetentionRule
from lti_mentor.tool import Tool
from lti_mentor.web.errors import SENTENCES

DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would go, and change nothing.")


@lrs.group("retention")
def retention_() -> None:
    """Rules by which old statements go."""


@retention_.command("add")
@ORGANIZATION
@click.option("--days", type=click.IntRange(1, retention.MOST_DAYS), required=True, help="Kept so long after storing.")
@click.option("--whose", type=click.Choice(retention.WHOSE), default="all", help="Of the tool itself, or of others.")
@click.option("--verb", help="Only statements with this verb.")
@click.option("--profile", help="Only statements of this profile (category).")
@DRY_RUN
def retention_add(organization: str, dry_run: bool, **given: str) -> None:
    """Let statements go that were stored so many days ago; a worker removes them."""
    rule, database = RetentionRule(**given), ready_database()
    with database.reading() as db:
        owner = find_organization(db, organization)
    if dry_run:
        _say(forecast(database, owner.id, [rule]))
        return
    try:
        with database.transaction() as db:
            retention.add(db, owner.id, rule)
            audit.write(db, owner.id, "retention_changed", place=f"{audit.COMMAND}lrs retention add {rule.id}")
    except Invalid as problem:
        raise click.ClickException(" ".join(SENTENCES[reason] for reason in problem.fields.values())) from None
    click.echo(f"The rule {rule.id} is added. A worker removes what it is about, or lti-mentor lrs retention run.")


@retention_.command("list")
@ORGANIZATION
def retention_list(organization: str) -> None:
    """The rules; statements that none of them is about stay."""
    with ready_database().reading() as db:
        for rule in retention.listed(db, find_organization(db, organization).id):
            done = f"done on {rule.done_on}" if rule.done_on else "not done yet"
            click.echo(f"{rule.id}  {retention.options(rule)}  {done}")


@retention_.command("remove")
@ORGANIZATION
@click.argument("rule_id", type=click.UUID)
def retention_remove(organization: str, rule_id: uuid.UUID) -> None:
    """Take a rule away; what went stays gone."""
    with writing() as db:
        owner = find_organization(db, organization)
        retention.remove(db, owner.id, rule_id)
        audit.write(db, owner.id, "retention_changed", place=f"{audit.COMMAND}lrs retention remove {rule_id}")
    click.echo("The rule is removed.")


@retention_.command("run")
@ORGANIZATION
@DRY_RUN
def retention_run(organization: str, dry_run: bool) -> None:
    """Remove now what the rules are about; a worker does so every day."""
    tool = Tool(settings.load(), ready_database(), open_vault())
    with tool.database.reading() as db:
        owner = find_organization(db, organization)
        rules = retention.listed(db, owner.id)
    if dry_run:
        _say(forecast(tool.database, owner.id, rules))
        return
    gone = jobs.remove_old(tool, owner.id, place=f"{audit.COMMAND}lrs retention run")
    click.echo(f"{gone.statements} statements and {gone.attachments} attachments are removed.")


def _say(found: Forecast) -> None:
    click.echo(f"{found.total} statements would go, and {found.attachments} attachments that only they name.")
    for is_ours, verb, kind in found.most:
        days = f"stored {kind.oldest} to {kind.newest}"
        click.echo(f"  {kind.count}  {'ours' if is_ours else 'of others'}  {verb}  {days}")
    for label, count in found.waiting.most_common():
        click.echo(f"{count} more stay until they are delivered to {label}: see lti-mentor lrs target list.")
    for name, count in found.figures.most_common():
        click.echo(f"The figures of {name} would change: {count} of them count there, and the program is running.")
    click.echo("Nothing is changed.")
