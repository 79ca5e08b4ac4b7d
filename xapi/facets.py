"""What a statement can be found by: its verb, the agents and activities in it, direct and related, its registration."""

import hashlib
import uuid
from collections.abc import Callable, Container, Iterable, Iterator
from functools import lru_cache, partial
from typing import Any, TypeVar

Statement = dict[str, Any]
Made = TypeVar("Made")
LONGEST = 1000  # bytes
BROADEST = 3000  # facets of one statement, and of all together that one is found by because they are about each other

VERB = "verb"
AGENT, RELATED_AGENT = "agent", "related_agent"  # who does it or whom it is done to; who is named elsewhere
ACTIVITY, RELATED_ACTIVITY = "activity", "related_activity"  # what it is about; what is named elsewhere
ANY_AGENT, ANY_ACTIVITY = (AGENT, RELATED_AGENT), (ACTIVITY, RELATED_ACTIVITY)
REGISTRATION = "registration"
AGENT_VERB = "agent_verb"  # the one pair that is asked for all the time, and often in vain


def agent_key(agent: Statement) -> str | None:
    """The identifier of an agent as one text; none for an anonymous group."""
    if "account" in agent:
        account = agent["account"]
        return f"account {account['homePage']} {account['name']}"
    agent = in_one_spelling(agent)
    for kind in ("mbox", "mbox_sha1sum", "openid"):
        if kind in agent:
            return f"{kind} {agent[kind]}"
    return None


def in_one_spelling(agent: Statement) -> Statement:
    """The same agent: capitals in the domain of an address, or in a digest, say nothing."""
    if "mbox" in agent:
        name, at, domain = agent["mbox"].rpartition("@")
        return agent | {"mbox": name + at + domain.lower()}
    if "mbox_sha1sum" in agent:
        return agent | {"mbox_sha1sum": agent["mbox_sha1sum"].lower()}
    return agent


def facets(statement: Statement) -> set[tuple[str, str]]:
    """Every (kind, value) of the statement."""
    found, registration = _named(statement, lambda kind, value: (kind, value)), _registration(statement)
    return found | {(REGISTRATION, registration)} if registration else found


def _named(statement: Statement, made: Callable[[str, str], Made]) -> set[Made]:
    """What is made of each (kind, value), but for the registration."""
    verb = short(statement["verb"]["id"])
    found = {made(VERB, verb)}
    for key in _keys(_direct_agents(statement)):
        found.add(made(AGENT, key))
        found.add(made(AGENT_VERB, pair(key, verb)))
    for key in _keys(_other_agents(statement)):
        found.add(made(RELATED_AGENT, key))
    for activity in _direct_activities(statement):
        found.add(made(ACTIVITY, short(activity["id"])))
    for activity in _other_activities(statement):
        found.add(made(RELATED_ACTIVITY, short(activity["id"])))
    return found


def _registration(statement: Statement) -> str:
    registration: str = statement.get("context", _NOTHING).get("registration", "")
    return registration.lower()


def _keys(agents: list[Statement]) -> list[str]:
    return [short(key) for agent in agents if (key := agent_key(agent))]


def facet_digest(tenant: uuid.UUID, kind: str, value: str) -> bytes:
    """What the index holds of a facet: 16 bytes that no other one has, of whatever tenant."""
    return _digest(tenant.hex, kind, value)


def facet_digests(tenant: uuid.UUID, statement: Statement) -> set[bytes]:
    """Of all its facets."""
    home, registration = tenant.hex, _registration(statement)
    found = _named(statement, partial(_remembered, home))
    if registration:  # which does not come again so soon
        found.add(_digest(home, REGISTRATION, registration))
    return found


def facet_digests_ever(tenant: uuid.UUID, statement: Statement) -> set[bytes]:
    """With those that earlier versions wrote: who and what is named directly stood there as named elsewhere, too."""
    twice = {AGENT: RELATED_AGENT, ACTIVITY: RELATED_ACTIVITY}
    older = {facet_digest(tenant, twice[kind], value) for kind, value in facets(statement) if kind in twice}
    return facet_digests(tenant, statement) | older


def digests_of_agent(tenant: uuid.UUID, key: str) -> tuple[bytes, ...]:
    """Wherever it is named: a statement says one of these, or both."""
    return tuple(facet_digest(tenant, kind, short(key)) for kind in ANY_AGENT)


def _digest(home: str, kind: str, value: str) -> bytes:
    return hashlib.sha256(f"{home} {kind} {value}".encode()).digest()[:16]


_remembered = lru_cache(maxsize=20_000)(_digest)


def pair(agent: str, verb: str) -> str:
    """Of two values that are short."""
    return short(f"{agent} {verb}")


def short(value: str) -> str:
    """What an index can hold: a long value stands there as its digest."""
    if len(value) <= LONGEST // 4:
        return value
    plain = value.encode()
    return value if len(plain) <= LONGEST else f"sha256 {hashlib.sha256(plain).hexdigest()}"


def agents_in(statement: Statement) -> list[Statement]:
    """All agents, all groups, and the members of the groups."""
    return _direct_agents(statement) + _other_agents(statement)


def _other_agents(statement: Statement) -> list[Statement]:
    found: list[Statement] = []
    context = statement.get("context", _NOTHING)
    for agent in (statement.get("authority"), context.get("instructor"), context.get("team")):
        if agent:
            found += _with_members(agent)
    for each in context.get("contextAgents", ()):
        found += _with_members(each["agent"])
    for each in context.get("contextGroups", ()):
        found += _with_members(each["group"])
    if statement["object"].get("objectType") == "SubStatement":
        found += agents_in(statement["object"])
    return found


def _direct_agents(statement: Statement) -> list[Statement]:
    found, thing = _with_members(statement["actor"]), statement["object"]
    return found + _with_members(thing) if thing.get("objectType") in ("Agent", "Group") else found


def parts_naming(statement: Statement, agents: Container[str | None]) -> list[str]:
    """In which parts it names one of these agents: ``actor``, ``context.instructor``, ``object.actor`` and so on."""
    return [
        part
        for part, named in _parts(statement)
        if any(agent_key(each) in agents for agent in named for each in _with_members(agent))
    ]


def _parts(statement: Statement) -> Iterator[tuple[str, list[Statement]]]:
    context, thing = statement.get("context", _NOTHING), statement["object"]
    yield "actor", [statement["actor"]]
    if thing.get("objectType") in ("Agent", "Group"):
        yield "object", [thing]
    if thing.get("objectType") == "SubStatement":
        yield from ((f"object.{part}", named) for part, named in _parts(thing))
    yield "context.instructor", [context["instructor"]] if "instructor" in context else []
    yield "context.team", [context["team"]] if "team" in context else []
    yield "context.contextAgents", [each["agent"] for each in context.get("contextAgents", ())]
    yield "context.contextGroups", [each["group"] for each in context.get("contextGroups", ())]
    yield "authority", [statement["authority"]] if "authority" in statement else []


def _with_members(agent: Statement) -> list[Statement]:
    return [agent, *agent["member"]] if "member" in agent else [agent]


def activities_in(statement: Statement) -> list[Statement]:
    """All activities; the one that the statement is about comes last."""
    return _other_activities(statement) + _direct_activities(statement)


def names_activity(statement: Statement, iris: Iterable[str]) -> bool:
    """Whether it names one of these, in whatever part."""
    return not {short(activity["id"]) for activity in activities_in(statement)}.isdisjoint(map(short, iris))


def _direct_activities(statement: Statement) -> list[Statement]:
    thing = statement["object"]
    return [thing] if thing.get("objectType", "Activity") == "Activity" else []


def _other_activities(statement: Statement) -> list[Statement]:
    found: list[Statement] = []
    thing = statement["object"]
    for activities in statement.get("context", _NOTHING).get("contextActivities", _NOTHING).values():
        found += activities if isinstance(activities, list) else [activities]
    return found + activities_in(thing) if thing.get("objectType") == "SubStatement" else found


_NOTHING: Statement = {}
