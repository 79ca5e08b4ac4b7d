"""Gradebooks that answer strangely, and those in which columns were deleted, moved or changed by others."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import grades, worker
from lti_mentor.mentoring.gradebook import GradeColumn
from lti_mentor.queue import Job
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.jobs.test_grades import answering, column, nothing, open_column, rate, score

FAR = "Wed, 21 Oct 99999999999 07:28:00 GMT"


@pytest.fixture
def tool(both_site):
    return Tool(both_site.settings, both_site.database, Vault(both_site.settings.secret_key))


@pytest.fixture
def lms(both_site):
    open_column(both_site)
    return both_site.lms.lms


@pytest.fixture
def busy(both_site):
    """The regular jobs were done but that of grades, which is due."""
    worker.schedule(both_site.database)
    with both_site.database.transaction() as db:
        for job in db.scalars(select(Job)):
            job.run_after = clock.now() + timedelta(days=job.kind != "grades")


@pytest.mark.parametrize("given", [FAR, "Wed, 21 Oct 2015 07:28:00 +99999999999999999999", "soon", "-5"])
def test_a_platform_that_asks_to_wait_beyond_all_time_stops_nobody(tool, lms, busy, both_site, given):
    lms.bad_answers[:] = [nothing, nothing, nothing, answering(503, Retry_After=given)]
    assert worker.work_once(tool)
    with both_site.database.reading() as db:
        job = db.scalars(select(Job).where(Job.kind == "grades")).one()
    assert (job.status, job.attempts, job.last_problem) == ("waiting", 0, None)
    assert not score(both_site.database).is_waiting
    rate(both_site.database, 100)
    lms.bad_answers[:] = [answering(503, Retry_After=given)]
    assert grades.run(tool) == 0
    found = column(both_site.database)
    assert (found.problem, found.failures) == ("platform.bad_status", 1)
    assert clock.now() < found.retry_at < clock.now() + timedelta(minutes=2), "as if it had not said when"


@pytest.mark.parametrize(
    ("ahead", "shortest", "longest"),
    [
        (timedelta(minutes=20), timedelta(minutes=19), timedelta(minutes=20)),
        (timedelta(days=9), timedelta(minutes=59), timedelta(hours=1)),
        (-timedelta(days=9), timedelta(seconds=30), timedelta(minutes=1)),
    ],
)
def test_a_platform_may_say_by_a_date_how_long_to_wait(tool, lms, both_site, ahead, shortest, longest):
    given = format_datetime(clock.now() + ahead, usegmt=True)
    lms.bad_answers[:] = [nothing, nothing, answering(503, Retry_After=given)]
    assert grades.run(tool) == 0
    with both_site.database.reading() as db:
        retry_at = db.scalars(select(GradeColumn.retry_at)).one()
    assert clock.now() + shortest < retry_at <= clock.now() + longest
