import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from xapi.errors import InvalidStatement
from xapi.validation import checked
from xapi.vocabulary import terms

GOOD = {
    "id": "fd41c918-b88b-4b20-a0a5-a4c32391aaa0",
    "actor": {"objectType": "Agent", "mbox": "mailto:ann@example.org"},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/passed", "display": {"en-US": "passed"}},
    "object": {
        "id": "https://example.org/exam",
        "definition": {"name": {"en": "Exam"}, "extensions": {"https://e.org/x": None}},
    },
    "result": {"score": {"scaled": 0.9, "raw": 9, "min": 0, "max": 10}, "duration": "PT1H30M", "success": True},
    "context": {
        "registration": "ec531277-b57b-4c15-8d91-d292c5b2b8f7",
        "contextActivities": {"parent": {"id": "https://example.org/course"}},
        "instructor": {"account": {"homePage": "https://example.org", "name": "7"}},
        "language": "en-GB",
    },
    "timestamp": "2026-05-01T10:00:00+05:30",
    "version": "1.0.3",
}


def changed(path: str, value):
    body = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    place = body
    for name in parents:
        place = place.setdefault(name, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return body


def test_a_good_statement_passes_and_single_context_activities_become_lists():
    assert checked(GOOD)["context"]["contextActivities"]["parent"] == [{"id": "https://example.org/course"}]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("actor", ...),
        ("verb", ...),
        ("object", ...),
        ("actor.mbox", "ann@example.org"),
        ("actor.openid", "https://example.org/ann"),
        ("actor", {"objectType": "Group"}),
        ("actor", {"objectType": "Group", "member": [{"objectType": "Group", "member": []}]}),
        ("actor", {"name": "Ann"}),
        ("actor.mbox_sha1sum", "abc"),
        ("actor.account", {"homePage": "nope", "name": "7"}),
        ("actor.Name", "Ann"),
        ("verb.id", "passed"),
        ("verb.display", {"not a language": "passed"}),
        ("id", "7"),
        ("result.score.scaled", 5),
        ("result.score.raw", 11),
        ("result.duration", "1 hour"),
        ("result.success", "true"),
        ("result.score", None),
        ("timestamp", "2026-05-01T10:00:00-00:00"),
        ("timestamp", "yesterday"),
        ("version", "2.0.0"),
        ("context.registration", "7"),
        ("context.contextActivities", {"sibling": []}),
        ("context.extensions", {"topic": 1}),
        ("object", {"objectType": "SubStatement", "actor": {}, "verb": {}, "object": {}}),
        ("object", {"objectType": "StatementRef", "id": "7"}),
        ("object", {"objectType": "Thing", "id": "https://example.org"}),
        ("object.definition", {"interactionType": "choice", "scale": [{"id": "a"}]}),
        ("object.definition", {"interactionType": "choice", "choices": [{"id": "a"}, {"id": "a"}]}),
        ("object.definition", {"choices": [{"id": "a"}]}),
        ("attachments", [{"usageType": "https://e.org/a"}]),
        ("unknown", 1),
    ],
)
def test_a_statement_that_breaks_a_rule_is_refused_with_the_place(path, value):
    with pytest.raises(InvalidStatement) as refused:
        checked(changed(path, value))
    assert refused.value.problem.endswith(".")


def test_revision_and_platform_need_an_activity_as_object():
    body = changed("context.revision", "2")
    body["object"] = {"objectType": "Agent", "mbox": "mailto:ben@example.org"}
    with pytest.raises(InvalidStatement):
        checked(body)


def test_a_sub_statement_may_not_hold_another():
    inner = {name: GOOD[name] for name in ("actor", "verb", "object")}
    outer = changed("object", {"objectType": "SubStatement", **inner})
    checked(outer)
    with pytest.raises(InvalidStatement):
        checked(changed("object", {"objectType": "SubStatement", **inner, "object": outer["object"]}))


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(some.sampled_from(sorted(GOOD)), json_values)
def test_whatever_is_sent_gives_a_statement_or_a_refusal(name, value):
    body = GOOD | {name: value}
    try:
        checked(body)
    except InvalidStatement:
        return
    json.dumps(body)


def test_every_term_is_an_iri_with_its_source_and_none_is_there_twice():
    iris = [term.iri for term in terms()]
    assert len(set(iris)) == len(iris)
    assert all(term.iri.startswith("http") and term.display and term.source for term in terms())
