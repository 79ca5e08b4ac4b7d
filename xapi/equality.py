"""When two statements say the same (Part Two, 2.3.1)."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from xapi import times
from xapi.facets import Statement, in_one_spelling

_NOT_COMPARED = frozenset({"id", "stored", "authority", "version", "timestamp", "attachments"})
_FRACTION = re.compile(r"[.,](\d{1,2})\d*(?=S$)")


def digest(statement: Statement) -> bytes:
    """Of the parts that make a statement what it is: statements with the same one say the same.

    What a record store sets itself is left out, and so are the names of verbs and the definitions of activities, the
    order of the members of a group, the zone of a time, what is finer than a hundredth of a second of a duration, the
    case of an id, and how a number is written.
    """
    kept = {name: value for name, value in statement.items() if name not in _NOT_COMPARED}
    if "timestamp" in statement:
        kept["timestamp"] = times.written(times.parsed(statement["timestamp"]))
    return hashlib.sha256(_sorted(_essence(kept)).encode()).digest()


_sorted = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def _essence(said: Statement) -> Statement:
    """Of a statement or sub-statement."""
    kept = {**said, "actor": _agent(said["actor"]), "verb": said["verb"]["id"], "object": _object(said["object"])}
    if "context" in said:
        kept["context"] = _context(said["context"])
    if "result" in said:
        kept["result"] = _numbers(said["result"])
        if "duration" in said["result"]:
            kept["result"]["duration"] = _FRACTION.sub(_hundredths, said["result"]["duration"])
    return kept


def _object(said: Statement) -> Statement:
    kind = said.get("objectType", "Activity")
    if kind == "Activity":
        return {"id": said["id"]}
    if kind == "SubStatement":
        return _essence(said)
    return _agent(said) if kind in ("Agent", "Group") else _reference(said)


def _reference(said: Statement) -> Statement:
    return {**said, "id": said["id"].lower()}


def _agent(said: Statement) -> Statement:
    kept = {"objectType": "Agent", **in_one_spelling(said)}
    if "member" in said:
        kept["member"] = sorted(
            (_agent(member) for member in said["member"]), key=lambda each: json.dumps(each, sort_keys=True)
        )
    return kept


def _context(said: Statement) -> Statement:
    kept = {**said}
    for name, same in _IN_CONTEXT.items():
        if name in said:
            kept[name] = same(said[name])
    return kept


_IN_CONTEXT: dict[str, Callable[[Any], Any]] = {
    "registration": str.lower,
    "instructor": _agent,
    "team": _agent,
    "contextAgents": lambda listed: [{**each, "agent": _agent(each["agent"])} for each in listed],
    "contextGroups": lambda listed: [{**each, "group": _agent(each["group"])} for each in listed],
    "contextActivities": lambda kinds: {kind: sorted(each["id"] for each in kinds[kind]) for kind in kinds},
    "statement": _reference,
    "extensions": lambda said: _numbers(said),
}


def _numbers(said: Any) -> Any:
    """80.0 is 80: JSON has one kind of number."""
    if isinstance(said, dict):
        return {name: _numbers(value) for name, value in said.items()}
    if isinstance(said, list):
        return [_numbers(each) for each in said]
    return int(said) if isinstance(said, float) and said.is_integer() else said


def _hundredths(fraction: re.Match[str]) -> str:
    digits = fraction[1].rstrip("0")
    return f".{digits}" if digits else ""
