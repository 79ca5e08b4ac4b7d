"""Frames in which the browser keeps nothing for the tool: platform storage, pages that carry the visit, a new tab."""

import json
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FrameLocator, Page, expect
from sqlalchemy import select

from lti_mentor.mentoring.goals import Goal
from lti_mentor.web.visit import VisitRow
from tests.journeys.conftest import EVERYWHERE, IN_FRAMES


def opened(context, site, person: str = "learner") -> tuple[Page, FrameLocator]:
    page = context.new_page()
    page.goto(f"{site.lms.url}/as/{person}/courses/1")
    return page, page.frame_locator("iframe")


@pytest.mark.quirk("third_party_cookies")
@pytest.mark.parametrize("where", [IN_FRAMES, EVERYWHERE])
def test_with_platform_storage_everything_works_although_no_cookie_is_kept(blocking, site, where):
    site.lms.lms.offers_storage = True
    context = blocking(where)
    page, frame = opened(context, site)
    expect(frame.get_by_role("heading", name="Set your first goal in this course")).to_be_visible()
    frame.get_by_role("link", name="Set a goal").first.click()
    frame.get_by_label("What do you want to reach?").fill("Read a trace")
    frame.get_by_label("Target", exact=True).fill("0")
    frame.get_by_role("button", name="Set the goal").click()
    expect(frame.locator("#problem-target")).to_be_visible()
    expect(frame.get_by_label("What do you want to reach?")).to_have_value("Read a trace")
    frame.get_by_label("Target", exact=True).fill("5")
    frame.get_by_role("button", name="Set the goal").click()
    expect(frame.get_by_role("heading", name="Read a trace")).to_be_visible()
    assert "/learner/goals/" in page.frames[-1].url
    frame.get_by_role("link", name="My learning").click()
    expect(frame.get_by_role("link", name="Read a trace").first).to_be_visible()
    assert page.frames[-1].url.endswith("/learner/")
    assert "localhost" not in [cookie["domain"] for cookie in context.cookies()]


def test_back_and_reload_lead_somewhere_sensible_without_cookies(blocking, site):
    site.lms.lms.offers_storage = True
    page, frame = opened(blocking(IN_FRAMES), site)
    frame.get_by_role("link", name="Set a goal").first.click()
    expect(frame.get_by_label("What do you want to reach?")).to_be_visible()
    page.evaluate("history.back()")
    expect(frame.get_by_role("heading", name="Set your first goal in this course")).to_be_visible()
    page.frames[-1].evaluate("location.reload()")
    expect(frame.get_by_text("Open the course in your learning platform again")).to_be_visible()
    page.reload()
    expect(frame.get_by_role("heading", name="Set your first goal in this course")).to_be_visible()


@pytest.mark.parametrize("is_blocked", [False, True])
def test_back_onto_a_form_that_was_refused_shows_the_form(browser_context, blocking, site, is_blocked):
    site.lms.lms.offers_storage = is_blocked
    page, frame = opened(blocking(IN_FRAMES) if is_blocked else browser_context, site)
    frame.get_by_role("link", name="Set a goal").first.click()
    frame.get_by_label("What do you want to reach?").fill("Read a trace")
    for target, shown in (("0", frame.locator("#problem-target")), ("5", frame.get_by_role("heading", name="Read a"))):
        frame.get_by_label("Target", exact=True).fill(target)
        frame.get_by_role("button", name="Set the goal").click()
        expect(shown).to_be_visible()
    page.evaluate("history.back()")
    expect(frame.get_by_label("What do you want to reach?")).to_have_value("")


COUNT_ANSWERS = """
    document.documentElement.dataset.answers = 0;
    document.addEventListener("htmx:finally:request", event => {
        if (event.detail.ctx.request.method == "POST") document.documentElement.dataset.answers++;
    });
"""


def test_the_end_of_a_visit_and_a_second_click_lead_somewhere_sensible_without_cookies(blocking, site):
    site.lms.lms.offers_storage = True
    page, frame = opened(blocking(IN_FRAMES), site)
    page.set_viewport_size({"width": 390, "height": 844})
    frame.get_by_role("link", name="Set a goal").first.click()
    frame.get_by_label("What do you want to reach?").fill("Read a trace")
    frame.get_by_label("Target", exact=True).fill("5")
    page.frames[-1].evaluate(COUNT_ANSWERS)
    twice = "button => { button.click(); button.click() }"  # however fast the first answer comes
    frame.get_by_role("button", name="Set the goal").evaluate(twice)
    expect(frame.locator("html")).to_have_attribute("data-answers", "2")  # htmx sends the second one after the first
    expect(frame.get_by_role("heading", name="Read a trace")).to_be_visible()
    assert page.frames[-1].evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    with site.database.transaction() as db:
        assert len(db.scalars(select(Goal)).all()) == 1
        visit = db.scalars(select(VisitRow)).one()
        visit.expires_at = visit.opened_at
    frame.get_by_role("link", name="My learning").click()
    expect(frame.get_by_text("Your visit is over. Open the course in your learning platform again")).to_be_visible()


def test_a_download_works_without_cookies_and_puts_nothing_into_an_address(blocking, site):
    site.lms.lms.offers_storage = True
    context = blocking(EVERYWHERE)
    page, frame = opened(context, site)
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    frame.get_by_role("link", name="What is kept about me").click()
    with page.expect_download() as download:
        frame.get_by_role("button", name="Download what is kept about me").click()
    given = json.loads(Path(download.value.path()).read_text())
    assert [each["subject"] for each in given["rows"]["accounts"]] == ["learner"]
    secret = json.loads(page.frames[-1].locator("body").get_attribute("hx-headers:inherited"))["Mentor-Visit"]
    assert asked
    assert not [url for url in asked if secret in url]


@pytest.mark.parametrize("is_blocked", [False, True])
def test_a_teacher_looks_searches_and_places_by_keyboard_on_a_phone(browser_context, blocking, site, is_blocked):
    site.lms.lms.offers_storage = is_blocked
    page, _ = opened(blocking(IN_FRAMES) if is_blocked else browser_context, site, "coordinator")
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("link", name="Add content from a tool").click()
    frame = page.frame_locator("iframe")
    frame.get_by_role("checkbox", name=re.compile("^My mentoring")).press("Space")
    security = frame.locator(".placed").filter(has_text="CompTIA Security+")
    security.locator("summary").press("Enter")
    expect(security.get_by_text("A link “CompTIA Security+” that opens")).to_be_visible()
    assert page.frames[-1].evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert Axe().run(page).response["violations"] == []
    frame.get_by_label("Find something").fill("security")
    frame.get_by_label("Find something").press("Enter")
    expect(frame.get_by_role("checkbox", name=re.compile("^Set a goal"))).to_have_count(0)
    expect(frame.get_by_role("checkbox", name=re.compile("^My mentoring"))).to_be_checked()
    frame.get_by_role("checkbox", name=re.compile("^CompTIA Security"), checked=False).press("Space")
    frame.get_by_role("button", name="Place it").press("Enter")
    expect(frame.get_by_role("heading", name="2 added")).to_be_visible()


@pytest.mark.quirk("new_tab")
def test_without_platform_storage_a_new_tab_is_offered_and_a_second_click_works_too(blocking, site):
    context = blocking(IN_FRAMES)
    page, frame = opened(context, site)
    button = frame.get_by_role("link", name="Open in a new tab")
    expect(button).to_be_visible()
    assert site.lms.lms.hints, "the platform's hint is not spent yet"
    assert Axe().run(page).response["violations"] == []
    addresses = []
    for _ in range(2):
        with context.expect_page() as found:
            button.click()
        expect(found.value.get_by_role("heading", name="Set your first goal in this course")).to_be_visible()
        addresses.append(found.value.url)
        found.value.close()
    assert addresses[0] == addresses[1]


def test_where_nothing_is_kept_at_all_the_new_tab_says_what_to_do(blocking, site):
    context = blocking(EVERYWHERE)
    _, frame = opened(context, site)
    with context.expect_page() as found:
        frame.get_by_role("link", name="Open in a new tab").click()
    expect(found.value.get_by_text("Allow cookies for it")).to_be_visible()
    assert site.lms.lms.hints


@pytest.mark.parametrize("is_blocked", [False, True])
def test_two_frames_on_one_page_at_once_both_open(browser_context, blocking, site, is_blocked):
    site.lms.lms.offers_storage = is_blocked
    context = blocking(IN_FRAMES) if is_blocked else browser_context
    page = context.new_page()
    page.goto(f"{site.lms.url}/as/learner/courses/1")
    page.evaluate(
        "for (const name of ['a', 'b']) { const other = document.querySelector('iframe').cloneNode();"
        " other.name = name; document.querySelector('main').append(other) }"
    )
    for name in ("mentoring", "a", "b"):
        frame = page.frame_locator(f"iframe[name={name}]")
        expect(frame.get_by_role("heading", name="Set your first goal in this course")).to_be_visible()
        frame.get_by_role("link", name="Set a goal").first.click()
        expect(frame.get_by_label("What do you want to reach?")).to_be_visible()
    assert len({frame.url for frame in page.frames}) == 4


@pytest.mark.quirk("no_single_way")
def test_a_platform_that_promises_storage_and_does_not_answer_leads_to_the_new_tab(blocking, site):
    context = blocking(IN_FRAMES)
    context.route(
        "**/static/storage.js", lambda route: route.abort() if "127.0.0.1" in route.request.url else route.continue_()
    )
    site.lms.lms.offers_storage = True
    _, frame = opened(context, site)
    expect(frame.get_by_role("link", name="Open in a new tab")).to_be_visible()
