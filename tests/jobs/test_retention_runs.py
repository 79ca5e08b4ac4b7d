"""They go in small transactions: from run to run, beside writers, and never longer than others can wait."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.insight import retention as looking
from lti_mentor.jobs import retention as jobs
from lti_mentor.jobs import worker
from lti_mentor.mentoring import retention
from lti_mentor.mentoring.retention import RetentionRule
from lti_mentor.queue import Job
from tests.conftest import SECRET, url_of
from tests.support import processes
from tests.support.old_statements import count, entries, ids, put, put_old, rule, with_attachment
from tests.support.record_store import CONFIRMED, SCORED, about, statement
from xapi import retention as looks
from xapi import store
from xapi.rows import Attachment, Outbound, StoredStatement, Target


def test_it_goes_in_small_transactions_and_on_from_there_in_the_next_run(database, home, early, tool, monkeypatch):
    monkeypatch.setattr(jobs, "AT_ONCE", 2)
    monkeypatch.setattr(looking, "LOOKED_AT", 3)
    put_old(database, home, *(statement() for _ in range(7)))
    rule(database, home)
    assert jobs.remove_old(tool, home, place="here", until=clock.now()).statements == 0
    with database.reading() as db:
        assert retention.due(db) == [home]
    assert jobs.run(tool) == 7
    assert entries(database)[-1] == "lti-mentor worker: 7 statements, 0 attachments"
    with database.reading() as db:
        assert retention.due(db) == []


def test_few_long_statements_are_looked_at_at_once(database, home, early, tool):
    length = 1_000_000
    for _ in range(15):
        put_old(database, home, statement(result={"response": "x" * length}))
    rule(database, home)
    with database.reading() as db:
        first = db.scalar(select(func.min(StoredStatement.seq)).where(func.length(StoredStatement.body) > length))
        old, last = looks.look(db, tenant=home, after=first - 1, until=first + 14, most=100)
        assert len(old) < store.PAGE_BYTES / length
        others, end = looks.look(db, tenant=home, after=last, until=first + 14, most=100)
    assert (len(old) + len(others), end) == (15, first + 14)
    assert jobs.run(tool) == 15


def test_a_worker_that_is_stopped_ends_after_a_batch_and_another_goes_on_from_there(database, home, early, tool):
    put_old(database, home, *(statement() for _ in range(2000)))
    before = count(database, StoredStatement)
    rule(database, home)
    with processes.running("worker", DATABASE_URL=url_of(database), SECRET_KEY=SECRET) as process:
        while count(database, StoredStatement) == before:
            assert process.poll() is None
        process.terminate()
        assert process.wait(10) == 0
    assert before - 2000 < count(database, StoredStatement) < before
    with database.reading() as db:
        assert db.scalars(select(Job.run_after).where(Job.kind == "retention")).one() <= clock.now()
        assert db.scalars(select(RetentionRule.looked_until)).one() > 0
    while worker.work_once(tool):
        pass
    assert count(database, StoredStatement) == before - 2000


@pytest.fixture
def in_a_hurry(monkeypatch):
    """A run ends after one look at two statements."""
    monkeypatch.setattr(jobs, "RUN", timedelta(0))
    monkeypatch.setattr(looking, "LOOKED_AT", 2)


def test_what_comes_after_many_that_stay_is_reached_in_the_end(database, home, early, tool, in_a_hurry):
    put_old(database, home, *(statement(verb={"id": CONFIRMED}) for _ in range(7)), statement())
    rule(database, home, verb=SCORED)
    runs = [jobs.run(tool) for _ in range(count(database, StoredStatement))]
    assert sum(runs) == 1
    assert runs[0] == 0
    worker = "lti-mentor worker"
    assert entries(database) == [f"{worker}: 1 statements, 0 attachments", f"{worker}: none"], "gone, and done"
    with database.reading() as db:
        assert retention.due(db) == []
        assert db.scalars(select(RetentionRule.looked_until)).all() == [0], "tomorrow it begins again"


def test_what_comes_after_many_that_wait_for_delivery_is_reached_too(
    database, home, early, tool, store_outside, in_a_hurry
):
    waiting = put_old(database, home, *(statement() for _ in range(7)))
    with database.transaction() as db:
        outside.pause(db.get_one(Target, (home, store_outside.id)))
    newest = put_old(database, home, statement())
    with database.transaction() as db:
        db.execute(delete(Outbound).where(Outbound.seq == select(func.max(Outbound.seq)).scalar_subquery()))
    rule(database, home)
    assert sum(jobs.run(tool) for _ in range(20)) == 1
    assert ids(database) >= set(waiting)
    assert ids(database).isdisjoint(newest)


def test_a_rule_that_is_added_meanwhile_is_about_the_oldest_too(database, home, early, tool, in_a_hurry):
    put_old(database, home, statement(verb={"id": CONFIRMED}), *(statement() for _ in range(7)))
    rule(database, home, verb=SCORED)
    while jobs.run(tool) == 0:
        pass
    rule(database, home, verb=CONFIRMED)
    for _ in range(20):
        jobs.run(tool)
    assert count(database, StoredStatement, StoredStatement.verb.in_([SCORED, CONFIRMED])) == 0


class AfterABatch(threading.Event):
    """Asked between two batches whether to stop, it does something, once, and says no."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    def is_set(self):
        self.act, act = None, self.act
        if act:
            act()
        return False


@pytest.mark.parametrize("kept", [[], [CONFIRMED]], ids=["the only one", "one of two"])
def test_a_rule_that_is_taken_away_meanwhile_takes_nothing_more(database, home, early, tool, monkeypatch, kept):
    monkeypatch.setattr(jobs, "AT_ONCE", 2)
    put_old(database, home, *(statement() for _ in range(6)), *(statement(verb={"id": CONFIRMED}) for _ in range(3)))
    for verb in kept:
        rule(database, home, verb=verb)
    taken = rule(database, home, verb=SCORED)

    def take_away():
        with database.transaction() as db:
            retention.remove(db, home, taken.id)

    jobs.run(tool, AfterABatch(take_away))
    jobs.run(tool)
    assert count(database, StoredStatement, StoredStatement.verb == SCORED) == 4
    assert count(database, StoredStatement, StoredStatement.verb == CONFIRMED) == (0 if kept else 3)


def test_no_organization_waits_until_another_is_done(database, cast, early, tool, in_a_hurry):
    tenants = (cast.course.organization_id, cast.outsider.organization_id)
    for tenant in tenants:
        put_old(database, tenant, *(statement() for _ in range(9)))
        rule(database, tenant, whose="all")
    before = [count(database, StoredStatement, StoredStatement.tenant == each) for each in tenants]
    assert jobs.run(tool) == 4
    assert [count(database, StoredStatement, StoredStatement.tenant == each) + 2 for each in tenants] == before


def test_writers_and_removal_at_the_same_time_lose_nothing(database, home, early, tool, monkeypatch):
    """An attachment that goes with the last old statement is named anew at that very moment, again and again."""
    monkeypatch.setattr(jobs, "AT_ONCE", 3)
    texts = [f"file {number}".encode() for number in range(30)]
    for text in texts:
        given, contents = with_attachment(text)
        put_old(database, home, given, contents=contents)
    rule(database, home)

    def write(number):
        for text in texts[number::3]:
            given, contents = with_attachment(text)
            put(database, home, given, about({"id": str(uuid.uuid4())}), contents=contents)
        return len(texts[number::3])

    with ThreadPoolExecutor() as threads:
        writing = [threads.submit(write, number) for number in range(3)]
        gone = jobs.remove_old(tool, home, place="here")
        assert sum(each.result() for each in writing) == len(texts)
    assert gone.statements == len(texts)
    assert count(database, Attachment) == len(texts)
