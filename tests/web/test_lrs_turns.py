"""One request of a process stores at a time, takes along what waits with the same key, and nobody waits for long."""

import json
import logging
import socket
import threading
import time
import uuid
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from sqlalchemy import event, select, text, update

from lti_mentor import clock
from lti_mentor.app import create_app
from lti_mentor.db import connect
from lti_mentor.web import lrs_storing
from lti_mentor.web.lrs import LET_IN
from lti_mentor.web.lrs_storing import TURNS, Sent
from tests.support.record_store import EXAM, ONE, TWO, about, found, one, post, statement
from tests.support.serving import served
from xapi import keys
from xapi.rows import StoredStatement


@contextmanager
def turn():
    """Somebody has it."""
    with TURNS.turn(Sent(None, b"", "", "", "", b"", None)):
        yield


def at_once(*given, meanwhile=lambda: None):
    """The answers to what each of these clients sends, while all wait for the same turn."""
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(len(given)))
        asked = []
        with turn():
            for client, said in given:
                own = replace(client, session=stack.enter_context(requests.Session()))
                asked.append(pool.submit(send, own, said))
                wait_for(len(asked))
            meanwhile()
        return [each.result() for each in asked]


def send(client, said):
    return client.ask("POST", "statements", {}, json.dumps(said), **{"Content-Type": "application/json"})


def wait_for(number):
    until = time.monotonic() + 20
    while TURNS.waiting < number:
        assert time.monotonic() < until, "it never came to its turn"
        threading.Event().wait(0.001)


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Enough for a loaded machine, and longer than clients wait for an answer."""
    monkeypatch.setattr(lrs_storing, "PATIENCE", 60)


def stored(client, *given):
    return sorted(datetime.fromisoformat(one(client, each["id"]).json()["stored"]) for each in given)


def is_one_transaction(moments):
    """Statements of one have times that follow each other."""
    return all(later - earlier == timedelta(microseconds=1) for earlier, later in pairwise(moments))


def test_what_waits_with_the_same_key_is_stored_together(lrs_client):
    given = [statement() for _ in range(4)]
    answers = at_once(*[(lrs_client, each) for each in given])
    assert [answer.json() for answer in answers] == [[each["id"]] for each in given]
    assert is_one_transaction(stored(lrs_client, *given))
    through = {answer.headers["X-Experience-API-Consistent-Through"] for answer in answers}
    assert len(through) == 1
    assert datetime.fromisoformat(through.pop()) >= stored(lrs_client, *given)[-1]


def test_who_comes_after_several_waits_a_moment_for_as_many(lrs_client, monkeypatch):
    at_once((lrs_client, statement()), (lrs_client, statement()))
    monkeypatch.setattr(lrs_storing, "GATHERING", 20)
    given = [statement(), statement()]
    with ThreadPoolExecutor(1) as pool, requests.Session() as session:
        first = pool.submit(send, lrs_client, given[0])
        wait_for(1)
        assert send(replace(lrs_client, session=session), given[1]).status_code == 200
        assert first.result().status_code == 200
    assert is_one_transaction(stored(lrs_client, *given))


def test_nobody_waits_for_what_could_not_go_along(lrs_server, lrs_session, monkeypatch):
    first, second = (lrs_server.client(lrs_session) for _ in range(2))
    long = "x" * (lrs_storing.MOST_BYTES // 2 + 1)
    large = [statement() | {"result": {"response": long}} for _ in range(3)]
    post(first, statement())
    monkeypatch.setattr(lrs_storing, "GATHERING", 600)
    at_once((first, statement()), (second, statement()))
    post(second, statement())
    at_once(*[(first, each) for each in large])
    post(first, statement() | {"result": {"response": long}})


def test_who_comes_alone_waits_for_nobody(lrs_client, monkeypatch):
    at_once((lrs_client, statement()), (lrs_client, statement()))
    post(lrs_client, statement())  # which waited for another one
    monkeypatch.setattr(lrs_storing, "GATHERING", 600)
    post(lrs_client, statement())


def test_what_is_wrong_concerns_nobody_else(lrs_client):
    taken, other, fine, twice = statement(), statement(), statement(), statement()
    post(lrs_client, taken)
    wrong = [statement(verb="none"), taken | {"object": {"id": f"{EXAM}/other"}}, about(statement(), verb={"id": "x"})]
    answers = at_once(
        (lrs_client, wrong[0]),
        (lrs_client, other),
        (lrs_client, wrong[1]),
        (lrs_client, fine),
        (lrs_client, [twice, statement()]),
        (lrs_client, twice | {"object": {"id": f"{EXAM}/other"}}),
        (lrs_client, wrong[2]),
    )
    assert [answer.status_code for answer in answers][:5] == [400, 200, 409, 200, 200]
    assert [answer.status_code for answer in answers][5:] == [409, 400]
    assert all("X-Experience-API-Consistent-Through" in answer.headers for answer in answers)
    for each in (taken, other, fine, twice):
        assert one(lrs_client, each["id"]).json()["object"]["id"] == EXAM


def test_the_same_statement_sent_twice_at_once_is_stored_once(lrs_client):
    given = statement()
    answers = at_once((lrs_client, given), (lrs_client, given))
    assert [answer.json() for answer in answers] == [[given["id"]]] * 2
    assert found(lrs_client) == [given["id"]]


def test_each_is_read_by_the_rules_of_its_own_version(lrs_client):
    older, newer = (replace(lrs_client, version=version) for version in (ONE, TWO))
    given = [statement(), statement()]
    at_once((older, given[0]), (newer, given[1]))
    assert is_one_transaction(stored(lrs_client, *given))
    assert [one(lrs_client, each["id"]).json()["version"] for each in given] == ["1.0.0", "2.0.0"]


def test_two_keys_and_two_tenants_are_never_stored_together(lrs_server, lrs_session):
    first, second = (lrs_server.client(lrs_session) for _ in range(2))
    bound = lrs_server.client(lrs_session, keys.ALL, activity=f"{EXAM}/bound")
    given = [statement() for _ in range(3)]
    answers = at_once(*zip((first, second, bound), given, strict=True))
    assert [answer.status_code for answer in answers] == [200, 200, 403]
    assert (found(first), found(second)) == ([given[0]["id"]], [given[1]["id"]])
    name = one(first, given[0]["id"]).json()["authority"]["account"]["name"]
    assert name == f"key-{first.key[0]}"


def test_what_comes_with_attachments_is_stored_alone():
    plain = Sent(object(), b"key", ONE, "application/json", "", b"", None)
    mixed = replace(plain, media_type="multipart/mixed")
    assert plain.goes_with(replace(plain, version=TWO))
    assert not any(one.goes_with(other) for one, other in ((plain, mixed), (mixed, plain), (mixed, mixed)))
    assert not plain.goes_with(replace(plain, key=b"another"))


def looked_up(database, work):
    """How often somebody looked for a key meanwhile."""
    asked = []

    def ask(connection, cursor, question, parameters, context, executemany):
        if "FROM xapi_keys" in question:
            asked.append(question)

    engine = database.reader if database.is_sqlite else database.engine
    event.listen(engine, "before_cursor_execute", ask)
    work()
    event.remove(engine, "before_cursor_execute", ask)
    return len(asked)


def test_a_key_that_was_good_is_looked_up_once_for_all_that_are_stored_together(lrs_server, lrs_client):
    post(lrs_client, statement())
    given = [(lrs_client, statement()) for _ in range(4)]
    assert looked_up(lrs_server.database, lambda: at_once(*given)) == 1


def test_a_key_that_is_disabled_while_they_wait_stores_nothing(lrs_server, lrs_client):
    post(lrs_client, statement())
    given = [statement() for _ in range(3)]

    def disable():
        with lrs_server.database.transaction() as db:
            this = keys.Key.key == lrs_client.key[0]
            db.execute(update(keys.Key).where(this).values(disabled_at=clock.now()))

    answers = []
    waiting = [(lrs_client, each) for each in given]
    count = looked_up(lrs_server.database, lambda: answers.extend(at_once(*waiting, meanwhile=disable)))
    assert count == 1, "for all of them"
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [(401, "key.unknown")] * 3
    with lrs_server.database.reading() as db:
        ids = [uuid.UUID(each["id"]) for each in given]
        assert db.scalars(select(StoredStatement.seq).where(StoredStatement.statement_id.in_(ids))).all() == []


def is_out_of_turn(client, status, reason):
    """Whether it is refused while somebody else has the turn."""
    with turn():
        answer = send(client, statement())
        assert TURNS.waiting == 0
    return (answer.status_code, answer.json()["error"]) == (status, reason)


def test_a_key_that_nobody_knows_has_no_turn(lrs_client):
    post(lrs_client, statement())
    for key, secret in ((lrs_client.key[0], "wrong"), ("nobody", lrs_client.key[1])):
        for _ in range(2):
            assert is_out_of_turn(replace(lrs_client, key=(key, secret)), 401, "key.unknown")


def test_a_key_that_may_not_write_has_no_turn_although_it_reads(lrs_server, lrs_session):
    reader = lrs_server.client(lrs_session, keys.READ)
    for _ in range(2):
        assert found(reader) == []
        assert is_out_of_turn(reader, 403, "key.scope")


def test_a_key_that_is_over_has_a_last_turn_at_most(lrs_server, lrs_client):
    post(lrs_client, statement())
    with lrs_server.database.transaction() as db:
        over = {"expires_at": clock.now() - timedelta(seconds=1)}
        db.execute(update(keys.Key).where(keys.Key.key == lrs_client.key[0]).values(over))
    assert send(lrs_client, statement()).json()["error"] == "key.expired"
    assert is_out_of_turn(lrs_client, 401, "key.expired")


def test_what_is_wrong_before_the_turn_is_answered_like_everything_else(lrs_server, lrs_client):
    post(lrs_client, statement())
    for method, parameters in (("PUT", {}), ("PUT", {"statementId": "none"}), ("POST", {"x": "1"})):
        kind = {"Content-Type": "application/json"}
        answer = lrs_client.ask(method, "statements", parameters, json.dumps(statement()), **kind)
        assert answer.status_code == 400
        assert "X-Experience-API-Consistent-Through" in answer.headers
    with lrs_server.database.transaction() as db:
        db.execute(update(keys.Key).where(keys.Key.key == lrs_client.key[0]).values(disabled_at=clock.now()))
    assert lrs_client.ask("POST", "statements", {"x": "1"}, "{}", **kind).status_code == 401


def test_nothing_of_a_secret_is_kept_when_a_request_is_over(lrs_client):
    post(lrs_client, statement())
    post(lrs_client, statement(verb="wrong"), 400)
    assert lrs_client.key[1] not in f"{vars(TURNS)} {LET_IN}"
    assert not TURNS._last.outcome.done(), "the traceback of what went wrong has all of it"


def test_a_database_that_is_away_is_waited_for_once(lrs_server, lrs_client):
    if not lrs_server.database.is_sqlite:
        pytest.skip("PostgreSQL has no other writer to wait for in vain")
    given, tries = statement(), []
    engine = lrs_server.database.engine

    def tried(context):
        tries.append(context)

    event.listen(engine, "handle_error", tried)
    post(lrs_client, statement())  # the use of the key is noted
    other = connect(engine.url.render_as_string(hide_password=False))
    with other.storing():
        answers = at_once(*[(lrs_client, given)] * 3)
    event.remove(engine, "handle_error", tried)
    other.engine.dispose()
    assert [answer.status_code for answer in answers] == [503] * 3
    assert len(tries) == 1
    post(lrs_client, given)


@contextmanager
def taken_away(database):
    """Until it is over; it happens when what this gives is called."""
    if database.is_sqlite:
        file = Path(database.engine.url.database)
        aside = file.with_suffix(".aside")

        def take_away():
            database.engine.dispose()
            file.rename(aside)
            file.mkdir()

        try:
            yield take_away
        finally:
            file.rmdir()
            aside.rename(file)
        return
    name = database.engine.url.database
    other = connect(database.engine.url.set(database="template1").render_as_string(hide_password=False))

    def ask(*questions):
        with other.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            for question in questions:
                connection.execute(text(question))

    ending = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
    try:
        yield lambda: ask(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", ending)
    finally:
        ask(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        other.engine.dispose()


def test_a_database_that_goes_away_before_anything_is_stored_is_said_like_everything_else(
    lrs_server, lrs_client, loaded_settings, caplog
):
    given, token = statement(), "a token that is only used by this test"
    caplog.set_level(logging.INFO, "lti_mentor")
    made = replace(loaded_settings, metrics_token=token)
    with served(lambda url: create_app(replace(made, base_url=url), lrs_server.database)) as address:
        client = replace(lrs_client, address=address)
        post(client, statement())  # the use of the key is noted
        with taken_away(lrs_server.database) as take_away:
            (answer,) = at_once((client, given), meanwhile=take_away)
        counted = requests.get(f"{address}/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=20).text
        assert (answer.status_code, answer.json()["error"]) == (503, "database.away")
        assert answer.headers["X-Experience-API-Version"] == client.version
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "X-Experience-API-Consistent-Through" not in answer.headers
        assert 'lti_mentor_requests_total{endpoint="lrs_statements.post_statements",status="503"} 1\n' in counted
        logged = [each.status for each in caplog.records if each.message == "request" and each.method == "POST"]
        assert logged == [200, 503]
        post(client, given)


def test_nobody_stores_for_a_request_that_was_interrupted_while_it_waited(monkeypatch):
    class Stopped(BaseException):
        pass

    def stop(*_):
        raise Stopped

    with turn():
        monkeypatch.setattr(TURNS._changed, "wait_for", stop)
        with pytest.raises(Stopped), turn():
            pass
        monkeypatch.undo()
    assert (TURNS.waiting, TURNS.is_taken) == (0, False)


def test_a_sender_who_is_slow_holds_up_nobody(lrs_client):
    body = json.dumps(statement()).encode()
    key = b64encode(":".join(lrs_client.key).encode()).decode()
    place = urlsplit(lrs_client.address)
    head = (
        f"POST /xapi/statements HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Basic {key}\r\n"
        f"Content-Type: application/json\r\nX-Experience-API-Version: {lrs_client.version}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port), timeout=20) as slow:
        slow.sendall(head.encode() + body[:100])
        post(lrs_client, statement())
        assert not TURNS.is_taken, "the turn begins when all is here"
        slow.sendall(body[100:])
        assert slow.recv(100).startswith(b"HTTP/1.1 200")


def test_whoever_waits_long_for_the_turn_goes_on_without_it(lrs_client, monkeypatch):
    monkeypatch.setattr(lrs_storing, "PATIENCE", 0.05)
    with turn():
        post(lrs_client, statement())
        post(lrs_client, statement(verb="wrong"), 400)
        assert TURNS.is_taken
        assert not TURNS.waiting
    assert not TURNS.is_taken
