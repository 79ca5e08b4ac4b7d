"""Jobs: claimed once, done once more when the worker dies, tried again when they fail."""

import logging
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, text

from lti_mentor import clock, queue
from lti_mentor.jobs import upkeep, worker
from lti_mentor.mentoring import course_map, courses, results
from lti_mentor.queue import Job
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web.forms import UsedForm
from tests.conftest import SECRET, url_of
from tests.support import processes
from tests.support.outside import add, peer, say, statement
from tests.support.stores import Lrs, target
from xapi import store
from xapi.vocabulary import Verbs


@pytest.fixture
def tool(database, loaded_settings):
    return Tool(loaded_settings, database, Vault(loaded_settings.secret_key))


def test_a_job_is_claimed_once_and_again_when_its_lease_ends(database):
    with database.transaction() as session:
        queue.add(session, "upkeep", unique_key="upkeep")
        queue.add(session, "upkeep", unique_key="upkeep")
    with database.transaction() as session:
        first = queue.claim(session, lease_seconds=60)
        assert first is not None
    with database.transaction() as session:
        assert queue.claim(session, lease_seconds=60) is None
    with clock.moved_to(clock.now() + timedelta(seconds=61)), database.transaction() as session:
        again = queue.claim(session, lease_seconds=60)
        assert again.id == first.id
        assert again.attempts == 2


def test_upkeep_runs_and_is_due_again(database, tool):
    worker.schedule(database)
    work_all(tool)
    assert not worker.work_once(tool)
    with clock.moved_to(clock.now() + timedelta(minutes=11)):
        assert worker.work_once(tool)


def work_all(tool):
    """Everything that is due."""
    while worker.work_once(tool):
        pass


def used_forms(database):
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(UsedForm))


def test_the_work_of_a_killed_worker_is_finished_by_another(database, cast, tool):
    long_ago = clock.now() - timedelta(days=9)
    old = {"organization_id": cast.learner.organization_id, "visit_key": "v", "location": "/", "used_at": long_ago}
    with database.transaction() as session:
        session.execute(insert(UsedForm), [{**old, "form_key": f"form {number}"} for number in range(40_000)])
    with processes.running("worker", DATABASE_URL=url_of(database), SECRET_KEY=SECRET) as process:
        while used_forms(database) == 40_000:
            assert process.poll() is None
        processes.kill(process)
    left = used_forms(database)
    assert 0 < left < 40_000
    work_all(tool)
    assert used_forms(database) == left, "the lease of the killed worker still holds"
    with clock.moved_to(clock.now() + timedelta(seconds=tool.settings.job_lease_seconds + 1)):
        work_all(tool)
    assert used_forms(database) == 0


def test_a_job_that_fails_is_logged_and_tried_again_later(database, tool, monkeypatch, caplog):
    def fails(*_):
        raise ValueError("a mistake in a step")

    monkeypatch.setitem(worker.STEPS, "upkeep", (fails, upkeep.EVERY))
    worker.schedule(database)
    with caplog.at_level(logging.ERROR):
        work_all(tool)
    assert "a mistake in a step" in caplog.text
    with database.reading() as session:
        job = session.scalars(select(Job).where(Job.kind == "upkeep")).one()
        assert (job.status, job.attempts, job.last_problem) == ("waiting", 1, "ValueError")
        assert job.run_after > clock.now()


def test_a_regular_job_that_keeps_failing_comes_again(database, tool, monkeypatch):
    def fails(*_):
        raise ValueError("a mistake in a step")

    monkeypatch.setattr(worker, "STEPS", {"upkeep": (fails, upkeep.EVERY)})
    worker.schedule(database)
    for _ in range(queue.MOST_ATTEMPTS + 30):
        assert worker.work_once(tool)
        with database.transaction() as session:
            job = session.scalars(select(Job)).one()
            assert job.status == "waiting"
            assert clock.now() < job.run_after < clock.now() + timedelta(minutes=20)
            job.run_after = clock.now()
    monkeypatch.setattr(worker, "STEPS", {"upkeep": (upkeep.run, upkeep.EVERY)})
    assert worker.work_once(tool)
    with database.reading() as session:
        job = session.scalars(select(Job)).one()
    assert (job.attempts, job.last_problem) == (0, None)


def test_a_job_that_is_to_be_done_once_and_keeps_failing_is_put_aside(database):
    with database.transaction() as session:
        job_id = queue.add(session, "upkeep", unique_key="upkeep").id
    later = clock.now()
    for _ in range(queue.MOST_ATTEMPTS):
        later += timedelta(hours=1)
        with clock.moved_to(later), database.transaction() as session:
            job = queue.claim(session, lease_seconds=60)
            assert job.id == job_id
            queue.failed(session, job, "ValueError")
    with clock.moved_to(later + timedelta(days=1)), database.transaction() as session:
        assert queue.claim(session, lease_seconds=60) is None


def test_a_worker_whose_lease_ended_does_not_mark_the_work_of_another(database):
    with database.transaction() as session:
        queue.add(session, "upkeep", unique_key="upkeep")
        slow = queue.claim(session, lease_seconds=60)
        session.flush()
        session.expunge(slow)
    with clock.moved_to(clock.now() + timedelta(seconds=61)), database.transaction() as session:
        queue.claim(session, lease_seconds=60)
    with database.transaction() as session:
        queue.failed(session, slow, "TooSlow")
    with database.reading() as session:
        job = session.scalars(select(Job)).one()
    assert (job.attempts, job.last_problem) == (2, None)
    assert job.leased_until is not None


def test_a_job_of_another_version_does_not_stop_the_worker(database, tool):
    with database.transaction() as session:
        queue.add(session, "a kind nobody knows", unique_key="strange")
    assert worker.work_once(tool)
    with database.reading() as session:
        assert session.scalars(select(Job)).one().last_problem == "LookupError"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_job_that_lost_a_race_is_tried_again_soon_and_does_not_wait_for_its_lease(database, tool, monkeypatch):
    def give_way(*_):
        with database.transaction() as session:
            session.execute(text("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$"))  # as a deadlock that was broken up

    monkeypatch.setattr(worker, "STEPS", {"upkeep": (give_way, upkeep.EVERY)})
    worker.schedule(database)
    assert worker.work_once(tool)
    with database.reading() as session:
        job = session.scalars(select(Job)).one()
    assert (job.leased_until, job.last_problem, job.status) == (None, "OperationalError", "waiting")


def test_items_that_become_due_without_a_result_move_readiness_on_record_once(database, cast, tool):
    due_at = clock.now() + timedelta(days=1)
    with database.transaction() as db:
        for number, due in ((1, due_at), (3, due_at), (2, None)):
            item = courses.add_item(db, cast.course, activity_iri=f"urn:quiz:{number}", title="Quiz", due_at=due)
            course_map.save(db, cast.course, {item.id: {("comptia-security-plus", "1"): 1}}, by=cast.coordinator)
        results.take(db, item, cast.learner, score=80, maximum=100, source="statement", at=clock.now())
    worker.schedule(database)
    work_all(tool)
    confirmed = readiness_said(database, cast)
    with clock.moved_to(due_at + timedelta(hours=2)):
        work_all(tool)
        assert readiness_said(database, cast) == [*confirmed, pytest.approx(confirmed[-1] / 3)]
    with clock.moved_to(due_at + timedelta(hours=4)):
        work_all(tool)
        assert len(readiness_said(database, cast)) == len(confirmed) + 1


def readiness_said(database, cast) -> list[float]:
    with database.reading() as db:
        said = list(store.scan(db, tenant=cast.learner.organization_id, verbs=[Verbs.SCORED.iri]))
    return [each["result"]["score"]["raw"] for each in said]


def test_workers_that_start_together_ask_for_each_job_once(database):
    threads = [threading.Thread(target=worker.schedule, args=(database,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Job)) == len(worker.STEPS)


@pytest.fixture
def warehouse(sqlite_template, tmp_path, loaded_settings):
    with peer(sqlite_template, tmp_path, loaded_settings) as found:
        yield found


def until(happened):
    pause, ends = threading.Event(), time.monotonic() + 30
    while not happened():
        assert time.monotonic() < ends
        pause.wait(0.05)


def test_statements_are_delivered_while_a_job_takes_long_and_another_store_answers_slowly(
    database, cast, warehouse, loaded_settings, monkeypatch
):
    tool = Tool(replace(loaded_settings, worker_poll_seconds=0.1), database, Vault(loaded_settings.secret_key))
    home, over, stop, is_busy = cast.learner.organization_id, threading.Event(), threading.Event(), threading.Event()

    def takes_long(*_):
        is_busy.set()
        over.wait(60)
        return 200

    monkeypatch.setattr(worker, "STEPS", {"rosters": (takes_long, timedelta(seconds=5))})
    slow = Lrs(takes_long)
    working = threading.Thread(target=worker.work, args=(tool, stop))
    with target(database, loaded_settings, home, slow, label="Slow"):
        add(database, loaded_settings, home, warehouse.draft())
        ids = say(database, home, [statement(1)])
        working.start()
        try:
            until(lambda: is_busy.is_set() and slow.batches and warehouse.ids() == ids)
            ids.extend(say(database, home, [statement(2)]))
            until(lambda: warehouse.ids() == ids)
            assert slow.kept == []
        finally:
            stop.set()
            over.set()
            working.join()
    assert not [thread for thread in threading.enumerate() if thread.name == "delivery"]
