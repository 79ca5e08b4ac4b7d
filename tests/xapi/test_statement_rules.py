"""The rules of a statement, by the ids of the xAPI LRS conformance requirements: what breaks one, and where that is.

Rules of 2.0 that have no such id stand under the number of their section in IEEE 9274.1.1.
"""

import copy

import pytest

from xapi.errors import InvalidStatement
from xapi.validation import ONE, TWO, checked

UUID = "7f0c2f0e-3c1d-4a56-9e8a-0d8e6f7c1b2a"
EXAM = "https://lms.example.org/exams/security"
VERB = {"id": "http://adlnet.gov/expapi/verbs/scored"}
ANN = {"objectType": "Agent", "mbox": "mailto:ann@example.org"}
BEN = {"objectType": "Agent", "account": {"homePage": "https://lms.example.org", "name": "ben"}}
PAIR = {"objectType": "Group", "member": [ANN, BEN]}
CLASS = {"objectType": "Group", "mbox": "mailto:class@example.org"}
BASE = {"actor": ANN, "verb": VERB, "object": {"id": EXAM}}
REFERENCE = {"objectType": "StatementRef", "id": UUID}
SUB = {"objectType": "SubStatement", **BASE}
FILE = {
    "usageType": "https://lms.example.org/certificate",
    "display": {"en": "Certificate"},
    "contentType": "application/pdf",
    "length": 4,
    "sha2": "a" * 64,
    "fileUrl": "https://lms.example.org/certificate.pdf",
}
CONTEXT_AGENT = {"objectType": "contextAgent", "agent": BEN, "relevantTypes": ["https://lms.example.org/tutor"]}
CONTEXT_GROUP = {"objectType": "contextGroup", "group": PAIR, "relevantTypes": ["https://lms.example.org/tutor"]}


def with_part(path, value, base=BASE):
    """The statement with this part; ``...`` takes it out."""
    body = place = copy.deepcopy(base)
    *parents, last = path.split("/")
    for name in parents:
        place = place.setdefault(name, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return body


TAKEN = [
    ("XAPI-00002", "result/score/raw", 0.1234567),
    ("XAPI-00013", "verb/display", {"de": "erreichte", "sr-Latn-RS": "postigao", "zh-cmn-Hans-CN": "得分"}),
    ("XAPI-00013", "object/definition", {"description": {"zh-Hant": "考試"}}),
    ("XAPI-00027", "id", UUID.upper()),
    ("XAPI-00031", "actor", PAIR),
    ("XAPI-00034", "actor", {"mbox_sha1sum": "0" * 40}),
    ("XAPI-00034", "actor", {"openid": "https://ann.example.org"}),
    ("XAPI-00036", "actor", CLASS | {"member": []}),
    ("XAPI-00041", "actor", BEN),
    ("XAPI-00041", "actor", BEN | {"objectType": "Group"}),
    ("XAPI-00041", "authority", BEN),
    ("XAPI-00045", "verb/display", {"en": "scored", "zh-Hant-TW": "得分", "x-klingon": "qap"}),
    ("XAPI-00046", "object", CLASS),
    ("XAPI-00046", "object", REFERENCE),
    ("XAPI-00046", "object", SUB),
    ("XAPI-00049", "object/definition", {"interactionType": "likert", "scale": [{"id": "1"}]}),
    ("XAPI-00049", "object/definition", {"interactionType": "matching", "source": [{"id": "1"}], "target": []}),
    ("XAPI-00050", "object/definition", {"interactionType": "fill-in", "correctResponsesPattern": []}),
    ("XAPI-00051", "object/definition", {"interactionType": "performance", "steps": [{"id": "1"}, {"id": "2"}]}),
    ("XAPI-00055", "object/definition", {"interactionType": "sequencing", "choices": [{"id": "1"}]}),
    ("XAPI-00062", "object/definition", {"interactionType": "choice", "choices": [{"id": "a", "description": {}}]}),
    ("XAPI-00064", "object/definition", {"interactionType": "other", "correctResponsesPattern": ["yes"]}),
    ("XAPI-00077", "result/duration", "P1Y2M3DT4H5M6.789S"),
    ("XAPI-00077", "result/duration", "P4W"),
    ("XAPI-00080", "result/score", {"max": -5}),
    ("XAPI-00083", "result/score", {"scaled": -1}),
    ("XAPI-00086", "context/contextActivities", {"parent": {"id": EXAM}, "other": [{"id": EXAM}]}),
    ("XAPI-00087", "context/registration", UUID.upper()),
    ("XAPI-00087", "context/instructor", PAIR),
    ("XAPI-00092", "context/statement", REFERENCE),
    ("XAPI-00098", "authority", PAIR),
    ("XAPI-00101", "version", "1.0.9"),
    ("XAPI-00104", "attachments", [FILE]),
    ("XAPI-00105", "attachments", [FILE | {"contentType": 'text/plain; charset=utf-8;name="Ä b"'}]),
    ("XAPI-00119", "result/extensions", {"https://lms.example.org/x": None, "urn:x:y": {"deep": ["", {}]}}),
    ("XAPI-00122", "timestamp", "2026-05-01T10:00:00.123456789Z"),
    ("XAPI-00123", "timestamp", "2026-05-01T10:00:00+05:30"),
]


@pytest.mark.parametrize("version", [ONE, TWO])
@pytest.mark.parametrize(("requirement", "path", "value"), TAKEN)
def test_what_the_rules_allow_is_taken(requirement, path, value, version):
    body = with_part(path, value)
    before = copy.deepcopy(body)
    assert checked(body, version)
    assert body == before


BROKEN = [
    ("XAPI-00001", "result/response", None, "result.response"),
    ("XAPI-00001", "object/definition", {"name": {"en": None}}, "object.definition.name.en"),
    ("XAPI-00003", "actor", ..., "actor"),
    ("XAPI-00004", "verb", ..., "verb"),
    ("XAPI-00005", "object", ..., "object"),
    ("XAPI-00006", "actor", "ann", "actor"),
    ("XAPI-00006", "verb", [VERB], "verb"),
    ("XAPI-00006", "result/success", "true", "result.success"),
    ("XAPI-00006", "result/score/raw", "9", "result.score.raw"),
    ("XAPI-00006", "result/score/raw", True, "result.score.raw"),
    ("XAPI-00006", "context/platform", 1, "context.platform"),
    ("XAPI-00007", "verb/id", "", "verb.id"),
    ("XAPI-00007", "id", "", "id"),
    ("XAPI-00007", "result/duration", "", "result.duration"),
    ("XAPI-00008", "Result", {"success": True}, "Result"),
    ("XAPI-00008", "context/Registration", UUID, "context.Registration"),
    ("XAPI-00009", "actor/objectType", "agent", "actor.objectType"),
    ("XAPI-00009", "object/objectType", "activity", "object.objectType"),
    ("XAPI-00010", "iD", UUID, "iD"),
    ("XAPI-00010", "verb/note", "x", "verb.note"),
    ("XAPI-00011", "object/id", "exams/security", "object.id"),
    ("XAPI-00013", "verb/display", {"something": "scored"}, "verb.display"),
    ("XAPI-00013", "object/definition", {"name": {"a12345": "Exam"}}, "object.definition.name"),
    ("XAPI-00013", "object/definition", {"description": {"d": "Exam"}}, "object.definition.description"),
    ("XAPI-00013", "attachments", [FILE | {"description": {"en_US": "x"}}], "attachments[0].description"),
    ("XAPI-00013", "context/language", "en-abcdefghi", "context.language"),
    ("XAPI-00017", "verb/id", "http://adlnet.gov/expapi/verbs/voided", "object"),
    ("XAPI-00022", "timestamp", "last week", "timestamp"),
    ("XAPI-00023", "stored", "last week", "stored"),
    ("XAPI-00024", "authority", "ann", "authority"),
    ("XAPI-00024", "authority", {"objectType": "Activity", "id": EXAM}, "authority.id"),
    ("XAPI-00025", "attachments", FILE, "attachments"),
    ("XAPI-00025", "attachments", [FILE["fileUrl"]], "attachments[0]"),
    ("XAPI-00027", "id", UUID + "0", "id"),
    ("XAPI-00027", "id", "MA97B177-9383-4934-8543-0F91A7A02836", "id"),
    ("XAPI-00027", "object", REFERENCE | {"id": UUID + "0"}, "object.id"),
    ("XAPI-00028", "id", 7, "id"),
    ("XAPI-00029", "id", "7f0c2f0e3c1d4a569e8a0d8e6f7c1b2a", "id"),
    ("XAPI-00030", "context/registration", UUID + "0", "context.registration"),
    ("XAPI-00031", "actor", {"objectType": "Activity", "id": EXAM}, "actor.id"),
    ("XAPI-00032", "actor/objectType", 1, "actor.objectType"),
    ("XAPI-00033", "actor/name", 1, "actor.name"),
    ("XAPI-00034", "actor", {"name": "Ann"}, "actor"),
    ("XAPI-00034", "actor", ANN | BEN, "actor"),
    ("XAPI-00035", "actor", {"objectType": "Group", "name": "Nobody"}, "actor"),
    ("XAPI-00035", "actor", {"objectType": "Group", "member": []}, "actor"),
    ("XAPI-00035", "actor", ANN | {"member": [BEN]}, "actor.member"),
    ("XAPI-00036", "actor", {"objectType": "Group", "member": ANN}, "actor.member"),
    ("XAPI-00036", "actor", {"objectType": "Group", "member": [CLASS]}, "actor.member[0].objectType"),
    ("XAPI-00037", "actor", CLASS | {"openid": "https://class.example.org"}, "actor"),
    ("XAPI-00038", "actor", {"mbox": "ann@example.org"}, "actor.mbox"),
    ("XAPI-00038", "actor", {"mbox": "mailto:ann"}, "actor.mbox"),
    ("XAPI-00039", "actor", {"mbox_sha1sum": "0" * 39}, "actor.mbox_sha1sum"),
    ("XAPI-00040", "actor", {"openid": "ann"}, "actor.openid"),
    ("XAPI-00041", "actor", {"account": "ben"}, "actor.account"),
    ("XAPI-00041", "actor", {"account": [BEN["account"]]}, "actor.account"),
    ("XAPI-00041", "authority", {"account": BEN["account"] | {"mail": "x"}}, "authority.account.mail"),
    ("XAPI-00041", "context/team", {"objectType": "Group", "account": {}}, "context.team.account.homePage"),
    ("XAPI-00042", "actor", {"account": {"name": "ann"}}, "actor.account.homePage"),
    ("XAPI-00042", "actor", {"account": {"homePage": "lms", "name": "ann"}}, "actor.account.homePage"),
    ("XAPI-00043", "actor", {"account": {"homePage": EXAM}}, "actor.account.name"),
    ("XAPI-00044", "verb", {"display": {"en": "scored"}}, "verb.id"),
    ("XAPI-00045", "verb/display", "scored", "verb.display"),
    ("XAPI-00046", "object/objectType", "Course", "object.objectType"),
    ("XAPI-00047", "object/id", ..., "object.id"),
    ("XAPI-00048", "object/definition", [], "object.definition"),
    ("XAPI-00049", "object/definition", {"interactionType": "essay"}, "object.definition.interactionType"),
    ("XAPI-00049", "object/definition", {"interactionType": "numeric", "steps": []}, "object.definition.steps"),
    ("XAPI-00049", "object/definition", {"interactionType": "choice", "choices": {}}, "object.definition.choices"),
    (
        "XAPI-00050",
        "object/definition",
        {"interactionType": "fill-in", "correctResponsesPattern": "a"},
        "object.definition.correctResponsesPattern",
    ),
    (
        "XAPI-00050",
        "object/definition",
        {"interactionType": "numeric", "correctResponsesPattern": ["1", 2]},
        "object.definition.correctResponsesPattern[1]",
    ),
    ("XAPI-00056", "object/definition", {"name": "Exam"}, "object.definition.name"),
    ("XAPI-00057", "object/definition", {"extensions": "topic"}, "object.definition.extensions"),
    ("XAPI-00057", "object/definition", {"extensions": {"topic": 1}}, "object.definition.extensions"),
    ("XAPI-00059", "object/definition", {"description": {"en": 1}}, "object.definition.description.en"),
    ("XAPI-00060", "object/definition", {"type": "exam"}, "object.definition.type"),
    ("XAPI-00061", "object/definition", {"moreInfo": "exam"}, "object.definition.moreInfo"),
    ("XAPI-00064", "object/definition", {"correctResponsesPattern": ["a"]}, "object.definition.interactionType"),
    ("XAPI-00065", "object", {"mbox": "mailto:ann@example.org"}, "object.mbox"),
    ("XAPI-00066", "object", SUB | {"actor": {}}, "object.actor"),
    ("XAPI-00066", "object", SUB | {"timestamp": "soon"}, "object.timestamp"),
    ("XAPI-00067", "object", SUB | {"authority": ANN}, "object.authority"),
    ("XAPI-00068", "object", SUB | {"version": "1.0.3"}, "object.version"),
    ("XAPI-00069", "object", SUB | {"stored": "2026-05-01T10:00:00Z"}, "object.stored"),
    ("XAPI-00070", "object", SUB | {"id": UUID}, "object.id"),
    ("XAPI-00071", "object", SUB | {"object": SUB}, "object.object.objectType"),
    ("XAPI-00072", "object", {"objectType": "StatementRef", "id": "1"}, "object.id"),
    ("XAPI-00072", "object", {"objectType": "StatementRef"}, "object.id"),
    ("XAPI-00073", "object", BASE, "object.actor"),
    ("XAPI-00074", "result/success", 1, "result.success"),
    ("XAPI-00075", "result/completion", 0, "result.completion"),
    ("XAPI-00076", "result/response", ["yes"], "result.response"),
    ("XAPI-00077", "result/duration", "P", "result.duration"),
    ("XAPI-00077", "result/duration", "PT", "result.duration"),
    ("XAPI-00077", "result/duration", "90 minutes", "result.duration"),
    ("XAPI-00078", "result/extensions", [], "result.extensions"),
    ("XAPI-00079", "result/score", 9, "result.score"),
    ("XAPI-00080", "result/score", {"min": 5, "max": 4}, "result.score.max"),
    ("XAPI-00081", "result/score", {"min": 4, "max": 4}, "result.score.max"),
    ("XAPI-00082", "result/score", {"raw": 11, "max": 10}, "result.score.raw"),
    ("XAPI-00082", "result/score", {"raw": -1, "min": 0}, "result.score.raw"),
    ("XAPI-00083", "result/score", {"scaled": 1.01}, "result.score.scaled"),
    ("XAPI-00086", "context/contextActivities", [], "context.contextActivities"),
    ("XAPI-00087", "context/registration", 7, "context.registration"),
    ("XAPI-00087", "context/registration", "seven", "context.registration"),
    ("XAPI-00087", "context/instructor", "ann", "context.instructor"),
    ("XAPI-00087", "context/instructor", {"objectType": "Activity", "id": EXAM}, "context.instructor.id"),
    ("XAPI-00088", "context/team", ANN, "context.team.objectType"),
    ("XAPI-00089", "context/revision", 2, "context.revision"),
    ("XAPI-00090", "context/platform", {}, "context.platform"),
    ("XAPI-00091", "context/language", "English language", "context.language"),
    ("XAPI-00092", "context/statement", {"id": UUID}, "context.statement.objectType"),
    ("XAPI-00093", "context/contextActivities", {"sibling": []}, "context.contextActivities.sibling"),
    (
        "XAPI-00094",
        "context/contextActivities",
        {"parent": [{"id": EXAM}, ANN]},
        "context.contextActivities.parent[1].objectType",
    ),
    ("XAPI-00098", "authority", CLASS, "authority"),
    ("XAPI-00098", "authority", {"objectType": "Group", "member": [ANN]}, "authority"),
    ("XAPI-00100", "authority", {"objectType": "Group", "member": [ANN, BEN, ANN]}, "authority"),
    ("XAPI-00101", "version", "0.9", "version"),
    ("XAPI-00101", "version", "1.1.0", "version"),
    ("XAPI-00102", "attachments", [FILE | {"length": 4.5}], "attachments[0].length"),
    ("XAPI-00102", "attachments", [FILE, FILE | {"length": -1}], "attachments[1].length"),
    ("XAPI-00103", "attachments", [FILE | {"sha2": "b" * 12}], "attachments[0].sha2"),
    ("XAPI-00104", "attachments", [FILE | {"fileUrl": "file"}], "attachments[0].fileUrl"),
    ("XAPI-00105", "attachments", [FILE | {"contentType": "pdf"}], "attachments[0].contentType"),
    ("XAPI-00105", "attachments", [FILE | {"contentType": "a/b; c\r\nX: y"}], "attachments[0].contentType"),
    ("XAPI-00105", "attachments", [FILE | {"contentType": "a/b\n; c=d"}], "attachments[0].contentType"),
    ("XAPI-00106", "attachments", [FILE | {"display": "Certificate"}], "attachments[0].display"),
    ("XAPI-00107", "attachments", [FILE | {"usageType": "certificate"}], "attachments[0].usageType"),
    ("XAPI-00118", "context/extensions", {"topic": 1}, "context.extensions"),
    ("XAPI-00120", "object/definition", {"extensions": "topic"}, "object.definition.extensions"),
    ("XAPI-00121", "verb/display", {"no language": "scored"}, "verb.display"),
    ("XAPI-00123", "timestamp", "2026-05-01T10:00:00-00:00", "timestamp"),
    ("XAPI-00123", "timestamp", "2026-13-01T10:00:00Z", "timestamp"),
    ("XAPI-00124", "result/duration", "P2026-05-01T10:00:00", "result.duration"),
]

COMPONENTS = [
    ("XAPI-00051", "performance", "steps"),
    ("XAPI-00052", "matching", "target"),
    ("XAPI-00053", "matching", "source"),
    ("XAPI-00054", "likert", "scale"),
    ("XAPI-00055", "choice", "choices"),
]
NO_COMPONENTS = [
    ("", {"id": "a"}, ""),
    ("", "a", ""),
    ("XAPI-00058", [{"description": {"en": "a"}}], "[0].id"),
    ("XAPI-00058", [{"id": "a"}, {"id": 2}], "[1].id"),
    ("XAPI-00058", [{"id": "a"}, {"id": "a"}], ""),
    ("XAPI-00062", [{"id": "a", "description": "a"}], "[0].description"),
    ("XAPI-00062", [{"id": "a", "description": {"no language": "a"}}], "[0].description"),
    ("XAPI-00063", ["a"], "[0]"),
    ("XAPI-00063", [{"id": "a", "name": "a"}], "[0].name"),
]
BROKEN += [
    (
        requirement or own,
        "object/definition",
        {"interactionType": kind, name: value},
        f"object.definition.{name}{place}",
    )
    for own, kind, name in COMPONENTS
    for requirement, value, place in NO_COMPONENTS
]


@pytest.mark.parametrize("version", [ONE, TWO])
@pytest.mark.parametrize(("requirement", "path", "value", "place"), BROKEN)
def test_what_breaks_a_rule_is_refused_with_its_place_and_its_section(requirement, path, value, place, version):
    with pytest.raises(InvalidStatement) as refused:
        checked(with_part(path, value), version)
    assert (refused.value.path, refused.value.section[:4]) == (place, "Part")
    assert refused.value.problem.endswith(".")


@pytest.mark.parametrize("name", ["revision", "platform"])
@pytest.mark.parametrize("thing", [BEN, CLASS, REFERENCE, SUB])
def test_revision_and_platform_belong_to_activities(name, thing):
    """XAPI-00084 and XAPI-00085, in the statement and in one inside."""
    body = with_part("context", {name: "2"}, BASE | {"object": thing})
    inside = BASE | {"object": SUB | {"object": BEN, "context": {name: "2"}}}
    for wrong, place in ((body, f"context.{name}"), (inside, f"object.context.{name}")):
        with pytest.raises(InvalidStatement) as refused:
            checked(wrong)
        assert refused.value.path == place


IN_TWO = [
    ("context/contextAgents", [CONTEXT_AGENT, {"objectType": "contextAgent", "agent": ANN}]),
    ("context/contextGroups", [CONTEXT_GROUP]),
    ("object", SUB | {"context": {"contextAgents": [CONTEXT_AGENT]}}),
    ("version", "2.0.0"),
]


@pytest.mark.parametrize(("path", "value"), IN_TWO)
def test_what_is_new_in_two_is_refused_in_one(path, value):
    """4.2.2.5"""
    assert checked(with_part(path, value), TWO)
    with pytest.raises(InvalidStatement):
        checked(with_part(path, value), ONE)


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("contextAgents", CONTEXT_AGENT, "context.contextAgents"),
        ("contextAgents", [CONTEXT_AGENT | {"objectType": "Agent"}], "context.contextAgents[0].objectType"),
        ("contextAgents", [CONTEXT_AGENT | {"agent": CLASS}], "context.contextAgents[0].agent.objectType"),
        ("contextAgents", [{"objectType": "contextAgent"}], "context.contextAgents[0].agent"),
        ("contextAgents", [CONTEXT_AGENT | {"relevantTypes": []}], "context.contextAgents[0].relevantTypes"),
        ("contextAgents", [CONTEXT_AGENT | {"relevantTypes": ["tutor"]}], "context.contextAgents[0].relevantTypes[0]"),
        ("contextGroups", [CONTEXT_GROUP | {"group": ANN}], "context.contextGroups[0].group.objectType"),
        ("contextGroups", [CONTEXT_GROUP | {"agent": ANN}], "context.contextGroups[0].agent"),
        ("contextGroups", [{"group": PAIR}], "context.contextGroups[0].objectType"),
    ],
)
def test_agents_and_groups_of_the_context_have_rules_of_their_own(path, value, place):
    """4.2.2.5"""
    with pytest.raises(InvalidStatement) as refused:
        checked(with_part(f"context/{path}", value), TWO)
    assert refused.value.path == place


@pytest.mark.parametrize(
    "moment", ["2026-05-01T10:00Z", "2026-05-01T10:00:00", "2026-05-01 10:00:00Z", "2026-05-01T10:00:00+02"]
)
def test_a_time_of_two_has_seconds_and_an_offset(moment):
    """4.2.7"""
    assert checked(with_part("timestamp", moment), ONE)
    with pytest.raises(InvalidStatement):
        checked(with_part("timestamp", moment), TWO)


def test_each_version_marks_what_comes_without_a_version_and_two_keeps_times_in_utc():
    body = with_part("timestamp", "2026-05-01T12:00:00+02:00")
    assert [checked(body, version)["version"] for version in (ONE, TWO)] == ["1.0.0", "2.0.0"]
    assert checked(body, ONE)["timestamp"] == "2026-05-01T12:00:00+02:00"
    assert checked(body, TWO)["timestamp"] == "2026-05-01T10:00:00.000000Z"
