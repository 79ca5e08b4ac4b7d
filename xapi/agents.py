"""What is known of an agent: the identifier it is asked for by, and the names that statements give it.

Two identifiers are never taken for the same person here: a store of pseudonyms is no directory.
"""

import uuid
from typing import Any

from sqlalchemy.orm import Session

from xapi import store, strict
from xapi.facets import agent_key, agents_in
from xapi.validation import IDENTIFIERS


def person(db: Session, *, tenant: uuid.UUID, agent: dict[str, Any]) -> dict[str, Any]:
    """The Person of an agent: each property a list; names as the newest statements have them, the newest first."""
    key = agent_key(agent)
    page = store.query(db, tenant=tenant, wanted=store.Query(agent=key, related_agents=True))
    names = [agent["name"]] if "name" in agent else []
    for body in page.statements:
        names += [each["name"] for each in agents_in(strict.parsed(body)) if "name" in each and agent_key(each) == key]
    found = {name: [agent[name]] for name in IDENTIFIERS if name in agent}
    return {"objectType": "Person"} | ({"name": list(dict.fromkeys(names))} if names else {}) | found
