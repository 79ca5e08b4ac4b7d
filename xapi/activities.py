"""What is known of activities: the definitions that statements gave them, put together.

A later statement wins property by property, and language by language. It is written only where something is new, by
writers who hold the head row of the tenant: ``define`` comes after the statements are stored.
"""

import uuid
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import Insert, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from xapi import strict
from xapi.facets import Statement, activities_in
from xapi.rows import Among, metadata
from xapi.validation import COMPONENT_LISTS

Definition = dict[str, Any]
Said = dict[str, list[str]]  # definitions of each activity, as JSON and in order
REMEMBERED = 1000  # characters, of what is known and said
_MERGED = ("name", "description", "extensions")
_INTERACTION = ("interactionType", "correctResponsesPattern", *COMPONENT_LISTS)
_ACTIVITIES = metadata.tables["xapi_activities"]
_KNOWN = select(_ACTIVITIES.c.iri, _ACTIVITIES.c.definition).where(
    _ACTIVITIES.c.tenant == bindparam("tenant"), Among(_ACTIVITIES.c.iri, "iris")
)


def _defining(made: postgresql.Insert | sqlite.Insert) -> Insert:
    newer = {"definition": made.excluded.definition}
    return made.on_conflict_do_update(index_elements=["tenant", "iri"], set_=newer)


_DEFINE = {"postgresql": _defining(postgresql.insert(_ACTIVITIES)), "sqlite": _defining(sqlite.insert(_ACTIVITIES))}


def activity(db: Session, *, tenant: uuid.UUID, iri: str) -> dict[str, Any]:
    """The activity with all that is known of it; of an unknown one the id alone."""
    known = definitions(db, tenant=tenant, iris=[iri])
    return {"objectType": "Activity", "id": iri} | ({"definition": known[iri]} if iri in known else {})


def definitions(db: Session, *, tenant: uuid.UUID, iris: Collection[str]) -> dict[str, Definition]:
    """The definitions of those that are known, by IRI."""
    return {iri: strict.parsed(text) for iri, text in _texts(db, tenant, iris).items()}


def said(statements: Iterable[Statement]) -> Said:
    """What these statements say about activities, without what one says as the one before it did."""
    found: Said = {}
    for statement in statements:
        for iri, definition in _defined(statement):
            text, texts = strict.written(definition), found.setdefault(iri, [])
            if not texts or texts[-1] != text:
                texts.append(text)
    return found


def define(db: Session, *, tenant: uuid.UUID, said: Said) -> None:
    """Learn what statements, just stored, say about activities."""
    changed = [{"tenant": tenant, "iri": iri, "definition": text} for iri, text in _news(db, tenant, said)]
    if changed:
        connection = db.connection()
        connection.execute(_DEFINE[connection.dialect.name], changed)


def _news(db: Session, tenant: uuid.UUID, said: Said) -> Iterator[tuple[str, str]]:
    """What becomes known of activities, by IRI and in order."""
    iris = sorted(said)
    known = _texts(db, tenant, iris)
    for iri in iris:
        text = _merged(known.get(iri), tuple(said[iri]))
        if text != known.get(iri):
            yield iri, text


def spoken_of(statement: Statement) -> set[str]:
    """The activities it defines."""
    return {iri for iri, _ in _defined(statement)}


def _texts(db: Session, tenant: uuid.UUID, iris: Collection[str]) -> dict[str, str]:
    rows = db.connection().execute(_KNOWN, {"tenant": tenant, "iris": list(iris)}) if iris else ()
    return {row.iri: row.definition for row in rows}


def _merged(known: str | None, said: tuple[str, ...]) -> str:
    """As kept. Most is said again and again, and then it is remembered what became of it."""
    is_short = len(known or "") + sum(map(len, said)) <= REMEMBERED
    return (_remembered if is_short else _put_together)(known, said)


def _put_together(known: str | None, said: tuple[str, ...]) -> str:
    whole: Definition = strict.parsed(known) if known else {}
    for text in said:
        definition: Definition = strict.parsed(text)
        if "interactionType" in definition:  # its lists belong together
            whole = {name: value for name, value in whole.items() if name not in _INTERACTION}
        parts = {name: whole.get(name, {}) | definition[name] for name in _MERGED if name in definition}
        whole = whole | definition | parts
    return strict.ordered(whole)


_remembered = lru_cache(maxsize=2000)(_put_together)


def _defined(statement: Statement) -> Iterator[tuple[str, Definition]]:
    for thing in activities_in(statement):
        if thing.get("definition"):
            yield thing["id"], thing["definition"]
