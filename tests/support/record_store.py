"""A client of the record store, over the wire, and what it says."""

import json
import uuid
from dataclasses import dataclass
from datetime import datetime

import requests

from lti_mentor import clock
from lti_mentor.activity import record
from lti_mentor.db import Database
from lti_mentor.mentoring import organizations
from lti_mentor.vault import Vault
from xapi import keys

ONE, TWO = "1.0.3", "2.0.0"
ANN = {"objectType": "Agent", "account": {"homePage": "https://lms.example.org", "name": "ann"}}
BEN = {"objectType": "Agent", "mbox": "mailto:ben@example.org", "name": "Ben"}
SCORED, CONFIRMED = "http://adlnet.gov/expapi/verbs/scored", "http://activitystrea.ms/schema/1.0/confirm"
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
EXAM, COURSE = "https://lms.example.org/exams/7", "https://lms.example.org/courses/1"


@dataclass(frozen=True)
class Client:
    """Somebody with a key, over the wire."""

    session: requests.Session
    address: str
    key: tuple[str, str]
    version: str = ONE

    def ask(self, method: str, path: str, query: dict, body=None, **headers) -> requests.Response:
        if isinstance(body, dict):
            body, headers = json.dumps(body), {"Content-Type": "application/json"} | headers
        query = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in query.items()}
        headers = {"X-Experience-API-Version": self.version} | headers
        address = f"{self.address}/xapi/{path}"
        answer = self.session.request(
            method, address, params=query, data=body, headers=headers, auth=self.key, timeout=20
        )
        assert answer.headers["X-Experience-API-Version"] == self.version
        if answer.status_code >= 400 and method != "HEAD":
            assert answer.json()["message"]
        return answer

    def get(self, path: str, query: dict, **headers) -> requests.Response:
        return self.ask("GET", path, query, **headers)


def made_key(database, secret_key, *scopes, organization="Home", **changes):
    with database.transaction() as db:
        return keys.add(
            db,
            tenant=organizations.named(db, organization).id,
            label="test",
            now=clock.now(),
            scopes=scopes or (keys.ALL,),
            fingerprint=lambda text: record.key_hashes(db, Vault(secret_key), text)[0],
            **changes,
        )


@dataclass(frozen=True)
class Server:
    """One for all tests here: each has an organization of its own."""

    database: Database
    address: str
    secret_key: tuple[str, ...]

    def client(self, session, *scopes, version=ONE, organization=None, **changes) -> Client:
        owner = organization or str(uuid.uuid4())
        key = made_key(self.database, self.secret_key, *scopes, organization=owner, **changes)
        return Client(session, self.address, key, version)


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
