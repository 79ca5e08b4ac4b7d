"""What all resources of the record store share, over HTTP: versions, who may ask, and forms that stand for a request.

The ids are those of the xAPI LRS conformance requirements.
"""

import json
import uuid
from base64 import b64encode
from dataclasses import replace

import pytest

from tests.support.record_store import ANN, COURSE, ONE, TWO, found, one, post, statement
from xapi import keys

BOTH = [ONE, TWO]
STATE = {"agent": json.dumps(ANN), "activityId": COURSE, "stateId": "page"}
RESOURCES = {
    "statements": {},
    "agents": {"agent": json.dumps(ANN)},
    "activities": {"activityId": COURSE},
    "activities/state": {"agent": json.dumps(ANN), "activityId": COURSE},
    "agents/profile": {"agent": json.dumps(ANN)},
    "activities/profile": {"activityId": COURSE},
}


@pytest.fixture
def asker(lrs_server, lrs_session):
    """Ask with exactly these headers, and with a key only where one is given."""

    def ask(method, path, query, body=None, key=None, **headers):
        address = f"{lrs_server.address}/xapi/{path}"
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return lrs_session.request(method, address, params=query, data=body, headers=headers, auth=key, timeout=20)

    return ask


# Versions -----------------------------------------------------------------------------------------------------------


def test_about_names_both_versions_to_anybody(asker):
    """XAPI-00315, XAPI-00316, XAPI-00317, XAPI-00318, XAPI-00319."""
    for version, answered in ((ONE, ONE), (TWO, TWO), ("1.0", ONE), ("0.9", TWO), ("none", TWO), (None, TWO)):
        for path in ("about", "about/"):
            answer = asker("GET", path, {}, **({"X_Experience_API_Version": version} if version else {}))
            assert (answer.status_code, answer.json()) == (200, {"version": BOTH})
            assert answer.headers["X-Experience-API-Version"] == answered


def test_every_resource_answers_in_the_version_that_it_is_asked_in(lrs_client):
    """XAPI-00140, XAPI-00333; whatever the answer says."""
    for path, query in RESOURCES.items():
        assert lrs_client.get(path, query).status_code == 200
        assert lrs_client.get(path, {"nobody": "knows"}).status_code == 400
        assert lrs_client.ask("PATCH", path, query).status_code == 405
    given = statement()
    for asked, statuses in ((given, (204, 200)), (statement(id=given["id"], object={"id": COURSE}), (409, 409))):
        put = lrs_client.ask("PUT", "statements", {"statementId": given["id"]}, asked)
        posted = lrs_client.ask("POST", "statements", {}, asked)
        assert (put.status_code, posted.status_code) == statuses
    missing = lrs_client.ask("PUT", "activities/state", STATE, {"a": 1}, **{"If-Match": '"x"'})
    assert missing.status_code == 412
    assert lrs_client.get("activities/state", STATE).status_code == 404
    assert replace(lrs_client, key=("no", "no")).get("statements", {}).status_code == 401


NO_VERSIONS = [
    None,
    "",
    "0.9",
    "0.95",
    "1",
    "1.1",
    "1.1.0",
    "2",
    "2.1.0",
    "3.0.0",
    "10.0",
    "1.0beta",
    "1.0.x",
    "1.0.",
    "BAD",
    "1.0.3, 2.0.0",
]


@pytest.mark.parametrize("version", NO_VERSIONS)
def test_whoever_speaks_no_version_is_refused_everywhere_else(asker, lrs_server, lrs_session, version):
    """XAPI-00321, XAPI-00331: and nothing is stored."""
    client, given = lrs_server.client(lrs_session), statement()
    spoken = {} if version is None else {"X_Experience_API_Version": version}
    asked = [("GET", path, query, None) for path, query in RESOURCES.items()]
    asked += [("POST", "statements", {}, given), ("PUT", "statements", {"statementId": given["id"]}, given)]
    asked += [(method, "activities/state", STATE, {"a": 1}) for method in ("PUT", "POST", "DELETE")]
    for method, path, query, body in asked:
        text = None if body is None else json.dumps(body)
        answer = asker(method, path, query, text, client.key, Content_Type="application/json", **spoken)
        assert (answer.status_code, answer.headers["X-Experience-API-Version"]) == (400, "0.95"), (method, path)
    one(client, given["id"], 404)
    assert client.get("activities/state", STATE).status_code == 404


@pytest.mark.parametrize(
    ("version", "answered"), [("1.0", ONE), ("1.0.0", ONE), ("1.0.9", ONE), ("2.0", TWO), ("2.0.7", TWO)]
)
def test_every_patch_of_a_version_is_spoken(asker, lrs_server, lrs_session, version, answered):
    """XAPI-00331, XAPI-00333: and answered with the newest one."""
    key = lrs_server.client(lrs_session).key
    for path, query in RESOURCES.items():
        answer = asker("GET", path, query, key=key, X_Experience_API_Version=version)
        assert (answer.status_code, answer.headers["X-Experience-API-Version"]) == (200, answered)


def test_a_statement_is_the_same_in_every_version(lrs_client):
    """XAPI-00330, XAPI-00332: of whichever version it is, and whichever asks for it."""
    versions = ["1.0", "1.0.0", "1.0.1", ONE, *([TWO] if lrs_client.version == TWO else [])]
    given = [statement(version=version, timestamp="2026-05-01T10:00:00Z") for version in versions]
    post(lrs_client, given)
    for each in given:
        kept = [one(replace(lrs_client, version=version), each["id"]).json() for version in BOTH]
        assert kept[0] == kept[1]
        assert {name: kept[0][name] for name in each} == each


# Who may ask --------------------------------------------------------------------------------------------------------


def basic(text):
    return f"Basic {b64encode(text.encode()).decode()}"


def test_a_key_is_sent_with_basic_authentication_and_no_other_opens_anything(asker, lrs_client):
    """XAPI-00334, XAPI-00335."""
    key, secret = lrs_client.key
    whole = basic(f"{key}:{secret}")
    given = statement()
    headers = {"Content_Type": "application/json", "X_Experience_API_Version": lrs_client.version}
    asked = [("PUT", "statements", {"statementId": given["id"]}, json.dumps(given))]
    asked += [
        ("PUT", "activities/state", STATE, "{}"),
        *(("GET", path, query, None) for path, query in RESOURCES.items()),
    ]
    wrong = [
        basic(f"{key}:{secret}x"),
        basic(f"{key}:"),
        basic(f"nobody:{secret}"),
        basic(f"{secret}:{key}"),
        basic(key),
    ]
    for sent in (
        None,
        "",
        "Basic",
        *wrong,
        whole.replace("Basic ", "Basic:"),
        whole.replace("Basic", "Bearer"),
        whole[:-6],
    ):
        for method, path, query, body in asked:
            who = {} if sent is None else {"Authorization": sent}
            answer = asker(method, path, query, body, **who, **headers)
            assert answer.status_code == 401, (sent, method, path)
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    one(lrs_client, given["id"], 404)
    statuses = [asker(*each, Authorization=whole, **headers).status_code for each in asked]
    assert statuses == [204, 204, *[200] * len(RESOURCES)]


def test_a_key_whose_scope_is_another_stores_nothing(lrs_server, lrs_session):
    """XAPI-00327"""
    for version in BOTH:
        for scope in (keys.READ, keys.READ_MINE, keys.ALL_READ, keys.STATE, keys.PROFILE, keys.DEFINE):
            client = lrs_server.client(lrs_session, scope, version=version, organization="Scope")
            given = statement()
            assert post(client, given, 403).json()["error"] == "key.scope"
            assert client.ask("PUT", "statements", {"statementId": given["id"]}, given).status_code == 403
        assert found(lrs_server.client(lrs_session, version=version, organization="Scope")) == []


# A form that stands for a request -----------------------------------------------------------------------------------


def test_a_form_finds_and_stores_in_the_older_version_and_does_nothing_in_the_newer(lrs_client):
    """XAPI-00148, XAPI-00336; IEEE 9274.1.1, 4.1.2: refused."""
    given = statement()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    content = {"statementId": given["id"], "content": json.dumps(given), "Content-Type": "application/json"}
    asked = [
        ({"method": "PUT"}, content, 204),
        ({"method": "GET"}, {"limit": "1"}, 200),
        ({"method": "GET"}, {"statementId": given["id"]}, 200),
        ({"method": "HEAD"}, {"limit": "1"}, 200),
        ({"method": "POST"}, {"content": json.dumps([statement()])}, 200),
        ({"method": "GET"}, {"statementId": str(uuid.uuid4())}, 404),
        ({"method": "GET"}, {"Limit": "1"}, 400),
        ({"method": "GET", "limit": "1"}, {}, 400),
        ({"method": "PUT"}, {"statementId": given["id"]}, 400),
        ({"method": "put"}, content, 400),
        ({"method": "GET"}, {"limit": "1", "X-Experience-API-Version": "0.8"}, 400),
        ({"method": "GET"}, {"limit": "1", "Authorization": basic("no:no")}, 401),
    ]
    for query, fields, status in asked:
        answer = lrs_client.session.post(
            f"{lrs_client.address}/xapi/statements",
            params=query,
            data=fields,
            headers=form | {"X-Experience-API-Version": lrs_client.version},
            auth=lrs_client.key,
            timeout=20,
        )
        assert answer.status_code == (status if lrs_client.version == ONE else 400), (query, fields)
        if answer.status_code == 200 and query == {"method": "GET"}:
            assert set(answer.json()) >= ({"statements", "more"} if "limit" in fields else {"id", "stored"})
    assert lrs_client.ask("PUT", "statements", {"method": "POST"}, "limit=1", **form).status_code == 400
    assert len(found(lrs_client)) == (2 if lrs_client.version == ONE else 0)
