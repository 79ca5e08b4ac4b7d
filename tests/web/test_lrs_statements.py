"""Statements over HTTP. The ids are those of the xAPI LRS conformance requirements."""

import copy
import json
import threading
import uuid
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from tests.support.record_store import (
    ANN,
    BEN,
    CONFIRMED,
    COURSE,
    EXAM,
    ONE,
    SCORED,
    TWO,
    VOIDED,
    about,
    found,
    moment,
    one,
    post,
    put,
    statement,
    voiding,
)
from xapi import keys, store
from xapi.rows import Key

# Storing ------------------------------------------------------------------------------------------------------------


def test_what_is_stored_comes_back_with_what_the_store_adds(lrs_client):
    """XAPI-00097, XAPI-00099, XAPI-00143, XAPI-00146, XAPI-00156, XAPI-00332."""
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
    """XAPI-00016, XAPI-00018, XAPI-00155, XAPI-00162, XAPI-00163."""
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
    """XAPI-00018"""
    given = statement()
    post(lrs_client, voiding(given))
    post(lrs_client, given)
    one(lrs_client, given["id"], 404)
    one(lrs_client, given["id"], name="voidedStatementId")


# Finding ------------------------------------------------------------------------------------------------------------


def test_each_filter_finds_what_fits(lrs_client):
    """XAPI-00164, XAPI-00173 to XAPI-00181."""
    registration = str(uuid.uuid4())
    plain = statement()
    grouped = statement(actor={"objectType": "Group", "member": [BEN]}, verb={"id": CONFIRMED})
    inside = {"objectType": "SubStatement", "actor": BEN, "verb": {"id": CONFIRMED}, "object": {"id": COURSE}}
    related = statement(
        object=inside,
        context={"registration": registration, "instructor": {"mbox": "mailto:ira@example.org"}},
    )
    about_ben = statement(object=BEN)
    given = [plain, grouped, related, about_ben]
    post(lrs_client, given)

    def which(**query):
        ids = found(lrs_client, **query)
        return [number for number, each in enumerate(given) if each["id"] in ids]

    assert which() == [0, 1, 2, 3]
    assert which(agent=ANN) == [0, 2, 3]
    assert which(agent={"mbox": BEN["mbox"]}) == [1, 3]  # a member of a group, and an object
    assert which(agent=BEN, related_agents="true") == [1, 2, 3]
    assert which(agent={"mbox": "mailto:ira@example.org"}) == []
    assert which(agent={"mbox": "mailto:ira@example.org"}, related_agents="true") == [2]
    assert which(verb=CONFIRMED) == [1]
    assert which(activity=EXAM) == [0, 1]
    assert which(activity=COURSE) == []
    assert which(activity=COURSE, related_activities="true") == [2]
    assert which(registration=registration.upper()) == [2]
    assert which(agent=ANN, verb=SCORED, activity=EXAM) == [0]
    assert which(agent=ANN, verb=CONFIRMED) == []


def test_times_are_those_of_storing_and_pages_lead_to_the_end(lrs_client):
    """XAPI-00108 to XAPI-00114, XAPI-00166, XAPI-00173 to XAPI-00175."""
    given = [statement(timestamp="2020-01-01T00:00:00Z") for _ in range(5)]
    post(lrs_client, given[:2])
    middle = one(lrs_client, given[1]["id"]).json()["stored"]
    post(lrs_client, given[2:])
    ids = [each["id"] for each in given]
    assert found(lrs_client) == ids[::-1]
    assert found(lrs_client, ascending="true") == ids
    assert found(lrs_client, since=middle, ascending="true") == ids[2:]
    assert found(lrs_client, until=middle, ascending="true") == ids[:2]
    assert found(lrs_client, since=middle, until=middle) == []
    assert found(lrs_client, verb=SCORED, since=middle) == ids[:1:-1]
    assert found(lrs_client, limit="0") == ids[::-1]
    for query in ({"limit": "2"}, {"limit": "2", "ascending": "true", "verb": SCORED, "format": "ids"}):
        page, seen = lrs_client.get("statements", query).json(), []
        while True:
            assert set(page) == {"statements", "more"}
            seen += page["statements"]
            if not page["more"]:
                break
            assert page["more"].startswith("/xapi/statements?")
            headers = {"X-Experience-API-Version": lrs_client.version}
            page = lrs_client.session.get(
                lrs_client.address + page["more"], auth=lrs_client.key, headers=headers
            ).json()
        assert [each["id"] for each in seen] == (ids if "ascending" in query else ids[::-1])
        assert all(("definition" in each["object"]) == ("format" not in query) for each in seen)


def test_a_statement_about_another_is_found_by_what_that_one_says(lrs_client):
    """Part Three, 2.1.3, filter conditions for StatementRefs: however long the chain, each at its own time."""
    first = statement()
    second = about(first)
    third = about(second, actor={"mbox": "mailto:carl@example.org"})
    post(lrs_client, first)
    between = one(lrs_client, first["id"]).json()["stored"]
    post(lrs_client, [second, third])
    assert found(lrs_client, verb=SCORED) == [third["id"], second["id"], first["id"]]
    assert found(lrs_client, agent=ANN, activity=EXAM) == [third["id"], second["id"], first["id"]]
    assert found(lrs_client, agent=BEN) == [third["id"], second["id"]]
    assert found(lrs_client, agent=ANN, since=between) == [third["id"], second["id"]]
    assert found(lrs_client, agent=ANN, verb=CONFIRMED) == []  # said by two of them, but by neither alone
    assert found(lrs_client, agent=ANN, limit="1") == [third["id"]]


def test_a_statement_about_another_waits_for_it(lrs_client):
    first = statement()
    second = about(first)
    third = about(second)
    post(lrs_client, third)
    post(lrs_client, second)
    assert found(lrs_client, activity=EXAM) == []
    assert found(lrs_client, agent=BEN) == [second["id"], third["id"]]
    post(lrs_client, first)
    assert found(lrs_client, activity=EXAM) == [first["id"], second["id"], third["id"]]


def test_statements_about_each_other_come_to_an_end(lrs_client):
    first = statement()
    second = about(first)
    first["object"] = {"objectType": "StatementRef", "id": second["id"]}
    post(lrs_client, [first, second])
    assert found(lrs_client, verb=SCORED) == found(lrs_client, verb=CONFIRMED) == [second["id"], first["id"]]


NO_QUESTIONS = [
    {"foo": "bar"},  # XAPI-00324
    {"Agent": json.dumps(ANN)},  # XAPI-00325
    {"Verb": SCORED},
    {"agent": "ann"},
    {"agent": json.dumps({"objectType": "Group", "member": [ANN]})},
    {"verb": "scored"},
    {"activity": ""},
    {"registration": "7"},
    {"related_agents": "yes"},
    {"since": "yesterday"},
    {"limit": "-1"},
    {"limit": "many"},
    {"format": "short"},
    {"attachments": "1"},
    {"ascending": "TRUE"},
    {"statementId": "7"},
    {"statementId": str(uuid.uuid4()), "voidedStatementId": str(uuid.uuid4())},
    *({"statementId": str(uuid.uuid4()), "limit": "1"}, {"voidedStatementId": str(uuid.uuid4()), "verb": SCORED}),
]


def test_a_question_that_is_not_right_is_refused(lrs_client):
    """XAPI-00150, XAPI-00151; with the time through which everything can be found: XAPI-00153."""
    for query in NO_QUESTIONS:
        answer = lrs_client.get("statements", query)
        assert answer.status_code == 400, query
        assert moment(answer)


def test_everything_up_to_now_can_be_found(lrs_client):
    """XAPI-00153, XAPI-00160: on every answer, errors included, and never far behind."""
    for ask in (
        lambda: lrs_client.get("statements", {}),
        lambda: lrs_client.ask("HEAD", "statements", {}),
        lambda: one(lrs_client, str(uuid.uuid4()), 404),
        lambda: lrs_client.get("statements", {"attachments": "true"}),
    ):
        before = datetime.now(UTC)
        assert before - timedelta(milliseconds=100) <= moment(ask()) <= datetime.now(UTC) + timedelta(milliseconds=100)
    given = statement()
    answer = post(lrs_client, given)
    assert moment(answer) == datetime.fromisoformat(one(lrs_client, given["id"]).json()["stored"])
    assert moment(post(lrs_client, {}, 400))


def test_nobody_is_told_that_all_is_there_while_a_writer_is_at_work(lrs_server, lrs_client):
    """A reader waits for no writer, and a writer that began earlier is stored later than what it was told."""
    post(lrs_client, statement())
    go_on, working = threading.Event(), threading.Event()

    def write():
        with lrs_server.database.transaction() as db:
            tenant = db.get_one(Key, lrs_client.key[0]).tenant
            store.put(db, tenant=tenant, statements=[late], now=datetime.now(UTC), authority=BEN)
            working.set()
            go_on.wait(10)

    late = statement()
    writer = threading.Thread(target=write)
    writer.start()
    assert working.wait(10)
    through = moment(lrs_client.get("statements", {}))
    go_on.set()
    writer.join(10)
    assert datetime.fromisoformat(one(lrs_client, late["id"]).json()["stored"]) > through


def test_head_answers_like_get_without_a_body(lrs_client):
    """XAPI-00125, XAPI-00126."""
    given = statement()
    post(lrs_client, given)
    for query in ({}, {"statementId": given["id"]}, {"statementId": str(uuid.uuid4())}, {"limit": "x"}):
        get, head = lrs_client.get("statements", query), lrs_client.ask("HEAD", "statements", query)
        assert (head.status_code, head.content) == (get.status_code, b"")
        names = ("Content-Type", "Last-Modified", "Content-Length")
        assert [head.headers.get(name) for name in names] == [get.headers.get(name) for name in names]


def test_an_address_works_with_and_without_a_slash(lrs_client):
    """XAPI-00139, XAPI-00147, XAPI-00159."""
    for path in ("statements", "statements/", "/statements", "//statements/"):
        assert lrs_client.get(path, {}).status_code == 200
        answer = lrs_client.ask("POST", path, {}, json.dumps(statement()), **{"Content-Type": "application/json"})
        assert answer.status_code == 200


# Formats ------------------------------------------------------------------------------------------------------------


def test_ids_are_no_more_than_tells_things_apart(lrs_client):
    """XAPI-00171"""
    group = {"objectType": "Group", "name": "Pair", "member": [ANN | {"name": "Ann"}, BEN]}
    inside = {"objectType": "SubStatement", "actor": BEN, "verb": {"id": CONFIRMED, "display": {"en": "confirmed"}}}
    given = statement(
        actor=group,
        object=inside | {"object": {"id": COURSE, "definition": {"name": {"en": "Course"}}}},
        context={"instructor": BEN, "contextActivities": {"parent": [{"id": EXAM, "definition": {"type": EXAM}}]}},
    )
    post(lrs_client, given)
    short = one(lrs_client, given["id"], format="ids").json()
    ben = {"objectType": "Agent", "mbox": BEN["mbox"]}
    assert short["actor"] == {"objectType": "Group", "member": [ANN, ben]}
    assert short["verb"] == {"id": SCORED}
    assert short["object"] == inside | {"actor": ben, "verb": {"id": CONFIRMED}, "object": {"id": COURSE}}
    assert short["context"] == {"instructor": ben, "contextActivities": {"parent": [{"id": EXAM}]}}
    assert short["id"] == given["id"]


MANY = ", ".join(f"x{number:05}" for number in range(2000))
LANGUAGES = [
    ("de", "de"),
    ("de-AT, en;q=0.5", "de"),
    ("fr, en;q=0.3", "en"),
    ("fr", "en"),
    (None, "en"),
    ("de;q=0, fr", "en"),
    (f"{MANY}, de", "en"),  # as many as nobody reads
]


def test_canonical_is_what_is_known_in_one_language(lrs_client):
    """XAPI-00169, XAPI-00172; nothing is left out of what is exact: XAPI-00168, XAPI-00170."""
    given, later = statement(), statement(object={"id": EXAM, "definition": {"type": COURSE}})
    post(lrs_client, [given, later])
    for asked, language in LANGUAGES:
        headers = {"Accept-Language": asked} if asked else {}
        answer = lrs_client.get("statements", {"statementId": later["id"], "format": "canonical"}, **headers).json()
        name = {"en": "Exam", "de": "Prüfung"}[language]
        assert answer["object"]["definition"] == {"name": {language: name}, "type": COURSE}
        assert list(answer["verb"]["display"]) == [language]
        for query in ({}, {"format": "exact"}):
            exact = lrs_client.get("statements", {"statementId": given["id"], **query}, **headers).json()
            assert exact["object"] == given["object"]


# Keys ---------------------------------------------------------------------------------------------------------------


SCOPES = [
    (keys.WRITE, 200, 403, None),
    (keys.READ, 403, 200, False),
    (keys.READ_MINE, 403, 200, True),
    (keys.ALL_READ, 403, 200, False),
    (keys.ALL, 200, 200, False),
    (keys.STATE, 403, 403, None),
    (keys.PROFILE, 403, 403, None),
    (keys.DEFINE, 403, 403, None),
]


def test_a_key_does_what_its_scope_says_and_no_more(lrs_server, lrs_session):
    """Part Three, 4.2."""
    given = statement()
    post(lrs_server.client(lrs_session, organization="Scopes"), given)
    for scope, write, read, mine in SCOPES:
        client = lrs_server.client(lrs_session, scope, organization="Scopes")
        post(client, statement(), write)
        assert client.get("statements", {}).status_code == read
        if read == 200:
            assert (given["id"] in found(client)) is not mine
            assert (given["id"] in found(client, agent=ANN)) is not mine
            one(client, given["id"], 404 if mine else 200)


def test_a_key_that_reads_its_own_sees_them_all_and_nothing_else(lrs_server, lrs_session):
    other = lrs_server.client(lrs_session, organization="Mine")
    client = lrs_server.client(lrs_session, keys.WRITE, keys.READ_MINE, organization="Mine")
    theirs, own, voided = statement(), statement(object={"id": EXAM}), statement()
    post(client, [own, voided])
    me = one(client, own["id"]).json()["authority"]
    of_me = statement(context={"instructor": me})
    post(other, [theirs, of_me])
    reference, void = about(theirs), voiding(voided)
    post(client, [reference, void])
    assert found(client) == [void["id"], reference["id"], own["id"]]
    assert found(client, verb=VOIDED) == [void["id"]]
    assert one(client, voided["id"], name="voidedStatementId")
    assert found(client, activity=EXAM) == [own["id"]]  # by what it says itself: what it is about may be theirs
    assert found(client, agent=ANN) == found(client, agent=ANN, verb=SCORED) == [own["id"]]
    assert of_me["id"] not in found(client, agent=me, related_agents="true")
    assert "definition" not in one(client, own["id"], format="canonical").json()["object"]
    everything = lrs_server.client(lrs_session, keys.READ, organization="Mine")
    assert one(everything, own["id"], format="canonical").json()["object"]["definition"]


def test_a_key_voids_what_is_its_own_and_one_for_everything_anything(lrs_server, lrs_session):
    """Part Two, 2.3.2."""
    first, second = (lrs_server.client(lrs_session, *keys.USUAL, organization="Void") for _ in range(2))
    whole = lrs_server.client(lrs_session, organization="Void")
    theirs, own, late = statement(), statement(), statement()
    post(first, [theirs, late])
    post(second, own)
    along = statement()
    refused = post(second, [along, voiding(theirs)], 403)
    assert refused.json()["error"] == "statement.not_yours"
    one(second, along["id"], 404)
    one(second, theirs["id"])
    post(second, voiding(own))
    one(second, own["id"], 404)
    post(whole, voiding(theirs))
    one(first, theirs["id"], 404)


def test_a_voiding_statement_that_comes_first_voids_what_comes_from_the_same_key(lrs_server, lrs_session):
    first, second = (lrs_server.client(lrs_session, *keys.USUAL, organization="Void early") for _ in range(2))
    given, other = statement(), statement()
    post(second, [voiding(given), voiding(other)])
    post(first, given)
    post(second, other)
    one(first, given["id"])
    one(second, other["id"], 404)


def test_only_a_key_that_may_define_changes_what_is_known(lrs_server, lrs_session):
    usual = lrs_server.client(lrs_session, *keys.USUAL, organization="Define")
    defining = lrs_server.client(lrs_session, keys.WRITE, keys.DEFINE, organization="Define")
    for client, name in ((defining, "Exam"), (usual, "Something else")):
        post(client, statement(object={"id": EXAM, "definition": {"name": {"en": name}}}))
    known = usual.get("activities", {"activityId": EXAM}).json()
    assert known["definition"]["name"] == {"en": "Exam"}


def test_statements_of_another_organization_are_never_seen(lrs_server, lrs_session):
    client, theirs = lrs_server.client(lrs_session), lrs_server.client(lrs_session)
    given = statement()
    post(client, given)
    assert found(theirs) == []
    one(theirs, given["id"], 404)
    post(theirs, given | {"verb": {"id": CONFIRMED}})
