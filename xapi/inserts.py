"""Many rows at once. The driver is asked itself, and once for all of them: meanwhile other threads of the process work,
where row by row the one that holds the lock would wait for them after each.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from xapi import strict

AT_ONCE = 500  # statements
FEW = 16  # that go in one question; COPY takes three, and less for each of them


class Written(NamedTuple):
    """A statement as it goes into its table; its id is in small letters, its times are as times.written has them."""

    seq: int
    id: str
    stored: str
    timestamp: str
    verb: str
    body: str


class Findable(NamedTuple):
    """What statements say, in the order of the index: so each page of it is written once."""

    digests: bytes  # 16 of each
    places: str  # JSON: whose it is, as a place in their list


def findable(said: Iterable[tuple[int, Iterable[bytes]]]) -> Findable:
    """Of the places of statements, in order, each with the digests of what it says itself."""
    places: defaultdict[bytes, list[int]] = defaultdict(list)
    for place, digests in said:
        for digest in digests:
            places[digest].append(place)
    ordered = sorted(places)
    whole = b"".join([digest * len(places[digest]) for digest in ordered])
    return Findable(whole, strict.written([place for digest in ordered for place in places[digest]]))


_PLACE = "xapi_statements (tenant, authority, seq, statement_id, stored, timestamp, verb, body)"
_INSERT = "INSERT INTO " + _PLACE + " VALUES "  # noqa: S608 (two constants)
_MANY = "COPY " + _PLACE + " FROM STDIN"

# Both cut the digests out of one long value: no other form of an array of bytes is as fast.
_FIND_IN_SQLITE = (
    "INSERT INTO xapi_facets (digest, seq, source)"
    " SELECT substr(?, key * 16 + 1, 16), value + ?, value + ? FROM json_each(?)"
)
_FIND_IN_POSTGRESQL = (
    "INSERT INTO xapi_facets (digest, seq, source)"
    " SELECT substr(%s::bytea, (number::int - 1) * 16 + 1, 16), place + %s, place + %s"
    " FROM unnest(%s::bigint[]) WITH ORDINALITY AS found (place, number)"
)


def add(
    connection: Connection, tenant: uuid.UUID, whose: str, rows: Sequence[Written], found: Findable, first: int
) -> None:
    """Statements, all with one authority, to be found by what they say; ``first`` is the seq of the first place."""
    if connection.dialect.name == "sqlite":
        for start in range(0, len(rows), AT_ONCE):
            _add_to_sqlite(connection, tenant, whose, rows[start : start + AT_ONCE])
        connection.exec_driver_sql(_FIND_IN_SQLITE, (found.digests, first, first, found.places))
        return
    places = f"{{{found.places[1:-1]}}}"  # written as an array, which costs the driver less than to write one
    findable = (found.digests, first, first, places)
    if len(rows) <= FEW:
        marks = ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s)"] * len(rows))
        values = chain(*((str(tenant), whose, *row) for row in rows), findable)
        connection.exec_driver_sql(f"WITH stored AS ({_INSERT}{marks}) {_FIND_IN_POSTGRESQL}", tuple(values))
        return
    for start in range(0, len(rows), AT_ONCE):
        _copy_to_postgresql(connection, tenant, whose, rows[start : start + AT_ONCE])
    connection.exec_driver_sql(_FIND_IN_POSTGRESQL, findable)


def _copy_to_postgresql(connection: Connection, tenant: uuid.UUID, whose: str, rows: Sequence[Written]) -> None:
    """Which SQLAlchemy has no word for; an array of long texts costs the driver twenty times as much."""
    driver, cursor = connection.dialect.loaded_dbapi, connection.connection.cursor()
    home = f"{tenant}\t{_copied(whose)}"
    lines = [
        f"{home}\t{seq}\t{statement_id}\t{stored}\t{timestamp}\t{_copied(verb)}\t{body.replace(_BACKSLASH, _TWO)}\n"
        for seq, statement_id, stored, timestamp, verb, body in rows
    ]
    try:
        with cursor.copy(_MANY) as copy:
            copy.write("".join(lines))
    except driver.Error as error:
        error.args = (str(error).partition("\n")[0], *error.args[1:])  # what follows quotes the row
        raise DBAPIError.instance(_MANY, None, error, driver.Error, True, dialect=connection.dialect) from error
    finally:
        cursor.close()


_BACKSLASH, _TWO = "\\", "\\\\"  # of what COPY reads otherwise, JSON has nothing else


def _copied(text: str) -> str:
    """As COPY reads it."""
    return text.replace(_BACKSLASH, _TWO).replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def _add_to_sqlite(connection: Connection, tenant: uuid.UUID, whose: str, rows: Sequence[Written]) -> None:
    home, values = tenant.hex, list[object]()
    for seq, statement_id, stored, timestamp, verb, body in rows:
        values += (home, whose, seq, statement_id.replace("-", ""), _moment(stored), _moment(timestamp), verb, body)
    marks = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * len(rows))
    connection.exec_driver_sql(_INSERT + marks, tuple(values))


def _moment(text: str) -> str:
    """As rows.Moment keeps it."""
    return f"{text[:10]} {text[11:26]}"
