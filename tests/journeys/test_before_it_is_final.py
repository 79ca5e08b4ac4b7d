"""A coordinator lets numbers wait for the end, sees beside the choice what that does, and the gradebook does it."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FrameLocator, Page, expect

from lti_mentor.db import connect
from lti_mentor.jobs import grades
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault


def tell(story) -> None:
    database = connect(story.settings.database_url)
    grades.run(Tool(story.settings, database, Vault(story.settings.secret_key)))
    database.engine.dispose()


def shown_there(page: Page, story) -> list[str]:
    """What stands beside each learner in the gradebook of the learning platform."""
    page.goto(story.course_url("coordinator-1") + "/grades")
    return [cell.split()[0] for cell in page.locator("tbody tr td:nth-of-type(1)").all_inner_texts()]


def gradebook(page: Page, story) -> FrameLocator:
    """The coordinator's page of it, in the frame."""
    page.goto(story.course_url("coordinator-1"))
    frame = page.frame_locator("iframe")
    frame.get_by_role("link", name="Security foundations").first.click()
    frame.get_by_role("link", name="Readiness in the gradebook").first.click()
    expect(frame.get_by_role("heading", name="Readiness in the gradebook of Security foundations")).to_be_visible()
    return frame


def test_a_coordinator_lets_numbers_wait_until_they_are_final(browser_context, story):
    page = browser_context.new_page()
    frame = gradebook(page, story)
    expect(frame.get_by_label("Send the number as it stands")).to_be_checked()
    frame.get_by_role("button", name="Show it in the gradebook").click()
    expect(frame.get_by_text("The column is made and filled as soon as possible.")).to_be_visible()
    tell(story)
    before = shown_there(page, story)
    assert before
    assert "–" not in before

    frame = gradebook(page, story)
    page.set_viewport_size({"width": 390, "height": 844})
    frame.get_by_text("Before a score is final: sent as it stands").click()
    expect(frame.get_by_text("Moodle and Canvas take them away at once")).to_be_visible()
    assert Axe().run(page.frames[-1]).response["violations"] == []
    assert page.frames[-1].evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    frame.get_by_label("Send it as one that may still change").check()
    frame.get_by_role("button", name="Save the choice").click()
    expect(frame.get_by_text("The choice is saved.")).to_be_visible()
    tell(story)
    after = shown_there(page, story)
    assert "–" in after
    assert {new for old, new in zip(before, after, strict=True) if new != old} == {"–"}, "no number is another one"

    frame = gradebook(page, story)
    expect(frame.get_by_text("In Moodle and Canvas nobody sees a number before it is final.").first).to_be_visible()
    expect(frame.get_by_text("not final").first).to_be_visible()
