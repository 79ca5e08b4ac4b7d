"""The filters of the statements while somebody types faster than the answers come."""

from contextlib import suppress
from dataclasses import replace

import pytest
from playwright.sync_api import Error, expect

from lti_mentor.app import create_app
from lti_mentor.mentoring import people
from lti_mentor.web import visit
from tests.support.serving import served

ASKED = "**/insight/statements?*"


@pytest.fixture
def opened(sqlite_database, sqlite_cast, loaded_settings, browser_context):
    """Opens the list with these filters."""
    with sqlite_database.transaction() as db:
        people.grant(db, sqlite_cast.analyst, "records")
        found = visit.open_visit(db, sqlite_cast.analyst, course_id=sqlite_cast.course.id, framing_origins=[], hours=1)
    with served(lambda url: create_app(replace(loaded_settings, base_url=url), sqlite_database)) as address:
        cookie = {"name": visit.COOKIE, "value": found.secret, "domain": "localhost", "path": f"/v/{found.key}/"}
        browser_context.add_cookies([cookie])
        page = browser_context.new_page()

        def open_list(query=""):
            page.goto(f"{address}/v/{found.key}/insight/statements{query}")
            return page

        yield open_list


def test_a_problem_goes_with_what_it_was_about_and_comes_with_it(opened):
    page = opened("?person=nobody+at+all")
    field = page.get_by_label("Name or pseudonym")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("Mentor")
    expect(page.locator("li.statement").first).to_be_visible()
    expect(page.locator("small.problem")).to_have_count(0)
    expect(field).not_to_have_attribute("aria-invalid", "true")
    field.fill("nobody at all")
    expect(page.locator("#problem-person")).to_contain_text("Nobody here is called so.")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()


def test_the_last_thing_typed_counts_however_slow_the_answer_before_is(opened):
    page, held = opened(), []
    page.route(ASKED, lambda route: held.append(route))
    for text in ("nothing", "nothing at all", "joined"):
        with page.expect_request(ASKED):
            page.get_by_label("Words").fill(text)
    page.unroute(ASKED)
    for route in held:
        with suppress(Error):  # it was given up meanwhile
            route.continue_()
    expect(page.locator("li.statement h2")).to_have_count(1)
    expect(page.locator("li.statement h2")).to_contain_text("joined")
