"""An xAPI Profile (xAPI Profile Specification 1.0): which templates a statement follows, and which pattern a life.

``read`` makes one from its document. Sections named here are those of the specification: Two is about the structure of
profiles, Three about processing them.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from xapi import times
from xapi.errors import NotOfProfile
from xapi.jsonpath import Path, parsed, values

Statement = dict[str, Any]
Finder = Callable[[str], Statement | None]  # of a statement by its id; none where it is not to be had
Life = tuple[str | None, str | None]  # registration, subregistration

SUBREGISTRATION = "https://w3id.org/xapi/profiles/extensions/subregistration"
CONTEXTS = {
    "contextCategoryActivityType": "category",
    "contextGroupingActivityType": "grouping",
    "contextOtherActivityType": "other",
    "contextParentActivityType": "parent",
}
OPERATORS = ("alternates", "optional", "oneOrMore", "sequence", "zeroOrMore")


@dataclass(frozen=True)
class Rule:
    """What has to be, or must not be, at a place in the statement (Two, 8.1)."""

    place: str
    location: Path
    selector: Path | None
    presence: str | None
    any: list[Any] | None
    all: list[Any] | None
    none: list[Any] | None


@dataclass(frozen=True)
class Template:
    """Two, 8.0. ``contexts`` are the types that the context activities of each kind have to include."""

    id: str
    verb: str | None
    object_type: str | None
    contexts: Mapping[str, frozenset[str]]
    usages: frozenset[str]
    object_templates: frozenset[str]
    context_templates: frozenset[str]
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Pattern:
    """Two, 9.0. ``parts`` are ids of templates and patterns; ``operator`` says how they are put together."""

    id: str
    is_primary: bool
    operator: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Profile:
    id: str
    version: str
    extensions: Mapping[str, str]  # its own, by key: the kind
    templates: Mapping[str, Template]
    patterns: Mapping[str, Pattern]


def read(document: Mapping[str, Any]) -> Profile:
    """The newest version that the document describes: the one its concepts, templates and patterns are in."""
    newest = max(document["versions"], key=lambda version: version["generatedAtTime"])
    return Profile(
        document["id"],
        newest["id"],
        {each["id"]: each["type"] for each in document.get("concepts", ()) if each["type"].endswith("Extension")},
        {each["id"]: _template(each) for each in document.get("templates", ())},
        {each["id"]: _pattern(each) for each in document.get("patterns", ())},
    )


def _template(said: Mapping[str, Any]) -> Template:
    return Template(
        said["id"],
        said.get("verb"),
        said.get("objectActivityType"),
        {kind: frozenset(said[name]) for name, kind in CONTEXTS.items() if name in said},
        frozenset(said.get("attachmentUsageType", ())),
        frozenset(said.get("objectStatementRefTemplate", ())),
        frozenset(said.get("contextStatementRefTemplate", ())),
        tuple(_rule(each) for each in said.get("rules", ())),
    )


def _rule(said: Mapping[str, Any]) -> Rule:
    return Rule(
        said["location"],
        parsed(said["location"]),
        parsed(said["selector"]) if "selector" in said else None,
        *(said.get(name) for name in ("presence", "any", "all", "none")),
    )


def _pattern(said: Mapping[str, Any]) -> Pattern:
    operator = next(name for name in OPERATORS if name in said)
    parts = said[operator]
    return Pattern(
        said["id"], said.get("primary", False), operator, (parts,) if isinstance(parts, str) else tuple(parts)
    )


# Templates (Three, 2.1) ---------------------------------------------------------------------------------------------


def check(profile: Profile, statement: Statement, find: Finder = lambda _: None) -> list[str]:
    """The ids of the templates that the statement follows. Raises NotOfProfile with all that is wrong."""
    matching = templates_of(profile, statement)
    wrong = [] if _names(profile, statement) else [f"context.contextActivities.category: has to name {profile.version}"]
    if not matching:
        wrong.append("verb and object: no template describes a statement with these")
    wrong += _misplaced(profile, statement)
    for template in matching:
        wrong += [f"{problem} ({template.id})" for problem in problems(profile, template, statement, find)]
    if wrong:
        raise NotOfProfile(wrong)
    return [template.id for template in matching]


def templates_of(profile: Profile, statement: Statement) -> list[Template]:
    """Those whose determining properties the statement has; it then has to follow the rules of each."""
    return [each for each in profile.templates.values() if _is_determined(each, statement)]


def _is_determined(template: Template, statement: Statement) -> bool:
    if template.verb not in (None, statement["verb"]["id"]):
        return False
    if template.object_type is not None and template.object_type != _type(statement["object"]):
        return False
    for kind, types in template.contexts.items():
        if not types <= {_type(activity) for activity in _context_activities(statement, kind)}:
            return False
    return template.usages <= {each.get("usageType") for each in statement.get("attachments", ())}


def problems(profile: Profile, template: Template, statement: Statement, find: Finder) -> list[str]:
    """What the statement does not keep of the template, each with its place."""
    context = statement.get("context", {})
    wrong = []
    for name, thing, wanted in (
        ("object", statement["object"], template.object_templates),
        ("context.statement", context.get("statement", {}), template.context_templates),
    ):
        if wanted and not _refers(profile, thing, wanted, find):
            wrong.append(f"{name}: has to refer to a statement that follows {' or '.join(sorted(wanted))}")
    for rule in template.rules:
        problem = _problem(rule, statement)
        if problem:
            wrong.append(f"{rule.place}: {problem}")
    return wrong


def _refers(profile: Profile, thing: Statement, wanted: Collection[str], find: Finder) -> bool:
    if thing.get("objectType") != "StatementRef":
        return False
    other = find(thing["id"])
    if other is None:
        return True  # it is not here to be looked at
    try:
        return not set(check(profile, other, find)).isdisjoint(wanted)
    except NotOfProfile:
        return False


_UNMATCHABLE = object()  # where a location is, and its selector finds nothing


def _problem(rule: Rule, statement: Statement) -> str:
    """Why the rule is not kept; empty when it is."""
    found = values(rule.location, statement)
    if rule.selector is not None:
        found = [each for value in found for each in (values(rule.selector, value) or [_UNMATCHABLE])]
    matchable = [value for value in found if value is not _UNMATCHABLE]
    if rule.presence == "excluded":
        return "must not be there" if matchable else ""
    if rule.presence == "included" and (not matchable or len(matchable) < len(found)):
        return "has to be there"
    if rule.presence == "recommended" and not matchable:
        return ""
    if rule.any is not None and not any(_is_among(value, rule.any) for value in matchable):
        return f"one has to be of {rule.any}"
    if rule.all is not None and not all(_is_among(value, rule.all) for value in found):
        return f"each has to be of {rule.all}"
    if rule.none is not None and any(_is_among(value, rule.none) for value in matchable):
        return f"none may be of {rule.none}"
    return ""


def _is_among(value: object, listed: list[Any]) -> bool:
    """As JSON compares: true is not 1."""
    return any(each == value and isinstance(each, bool) == isinstance(value, bool) for each in listed)


def _misplaced(profile: Profile, statement: Statement) -> Iterator[str]:
    """Extensions of the profile that stand where those of another kind belong (Two, 7.2)."""
    for name, kind in (("context", "ContextExtension"), ("result", "ResultExtension")):
        for key in statement.get(name, {}).get("extensions", {}):
            if profile.extensions.get(key, kind) != kind:
                yield f"{name}.extensions['{key}']: this is a {profile.extensions[key]}"


def _names(profile: Profile, statement: Statement) -> bool:
    return any(each["id"] == profile.version for each in _context_activities(statement, "category"))


def _type(activity: Statement) -> str | None:
    kind: str | None = activity.get("definition", {}).get("type")
    return kind


def _context_activities(statement: Statement, kind: str) -> list[Statement]:
    found = statement.get("context", {}).get("contextActivities", {}).get(kind, [])
    return found if isinstance(found, list) else [found]


# Patterns (Three, 2.2) ----------------------------------------------------------------------------------------------

SUCCESS, PARTIAL, FAILURE = "success", "partial", "failure"
Followed = Sequence[Collection[str]]  # the templates that each statement follows, in order of time
Outcome = tuple[str, Followed]  # and what is left over


def lives(profile: Profile, statements: Iterable[Statement]) -> dict[Life, list[Statement]]:
    """Those that name the profile, by what ties them together, each in order of time (Two, 9.0).

    What happened at the same moment comes as it was stored.
    """
    found: dict[Life, list[Statement]] = {}
    for statement in sorted(statements, key=_moment):
        if _names(profile, statement):
            context = statement.get("context", {})
            parts = context.get("extensions", {}).get(SUBREGISTRATION, ())
            part = next((each["subregistration"] for each in parts if each["profile"] == profile.version), None)
            found.setdefault((context.get("registration"), part), []).append(statement)
    return found


def _moment(statement: Statement) -> tuple[datetime, datetime]:
    happened: str = statement["timestamp"]
    stored: str = statement.get("stored", happened)
    return times.parsed(happened), times.parsed(stored)


def follows(profile: Profile, statements: Iterable[Statement], find: Finder = lambda _: None) -> list[str]:
    """The primary patterns that these statements of one life follow, all of them, in order of time.

    Raises NotOfProfile when one of them follows no template.
    """
    followed = [check(profile, statement, find) for statement in statements]
    primary = [pattern for pattern in profile.patterns.values() if pattern.is_primary]
    return [pattern.id for pattern in primary if match(profile, pattern.id, followed) == (SUCCESS, [])]


def match(profile: Profile, part: str, followed: Followed) -> Outcome:
    """How far the pattern or template goes: greedy, and without looking back.

    PARTIAL: the statements came to an end within the pattern, or it could go on.
    """
    pattern = profile.patterns.get(part)
    if pattern is not None:
        return _MATCHERS[pattern.operator](profile, pattern.parts, followed)
    if not followed:
        return PARTIAL, []
    return (SUCCESS, followed[1:]) if part in followed[0] else (FAILURE, followed)


def _sequence(profile: Profile, parts: Sequence[str], followed: Followed) -> Outcome:
    left = followed
    for part in parts:
        outcome, left = match(profile, part, left)
        if outcome == FAILURE:
            return FAILURE, followed
        if outcome == PARTIAL:
            return PARTIAL, []
    return SUCCESS, left


def _alternates(profile: Profile, parts: Sequence[str], followed: Followed) -> Outcome:
    found = [match(profile, part, followed) for part in parts]
    ended = [left for outcome, left in found if outcome == SUCCESS]
    if ended:
        return SUCCESS, min(ended, key=len)
    return (PARTIAL, []) if any(outcome == PARTIAL for outcome, _ in found) else (FAILURE, followed)


def _optional(profile: Profile, parts: Sequence[str], followed: Followed) -> Outcome:
    if not followed:
        return SUCCESS, []
    outcome, left = match(profile, parts[0], followed)
    return (SUCCESS, followed) if outcome == FAILURE else (outcome, left)


def _zero_or_more(profile: Profile, parts: Sequence[str], followed: Followed) -> Outcome:
    while followed:
        outcome, left = match(profile, parts[0], followed)
        if outcome == FAILURE or len(left) == len(followed):
            return SUCCESS, followed
        if outcome == PARTIAL and left:
            return PARTIAL, left
        followed = left
    return SUCCESS, []


def _one_or_more(profile: Profile, parts: Sequence[str], followed: Followed) -> Outcome:
    outcome, left = match(profile, parts[0], followed)
    while outcome == SUCCESS:
        again, rest = match(profile, parts[0], left)
        if again == PARTIAL and left:
            return PARTIAL, left
        if again != SUCCESS or len(rest) == len(left):
            return SUCCESS, left
        left = rest
    return outcome, left


_MATCHERS: Mapping[str, Callable[[Profile, Sequence[str], Followed], Outcome]] = {
    "sequence": _sequence,
    "alternates": _alternates,
    "optional": _optional,
    "zeroOrMore": _zero_or_more,
    "oneOrMore": _one_or_more,
}
