"""Statements in any number, with a stated skew, made by the store's own row builders and loaded in bulk."""

import random
import sqlite3
import uuid
from array import array
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from heapq import merge
from typing import Any

import psycopg
from sqlalchemy import insert

from lti_mentor import clock
from lti_mentor.db import Database
from xapi import drafts, store, times
from xapi.drafts import Draft
from xapi.facets import REGISTRATION, Statement, facet_digest
from xapi.rows import Head

HOME = "https://lms.example.org"
PEOPLE, COURSES, ITEMS = 5000, 200, 100  # items of a course
VERBS = {"completed": 50, "scored": 25, "passed": 15, "attended": 8, "failed": 2}  # in percent
SKEW = (
    "People, courses and items are drawn by the third power of chance: the busiest person says 6 % of all, the busiest"
    " course has 17 %; five verbs have 50, 25, 15, 8 and 2 %. People with an even number never attend."
)
AUTHORITY = {"objectType": "Agent", "account": {"homePage": HOME, "name": "key"}}
WHOSE = drafts.key_of(AUTHORITY)
_DIFFERENT = 4000  # each is said again and again, with an id and a registration of its own
_ID, _REGISTRATION = (str(uuid.UUID(int=place, version=4)) for place in (1, 2))
COLUMNS = "tenant, seq, statement_id, stored, timestamp, verb, authority, body"
UNIQUE = "uq_xapi_statements_tenant_statement_id"
Lists = defaultdict[bytes, "array[int]"]  # seqs by digest
Line = tuple[Any, ...]


def agent(number: int, kind: str = "person") -> dict[str, Any]:
    return {"objectType": "Agent", "account": {"homePage": HOME, "name": f"{kind}-{number}"}}


def verb(name: str) -> str:
    return f"http://adlnet.gov/expapi/verbs/{name}"


def course(number: int) -> str:
    return f"{HOME}/course/view.php?id={number}"


def item(of_course: int, number: int) -> str:
    return f"{HOME}/mod/quiz/view.php?id={of_course * ITEMS + number}"


def statement(chance: random.Random) -> Statement:
    """About 1.5 kB, as a learning platform says it."""
    person, place, part = (int(most * chance.random() ** 3) for most in (PEOPLE, COURSES, ITEMS))
    said = chance.choices(list(VERBS), list(VERBS.values()))[0]
    if said == "attended":
        person |= 1
    profile = {"type": "http://adlnet.gov/expapi/activities/profile"}
    return {
        "actor": agent(person) | {"name": f"Person {person}"},
        "verb": {"id": verb(said), "display": {"en": said, "de": said}},
        "object": {
            "objectType": "Activity",
            "id": item(place, part),
            "definition": {
                "name": {"en": "Quiz of the week", "de": "Test der Woche"},
                "description": {"en": "Twenty questions about what was read and discussed this week."},
                "type": "http://adlnet.gov/expapi/activities/assessment",
            },
        },
        "result": {
            "score": {"scaled": 0.85, "raw": 17, "min": 0, "max": 20},
            "success": True,
            "completion": True,
            "duration": "PT12M30S",
            "extensions": {f"{HOME}/xapi/attempt": {"number": 2, "questions": 20}},
        },
        "context": {
            "registration": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "instructor": agent(place % 50, "teacher"),
            "language": "en",
            "platform": "Example LMS",
            "contextActivities": {
                "parent": [{"id": f"{HOME}/course/section.php?id={place * 10}", "objectType": "Activity"}],
                "grouping": [{"id": course(place), "definition": {"name": {"en": f"Course {place}"}}}],
                "category": [{"id": f"{HOME}/xapi/profile", "definition": profile}],
            },
        },
        "timestamp": "2026-05-01T10:00:00.000Z",
    }


def fill(database: Database, tenant: uuid.UUID, total: int) -> None:
    """Into an empty store: bodies in the order of the store, then the rows to find them by in the order of their table.

    So every page is written once, where one statement after the other would take ten times as long.
    """
    found: Lists = defaultdict(lambda: array("q"))
    registrations: list[tuple[bytes, int]] = []
    last = clock.now()
    with database.transaction() as db:
        db.execute(insert(Head).values(tenant=tenant, last_seq=total, last_stored=store.microseconds(last)))
    database.engine.dispose()
    rows = _rows(tenant, total, last - timedelta(milliseconds=total), found, registrations)
    load = _load_sqlite if database.is_sqlite else _load_postgresql
    load(database, rows, _facets(found, registrations))


def _load_sqlite(database: Database, rows: Iterator[Line], facets: Iterator[Line]) -> None:
    with closing(sqlite3.connect(database.engine.url.database or "", isolation_level=None)) as raw:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -200000"):
            raw.execute(f"PRAGMA {pragma}")
        raw.execute("BEGIN")
        raw.execute(f"DROP INDEX {UNIQUE}")
        raw.executemany(f"INSERT INTO xapi_statements ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        raw.execute(f"CREATE UNIQUE INDEX {UNIQUE} ON xapi_statements (tenant, statement_id)")
        raw.executemany("INSERT INTO xapi_facets (digest, seq, source) VALUES (?, ?, ?)", facets)
        raw.execute("COMMIT")
        raw.execute("PRAGMA journal_mode = WAL")


def _load_postgresql(database: Database, rows: Iterator[Line], facets: Iterator[Line]) -> None:
    """Indexes are made when the rows are there; then what a server does by itself, sooner or later."""
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True, options="-c timezone=UTC -c maintenance_work_mem=512MB") as raw:
        raw.execute(f"DROP INDEX {UNIQUE}")
        raw.execute("ALTER TABLE xapi_facets DROP CONSTRAINT pk_xapi_facets")
        with raw.cursor().copy(f"COPY xapi_statements ({COLUMNS}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        with raw.cursor().copy("COPY xapi_facets (digest, seq, source) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(("bytea", "int8", "int8"))
            for row in facets:
                copy.write_row(row)
        raw.execute(f"CREATE UNIQUE INDEX {UNIQUE} ON xapi_statements (tenant, statement_id)")
        raw.execute("ALTER TABLE xapi_facets ADD CONSTRAINT pk_xapi_facets PRIMARY KEY (digest, seq, source)")
        raw.execute("VACUUM (ANALYZE) xapi_statements, xapi_facets")


def _rows(
    tenant: uuid.UUID, total: int, first: datetime, found: Lists, registrations: list[tuple[bytes, int]]
) -> Iterator[Line]:
    chance = random.Random(total)
    known = [_placed(tenant, statement(chance)) for _ in range(_DIFFERENT)]
    placed = {facet_digest(tenant, REGISTRATION, _REGISTRATION)}
    for seq in range(1, total + 1):
        draft, moment = chance.choice(known), first + timedelta(milliseconds=seq)
        said_id, registration = (uuid.UUID(int=chance.getrandbits(128), version=4) for _ in range(2))
        for each in draft.digests - placed:
            found[each].append(seq)
        registrations.append((facet_digest(tenant, REGISTRATION, str(registration)), seq))
        _, body = draft.stored(times.written(moment))
        body = body.replace(_ID, str(said_id)).replace(_REGISTRATION, str(registration))
        at = moment.isoformat(" ", "microseconds").removesuffix("+00:00")
        yield tenant.hex, seq, said_id.hex, at, at, draft.statement["verb"]["id"], WHOSE, body


def _placed(tenant: uuid.UUID, said: Statement) -> Draft:
    said["id"], said["context"]["registration"] = _ID, _REGISTRATION
    return drafts.checked([said], tenant=tenant, authority=AUTHORITY).drafts[0]


def _facets(found: Lists, registrations: list[tuple[bytes, int]]) -> Iterator[Line]:
    """In the order of the table: what has many statements, and the registrations, which have one each."""
    many = ((each, seq) for each, seqs in sorted(found.items()) for seq in seqs)
    for each, seq in merge(many, sorted(registrations)):
        yield each, seq, seq
