"""Statements on their way into the store: all that takes time is done before anybody has to wait for it."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from xapi import attachments, strict, times, validation
from xapi.errors import InvalidStatement
from xapi.facets import BROADEST, Statement, agent_key, facet_digests, short
from xapi.inserts import Findable, findable


class Draft(NamedTuple):
    """A statement that only lacks the time when it is stored, which may be its timestamp too."""

    id: uuid.UUID
    statement: Statement
    timestamp: str | None  # in UTC, as times.written has it
    digests: set[bytes]  # of its facets
    text: str  # canonical JSON

    def stored(self, at: str) -> tuple[Statement, str]:
        """The statement with this time, and its canonical JSON."""
        names = ("stored",) if self.timestamp else ("timestamp", "stored")
        more = "".join([f',"{name}":"{at}"' for name in names])
        return self.statement | dict.fromkeys(names, at), f"{self.text[:-1]}{more}}}"


@dataclass(frozen=True)
class Batch:
    """Statements from outside, with their attachments by SHA-2. ``named`` are those that came with an id."""

    drafts: list[Draft]
    findable: Findable
    named: frozenset[uuid.UUID]
    authority: Statement
    contents: Mapping[str, bytes]


def draft_of(statement: Statement, tenant: uuid.UUID, authority: Statement) -> Draft:
    """Of one that is complete and valid."""
    said = {**statement, "authority": authority}
    said.pop("stored", None)
    said.setdefault("version", "1.0.0")
    moment = times.in_utc(said["timestamp"]) if "timestamp" in said else None
    return Draft(uuid.UUID(said["id"]), said, moment, facet_digests(tenant, said), strict.written(said))


def checked(
    statements: Sequence[Any],
    *,
    tenant: uuid.UUID,
    authority: Statement,
    version: str = validation.ONE,
    contents: Mapping[str, bytes] = MappingProxyType({}),
) -> Batch:
    """What ``store.take`` takes, by the rules of this version. No transaction is open meanwhile.

    Raises InvalidStatement, with the place in the list where there are several.
    """
    given: list[Draft] = []
    named: set[uuid.UUID] = set()
    for place, statement in enumerate(statements):
        try:
            said = validation.checked(statement, version)
            attachments.check(said, contents, version)
            is_named = "id" in said
            said["id"] = said["id"].lower() if is_named else str(uuid.uuid4())
            draft = draft_of(said, tenant, authority)
            if is_named and draft.id in named:
                raise InvalidStatement("id", "It appears twice in this batch.", "xAPI 2.0, 4.1.6.1")
            if is_named:
                named.add(draft.id)
            if len(draft.digests) > BROADEST:
                raise InvalidStatement("", f"It names more than {BROADEST} agents and activities.")
        except InvalidStatement as error:
            raise (error.inside(f"[{place}]") if len(statements) > 1 else error) from None
        given.append(draft)
    attachments.check_parts([each.statement for each in given], contents)
    return Batch(given, indexed(enumerate(given)), frozenset(named), authority, contents)


def together(batches: Sequence[Batch]) -> Batch:
    """As if they came at once: of one authority, with no attachments, and no id in two of them."""
    given = [draft for batch in batches for draft in batch.drafts]
    named = frozenset[uuid.UUID]().union(*(batch.named for batch in batches))
    return Batch(given, indexed(enumerate(given)), named, batches[0].authority, {})


def indexed(drafts: Iterable[tuple[int, Draft]]) -> Findable:
    """What they are found by, each under its place; the places are in order."""
    return findable((place, draft.digests) for place, draft in drafts)


def key_of(authority: Statement) -> str:
    return short(agent_key(authority) or "")
