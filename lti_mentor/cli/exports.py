"""lti-mentor export: the statements of an organization as a file."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import click

from lti_mentor.cli.commands import ORGANIZATION, find_organization, main, ready_database
from lti_mentor.errors import Invalid, Refused
from lti_mentor.insight import exports
from lti_mentor.insight.exports import Export
from lti_mentor.mentoring import audit
from lti_mentor.web.errors import SENTENCES
from xapi import store, times


def read_moment(ctx: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    """A day of UTC, or a time as statements have it."""
    if text is None:
        return None
    try:
        if len(text) > len("2026-01-31"):
            return times.parsed(text)
        since, until = times.since_and_until(date.fromisoformat(text), UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter("Give a day such as 2026-01-31, or a time such as 2026-01-31T09:30:00Z.") from None
    return since if parameter.name == "since" else until


@main.command()
@ORGANIZATION
@click.option("--format", "kind", type=click.Choice(list(exports.FORMATS)), default="csv", show_default=True)
@click.option("--since", callback=read_moment, help="Stored from this day on, or after this time.")
@click.option("--until", callback=read_moment, help="Stored up to this day or time.")
@click.option("--column", "columns", multiple=True, help="Path of a column, such as result.score.scaled.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def export(
    organization: str,
    kind: str,
    since: datetime | None,
    until: datetime | None,
    columns: tuple[str, ...],
    file: Path,
) -> None:
    """Write the statements of an organization to FILE, oldest first."""
    database = ready_database()
    try:
        chosen = exports.checked(columns)
    except Invalid as problem:
        raise click.ClickException(SENTENCES[problem.fields["column"]]) from None
    with database.reading() as session:
        owner = find_organization(session, organization)
    made = exports.export(database, owner.id, store.Query(since=since, until=until))
    part = file.with_name(f"{file.name}.part")
    try:
        written = _write(made, kind, chosen, part)
        part.replace(file)
    except OSError as problem:
        raise click.ClickException(f"{file} cannot be written: {problem.strerror}.") from None
    except Refused as problem:
        raise click.ClickException(SENTENCES[problem.reason]) from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    with database.transaction() as session:
        audit.write(session, owner.id, "exported_statements", place=f"{audit.COMMAND}export")
    click.echo(f"{written} statements of {organization} are in {file}.")


def _write(made: Export, kind: str, columns: Sequence[str], part: Path) -> int:
    """How many there were; on a terminal a bar says how many so far."""
    with (
        part.open("w+b") as file,
        click.progressbar(length=made.count(), label="Statements", show_pos=True, file=sys.stderr) as bar,
    ):
        written = 0

        def told(number: int) -> None:
            nonlocal written
            written += number
            bar.update(number)

        if kind == "parquet":
            exports.write_parquet(made, columns, file, told)
        else:
            file.writelines(text.encode() for text in exports.lines(made, kind, columns, told))
        return written
