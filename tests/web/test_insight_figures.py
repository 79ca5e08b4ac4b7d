"""The analyst's first page: what it says, and what it keeps to itself."""

import re
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from lti_mentor import clock
from lti_mentor.insight import memory
from lti_mentor.mentoring import meetings, programs
from tests.conftest import met
from tests.support.member import Member
from tests.web.test_insight import FOREIGN, put
from xapi import store
from xapi.rows import StoredStatement


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


def figures(page):
    return re.sub("<time.*?</time>", "", page[page.index('id="sentence"') : page.index("</main>")])


def test_what_others_wrote_changes_no_figure_though_it_says_the_same_as_ours(database, cast, page_of):
    tenant = cast.course.organization_id
    with database.reading() as db:
        ours = list(store.scan(db, tenant=tenant))
    before = figures(page_of())
    somebody = {"account": {**ours[0]["actor"]["account"], "name": "f" * 32}}
    copies = [{**said, "actor": somebody, "id": str(uuid.uuid4())} for said in ours]
    put(database, cast, *copies)
    assert figures(page_of()) == before
    with database.transaction() as db:
        again = [{**said, "id": str(uuid.uuid4())} for said in copies]
        store.put(db, tenant=tenant, statements=again, now=clock.now(), authority=ours[0]["authority"])
    assert figures(page_of()) != before, "ours do count"


def test_what_others_wrote_is_not_even_read_for_the_figures(database, cast, page_of):
    before = figures(page_of())
    ids = put(database, cast, *[FOREIGN] * 5)
    with database.transaction() as db:
        db.execute(
            update(StoredStatement).where(StoredStatement.statement_id.in_(ids)).values(body="nobody reads this")
        )
    assert figures(page_of()) == before
    memory.MEMORIES.clear()
    assert figures(page_of()) == before
