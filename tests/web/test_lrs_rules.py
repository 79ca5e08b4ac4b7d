"""The rules of a statement over HTTP: all that stand in the tables of tests/xapi/test_statement_rules.py."""

import json
import uuid

from tests.support.record_store import ONE, TWO, found, one, post
from tests.xapi.test_statement_rules import BROKEN, EXAM, TAKEN, UUID, with_part

# What comes back in another spelling than it was sent.
RESPELLED = {
    "XAPI-00027": {"id": UUID},  # in small letters
    "XAPI-00086": {"context": {"contextActivities": {"parent": [{"id": EXAM}], "other": [{"id": EXAM}]}}},  # as lists
}
RESPELLED_IN_TWO = {"XAPI-00123": {"timestamp": "2026-05-01T04:30:00.000000Z"}}  # in UTC
DEFAULT_VERSION = {ONE: "1.0.0", TWO: "2.0.0"}


def test_what_the_rules_allow_is_stored_and_comes_back(lrs_client):
    """The requirements of TAKEN; XAPI-00014: every object of a statement is one of JSON."""
    respelled = RESPELLED | (RESPELLED_IN_TWO if lrs_client.version == TWO else {})
    for requirement, path, value in TAKEN:
        sent = with_part(path, value)
        (made,) = post(lrs_client, sent).json()
        kept = one(lrs_client, made).json()
        set_here = {name: kept[name] for name in ("authority", "stored")}
        added = {"id": made, "timestamp": kept["stored"], "version": DEFAULT_VERSION[lrs_client.version]}
        assert kept == added | sent | respelled.get(requirement, {}) | set_here, requirement


def test_what_breaks_a_rule_is_refused_and_not_stored(lrs_client):
    """The requirements of BROKEN; XAPI-00326: nothing of what came along, either."""
    for requirement, path, value, place in BROKEN:
        broken = {"id": str(uuid.uuid4())} | with_part(path, value)
        whole = post(lrs_client, [with_part("id", str(uuid.uuid4())), broken], 400)
        assert whole.json()["message"].startswith(f"[1].{place}: "), requirement
    assert found(lrs_client) == []


NO_OBJECTS = [
    b"",
    b"null",
    b'"statement"',
    b"7",
    b"[7]",
    b"[[]]",
    b"{}",
    b"%s}",
    b"%s,",
    b"{%s}",
    b"%s %s",
    b"[%s",
    b"[%s,]",
    b"\xef\xbb\xbf%s\x00",
]


def test_what_is_no_object_of_json_is_refused(lrs_client):
    """XAPI-00014"""
    whole = json.dumps(with_part("id", str(uuid.uuid4()))).encode()
    single = whole.replace(b'"', b"'")
    for text in (single, *(each.replace(b"%s", whole) for each in NO_OBJECTS)):
        for method, query in (("POST", {}), ("PUT", {"statementId": json.loads(whole)["id"]})):
            answer = lrs_client.ask(method, "statements", query, text, **{"Content-Type": "application/json"})
            assert answer.status_code == 400, (method, text)
    assert found(lrs_client) == []
