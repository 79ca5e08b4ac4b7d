"""lti-mentor export: the statements of an organization as a file."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from lti_mentor.cli.commands import ORGANIZATION, find_organization, main, ready_database
from lti_mentor.errors import Invalid
from lti_mentor.insight import exports
from lti_mentor.insight.exports import Batch, Export
from lti_mentor.mentoring import audit
from lti_mentor.web.errors import SENTENCES
from xapi import store, times


def read_moment(ctx: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    """A day, or a time as statements have it."""
    if text is None:
        return None
    ends = {"since": "T00:00:00Z", "until": "T23:59:59.999999Z"}
    try:
        return times.parsed(text + ends[str(parameter.name)] if len(text) == len("2026-01-31") else text)
    except ValueError:
        raise click.BadParameter("Give a day such as 2026-01-31, or a time such as 2026-01-31T09:30:00Z.") from None


@main.command()
@ORGANIZATION
@click.option("--format", "kind", type=click.Choice(list(exports.FORMATS)), default="csv", show_default=True)
@click.option("--since", callback=read_moment, help="Stored after this day or time.")
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
    with _counted(made) as batches:
        if kind == "parquet":
            exports.write_parquet(batches, chosen, part)
        else:
            with part.open("w", encoding="utf-8", newline="") as out:
                out.writelines(exports.lines(batches, kind, chosen))
    part.replace(file)
    with database.transaction() as session:
        audit.write(session, owner.id, "exported_statements", place=f"{audit.COMMAND}export")
    click.echo(f"{made.count()} statements of {organization} are in {file}.")


@contextmanager
def _counted(made: Export) -> Iterator[Iterator[Batch]]:
    """The statements, and on a terminal a bar that says how many there were so far."""
    errors = sys.stderr
    with click.progressbar(length=made.count(), label="Statements", show_pos=True, file=errors) as bar:

        def batches() -> Iterator[Batch]:
            for batch in made.batches():
                yield batch
                bar.update(len(batch))

        yield batches()
