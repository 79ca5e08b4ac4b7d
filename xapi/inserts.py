"""Many rows at once. The driver is asked itself, and once for all of them: meanwhile other threads of the process work,
where row by row the one that holds the lock would wait for them after each.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

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


class Findable(NamedTuple):
    """What statements say, in the order of the index: so each page of it is written once."""

    digests: bytes  # 16 of each
    places: str  # JSON: whose it is, as a place in their list


def findable(found: Iterable[tuple[bytes, int]]) -> Findable:
    """Of digests, each with the place of a statement that says it itself."""
    ordered = sorted(found)
    return Findable(b"".join([digest for digest, _ in ordered]), strict.written([place for _, place in ordered]))


_INTO = "INSERT INTO xapi_statements (tenant, authority, seq, statement_id, stored, timestamp, verb, body) VALUES "
_ONE_OF_POSTGRESQL = f"{_INTO} (%s, %s, %s, %s, %s, %s, %s, %s)"


def statements(connection: Connection, tenant: uuid.UUID, whose: str, rows: Sequence[Written]) -> None:
    """All with one authority."""
    if connection.dialect.name == "postgresql":
        given = [(tenant, whose, *row) for row in rows]
        # In a pipeline, which a single one does not need; an array of long texts costs the driver ten times that.
        connection.exec_driver_sql(_ONE_OF_POSTGRESQL, given if len(given) > 1 else given[0])
        return
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        values: list[object] = []
        for seq, statement_id, stored, timestamp, verb, body in some:
            values += (tenant.hex, whose, seq, statement_id.hex, _text(stored), _text(timestamp), verb, body)
        connection.exec_driver_sql(_INTO + ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * len(some)), tuple(values))


def _text(moment: datetime) -> str:
    """Of a moment in UTC, as rows.Moment keeps it."""
    return moment.isoformat(" ", "microseconds")[:26]


# Both cut the digests out of one long value: no other form of an array of bytes is as fast.
_FOUND_IN_SQLITE = (
    "INSERT INTO xapi_facets (digest, seq, source)"
    " SELECT substr(?, key * 16 + 1, 16), value + ?, value + ? FROM json_each(?)"
)
_FOUND_IN_POSTGRESQL = (
    "INSERT INTO xapi_facets (digest, seq, source)"
    " SELECT substr(%s::bytea, (number::int - 1) * 16 + 1, 16), place + %s, place + %s"
    " FROM unnest(%s::bigint[]) WITH ORDINALITY AS found (place, number)"
)


def facets(connection: Connection, given: Findable, first: int) -> None:
    """Let statements be found by what they say; ``first`` is the seq of the first place."""
    if connection.dialect.name == "postgresql":
        places = f"{{{given.places[1:-1]}}}"  # written as an array, which costs the driver less than to write one
        connection.exec_driver_sql(_FOUND_IN_POSTGRESQL, (given.digests, first, first, places))
    else:
        connection.exec_driver_sql(_FOUND_IN_SQLITE, (given.digests, first, first, given.places))
