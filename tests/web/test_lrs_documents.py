"""State and profiles over HTTP. The ids are those of the xAPI LRS conformance requirements."""

import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from email.utils import parsedate_to_datetime

import pytest
import requests
import tincan

from lti_mentor import clock
from lti_mentor.app import create_app
from tests.support.record_store import Client, made_key
from tests.support.serving import served
from xapi import keys

ONE, TWO = "1.0.3", "2.0.0"
AGENT = {"account": {"homePage": "https://lms.example.org", "name": "7"}}
COURSE = "https://lms.example.org/courses/1"
STATE, AGENTS, ACTIVITIES = "activities/state", "agents/profile", "activities/profile"
NEW = {"If-None-Match": "*"}


@pytest.fixture
def address(database, loaded_settings) -> Iterator[str]:
    with served(lambda url: create_app(replace(loaded_settings, base_url=url), database)) as found:
        yield found


@pytest.fixture
def one(database, loaded_settings, address) -> Iterator[Client]:
    with requests.Session() as session:
        yield Client(session, address, made_key(database, loaded_settings.secret_key))


@pytest.fixture
def two(one) -> Client:
    return replace(one, version=TWO)


@pytest.fixture
def both(one, two) -> tuple[Client, Client]:
    return one, two


def place(path: str) -> dict:
    """A new document of this resource."""
    name = str(uuid.uuid4())
    return {
        STATE: {"agent": AGENT, "activityId": COURSE, "stateId": name},
        AGENTS: {"agent": AGENT, "profileId": name},
        ACTIVITIES: {"activityId": COURSE, "profileId": name},
    }[path]


def without(given: dict, name: str) -> dict:
    return {key: value for key, value in given.items() if key != name}


RESOURCES = (STATE, AGENTS, ACTIVITIES)


def test_a_document_is_kept_given_out_and_deleted(both):
    """XAPI-00187, XAPI-00188, XAPI-00189, XAPI-00190, XAPI-00191, XAPI-00192, XAPI-00230, XAPI-00231, XAPI-00259,
    XAPI-00269, XAPI-00271, XAPI-00272, XAPI-00273, XAPI-00274, XAPI-00282, XAPI-00283, XAPI-00285, XAPI-00286,
    XAPI-00287, XAPI-00288, XAPI-00289, XAPI-00290, XAPI-00291, XAPI-00292, XAPI-00311, XAPI-00312.
    """
    for client in both:
        for path in RESOURCES:
            for method in ("PUT", "POST"):
                query = place(path)
                assert client.ask(method, path, query, {"name": "Ä"}, **NEW).status_code == 204
                found = client.get(path, query)
                assert (found.status_code, found.json()) == (200, {"name": "Ä"})
                head = client.ask("HEAD", path, query)  # XAPI-00125, XAPI-00126
                assert (head.status_code, head.content) == (200, b"")
                assert head.headers["ETag"] == found.headers["ETag"]
                assert client.ask("DELETE", path, query).status_code == 204
                assert client.get(path, query).status_code == 404
                assert client.ask("DELETE", path, query).status_code == 204


# All that is in an address is text, but for what is empty, there twice, or kept by no database.
NO_TEXTS: list[str | list[str]] = ["", ["a", "b"], "a\0b"]

# What each requirement takes away from a good request, or puts into it: (id of PUT, POST, GET, DELETE), path, change.
WRONG = [
    ("XAPI-00210 XAPI-00209 XAPI-00208 XAPI-00207", STATE, "activityId", None),
    ("XAPI-00215 XAPI-00214 XAPI-00213 XAPI-00212", STATE, "agent", None),
    ("XAPI-00199 XAPI-00198 XAPI-00197 XAPI-00196", STATE, "agent", "not JSON"),
    ("XAPI-00199 XAPI-00198 XAPI-00197 XAPI-00196", STATE, "agent", "true"),
    ("XAPI-00235", STATE, "agent", '{"account": {"homePage"":""https://lms.example.org"}}'),
    ("XAPI-00203 XAPI-00202 XAPI-00201 XAPI-00200", STATE, "registration", "true"),
    ("XAPI-00206 XAPI-00211", STATE, "stateId", None),
    *(("XAPI-00228 XAPI-00226 XAPI-00225 XAPI-00224", STATE, "stateId", each) for each in NO_TEXTS),
    ("", STATE, "activityId", "no IRI"),
    ("", STATE, "StateId", "a"),
    ("XAPI-00264 XAPI-00263 XAPI-00261 XAPI-00262", AGENTS, "agent", None),
    ("XAPI-00257 XAPI-00256 XAPI-00258 XAPI-00255", AGENTS, "agent", "true"),
    ("XAPI-00284", AGENTS, "agent", '{"account"'),
    ("", AGENTS, "agent", '{"objectType": "Group", "member": []}'),
    ("", AGENTS, "activityId", COURSE),
    ("XAPI-00267 XAPI-00266 XAPI-00265", AGENTS, "profileId", None),
    *(("XAPI-00277 XAPI-00276", AGENTS, "profileId", each) for each in NO_TEXTS),
    ("XAPI-00299 XAPI-00298 XAPI-00296 XAPI-00297", ACTIVITIES, "activityId", None),
    ("XAPI-00302 XAPI-00301 XAPI-00300", ACTIVITIES, "profileId", None),
    *(("XAPI-00307 XAPI-00306 XAPI-00305", ACTIVITIES, "profileId", each) for each in NO_TEXTS),
    ("", ACTIVITIES, "agent", json.dumps(AGENT)),
    ("XAPI-00304", ACTIVITIES, "agent", "not JSON"),
]
MAY_BE_MISSING = {("GET", "stateId"), ("GET", "profileId"), ("DELETE", "stateId")}


def test_what_is_missing_unknown_or_not_what_it_should_be_is_refused(both):
    """The requirements of WRONG, XAPI-00324, XAPI-00325; and nothing is kept or lost."""
    accepted = []
    for client in both:
        kept = {path: place(path) for path in RESOURCES}
        for path, query in kept.items():
            client.ask("PUT", path, query, {"a": 1}, **NEW)
        for ids, path, name, value in WRONG:
            query = without(kept[path], name) | ({} if value is None else {name: value})
            for method in ("PUT", "POST", "GET", "DELETE"):
                if value is None and (method, name) in MAY_BE_MISSING:
                    continue
                headers = NEW if method == "PUT" else {}
                body = None if method in ("GET", "DELETE") else {"b": 2}
                if client.ask(method, path, query, body, **headers).status_code != 400:
                    accepted.append((client.version, ids, method, path, name, value))
        assert all(client.get(path, query).json() == {"a": 1} for path, query in kept.items())
    assert accepted == []


def test_the_ids_of_what_changed_after_a_time_are_listed(both):
    """XAPI-00141, XAPI-00193, XAPI-00195, XAPI-00204, XAPI-00205, XAPI-00221, XAPI-00222, XAPI-00260, XAPI-00268,
    XAPI-00270, XAPI-00275, XAPI-00289, XAPI-00293, XAPI-00294, XAPI-00295, XAPI-00303.
    """
    for client in both:
        for path in RESOURCES:
            first, second = place(path), place(path)
            name = "stateId" if path == STATE else "profileId"
            client.ask("PUT", path, first, {"a": 1}, **NEW)
            between = clock.now().isoformat()
            client.ask("PUT", path, second, {"a": 1}, **NEW)
            context = without(first, name)
            listed = client.get(path, context)
            assert {first[name], second[name]} <= set(listed.json())
            assert listed.headers["Last-Modified"] == client.get(path, second).headers["Last-Modified"]
            before, after = clock.now().replace(year=2020).isoformat(), clock.now().replace(year=2099).isoformat()
            assert client.get(path, context | {"since": before}).json() == listed.json()
            assert client.get(path, context | {"since": between}).json() == [second[name]]
            assert client.get(path, context | {"since": after}).json() == []
            assert client.get(path, context | {"since": "not a timestamp"}).status_code == 400
            assert client.get(path, first | {"since": "not a timestamp"}).status_code == 400
            for since in (before, "not a timestamp"):
                assert client.ask("DELETE", path, first | {"since": since}).status_code == 400


def test_state_is_kept_for_each_registration_and_forgotten_all_at_once(both):
    """XAPI-00194, XAPI-00216, XAPI-00217, XAPI-00218, XAPI-00219, XAPI-00220, XAPI-00227."""
    for client in both:
        free = place(STATE) | {"activityId": f"{COURSE}/{client.version}"}
        bound = free | {"registration": str(uuid.uuid4())}
        client.ask("PUT", STATE, free, {"bound": False}, **NEW)
        client.ask("PUT", STATE, bound, {"bound": True}, **NEW)
        assert client.get(STATE, free).json() == {"bound": False}
        assert client.get(STATE, bound).json() == {"bound": True}
        assert client.get(STATE, bound | {"registration": bound["registration"].upper()}).json() == {"bound": True}
        assert client.ask("DELETE", STATE, without(bound, "stateId")).status_code == 204
        assert client.get(STATE, without(bound, "stateId")).json() == []
        assert client.get(STATE, without(free, "stateId")).json() == [free["stateId"]]
        assert client.ask("DELETE", STATE, without(free, "stateId")).status_code == 204
        assert client.get(STATE, without(free, "stateId")).json() == []


def test_a_post_merges_the_top_level_of_json_objects(both):
    """XAPI-00183, XAPI-00184, XAPI-00233, XAPI-00234, XAPI-00279, XAPI-00280, XAPI-00308, XAPI-00310."""
    for client in both:
        for path in RESOURCES:
            query = place(path)
            client.ask("POST", path, query, {"car": {"make": "Ford", "model": "Escape"}, "driver": "Dale"})
            client.ask("POST", path, query, {"car": {"make": "Dodge"}, "year": 2026})
            assert client.get(path, query).json() == {"car": {"make": "Dodge"}, "driver": "Dale", "year": 2026}


def test_a_post_that_cannot_be_merged_is_refused_and_changes_nothing(both):
    """XAPI-00182, XAPI-00229, XAPI-00232, XAPI-00235, XAPI-00278, XAPI-00281, XAPI-00284, XAPI-00309, XAPI-00313,
    XAPI-00314.
    """
    good, binary = {"Content-Type": "application/json"}, {"Content-Type": "application/octet-stream"}
    for client in both:
        for path in RESOURCES:
            for first, second, headers in (
                (({"a": 1}, {}), "abcdefg", {"Content-Type": "not/json"}),
                (({"a": 1}, {}), '{"a": 2}', binary),
                (({"a": 1}, {}), '{"a": 2}{', good),
                (({"a": 1}, {}), '["a"]', good),
                (("/ asdf /", binary), '{"a": 2}', good),
            ):
                query = place(path)
                assert client.ask("PUT", path, query, first[0], **first[1], **NEW).status_code == 204
                before = client.get(path, query)
                assert client.ask("POST", path, query, second, **headers).status_code == 400
                assert client.get(path, query).content == before.content
            assert client.ask("POST", path, place(path), '{"a": 1}[', **good).status_code == 400


def test_any_bytes_of_any_type_come_back_as_they_were(one):
    for number, content_type in enumerate(
        ("text/html; charset=utf-8", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x", "", None)
    ):
        query, body = place(STATE), bytes(range(256)) + f"a={number}&b=%20".encode()
        headers = {} if content_type is None else {"Content-Type": content_type}
        assert one.ask("PUT", STATE, query, body, **headers).status_code == 204
        found = one.get(STATE, query)
        assert found.content == body
        assert found.headers["Content-Type"] == content_type or content_type in ("", None)
        assert found.headers["Content-Disposition"] == "attachment"  # a page of a stranger is never one of ours
        assert found.headers["X-Content-Type-Options"] == "nosniff"
    empty = place(STATE)
    one.ask("PUT", STATE, empty, b"")
    assert (one.get(STATE, empty).status_code, one.get(STATE, empty).content) == (200, b"")


def test_the_entity_tag_is_the_sha1_of_the_document_in_quotes(both):
    """XAPI-00322."""
    for client in both:
        for path in RESOURCES:
            query = place(path)
            client.ask("PUT", path, query, b"abc", **NEW)
            found = client.get(path, query)
            assert found.headers["ETag"] == '"a9993e364706816aba3e25717850c26c9cd0d89d"'
            assert parsedate_to_datetime(found.headers["Last-Modified"])
            again = client.get(path, query, **{"If-None-Match": found.headers["ETag"]})
            assert (again.status_code, again.content) == (304, b"")


MATCHES = [
    ('"1111111111111111111111111111111111111111"', 412),
    ("{}", 204),
    ('"a", "b"', 412),
    ('"a", {}', 204),
    ("W/{}", 204),
    ("*", 204),
]


def test_only_whoever_knows_the_document_changes_it(both):
    """XAPI-00322: If-Match with a tag, a list, anything; of a proxy that made the tag weak, too."""
    for client in both:
        for path in RESOURCES:
            for method in ("PUT", "POST", "DELETE"):
                for wanted, status in MATCHES if method == "PUT" else MATCHES[:2]:
                    query, body = place(path), None if method == "DELETE" else {"b": 2}
                    client.ask("PUT", path, query, {"a": 1}, **NEW)
                    tag = client.get(path, query).headers["ETag"]
                    expected = {"If-Match": wanted.format(tag)}
                    assert client.ask(method, path, query, body, **expected).status_code == status
                    if status == 412:
                        assert client.get(path, query).json() == {"a": 1}
                assert client.ask(method, path, place(path), body, **{"If-Match": "*"}).status_code == 412
            query = place(path)
            client.ask("PUT", path, query, {"a": 1}, **NEW)
            for method in ("PUT", "POST"):
                assert client.ask(method, path, query, {"b": 2}, **NEW).status_code == 412
            assert client.get(path, query).json() == {"a": 1}


def test_a_put_that_expects_nothing_follows_the_version_it_speaks(one, two):
    """XAPI-00273, XAPI-00322; xAPI 2.0, 4.1.4."""
    statuses = {
        (client.version, path): [client.ask("PUT", path, query, {"a": number}).status_code for number in (1, 2)]
        for client in (one, two)
        for path in RESOURCES
        for query in [place(path)]
    }
    assert statuses == {
        (ONE, STATE): [204, 204],
        (ONE, AGENTS): [400, 400],
        (ONE, ACTIVITIES): [400, 400],
        (TWO, STATE): [204, 409],
        (TWO, AGENTS): [204, 409],
        (TWO, ACTIVITIES): [204, 409],
    }
    for path in (AGENTS, ACTIVITIES):
        query = place(path)
        one.ask("PUT", path, query, {"a": 1}, **NEW)
        refused = one.ask("PUT", path, query, {"a": 2})
        assert (refused.status_code, one.get(path, query).json()) == (409, {"a": 1})
        assert "If-Match" in refused.json()["message"]


def test_both_versions_share_one_store(one, two):
    for path in RESOURCES:
        query = place(path)
        one.ask("PUT", path, query, {"a": 1}, **NEW)
        tag = two.get(path, query).headers["ETag"]
        assert two.ask("PUT", path, query, {"a": 2}, **{"If-Match": tag}).status_code == 204
        assert one.get(path, query).json() == {"a": 2}


def test_of_many_writers_with_the_same_tag_exactly_one_wins(two):
    for path in RESOURCES:
        query, answers = place(path), []
        two.ask("PUT", path, query, {"by": 0})
        expected = {"If-Match": two.get(path, query).headers["ETag"]}
        ready = threading.Barrier(6)

        def write(number: int, path=path, query=query, expected=expected, ready=ready, answers=answers) -> None:
            with requests.Session() as session:
                ready.wait(10)
                mine = replace(two, session=session)
                answers.append((mine.ask("PUT", path, query, {"by": number}, **expected).status_code, number))

        writers = [threading.Thread(target=write, args=[number]) for number in range(1, 7)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(30)
        assert sorted(status for status, _ in answers) == [204] + [412] * 5
        (winner,) = [number for status, number in answers if status == 204]
        assert two.get(path, query).json() == {"by": winner}


def test_a_client_of_somebody_else_keeps_and_finds_its_state(one):
    client = tincan.RemoteLRS(
        endpoint=f"{one.address}/xapi/", username=one.key[0], password=one.key[1], version=tincan.Version.latest
    )
    agent = tincan.Agent(account=tincan.AgentAccount(home_page="https://lms.example.org", name="7"))
    course = tincan.Activity(id=COURSE)
    document = tincan.StateDocument(
        agent=agent, activity=course, id="é 1", content=bytearray(b"page 3"), content_type="text/plain"
    )
    assert client.save_state(document).success
    assert client.save_state(document).success
    assert client.retrieve_state(course, agent, "é 1").content.content == document.content
    assert client.retrieve_state_ids(course, agent, since="2020-01-01T00:00:00Z").content == ["é 1"]
    assert client.delete_state(document).success
    assert client.clear_state(course, agent).success
    assert client.retrieve_state_ids(course, agent).content == []


def test_a_document_that_is_too_long_is_refused(database, loaded_settings):
    """XAPI-00328; what is merged counts as a whole."""
    short = replace(loaded_settings, max_document_bytes=100)
    with served(lambda url: create_app(replace(short, base_url=url), database)) as found, requests.Session() as session:
        client, query = Client(session, found, made_key(database, loaded_settings.secret_key)), place(STATE)
        assert client.ask("PUT", STATE, query, {"a": "x" * 80}).status_code == 204
        assert client.ask("POST", STATE, query, {"b": "x" * 80}).status_code == 413
        assert client.ask("PUT", STATE, query, {"a": "x" * 100}).status_code == 413
        assert client.get(STATE, query).json() == {"a": "x" * 80}


def test_a_form_stands_for_a_request_in_1_0_3_alone(one, two):
    query = place(STATE)
    form = {"agent": json.dumps(AGENT), **without(query, "agent"), "content": '{"a": 1}'}
    typed = {"Content-Type": "application/x-www-form-urlencoded"}
    encoded = requests.models.RequestEncodingMixin._encode_params(form)
    assert one.ask("POST", STATE, {"method": "PUT"}, encoded, **typed).status_code == 204
    assert one.get(STATE, query).json() == {"a": 1}
    assert two.ask("POST", STATE, {"method": "PUT"}, encoded, **typed).status_code == 400


def test_a_media_type_that_no_header_can_say_is_refused(one):
    query = place(STATE)
    form = {"agent": json.dumps(AGENT), **without(query, "agent"), "content": "x"}
    for content_type, status in (("text/plain; charset=utf-8", 204), ("text/\u0142", 400), ("text/plain\r\nX: y", 400)):
        encoded = requests.models.RequestEncodingMixin._encode_params(form | {"Content-Type": content_type})
        typed = {"Content-Type": "application/x-www-form-urlencoded"}
        assert one.ask("POST", STATE, {"method": "PUT"}, encoded, **typed).status_code == status
        assert one.get(STATE, query).status_code == 200


def statement(**changes) -> dict:
    return {
        "actor": AGENT,
        "verb": {"id": "http://adlnet.gov/expapi/verbs/scored"},
        "object": {"objectType": "Activity", "id": COURSE, "definition": {"name": {"en-US": "example meeting"}}},
    } | changes


def test_a_method_that_a_resource_does_not_have_is_refused_and_pages_elsewhere_may_ask(one):
    for path in (*RESOURCES, "agents", "activities"):
        assert one.ask("PATCH", path, {}).status_code == 405
        assert one.ask("PATCH", f"{path}/", {}).status_code == 405
        asked = one.session.options(f"{one.address}/xapi/{path}", timeout=20)
        assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (204, "*")
        assert "If-Match" in asked.headers["Access-Control-Allow-Headers"]


ALLOWED = {
    keys.STATE: {("GET", STATE), ("PUT", STATE)},
    keys.PROFILE: {(method, path) for method in ("GET", "PUT") for path in (AGENTS, ACTIVITIES)},
    keys.READ: {("GET", "agents"), ("GET", "activities")},
    keys.WRITE: set(),
    keys.DEFINE: set(),
    keys.ALL_READ: {("GET", path) for path in (*RESOURCES, "agents", "activities")},
    keys.ALL: {(method, path) for method in ("GET", "PUT") for path in RESOURCES}
    | {("GET", "agents"), ("GET", "activities")},
}


def test_a_key_opens_what_its_scopes_say_and_nothing_else(database, loaded_settings, one):
    for scope, allowed in ALLOWED.items():
        client = replace(one, key=made_key(database, loaded_settings.secret_key, scope))
        asked = {(method, path): place(path) for method in ("GET", "PUT") for path in RESOURCES}
        asked |= {("GET", "agents"): {"agent": AGENT}, ("GET", "activities"): {"activityId": COURSE}}
        opened = set()
        for (method, path), query in asked.items():
            body = {"a": 1} if method == "PUT" else None
            if client.ask(method, path, query, body, **NEW).status_code != 403:
                opened.add((method, path))
        assert opened == allowed, scope


def test_a_key_that_may_not_define_stores_the_statement_and_changes_nothing_known(database, loaded_settings, one):
    writer = replace(one, key=made_key(database, loaded_settings.secret_key, keys.WRITE))
    assert writer.ask("POST", "statements", {}, statement()).status_code == 200
    assert one.get("activities", {"activityId": COURSE}).json() == {"objectType": "Activity", "id": COURSE}
    definer = replace(one, key=made_key(database, loaded_settings.secret_key, keys.WRITE, keys.DEFINE))
    assert definer.ask("POST", "statements", {}, statement()).status_code == 200
    assert "definition" in one.get("activities", {"activityId": COURSE}).json()


def test_every_resource_is_tried_here(sqlite_database, loaded_settings):
    rules = create_app(loaded_settings, sqlite_database).url_map.iter_rules()
    found = {rule.rule for rule in rules if rule.endpoint.startswith(("lrs_documents.", "lrs_known."))}
    assert found == {f"/xapi/{path}" for path in (*RESOURCES, "agents", "activities")}


def test_no_key_of_another_organization_sees_or_changes_anything(database, loaded_settings, one):
    """Every resource and method, asked for exactly what the first organization has."""
    stranger = replace(one, key=made_key(database, loaded_settings.secret_key, organization="Elsewhere"))
    mark = "of the first organization"
    kept = {path: place(path) for path in RESOURCES}
    for path, query in kept.items():
        one.ask("PUT", path, query, {"mark": mark}, **NEW)
    said = {"id": COURSE, "definition": {"name": {"en": mark}}}
    one.ask("POST", "statements", {}, statement(actor=AGENT | {"name": mark}, object=said))
    for version in (ONE, TWO):
        client = replace(stranger, version=version)
        for path, query in kept.items():
            name = "stateId" if path == STATE else "profileId"
            assert client.get(path, query).status_code == 404
            assert client.get(path, without(query, name)).json() == []
            assert client.ask("PUT", path, query, {"mine": 1}, **{"If-Match": "*"}).status_code == 412
            assert client.ask("POST", path, query, {"mine": 1}).status_code == 204
            assert client.get(path, query).json() == {"mine": 1}
            assert client.ask("DELETE", path, query).status_code == 204
        assert client.ask("DELETE", STATE, without(kept[STATE], "stateId")).status_code == 204
        for path, query in (("agents", {"agent": AGENT}), ("activities", {"activityId": COURSE})):
            assert mark not in client.get(path, query).text
            assert mark in one.get(path, query).text
    assert all(one.get(path, query).json() == {"mark": mark} for path, query in kept.items())
