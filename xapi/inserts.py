"""Many rows at once. The driver is asked itself, and once for all of them: meanwhile other threads of the process work,
where row by row the one that holds the lock would wait for them after each.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from xapi import strict

AT_ONCE = 500  # statements


class Written(NamedTuple):
    """A statement as it goes into its table."""

    seq: int
    id: uuid.UUID
    stored: datetime
    timestamp: datetime
    verb: str
    body: str


def statements(db: Session, tenant: uuid.UUID, whose: str, rows: Sequence[Written]) -> None:
    """All with one authority."""
    connection = db.connection()
    adding = _add_to_sqlite if connection.dialect.name == "sqlite" else _add_to_postgresql
    for start in range(0, len(rows), AT_ONCE):
        adding(connection, tenant, whose, rows[start : start + AT_ONCE])


_INSERT = "INSERT INTO xapi_statements (tenant, authority, seq, statement_id, stored, timestamp, verb, body) VALUES "


def _add_to_sqlite(connection: Connection, tenant: uuid.UUID, whose: str, rows: Sequence[Written]) -> None:
    marks = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * len(rows))
    values: list[object] = []
    for seq, statement_id, stored, timestamp, verb, body in rows:
        values += (tenant.hex, whose, seq, statement_id.hex, _text(stored), _text(timestamp), verb, body)
    connection.exec_driver_sql(_INSERT + marks, tuple(values))


def _text(moment: datetime) -> str:
    """Of a moment in UTC, as rows.Moment keeps it."""
    return moment.isoformat(" ", "microseconds")[:26]


_UNNESTED = (
    "INSERT INTO xapi_statements (tenant, authority, seq, statement_id, stored, timestamp, verb, body)"
    " SELECT %s, %s, *"
    " FROM unnest(%s::bigint[], %s::uuid[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[])"
)


def _add_to_postgresql(connection: Connection, tenant: uuid.UUID, whose: str, rows: Sequence[Written]) -> None:
    columns = map(list, zip(*rows, strict=True))
    connection.exec_driver_sql(_UNNESTED, (tenant, whose, *columns))


# Both cut the digests, of 16 bytes each, out of one long value: no other form of an array of bytes is as fast.
_FOUND_BY = {
    "sqlite": (
        "INSERT INTO xapi_facets (digest, seq, source)"
        " SELECT substr(?, key * 16 + 1, 16), value, value FROM json_each(?)"
    ),
    "postgresql": (
        "INSERT INTO xapi_facets (digest, seq, source)"
        " SELECT substr(%s::bytea, (place::int - 1) * 16 + 1, 16), seq, seq"
        " FROM unnest(%s::bigint[]) WITH ORDINALITY AS found (seq, place)"
    ),
}


def facets(db: Session, found: Iterable[tuple[bytes, int]]) -> None:
    """Digests, each with the seq of a statement that says it itself: in order, so that each page is written once."""
    connection, ordered = db.connection(), sorted(found)
    digests, seqs = b"".join([digest for digest, _ in ordered]), [seq for _, seq in ordered]
    kind = connection.dialect.name
    connection.exec_driver_sql(_FOUND_BY[kind], (digests, strict.written(seqs) if kind == "sqlite" else seqs))
