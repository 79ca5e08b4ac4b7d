"""What of a statement its reader never sees, wherever another client put it."""

import json

import pytest

from lti_mentor.insight import readers
from xapi.vocabulary import Extensions

BASE = "https://mentor.example.org"
PSEUDONYM = {"account": {"homePage": BASE, "name": "0f" * 16}}
SCORED = {
    "id": "11111111-1111-4111-8111-111111111111",
    "actor": PSEUDONYM,
    "verb": {"id": "http://adlnet.gov/expapi/verbs/scored", "display": {"en": "scored"}},
    "object": {"id": "https://lms.example.org/quizzes/1", "definition": {"name": {"en": "Quiz one"}}},
    "result": {"score": {"scaled": 0.5}, "response": "secret"},
    "timestamp": "2026-05-01T10:00:00Z",
    "stored": "2026-05-01T10:00:00Z",
}


def shown(**changes):
    return json.dumps(readers.with_records(SCORED | changes, BASE))


@pytest.mark.parametrize(
    "changes",
    [
        {"object": {"objectType": "SubStatement", **{name: SCORED[name] for name in ("actor", "verb", "result")}}},
        {"context": {"extensions": {"https://other.example.org/comment": "secret"}}},
        {"context": {"extensions": {"https://other.example.org/answers": [{"text": "secret"}]}}},
        {"object": {"id": "urn:x", "definition": {"extensions": {"https://other.example.org/note": "secret"}}}},
        {"actor": {"account": {"homePage": "https://lms.example.org", "name": "secret"}}},
        {"actor": {"objectType": "Group", "member": [{"name": "secret", "mbox": "mailto:secret@example.org"}]}},
        {"context": {"platform": "written by secret@example.org"}},
        {"context": {"platform": "mailto:secret"}},
        {"object": {"id": "https://lms.example.org/users/secret@example.org"}},
        {"object": {"id": "https://lms.example.org/users/secret%40example.org"}},
        {"object": {"id": "urn:x", "definition": {"description": {"en": "By Secret <secret@example.org>"}}}},
        {"context": {"extensions": {Extensions.PURPOSE.iri: "for secret@example.org"}}},
        {"context": {"extensions": {"https://example.org/secret@example.org": 1}}},
    ],
)
def test_what_says_who_it_was_or_what_they_typed_is_hidden_wherever_it_stands(changes):
    text = shown(**changes)
    assert "secret" not in text.casefold()
    assert readers.HIDDEN in text


def test_pseudonyms_scores_and_what_our_own_extensions_say_stay():
    due = {Extensions.DUE_DATE.iri: "2026-06-01"}
    said = json.loads(shown(context={"extensions": due, "platform": "quiz@2", "revision": "https://example.org/@v2"}))
    assert said["actor"] == PSEUDONYM
    assert said["result"] == {"score": {"scaled": 0.5}, "response": readers.HIDDEN}
    assert said["context"] == {"extensions": due, "platform": "quiz@2", "revision": "https://example.org/@v2"}


def test_without_records_a_mail_address_in_an_iri_or_a_verb_is_hidden_too():
    changes = {
        "verb": {"id": "http://example.org/v", "display": {"en": "asked ada@example.org"}},
        "object": {"id": "https://lms.example.org/users/ada@example.org"},
    }
    assert "ada" not in json.dumps(readers.without_records(SCORED | changes, BASE))
