"""Single statements that a record store outside breaks on, refuses or has another of: the others arrive."""

import json
import threading
import time
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from flask import Response

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.jobs import statements
from lti_mentor.mentoring import goals, organizations
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.support.outside import add, say, standing, statement
from tests.support.recording import recording
from tests.support.stores import SECRET, Lrs, dead, later, target

REGISTRATION = [f"00000000-0000-4000-a000-{number:012}" for number in range(3)]


def resume(database, home, found):
    with database.transaction() as db:
        outside.resume(outside.to_change(db, home, found.id))


@pytest.mark.parametrize("bad", [{0}, {0, 1}, {3}])
def test_a_statement_that_breaks_the_other_side_is_put_aside_once_another_is_taken(
    database, home, tool, loaded_settings, bad
):
    ids = [statement(number)["id"] for number in range(9)]
    breaking = {ids[number] for number in bad}
    lrs = Lrs(lambda batch: 200 if breaking.isdisjoint(batch) else 500)
    with target(database, loaded_settings, home, lrs) as found:
        say(database, home, [statement(number) for number in range(9)])
        for passed in range(20 * len(bad)):
            later(tool, passed * 2000)
        assert {str(each.statement_id) for each in dead(database, found)} == breaking
        assert sorted(lrs.kept) == [each for each in ids if each not in breaking]


@pytest.mark.parametrize("registrations", [1, 3])
@pytest.mark.parametrize("passed", [11, 13, 16])
def test_whatever_gets_past_a_stubborn_statement_overtakes_none_of_its_registration(
    sqlite_database, loaded_settings, registrations, passed
):
    database, tool = sqlite_database, Tool(loaded_settings, sqlite_database, Vault(loaded_settings.secret_key))
    with database.transaction() as db:
        home = organizations.named(db, "Home").id
    given = [statement(number, context={"registration": REGISTRATION[number % registrations]}) for number in range(9)]
    lrs = Lrs(lambda batch: 500)
    with target(database, loaded_settings, home, lrs) as found:
        ids = say(database, home, given)
        for number in range(passed):
            later(tool, number * 2000)
        lrs.judge = lambda batch: 200 if ids[0] not in batch else 500
        later(tool, passed * 2000)
        assert [str(each.statement_id) for each in dead(database, found)] == [ids[0]]
    assert sorted(lrs.kept) == ids[1:]
    for own in (ids[first::registrations] for first in range(registrations)):
        assert [each for each in lrs.kept if each in own] == [each for each in own if each != ids[0]]


def test_a_record_store_that_comes_back_at_the_last_bad_moment_gets_everything(database, home, tool, loaded_settings):
    lrs = Lrs(lambda batch: 500)
    with target(database, loaded_settings, home, lrs) as found:
        ids = say(database, home, [statement(number) for number in range(9)])
        for passed in range(11):
            later(tool, passed * 2000)
        answers = iter([500])
        lrs.judge = lambda batch: next(answers, 200)
        later(tool, 11 * 2000)
        assert next(answers, None) is None, "it was down once more"
        assert dead(database, found) == []
        assert sorted(lrs.kept) == sorted(ids)


def test_statements_without_a_registration_get_past_a_stubborn_one(sqlite_database, loaded_settings):
    database, tool = sqlite_database, Tool(loaded_settings, sqlite_database, Vault(loaded_settings.secret_key))
    with database.transaction() as db:
        home = organizations.named(db, "Home").id
    breaking = {statement(number)["id"] for number in (0, 1)}
    lrs = Lrs(lambda batch: 200 if breaking.isdisjoint(batch) else 500)
    with target(database, loaded_settings, home, lrs) as found:
        say(database, home, [statement(number, context={}) for number in range(4)])
        for passed in range(40):
            later(tool, passed * 2000)
        assert {str(each.statement_id) for each in dead(database, found)} == breaking
    assert len(lrs.kept) == 2


def test_two_stubborn_statements_in_a_row_of_one_registration_are_both_put_aside(sqlite_database, loaded_settings):
    """Order is given up last."""
    database, tool = sqlite_database, Tool(loaded_settings, sqlite_database, Vault(loaded_settings.secret_key))
    with database.transaction() as db:
        home = organizations.named(db, "Home").id
    given = [statement(number, context={"registration": REGISTRATION[0]}) for number in range(9)]
    breaking = {each["id"] for each in given[:2]}
    lrs = Lrs(lambda batch: 200 if breaking.isdisjoint(batch) else 500)
    with target(database, loaded_settings, home, lrs) as found:
        ids = say(database, home, given)
        for passed in range(12):
            later(tool, passed * 2000)
        assert dead(database, found) == [], "those that keep the order were sent first, and twice"
        for passed in range(12, 30):
            later(tool, passed * 2000)
        assert {str(each.statement_id) for each in dead(database, found)} == breaking
    assert sorted(lrs.kept) == ids[2:]


@pytest.mark.parametrize("seconds", [10, 0.1])
def test_a_statement_that_gets_no_answer_holds_the_others_up_for_a_while_only(
    sqlite_database, loaded_settings, monkeypatch, seconds
):
    """Also where the turn is over by the time that nothing came."""
    monkeypatch.setattr(statements, "TURN", timedelta(seconds=seconds))
    began = time.monotonic()
    running = SimpleNamespace(now=lambda: clock.now() + timedelta(seconds=time.monotonic() - began))
    monkeypatch.setattr(statements, "clock", running)  # time goes on where it was moved to
    quick = replace(loaded_settings, answer_timeout_seconds=0.3, read_timeout_seconds=0.3)
    tool, over = Tool(quick, sqlite_database, Vault(quick.secret_key)), threading.Event()
    with sqlite_database.transaction() as db:
        home = organizations.named(db, "Home").id
    bad = statement(0)["id"]

    def hang(batch):
        if bad in batch:
            over.wait(20)
            return 500
        return 200

    lrs = Lrs(hang)
    with target(sqlite_database, loaded_settings, home, lrs) as found:
        ids = say(sqlite_database, home, [statement(number) for number in range(4)])
        for passed in range(11):
            later(tool, passed * 2000)
        (letter,) = dead(sqlite_database, found)
        over.set()
    assert (str(letter.statement_id), letter.status) == (bad, None)
    assert lrs.kept == ids[1:]


@pytest.mark.parametrize("status", [503, 404])
def test_a_record_store_that_takes_nothing_for_long_makes_no_dead_letters(
    database, home, tool, loaded_settings, status
):
    lrs = Lrs(lambda batch: status)
    with target(database, loaded_settings, home, lrs):
        ids = say(database, home, [statement(number) for number in range(5)])
        for passed in range(30):
            later(tool, passed * 2000)
        now = standing(database, home)
        assert (now.dead, now.waiting, now.is_down) == (0, 5, True)
        lrs.judge = lambda batch: 200
        for passed in range(30, 33):
            later(tool, passed * 2000)
    assert lrs.kept == ids


def test_one_that_asks_to_wait_makes_no_dead_letters_either(database, home, tool, loaded_settings):
    bad = statement(0)["id"]
    lrs = Lrs(lambda batch: 429 if bad in batch else 200)
    with target(database, loaded_settings, home, lrs):
        say(database, home, [statement(number) for number in range(3)])
        for passed in range(14):
            later(tool, passed * 2000)
        assert standing(database, home).dead == 0


def test_a_record_store_that_refuses_everything_is_stopped_before_it_has_refused_much(
    database, home, tool, loaded_settings
):
    lrs = Lrs(lambda batch: Response("Not now.", status=422))
    with target(database, loaded_settings, home, lrs) as found:
        ids = say(database, home, [statement(number) for number in range(40)])
        assert statements.run(tool) == 0
        now = standing(database, home)
        assert (now.state, now.is_down, now.dead, now.waiting) == ("refused", True, 10, 30)
        assert (now.target.problem, now.target.answer) == ("target.refuses_all", "422 Not now.")
        lrs.judge = lambda batch: 200
        resume(database, home, found)
        with database.transaction() as db:
            assert outside.replay(db, found) == 10
        assert statements.run(tool) == 40
        assert lrs.kept == ids


def test_whoever_has_looked_and_resumes_lets_it_refuse_more(database, home, tool, loaded_settings):
    bad = {statement(number)["id"] for number in range(30)}
    lrs = Lrs(lambda batch: 200 if bad.isdisjoint(batch) else 400)
    with target(database, loaded_settings, home, lrs) as found:
        ids = say(database, home, [statement(number) for number in range(40)])
        assert statements.run(tool) == 0
        resume(database, home, found)
        assert statements.run(tool) == 10
        assert lrs.kept == ids[30:]
        assert standing(database, home).dead == 30


def test_statements_that_are_too_new_are_put_aside_unsent_and_the_others_arrive(database, home, tool, loaded_settings):
    lrs = Lrs(lambda batch: 200 if newer.isdisjoint(batch) else 400)
    with target(database, loaded_settings, home, lrs) as found:
        newer = set(say(database, home, [statement(number) for number in range(150)], version="2.0.0"))
        older = say(database, home, [statement(number) for number in range(150, 153)])
        newer |= set(say(database, home, [statement(153)], version="2.0.0"))
        assert statements.run(tool) == 3
        assert (lrs.kept, lrs.batches) == (older, [3])
        now = standing(database, home)
        assert (now.state, now.is_down, now.waiting, now.dead, now.target.errors) == ("idle", False, 0, 151, 0)
        assert {(each.status, each.answer) for each in dead(database, found)} == {(None, "target.statement_too_new")}
        with database.transaction() as db:
            assert outside.replay(db, found) == 151
        assert statements.run(tool) == 0
        assert standing(database, home).dead == 151


def test_statements_that_are_too_new_say_nothing_of_a_target_that_is_down(database, home, tool, loaded_settings):
    with target(database, loaded_settings, home, Lrs(lambda batch: 503)):
        say(database, home, [statement(1)])
        for passed in (0, 100):
            later(tool, passed)
        say(database, home, [statement(2)], version="2.0.0")
        later(tool, 200)
        now = standing(database, home)
        assert (now.dead, now.waiting, now.target.failures, now.is_down) == (1, 1, 3, True)


def test_a_target_of_the_new_version_gets_statements_of_both(database, home, tool, warehouse, loaded_settings):
    add(database, loaded_settings, home, warehouse.draft(version="2.0.0"))
    ids = say(database, home, [statement(1)], version="2.0.0") + say(database, home, [statement(2)])
    assert statements.run(tool) == 2
    assert warehouse.ids() == ids


@pytest.mark.parametrize(
    ("name", "changes", "is_there"),
    [
        ("statementId", {}, True),
        ("voidedStatementId", {}, True),
        ("statementId", {"timestamp": "2026-01-01T00:00:00.000Z"}, True),
        ("statementId", {"verb": {"id": "http://adlnet.gov/expapi/verbs/passed"}}, False),
        ("statementId", {"actor": 7}, False),
    ],
    ids=["the same", "the same, voided", "the same, to the second", "another one", "one that cannot be read"],
)
def test_a_conflict_about_a_statement_of_a_client_is_believed_once_it_is_seen_there(
    database, home, tool, loaded_settings, name, changes, is_there
):
    lrs = Lrs(lambda batch: 409)
    lrs.found = {"statementId": Response(status=404), name: Response(json.dumps({**statement(3), **changes}))}
    with target(database, loaded_settings, home, lrs) as found:
        say(database, home, [statement(3)])
        assert statements.run(tool) == int(is_there)
        assert [letter.status for letter in dead(database, found)] == ([] if is_there else [409])


def test_a_conflict_that_cannot_be_looked_into_now_is_looked_into_later(database, home, tool, loaded_settings):
    lrs = Lrs(lambda batch: 409)
    lrs.found = {"statementId": Response(status=503)}
    with target(database, loaded_settings, home, lrs):
        say(database, home, [statement(3)])
        statements.run(tool)
        now = standing(database, home)
        assert (now.waiting, now.dead, now.target.problem) == (1, 0, "target.bad_status")


def test_a_conflict_about_our_own_statements_says_that_they_are_there(database, cast, tool, loaded_settings):
    home = cast.learner.organization_id
    lrs = Lrs(lambda batch: 409)
    lrs.found = {"statementId": Response(status=403)}
    with target(database, loaded_settings, home, lrs):
        for number in range(5):
            draft = GoalDraft(title=f"Goal {number}", baseline=0, target=9, due_on=clock.today() + timedelta(days=9))
            with database.transaction() as db:
                goals.set_goal(db, cast.learner, draft)
        assert statements.run(tool) == 5
    now = standing(database, home)
    assert (now.waiting, now.dead, now.target.delivered) == (0, 0, 5)
    assert sorted(lrs.batches) == [1, 1, 1, 1, 1, 2, 2, 3, 5]


def test_a_new_secret_is_used_at_once_and_nothing_is_lost(database, home, tool, loaded_settings):
    def take(asked):
        return lrs(asked) if "bmV3OnNlY3JldA==" in asked.headers["Authorization"] else Response(status=401)

    lrs = Lrs()
    with recording(take) as (base, _):
        found = add(
            database, loaded_settings, home, outside.TargetDraft(label="W", endpoint=base, key="us", secret=SECRET)
        )
        ids = say(database, home, [statement(1)])
        assert statements.run(tool) == 0
        ids += say(database, home, [statement(2)])
        with database.transaction() as db:
            outside.change_secret(tool.vault, outside.to_change(db, home, found.id), key="new", secret="secret")
        assert statements.run(tool) == 2
    assert lrs.kept == ids
