"""The platform of Open edX in a real browser: its pages send themselves, and its courses have another address."""

import pytest
from playwright.sync_api import expect

from tests.support.second import HOW, IS_INSTALLED, second_platform

pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason=HOW)


def test_the_tool_is_shown_in_a_frame_at_an_address_that_is_not_the_issuers(
    browser_context, sqlite_database, loaded_settings, tmp_path
):
    with second_platform(sqlite_database, loaded_settings, tmp_path) as second:
        page = browser_context.new_page()
        page.goto(f"{second.url.replace('127.0.0.1', 'localhost')}/courses/1/learner")
        tool = page.frame_locator("iframe")
        expect(tool.get_by_role("heading", name="Set your first goal")).to_be_visible(timeout=20_000)
