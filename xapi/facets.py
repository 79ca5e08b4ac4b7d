"""What a statement can be found by: its verb, the agents and activities in it, direct and related, its registration."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

Statement = dict[str, Any]
LONGEST = 1000  # bytes
BROADEST = 2000  # facets of one statement, and of all together that one is found by because they are about each other

VERB = "verb"
AGENT, RELATED_AGENT = "agent", "related_agent"
ACTIVITY, RELATED_ACTIVITY = "activity", "related_activity"
REGISTRATION = "registration"


def agent_key(agent: Statement) -> str | None:
    """The identifier of an agent as one text; none for an anonymous group."""
    if "account" in agent:
        return f"account {agent['account']['homePage']} {agent['account']['name']}"
    for kind in ("mbox", "mbox_sha1sum", "openid"):
        if kind in agent:
            return f"{kind} {agent[kind]}"
    return None


def facets(statement: Statement) -> set[tuple[str, str]]:
    """Every (kind, value) of the statement."""
    found = {(VERB, statement["verb"]["id"])}
    found |= {(AGENT, key) for key in _direct_agents(statement)}
    found |= {(ACTIVITY, iri) for iri in _direct_activities(statement)}
    found |= {(RELATED_AGENT, key) for key in _related_agents(statement)}
    found |= {(RELATED_ACTIVITY, iri) for iri in _related_activities(statement)}
    registration = statement.get("context", {}).get("registration")
    if registration:
        found.add((REGISTRATION, registration.lower()))
    return {(kind, short(value)) for kind, value in found}


def short(value: str) -> str:
    """What an index can hold: a long value stands there as its digest."""
    plain = value.encode()
    return value if len(plain) <= LONGEST else f"sha256 {hashlib.sha256(plain).hexdigest()}"


def _direct_agents(statement: Statement) -> Iterator[str]:
    yield from _keys([statement["actor"]])
    if statement["object"].get("objectType") in ("Agent", "Group"):
        yield from _keys([statement["object"]])


def _direct_activities(statement: Statement) -> Iterator[str]:
    if statement["object"].get("objectType", "Activity") == "Activity":
        yield statement["object"]["id"]


def _related_agents(statement: Statement) -> Iterator[str]:
    yield from _direct_agents(statement)
    context = statement.get("context", {})
    yield from _keys(
        agent for agent in (statement.get("authority"), context.get("instructor"), context.get("team")) if agent
    )
    yield from _keys(each["agent"] for each in context.get("contextAgents", ()))
    yield from _keys(each["group"] for each in context.get("contextGroups", ()))
    if statement["object"].get("objectType") == "SubStatement":
        yield from _related_agents(statement["object"])


def _related_activities(statement: Statement) -> Iterator[str]:
    yield from _direct_activities(statement)
    for activities in statement.get("context", {}).get("contextActivities", {}).values():
        for activity in activities if isinstance(activities, list) else [activities]:
            yield activity["id"]
    if statement["object"].get("objectType") == "SubStatement":
        yield from _related_activities(statement["object"])


def _keys(agents: Iterable[Statement]) -> Iterator[str]:
    """Of the agents, of the groups, and of the members of the groups."""
    for agent in agents:
        yield from _keys(agent.get("member", ()))
        key = agent_key(agent)
        if key:
            yield key
        yield from _keys(agent.get("member", []))
