"""The analyst's first page: what it says, and what it keeps to itself."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lti_mentor import clock
from lti_mentor.mentoring import meetings, programs
from tests.conftest import met
from tests.support.member import Member
from tests.web.test_insight import FOREIGN, put


@pytest.fixture
def page_of(database, cast, loaded_settings):
    """The page of an analyst where five people are enough."""
    with database.transaction() as db:
        program = db.merge(cast.program)
        for number in range(4):
            programs.enroll(db, program, met(db, "Home", f"learner-{number}"), "mentee")
    chosen = replace(loaded_settings, minimum_group=5)
    analyst = Member(database, chosen, cast.analyst, cast.course)
    return lambda: analyst.get("insight/").text


def test_numbers_beside_a_hidden_share_are_hidden_too(database, cast, page_of):
    for _ in range(3):
        with database.transaction() as db:
            pair, when = db.merge(cast.mentorship), clock.now() - timedelta(hours=1)
            with clock.moved_to(when - timedelta(hours=1)):
                meeting = meetings.plan(db, pair, planned_at=when, minutes=30, by=cast.mentor)
            meetings.hold(db, meeting, by=cast.mentor)
    page = page_of()
    assert "&lt; 5 held" in page
    assert "&lt; 5 planned" in page
    assert "&lt; 5 due" not in page


def test_a_store_full_of_what_others_wrote_changes_no_figure(database, cast, page_of):
    before = page_of()
    put(database, cast, *[FOREIGN] * 50)
    sentence = before[before.index('id="sentence"') :].partition("</p>")[0]
    assert sentence in page_of()
