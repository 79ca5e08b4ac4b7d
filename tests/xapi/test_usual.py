"""The schema of usual statements lets nothing through that a rule refuses, and nearly everything that clients say."""

import copy
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench import seeds
from tests.xapi.test_statement_rules import BROKEN, with_part
from xapi.errors import InvalidStatement
from xapi.validation import ONE, TWO, check_rules, is_usual

EXAM = "https://lms.example.org/exams/security"
ANN = {"objectType": "Agent", "name": "Ann", "mbox": "mailto:ann@example.org"}
BEN = {"account": {"homePage": "https://lms.example.org", "name": "ben"}}
WHOLE = {
    "id": "7f0c2f0e-3c1d-4a56-9e8a-0d8e6f7c1b2a",
    "actor": ANN,
    "verb": {"id": "http://adlnet.gov/expapi/verbs/scored", "display": {"en-US": "scored"}},
    "object": {
        "objectType": "Activity",
        "id": EXAM,
        "definition": {"name": {"en": "Exam"}, "type": EXAM, "moreInfo": EXAM, "extensions": {EXAM: {"a": [1, "b"]}}},
    },
    "result": {
        "score": {"scaled": 0.9, "raw": 9, "min": 0, "max": 10},
        "success": True,
        "completion": False,
        "response": "42",
        "duration": "PT1H2M3.5S",
        "extensions": {EXAM: None},
    },
    "context": {
        "registration": "7f0c2f0e-3c1d-4a56-9e8a-0d8e6f7c1b2b",
        "instructor": BEN,
        "contextActivities": {"parent": [{"id": EXAM}], "grouping": {"id": EXAM}, "category": []},
        "revision": "2",
        "platform": "Example",
        "language": "en-US",
        "extensions": {EXAM: {"deep": {"deeper": [True, None]}}},
    },
    "timestamp": "2026-05-01T10:00:00.123Z",
    "version": "1.0.3",
}
TEXTS = st.sampled_from(
    ("", "x", "\0", "a\0b", "\ud800", "en", "english", "urn:x", "http://a b", "http://ä", "mailto:a@b", "mailto:a b@c")
) | st.sampled_from(
    ("PT", "PT5", "P1D", "PT1M2H", "2026-02-30T10:00:00Z", "2026-05-01T25:00:00Z", "2026-05-01", "1.0", "2.0.0", "1.1")
)
TEXTS |= st.sampled_from(
    ("Agent", "Group", "Activity", "StatementRef", "SubStatement", "http://adlnet.gov/expapi/verbs/voided", "urn:x\n")
) | st.sampled_from(("7f0c2f0e-3c1d-4a56-9e8a-0d8e6f7c1b2a", "7f0c2f0e3c1d4a569e8a0d8e6f7c1b2a", f"urn:x:{'y' * 2500}"))
NUMBERS = st.sampled_from([0, -1, 1, 0.5, -1.5, 9, 10, 11, 10**400, float("inf"), float("nan"), True])
NAMES = st.sampled_from(
    ("id", "objectType", "name", "mbox", "mbox_sha1sum", "openid", "account", "member", "definition", "statement")
) | st.sampled_from(
    ("raw", "min", "max", "scaled", "team", "interactionType", "attachments", "authority", "stored", "en", "x y", EXAM)
)
VALUES = st.recursive(
    st.none() | TEXTS | NUMBERS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES | TEXTS, inner, max_size=2),
    max_leaves=4,
)


def places(part, path=()):
    """All that can be replaced."""
    yield path
    for name, inner in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        yield from places(inner, (*path, name))


@st.composite
def changed(draw):
    """The whole statement after one to three changes: something else, something more or something less."""
    said = copy.deepcopy(WHOLE)
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from([path for path in places(said) if path]))
        place = said
        for name in parents:
            place = place[name]
        kind = draw(st.sampled_from(["replace", "remove", "add"]))
        if kind == "remove":
            del place[last]
        elif kind == "replace" or not isinstance(place[last], dict):
            place[last] = draw(VALUES)
        else:
            place[last][draw(NAMES | TEXTS)] = draw(VALUES)
    return said


@given(changed())
def test_what_is_usual_breaks_no_rule(said):
    if is_usual(said):
        for version in (ONE, TWO):
            check_rules(said, version)


@pytest.mark.parametrize(("requirement", "path", "value", "place"), BROKEN)
def test_nothing_that_is_refused_is_usual(requirement, path, value, place):
    said = with_part(path, value)
    with pytest.raises(InvalidStatement):
        check_rules(said, ONE)
    assert not is_usual(said)


def test_what_clients_say_is_usual():
    assert is_usual(WHOLE)
    assert is_usual(seeds.statement(random.Random(1)))
