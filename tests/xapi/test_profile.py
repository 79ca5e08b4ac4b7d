"""Profiles: paths, rules and patterns by the specification, and our own document by its structure (Part Two)."""

import json
import re

import pytest

from lti_mentor import shipped
from xapi import jsonpath, profile
from xapi.errors import InvalidPath, NotOfProfile
from xapi.vocabulary import PROFILE, PROFILE_VERSION, Activities, Extensions, Verbs

STATEMENT = {
    "id": "fd41c918-b88b-4b20-a0a5-a4c32391aaa0",
    "timestamp": "2026-05-01T10:00:00Z",
    "verb": {"id": "https://example.org/verbs/placed"},
    "object": {"id": "https://example.org/races/1", "definition": {"type": "https://example.org/types/race"}},
    "result": {"success": True, "extensions": {"https://example.org/place": 1, "it's": 2}},
    "context": {
        "contextActivities": {
            "category": [{"id": "https://example.org/profile/v1"}],
            "grouping": [
                {"id": "https://example.org/a", "definition": {"type": "https://example.org/types/cup"}},
                {"id": "https://example.org/b"},
            ],
            "other": {"id": "https://example.org/c"},
        }
    },
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$.verb.id", ["https://example.org/verbs/placed"]),
        ("verb.id", ["https://example.org/verbs/placed"]),
        ("$['verb']['id']", ["https://example.org/verbs/placed"]),
        ("$.result.extensions['https://example.org/place']", [1]),
        ('$.result.extensions["https://example.org/place"]', [1]),
        (r"$.result.extensions['it\'s']", [2]),
        ("$.result.extensions['https://example.org/place', 'it\\'s']", [1, 2]),
        ("$.result.extensions.*", [1, 2]),
        ("$.context.contextActivities.grouping[*].id", ["https://example.org/a", "https://example.org/b"]),
        ("$.context.contextActivities.grouping.*.definition.type", ["https://example.org/types/cup"]),
        ("$.context.contextActivities.grouping[1].id", ["https://example.org/b"]),
        ("$.context.contextActivities.grouping[0,1].id", ["https://example.org/a", "https://example.org/b"]),
        ("$.context.contextActivities.grouping[7].id", []),
        ("$.context.contextActivities['grouping','other'][*].definition.type", ["https://example.org/types/cup"]),
        ("$.result.success | $.result.score | $.verb.id", [True, "https://example.org/verbs/placed"]),
        ("$.context..type", ["https://example.org/types/cup"]),
        ("$", [STATEMENT]),
        ("$.nothing.at.all", []),
    ],
)
def test_a_path_finds(path, found):
    assert jsonpath.values(jsonpath.parsed(path), STATEMENT) == found


@pytest.mark.parametrize(
    "path",
    ["$.a[?(@.b)]", "$.a[(@.length-1)]", "$.a[-1]", "$.a[0:2]", "$.a[b]", "$.a[0 1]", "$.a['b]", "$.a | ", "$ a", "$."],
)
def test_what_profiles_must_not_use_is_no_path(path):
    with pytest.raises(InvalidPath):
        jsonpath.parsed(path)


def document(*rules, **more):
    template = {"id": "t", "verb": "https://example.org/verbs/placed", "rules": list(rules), **more}
    version = {"id": "https://example.org/profile/v1", "generatedAtTime": "2026-01-01T00:00:00Z"}
    return {"id": "https://example.org/profile", "versions": [version], "templates": [template]}


def problems(*rules, statement=STATEMENT, find=lambda _: None, **more):
    try:
        assert profile.check(profile.read(document(*rules, **more)), statement, find) == ["t"]
    except NotOfProfile as error:
        return error.problems
    return []


PLACE = "$.result.extensions['https://example.org/place']"
TYPES = {"location": "$.context.contextActivities.grouping[*]", "selector": "$.definition.type"}


@pytest.mark.parametrize(
    "rule",
    [
        {"location": PLACE, "presence": "included"},
        {"location": PLACE, "all": [1, 2]},
        {"location": PLACE, "any": [1, 2], "presence": "included"},
        {"location": PLACE, "none": [2, 3]},
        {"location": "$.result.score", "presence": "excluded"},
        {"location": "$.result.score", "presence": "excluded", "any": [1]},
        {"location": "$.result.score.raw", "presence": "recommended", "all": [1]},
        {"location": "$.result.score.raw", "all": [1]},
        {**TYPES, "any": ["https://example.org/types/cup"]},
        {**TYPES, "none": ["https://example.org/types/race"]},
        {"location": "$.result", "selector": "$.score", "presence": "excluded"},
    ],
)
def test_a_statement_keeps_a_rule(rule):
    assert problems(rule) == []


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"location": "$.result.score", "presence": "included"}, "has to be there"),
        ({"location": "$.result.success", "presence": "excluded"}, "must not be there"),
        ({"location": PLACE, "any": [2, 3]}, "one has to be of [2, 3]"),
        ({"location": PLACE, "all": [2, 3]}, "each has to be of [2, 3]"),
        ({"location": PLACE, "none": [1, 2]}, "none may be of [1, 2]"),
        ({"location": "$.result.success", "all": [1]}, "each has to be of [1]"),
        ({"location": "$.result.score.raw", "any": [1]}, "one has to be of [1]"),
        ({"location": PLACE, "presence": "recommended", "all": [2]}, "each has to be of [2]"),
        ({**TYPES, "presence": "included"}, "has to be there"),
        ({**TYPES, "all": ["https://example.org/types/cup"]}, "each has to be of ['https://example.org/types/cup']"),
    ],
)
def test_a_statement_breaks_a_rule_and_is_told_where(rule, problem):
    assert problems(rule) == [f"{rule['location']}: {problem} (t)"]


@pytest.mark.parametrize(
    "properties",
    [
        {"verb": "https://example.org/verbs/started"},
        {"objectActivityType": "https://example.org/types/cup"},
        {"contextGroupingActivityType": ["https://example.org/types/cup", "https://example.org/types/race"]},
        {"contextOtherActivityType": ["https://example.org/types/cup"]},
        {"attachmentUsageType": ["https://example.org/usages/photo"]},
    ],
)
def test_a_statement_without_the_determining_properties_follows_no_template(properties):
    assert problems(**properties) == ["verb and object: no template describes a statement with these"]


def test_a_statement_has_to_name_the_version_of_the_profile():
    stranger = {**STATEMENT, "context": {}}
    assert problems(statement=stranger) == [
        "context.contextActivities.category: has to name https://example.org/profile/v1"
    ]


def test_a_reference_has_to_lead_to_a_statement_of_the_right_template():
    other = {**STATEMENT, "id": "0ec1ba6b-7d02-4a33-a0a5-a4c32391aaa0"}
    about = {**STATEMENT, "object": {"objectType": "StatementRef", "id": other["id"]}}
    find = {other["id"]: other}.get
    wrong = "object: has to refer to a statement that follows"
    assert problems(objectStatementRefTemplate=["t"]) == [f"{wrong} t (t)"]
    assert problems(statement=about, objectStatementRefTemplate=["t"]) == []  # not there to be looked at
    assert problems(statement=about, objectStatementRefTemplate=["u"], find=find) == [f"{wrong} u (t)"]
    said = profile.read(
        {
            **document(),
            "templates": [
                {"id": "t", "objectActivityType": "https://example.org/types/race"},
                {"id": "u", "verb": "https://example.org/verbs/corrected", "objectStatementRefTemplate": ["t"]},
            ],
        }
    )
    corrected = {**about, "verb": {"id": "https://example.org/verbs/corrected"}}
    assert profile.check(said, corrected, find) == ["u"]


def test_an_extension_stands_only_where_its_kind_belongs():
    concept = {"id": "https://example.org/place", "type": "ContextExtension"}
    with pytest.raises(NotOfProfile, match="this is a ContextExtension"):
        profile.check(profile.read({**document(), "concepts": [concept]}), STATEMENT)


PATTERNS = [
    {"id": "race", "primary": True, "sequence": ["start", "laps", "perhaps-photo", "end"]},
    {"id": "laps", "oneOrMore": "lap-or-fall"},
    {"id": "lap-or-fall", "alternates": ["lap", "fall"]},
    {"id": "fall", "sequence": ["fell", "stood"]},
    {"id": "perhaps-photo", "optional": "photo"},
    {"id": "end", "zeroOrMore": "cheer"},
]


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("start lap", ("success", [])),
        ("start lap lap fell stood lap photo cheer cheer", ("success", [])),
        ("start lap photo photo", ("success", [["photo"]])),
        ("start", ("partial", [])),
        ("", ("partial", [])),
        ("start fell", ("partial", [])),
        ("start photo", ("failure", [["start"], ["photo"]])),
        ("lap", ("failure", [["lap"]])),
    ],
)
def test_a_pattern_is_matched_greedily(said, outcome):
    known = profile.read({**document(), "patterns": PATTERNS})
    assert profile.match(known, "race", [[each] for each in said.split()]) == outcome


def test_what_happened_at_the_same_moment_comes_as_it_was_stored():
    known = profile.read(document())
    second, first = ({**STATEMENT, "stored": f"2026-05-01T10:00:0{number}Z"} for number in (2, 1))
    earlier = {**STATEMENT, "timestamp": "2026-05-01T11:59:59+02:00"}
    stranger = {**STATEMENT, "context": {}}
    assert profile.lives(known, [second, stranger, first, earlier]) == {(None, None): [earlier, first, second]}


# Our own document ---------------------------------------------------------------------------------------------------

OURS = json.loads((shipped.folder("config") / "profile.jsonld").read_text(encoding="utf-8"))
KINDS = ("concepts", "templates", "patterns")
EVERYTHING = [thing for kind in KINDS for thing in OURS[kind]]


def is_iri(value):
    return isinstance(value, str) and re.fullmatch(r"https?://[^\s<>\"{}|\\^`]+", value) is not None


def are_iris(value):
    return isinstance(value, list) and value != [] and len(set(value)) == len(value) and all(map(is_iri, value))


def is_language_map(value):
    return isinstance(value, dict) and value.get("en", "").strip() != "" and all(map(str.strip, value.values()))


def is_schema(value):
    return isinstance(value, str) and "type" in json.loads(value)


def is_flag(value):
    return isinstance(value, bool)


def are_rules(value):
    return isinstance(value, list) and value != [] and all(map(is_rule, value))


def is_rule(rule):
    jsonpath.parsed(rule["location"])
    conditions = rule.keys() & {"presence", "any", "all", "none"}
    lists = [rule[name] for name in conditions - {"presence"}]
    return (
        conditions != set()
        and rule.keys() <= {"location", "selector", "presence", "any", "all", "none", "scopeNote"}
        and rule.get("presence", "included") in ("included", "excluded", "recommended")
        and all(listed and not any(isinstance(each, (dict, list)) for each in listed) for listed in lists)
        and is_language_map(rule.get("scopeNote", {"en": "none"}))
    )


LABELS = {"prefLabel": is_language_map, "definition": is_language_map}
MATCHES = ("broader", "broadMatch", "narrower", "narrowMatch", "relatedMatch", "exactMatch")
SIMPLE = (LABELS, dict.fromkeys(MATCHES, are_iris))  # Two, 7.1
EXTENSION = (LABELS, {"recommendedVerbs": are_iris, "inlineSchema": is_schema})  # Two, 7.2; ``schema`` is not used
TEMPLATE = (  # Two, 8.0
    LABELS,
    {
        "verb": is_iri,
        "objectActivityType": is_iri,
        **dict.fromkeys(profile.CONTEXTS, are_iris),
        "attachmentUsageType": are_iris,
        "objectStatementRefTemplate": are_iris,
        "contextStatementRefTemplate": are_iris,
        "rules": are_rules,
    },
)
PATTERN = (  # Two, 9.0
    {},
    {
        **LABELS,
        "primary": is_flag,
        **dict.fromkeys(("alternates", "sequence"), are_iris),
        **dict.fromkeys(("optional", "oneOrMore", "zeroOrMore"), is_iri),
    },
)
BY_TYPE = {  # required and optional properties beside id, type, inScheme
    "Verb": SIMPLE,
    "ActivityType": SIMPLE,
    "ContextExtension": EXTENSION,
    "ResultExtension": EXTENSION,
    "StatementTemplate": TEMPLATE,
    "Pattern": PATTERN,
}


def test_the_document_says_what_it_is():
    assert OURS["@context"] == "https://w3id.org/xapi/profiles/context"
    assert OURS["conformsTo"] == "https://w3id.org/xapi/profiles#1.0"
    assert (OURS["type"], OURS["id"]) == ("Profile", PROFILE)
    assert is_language_map(OURS["prefLabel"])
    assert is_language_map(OURS["definition"])
    assert OURS["author"]["type"] == "Organization"
    assert OURS["author"]["name"]
    assert OURS.keys() == {"@context", "id", "type", "conformsTo", "author", "versions", *LABELS, *KINDS}


def test_its_versions_have_ids_of_their_own_and_follow_one_another():
    ids = [version["id"] for version in OURS["versions"]]
    assert len({*ids, PROFILE}) == len(ids) + 1
    for version in OURS["versions"]:
        assert is_iri(version["id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", version["generatedAtTime"])
    in_time = sorted(OURS["versions"], key=lambda version: version["generatedAtTime"])
    assert all(set(version["wasRevisionOf"]) <= set(ids) for version in in_time[1:])
    assert profile.read(OURS).version == PROFILE_VERSION == in_time[-1]["id"]


def test_each_thing_has_what_its_kind_requires_and_nothing_else():
    for thing in EVERYTHING:
        required, optional = BY_TYPE[thing["type"]]
        assert is_iri(thing["id"])
        assert thing["inScheme"] == PROFILE_VERSION, thing["id"]
        properties = {name: value for name, value in thing.items() if name not in ("id", "type", "inScheme")}
        assert required.keys() <= properties.keys() <= required.keys() | optional.keys(), thing["id"]
        for name, value in properties.items():
            assert {**required, **optional}[name](value), (thing["id"], name)


def test_ids_are_unique_and_those_of_our_own_things_below_the_profile():
    ids = [thing["id"] for thing in EVERYTHING]
    assert len(set(ids)) == len(ids)
    assert all(thing["id"].startswith(f"{PROFILE}/templates/") for thing in OURS["templates"])
    assert all(thing["id"].startswith(f"{PROFILE}/patterns/") for thing in OURS["patterns"])


def test_templates_lead_to_what_exists():
    known = {term.iri for group in (Verbs, Activities) for term in vars(group).values() if hasattr(term, "iri")}
    templates = {template["id"] for template in OURS["templates"]}
    for template in OURS["templates"]:
        assert not ("objectActivityType" in template and "objectStatementRefTemplate" in template)
        assert {template["verb"], template.get("objectActivityType", template["verb"])} <= known
        assert {type_ for name in profile.CONTEXTS for type_ in template.get(name, ())} <= known
        assert set(template.get("objectStatementRefTemplate", ())) <= templates
    kinds = {concept["id"]: concept["type"] for concept in OURS["concepts"]}
    verbs = {verb for concept in OURS["concepts"] for verb in concept.get("recommendedVerbs", ())}
    assert verbs <= known
    extensions = {term.iri for term in vars(Extensions).values() if hasattr(term, "iri")}
    for template in OURS["templates"]:
        for rule in template["rules"]:
            for where, iri in re.findall(r"\$\.(context|result)\.extensions\['([^']+)'\]", rule["location"]):
                assert iri in extensions
                assert kinds.get(iri, f"{where.title()}Extension") == f"{where.title()}Extension"


def test_patterns_are_put_together_as_the_specification_wants():
    patterns = {pattern["id"]: pattern for pattern in OURS["patterns"]}
    templates = {template["id"] for template in OURS["templates"]}

    def parts(pattern):
        (name,) = pattern.keys() & set(profile.OPERATORS)
        return name, [pattern[name]] if isinstance(pattern[name], str) else pattern[name]

    def below(pattern):
        for part in parts(pattern)[1]:
            if part in patterns:
                yield part
                yield from below(patterns[part])  # one within itself would never end

    for pattern in patterns.values():
        operator, inside = parts(pattern)
        assert set(inside) <= templates | patterns.keys(), pattern["id"]
        assert operator not in ("alternates", "sequence") or len(inside) > 1
        if operator == "alternates":
            assert all(not patterns[part].keys() & {"optional", "zeroOrMore"} for part in inside if part in patterns)
        assert not pattern.get("primary") or pattern.keys() >= LABELS.keys()
    primary = [pattern["id"] for pattern in patterns.values() if pattern.get("primary")]
    used = {part for each in primary for part in below(patterns[each])}
    assert used | set(primary) == patterns.keys()


def test_what_is_ours_in_the_vocabulary_is_described():
    described = {concept["id"]: concept["prefLabel"]["en"] for concept in OURS["concepts"]}
    for group in (Verbs, Activities, Extensions):
        for term in vars(group).values():
            if hasattr(term, "iri") and term.iri.startswith(PROFILE):
                assert described[term.iri] == term.display
