"""Platforms that have enough: asked again when they said, in seconds where they say seconds."""

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import grades
from lti_mentor.lti.platforms import Platform
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.jobs.test_grades import answering, column, crowd, nothing, open_column, shown_there
from tests.support.recording import recording


@pytest.fixture
def tool(both_site):
    return Tool(both_site.settings, both_site.database, Vault(both_site.settings.secret_key))


@pytest.fixture
def lms(both_site):
    open_column(both_site)
    return both_site.lms.lms


@pytest.fixture
def changed(tool, lms, both_site):
    """Nine scores of a column that was filled."""
    crowd(both_site, lms, 9)
    grades.run(tool)
    with both_site.database.transaction() as db:
        for each in db.scalars(select(LatestScore).where(LatestScore.value == 1)):
            each.value = 2


def waited(database) -> float:
    """Seconds until the column is tried again, which are over now."""
    with database.transaction() as db:
        only = db.scalars(select(GradeColumn)).one()
        seconds = (only.retry_at - clock.now()).total_seconds()
        only.retry_at = None
    return seconds


def test_a_column_in_which_a_platform_is_busy_again_and_again_is_told_in_seconds(tool, lms, both_site, changed):
    busy, seconds = answering(429, Retry_After="1"), []
    for answers, told in [([nothing, busy], 1)] * 5 + [([busy], 0)] * 2:
        lms.bad_answers[:] = answers
        assert grades.run(tool) == told
        seconds.append(waited(both_site.database))
    assert max(seconds) <= 1
    assert grades.run(tool) == 4
    assert set(shown_there(lms).values()) == {0, 2}
    assert (column(both_site.database).problem, column(both_site.database).failures) == (None, 0)


@pytest.mark.parametrize("said", ["0", "1", "Thu, 01 Jan 2026 00:00:00 GMT"])
def test_a_platform_that_always_says_soon_and_takes_nothing_is_asked_later_each_time(
    tool, lms, both_site, changed, said
):
    seconds = []
    for _ in range(5):
        lms.bad_answers[:] = [answering(429, Retry_After=said)]
        assert grades.run(tool) == 0
        seconds.append(waited(both_site.database))
    assert max(seconds[:3]) <= 1
    assert seconds[3:] == pytest.approx([480, 960], abs=20)
    lms.bad_answers[:] = [nothing, answering(429, Retry_After=said)]
    assert grades.run(tool) == 1
    assert waited(both_site.database) <= 1, "it took something again"


def test_a_platform_that_does_not_say_when_is_asked_later_each_time_until_it_takes_a_score(
    tool, lms, both_site, changed
):
    seconds = []
    for answers in ([answering(500)], [answering(429)], [nothing, answering(500)], [answering(500)]):
        lms.bad_answers[:] = answers
        grades.run(tool)
        seconds.append(waited(both_site.database))
    assert seconds == pytest.approx([60, 120, 60, 120], abs=20)


def test_a_token_server_that_has_enough_is_asked_again_when_it_said(tool, lms, both_site, changed, caplog):
    assert refusing_tokens(tool, both_site, answering(429, Retry_After="3600")) == "platform.bad_status"
    assert 3580 < waited(both_site.database) <= 3600
    (record,) = (each for each in caplog.records if each.name == grades.__name__)
    assert (record.reason, record.status) == ("platform.bad_status", 429)


@pytest.mark.parametrize("status", [400, 404])
def test_the_log_has_the_status_of_a_token_server_and_no_column_is_gone_by_it(
    tool, lms, both_site, changed, caplog, status
):
    assert refusing_tokens(tool, both_site, answering(status)) == "platform.no_token"
    assert column(both_site.database).lineitem_url is not None
    (record,) = (each for each in caplog.records if each.name == grades.__name__)
    assert (record.reason, record.status) == ("platform.no_token", status)


def refusing_tokens(tool, site, answer) -> str:
    """Why the column could not be filled with such a token server."""
    with recording(lambda _: answer()) as (base, _):
        with site.database.transaction() as db:
            db.scalars(select(Platform)).one().token_endpoint = base
        assert grades.run(tool) == 0
    return column(site.database).problem


@pytest.mark.parametrize(("said", "most"), [("0", 1), ("Thu, 01 Jan 2026 00:00:00 GMT", 1), ("99999", 3600)])
def test_what_a_platform_says_is_taken_for_a_second_at_least_and_an_hour_at_most(
    tool, lms, both_site, changed, said, most
):
    lms.bad_answers[:] = [answering(429, Retry_After=said)]
    assert grades.run(tool) == 0
    assert most - 20 < waited(both_site.database) <= most
