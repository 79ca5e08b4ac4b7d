"""An analyst among the statements, in the frame: filters as one types, copies, takes a file along."""

import json
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.journeys.conftest import IN_FRAMES
from tests.journeys.test_journeys import opened


@pytest.fixture
def statements(browser_context, story):
    """The page that shows the list, and the frame it is in."""
    page, frame = opened(browser_context, story, "analyst-1")
    frame.get_by_role("link", name="See the statements").click()
    expect(frame.get_by_role("heading", name="Statements", level=1)).to_be_visible()
    return page, frame


def test_the_list_follows_what_is_typed_and_the_field_stays_where_it_is(statements):
    page, frame = statements
    expect(frame.locator("li.statement")).to_have_count(20)
    frame.get_by_label("Words").press_sequentially("verbs/attended")
    expect(frame.locator("li.statement h2", has_text="attended")).to_have_count(20)
    expect(frame.get_by_label("Words")).to_be_focused()
    expect(frame.locator("#told")).to_have_text("20 statements on this page")
    assert "q=verbs%2Fattended" in page.frames[-1].url
    frame.get_by_role("link", name="Older statements").click()
    expect(frame.get_by_label("Words")).to_have_value("verbs/attended")
    expect(frame.locator("li.statement h2", has_text="attended")).to_have_count(20)
    frame.get_by_label("Words").fill("no such thing anywhere")
    expect(frame.get_by_role("heading", name="No statement fits")).to_be_visible()


def test_a_command_is_copied_from_inside_the_frame(statements):
    _, frame = statements
    first = frame.locator("li.statement").first
    first.get_by_text("As JSON").click()
    first.get_by_role("button", name="Copy").click()
    expect(first.get_by_role("button", name="Copied")).to_be_visible()


def test_a_command_is_copied_without_cookies_too(blocking, story):
    page = blocking(IN_FRAMES).new_page()
    page.goto(story.course_url("analyst-1"))
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name="See the statements").click()
    first = frame.locator("li.statement").first
    first.get_by_text("As JSON").click()
    first.get_by_role("button", name="Copy").click()
    expect(first.get_by_role("button", name="Copied")).to_be_visible()


def test_a_file_is_taken_along_and_the_page_says_when_it_is_whole(statements, story):
    page, frame = statements
    frame.get_by_role("link", name="Export").click()
    frame.get_by_label("JSON Lines").check()
    with page.expect_download() as taken:
        frame.get_by_role("button", name="Download").click()
    lines = Path(taken.value.path()).read_text().splitlines()
    expect(frame.get_by_text(f"{len(lines):,} statements are in the file.")).to_be_visible()
    assert {json.loads(line)["id"] for line in lines} <= {each["id"] for each in story.statements()}
    assert re.fullmatch(r"statements-\d{4}-\d\d-\d\d\.jsonl", taken.value.suggested_filename)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_open_statement_and_the_export_have_no_barrier_on_a_phone(chromium, story, scheme):
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme, bypass_csp=True)
    page, frame = opened(context, story, "analyst-1")
    for place in ("statements", "export"):
        page.frames[-1].goto(re.sub(r"/insight/.*", f"/insight/{place}", page.frames[-1].url))
        frame.locator("details summary").first.click()
        assert Axe().run(page.frames[-1]).response["violations"] == []
        assert page.frames[-1].evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()
