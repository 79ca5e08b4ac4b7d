"""What of a single statement its reader may see.

Our own statements name nobody, but other clients write into the record store too, and what they send may have a name, a
mail address or what somebody typed. That is for whoever holds a key of the record store, never for a page.
"""

from typing import Any

from xapi.facets import Statement

HIDDEN = "(hidden)"
_IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid")


def with_records(statement: Statement) -> Statement:
    """Pseudonyms and scores, but no name, mail address or typed answer."""
    shown: Statement = _without_names(statement)
    if "response" in shown.get("result", {}):
        shown["result"] = shown["result"] | {"response": HIDDEN}
    return shown


def without_records(statement: Statement) -> Statement:
    """What happened and when: not who, how well, or in which mentorship."""
    thing = statement["object"]
    kept = {name: thing[name] for name in ("objectType", "id") if name in thing}
    if "type" in thing.get("definition", {}):
        kept["definition"] = {"type": thing["definition"]["type"]}
    known = {name: statement[name] for name in ("id", "verb", "timestamp", "stored")}
    return {**known, "object": kept}


def _without_names(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_names(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: _shown(value, name) for name in value}


def _shown(value: dict[str, Any], name: str) -> Any:
    """An agent's name is a text; that of an activity has one for each language."""
    said = value[name]
    is_name = name == "name" and isinstance(said, str) and ("homePage" not in value or "@" in said)
    return HIDDEN if is_name or name in _IDENTIFIERS else _without_names(said)
