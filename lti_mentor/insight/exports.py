"""Statements as files: CSV and Parquet with chosen columns, and JSON Lines as they are kept.

Read in short looks, oldest first, up to the time through which everything can be found: a writer that is at work is
never passed, and memory stays the same however many there are. Voided ones are left out, as in ``GET /statements``.
"""

import csv
import gzip
import io
import json
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

from lti_mentor.db import Database
from lti_mentor.errors import Invalid, Refused
from xapi import store, strict, times
from xapi.facets import Statement

AT_ONCE = 500
MOST_COLUMNS, LONGEST_COLUMN = 100, 500
FORMATS = {"csv": "text/csv", "jsonl": "application/jsonl", "parquet": "application/vnd.apache.parquet"}
# A column is the path to it: names with dots between, and numbers for places in lists. These are the usual ones.
COLUMNS = (
    "id",
    "stored",
    "timestamp",
    "actor.account.homePage",
    "actor.account.name",
    "verb.id",
    "verb.display.en",
    "object.objectType",
    "object.id",
    "object.definition.type",
    "result.score.scaled",
    "result.score.raw",
    "result.success",
    "result.completion",
    "result.duration",
    "context.registration",
    "context.contextActivities.parent.0.id",
    "authority.account.name",
)
WHOLE = "statement"  # the last column of a Parquet file: the statement as JSON
_TYPES = {
    "stored": "TIMESTAMPTZ",
    "timestamp": "TIMESTAMPTZ",
    "result.score.scaled": "DOUBLE",
    "result.score.raw": "DOUBLE",
    "result.score.min": "DOUBLE",
    "result.score.max": "DOUBLE",
    "result.success": "BOOLEAN",
    "result.completion": "BOOLEAN",
}
_LARGE = "maximum_object_size = 33554432"  # bytes: a statement is quoted in its row
_SMALL = "ROW_GROUP_SIZE 10000"  # rows that are in memory together
Guard = Callable[[Statement], Statement]
Told = Callable[[int], object]  # that so many more were handed on


@dataclass(frozen=True)
class Export:
    """What is given out of one organization. ``guard`` takes out of a statement what its reader may not see."""

    database: Database
    tenant: uuid.UUID
    wanted: store.Query
    guard: Guard | None = None

    def count(self) -> int:
        with self.database.reading() as db:
            return store.count(db, tenant=self.tenant, wanted=self.wanted)

    def batches(self) -> Iterator[list[Statement]]:
        """All statements, some at a time."""
        for bodies in self._bodies():
            found = [strict.parsed(body) for body in bodies]
            yield [self.guard(each) for each in found] if self.guard else found

    def texts(self) -> Iterator[list[str]]:
        """The same in JSON, each on one line."""
        if self.guard is None:
            return self._bodies()
        return ([_json(each) for each in batch] for batch in self.batches())

    def _bodies(self) -> Iterator[list[str]]:
        """As they are kept; nothing is open between two pages."""
        wanted: store.Query | None = self.wanted
        while wanted is not None:
            with self.database.reading() as db:
                page = store.query(db, tenant=self.tenant, wanted=wanted)
            yield page.statements
            wanted = page.next


def export(database: Database, tenant: uuid.UUID, wanted: store.Query, guard: Guard | None = None) -> Export:
    """Of what can be found now: what comes later is not in it."""
    with database.reading() as db:
        through = store.consistent_through(db, tenant=tenant)
    until = min(wanted.until or through, through)
    return Export(database, tenant, replace(wanted, until=until, ascending=True, after=None, limit=AT_ONCE), guard)


def checked(columns: Sequence[str]) -> tuple[str, ...]:
    """These columns, each once, or the usual ones. Raises Invalid."""
    if not columns:
        return COLUMNS
    chosen = {column.casefold(): column for column in reversed(columns) if column.isprintable() and column.strip()}
    if not 0 < len(chosen) <= MOST_COLUMNS or any(len(column) > LONGEST_COLUMN for column in chosen):
        raise Invalid({"column": "export.no_column"})
    return tuple(dict.fromkeys(chosen[column.casefold()] for column in columns if column.casefold() in chosen))


def lines(made: Export, kind: str, columns: Sequence[str], told: Told = lambda number: None) -> Iterator[str]:
    """A file of the kind csv or jsonl, piece by piece."""
    if kind == "csv":
        yield _csv([[_cell(column) for column in columns]])
        for batch in made.batches():
            yield _csv([[_cell(value_at(each, column)) for column in columns] for each in batch])
            told(len(batch))
    else:
        for texts in made.texts():
            yield "".join(f"{text}\n" for text in texts)
            told(len(texts))


def need_duckdb() -> Any:
    """DuckDB, which is an extra: pip install lti-mentor[parquet]. Raises Refused where it is not there."""
    try:
        import duckdb  # noqa: PLC0415
    except ImportError:
        raise Refused("export.no_parquet") from None
    return duckdb


def write_parquet(made: Export, columns: Sequence[str], file: IO[bytes], told: Told = lambda number: None) -> None:
    """Into a file on the disk that is open and empty. Raises Refused.

    The rows lie on the disk in between, in a file without a name: of a process that is killed nothing is left.
    """
    duckdb = need_duckdb()
    chosen = [column for column in columns if column.casefold() != WHOLE]
    types = {column: _TYPES.get(column, "VARCHAR") for column in chosen} | {WHOLE: "VARCHAR"}
    with tempfile.TemporaryFile() as packed:
        with gzip.open(packed, "wt", compresslevel=1, encoding="utf-8") as rows:
            for batch in made.batches():
                for each in batch:
                    rows.write(_json({**_row(each, types), WHOLE: _json(each)}) + "\n")
                told(len(batch))
        packed.flush()
        try:
            _copy(duckdb, packed, types, file)
        except duckdb.Error:
            raise Refused("export.no_file") from None


def _copy(duckdb: Any, rows: IO[bytes], types: dict[str, str], file: IO[bytes]) -> None:
    """Files without a name are reached by their number. A COPY takes no parameters: every name in it is quoted."""
    schema = ", ".join(f"{_quoted(name)}: {_quoted(kind)}" for name, kind in types.items())
    shape = f"format = 'newline_delimited', compression = 'gzip', columns = {{{schema}}}, {_LARGE}"
    into = f"'/dev/fd/{file.fileno()}' (FORMAT parquet, USE_TMP_FILE false, {_SMALL})"
    with duckdb.connect(config={"autoinstall_known_extensions": "false", "threads": "1"}) as made:
        made.execute("SET memory_limit = '512MB'; SET preserve_insertion_order = true")
        made.execute(f"COPY (SELECT * FROM read_json('/dev/fd/{rows.fileno()}', {shape})) TO {into}")  # noqa: S608


def _row(statement: Statement, types: dict[str, str]) -> Statement:
    found = {name: value_at(statement, name) for name in types if name != WHOLE}
    return {name: _typed(value, types[name]) for name, value in found.items() if value is not None}


def _typed(value: Any, kind: str) -> Any:
    if kind == "TIMESTAMPTZ":
        return times.written(times.parsed(value))
    return _json(value) if kind == "VARCHAR" and not isinstance(value, str) else value


def value_at(statement: Any, path: str) -> Any:
    """What stands there, or None. A name may have dots in it: the IRI of an extension does."""
    if not path:
        return statement
    if isinstance(statement, list):
        place, _, rest = path.partition(".")
        inside = place.isdecimal() and len(place) < 7 and int(place) < len(statement)
        return value_at(statement[int(place)], rest) if inside else None
    if not isinstance(statement, dict):
        return None
    if path in statement:
        return statement[path]
    name, _, rest = path.partition(".")
    while rest:
        if name in statement:
            return value_at(statement[name], rest)
        more, _, rest = rest.partition(".")
        name = f"{name}.{more}"
    return None


def _cell(value: Any) -> str:
    """As a spreadsheet may have it: a text never begins as a formula does."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return _json(value)
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else value


def _csv(rows: Sequence[Sequence[str]]) -> str:
    made = io.StringIO()
    csv.writer(made, lineterminator="\r\n").writerows(rows)
    return made.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
