"""Storing statements, and voiding them, over HTTP. The ids are those of the xAPI LRS conformance requirements."""

import copy
import json
import uuid
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from sqlalchemy import update

from lti_mentor import clock
from lti_mentor.jobs import retention as jobs
from lti_mentor.mentoring import people, privacy, retention
from lti_mentor.mentoring.people import Identity
from lti_mentor.mentoring.retention import RetentionRule
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.support.record_store import (
    ANN,
    BEN,
    CONFIRMED,
    COURSE,
    EXAM,
    ONE,
    SCORED,
    TWO,
    about,
    found,
    one,
    post,
    put,
    statement,
    voiding,
)
from xapi.rows import Key, StoredStatement

# Storing ------------------------------------------------------------------------------------------------------------


def test_what_is_stored_comes_back_with_what_the_store_adds(lrs_client):
    """XAPI-00097, XAPI-00099, XAPI-00143, XAPI-00146, XAPI-00156, XAPI-00158, XAPI-00332."""
    given = statement(version=lrs_client.version, timestamp="2026-05-01T10:00:00.123456Z")
    put(lrs_client, given)
    unnamed = {name: value for name, value in statement().items() if name != "id"}
    (made,) = post(lrs_client, unnamed).json()
    answer = one(lrs_client, given["id"])
    kept = answer.json()
    assert {name: kept[name] for name in given} == given
    assert kept["authority"]["account"]["name"] == f"key-{lrs_client.key[0]}"
    stored = datetime.fromisoformat(kept["stored"])
    assert parsedate_to_datetime(answer.headers["Last-Modified"]) == stored.replace(microsecond=0)
    other = one(lrs_client, made).json()
    assert other["timestamp"] == other["stored"] > kept["stored"]
    assert other["version"] == ("1.0.0" if lrs_client.version == ONE else TWO)


def test_a_statement_without_an_id_gets_one(lrs_client):
    """XAPI-00026, XAPI-00027; by PUT the one of the address."""
    unnamed = {name: value for name, value in statement().items() if name != "id"}
    ids = post(lrs_client, [unnamed, unnamed]).json()
    assert len({str(uuid.UUID(each)) for each in ids} & set(ids)) == 2
    wanted = str(uuid.uuid4())
    assert lrs_client.ask("PUT", "statements", {"statementId": wanted}, unnamed).status_code == 204
    for each in (*ids, wanted):
        assert one(lrs_client, each).json()["id"] == each


WORDS = {"de": "erfüllte", "ja": "受けた", "ar": "أكمل", "he": "סיים", "x-signs": "𝄞 🎓👩🏽‍🎓 e\u0301 \u2028 \\u00e9"}


def test_letters_of_every_script_come_back_as_they_were(lrs_client):
    """XAPI-00015: as UTF-8, and in no other encoding."""
    verb = "https://lms.example.org/vérb/受けた"
    given = statement(verb={"id": verb, "display": WORDS}, actor=BEN | {"name": "Bén Ж"})
    kind = {"Content-Type": "application/json"}
    for escaped in (False, True):
        given["id"] = str(uuid.uuid4())
        text = json.dumps(given, ensure_ascii=escaped).encode()
        assert lrs_client.ask("POST", "statements", {}, text, **kind).status_code == 200
        kept = json.loads(one(lrs_client, given["id"]).content.decode("utf-8"))
        assert (kept["verb"], kept["actor"]) == (given["verb"], given["actor"])
        assert given["id"] in found(lrs_client, verb=verb)
    del given["id"]
    for wrong in ("latin-1", "utf-16"):
        text = json.dumps(
            given | {"verb": {"id": SCORED, "display": {"de": "erfüllte"}}, "actor": ANN}, ensure_ascii=False
        )
        assert lrs_client.ask("POST", "statements", {}, text.encode(wrong, "replace"), **kind).status_code == 400, wrong
    assert len(found(lrs_client)) == 2


def test_a_single_context_activity_comes_back_in_a_list(lrs_client):
    """XAPI-00096"""
    given = statement(context={"contextActivities": {"parent": {"id": COURSE}}})
    post(lrs_client, given)
    assert one(lrs_client, given["id"]).json()["context"] == {"contextActivities": {"parent": [{"id": COURSE}]}}


SAME = {
    "again": lambda said: None,
    "id in capitals": lambda said: said.update(id=said["id"].upper()),
    "time in another zone": lambda said: said.update(timestamp="2026-05-01T12:00:00+02:00"),
    "another stored": lambda said: said.update(stored="2020-01-01T00:00:00Z"),
    "another authority": lambda said: said.update(authority=BEN),
    "another display": lambda said: said["verb"].update(display={"en": "got a score"}),
    "another definition": lambda said: said["object"].update(definition={"name": {"en": "Test"}}),
    "members in another order": lambda said: said["context"]["team"]["member"].reverse(),
    "finer duration": lambda said: said["result"].update(duration="PT1H0.5678S"),
    "a domain in capitals": lambda said: said["context"]["instructor"].update(mbox="mailto:ben@EXAMPLE.org"),
    "ids in capitals": lambda said: said["context"].update(
        registration=UUID.upper(), statement={"objectType": "StatementRef", "id": UUID.upper()}
    ),
    "a number with a point": lambda said: said["result"].update(
        score={"raw": 80.0, "scaled": 0.5}, extensions={EXAM: [{"of": 1e2}]}
    ),
}
DIFFERENT = {
    "another verb": lambda said: said["verb"].update(id=CONFIRMED),
    "another actor": lambda said: said.update(actor=BEN),
    "another object": lambda said: said["object"].update(id=COURSE),
    "another time": lambda said: said.update(timestamp="2026-05-01T10:00:01Z"),
    "another duration": lambda said: said["result"].update(duration="PT1H0.57S"),
    "another score": lambda said: said["result"]["score"].update(raw=80.5),
    "another registration": lambda said: said["context"].update(registration=str(uuid.uuid4())),
    "no result": lambda said: said.pop("result"),
    "one member less": lambda said: said["context"]["team"]["member"].pop(),
}


UUID = "7f0c2f0e-3c1d-4a56-9e8a-0d8e6f7c1b2a"


def whole():
    return statement(
        timestamp="2026-05-01T10:00:00Z",
        result={"duration": "PT1H0.56S", "score": {"raw": 80, "scaled": 0.5}, "extensions": {EXAM: [{"of": 100}]}},
        context={
            "registration": UUID,
            "statement": {"objectType": "StatementRef", "id": UUID},
            "team": {"objectType": "Group", "member": [copy.deepcopy(ANN), copy.deepcopy(BEN)]},
            "instructor": {**BEN},
        },
    )


def test_the_same_statement_again_changes_nothing(lrs_client):
    """XAPI-00142; Part Two, 2.3.1; IEEE 9274.1.1, 4.2.7."""
    for number, (name, change) in enumerate(SAME.items()):
        given = whole()
        again = copy.deepcopy(given)
        change(again)
        post(lrs_client, given)
        first = one(lrs_client, given["id"]).json()
        (put if number % 2 else post)(lrs_client, again)
        assert one(lrs_client, given["id"]).json() == first, name
        put(lrs_client, first)  # as it came back


def test_agents_of_the_context_say_the_same_however_they_are_written(lrs_client):
    """IEEE 9274.1.1, 4.2.2.5."""
    if lrs_client.version == TWO:
        group = {"objectType": "Group", "member": [ANN, BEN]}
        given = statement(
            object={"objectType": "StatementRef", "id": UUID},
            context={
                "contextAgents": [{"objectType": "contextAgent", "agent": BEN}],
                "contextGroups": [{"objectType": "contextGroup", "group": group}],
            },
        )
        again = copy.deepcopy(given)
        again["object"]["id"] = UUID.upper()
        again["context"]["contextAgents"][0]["agent"] = {"name": "Ben", "mbox": "mailto:ben@Example.org"}
        again["context"]["contextGroups"][0]["group"]["member"].reverse()
        post(lrs_client, given)
        put(lrs_client, again)


def test_another_statement_with_the_same_id_conflicts(lrs_client):
    """XAPI-00142"""
    for name, change in DIFFERENT.items():
        given = whole()
        other = copy.deepcopy(given)
        change(other)
        post(lrs_client, given)
        first = one(lrs_client, given["id"]).json()
        post(lrs_client, [statement(), other], 409)
        put(lrs_client, other, 409)
        assert one(lrs_client, given["id"]).json() == first, name


def test_a_batch_is_stored_as_a_whole_or_not_at_all(lrs_client):
    """XAPI-00326; the same id twice: IEEE 9274.1.1, 4.1.6.1."""
    good, twice = statement(), statement()
    said = post(lrs_client, [good, statement(verb={"id": "scored"})], 400).json()["message"]
    assert said.startswith("[1].verb.id: ")
    assert post(lrs_client, statement(verb={"id": "scored"}), 400).json()["message"].startswith("verb.id: ")
    assert post(lrs_client, [good, twice, twice], 400).json()["message"].startswith("[2].id: ")
    one(lrs_client, good["id"], 404)
    ids = post(lrs_client, [good, twice]).json()
    assert ids == [good["id"], twice["id"]]


def test_a_put_that_is_not_right_stores_nothing(lrs_client):
    """XAPI-00144, XAPI-00145, XAPI-00182, XAPI-00324, XAPI-00325."""
    given = statement()
    another = str(uuid.uuid4())
    for query, body in (
        ({}, given),
        ({"statementId": "7"}, given),
        ({"StatementId": given["id"]}, given),
        ({"statementId": another}, given),
        ({"statementId": given["id"], "limit": "1"}, given),
        ({"statementId": given["id"]}, given | {"actor": {}}),
        ({"statementId": given["id"]}, [given]),
    ):
        answer = lrs_client.ask("PUT", "statements", query, json.dumps(body), **{"Content-Type": "application/json"})
        assert answer.status_code == 400, query
        one(lrs_client, given["id"], 404)


def test_a_body_of_another_kind_is_refused(lrs_client):
    """XAPI-00127, XAPI-00130."""
    for headers, status in (
        ({"Content-Type": "text/plain"}, 400),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 400),
        ({"Content-Type": "multipart/mixed"}, 400),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
    ):
        answer = lrs_client.ask("POST", "statements", {}, json.dumps(statement()), **headers)
        assert answer.status_code == status, headers


def test_a_body_over_the_limit_is_refused(lrs_client, loaded_settings):
    """XAPI-00328"""
    long = statement(result={"response": "x" * loaded_settings.max_body_bytes})
    post(lrs_client, long, 413)
    one(lrs_client, long["id"], 404)


# Voiding ------------------------------------------------------------------------------------------------------------


def test_a_voided_statement_is_found_by_its_own_question_alone(lrs_client):
    """XAPI-00016, XAPI-00018, XAPI-00019, XAPI-00020, XAPI-00155, XAPI-00157, XAPI-00162, XAPI-00163."""
    given = statement()
    reference, void = about(given), voiding(given)
    post(lrs_client, [given, reference])
    one(lrs_client, given["id"], 404, "voidedStatementId")
    post(lrs_client, void)
    one(lrs_client, given["id"], 404)
    assert one(lrs_client, given["id"], name="voidedStatementId").json()["id"] == given["id"]
    assert found(lrs_client, verb=SCORED) == [void["id"], reference["id"]]
    post(lrs_client, voiding(void))
    one(lrs_client, void["id"])
    one(lrs_client, given["id"], 404)


def test_a_statement_that_comes_after_the_one_that_voids_it_is_voided(lrs_client):
    """XAPI-00018, XAPI-00020: what is to be voided need not be there yet."""
    given = statement()
    post(lrs_client, voiding(given))
    post(lrs_client, given)
    one(lrs_client, given["id"], 404)
    one(lrs_client, given["id"], name="voidedStatementId")


# Removed ------------------------------------------------------------------------------------------------------------


def grow_old(server, tenant, tool):
    """A rule lets everything go that was stored a year ago."""
    with server.database.transaction() as db:
        mine = update(StoredStatement).where(StoredStatement.tenant == tenant)
        db.execute(mine.values(stored=clock.now() - timedelta(days=400)))
        retention.add(db, tenant, RetentionRule(days=365, whose="others"))
    jobs.remove_old(tool, tenant, place="test")


def erase_ann(server, tenant, tool):
    with server.database.transaction() as db:
        account = ANN["account"]
        ann = people.meet(db, tenant, Identity(issuer=account["homePage"], subject=account["name"]))
        privacy.erase(db, tool.vault, ann, by=None)


@pytest.mark.parametrize("remove", [grow_old, erase_ann])
def test_a_statement_that_was_removed_is_taken_again_and_not_stored(lrs_server, lrs_client, loaded_settings, remove):
    """Whoever sends everything once more is content, and brings nothing back; its id stays taken."""
    tool = Tool(loaded_settings, lrs_server.database, Vault(lrs_server.secret_key))
    timeless, given = statement(), statement(timestamp="2026-05-01T10:00:00Z")
    post(lrs_client, [timeless, given])
    kept = one(lrs_client, timeless["id"]).json()
    with lrs_server.database.reading() as db:
        tenant = db.get_one(Key, lrs_client.key[0]).tenant
    remove(lrs_server, tenant, tool)
    new = statement(actor=BEN)
    for again in (timeless, given, kept):
        put(lrs_client, again)
        assert post(lrs_client, again).json() == [again["id"]]
        one(lrs_client, again["id"], 404)
    assert post(lrs_client, [timeless, new, given]).json() == [timeless["id"], new["id"], given["id"]]
    for change in ({"verb": {"id": CONFIRMED}}, {"actor": BEN}, {"timestamp": "2026-05-01T10:00:01Z"}):
        put(lrs_client, given | change, 409)
        post(lrs_client, [statement(), given | change], 409)
    assert found(lrs_client) == [new["id"]]
