"""When two statements say the same (Part Two, 2.3.1)."""

import hashlib
import json
import re

from xapi import times
from xapi.facets import Statement, in_one_spelling

_NOT_COMPARED = frozenset({"id", "stored", "authority", "version", "timestamp", "attachments"})
_FRACTION = re.compile(r"[.,](\d{1,2})\d*(?=S$)")


def digest(statement: Statement) -> bytes:
    """Of the parts that make a statement what it is: statements with the same one say the same.

    What a record store sets itself is left out, and so are the names of verbs and the definitions of activities, the
    order of the members of a group, the zone of a time, and what is finer than a hundredth of a second of a duration.
    """
    kept = {name: value for name, value in statement.items() if name not in _NOT_COMPARED}
    if "timestamp" in statement:
        kept["timestamp"] = times.written(times.parsed(statement["timestamp"]))
    text = json.dumps(_essence(kept), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()


def _essence(said: Statement) -> Statement:
    """Of a statement or sub-statement."""
    kept = {**said, "actor": _agent(said["actor"]), "verb": said["verb"]["id"], "object": _object(said["object"])}
    if "context" in said:
        kept["context"] = _context(said["context"])
    if "duration" in said.get("result", ()):
        kept["result"] = {**said["result"], "duration": _FRACTION.sub(_hundredths, said["result"]["duration"])}
    return kept


def _object(said: Statement) -> Statement:
    kind = said.get("objectType", "Activity")
    if kind == "Activity":
        return {"id": said["id"]}
    if kind == "SubStatement":
        return _essence(said)
    return _agent(said) if kind in ("Agent", "Group") else said


def _agent(said: Statement) -> Statement:
    kept = {"objectType": "Agent", **in_one_spelling(said)}
    if "member" in said:
        kept["member"] = sorted(
            (_agent(member) for member in said["member"]), key=lambda each: json.dumps(each, sort_keys=True)
        )
    return kept


def _context(said: Statement) -> Statement:
    kept = {**said}
    for name in ("instructor", "team"):
        if name in said:
            kept[name] = _agent(said[name])
    if "contextActivities" in said:
        kept["contextActivities"] = {
            kind: sorted(each["id"] for each in activities) for kind, activities in said["contextActivities"].items()
        }
    return kept


def _hundredths(fraction: re.Match[str]) -> str:
    digits = fraction[1].rstrip("0")
    return f".{digits}" if digits else ""
