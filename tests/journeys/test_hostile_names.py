"""Names and titles that carry script, in a real browser under the policy of the tool."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from tests.lti.test_deep_linking import with_program

LONG = "N" * 3000
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.mark.threat("stored_script")
def test_names_and_titles_that_carry_script_run_nothing_and_are_read_as_they_are(browser_context, site):
    world = site.lms.world
    world.people[0] = replace(world.people[0], name=f"Eve {SCRIPT}")
    world.courses[0] = replace(world.courses[0], title=f"Course {SCRIPT}", label=SCRIPT)
    program = with_program(site)
    page, ran = browser_context.new_page(), []
    page.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
    page.on("console", lambda line: ran.append(line.text) if "Security Policy" in line.text else None)
    for person in ("learner", "coordinator"):
        page.goto(f"{site.lms.url}/as/{person}/courses/1")
        expect(page.frame_locator("iframe").locator("main")).to_be_visible()
    frame = page.frames[1]
    pages = f"{frame.url.partition('/coordinator/')[0]}/coordinator/programs/{program.id}"
    frame.goto(f"{pages}/settings")
    expect(frame.get_by_text(f"Course {SCRIPT}").first).to_be_visible()
    frame.goto(f"{pages}/people")
    expect(frame.get_by_text(f"Eve {SCRIPT}").first).to_be_visible()
    assert frame.locator("main script, main img").count() == 0
    assert ran == []


def test_names_without_end_or_from_right_to_left_keep_a_page_in_its_frame(chromium, site):
    world = site.lms.world
    names = {"learner": LONG, "mentor": "\u202eevil \u0645\u0631\u06cc\u0645 \u0627\u0628", "analyst": f"{FAMILY} Kim"}
    world.people[:] = [replace(each, name=names.get(each.id, each.name)) for each in world.people]
    world.courses[0] = replace(world.courses[0], title=LONG, label=LONG)
    program = with_program(site)
    context = chromium.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    for person in (*names, "coordinator"):
        page.goto(f"{site.lms.url}/as/{person}/courses/1")
        expect(page.frame_locator("iframe").locator("main")).to_be_visible()
    frame = page.frames[1]
    start = frame.url.partition("/coordinator/")[0]
    for address in ("people", "settings", "pairing", "pairs"):
        frame.goto(f"{start}/coordinator/programs/{program.id}/{address}")
        too_wide = frame.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert too_wide <= 0, address
    frame.goto(f"{start}/coordinator/programs/{program.id}/people")
    expect(frame.get_by_text(f"{FAMILY} Kim").first).to_be_visible()
    context.close()
