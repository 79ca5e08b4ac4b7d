"""A platform that logs people in at another origin than its issuer, and keeps things for tools in a frame there.

As Canvas does: its issuer is no address at all, its log-in has a host of its own, and so has the frame that
``lti_storage_target`` names (https://canvas.instructure.com/doc/api/file.lti_platform_storage.html).
"""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, FrameLocator, Page, expect
from sqlalchemy import update

from lti_mentor.lti.platforms import Platform
from lti_mentor.mentoring.goals import Goal
from lti_mentor.practice.lms import STORAGE_FRAME
from tests.journeys.conftest import IN_FRAMES
from tests.lti.test_launch import count
from tests.support.serving import served


@pytest.fixture
def log_in_origin(site) -> Iterator[str]:
    """Of the practice LMS too, and no site of its courses: what is kept there is of a third party in their frames."""
    with served(lambda address: site.lms.app, host="127.0.0.2", at="127.0.0.2") as origin:
        with site.database.transaction() as db:
            db.execute(update(Platform).values(authorization_endpoint=f"{origin}/authorize"))
        yield origin


def opened(context: BrowserContext, site) -> tuple[Page, FrameLocator]:
    page = context.new_page()
    page.goto(f"{site.lms.url}/as/learner/courses/1")
    return page, page.frame_locator("iframe[name=mentoring]")


@pytest.mark.quirk("storage_elsewhere")
def test_the_frame_that_the_platform_names_keeps_the_secret_at_the_origin_of_its_log_in(blocking, site, log_in_origin):
    site.lms.lms.offers_storage, site.lms.lms.log_in_origin = True, log_in_origin
    context = blocking(IN_FRAMES)
    page, frame = opened(context, site)
    expect(frame.get_by_role("heading", name="Set your first goal in this course")).to_be_visible()
    frame.get_by_role("link", name="Set a goal").first.click()
    frame.get_by_label("What do you want to reach?").fill("Read a trace")
    frame.get_by_label("Target", exact=True).fill("5")
    frame.get_by_role("button", name="Set the goal").click()
    expect(frame.get_by_role("heading", name="Read a trace")).to_be_visible()
    assert count(site, Goal) == 1
    assert page.frame(STORAGE_FRAME).url.startswith(log_in_origin)
    assert "localhost" not in [cookie["domain"] for cookie in context.cookies()]


@pytest.mark.quirk("storage_elsewhere")
def test_a_frame_of_that_name_at_another_origin_is_told_nothing(blocking, site, log_in_origin):
    site.lms.lms.offers_storage, site.lms.lms.log_in_origin = True, site.lms.url
    context = blocking(IN_FRAMES)
    context.add_init_script("window.heard = []; addEventListener('message', (event) => heard.push(event.data.subject))")
    page, frame = opened(context, site)
    expect(frame.get_by_role("link", name="Open in a new tab")).to_be_visible()
    assert page.frame(STORAGE_FRAME).url.startswith(site.lms.url)
    assert page.frame(STORAGE_FRAME).evaluate("heard") == []
    assert page.evaluate("heard") == []
    assert site.lms.lms.hints, "the platform's hint is not spent"


@pytest.mark.quirk("storage_elsewhere")
@pytest.mark.parametrize("asked", ["lti.put_data", "lti.get_data"])
def test_an_answer_from_another_origin_is_none(blocking, site, log_in_origin, asked):
    """The page of the course learns what the tool asked, and answers at once as the storage would."""
    site.lms.lms.offers_storage, site.lms.lms.log_in_origin = True, log_in_origin
    context = blocking(IN_FRAMES)
    context.add_init_script(
        """
        addEventListener("message", (event) => {
          const said = event.data;
          if (said.subject === "ASKED" && parent !== window) {
            event.stopImmediatePropagation();
            parent.postMessage({ ...said, subject: "overheard" }, "*");
          } else if (said.subject === "overheard") {
            window.overheard = said.message_id;
            frames.mentoring.postMessage({ value: "mine", ...said, subject: "ASKED.response" }, "*");
          }
        });
        """.replace("ASKED", asked)
    )
    page, frame = opened(context, site)
    gave_up = "Open mentoring in a new tab" if asked == "lti.put_data" else "Code for support: launch.no_cookie"
    expect(frame.get_by_text(gave_up)).to_be_visible()
    assert page.evaluate("overheard"), "it was asked, and answered by somebody else"
    assert bool(site.lms.lms.hints) == (asked == "lti.put_data")


@pytest.mark.quirk("login_required")
def test_a_platform_whose_cookie_is_blocked_in_its_frame_says_so_and_a_tab_opens(browser_context, site, log_in_origin):
    page = browser_context.new_page()
    page.goto(f"{log_in_origin}/as/learner/courses/1")  # signed in there, as in a tab of one's own
    site.lms.lms.log_in_origin = log_in_origin
    page, frame = opened(browser_context, site)
    page.set_viewport_size({"width": 390, "height": 844})
    expect(frame.get_by_text("it says “login_required”")).to_be_visible()
    assert Axe().run(page).response["violations"] == []
    for _ in range(2):
        with browser_context.expect_page() as found:
            frame.get_by_role("link", name="Open in a new tab").click()
        expect(found.value.get_by_role("heading", name="Set your first goal in this course")).to_be_visible()
