"""Keys of the record store that end, and keys that are bound to one activity, over the wire."""

import hashlib
import itertools
import json
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from lti_mentor import clock
from lti_mentor.app import create_app
from lti_mentor.mentoring import organizations
from tests.support.record_store import (
    ANN,
    BEN,
    CONFIRMED,
    COURSE,
    EXAM,
    SCORED,
    about,
    found,
    one,
    post,
    put,
    statement,
    voiding,
)
from xapi import activities, keys
from xapi.rows import Key

BOUND = "https://mentor.example.org/courses/1"
HIDDEN, OWN = "https://example.org/hidden", "https://example.org/own"
MARK = "of another course"
HASH = hashlib.sha256(MARK.encode()).hexdigest()
REGISTRATION = str(uuid.uuid4())
NAMES_IT = {"contextActivities": {"parent": [{"id": BOUND}]}}


def inside(**changes):
    """What a bound key may see: it names the course in its context."""
    return statement(context={"registration": REGISTRATION, **NAMES_IT}) | changes


def outside(**changes):
    """What it may not see, about the same person, exam and registration."""
    definition = {"name": {"en": f"Exam {MARK}"}, "description": {"de": MARK}}
    return statement(
        actor={**ANN, "name": f"Ann {MARK}"},
        object={"id": EXAM, "definition": definition},
        result={"response": MARK},
        context={"registration": REGISTRATION, "contextActivities": {"parent": [{"id": COURSE}]}},
    ) | dict(changes)


def with_file(given):
    attachment = {
        "usageType": "https://example.org/file",
        "display": {"en": "File"},
        "contentType": "text/plain",
        "length": len(MARK),
        "sha2": HASH,
    }
    body = json.dumps({**given, "attachments": [attachment]})
    head = f"--b\r\nContent-Type: application/json\r\n\r\n{body}\r\n"
    part = f"--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\nX-Experience-API-Hash: {HASH}"
    return f"{head}{part}\r\n\r\n{MARK}\r\n--b--\r\n"


@pytest.fixture
def both(lrs_server, lrs_session):
    """A key for everything of an organization, and one that is bound to a course of it."""
    owner = str(uuid.uuid4())
    whole = lrs_server.client(lrs_session, organization=owner)
    return whole, lrs_server.client(lrs_session, organization=owner, activity=BOUND)


def tell(whole):
    """Gives what names the course and what does not, by the ids of the statements."""
    seen = [inside(), inside(object={"id": BOUND}), inside(verb={"id": OWN}, actor=BEN)]
    voided = inside()
    hidden = [outside(verb={"id": HIDDEN}), outside(), about(seen[0]), voiding(voided)]
    forgotten = outside()
    pointing = about(hidden[0], context=NAMES_IT)  # visible, about something that is not
    post(whole, [*seen, voided, *hidden, forgotten, voiding(forgotten), pointing])
    kept = outside(id=str(uuid.uuid4()))
    answer = whole.ask("POST", "statements", {}, with_file(kept), **{"Content-Type": "multipart/mixed; boundary=b"})
    assert answer.status_code == 200, answer.text
    for place in (
        ("activities/state", {"activityId": COURSE, "agent": ANN, "stateId": MARK}),
        ("activities/state", {"activityId": EXAM, "agent": ANN, "registration": REGISTRATION, "stateId": MARK}),
        ("activities/profile", {"activityId": COURSE, "profileId": MARK}),
        ("agents/profile", {"agent": ANN, "profileId": MARK}),
    ):
        answer = whole.ask("PUT", *place, MARK, **{"Content-Type": "text/plain", "If-None-Match": "*"})
        assert answer.status_code == 204, answer.text
    ids = [[each["id"] for each in them] for them in (seen, [voided], [*hidden, forgotten, kept], [pointing])]
    return dict(zip(("seen", "voided", "hidden", "pointing"), ids, strict=True))


def questions(told):
    """Every way to ask for statements: each filter with each value, pairs of them, each id."""
    filters = {
        "agent": [json.dumps(ANN), json.dumps(BEN)],
        "verb": [SCORED, HIDDEN, OWN],
        "activity": [EXAM, COURSE, BOUND],
        "registration": [REGISTRATION],
        "since": ["2020-01-01T00:00:00Z"],
    }
    single = [(name, value) for name, values in filters.items() for value in values]
    asked = [{}, *({name: value} for name, value in single)]
    asked += [{a: x, b: y} for (a, x), (b, y) in itertools.combinations(single, 2) if a != b]
    asked += [{**each, "related_agents": "true", "related_activities": "true"} for each in asked]
    shapes = [{"format": "canonical"}, {"format": "ids"}, {"attachments": "true"}, {"ascending": "true", "limit": "1"}]
    asked += [{**each, **shape} for each in asked[:10] for shape in shapes]
    ids = itertools.chain.from_iterable(told.values())
    by_id = [{word: each} for each in ids for word in ("statementId", "voidedStatementId")]
    return asked + by_id + [{**each, **shape} for each in by_id for shape in shapes[:3]]


def other_questions():
    """Every way to ask for whatever is no statement."""
    places = [{"activityId": EXAM, "registration": REGISTRATION}, {"activityId": EXAM}, {"activityId": COURSE}]
    people = [{"agent": json.dumps(each)} for each in (ANN, BEN)]
    asked = [{}, *places, *people, *({**who, **where} for who in people for where in places)]
    return [{**each, **what} for each in asked for what in ({}, {"stateId": MARK}, {"profileId": MARK})]


def reading_routes(server, loaded_settings):
    """Every address that is read with a key, from the URL map."""
    rules = create_app(loaded_settings, server.database).url_map.iter_rules()
    wanted = [rule for rule in rules if "GET" in rule.methods and rule.rule.startswith(("/xapi", "/api"))]
    shown = {str(rule).replace("<any(csv, jsonl, parquet):kind>", kind) for rule in wanted for kind in ("csv", "jsonl")}
    return sorted(shown - {"/xapi/<path:place>", "/api/openapi.json"})


def read(client, path, query):
    """The answer, and what follows it page by page."""
    head = {"X-Experience-API-Version": client.version}
    answer = client.session.get(f"{client.address}{path}", params=query, headers=head, auth=client.key, timeout=20)
    texts = [answer.text]
    while answer.ok and "json" in answer.headers["Content-Type"] and '"more"' in answer.text and answer.json()["more"]:
        address = f"{client.address}{answer.json()['more']}"
        answer = client.session.get(address, headers=head, auth=client.key, timeout=20)
        texts.append(answer.text)
    return "".join(texts)


def test_a_bound_key_sees_nothing_of_the_rest_at_any_address(lrs_server, loaded_settings, both):
    whole, bound = both
    told = tell(whole)
    named, *hidden = told["hidden"]  # a statement that it may see names this one as its object
    leaks, shown = set(), 0
    for path in reading_routes(lrs_server, loaded_settings):
        for query in questions(told) if "statements" in path else other_questions():
            text = read(bound, path, query)
            shown += any(each in text for each in told["seen"])
            if any(trace in text for trace in (MARK, *hidden)):
                leaks.add((path, json.dumps(query)))
    assert leaks == set()
    assert shown > 50
    assert named in read(bound, "/xapi/statements", {})


def test_a_form_that_stands_for_a_request_shows_a_bound_key_no_more(both):
    whole, bound = both
    told = tell(whole)
    for query in [{}, {"verb": HIDDEN}, {"statementId": told["hidden"][1]}]:
        form = {"X-Experience-API-Version": "1.0.3", **query}
        address = f"{bound.address}/xapi/statements?method=GET"
        answer = bound.session.post(address, data=form, auth=bound.key, timeout=20)
        assert answer.status_code == (404 if "statementId" in query else 200)
        assert MARK not in answer.text


def test_the_same_questions_show_everything_to_a_key_that_is_bound_to_nothing(lrs_server, loaded_settings, both):
    whole, _ = both
    traces = (MARK, *tell(whole)["hidden"])
    paths = reading_routes(lrs_server, loaded_settings)
    said = {path: "".join(read(whole, path, query) for query in other_questions()) for path in paths}
    telling = {path for path, text in said.items() if any(trace in text for trace in traces)}
    assert telling == set(paths) - {"/xapi", "/xapi/", "/xapi/about"}


def test_a_bound_key_finds_all_that_names_its_activity_and_nothing_by_what_it_may_not_see(both):
    whole, bound = both
    told = tell(whole)
    visible = {*told["seen"], *told["pointing"]}
    assert set(found(bound)) == visible
    assert set(found(bound, ascending="true")) == visible
    assert set(found(bound, agent=ANN, related_agents="true")) == {*told["seen"][:2]}
    assert set(found(whole, verb=HIDDEN)) == {told["hidden"][0], *told["pointing"]}
    assert found(bound, verb=HIDDEN) == []
    assert found(bound, verb=OWN) == [told["seen"][2]]
    one(bound, told["voided"][0], name="voidedStatementId")
    for each in told["hidden"]:
        one(bound, each, status=404)
        one(bound, each, status=404, name="voidedStatementId")


def test_a_bound_key_learns_nothing_about_a_statement_by_writing_one_about_it(both):
    whole, bound = both
    told = tell(whole)
    mine = [about({"id": each}, context=NAMES_IT) for each in (told["hidden"][0], told["seen"][2])]
    post(bound, mine)
    assert found(bound, verb=HIDDEN) == []
    assert found(bound, verb=OWN) == [told["seen"][2]]
    assert set(found(bound, verb=CONFIRMED)) == {*told["pointing"], *(each["id"] for each in mine)}


def test_a_bound_key_writes_only_what_names_its_activity(both):
    whole, bound = both
    refused = post(bound, [inside(), outside()], status=403)
    assert f"This key is bound to {BOUND}" in refused.json()["message"]
    put(bound, outside(), status=403)
    theirs = outside()
    post(whole, theirs)
    put(bound, theirs, status=403)  # also what is there already, word for word
    assert len(found(whole)) == 1
    post(bound, [inside(), inside(object={"id": BOUND})])
    assert len(found(bound)) == 2


@pytest.mark.parametrize("changes", [{}, {"verb": {"id": CONFIRMED}}])
def test_a_bound_key_does_not_hear_whether_an_id_is_taken_that_it_may_not_see(both, changes):
    whole, bound = both
    theirs = outside()
    post(whole, theirs)
    answers = [post(bound, outside(id=each, **changes), status=403) for each in (theirs["id"], str(uuid.uuid4()))]
    assert answers[0].content == answers[1].content


def test_that_an_id_is_taken_is_all_that_a_bound_key_hears_of_what_it_may_not_see(both):
    whole, bound = both
    told = tell(whole)
    answers = set()
    for taken in (*told["seen"], *told["voided"], *told["hidden"]):
        answer = post(bound, inside(id=taken, verb={"id": CONFIRMED}), status=409)
        answers.add(answer.text.replace(taken, ""))
    assert len(answers) == 1


def test_a_bound_key_voids_only_what_it_may_see(both):
    whole, bound = both
    told, messages = tell(whole), set()
    for target in ({"id": told["hidden"][1]}, {"id": str(uuid.uuid4())}):
        refused = post(bound, {**voiding(target), "context": NAMES_IT}, status=403)
        messages.add(refused.json()["message"])
    (message,) = messages  # the same, whether it is there or not
    assert "it voids only statements that are here and name it too" in message
    one(whole, told["hidden"][1])
    post(bound, {**voiding({"id": told["seen"][0]}), "context": NAMES_IT})
    one(whole, told["seen"][0], name="voidedStatementId")


def test_what_a_bound_key_says_of_an_activity_changes_nothing_for_others(lrs_server, both):
    _, bound = both
    post(bound, inside(object={"id": EXAM, "definition": {"name": {"en": "Another name"}}}))
    with lrs_server.database.reading() as db:
        tenant = db.scalar(select(Key.tenant).where(Key.key == bound.key[0]))
        assert activities.definitions(db, tenant=tenant, iris=[EXAM]) == {}


@pytest.mark.parametrize("path", ["activities/state", "activities/profile"])
def test_documents_of_its_own_activity_are_open_to_a_bound_key_and_no_others(both, path):
    _, bound = both
    names = {"agent": ANN, "stateId": "x"} if path == "activities/state" else {"profileId": "x"}
    text = {"Content-Type": "text/plain", "If-None-Match": "*"}
    assert bound.ask("PUT", path, {"activityId": BOUND, **names}, "mine", **text).status_code == 204
    assert bound.get(path, {"activityId": BOUND, **names}).text == "mine"
    for method in ("PUT", "POST", "GET", "HEAD", "DELETE"):
        assert bound.ask(method, path, {"activityId": COURSE, **names}, "mine", **text).status_code == 403
    if path == "activities/state":
        assert bound.ask("DELETE", path, {"activityId": COURSE, "agent": ANN}).status_code == 403
    for other in ("agents", "agents/profile"):
        assert bound.get(other, {"agent": ANN}).status_code == 403
    assert bound.get("activities", {"activityId": BOUND}).json()["id"] == BOUND
    assert bound.get("activities", {"activityId": COURSE}).status_code == 403


def test_a_key_that_is_over_says_so_to_whoever_knows_its_secret_alone(lrs_server, lrs_session):
    client = lrs_server.client(lrs_session, expires_at=clock.now() + timedelta(days=1))
    assert client.get("statements", {}).status_code == 200
    with lrs_server.database.transaction() as db:
        db.execute(update(Key).where(Key.key == client.key[0]).values(expires_at=clock.now()))
    refused = client.get("statements", {})
    assert refused.status_code == 401
    assert "This key was good until" in refused.json()["message"]
    address, version = f"{client.address}/xapi/statements", {"X-Experience-API-Version": client.version}
    guessed = lrs_session.get(address, headers=version, auth=(client.key[0], "guessed"), timeout=20)
    unknown = lrs_session.get(address, headers=version, auth=("nobody", "guessed"), timeout=20)
    assert (guessed.status_code, guessed.json()) == (401, unknown.json())
    exported = lrs_session.get(f"{client.address}/api/statements.csv", auth=client.key, timeout=20)
    assert (exported.status_code, exported.json()["error"]) == (401, "key.expired")


def last_used(server, client):
    with server.database.reading() as db:
        return db.scalar(select(Key.last_used_at).where(Key.key == client.key[0]))


def test_the_last_use_of_a_key_is_noted_once_an_hour(lrs_server, lrs_session):
    client = lrs_server.client(lrs_session)
    assert last_used(lrs_server, client) is None
    client.get("statements", {})
    first = last_used(lrs_server, client)
    assert first is not None
    client.get("statements", {})
    assert last_used(lrs_server, client) == first
    with lrs_server.database.transaction() as db:
        db.execute(update(Key).where(Key.key == client.key[0]).values(last_used_at=first - keys.NOTED_EVERY))
    client.get("statements", {})
    assert last_used(lrs_server, client) >= first


def test_nobody_waits_for_the_note_that_a_key_was_used(lrs_server, lrs_session):
    client = lrs_server.client(lrs_session)
    with lrs_server.database.transaction() as db:  # a writer at work, who has this very row
        organizations.named(db, str(uuid.uuid4()))
        db.execute(update(Key).where(Key.key == client.key[0]).values(label="renamed"))
        db.flush()
        assert client.get("statements", {}).status_code == 200
        assert last_used(lrs_server, client) is None
    client.get("statements", {})
    assert last_used(lrs_server, client) is not None
