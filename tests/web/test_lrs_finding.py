"""Finding statements over HTTP, in each format. The ids are those of the xAPI LRS conformance requirements."""

import json
import threading
import uuid
from datetime import UTC, datetime, timedelta

from tests.support.record_store import (
    ANN,
    BEN,
    CONFIRMED,
    COURSE,
    EXAM,
    SCORED,
    about,
    found,
    moment,
    one,
    post,
    statement,
)
from xapi import store
from xapi.rows import Key

# Finding ------------------------------------------------------------------------------------------------------------


def test_each_filter_finds_what_fits(lrs_client):
    """XAPI-00164, XAPI-00173, XAPI-00174, XAPI-00175, XAPI-00176, XAPI-00177, XAPI-00178, XAPI-00179, XAPI-00180,
    XAPI-00181.
    """
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


def test_a_question_that_nothing_fits_is_answered_with_an_empty_list(lrs_client):
    """XAPI-00112, XAPI-00149, XAPI-00154, XAPI-00165."""
    empty = {"statements": [], "more": ""}
    for query in ({}, {"verb": CONFIRMED}):
        answer = lrs_client.get("statements", query)
        assert (answer.status_code, answer.json()) == (200, empty)
        assert answer.headers["Content-Type"] == "application/json"
    given = statement()
    post(lrs_client, given)
    assert lrs_client.get("statements", {"verb": CONFIRMED}).json() == empty
    everything = lrs_client.get("statements", {}).json()
    assert [each["id"] for each in everything.pop("statements")] == [given["id"]]
    assert everything == {"more": ""}


def test_times_are_those_of_storing_and_pages_lead_to_the_end(lrs_client):
    """XAPI-00108, XAPI-00109, XAPI-00110, XAPI-00111, XAPI-00112, XAPI-00113, XAPI-00114, XAPI-00166, XAPI-00173,
    XAPI-00174, XAPI-00175.
    """
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
    {"activity": "exams/7"},
    {"registration": "7"},
    {"related_agents": "yes"},
    {"since": "yesterday"},
    {"limit": "-1"},
    {"limit": "many"},
    {"format": "short"},
    {"attachments": "1"},
    {"ascending": "TRUE"},
    {"statementId": "7"},
    {"voidedStatementId": "7"},
    {"statementId": str(uuid.uuid4()), "voidedStatementId": str(uuid.uuid4())},
    *({"statementId": str(uuid.uuid4()), "limit": "1"}, {"voidedStatementId": str(uuid.uuid4()), "verb": SCORED}),
]


def test_a_question_that_is_not_right_is_refused(lrs_client):
    """XAPI-00012, XAPI-00150, XAPI-00151; with the time through which everything can be found: XAPI-00153."""
    for query in NO_QUESTIONS:
        answer = lrs_client.get("statements", query)
        assert answer.status_code == 400, query
        assert moment(answer)


def test_everything_up_to_now_can_be_found(lrs_client):
    """XAPI-00152, XAPI-00153, XAPI-00160: on every answer, errors included, and never far behind."""
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
    page = lrs_client.get("statements", {})
    assert moment(page) >= max(datetime.fromisoformat(each["stored"]) for each in page.json()["statements"])


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
