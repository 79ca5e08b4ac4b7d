"""Record stores outside: adding them, how they stand, and what they refused."""

import uuid
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy.orm import Session

from lti_mentor import settings
from lti_mentor.activity import outside
from lti_mentor.activity.outside import TargetDraft
from lti_mentor.cli.commands import ORGANIZATION, find_organization, open_vault, ready_database, sentence, writing
from lti_mentor.cli.lrs import lrs
from lti_mentor.errors import Invalid, PlatformError
from lti_mentor.jobs.outside import try_out
from lti_mentor.mentoring import audit
from lti_mentor.tool import Tool
from lti_mentor.web.errors import SENTENCES
from xapi.rows import Target

WORDS = {
    "new": "waits for a worker to check it",
    "paused": "paused",
    "refused": "stopped",
    "down": "down",
    "retrying": "failed, is tried again",
    "sending": "is sent to",
    "idle": "has everything",
}
A_READ = 1000  # dead letters
LABEL = click.argument("label")
SINCE = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@lrs.group("target")
def target_() -> None:
    """Record stores outside that get the statements."""


@target_.command("add")
@ORGANIZATION
@LABEL
@click.argument("endpoint")
@click.option("--key", required=True, help="Of Basic, or the client id of OAuth 2.")
@click.option("--secret", prompt=True, hide_input=True, help="Asked for when it is not given.")
@click.option("--version", type=click.Choice(outside.VERSIONS), default=outside.VERSIONS[0])
@click.option("--token-endpoint", help="Where OAuth 2 client credentials get a token; without it Basic is used.")
@click.option("--scope", help="Of the token.")
@click.option("--verb", "verbs", multiple=True, help="Only statements with one of these verbs.")
@click.option("--activity", "activities", multiple=True, help="Only statements that name one of these activities.")
@click.option("--profile", "profiles", multiple=True, help="Only statements of one of these profiles (category).")
@click.option("--since", type=SINCE, help="Also what was stored from this day on (UTC).")
@click.option("--unchecked", is_flag=True, help="Add it although it does not answer now.")
def target_add(organization: str, since: datetime | None, unchecked: bool, **given: Any) -> None:
    """Send statements to ENDPOINT from now on, once it was tried out; LABEL is its name here."""
    draft, tool = TargetDraft(**given, since=_utc(since)), Tool(settings.load(), ready_database(), open_vault())
    try:
        with tool.database.reading() as db:
            owner = find_organization(db, organization)
        if not unchecked:
            try_out(tool, outside.drafted(tool.vault, owner.id, draft))
        with tool.database.transaction() as db:
            added = outside.add(db, tool.vault, owner.id, draft)
            place = f"{audit.COMMAND}lrs target add {added.label}: {added.endpoint}"
            audit.write(db, owner.id, "target_added", place=place)
    except Invalid as problem:
        raise click.ClickException(" ".join(SENTENCES[reason] for reason in problem.fields.values())) from None
    except PlatformError as problem:
        raise click.ClickException(f"Not added: {sentence(problem)} (--unchecked adds it anyway.)") from None
    click.echo(f"{added.label} gets statements from now on, at {added.endpoint}/statements.")


def _utc(day: datetime | None) -> datetime | None:
    return day.replace(tzinfo=UTC) if day else None


@target_.command("list")
@ORGANIZATION
def target_list(organization: str) -> None:
    """How each of them stands."""
    with ready_database().reading() as db:
        found = outside.standings(db, find_organization(db, organization).id)
    for each in found:
        target = each.target
        click.echo(f"{target.label}: {WORDS[each.state]}  {target.endpoint}  xAPI {target.version}")
        oldest = f", the oldest stored {each.oldest:%Y-%m-%d %H:%M:%S} UTC" if each.oldest else ""
        click.echo(f"  {target.delivered} delivered, {each.waiting} waiting{oldest}, {each.dead} dead letters")
        if each.progress:
            click.echo(f"  older statements: {each.progress.percent} % queued")
        if target.problem:
            click.echo(f"  {SENTENCES.get(target.problem, target.problem)}")
            click.echo(f"  it said: {target.answer or 'nothing'}")
            if target.retry_at:
                click.echo(f"  next try: {target.retry_at:%H:%M:%S} UTC")


def _to_change(
    db: Session, organization: str, label: str, command: str, statement_id: uuid.UUID | None = None
) -> Target:
    """The target of this name; on record, with the statement that it is about if it is about one."""
    owner = find_organization(db, organization)
    target = outside.to_change(db, owner.id, outside.named(db, owner.id, label).id)
    place = f"{audit.COMMAND}lrs {command} {label} {statement_id or ''}".rstrip()
    audit.write(db, owner.id, "target_changed", place=place)
    return target


@target_.command("pause")
@ORGANIZATION
@LABEL
def target_pause(organization: str, label: str) -> None:
    """Send nothing until it is resumed; statements wait for it."""
    with writing() as db:
        outside.pause(_to_change(db, organization, label, "target pause"))
    click.echo(f"Nothing is sent to {label} until lti-mentor lrs target resume. Statements wait for it.")


@target_.command("resume")
@ORGANIZATION
@LABEL
def target_resume(organization: str, label: str) -> None:
    """Check it again, and send what waits."""
    with writing() as db:
        outside.resume(_to_change(db, organization, label, "target resume"))
    click.echo(f"{label} is checked and gets what waits for it, as soon as a worker is free.")


@target_.command("secret")
@ORGANIZATION
@LABEL
@click.option("--key", help="A new key, or client id of OAuth 2; without it the key stays.")
@click.option("--secret", prompt=True, hide_input=True, help="Asked for when it is not given.")
def target_secret(organization: str, label: str, key: str | None, secret: str) -> None:
    """Get in with another secret, or another key; what waits stays, and is sent once the store lets us in."""
    vault = open_vault()
    with writing() as db:
        target = _to_change(db, organization, label, "target secret")
        try:
            outside.change_secret(vault, target, key=key or target.key, secret=secret)
        except Invalid as problem:
            raise click.ClickException(" ".join(SENTENCES[reason] for reason in problem.fields.values())) from None
    click.echo(f"{label} is checked with it, as soon as a worker is free; if it is paused, once it is resumed.")


@target_.command("remove")
@ORGANIZATION
@LABEL
@click.option("--yes", is_flag=True, help="Do not ask.")
def target_remove(organization: str, label: str, yes: bool) -> None:
    """Forget it, with what waits for it and what it refused."""
    if not yes:
        click.confirm(f"Forget {label}, and everything that waits for it?", abort=True)
    with writing() as db:
        owner = find_organization(db, organization)
        target = outside.to_change(db, owner.id, outside.named(db, owner.id, label).id)
        place = f"{audit.COMMAND}lrs target remove {label}: {target.endpoint}"
        audit.write(db, owner.id, "target_removed", place=place)
        outside.remove(db, target)
    click.echo(f"{label} is removed. What it has got stays there.")


@target_.command("backfill")
@ORGANIZATION
@LABEL
@click.option("--since", type=SINCE, required=True, help="What was stored from this day on (UTC).")
def target_backfill(organization: str, label: str, since: datetime) -> None:
    """Send older statements too, or once more; what is there already stays as it is."""
    with writing() as db:
        target = _to_change(db, organization, label, "target backfill")
        outside.send_older(db, target, since.replace(tzinfo=UTC))
        count = target.queue_until - target.queue_from
    click.echo(f"{count} older statements are looked at for {label}: lti-mentor lrs target list shows how far it is.")


@lrs.group("dead")
def dead_() -> None:
    """Statements that a record store outside refused."""


@dead_.command("list")
@ORGANIZATION
@LABEL
def dead_list(organization: str, label: str) -> None:
    """Each with the status and the answer it got."""
    with ready_database().reading() as db:
        target = outside.named(db, find_organization(db, organization).id, label)
        last = 0
        while letters := outside.dead_letters(db, target, most=A_READ, after=last):
            for each in letters:
                answer = f"{each.status}  {each.answer}" if each.status else SENTENCES.get(each.answer, "no answer")
                click.echo(f"{each.statement_id}  {each.at:%Y-%m-%d %H:%M} UTC  {answer}")
            last = letters[-1].seq


@dead_.command("replay")
@ORGANIZATION
@LABEL
@click.argument("statement_id", required=False, type=click.UUID)
def dead_replay(organization: str, label: str, statement_id: uuid.UUID | None) -> None:
    """Send them again, or only the one with this id."""
    with writing() as db:
        target = _to_change(db, organization, label, "dead replay", statement_id)
        count = outside.replay(db, target, statement_id)
    click.echo(f"{count} statements are sent to {label} again.")


@dead_.command("drop")
@ORGANIZATION
@LABEL
@click.argument("statement_id", required=False, type=click.UUID)
def dead_drop(organization: str, label: str, statement_id: uuid.UUID | None) -> None:
    """Give them up, or only the one with this id; they stay in the record store here."""
    with writing() as db:
        target = _to_change(db, organization, label, "dead drop", statement_id)
        count = outside.drop(db, target, statement_id)
    click.echo(f"{count} statements are not sent to {label} any more.")
