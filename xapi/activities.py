"""What is known of activities: the definitions that statements gave them, put together.

A later statement wins property by property, and language by language. It is written only where something is new, by
writers who hold the head row of the tenant: ``define`` comes after the statements are stored.
"""

import uuid
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import (
    ARRAY,
    Connection,
    Engine,
    Insert,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from xapi import strict
from xapi.facets import Statement, activities_in
from xapi.rows import Among, Texts, metadata
from xapi.validation import COMPONENT_LISTS

Definition = dict[str, Any]
Said = dict[str, list[str]]  # definitions of each activity, as JSON and in order
REMEMBERED = 1000  # characters, of what is known and said
_MERGED = ("name", "description", "extensions")
_INTERACTION = ("interactionType", "correctResponsesPattern", *COMPONENT_LISTS)
_ACTIVITIES = metadata.tables["xapi_activities"]
_OF_TENANT = select(_ACTIVITIES.c.iri, _ACTIVITIES.c.definition).where(_ACTIVITIES.c.tenant == bindparam("tenant"))
_ASKED = func.unnest(cast(bindparam("iris", type_=Texts()), ARRAY(Text))).table_valued("iri").render_derived()
# Planned while the table was empty, PostgreSQL would walk over all of it. One by one it goes to the index.
_EACH = _OF_TENANT.where(_ACTIVITIES.c.iri == _ASKED.c.iri).limit(literal_column("1")).lateral()
_KNOWN = {
    "postgresql": select(_EACH).select_from(_ASKED.join(_EACH, true())),
    "sqlite": _OF_TENANT.where(Among(_ACTIVITIES.c.iri, "iris")),
}


def _defining(made: postgresql.Insert | sqlite.Insert) -> Insert:
    newer = {"definition": made.excluded.definition}
    return made.on_conflict_do_update(index_elements=["tenant", "iri"], set_=newer)


_HEADS = metadata.tables["xapi_heads"]
_COUNT = update(_HEADS).where(_HEADS.c.tenant == bindparam("of")).values(definitions=_HEADS.c.definitions + 1)
_DEFINE = {"postgresql": _defining(postgresql.insert(_ACTIVITIES)), "sqlite": _defining(sqlite.insert(_ACTIVITIES))}


def activity(db: Session, *, tenant: uuid.UUID, iri: str) -> dict[str, Any]:
    """The activity with all that is known of it; of an unknown one the id alone."""
    known = definitions(db, tenant=tenant, iris=[iri])
    return {"objectType": "Activity", "id": iri} | ({"definition": known[iri]} if iri in known else {})


def definitions(db: Session, *, tenant: uuid.UUID, iris: Collection[str]) -> dict[str, Definition]:
    """The definitions of those that are known, by IRI."""
    return {iri: strict.parsed(text) for iri, text in _texts(db.connection(), tenant, iris).items()}


def said(statements: Iterable[Statement]) -> Said:
    """What these statements say about activities, without what one says as the one before it did."""
    found: Said = {}
    for statement in statements:
        for iri, definition in _defined(statement):
            text, texts = strict.written(definition), found.setdefault(iri, [])
            if not texts or texts[-1] != text:
                texts.append(text)
    return found


@dataclass(frozen=True)
class Learned:
    """What a transaction found known of activities, and left known: to be remembered once it is committed."""

    engine: Engine
    tenant: uuid.UUID
    before: int  # the version of what is known
    version: int
    texts: dict[str, str]  # by IRI


def define(db: Session, *, tenant: uuid.UUID, said: Said, version: int | None = None) -> Learned | None:
    """Learn what statements, just stored, say about activities.

    With the version that the head row has, what is remembered of it is not looked up again.
    """
    connection = db.connection()
    known = _recalled(connection.engine, tenant, version, said) if version is not None else {}
    known |= _texts(connection, tenant, sorted(said.keys() - known.keys()))
    news = {iri: text for iri in sorted(said) if (text := _merged(known.get(iri), tuple(said[iri]))) != known.get(iri)}
    if news:
        rows = [{"tenant": tenant, "iri": iri, "definition": text} for iri, text in news.items()]
        connection.execute(_DEFINE[connection.dialect.name], rows)
    is_other = not known.keys().isdisjoint(news)
    if is_other:
        connection.execute(_COUNT, {"of": tenant})
    return None if version is None else Learned(connection.engine, tenant, version, version + is_other, known | news)


@dataclass
class Memory:
    """What is known of the activities of a tenant, in one version of it."""

    version: int
    texts: dict[str, str]


MOST_TENANTS, MOST_TEXTS = 20, 4000
_ONE_BY_ONE = Lock()
MEMORIES: WeakKeyDictionary[Engine, dict[uuid.UUID, Memory]] = WeakKeyDictionary()


def _recalled(engine: Engine, tenant: uuid.UUID, version: int, iris: Iterable[str]) -> dict[str, str]:
    """Nothing where somebody, maybe in another process, has changed something since."""
    memory = MEMORIES.get(engine, {}).get(tenant)
    if memory is None or memory.version != version:
        return {}
    texts = memory.texts
    return {iri: texts[iri] for iri in iris if iri in texts}


def remember(learned: Learned) -> None:
    """Of a transaction that is committed; not what is known better meanwhile."""
    with _ONE_BY_ONE:
        memories = MEMORIES.setdefault(learned.engine, {})
        memory = memories.get(learned.tenant)
        if memory is not None and memory.version > learned.before:
            return
        if memory is None and len(memories) >= MOST_TENANTS:
            memories.clear()
        if memory is None or memory.version < learned.before or len(memory.texts) > MOST_TEXTS:
            memory = memories[learned.tenant] = Memory(learned.version, {})
        for iri, text in learned.texts.items():
            memory.texts.pop(iri, None)  # which may have been shorter before
            if len(text) <= REMEMBERED:
                memory.texts[iri] = text
        memory.version = learned.version


def spoken_of(statement: Statement) -> set[str]:
    """The activities it defines."""
    return {iri for iri, _ in _defined(statement)}


def _texts(connection: Connection, tenant: uuid.UUID, iris: Collection[str]) -> dict[str, str]:
    rows = connection.execute(_KNOWN[connection.dialect.name], {"tenant": tenant, "iris": list(iris)}) if iris else ()
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
