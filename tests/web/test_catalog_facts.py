"""What pages say about the facts of the catalog."""

from datetime import UTC, datetime

import pytest

from lti_mentor import clock
from lti_mentor.app import create_app
from lti_mentor.mentoring import catalog
from lti_mentor.web import visit

TWO_YEARS_ON = datetime(2028, 11, 25, 12, tzinfo=UTC)


def page(app, database, person, course, path: str) -> str:
    with database.transaction() as db:
        opened = visit.open_visit(db, person, course_id=course.id, framing_origins=[], hours=1)
    client = app.test_client()
    client.set_cookie(visit.COOKIE, opened.secret, path=f"/v/{opened.key}/", domain="localhost")
    answer = client.get(f"/v/{opened.key}{path}", base_url="http://localhost:8000")
    assert answer.status_code == 200
    return answer.text


@pytest.fixture
def app(loaded_settings, sqlite_database):
    return create_app(loaded_settings, sqlite_database)


def test_a_coordinator_is_told_which_facts_are_older_than_12_months(app, sqlite_database, sqlite_cast):
    people = (sqlite_cast.coordinator, sqlite_cast.course)
    address = f"/coordinator/courses/{sqlite_cast.course.id}/map"
    last_check = max(entry.checked_on for entry in catalog.load())
    with clock.moved_to(datetime.combine(last_check, datetime.min.time(), UTC)):
        assert "more than 12 months ago" not in page(app, sqlite_database, *people, address)
    with clock.moved_to(TWO_YEARS_ON):
        text = page(app, sqlite_database, *people, address)
    assert text.count("more than 12 months ago") == len(catalog.entries())
    assert catalog.entry("pmp").source_url in text


def test_a_learner_sees_where_the_facts_of_the_exam_come_from_and_when_they_were_checked(
    app, sqlite_database, sqlite_cast
):
    entry = catalog.entry("comptia-security-plus")
    with clock.moved_to(TWO_YEARS_ON):
        text = page(
            app, sqlite_database, sqlite_cast.learner, sqlite_cast.course, f"/learner/pursuits/{sqlite_cast.pursuit.id}"
        )
    assert entry.source_url in text
    assert "24 Nov 2026" in text or "Nov 24, 2026" in text
    assert "Pass mark 750 on a scale of 100–900" in text
    assert "does not publish" not in text
