"""What is known of activities: the definitions that statements gave them, put together.

A later statement wins property by property, and language by language. It is written only where something is new, by
writers who hold the head row of the tenant: ``define`` comes after the statements are stored.
"""

import json
import uuid
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from xapi.facets import Statement, activities_in
from xapi.rows import inserting, metadata
from xapi.validation import COMPONENT_LISTS

Definition = dict[str, Any]
_MERGED = ("name", "description", "extensions")
_INTERACTION = ("interactionType", "correctResponsesPattern", *COMPONENT_LISTS)
_ACTIVITIES = metadata.tables["xapi_activities"]
_KNOWN = select(_ACTIVITIES.c.iri, _ACTIVITIES.c.definition).where(
    _ACTIVITIES.c.tenant == bindparam("tenant"), _ACTIVITIES.c.iri.in_(bindparam("iris", expanding=True))
)


def activity(db: Session, *, tenant: uuid.UUID, iri: str) -> dict[str, Any]:
    """The activity with all that is known of it; of an unknown one the id alone."""
    known = definitions(db, tenant=tenant, iris=[iri])
    return {"objectType": "Activity", "id": iri} | ({"definition": known[iri]} if iri in known else {})


def definitions(db: Session, *, tenant: uuid.UUID, iris: Collection[str]) -> dict[str, Definition]:
    """The definitions of those that are known, by IRI."""
    return {iri: json.loads(text) for iri, text in _texts(db, tenant, iris).items()}


def define(db: Session, *, tenant: uuid.UUID, statements: Iterable[Statement]) -> None:
    """Learn what these statements, just stored, say about activities."""
    changed = [{"tenant": tenant, "iri": iri, "definition": text} for iri, text in _news(db, tenant, statements)]
    if changed:
        made = inserting(db, _ACTIVITIES)
        db.execute(
            made.on_conflict_do_update(index_elements=["tenant", "iri"], set_={"definition": made.excluded.definition}),
            changed,
        )


def is_new(db: Session, *, tenant: uuid.UUID, statements: Iterable[Statement]) -> bool:
    """Whether they say anything that is not known at this moment."""
    return next(_news(db, tenant, statements), None) is not None


def _news(db: Session, tenant: uuid.UUID, statements: Iterable[Statement]) -> Iterator[tuple[str, str]]:
    """What becomes known of activities, by IRI and in order."""
    said: dict[str, list[Definition]] = {}
    for statement in statements:
        for iri, definition in _said(statement):
            said.setdefault(iri, []).append(definition)
    known = _texts(db, tenant, sorted(said))
    for iri in sorted(said):
        text = _merged(known.get(iri), said[iri])
        if text != known.get(iri):
            yield iri, text


def spoken_of(statement: Statement) -> set[str]:
    """The activities it defines."""
    return {iri for iri, _ in _said(statement)}


def _texts(db: Session, tenant: uuid.UUID, iris: Collection[str]) -> dict[str, str]:
    wanted = list(iris)
    found: dict[str, str] = {}
    for start in range(0, len(wanted), 500):
        rows = db.execute(_KNOWN, {"tenant": tenant, "iris": wanted[start : start + 500]})
        found |= {row.iri: row.definition for row in rows}
    return found


def _merged(known: str | None, said: list[Definition]) -> str:
    """As kept: keys in one order, so that what says the same reads the same."""
    whole: Definition = json.loads(known) if known else {}
    for definition in said:
        if "interactionType" in definition:  # its lists belong together
            whole = {name: value for name, value in whole.items() if name not in _INTERACTION}
        parts = {name: whole.get(name, {}) | definition[name] for name in _MERGED if name in definition}
        whole = whole | definition | parts
    return json.dumps(whole, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _said(statement: Statement) -> Iterator[tuple[str, Definition]]:
    for thing in activities_in(statement):
        if thing.get("definition"):
            yield thing["id"], thing["definition"]
