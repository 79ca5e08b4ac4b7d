"""Whether a statement is one, by the rules of xAPI 1.0.3 (Part Two: Statements).

Each object of the specification is a table of its properties; ``checked`` walks them and answers with a copy in which
single context activities have become lists. Unknown properties, nulls and wrong types are refused everywhere except
inside extensions.
"""

import copy
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from xapi import times
from xapi.errors import InvalidStatement
from xapi.vocabulary import Verbs

Check = Callable[[Any, str], None]

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20\x7f\s<>\"{}|\\^`]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
LONGEST_IRI = 2000  # bytes: an index of PostgreSQL takes a little more
DEEPEST = 100
_MAILTO = re.compile(r"mailto:[^\s@]+@[^\s@]+")
_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_SHA2 = re.compile(r"[0-9a-fA-F]{56,128}")
_LANGUAGE = re.compile(
    r"(([A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(-[A-Za-z]{4})?(-([A-Za-z]{2}|\d{3}))?"
    r"(-([A-Za-z0-9]{5,8}|\d[A-Za-z0-9]{3}))*(-[0-9A-WY-Za-wy-z](-[A-Za-z0-9]{2,8})+)*(-[xX](-[A-Za-z0-9]{1,8})+)?"
    r"|[xX](-[A-Za-z0-9]{1,8})+|[iI]-[A-Za-z]{3,})"
)
_NUMBER = r"\d+(?:[.,]\d+)?"
_DURATION = re.compile(
    rf"P(?=\d|T)(?:\d+(?:[.,]\d+)?W|(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}D)?"
    rf"(?:T(?=\d)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?)"
)
_MEDIA = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(\s*;.*)?")
_VERSION = re.compile(r"1\.0(\.\d+)?")
IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid", "account")


def checked(statement: Any) -> dict[str, Any]:
    """A normalized copy of the statement. Raises InvalidStatement."""
    _sound(statement)
    _object(statement, "", _STATEMENT, required=("actor", "verb", "object"))
    _whole(statement, "")
    if statement["verb"]["id"] == Verbs.VOIDED.iri and statement["object"].get("objectType") != "StatementRef":
        raise InvalidStatement("object", "A voiding statement has a StatementRef as its object.")
    normal: dict[str, Any] = copy.deepcopy(statement)
    _normalize(normal)
    return normal


def checked_agent(agent: Any) -> None:
    """An agent or group to search for. Raises InvalidStatement."""
    _sound(agent)
    _actor(agent, "agent")


def _sound(value: Any) -> None:
    """What no database and no JSON keeps, extensions included. Raises InvalidStatement."""
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if depth > DEEPEST:
            raise InvalidStatement("", f"It is nested deeper than {DEEPEST} levels.")
        if isinstance(part, float) and not math.isfinite(part):
            raise InvalidStatement("", "A number is too large.")
        if isinstance(part, str) and ("\0" in part or (not part.isprintable() and _SURROGATE.search(part))):
            raise InvalidStatement("", "A text has characters that are none: NUL or half of a pair.")
        if isinstance(part, dict):
            waiting += [(each, depth + 1) for pair in part.items() for each in pair]
        elif isinstance(part, list):
            waiting += [(each, depth + 1) for each in part]


def is_iri(text: str) -> bool:
    return _IRI.fullmatch(text) is not None and len(text.encode(errors="replace")) <= LONGEST_IRI


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def _normalize(statement: dict[str, Any]) -> None:
    activities = statement.get("context", {}).get("contextActivities", {})
    for kind, value in activities.items():
        if isinstance(value, dict):
            activities[kind] = [value]
    if statement["object"].get("objectType") == "SubStatement":
        _normalize(statement["object"])


def _whole(statement: Mapping[str, Any], path: str) -> None:
    """Rules that need more than one property of a statement or sub-statement."""
    context = statement.get("context", {})
    if statement["object"].get("objectType", "Activity") != "Activity":
        for name in ("revision", "platform"):
            if name in context:
                raise InvalidStatement(
                    _join(path, f"context.{name}"), "It is allowed only when the object is an activity."
                )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _object(value: Any, path: str, table: Mapping[str, Check], required: tuple[str, ...] = ()) -> None:
    if not isinstance(value, dict):
        raise InvalidStatement(path, "It has to be an object.")
    for name, part in value.items():
        check = table.get(name)
        if check is None:
            raise InvalidStatement(_join(path, name), "There is no such property here.")
        if part is None:
            raise InvalidStatement(_join(path, name), "It may not be null.")
        check(part, _join(path, name))
    for name in required:
        if name not in value:
            raise InvalidStatement(_join(path, name), "It is missing.")


def _text(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise InvalidStatement(path, "It has to be text.")


def _matching(pattern: re.Pattern[str], problem: str) -> Check:
    def check(value: Any, path: str) -> None:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise InvalidStatement(path, problem)

    return check


def _iri(value: Any, path: str) -> None:
    if not isinstance(value, str) or not is_iri(value):
        raise InvalidStatement(path, f"It has to be an IRI with a scheme, of at most {LONGEST_IRI} bytes.")


_uuid = _matching(_UUID, "It has to be a UUID.")
_language = _matching(_LANGUAGE, "It has to be a language tag (RFC 5646).")
_duration = _matching(_DURATION, "It has to be an ISO 8601 duration.")


def _boolean(value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise InvalidStatement(path, "It has to be true or false.")


def _number(value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidStatement(path, "It has to be a number.")


def _timestamp(value: Any, path: str) -> None:
    _text(value, path)
    try:
        times.parsed(value)
    except ValueError:
        raise InvalidStatement(path, "It has to be an ISO 8601 timestamp, and not with the offset -00:00.") from None


def _language_map(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise InvalidStatement(path, "It has to be an object of languages.")
    for tag, text in value.items():
        _language(tag, path)
        _text(text, _join(path, tag))


def _extensions(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise InvalidStatement(path, "It has to be an object.")
    for name in value:
        _iri(name, _join(path, name))


def _list_of(check: Check) -> Check:
    def check_all(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise InvalidStatement(path, "It has to be a list.")
        for place, item in enumerate(value):
            check(item, f"{path}[{place}]")

    return check_all


# Agents and groups (4.1 of Part Two) --------------------------------------------------------------------------------


def _account(value: Any, path: str) -> None:
    _object(value, path, {"homePage": _iri, "name": _text}, required=("homePage", "name"))


_AGENT: dict[str, Check] = {
    "objectType": _text,
    "name": _text,
    "mbox": _matching(_MAILTO, "It has to be a mailto IRI."),
    "mbox_sha1sum": _matching(_SHA1, "It has to be a SHA-1 in hexadecimal."),
    "openid": _iri,
    "account": _account,
}


def _agent(value: Any, path: str) -> None:
    """Exactly one identifier."""
    _object(value, path, _AGENT)
    if value.get("objectType", "Agent") != "Agent":
        raise InvalidStatement(_join(path, "objectType"), "It has to be Agent.")
    if _identified(value, path) == 0:
        raise InvalidStatement(path, "An agent has one of mbox, mbox_sha1sum, openid and account.")


def _identified(value: Mapping[str, Any], path: str) -> int:
    count = sum(name in value for name in IDENTIFIERS)
    if count > 1:
        raise InvalidStatement(path, "Only one of mbox, mbox_sha1sum, openid and account is allowed.")
    return count


def _group(value: Any, path: str) -> None:
    _object(value, path, _GROUP)
    if value.get("objectType") != "Group":
        raise InvalidStatement(_join(path, "objectType"), "It has to be Group.")
    if _identified(value, path) == 0 and "member" not in value:
        raise InvalidStatement(path, "A group without an identifier has members.")


_GROUP: dict[str, Check] = _AGENT | {"member": _list_of(_agent)}


def _actor(value: Any, path: str) -> None:
    is_group = isinstance(value, dict) and value.get("objectType") == "Group"
    (_group if is_group else _agent)(value, path)


def _authority(value: Any, path: str) -> None:
    """An agent, or the two members of an OAuth consumer and its user."""
    _actor(value, path)
    if value.get("objectType") == "Group" and (_identified(value, path) or len(value["member"]) != 2):
        raise InvalidStatement(path, "A group as authority has exactly two members and no identifier.")


# Activities (2.4.4) -------------------------------------------------------------------------------------------------


def _component(value: Any, path: str) -> None:
    _object(value, path, {"id": _text, "description": _language_map}, required=("id",))


def _components(value: Any, path: str) -> None:
    _list_of(_component)(value, path)
    ids = [component["id"] for component in value]
    if len(set(ids)) < len(ids):
        raise InvalidStatement(path, "Each id appears once.")


_INTERACTIONS: dict[str, tuple[str, ...]] = {
    "true-false": (),
    "choice": ("choices",),
    "fill-in": (),
    "long-fill-in": (),
    "matching": ("source", "target"),
    "performance": ("steps",),
    "sequencing": ("choices",),
    "likert": ("scale",),
    "numeric": (),
    "other": (),
}
_COMPONENT_LISTS = ("choices", "scale", "source", "target", "steps")
_DEFINITION: dict[str, Check] = {
    "name": _language_map,
    "description": _language_map,
    "type": _iri,
    "moreInfo": _iri,
    "extensions": _extensions,
    "interactionType": _text,
    "correctResponsesPattern": _list_of(_text),
    **dict.fromkeys(_COMPONENT_LISTS, _components),
}


def _definition(value: Any, path: str) -> None:
    _object(value, path, _DEFINITION)
    kind = value.get("interactionType")
    lists = [name for name in _COMPONENT_LISTS if name in value]
    if kind is None:
        if lists or "correctResponsesPattern" in value:
            raise InvalidStatement(_join(path, "interactionType"), "It is missing.")
        return
    if kind not in _INTERACTIONS:
        raise InvalidStatement(_join(path, "interactionType"), "There is no such kind of interaction.")
    for name in lists:
        if name not in _INTERACTIONS[kind]:
            raise InvalidStatement(_join(path, name), "It does not belong to this kind of interaction.")


def _activity(value: Any, path: str) -> None:
    _object(value, path, {"objectType": _text, "id": _iri, "definition": _definition}, required=("id",))
    if value.get("objectType", "Activity") != "Activity":
        raise InvalidStatement(_join(path, "objectType"), "It has to be Activity.")


def _statement_ref(value: Any, path: str) -> None:
    _object(value, path, {"objectType": _text, "id": _uuid}, required=("objectType", "id"))
    if value["objectType"] != "StatementRef":
        raise InvalidStatement(_join(path, "objectType"), "It has to be StatementRef.")


def _sub_statement(value: Any, path: str) -> None:
    _object(value, path, _SUB_STATEMENT, required=("actor", "verb", "object"))
    _whole(value, path)


_OBJECTS: dict[str, Check] = {
    "Activity": _activity,
    "Agent": _agent,
    "Group": _group,
    "StatementRef": _statement_ref,
    "SubStatement": _sub_statement,
}


def _any_object(value: Any, path: str) -> None:
    kind = value.get("objectType", "Activity") if isinstance(value, dict) else "Activity"
    check = _OBJECTS.get(kind) if isinstance(kind, str) else None
    if check is None:
        raise InvalidStatement(_join(path, "objectType"), "There is no such type of object.")
    check(value, path)


def _inner_object(value: Any, path: str) -> None:
    if isinstance(value, dict) and value.get("objectType") == "SubStatement":
        raise InvalidStatement(path, "A sub-statement has no sub-statement.")
    _any_object(value, path)


# Result, context, attachments (2.4.5, 2.4.6, 2.4.11) -----------------------------------------------------------------


def _score(value: Any, path: str) -> None:
    _object(value, path, dict.fromkeys(("scaled", "raw", "min", "max"), _number))
    if not -1 <= value.get("scaled", 0) <= 1:
        raise InvalidStatement(_join(path, "scaled"), "It lies between -1 and 1.")
    low, high = value.get("min"), value.get("max")
    if low is not None and high is not None and low >= high:
        raise InvalidStatement(_join(path, "max"), "It is above min.")
    raw = value.get("raw")
    if raw is not None and ((low is not None and raw < low) or (high is not None and raw > high)):
        raise InvalidStatement(_join(path, "raw"), "It lies between min and max.")


def _result(value: Any, path: str) -> None:
    _object(value, path, _RESULT)


_RESULT: dict[str, Check] = {
    "score": _score,
    "success": _boolean,
    "completion": _boolean,
    "response": _text,
    "duration": _duration,
    "extensions": _extensions,
}


def _activity_or_list(value: Any, path: str) -> None:
    (_list_of(_activity) if isinstance(value, list) else _activity)(value, path)


def _context_activities(value: Any, path: str) -> None:
    _object(value, path, dict.fromkeys(("parent", "grouping", "category", "other"), _activity_or_list))


def _context(value: Any, path: str) -> None:
    _object(value, path, _CONTEXT)


_CONTEXT: dict[str, Check] = {
    "registration": _uuid,
    "instructor": _actor,
    "team": _group,
    "contextActivities": _context_activities,
    "revision": _text,
    "platform": _text,
    "language": _language,
    "statement": _statement_ref,
    "extensions": _extensions,
}


def _verb(value: Any, path: str) -> None:
    _object(value, path, {"id": _iri, "display": _language_map}, required=("id",))


def _whole_number(value: Any, path: str) -> None:
    _number(value, path)
    if not isinstance(value, int) or value < 0:
        raise InvalidStatement(path, "It has to be a whole number.")


def _attachment(value: Any, path: str) -> None:
    _object(value, path, _ATTACHMENT, required=("usageType", "display", "contentType", "length", "sha2"))


_ATTACHMENT: dict[str, Check] = {
    "usageType": _iri,
    "display": _language_map,
    "description": _language_map,
    "contentType": _matching(_MEDIA, "It has to be a media type."),
    "length": _whole_number,
    "sha2": _matching(_SHA2, "It has to be a SHA-2 in hexadecimal."),
    "fileUrl": _iri,
}
_SUB_STATEMENT: dict[str, Check] = {
    "objectType": _text,
    "actor": _actor,
    "verb": _verb,
    "object": _inner_object,
    "result": _result,
    "context": _context,
    "timestamp": _timestamp,
    "attachments": _list_of(_attachment),
}
_STATEMENT: dict[str, Check] = {
    "id": _uuid,
    "actor": _actor,
    "verb": _verb,
    "object": _any_object,
    "result": _result,
    "context": _context,
    "timestamp": _timestamp,
    "stored": _timestamp,
    "authority": _authority,
    "version": _matching(_VERSION, "It has to be 1.0 or 1.0.x."),
    "attachments": _list_of(_attachment),
}
