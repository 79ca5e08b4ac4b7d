"""Record stores outside that refuse, break, hang or come back: nothing is lost, nothing is sent twice as much."""

import json
import threading
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest
from flask import Response
from sqlalchemy import event

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.activity.outside import TargetDraft
from lti_mentor.jobs import statements
from lti_mentor.mentoring import organizations, people, privacy
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.conftest import empty, gather_cast
from tests.support.outside import add, say, standing, statement
from tests.support.recording import recording
from tests.support.stores import SECRET, Lrs, dead, later, target
from xapi import outbox


def test_one_bad_statement_is_put_aside_with_the_answer_and_all_others_arrive(database, home, tool, loaded_settings):
    bad = statement(41)["id"]
    said = Response(f"Bad \n \x1b[2J\u202estatement. Your secret is {SECRET}. " + "x" * 9000, status=400)
    lrs = Lrs(lambda batch: said if bad in batch else 200)
    with target(database, loaded_settings, home, lrs) as found:
        ids = say(database, home, [statement(number) for number in range(100)])
        assert statements.run(tool) == 99
        assert lrs.kept == [each for each in ids if each != bad], "in the same order"
        assert len(lrs.batches) <= 15
        (letter,) = dead(database, found)
        assert (str(letter.statement_id), letter.status) == (bad, 400)
        assert letter.answer.startswith("Bad [2J statement. Your secret is …. xxx")
        assert len(letter.answer) == 500
        lrs.judge = lambda batch: 200
        with database.transaction() as db:
            assert outside.replay(db, found) == 1
        assert statements.run(tool) == 1
        assert dead(database, found) == []
        assert set(lrs.kept) == set(ids)


def test_a_dropped_dead_letter_is_gone_and_the_others_stay(database, home, tool, loaded_settings):
    with target(database, loaded_settings, home, Lrs(lambda batch: 400)) as found:
        say(database, home, [statement(number) for number in range(3)])
        statements.run(tool)
        first, *others = (each.statement_id for each in dead(database, found))
        with database.transaction() as db:
            assert outside.drop(db, found, first) == 1
        assert [each.statement_id for each in dead(database, found)] == others


def test_too_long_messages_are_sent_in_smaller_ones_from_then_on(database, home, tool, loaded_settings):
    lrs = Lrs(lambda batch: 413 if len(batch) > 20 else 200)
    with target(database, loaded_settings, home, lrs):
        ids = say(database, home, [statement(number) for number in range(100)])
        assert statements.run(tool) == 100
        say(database, home, [statement(number) for number in range(100, 200)])
        statements.run(tool)
    assert lrs.kept[:100] == ids
    assert max(lrs.batches[-4:]) <= 20


@pytest.mark.parametrize("status", [401, 403])
def test_whoever_shuts_us_out_is_left_alone_until_somebody_has_looked(database, home, tool, loaded_settings, status):
    lrs = Lrs(lambda batch: status)
    with target(database, loaded_settings, home, lrs) as found:
        ids = say(database, home, [statement(1)])
        assert statements.run(tool) == 0
        now = standing(database, home)
        assert (now.target.status, now.target.problem, now.is_down) == ("refused", "target.shut_out", True)
        asked = len(lrs.batches)
        assert later(tool, 9999) == 0
        assert len(lrs.batches) == asked
        lrs.judge = lambda batch: 200
        ids += say(database, home, [statement(2)])
        with database.transaction() as db:
            outside.resume(outside.to_change(db, home, found.id))
        assert statements.run(tool) == 2
        assert lrs.kept == ids
        assert not standing(database, home).is_down


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        (lambda: "600", 600),
        (lambda: format_datetime(clock.now() + timedelta(hours=2)), 7200),
        (lambda: "86400000", 86400),
    ],
    ids=["seconds", "a date", "longer than a day"],
)
def test_it_waits_as_long_as_it_is_asked_to_up_to_a_day(database, home, tool, loaded_settings, asked, seconds):
    lrs = Lrs(lambda batch: Response(status=429, headers={"Retry-After": asked()}))
    with target(database, loaded_settings, home, lrs):
        say(database, home, [statement(1)])
        statements.run(tool)
        lrs.judge = lambda batch: 200
        assert later(tool, seconds - 10) == 0
        assert lrs.batches == [1]
        assert later(tool, seconds + 1) == 1


@pytest.mark.parametrize("status", [500, 503, 404, 302])
def test_an_error_is_waited_for_longer_each_time_and_forgotten_when_it_is_over(
    database, home, tool, loaded_settings, status
):
    lrs, waits = Lrs(lambda batch: status), []
    with target(database, loaded_settings, home, lrs):
        ids = say(database, home, [statement(number) for number in range(3)])
        for passed in (0, 100, 200, 300):
            later(tool, passed)
            now = standing(database, home).target
            waits.append((now.retry_at - now.failed_at).total_seconds())
        for number, each in enumerate(waits):
            assert 0.5 * 2**number <= each <= 2**number
        assert standing(database, home).is_down
        assert now.problem == "target.bad_status"
        assert now.answer.startswith(str(status))
        lrs.judge = lambda batch: 200
        assert later(tool, 400) == 3
        now = standing(database, home)
        assert (now.target.failures, now.target.problem, now.target.errors, now.is_down) == (0, None, 4, False)
        assert lrs.kept == ids


def test_a_store_that_hangs_is_given_up_in_time(sqlite_database, loaded_settings):
    quick = replace(loaded_settings, answer_timeout_seconds=1, read_timeout_seconds=1)
    tool, over = Tool(quick, sqlite_database, Vault(quick.secret_key)), threading.Event()
    with sqlite_database.transaction() as db:
        home = organizations.named(db, "Home").id

    def hang(batch):
        over.wait(20)
        return 200

    with target(sqlite_database, loaded_settings, home, Lrs(hang)):
        say(sqlite_database, home, [statement(1)])
        assert statements.run(tool) == 0
        over.set()
    assert standing(sqlite_database, home).target.problem == "target.no_answer"


def test_nobody_at_the_address_is_tried_again(database, home, tool, loaded_settings):
    with target(database, loaded_settings, home, Lrs()):
        say(database, home, [statement(1)])
    assert statements.run(tool) == 0
    now = standing(database, home)
    assert (now.target.status, now.target.problem, now.waiting) == ("new", "target.no_answer", 1)


def test_one_that_is_slow_holds_up_no_other(database, home, tool, warehouse, loaded_settings):
    """The slow one answers after the quick one has everything, what was said meanwhile included."""
    is_done = threading.Event()

    def slow(batch):
        ids.extend(say(database, home, [statement(7)]) if len(ids) == 3 else [])
        while not is_done.is_set() and warehouse.ids() != ids:
            is_done.wait(0.05)
        is_done.set()
        return 200

    lrs = Lrs(slow)
    with target(database, loaded_settings, home, lrs, label="Slow"):
        add(database, loaded_settings, home, warehouse.draft())
        ids = say(database, home, [statement(number) for number in range(3)])
        assert statements.run(tool) == 8
    assert warehouse.ids() == lrs.kept == ids


def test_however_many_are_slow_one_that_is_not_does_not_wait_for_them(
    database, home, tool, loaded_settings, monkeypatch
):
    """Three are, and there are three threads; two of them are at it when something is said for the fourth."""
    monkeypatch.setattr(statements, "AT_ONCE", 3)
    monkeypatch.setattr(statements, "LONG_AT_ONCE", 2)
    monkeypatch.setattr(statements, "LONG", timedelta(minutes=1))  # also on a loaded machine
    is_there, at_it, waited = threading.Event(), [], []
    other = "http://adlnet.gov/expapi/verbs/passed"

    def slow(batch):
        at_it.append(batch)
        if len(at_it) == 2:
            say(database, home, [statement(9, verb={"id": other})])
        waited.append(is_there.wait(20))
        return 200

    def take(batch):
        is_there.set()
        return 200

    many, quick = [Lrs() for _ in range(3)], Lrs(take)
    with ExitStack() as stack:
        for number, lrs in enumerate(many):
            verbs = (statement()["verb"]["id"],)
            stack.enter_context(target(database, loaded_settings, home, lrs, label=f"Slow {number}", verbs=verbs))
        say(database, home, [statement(1)])
        with monkeypatch.context() as patch:
            patch.setattr(statements, "LONG", timedelta(0))
            assert statements.run(tool) == 3
        stack.enter_context(target(database, loaded_settings, home, quick, label="Quick", verbs=(other,)))
        assert statements.run(tool) == 0
        for lrs in many:
            lrs.judge = slow
        say(database, home, [statement(2)])
        assert statements.run(tool) == 4
    assert (len(quick.kept), waited) == (1, [True] * 3)


def test_a_target_is_worked_on_once_and_again_when_the_lease_ends(database, home, tool, warehouse, loaded_settings):
    add(database, loaded_settings, home, warehouse.draft())
    ids = say(database, home, [statement(1)])
    now = clock.now()
    with database.transaction() as db:
        dying = outbox.claim(db, now=now, until=now + timedelta(seconds=60))
        assert outbox.claim(db, now=now, until=now) is None
    assert statements.run(tool) == 0
    assert later(tool, 61) == 1
    assert warehouse.ids() == ids
    with database.transaction() as db:
        assert outbox.take(db, dying, now=now, until=now) is None, "it is not its own any more"


def test_what_was_sent_and_not_marked_is_sent_again_and_taken_once(database, home, tool, warehouse, loaded_settings):
    """A worker that dies between the answer and the mark."""
    found = add(database, loaded_settings, home, warehouse.draft())
    ids = say(database, home, [statement(number) for number in range(4)])
    assert statements.run(tool) == 4
    with database.transaction() as db:
        outside.send_older(db, outside.to_change(db, home, found.id), clock.now() - timedelta(days=1))
    assert statements.run(tool) == 4
    assert warehouse.ids() == ids


def test_a_statement_that_was_refused_and_is_taken_after_all_is_refused_no_more(database, home, tool, loaded_settings):
    lrs = Lrs(lambda batch: 400)
    with target(database, loaded_settings, home, lrs) as found:
        ids = say(database, home, [statement(1)])
        statements.run(tool)
        lrs.judge = lambda batch: 200
        with database.transaction() as db:
            outside.send_older(db, outside.to_change(db, home, found.id), clock.now() - timedelta(days=1))
        assert statements.run(tool) == 1
    assert lrs.kept == ids
    assert standing(database, home).dead == 0


def test_older_statements_wait_since_they_were_asked_for(database, home, loaded_settings, tool, warehouse):
    with clock.moved_to(clock.now() - timedelta(days=400)):
        say(database, home, [statement(1)])
    found = add(database, loaded_settings, home, warehouse.draft(endpoint="http://127.0.0.1:9/xapi"))
    with database.transaction() as db:
        outbox.accepted(db, found)
        outside.send_older(db, outside.to_change(db, home, found.id), clock.now() - timedelta(days=500))
    began = clock.now()
    statements.run(tool)
    now = standing(database, home)
    assert now.waiting == 1
    assert began <= now.oldest <= clock.now()


def test_a_target_that_failed_and_was_paused_is_not_down(database, home, tool, loaded_settings):
    with target(database, loaded_settings, home, Lrs(lambda batch: 500)) as found:
        say(database, home, [statement(1)])
        for passed in (0, 100, 200):
            later(tool, passed)
        assert standing(database, home).is_down
        with database.transaction() as db:
            outside.pause(outside.to_change(db, home, found.id))
        now = standing(database, home)
        assert (now.is_down, now.state) == (False, "paused")


def test_whoever_changes_a_target_waits_for_writers_first(postgres_database, loaded_settings, warehouse):
    """In one order everywhere, so that nobody who erases and nobody who asks for older ones waits for the other."""
    database = postgres_database
    empty(database)
    with database.transaction() as db:
        cast = gather_cast(db)
    home, order = cast.learner.organization_id, []
    target_id = add(database, loaded_settings, home, warehouse.draft()).id

    def note(connection, cursor, text, *others):
        order.extend(name for name in ("UPDATE xapi_heads", "FOR NO KEY UPDATE") if name in text)

    def erase(db):
        privacy.erase(db, Vault(loaded_settings.secret_key), people.get(db, home, cast.learner.id), by=None)

    def send_older(db):
        outside.send_older(db, outside.to_change(db, home, target_id), clock.now())

    def remove(db):
        outside.remove(db, outside.to_change(db, home, target_id))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        for change in (erase, send_older, remove):
            order.clear()
            with database.transaction() as db:
                change(db)
            assert order[0] == "UPDATE xapi_heads", change
            assert "FOR NO KEY UPDATE" in order
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def test_a_paused_target_gets_everything_once_it_is_resumed(database, home, tool, warehouse, loaded_settings):
    found = add(database, loaded_settings, home, warehouse.draft())
    with database.transaction() as db:
        outside.pause(outside.to_change(db, home, found.id))
    ids = say(database, home, [statement(1), statement(2)])
    assert statements.run(tool) == 0
    assert standing(database, home).waiting == 2
    with database.transaction() as db:
        outside.resume(outside.to_change(db, home, found.id))
    assert statements.run(tool) == 2
    assert warehouse.ids() == ids


def test_a_target_that_is_paused_while_it_is_sent_to_gets_the_rest_once_it_is_resumed(
    database, home, tool, loaded_settings
):
    def pause(batch):
        with database.transaction() as db:
            outside.pause(outside.to_change(db, home, found.id))
        return 200

    lrs = Lrs(pause)
    with target(database, loaded_settings, home, lrs) as found:
        ids = say(database, home, [statement(number) for number in range(150)])
        assert statements.run(tool) == 100
        now = standing(database, home)
        assert (now.state, now.waiting) == ("paused", 50)
        lrs.judge = lambda batch: 200
        with database.transaction() as db:
            outside.resume(outside.to_change(db, home, found.id))
        assert statements.run(tool) == 50
    assert lrs.kept == ids


def test_a_worker_that_is_stopped_gives_its_targets_back_at_once(database, home, tool, loaded_settings):
    stop = threading.Event()

    def told_to_stop(batch):
        stop.set()
        return 200

    lrs = Lrs(told_to_stop)
    with target(database, loaded_settings, home, lrs):
        ids = say(database, home, [statement(number) for number in range(150)])
        assert statements.run(tool, stop) == 100
        assert statements.run(tool) == 50, "another worker"
    assert lrs.kept == ids


def test_a_removed_target_takes_what_waits_along(database, home, tool, loaded_settings):
    with target(database, loaded_settings, home, Lrs(lambda batch: 400)) as found:
        say(database, home, [statement(1)])
        statements.run(tool)
        say(database, home, [statement(2)])
        with database.transaction() as db:
            outside.remove(db, outside.to_change(db, home, found.id))
        say(database, home, [statement(3)])
        assert statements.run(tool) == 0
    with database.reading() as db:
        assert outside.standings(db) == []


def test_a_private_address_is_not_asked(database, home, loaded_settings, warehouse):
    careful = Tool(replace(loaded_settings, allow_private_addresses=False), database, Vault(loaded_settings.secret_key))
    add(database, loaded_settings, home, warehouse.draft())
    assert statements.run(careful) == 0
    now = standing(database, home).target
    assert (now.status, now.problem) == ("refused", "target.address_refused")


def test_a_token_is_fetched_once_and_anew_when_it_ended(database, home, tool, loaded_settings):
    given = []

    def serve(asked):
        if asked.address != "/token":
            return lrs(asked)
        given.append(asked)
        return Response(json.dumps({"access_token": f"token-{len(given)}", "expires_in": 3600}))

    lrs = Lrs()
    with recording(serve) as (base, _):
        draft = TargetDraft(
            label="Cloud",
            endpoint=f"{base}/xapi",
            key="us:1",
            secret=SECRET,
            token_endpoint=f"{base}/token",
            scope="all",
        )
        add(database, loaded_settings, home, draft)
        say(database, home, [statement(1)])
        assert statements.run(tool) == 1
        say(database, home, [statement(2)])
        assert statements.run(tool) == 1
        assert [each.form for each in given] == [{"grant_type": "client_credentials", "scope": "all"}]
        assert given[0].headers["Authorization"] == "Basic dXMlM0ExOmEtc2VjcmV0LW9mLW91cnM="
        assert lrs.headers[-1]["Authorization"] == "Bearer token-1"
        lrs.judge = lambda batch: 200 if "token-2" in lrs.headers[-1]["Authorization"] else 401
        say(database, home, [statement(3)])
        assert statements.run(tool) == 1
        assert len(given) == 2


def careful(database, loaded_settings, *networks):
    """A tool that goes to no private address but those in the networks."""
    allowed = replace(loaded_settings, allow_private_addresses=False, allowed_networks=networks)
    return Tool(allowed, database, Vault(loaded_settings.secret_key))


@pytest.mark.parametrize(
    ("token_endpoint", "problem"),
    [
        ("http://127.0.0.2/token", "target.address_refused"),
        ("http://8.8.8.8/token", "target.not_encrypted"),
        ("{base}/elsewhere", "target.no_token"),
    ],
    ids=["a private address", "plain http to the world outside", "one that leads elsewhere"],
)
def test_a_token_endpoint_that_cannot_be_trusted_gets_no_secret(
    database, home, loaded_settings, token_endpoint, problem
):
    asked = []

    def serve(request):
        asked.append(request)
        return Response(status=307, headers={"Location": "/token"})

    with recording(serve) as (base, _):
        base = base.replace("localhost", "127.0.0.1")
        draft = TargetDraft(label="W", endpoint=f"{base}/xapi", key="us", secret=SECRET)
        add(database, loaded_settings, home, replace(draft, token_endpoint=token_endpoint.format(base=base)))
        say(database, home, [statement(1)])
        assert statements.run(careful(database, loaded_settings, "127.0.0.1/32")) == 0
    assert [each.address for each in asked] == (["/elsewhere"] if problem == "target.no_token" else [])
    now = standing(database, home).target
    assert (now.status, now.problem) == ("refused", problem)


def test_plain_http_goes_to_networks_of_ours_alone(database, home, loaded_settings, warehouse):
    inside = warehouse.draft(endpoint=f"{warehouse.url}/xapi".replace("localhost", "127.0.0.1"))
    add(database, loaded_settings, home, inside)
    add(database, loaded_settings, home, warehouse.draft(label="Outside", endpoint="http://8.8.8.8/xapi"))
    say(database, home, [statement(1)])
    assert statements.run(careful(database, loaded_settings, "127.0.0.1/32")) == 1
    with database.reading() as db:
        found = {each.target.label: each.target.problem for each in outside.standings(db, home)}
    assert found == {"Warehouse": None, "Outside": "target.not_encrypted"}


def test_what_is_no_record_store_or_of_another_version_is_said(database, home, tool, loaded_settings, warehouse):
    add(database, loaded_settings, home, warehouse.draft(endpoint=f"{warehouse.url}/nothing"))
    statements.run(tool)
    assert standing(database, home).target.problem == "target.no_lrs"
    with target(database, loaded_settings, home, Lrs(), label="Old", version="2.0.0"):
        statements.run(tool)
    with database.reading() as db:
        problems = [each.target.problem for each in outside.standings(db, home)]
    assert problems == ["target.no_lrs", "target.other_version"]


def test_the_number_of_wrong_things_about_a_new_target_is_told_at_once(sqlite_database, loaded_settings):
    with sqlite_database.transaction() as db:
        home = organizations.named(db, "Home").id
    wrong = TargetDraft(label="", endpoint="ftp://x", key="a:b", secret="", version="0.9", token_endpoint=None)
    with pytest.raises(outside.Invalid) as caught:
        add(sqlite_database, loaded_settings, home, wrong)
    assert list(caught.value.fields) == ["label", "endpoint", "key", "secret", "version"]
