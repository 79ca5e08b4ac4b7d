"""The record store over HTTP."""

import json
import uuid
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select, text

from lti_mentor import clock
from lti_mentor.activity import record
from lti_mentor.app import create_app
from lti_mentor.db import connect
from lti_mentor.insight import figures
from lti_mentor.mentoring import goals, gradebook, standing
from lti_mentor.mentoring.courses import Result
from lti_mentor.mentoring.goals import Goal, GoalDraft
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.vault import Vault
from lti_mentor.web.measured import measures
from tests.conftest import url_of
from tests.lti.test_linked_meanwhile import until_somebody_waits
from tests.mentoring.test_rules import grade, mapped_item
from xapi import keys, store
from xapi.facets import agent_key
from xapi.rows import Key

VERSION = {"X-Experience-API-Version": "1.0.3"}


@pytest.fixture
def client(database, cast, loaded_settings):
    return create_app(loaded_settings, database).test_client()


@pytest.fixture
def key(database, cast, client):
    vault = client.application.extensions["lti_mentor"].vault
    with database.transaction() as db:
        return keys.add(
            db,
            tenant=cast.course.organization_id,
            label="test",
            now=clock.now(),
            scopes=(keys.ALL,),
            fingerprint=lambda text: record.key_hashes(db, vault, text)[0],
        )


def statement(**changes):
    return {**grade(), **changes}


def test_a_posted_grade_is_stored_found_and_moves_readiness(database, cast, client, key):
    with database.transaction() as db:
        mapped_item(db, cast)
    posted = client.post("/xapi/statements", json=statement(), auth=key, headers=VERSION)
    assert posted.status_code == 200
    found = client.get("/xapi/statements/", query_string={"statementId": posted.json[0]}, auth=key, headers=VERSION)
    assert found.json["actor"]["account"]["name"] == "learner"
    assert found.headers["X-Experience-API-Consistent-Through"]
    with database.reading() as db:
        way = db.scalars(select(Pursuit)).one()
        assert standing.of(db, way).readiness.domain("1").value == 90


def test_every_answer_says_the_version_and_errors_are_json(client, key):
    for answer, status in (
        (client.get("/xapi/about"), 200),
        (client.get("/xapi/statements", auth=key), 400),
        (client.get("/xapi/statements", headers=VERSION), 401),
        (client.get("/xapi/statements", auth=("no", "no"), headers=VERSION), 401),
        (client.get("/xapi/statements", query_string={"Verb": "x"}, auth=key, headers=VERSION), 400),
        (client.get("/xapi/statements", query_string={"limit": "-1"}, auth=key, headers=VERSION), 400),
        (client.get("/xapi/statements", query_string={"since": "soon"}, auth=key, headers=VERSION), 400),
        (client.get(f"/xapi/statements?statementId={uuid.uuid4()}", auth=key, headers=VERSION), 404),
        (client.post("/xapi/statements", data="{", content_type="application/json", auth=key, headers=VERSION), 400),
        (client.post("/xapi/statements", data="x", auth=key, headers=VERSION), 400),
        (client.post("/xapi/statements", json={"actor": {}}, auth=key, headers=VERSION), 400),
        (client.delete("/xapi/statements", auth=key, headers=VERSION), 405),
    ):
        assert answer.status_code == status, answer.text
        assert answer.headers["X-Experience-API-Version"] in ("0.95", "1.0.3", "2.0.0")
        assert status == 200 or set(answer.json) == {"error", "message"}


NO_KEYS = [
    "Basic é",
    "Basic",
    "Basic ====",
    *(f"Basic {b64encode(each).decode()}" for each in (b":", b"a\0b:c", b"\xc3\xa9:c")),
]


@pytest.mark.parametrize("given", NO_KEYS)
def test_a_header_without_a_key_in_it_lets_nobody_in(client, key, given):
    answer = client.get("/xapi/statements", headers=VERSION | {"Authorization": given})
    assert (answer.status_code, answer.json["error"]) == (401, "key.missing")


@pytest.mark.parametrize(
    ("spoken", "status", "answered"),
    [
        ("1.0", 200, "1.0.3"),
        ("1.0.0", 200, "1.0.3"),
        ("1.0.3", 200, "1.0.3"),
        ("2.0", 200, "2.0.0"),
        ("2.0.0", 200, "2.0.0"),
        ("0.95", 400, "0.95"),
        ("1.1.0", 400, "0.95"),
        ("3.0.0", 400, "0.95"),
        (None, 400, "0.95"),
    ],
)
def test_one_server_speaks_both_versions(client, key, spoken, status, answered):
    headers = {"X-Experience-API-Version": spoken} if spoken else {}
    answer = client.get("/xapi/statements", auth=key, headers=headers)
    assert (answer.status_code, answer.headers["X-Experience-API-Version"]) == (status, answered)
    about = client.get("/xapi/about", headers=headers)
    assert (about.status_code, about.json["version"]) == (200, ["1.0.3", "2.0.0"])


def test_a_form_stands_for_another_request_in_the_older_version_alone(client, key):
    statement_id = str(uuid.uuid4())
    form = {"statementId": statement_id, "content": json.dumps(statement())}
    put = "/xapi/statements?method=PUT"
    assert client.post(put, data=form, auth=key, headers=VERSION).status_code == 204
    found = client.post("/xapi/statements?method=GET", data={"statementId": statement_id} | VERSION, auth=key)
    assert (found.status_code, found.json["id"]) == (200, statement_id)
    for given, address, version in (
        (form, put, "2.0.0"),
        (form | {"X-Experience-API-Version": "2.0.0"}, put, "1.0.3"),
        (form | {"X-Experience-API-Version": "0.8"}, put, "1.0.3"),
        (form, f"{put}&statementId={statement_id}", "1.0.3"),
        (form, "/xapi/statements?method=BREW", "1.0.3"),
        ({"statementId": statement_id}, put, "1.0.3"),
    ):
        answer = client.post(address, data=given, auth=key, headers={"X-Experience-API-Version": version})
        assert answer.status_code == 400, (given, address, version)


def test_a_request_that_stands_for_another_is_counted_and_logged_once(client, key, caplog):
    caplog.set_level("INFO", "lti_mentor.request")
    app, named = client.application, {"X-Request-Id": "of-this-request"}
    answers = [
        client.post("/xapi//statements?method=GET", data=VERSION, auth=key, headers=named),
        client.get("/xapi//statements", auth=key, headers=VERSION | named),
    ]
    assert [(answer.status_code, answer.headers.getlist("X-Request-Id")) for answer in answers] == [
        (200, ["of-this-request"])
    ] * 2
    said = [(record.endpoint, record.status) for record in caplog.records if record.name == "lti_mentor.request"]
    assert said == [("lrs_statements.get_statements", 200)] * 2
    with app.app_context():
        counted = [line for line in measures().lines() if line.startswith("lti_mentor_requests_total")]
    assert counted == ['lti_mentor_requests_total{endpoint="lrs_statements.get_statements",status="200"} 2']


def test_pages_of_other_sites_may_ask(client, key):
    for address in ("/xapi/statements", "/xapi//statements"):
        asked = client.options(address, headers={"Origin": "https://course.example.org"})
        assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, "*")
        assert "If-None-Match" in asked.headers["Access-Control-Allow-Headers"]
    refused = client.get("/xapi/statements")
    assert "ETag" in refused.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in refused.headers


def test_a_statement_is_put_once_and_a_different_one_conflicts(client, key):
    statement_id = str(uuid.uuid4())
    body = statement()

    def put(given):
        return client.put(
            f"/xapi/statements?statementId={statement_id}", json=given, auth=key, headers=VERSION
        ).status_code

    assert put(body) == 204
    assert put(body) == 204
    assert put(statement(result={"score": {"raw": 1, "min": 0, "max": 100}})) == 409
    assert put({**body, "id": str(uuid.uuid4())}) == 400


def test_pages_lead_to_the_end_and_head_answers_like_get(client, key):
    client.post("/xapi/statements", json=[statement() for _ in range(7)], auth=key, headers=VERSION)
    url, seen = "/xapi/statements?limit=3&verb=http%3A%2F%2Fadlnet.gov%2Fexpapi%2Fverbs%2Fscored", []
    while url:
        page = client.get(url, auth=key, headers=VERSION).json
        seen += [each["id"] for each in page["statements"]]
        url = page["more"]
    assert len(seen) == len(set(seen)) == 7
    head = client.head("/xapi/statements", auth=key, headers=VERSION)
    assert (head.status_code, head.data) == (200, b"")


def test_an_agent_is_searched_as_json(client, key):
    client.post("/xapi/statements", json=statement(), auth=key, headers=VERSION)

    def found(agent):
        return client.get("/xapi/statements", query_string={"agent": agent}, auth=key, headers=VERSION)

    assert len(found(json.dumps(grade()["actor"])).json["statements"]) == 1
    assert found("not json").status_code == 400
    assert found("{}").status_code == 400


UNSOUND = [
    b'"result": {"score": {"raw": 1e999}}',
    b'"result": {"score": {"raw": 1, "max": 1e999}}',
    b'"result": {"score": {"raw": 1' + b"0" * 400 + b"}}",
    b'"result": {"extensions": {"https://lms.example.org/x": 1e999}}',
    b'"result": {"response": "half a pair: \\ud800"}',
    b'"result": {"response": "a NUL: \\u0000"}',
    b'"timestamp": "0001-01-01T00:00:00+05:00"',
    b'"result": {"extensions": {"https://lms.example.org/x": ' + b"[" * 900 + b"]" * 900 + b"}}",
    b'"platform": ' + b"[" * 100_000,
]


@pytest.mark.parametrize("part", UNSOUND, ids=range(len(UNSOUND)))
def test_what_nobody_could_read_again_is_refused(client, key, part):
    body = json.dumps(statement()).encode()[:-1] + b", " + part + b"}"
    sent = client.post("/xapi/statements", data=body, content_type="application/json", auth=key, headers=VERSION)
    assert sent.status_code == 400
    assert sent.json["message"]
    everything = client.get("/xapi/statements", auth=key, headers=VERSION).json["statements"]
    assert [each for each in everything if each["verb"]["id"].endswith("/scored")] == []


@pytest.mark.parametrize(
    "query",
    [
        {"since": "0001-01-01T00:00:00+05:00"},
        {"agent": "[" * 1900},
        {"verb": "http://a\0b"},
        {"activity": "x:" + "y" * 3000},
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(client, key, query):
    answer = client.get("/xapi/statements", query_string=query, auth=key, headers=VERSION)
    assert answer.status_code == 400
    assert answer.json["message"]


def test_a_repeat_does_not_bring_an_older_result_back(database, cast, client, key):
    with database.transaction() as db:
        item = mapped_item(db, cast)
    first, second = (statement(id=str(uuid.uuid4()), result={"score": {"scaled": share}}) for share in (0.4, 0.9))
    for each in (first, second, first):
        each.pop("timestamp", None)
        assert client.post("/xapi/statements", json=each, auth=key, headers=VERSION).status_code == 200
    with database.reading() as db:
        results = db.scalars(select(Result).where(Result.item_id == item.id).order_by(Result.achieved_at)).all()
    assert [result.score for result in results] == [40, 90]


def test_a_score_below_its_minimum_counts_as_nothing(database, cast, client, key):
    with database.transaction() as db:
        mapped_item(db, cast)
    low = statement(result={"score": {"raw": -50, "max": 100}}, timestamp="2026-01-01T00:00:00z")
    assert client.post("/xapi/statements", json=low, auth=key, headers=VERSION).status_code == 200
    with database.reading() as db:
        assert db.scalars(select(Result)).one().score == 0


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_score_in_the_moment_of_a_form_about_the_same_learner_is_taken(database, cast, client, key):
    """Each of the two holds what the other one needs next. SQLite has one writer at a time."""
    organization = cast.course.organization_id
    with database.transaction() as db:
        mapped_item(db, cast)
        gradebook.open_column(db, cast.program, cast.course, None)
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as db:
            db.execute(text("SET LOCAL deadlock_timeout = '20s'"))  # whoever looks first gives way
            gradebook.goals_moved(db, organization, [cast.learner.id])
            sent = thread.submit(client.post, "/xapi/statements", json=statement(), auth=key, headers=VERSION)
            until_somebody_waits(database)
            goals.set_goal(db, cast.learner, GoalDraft(title="Read", baseline=0, target=1, due_on=clock.today()))
        assert sent.result(30).status_code == 200
    with database.reading() as db:
        assert len(db.scalars(select(Result)).all()) == len(db.scalars(select(Goal)).all()) == 1
        assert len(list(store.scan(db, tenant=organization, agent=agent_key(statement()["actor"])))) == 1


FAR_APART = {"raw": 1e308, "min": -1e308, "max": 1.5e308}


@pytest.mark.parametrize(
    ("score", "kept"), [(FAR_APART, []), (FAR_APART | {"raw": 0}, []), (FAR_APART | {"scaled": 0.5}, [50])]
)
def test_a_score_of_which_no_number_is_the_share_is_none(database, cast, client, key, score, kept):
    with database.transaction() as db:
        mapped_item(db, cast)
    answer = client.post("/xapi/statements", json=statement(result={"score": score}), auth=key, headers=VERSION)
    assert answer.status_code == 200
    with database.reading() as db:
        assert [result.score for result in db.scalars(select(Result))] == kept


def test_a_statement_that_only_claims_to_be_ours_never_counts_in_a_figure(database, cast, client, key, loaded_settings):
    base = loaded_settings.base_url
    program = f"{base}/programs/{cast.program.id}"
    forged = statement(
        actor={"account": {"homePage": base, "name": "somebody"}},
        verb={"id": "http://adlnet.gov/expapi/verbs/registered"},
        object={"id": program, "definition": {"type": "https://w3id.org/xapi/acrossx/activities/learning-plan"}},
        context={"extensions": {"http://id.tincanapi.com/extension/purpose": "mentee"}},
    )
    assert client.post("/xapi/statements", json=forged, auth=key, headers=VERSION).status_code == 200
    with database.reading() as db:
        said = store.scan(db, tenant=cast.course.organization_id)
        record = figures.gather(said, program=program, base=base)
    assert len(record.mentees) == 2


def test_a_key_that_nobody_uses_outlives_a_rotation_of_the_secret_key(database, key, loaded_settings):
    old, new = loaded_settings.secret_key[0], "n" * 40
    with database.transaction() as db:
        record.reseal_pepper(db, Vault((new, old)))
    fresh = connect(url_of(database))
    rotated = create_app(replace(loaded_settings, secret_key=(new,)), fresh).test_client()
    assert rotated.get("/xapi/statements", auth=key, headers=VERSION).status_code == 200
    fresh.engine.dispose()
    with database.transaction() as db:
        record.reseal_pepper(db, Vault((old, new)))


def test_a_key_hashed_in_the_older_way_is_let_in_and_moved_over(database, key, client):
    vault = client.application.extensions["lti_mentor"].vault
    with database.transaction() as db:
        kept = db.get_one(Key, key[0])
        kept.secret_hash = vault.fingerprint("lrs-key", key[1].encode())
    assert client.get("/xapi/statements", auth=key, headers=VERSION).status_code == 200
    with database.reading() as db:
        assert db.get_one(Key, key[0]).secret_hash == record.key_hashes(db, vault, key[1].encode())[0]
