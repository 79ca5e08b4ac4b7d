"""The record store as the clients of others use it, in a browser and from an origin of its own: the files of
``clients/`` are as their makers publish them."""

import json
import uuid
from base64 import b64encode
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
import requests
import tincan
from flask import Flask
from playwright.sync_api import Page

from lti_mentor.app import create_app
from tests.support.record_store import TWO, Client, made_key, statement
from tests.support.serving import served

CLIENTS = Path(__file__).parent / "clients"
SENT = 7


@pytest.fixture
def client(database, loaded_settings) -> Iterator[Client]:
    with (
        served(lambda url: create_app(replace(loaded_settings, base_url=url), database)) as address,
        requests.Session() as session,
    ):
        yield Client(session, address, made_key(database, loaded_settings.secret_key))


@pytest.fixture
def content(client, browser_context) -> Iterator[Page]:
    """A page of a course on another server, which also gives out the token of a cmi5 launch."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "<!doctype html><title>Content</title>")
    token = b64encode(":".join(client.key).encode()).decode()
    app.add_url_rule("/token", "token", lambda: {"auth-token": token}, methods=["POST"])
    with served(lambda _: app) as address:
        page = browser_context.new_page()
        page.goto(address)
        yield page


def run(page: Page, script: str, given: dict | None = None):
    """What the script gives, which has a minute."""
    late = "new Promise((_, failed) => setTimeout(() => failed(new Error('no answer in a minute')), 60000))"
    return page.evaluate(f"given => Promise.race([({script})(given), {late}])", given)


def said(number: int = SENT) -> list[dict]:
    """Of their own: tincan for Python writes into what it is given."""
    return [deepcopy(statement()) for _ in range(number)]


XAPI = """async ({endpoint, key, version, sent}) => {
  const lrs = new XAPI({endpoint, auth: XAPI.toBasicAuth(...key), version, adapter: "fetch"});
  const agent = sent[0].actor, activityId = sent[0].object.id, place = {agent, activityId, stateId: "page"};
  const one = await lrs.sendStatement({statement: sent[0]});
  const many = await lrs.sendStatements({statements: sent.slice(1)});
  let page = (await lrs.getStatements({agent, limit: 3})).data;
  const pages = [page.statements.map(each => each.id)];
  while (page.more) {
    page = (await lrs.getMoreStatements({more: page.more})).data;
    pages.push(page.statements.map(each => each.id));
  }
  await lrs.voidStatement({actor: agent, statementId: sent[0].id});
  const voided = (await lrs.getVoidedStatement({voidedStatementId: sent[0].id})).data.id;
  const left = (await lrs.getStatements({agent, verb: sent[0].verb.id})).data.statements.map(each => each.id);
  await lrs.createState({...place, state: {at: 3}, etag: "*", matchHeader: "If-None-Match"});
  const kept = await lrs.getState(place);
  await lrs.setState({...place, state: {at: 4}, etag: kept.headers.etag, matchHeader: "If-Match"});
  const late = await lrs.setState({...place, state: {at: 5}, etag: kept.headers.etag, matchHeader: "If-Match"})
    .then(() => "taken", () => "refused");
  const about = (await lrs.getAbout()).data.version;
  return {one: one.data, many: many.data, pages, voided, left, state: (await lrs.getState(place)).data, late, about};
}"""


@pytest.mark.parametrize("version", ["1.0.3", TWO])
def test_xapi_js_stores_queries_and_pages(client, content, version):
    content.add_script_tag(path=CLIENTS / "XAPI.umd.js")
    sent = said()
    given = {"endpoint": f"{client.address}/xapi/", "key": client.key, "version": version, "sent": sent}
    found = run(content, XAPI, given)
    ids = [each["id"] for each in sent]
    assert (found["one"], found["many"]) == (ids[:1], ids[1:])
    assert [len(page) for page in found["pages"]] == [3, 3, 1]
    assert [each for page in found["pages"] for each in page] == ids[::-1]
    assert found["voided"] == ids[0]
    assert set(found["left"]) & set(ids) == set(ids[1:])
    assert (found["state"], found["late"]) == ({"at": 4}, "refused")
    assert {"1.0.3", "2.0.0"} <= set(found["about"])


TINCAN = """({endpoint, key, sent}) => new Promise((done, failed) => {
  const lrs = new TinCan.LRS({endpoint, username: key[0], password: key[1], allowFail: false});
  const statements = sent.map(each => new TinCan.Statement(each, {storeOriginal: false, doStamp: false}));
  const agent = statements[0].actor, activity = statements[0].target, pages = [];
  const checked = next => (error, result) => error ? failed(new Error(`${error}`)) : next(result);
  const one = () => lrs.saveStatement(statements[0], {callback: checked(many)});
  const many = () => lrs.saveStatements(statements.slice(1), {callback: checked(query)});
  const query = () => lrs.queryStatements({params: {agent, limit: 3}, callback: checked(turn)});
  const turn = result => {
    pages.push(result.statements.map(each => each.id));
    if (result.more) lrs.moreStatements({url: result.more, callback: checked(turn)});
    else lrs.saveState("page", "é 3", {agent, activity, contentType: "text/plain", callback: checked(state)});
  };
  const state = () => lrs.retrieveState("page", {agent, activity, callback: checked(
    found => done({pages, state: found.contents, etag: found.etag})
  )});
  one();
})"""


def test_tincan_js_stores_queries_and_pages(client, content):
    content.add_script_tag(path=CLIENTS / "tincan-min.js")
    sent = said()
    found = run(content, TINCAN, {"endpoint": f"{client.address}/xapi/", "key": client.key, "sent": sent})
    assert [len(page) for page in found["pages"]] == [3, 3, 1]
    assert [each for page in found["pages"] for each in page] == [each["id"] for each in sent][::-1]
    assert found["state"] == "é 3"
    assert found["etag"]


CMI5 = """async () => {
  const unit = new Cmi5();
  await unit.initialize();
  await unit.interactionTrueFalse("test", "question", true, true);
  await unit.pass(0.8);
  await unit.complete();
  await unit.terminate();
  return unit.getLearnerPreferences();
}"""


def test_a_cmi5_unit_runs_from_its_launch_to_its_end(client, content):
    """The page is opened as a cmi5 LMS does: with the launch data in the state, and an address for the token."""
    learner = {"objectType": "Agent", "account": {"homePage": "https://lms.example.org", "name": "ann"}}
    unit, registration = "https://lms.example.org/units/3", str(uuid.uuid4())
    place = {"agent": learner, "activityId": unit, "stateId": "LMS.LaunchData", "registration": registration}
    session = {"https://w3id.org/xapi/cmi5/context/extensions/sessionid": "1"}
    launch_data = {"contextTemplate": {"extensions": session}, "launchMode": "Normal", "moveOn": "Passed"}
    assert client.ask("PUT", "activities/state", place, launch_data).status_code == 204
    preferences = {"agent": learner, "profileId": "cmi5LearnerPreferences"}
    likes = {"languagePreference": "de", "audioPreference": "off"}
    answer = client.ask("PUT", "agents/profile", preferences, likes, **{"If-None-Match": "*"})
    assert answer.status_code == 204
    launch = {
        "endpoint": f"{client.address}/xapi/",
        "fetch": f"{content.url}token",
        "actor": json.dumps(learner),
        "registration": registration,
        "activityId": unit,
    }
    content.goto(f"{content.url}?{urlencode(launch)}")
    content.add_script_tag(path=CLIENTS / "Cmi5.umd.js")
    assert run(content, CMI5) == likes
    answer = client.get("statements", {"registration": registration, "ascending": "true"})
    verbs = [each["verb"]["id"].rpartition("/")[2] for each in answer.json()["statements"]]
    assert verbs == ["initialized", "answered", "passed", "completed", "terminated"]


def test_tincan_python_stores_queries_and_pages(client):
    lrs = tincan.RemoteLRS(
        endpoint=f"{client.address}/xapi/", username=client.key[0], password=client.key[1], version="1.0.3"
    )
    sent = said()
    assert lrs.save_statement(tincan.Statement(sent[0])).success
    assert lrs.save_statements([tincan.Statement(each) for each in sent[1:]]).success
    answer = lrs.query_statements({"agent": tincan.Agent(sent[0]["actor"]), "limit": 3})
    pages = [answer.content]
    while pages[-1].more:
        answer = lrs.more_statements(pages[-1])
        assert answer.success
        pages.append(answer.content)
    assert [len(page.statements) for page in pages] == [3, 3, 1]
    ids = [str(each.id) for page in pages for each in page.statements]
    assert ids == [each["id"] for each in sent][::-1]
    assert str(lrs.retrieve_statement(sent[0]["id"]).content.id) == sent[0]["id"]
