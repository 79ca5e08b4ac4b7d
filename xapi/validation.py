"""Whether a statement is one, by the rules of xAPI 1.0.3 (Part Two) or xAPI 2.0 (IEEE 9274.1.1).

Each object of the specification is a shape: its properties with their rules. ``checked`` answers with a copy in which
single context activities have become lists. Unknown properties, nulls and wrong types are refused everywhere except
inside extensions.
"""

import re
from collections.abc import Mapping
from typing import Any

from xapi import times, usual
from xapi.errors import InvalidStatement
from xapi.values import (
    Check,
    boolean,
    duration,
    extensions,
    iri,
    is_iri,
    is_uuid,
    language,
    language_map,
    list_of,
    matching,
    number,
    one_of,
    shape,
    text,
    timestamp,
    timestamp_of_two,
    uuid,
    whole_number,
    wrong,
)
from xapi.vocabulary import Verbs

__all__ = ["COMPONENT_LISTS", "IDENTIFIERS", "ONE", "TWO", "checked", "checked_agent", "is_iri", "is_uuid"]

ONE, TWO = "1.0.3", "2.0.0"
IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid", "account")
_MAILTO = re.compile(r"mailto:[^\s@\x00\ud800-\udfff]+@[^\s@\x00\ud800-\udfff]+")
_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_SHA2 = re.compile(r"[0-9a-fA-F]{56,128}")
_MEDIA = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(?:[ \t]*;[^\x00-\x1f\x7f\ud800-\udfff]*)?", re.ASCII)
_VERSIONS = {
    ONE: (re.compile(r"1\.0(\.\d+)?"), "It has to be 1.0 or 1.0.x."),
    TWO: (re.compile(r"[12]\.0(\.\d+)?"), "It has to be 1.0, 1.0.x, 2.0 or 2.0.x."),
}


def checked(statement: Any, version: str = ONE) -> dict[str, Any]:
    """A normalized copy of the statement. Raises InvalidStatement."""
    if not is_usual(statement):
        check_rules(statement, version)
    normal = _normalized(statement, version)
    normal.setdefault("version", "1.0.0" if version == ONE else TWO)
    return normal


def check_rules(statement: Any, version: str) -> None:
    """Raises InvalidStatement."""
    _STATEMENTS[version](statement)
    if statement["verb"]["id"] == Verbs.VOIDED.iri and statement["object"].get("objectType") != "StatementRef":
        wrong("A voiding statement has a StatementRef as its object.", "Part Two, 2.3.2", "object")


def is_usual(statement: Any) -> bool:
    """Whether it is right at first sight, in both versions; of others nothing is known yet."""
    try:
        if not usual.fits(statement) or statement["verb"]["id"] == Verbs.VOIDED.iri:
            return False
        if "timestamp" in statement:
            timestamp(statement["timestamp"])
        if "score" in statement.get("result", ()):
            _in_order(statement["result"]["score"])
    except (ValueError, InvalidStatement):  # half a pair of surrogates, or what no schema can say
        return False
    return True


def checked_agent(agent: Any) -> None:
    """An agent or group to search for. Raises InvalidStatement."""
    try:
        _actor(agent)
    except InvalidStatement as error:
        raise error.inside("agent") from None


def _normalized(statement: dict[str, Any], version: str) -> dict[str, Any]:
    """With lists of context activities, and times in UTC where the version asks for it."""
    normal = {**statement}
    context = normal.get("context")
    if context and "contextActivities" in context:
        lists = {
            kind: value if isinstance(value, list) else [value] for kind, value in context["contextActivities"].items()
        }
        normal["context"] = {**context, "contextActivities": lists}
    if version == TWO and "timestamp" in normal and not normal["timestamp"].endswith("Z"):
        normal["timestamp"] = times.written(times.parsed(normal["timestamp"]))
    if normal["object"].get("objectType") == "SubStatement":
        normal["object"] = _normalized(normal["object"], version)
    return normal


# Agents and groups (2.4.2) ------------------------------------------------------------------------------------------

_AGENT: dict[str, Check] = {
    "objectType": text,
    "name": text,
    "mbox": matching(_MAILTO, "It has to be a mailto IRI.", "Part Two, 2.4.2.3"),
    "mbox_sha1sum": matching(_SHA1, "It has to be a SHA-1 in hexadecimal.", "Part Two, 2.4.2.3"),
    "openid": iri,
    "account": shape({"homePage": iri, "name": text}, "Part Two, 2.4.2.4", required=("homePage", "name")),
}
_agent_shape = shape(_AGENT, "Part Two, 2.4.2.1")


def _agent(value: Any) -> None:
    """Exactly one identifier."""
    _agent_shape(value)
    if value.get("objectType", "Agent") != "Agent":
        wrong("It has to be Agent.", "Part Two, 2.4.2.1", "objectType")
    if _identified(value) == 0:
        wrong("An agent has one of mbox, mbox_sha1sum, openid and account.", "Part Two, 2.4.2.1")


def _identified(value: Mapping[str, Any]) -> int:
    count = sum(name in value for name in IDENTIFIERS)
    if count > 1:
        wrong("Only one of mbox, mbox_sha1sum, openid and account is allowed.", "Part Two, 2.4.2.3")
    return count


_group_shape = shape(_AGENT | {"member": list_of(_agent, "Part Two, 2.4.2.2")}, "Part Two, 2.4.2.2")


def _group(value: Any) -> None:
    _group_shape(value)
    if value.get("objectType") != "Group":
        wrong("It has to be Group.", "Part Two, 2.4.2.2", "objectType")
    if _identified(value) == 0 and not value.get("member"):
        wrong("A group without an identifier has members.", "Part Two, 2.4.2.2")


def _actor(value: Any) -> None:
    is_group = isinstance(value, dict) and value.get("objectType") == "Group"
    (_group if is_group else _agent)(value)


def _authority(value: Any) -> None:
    """An agent, or the two members of an OAuth consumer and its user."""
    _actor(value)
    if value.get("objectType") == "Group" and (_identified(value) or len(value["member"]) != 2):
        wrong("A group as authority has exactly two members and no identifier.", "Part Two, 2.4.9")


# Activities (2.4.4.1) -----------------------------------------------------------------------------------------------

_ACTIVITIES = "Part Two, 2.4.4.1"
_component_list = list_of(shape({"id": text, "description": language_map}, _ACTIVITIES, required=("id",)), _ACTIVITIES)


def _components(value: Any) -> None:
    _component_list(value)
    if len({component["id"] for component in value}) < len(value):
        wrong("Each id appears once.", _ACTIVITIES)


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
COMPONENT_LISTS = ("choices", "scale", "source", "target", "steps")
_definition_shape = shape(
    {
        "name": language_map,
        "description": language_map,
        "type": iri,
        "moreInfo": iri,
        "extensions": extensions,
        "interactionType": one_of(*_INTERACTIONS, section=_ACTIVITIES),
        "correctResponsesPattern": list_of(text, _ACTIVITIES),
        **dict.fromkeys(COMPONENT_LISTS, _components),
    },
    _ACTIVITIES,
)


def _definition(value: Any) -> None:
    _definition_shape(value)
    kind = value.get("interactionType")
    lists = [name for name in COMPONENT_LISTS if name in value]
    if kind is None:
        if lists or "correctResponsesPattern" in value:
            wrong("It is missing.", _ACTIVITIES, "interactionType")
        return
    for name in lists:
        if name not in _INTERACTIONS[kind]:
            wrong("It does not belong to this kind of interaction.", _ACTIVITIES, name)


_activity = shape(
    {"objectType": one_of("Activity", section=_ACTIVITIES), "id": iri, "definition": _definition},
    _ACTIVITIES,
    required=("id",),
)
_statement_ref = shape(
    {"objectType": one_of("StatementRef", section="Part Two, 2.4.4.3"), "id": uuid},
    "Part Two, 2.4.4.3",
    required=("objectType", "id"),
)


# Result, context, attachments (2.4.5, 2.4.6, 2.4.11) -----------------------------------------------------------------

_score_shape = shape(dict.fromkeys(("scaled", "raw", "min", "max"), number), "Part Two, 2.4.5.1")


def _score(value: Any) -> None:
    _score_shape(value)
    _in_order(value)


def _in_order(value: dict[str, Any]) -> None:
    if not -1 <= value.get("scaled", 0) <= 1:
        wrong("It lies between -1 and 1.", "Part Two, 2.4.5.1", "scaled")
    low, high = value.get("min"), value.get("max")
    if low is not None and high is not None and low >= high:
        wrong("It is above min.", "Part Two, 2.4.5.1", "max")
    raw = value.get("raw")
    if raw is not None and ((low is not None and raw < low) or (high is not None and raw > high)):
        wrong("It lies between min and max.", "Part Two, 2.4.5.1", "raw")


_result = shape(
    {
        "score": _score,
        "success": boolean,
        "completion": boolean,
        "response": text,
        "duration": duration,
        "extensions": extensions,
    },
    "Part Two, 2.4.5",
)
_activity_list = list_of(_activity, "Part Two, 2.4.6.2")


def _activity_or_list(value: Any) -> None:
    (_activity_list if isinstance(value, list) else _activity)(value)


_CONTEXT: dict[str, Check] = {
    "registration": uuid,
    "instructor": _actor,
    "team": _group,
    "contextActivities": shape(
        dict.fromkeys(("parent", "grouping", "category", "other"), _activity_or_list), "Part Two, 2.4.6.2"
    ),
    "revision": text,
    "platform": text,
    "language": language,
    "statement": _statement_ref,
    "extensions": extensions,
}
_NEW_IN_TWO = "xAPI 2.0, 4.2.2.5"
_relevant_list = list_of(iri, _NEW_IN_TWO)


def _relevant_types(value: Any) -> None:
    _relevant_list(value)
    if not value:
        wrong("It is not empty.", _NEW_IN_TWO)


def _also_there(kind: str, name: str, check: Check) -> Check:
    """A list of the agents or groups that a statement of 2.0 has in its context besides."""
    rules = {"objectType": one_of(kind, section=_NEW_IN_TWO), name: check, "relevantTypes": _relevant_types}
    return list_of(shape(rules, _NEW_IN_TWO, required=("objectType", name)), _NEW_IN_TWO)


_CONTEXTS = {
    ONE: _CONTEXT,
    TWO: _CONTEXT
    | {
        "contextAgents": _also_there("contextAgent", "agent", _agent),
        "contextGroups": _also_there("contextGroup", "group", _group),
    },
}
_attachments = list_of(
    shape(
        {
            "usageType": iri,
            "display": language_map,
            "description": language_map,
            "contentType": matching(_MEDIA, "It has to be a media type.", "Part Two, 2.4.11"),
            "length": whole_number,
            "sha2": matching(_SHA2, "It has to be a SHA-2 in hexadecimal.", "Part Two, 2.4.11"),
            "fileUrl": iri,
        },
        "Part Two, 2.4.11",
        required=("usageType", "display", "contentType", "length", "sha2"),
    ),
    "Part Two, 2.4.11",
)

# Statements and sub-statements (2.4, 2.4.4.3) -----------------------------------------------------------------------

_verb = shape({"id": iri, "display": language_map}, "Part Two, 2.4.3", required=("id",))
_PARTS = ("actor", "verb", "object")


def _statements(version: str) -> Check:
    """The rule for whole statements of this version."""
    time = timestamp if version == ONE else timestamp_of_two
    rules: dict[str, Check] = {
        "actor": _actor,
        "verb": _verb,
        "result": _result,
        "context": shape(_CONTEXTS[version], "Part Two, 2.4.6"),
        "timestamp": time,
        "attachments": _attachments,
    }
    inner: dict[str, Check] = {
        "Activity": _activity,
        "Agent": _agent,
        "Group": _group,
        "StatementRef": _statement_ref,
    }
    sub_statement = shape(rules | {"objectType": text, "object": _object(inner)}, "Part Two, 2.4.4.3", required=_PARTS)
    whole = rules | {
        "id": uuid,
        "object": _object(inner | {"SubStatement": _with_whole_rules(sub_statement)}),
        "stored": time,
        "authority": _authority,
        "version": matching(*_VERSIONS[version], "Part Two, 2.4.10"),
    }
    return _with_whole_rules(shape(whole, "Part Two, 2.4", required=_PARTS))


def _object(kinds: Mapping[str, Check]) -> Check:
    def check(value: Any) -> None:
        kind = value.get("objectType", "Activity") if isinstance(value, dict) else "Activity"
        rule = kinds.get(kind) if isinstance(kind, str) else None
        if rule is None:
            wrong(f"It has to be {', '.join(kinds)}.", "Part Two, 2.4.4", "objectType")
        rule(value)

    return check


def _with_whole_rules(check: Check) -> Check:
    """With what needs more than one property of a statement or sub-statement."""

    def check_whole(value: Any) -> None:
        check(value)
        if "context" in value and value["object"].get("objectType", "Activity") != "Activity":
            for name in ("revision", "platform"):
                if name in value["context"]:
                    wrong("It is allowed only when the object is an activity.", "Part Two, 2.4.6", f"context.{name}")

    return check_whole


_STATEMENTS = {version: _statements(version) for version in (ONE, TWO)}
