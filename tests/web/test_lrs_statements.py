"""Statements over HTTP. The ids are those of the xAPI LRS conformance requirements."""

import base64
import copy
import hashlib
import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import jwt
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from lti_mentor.app import create_app
from lti_mentor.db import Database, connect
from tests.conftest import empty
from tests.support.serving import served
from tests.web.test_lrs_documents import Client, made_key
from xapi import keys, multipart, store
from xapi.multipart import Part
from xapi.rows import Key

ONE, TWO = "1.0.3", "2.0.0"
ANN = {"objectType": "Agent", "account": {"homePage": "https://lms.example.org", "name": "ann"}}
BEN = {"objectType": "Agent", "mbox": "mailto:ben@example.org", "name": "Ben"}
SCORED, CONFIRMED = "http://adlnet.gov/expapi/verbs/scored", "http://activitystrea.ms/schema/1.0/confirm"
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
EXAM, COURSE = "https://lms.example.org/exams/7", "https://lms.example.org/courses/1"
SIGNATURE = "http://adlnet.gov/expapi/attachments/signature"


@dataclass(frozen=True)
class Server:
    """One for all tests here: each has an organization of its own."""

    database: Database
    address: str
    secret_key: tuple[str, ...]

    def client(self, session, *scopes, version=ONE, organization=None) -> Client:
        key = made_key(self.database, self.secret_key, *scopes, organization=organization or str(uuid.uuid4()))
        return Client(session, self.address, key, version)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request, sqlite_template, tmp_path_factory, loaded_settings) -> Iterator[Server]:
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("statements") / "test.db"
        file.write_bytes(sqlite_template.read_bytes())
        database = connect(f"sqlite:///{file}")
    else:
        database = request.getfixturevalue("postgres_database")
        empty(database)
    with served(lambda url: create_app(replace(loaded_settings, base_url=url), database)) as address:
        yield Server(database, address, loaded_settings.secret_key)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        yield made


@pytest.fixture(params=[ONE, TWO])
def client(request, server, session) -> Client:
    return server.client(session, version=request.param)


def statement(**changes):
    return {
        "id": str(uuid.uuid4()),
        "actor": ANN,
        "verb": {"id": SCORED, "display": {"en": "scored", "de": "erreichte"}},
        "object": {"id": EXAM, "definition": {"name": {"en": "Exam", "de": "Prüfung"}}},
    } | changes


def about(target, **changes):
    return (
        statement(verb={"id": CONFIRMED}, actor=BEN, object={"objectType": "StatementRef", "id": target["id"]})
        | changes
    )


def voiding(target):
    return about(target, verb={"id": VOIDED})


def post(client, given, status=200):
    body = json.dumps(given)
    answer = client.ask("POST", "statements", {}, body, **{"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    return answer


def put(client, given, status=204):
    headers = {"Content-Type": "application/json"}
    answer = client.ask("PUT", "statements", {"statementId": given["id"]}, json.dumps(given), **headers)
    assert answer.status_code == status, answer.text
    return answer


def one(client, statement_id, status=200, name="statementId", **query):
    answer = client.get("statements", {name: statement_id, **query})
    assert answer.status_code == status, answer.text
    return answer


def found(client, **query):
    answer = client.get("statements", query)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["statements"]]


def moment(answer):
    return datetime.fromisoformat(answer.headers["X-Experience-API-Consistent-Through"])


# Storing ------------------------------------------------------------------------------------------------------------


def test_what_is_stored_comes_back_with_what_the_store_adds(client):
    """XAPI-00097, XAPI-00099, XAPI-00143, XAPI-00146, XAPI-00156, XAPI-00332."""
    given = statement(version=client.version, timestamp="2026-05-01T10:00:00.123456Z")
    put(client, given)
    unnamed = {name: value for name, value in statement().items() if name != "id"}
    (made,) = post(client, unnamed).json()
    answer = one(client, given["id"])
    kept = answer.json()
    assert {name: kept[name] for name in given} == given
    assert kept["authority"]["account"]["name"] == f"key-{client.key[0]}"
    stored = datetime.fromisoformat(kept["stored"])
    assert parsedate_to_datetime(answer.headers["Last-Modified"]) == stored.replace(microsecond=0)
    other = one(client, made).json()
    assert other["timestamp"] == other["stored"] > kept["stored"]
    assert other["version"] == ("1.0.0" if client.version == ONE else TWO)


def test_a_single_context_activity_comes_back_in_a_list(client):
    """XAPI-00096"""
    given = statement(context={"contextActivities": {"parent": {"id": COURSE}}})
    post(client, given)
    assert one(client, given["id"]).json()["context"] == {"contextActivities": {"parent": [{"id": COURSE}]}}


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
}
DIFFERENT = {
    "another verb": lambda said: said["verb"].update(id=CONFIRMED),
    "another actor": lambda said: said.update(actor=BEN),
    "another object": lambda said: said["object"].update(id=COURSE),
    "another time": lambda said: said.update(timestamp="2026-05-01T10:00:01Z"),
    "another duration": lambda said: said["result"].update(duration="PT1H0.57S"),
    "no result": lambda said: said.pop("result"),
    "one member less": lambda said: said["context"]["team"]["member"].pop(),
}


def whole():
    return statement(
        timestamp="2026-05-01T10:00:00Z",
        result={"duration": "PT1H0.56S"},
        context={
            "team": {"objectType": "Group", "member": [copy.deepcopy(ANN), copy.deepcopy(BEN)]},
            "instructor": {**BEN},
        },
    )


def test_the_same_statement_again_changes_nothing(client):
    """XAPI-00142; Part Two, 2.3.1; IEEE 9274.1.1, 4.2.7."""
    for number, (name, change) in enumerate(SAME.items()):
        given = whole()
        again = copy.deepcopy(given)
        change(again)
        post(client, given)
        first = one(client, given["id"]).json()
        (put if number % 2 else post)(client, again)
        assert one(client, given["id"]).json() == first, name
        put(client, first)  # as it came back


def test_another_statement_with_the_same_id_conflicts(client):
    """XAPI-00142"""
    for name, change in DIFFERENT.items():
        given = whole()
        other = copy.deepcopy(given)
        change(other)
        post(client, given)
        first = one(client, given["id"]).json()
        post(client, [statement(), other], 409)
        put(client, other, 409)
        assert one(client, given["id"]).json() == first, name


def test_a_batch_is_stored_as_a_whole_or_not_at_all(client):
    """XAPI-00326; the same id twice: IEEE 9274.1.1, 4.1.6.1."""
    good, twice = statement(), statement()
    post(client, [good, statement(verb={"id": "scored"})], 400)
    post(client, [good, twice, twice], 400)
    one(client, good["id"], 404)
    ids = post(client, [good, twice]).json()
    assert ids == [good["id"], twice["id"]]


def test_a_put_that_is_not_right_stores_nothing(client):
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
        answer = client.ask("PUT", "statements", query, json.dumps(body), **{"Content-Type": "application/json"})
        assert answer.status_code == 400, query
        one(client, given["id"], 404)


def test_a_body_of_another_kind_is_refused(client):
    """XAPI-00127, XAPI-00130."""
    for headers, status in (
        ({"Content-Type": "text/plain"}, 400),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 400),
        ({"Content-Type": "multipart/mixed"}, 400),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
    ):
        answer = client.ask("POST", "statements", {}, json.dumps(statement()), **headers)
        assert answer.status_code == status, headers


def test_a_body_over_the_limit_is_refused(client, loaded_settings):
    """XAPI-00328"""
    long = statement(result={"response": "x" * loaded_settings.max_body_bytes})
    post(client, long, 413)
    one(client, long["id"], 404)


# Voiding ------------------------------------------------------------------------------------------------------------


def test_a_voided_statement_is_found_by_its_own_question_alone(client):
    """XAPI-00016, XAPI-00018, XAPI-00155, XAPI-00162, XAPI-00163."""
    given = statement()
    reference, void = about(given), voiding(given)
    post(client, [given, reference])
    one(client, given["id"], 404, "voidedStatementId")
    post(client, void)
    one(client, given["id"], 404)
    assert one(client, given["id"], name="voidedStatementId").json()["id"] == given["id"]
    assert found(client, verb=SCORED) == [void["id"], reference["id"]]
    post(client, voiding(void))
    one(client, void["id"])
    one(client, given["id"], 404)


def test_a_statement_that_comes_after_the_one_that_voids_it_is_voided(client):
    """XAPI-00018"""
    given = statement()
    post(client, voiding(given))
    post(client, given)
    one(client, given["id"], 404)
    one(client, given["id"], name="voidedStatementId")


# Finding ------------------------------------------------------------------------------------------------------------


def test_each_filter_finds_what_fits(client):
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
    post(client, given)

    def which(**query):
        ids = found(client, **query)
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


def test_times_are_those_of_storing_and_pages_lead_to_the_end(client):
    """XAPI-00108 to XAPI-00114, XAPI-00166, XAPI-00173 to XAPI-00175."""
    given = [statement(timestamp="2020-01-01T00:00:00Z") for _ in range(5)]
    post(client, given[:2])
    middle = one(client, given[1]["id"]).json()["stored"]
    post(client, given[2:])
    ids = [each["id"] for each in given]
    assert found(client) == ids[::-1]
    assert found(client, ascending="true") == ids
    assert found(client, since=middle, ascending="true") == ids[2:]
    assert found(client, until=middle, ascending="true") == ids[:2]
    assert found(client, since=middle, until=middle) == []
    assert found(client, verb=SCORED, since=middle) == ids[:1:-1]
    assert found(client, limit="0") == ids[::-1]
    for query in ({"limit": "2"}, {"limit": "2", "ascending": "true", "verb": SCORED, "format": "ids"}):
        page, seen = client.get("statements", query).json(), []
        while True:
            assert set(page) == {"statements", "more"}
            seen += page["statements"]
            if not page["more"]:
                break
            assert page["more"].startswith("/xapi/statements?")
            headers = {"X-Experience-API-Version": client.version}
            page = client.session.get(client.address + page["more"], auth=client.key, headers=headers).json()
        assert [each["id"] for each in seen] == (ids if "ascending" in query else ids[::-1])
        assert all(("definition" in each["object"]) == ("format" not in query) for each in seen)


def test_a_statement_about_another_is_found_by_what_that_one_says(client):
    """Part Three, 2.1.3, filter conditions for StatementRefs: however long the chain, each at its own time."""
    first = statement()
    second = about(first)
    third = about(second, actor={"mbox": "mailto:carl@example.org"})
    post(client, first)
    between = one(client, first["id"]).json()["stored"]
    post(client, [second, third])
    assert found(client, verb=SCORED) == [third["id"], second["id"], first["id"]]
    assert found(client, agent=ANN, activity=EXAM) == [third["id"], second["id"], first["id"]]
    assert found(client, agent=BEN) == [third["id"], second["id"]]
    assert found(client, agent=ANN, since=between) == [third["id"], second["id"]]
    assert found(client, agent=ANN, verb=CONFIRMED) == []  # said by two of them, but by neither alone
    assert found(client, agent=ANN, limit="1") == [third["id"]]


def test_a_statement_about_another_waits_for_it(client):
    first = statement()
    second = about(first)
    third = about(second)
    post(client, third)
    post(client, second)
    assert found(client, activity=EXAM) == []
    assert found(client, agent=BEN) == [second["id"], third["id"]]
    post(client, first)
    assert found(client, activity=EXAM) == [first["id"], second["id"], third["id"]]


def test_statements_about_each_other_come_to_an_end(client):
    first = statement()
    second = about(first)
    first["object"] = {"objectType": "StatementRef", "id": second["id"]}
    post(client, [first, second])
    assert found(client, verb=SCORED) == found(client, verb=CONFIRMED) == [second["id"], first["id"]]


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


def test_a_question_that_is_not_right_is_refused(client):
    """XAPI-00150, XAPI-00151; with the time through which everything can be found: XAPI-00153."""
    for query in NO_QUESTIONS:
        answer = client.get("statements", query)
        assert answer.status_code == 400, query
        assert moment(answer)


def test_everything_up_to_now_can_be_found(client):
    """XAPI-00153, XAPI-00160: on every answer, errors included, and never far behind."""
    for ask in (
        lambda: client.get("statements", {}),
        lambda: client.ask("HEAD", "statements", {}),
        lambda: one(client, str(uuid.uuid4()), 404),
        lambda: client.get("statements", {"attachments": "true"}),
    ):
        before = datetime.now(UTC)
        assert before - timedelta(milliseconds=100) <= moment(ask()) <= datetime.now(UTC) + timedelta(milliseconds=100)
    given = statement()
    answer = post(client, given)
    assert moment(answer) == datetime.fromisoformat(one(client, given["id"]).json()["stored"])
    assert moment(post(client, {}, 400))


def test_nobody_is_told_that_all_is_there_while_a_writer_is_at_work(server, client):
    """A reader waits for no writer, and a writer that began earlier is stored later than what it was told."""
    post(client, statement())
    go_on, working = threading.Event(), threading.Event()

    def write():
        with server.database.transaction() as db:
            tenant = db.get_one(Key, client.key[0]).tenant
            store.put(db, tenant=tenant, statements=[late], now=datetime.now(UTC), authority=BEN)
            working.set()
            go_on.wait(10)

    late = statement()
    writer = threading.Thread(target=write)
    writer.start()
    assert working.wait(10)
    through = moment(client.get("statements", {}))
    go_on.set()
    writer.join(10)
    assert datetime.fromisoformat(one(client, late["id"]).json()["stored"]) > through


def test_head_answers_like_get_without_a_body(client):
    """XAPI-00125, XAPI-00126."""
    given = statement()
    post(client, given)
    for query in ({}, {"statementId": given["id"]}, {"statementId": str(uuid.uuid4())}, {"limit": "x"}):
        get, head = client.get("statements", query), client.ask("HEAD", "statements", query)
        assert (head.status_code, head.content) == (get.status_code, b"")
        names = ("Content-Type", "Last-Modified", "Content-Length")
        assert [head.headers.get(name) for name in names] == [get.headers.get(name) for name in names]


def test_an_address_works_with_and_without_a_slash(client):
    """XAPI-00139, XAPI-00147, XAPI-00159."""
    for path in ("statements", "statements/", "/statements", "//statements/"):
        assert client.get(path, {}).status_code == 200
        answer = client.ask("POST", path, {}, json.dumps(statement()), **{"Content-Type": "application/json"})
        assert answer.status_code == 200


# Formats ------------------------------------------------------------------------------------------------------------


def test_ids_are_no_more_than_tells_things_apart(client):
    """XAPI-00171"""
    group = {"objectType": "Group", "name": "Pair", "member": [ANN | {"name": "Ann"}, BEN]}
    inside = {"objectType": "SubStatement", "actor": BEN, "verb": {"id": CONFIRMED, "display": {"en": "confirmed"}}}
    given = statement(
        actor=group,
        object=inside | {"object": {"id": COURSE, "definition": {"name": {"en": "Course"}}}},
        context={"instructor": BEN, "contextActivities": {"parent": [{"id": EXAM, "definition": {"type": EXAM}}]}},
    )
    post(client, given)
    short = one(client, given["id"], format="ids").json()
    ben = {"objectType": "Agent", "mbox": BEN["mbox"]}
    assert short["actor"] == {"objectType": "Group", "member": [ANN, ben]}
    assert short["verb"] == {"id": SCORED}
    assert short["object"] == inside | {"actor": ben, "verb": {"id": CONFIRMED}, "object": {"id": COURSE}}
    assert short["context"] == {"instructor": ben, "contextActivities": {"parent": [{"id": EXAM}]}}
    assert short["id"] == given["id"]


LANGUAGES = [("de", "de"), ("de-AT, en;q=0.5", "de"), ("fr, en;q=0.3", "en"), ("fr", "en"), (None, "en")]


def test_canonical_is_what_is_known_in_one_language(client):
    """XAPI-00169, XAPI-00172; nothing is left out of what is exact: XAPI-00168, XAPI-00170."""
    given, later = statement(), statement(object={"id": EXAM, "definition": {"type": COURSE}})
    post(client, [given, later])
    for asked, language in LANGUAGES:
        headers = {"Accept-Language": asked} if asked else {}
        answer = client.get("statements", {"statementId": later["id"], "format": "canonical"}, **headers).json()
        name = {"en": "Exam", "de": "Prüfung"}[language]
        assert answer["object"]["definition"] == {"name": {language: name}, "type": COURSE}
        assert list(answer["verb"]["display"]) == [language]
        for query in ({}, {"format": "exact"}):
            exact = client.get("statements", {"statementId": given["id"], **query}, **headers).json()
            assert exact["object"] == given["object"]


# Attachments and signatures -----------------------------------------------------------------------------------------


def attached(content, **changes):
    return {
        "usageType": "https://lms.example.org/certificate",
        "display": {"en": "Certificate"},
        "contentType": "application/pdf",
        "length": len(content),
        "sha2": hashlib.sha256(content).hexdigest(),
    } | changes


def part(content, **changes):
    headers = {
        "Content-Type": "application/pdf",
        "Content-Transfer-Encoding": "binary",
        "X-Experience-API-Hash": hashlib.sha256(content).hexdigest(),
    } | changes
    return Part({name: value for name, value in headers.items() if value}, content)


def send(client, given, *parts, status=200, first="application/json", boundary="3f1b"):
    body = multipart.written([Part({"Content-Type": first}, json.dumps(given).encode()), *parts], "3f1b")
    headers = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    answer = client.ask("POST", "statements", {}, body, **headers)
    assert answer.status_code == status, answer.text
    return answer


PDF, PICTURE = b"%PDF-\r\n--not a boundary\r\n\x00\xff", b"\x89PNG\r\n\r\n"


def test_attachments_come_back_as_they_were_sent(client):
    """XAPI-00161, XAPI-00167; Part Two, 2.4.11."""
    first = statement(attachments=[attached(PDF), attached(PICTURE, contentType="image/png")])
    second = statement(attachments=[attached(PDF), attached(b"x", fileUrl="https://lms.example.org/x")])
    send(client, [first, second], part(PDF), part(PICTURE))
    for query, contents in (({}, [PDF, PICTURE]), ({"statementId": second["id"]}, [PDF])):
        plain = client.get("statements", {**query, "attachments": "false"})
        assert plain.headers["Content-Type"] == "application/json"
        answer = client.get("statements", {**query, "attachments": "true"})
        kind, _, boundary = answer.headers["Content-Type"].partition("; boundary=")
        assert kind == "multipart/mixed"
        said, *others = multipart.parts(answer.content, boundary)
        assert (said.headers["content-type"], json.loads(said.content)) == ("application/json", plain.json())
        assert multipart.contents(others) == {hashlib.sha256(each).hexdigest(): each for each in contents}
        assert [each.content for each in others if each.headers["content-type"] == "image/png"] == contents[1:]


def test_a_statement_without_attachments_may_come_in_parts_too(client):
    given = statement(attachments=[attached(b"x", fileUrl="https://lms.example.org/x")])
    send(client, [given, statement()])
    put(client, given)


NO_FIT: list[tuple[list[Part], dict[str, str]]] = [
    ([], {}),  # XAPI-00129: nothing came along
    ([part(PDF), part(PICTURE)], {}),  # XAPI-00128: more than is named
    ([part(PDF, **{"X-Experience-API-Hash": ""})], {}),  # XAPI-00132
    ([part(PDF, **{"X-Experience-API-Hash": "a" * 64})], {}),
    ([part(PICTURE, **{"X-Experience-API-Hash": hashlib.sha256(PDF).hexdigest()})], {}),
    ([Part({"Content-Type": "application/json"}, json.dumps(statement()).encode()), part(PDF)], {}),  # XAPI-00133
    ([part(PDF)], {"first": "text/plain"}),  # XAPI-00134
    ([part(PDF, **{"Content-Transfer-Encoding": "base64"})], {}),  # XAPI-00135
    ([part(PDF, **{"Content-Transfer-Encoding": ""})], {}),
    ([part(PDF)], {"boundary": "another"}),  # XAPI-00131
]


def test_parts_that_do_not_fit_the_statements_are_refused(client):
    for parts, options in NO_FIT:
        given = statement(attachments=[attached(PDF)])
        answer = send(client, given, *parts, status=400, **options)
        assert "Part Three, 1.5.2" in answer.json()["message"]
        one(client, given["id"], 404)


def test_an_attachment_without_an_address_does_not_come_in_json(client):
    """XAPI-00129"""
    post(client, statement(attachments=[attached(PDF)]), 400)


KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key=KEY):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Issuer")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(7).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return base64.b64encode(made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)).decode()


def signed(given, payload=None, algorithm="RS256", **headers):
    """The statement with its signature, and the part that has it."""
    key = KEY if algorithm.startswith("RS") else "s" * 64
    content = jwt.api_jws.encode(json.dumps(payload or given).encode(), key, algorithm, headers).encode()
    attachment = attached(content, usageType=SIGNATURE, contentType="application/octet-stream")
    return given | {"attachments": [attachment]}, part(content, **{"Content-Type": "application/octet-stream"})


def test_a_signed_statement_is_taken_when_the_signature_is_over_it(client):
    """XAPI-00115, XAPI-00117."""
    for algorithm in ("RS256", "RS384", "RS512"):
        given = statement(result={"duration": "PT1.23S"})
        send(client, *signed(given, algorithm=algorithm, x5c=[certificate()]))
        same = statement(result={"duration": "PT1.23S"})
        send(client, *signed(same, same | {"result": {"duration": "PT1.239S"}}, algorithm))


def test_a_signature_over_something_else_is_refused(client):
    """XAPI-00115 to XAPI-00117."""
    other_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    given = statement()
    whole, sent = signed(given)
    wrong_type = attached(sent.content, usageType=SIGNATURE, contentType="text/plain")
    no_signature = attached(b"no", usageType=SIGNATURE, contentType="application/octet-stream")
    for body, sent_along in (
        signed(given, statement()),
        signed(given, given | {"verb": {"id": CONFIRMED}}),
        signed(given, {"actor": ANN}),
        signed(given, algorithm="HS256"),
        signed(given, x5c=[certificate(other_key)]),
        signed(given, x5c=["no certificate"]),
        (given | {"attachments": [wrong_type]}, sent),
        (given | {"attachments": [no_signature]}, part(b"no")),
    ):
        answer = send(client, body, sent_along, status=400)
        assert "Part Two" in answer.json()["message"]
    post(client, whole | {"attachments": [whole["attachments"][0] | {"fileUrl": "https://lms.example.org/s"}]}, 400)
    one(client, given["id"], 404)


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


def test_a_key_does_what_its_scope_says_and_no_more(server, session):
    """Part Three, 4.2."""
    given = statement()
    post(server.client(session, organization="Scopes"), given)
    for scope, write, read, mine in SCOPES:
        client = server.client(session, scope, organization="Scopes")
        post(client, statement(), write)
        assert client.get("statements", {}).status_code == read
        if read == 200:
            assert (given["id"] in found(client)) is not mine
            assert (given["id"] in found(client, agent=ANN)) is not mine
            one(client, given["id"], 404 if mine else 200)


def test_a_key_that_reads_its_own_sees_them_all(server, session):
    other = server.client(session, organization="Mine")
    client = server.client(session, keys.WRITE, keys.READ_MINE, organization="Mine")
    theirs, own = statement(), statement()
    post(other, theirs)
    post(client, own)
    reference, void = about(theirs), voiding(own)
    post(client, [reference, void])
    assert found(client) == [void["id"], reference["id"]]
    assert found(client, verb=VOIDED) == [void["id"]]
    assert one(client, own["id"], name="voidedStatementId")
    assert found(client, activity=EXAM) == [void["id"], reference["id"]]  # by what they are about


def test_only_a_key_that_may_define_changes_what_is_known(server, session):
    usual = server.client(session, *keys.USUAL, organization="Define")
    defining = server.client(session, keys.WRITE, keys.DEFINE, organization="Define")
    for client, name in ((defining, "Exam"), (usual, "Something else")):
        post(client, statement(object={"id": EXAM, "definition": {"name": {"en": name}}}))
    known = usual.get("activities", {"activityId": EXAM}).json()
    assert known["definition"]["name"] == {"en": "Exam"}


def test_statements_of_another_organization_are_never_seen(server, session):
    client, theirs = server.client(session), server.client(session)
    given = statement(attachments=[attached(PDF)])
    send(client, given, part(PDF))
    assert found(theirs) == []
    one(theirs, given["id"], 404)
    attachment = attached(PDF, fileUrl="https://lms.example.org/x")
    post(theirs, given | {"verb": {"id": CONFIRMED}, "attachments": [attachment]})
    answer = theirs.get("statements", {"attachments": "true"})
    assert PDF not in answer.content
