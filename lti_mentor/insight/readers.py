"""What of a single statement its reader may see.

Our own statements name nobody, but other clients write into the record store too, and what they send may have a name, a
mail address or what somebody typed. That is for whoever holds a key of the record store, never for a page.
"""

import re
from typing import Any

from xapi.facets import Statement
from xapi.vocabulary import BEFORE, Extensions, Term

HIDDEN = "(hidden)"
_IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid")
_MAIL = re.compile(r"mailto:|[^\s@/:<>](@|%40)[\w-]+(\.[\w-]+)*\.[^\W\d_]{2,}", re.IGNORECASE)
# Extensions that have dates, numbers and words of a list; what others put into theirs nobody knows.
_KNOWN = {term.iri for term in vars(Extensions).values() if isinstance(term, Term)} | BEFORE.keys()


def with_records(statement: Statement, base: str) -> Statement:
    """Pseudonyms and scores, but no name, mail address or typed answer. ``base`` is where pseudonyms are at home."""
    shown: Statement = _without_names(statement, base)
    return shown


def without_records(statement: Statement, base: str) -> Statement:
    """What happened and when: not who, how well, or in which mentorship."""
    thing = statement["object"]
    kept = {name: thing[name] for name in ("objectType", "id") if name in thing}
    if "type" in thing.get("definition", {}):
        kept["definition"] = {"type": thing["definition"]["type"]}
    known = {name: statement[name] for name in ("id", "verb", "timestamp", "stored")}
    shown: Statement = _without_names({**known, "object": kept}, base)
    return shown


def _without_names(value: Any, base: str) -> Any:
    if isinstance(value, str):
        return HIDDEN if _MAIL.search(value) else value
    if isinstance(value, list):
        return [_without_names(each, base) for each in value]
    if not isinstance(value, dict):
        return value
    return {_without_names(name, base): _shown(value, name, base) for name in value}


def _shown(value: dict[str, Any], name: str, base: str) -> Any:
    """An agent's name is a text; that of an activity has one for each language."""
    said = value[name]
    if name == "extensions" and isinstance(said, dict):
        return {_without_names(iri, base): _without_names(said[iri], base) if iri in _KNOWN else HIDDEN for iri in said}
    is_name = name == "name" and isinstance(said, str) and value.get("homePage") != base
    return HIDDEN if is_name or name in (*_IDENTIFIERS, "response") else _without_names(said, base)
