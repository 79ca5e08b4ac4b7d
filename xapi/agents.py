"""What is known of an agent: the identifier it is asked for by, and the names that statements give it.

Two identifiers are never taken for the same person here: a store of pseudonyms is no directory.
"""

import json
import uuid
from collections.abc import Iterator
from typing import Any

from sqlalchemy.orm import Session

from xapi import store
from xapi.facets import agent_key
from xapi.validation import IDENTIFIERS


def person(db: Session, *, tenant: uuid.UUID, agent: dict[str, Any]) -> dict[str, Any]:
    """The Person of an agent: each property a list; names as the newest statements have them, the newest first."""
    identifier = {name: agent[name] for name in IDENTIFIERS if name in agent}
    wanted = store.Query(agent=agent_key(agent), related_agents=True)
    page = store.query(db, tenant=tenant, wanted=wanted)
    names = [agent["name"]] if "name" in agent else []
    for body in page.statements:
        names += _names(json.loads(body), identifier)
    found = {name: [value] for name, value in identifier.items()}
    return {"objectType": "Person"} | ({"name": list(dict.fromkeys(names))} if names else {}) | found


def _names(part: Any, identifier: dict[str, Any]) -> Iterator[str]:
    """The name of everything in a statement that has this identifier."""
    if isinstance(part, dict):
        if isinstance(part.get("name"), str) and identifier.items() <= part.items():
            yield part["name"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _names(each, identifier)
