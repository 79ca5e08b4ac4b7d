"""The three journeys of the product, in the cross-site frame of the practice LMS."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Frame, FrameLocator, Page, expect

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.activity.outside import TargetDraft
from lti_mentor.db import connect
from lti_mentor.jobs import grades, rosters
from lti_mentor.lti import platforms
from lti_mentor.mentoring import organizations
from lti_mentor.practice import demo
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.journeys.conftest import EVERYWHERE
from tests.support.story import Story
from xapi.rows import DeadLetter


def opened(context: BrowserContext, story: Story, person: str, course: int = 0) -> tuple[Page, FrameLocator]:
    """The course page of a person, and the tool in its frame."""
    page = context.new_page()
    page.goto(story.course_url(person, course))
    frame = page.frame_locator("iframe")
    expect(frame.locator("main")).to_be_visible()
    return page, frame


def test_a_learner_sets_a_goal_linked_to_the_course_and_a_certification(browser_context, story):
    _, frame = opened(browser_context, story, "learner-1")
    frame.get_by_role("link", name="Set a goal").first.click()
    frame.get_by_label("What do you want to reach?").fill("Explain certificates to my team")
    frame.get_by_label("Target", exact=True).fill("5")
    frame.get_by_role("checkbox", name="Certification: CompTIA Security+").check()
    frame.get_by_role("button", name="Set the goal").click()
    expect(frame.get_by_role("heading", name="Explain certificates to my team")).to_be_visible()
    expect(frame.get_by_role("row", name=re.compile("Certification CompTIA Security"))).to_be_visible()
    last = story.statements(verb="http://id.tincanapi.com/verb/defined", limit="1")[0]
    assert any("/courses/" in each["id"] for each in last["context"]["contextActivities"]["parent"])
    assert any("comptia-security-plus" in each["id"] for each in last["context"]["contextActivities"]["grouping"])


def test_what_is_wrong_in_a_form_stands_beside_the_field_and_nothing_typed_is_lost(browser_context, story):
    _, frame = opened(browser_context, story, "learner-4")
    frame.get_by_role("link", name="Set a goal").first.click()
    frame.get_by_label("What do you want to reach?").fill("A goal with a strange target")
    frame.get_by_label("Target", exact=True).fill("0")
    frame.get_by_role("button", name="Set the goal").click()
    expect(frame.get_by_role("heading", name="Nothing is saved yet")).to_be_visible()
    expect(frame.get_by_label("What do you want to reach?")).to_have_value("A goal with a strange target")
    expect(frame.locator("#problem-target")).to_have_text("The target has to differ from where you start.")


def test_a_mentor_accepts_evidence_and_readiness_moves_as_the_live_line_said(browser_context, story):
    _, frame = opened(browser_context, story, "mentor-1")
    expect(frame.get_by_text("4 mentees · 3 reviews waiting, oldest 9 days")).to_be_visible()
    frame.get_by_role("row", name=re.compile("Amara Okafor")).get_by_role("link", name="Review").click()
    frame.get_by_label("with help").check()
    line = frame.get_by_text("If you accept with “with help”: domain 0 → 50, readiness 46 → 56")
    expect(line).to_be_visible()
    frame.get_by_role("button", name="Accept").click()
    expect(frame.get_by_text("Readiness of Amara Okafor is now 56.")).to_be_visible()


def test_a_grade_in_the_lms_moves_readiness_and_why_names_the_item(browser_context, story):
    _, frame = opened(browser_context, story, "learner-1")
    before = int(frame.locator(".strip .big").first.inner_text())
    teacher = browser_context.new_page()
    teacher.goto(story.course_url("coordinator-1") + "/grades")
    teacher.get_by_label("Learner").select_option("learner-1")
    teacher.get_by_label("Item").select_option(label="Lab 5")
    teacher.get_by_label("Grade").fill("100")
    teacher.get_by_role("button", name="Give the grade").click()
    expect(teacher.get_by_role("status")).to_contain_text("saved and reported")
    _, frame = opened(browser_context, story, "learner-1")
    assert int(frame.locator(".strip .big").first.inner_text()) > before
    frame.get_by_text("Why these numbers?").first.click()
    expect(frame.get_by_text("Lab 5 100 %")).to_be_visible()


def test_a_mentor_sees_the_live_line_also_where_no_cookie_is_kept(blocking, story):
    _, frame = opened(blocking(EVERYWHERE), story, "mentor-1")
    frame.get_by_role("link", name="Review").first.click()
    frame.get_by_role("radio").first.check()
    expect(frame.locator("#live")).to_contain_text("readiness")


def test_an_administrator_registers_the_tool_by_pasting_one_address(browser_context, story):
    page = browser_context.new_page()
    page.goto(f"{story.world.issuer}/tools")
    page.get_by_label("Registration address").fill(story.invitation())
    page.get_by_role("button", name="Register a tool").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", name="The tool is registered")).to_be_visible()
    frame.get_by_role("button", name="Finish").click()
    expect(page.get_by_role("listitem").filter(has_text="LTI Mentor")).to_be_visible()
    page.goto(story.course_url("learner-1"))
    page.get_by_role("link", name="Open LTI Mentor").click()
    expect(page.frame_locator("iframe").locator("main")).to_be_visible()


def test_an_analyst_reads_how_a_figure_is_counted(browser_context, story):
    _, frame = opened(browser_context, story, "analyst-1")
    expect(frame.get_by_text("of 41 open mentorships were active")).to_be_visible()
    frame.get_by_text("How is this counted?").first.click()
    expect(frame.get_by_text("34 active mentorships").first).to_be_visible()
    frame.get_by_role("link", name="joined").first.click()
    expect(frame.get_by_role("heading", name="Statements")).to_be_visible()


def test_two_people_in_two_tabs_of_one_browser_never_mix(browser_context, story):
    _, learner = opened(browser_context, story, "learner-1")
    _, mentor = opened(browser_context, story, "mentor-1")
    learner.get_by_role("link", name="All goals").click()
    expect(learner.get_by_role("heading", name="All goals")).to_be_visible()
    mentor.get_by_role("link", name="Amara Okafor").click()
    expect(mentor.get_by_role("heading", name="Amara Okafor")).to_be_visible()
    learner.get_by_role("link", name="My learning").click()
    expect(learner.get_by_role("heading", name="Your mentor", exact=True)).to_be_visible()


IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[?#].*")


def crawled(frame: Frame) -> Iterator[str]:
    """Every kind of page that links lead to from here, each once; the frame shows it when its address is given."""
    start = frame.url
    visit = start[: start.index("/", start.index("/v/") + 3)]
    waiting, seen = [start], {IDS.sub("", start)}
    while waiting:
        address = waiting.pop(0)
        frame.goto(address)
        yield address.removeprefix(visit)
        for link in frame.locator("a[href]").evaluate_all("links => links.map(link => link.href)"):
            if link.startswith(visit) and IDS.sub("", link) not in seen:
                seen.add(IDS.sub("", link))
                waiting.append(link)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_every_page_is_accessible_and_fits_its_frame(chromium, story, scheme, width):
    context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
    wrong, kinds = [], set()
    for person, course in (
        ("learner-1", 0),
        ("learner-56", 1),
        ("learner-18", 2),
        ("mentor-1", 0),
        ("coordinator-1", 0),
        ("analyst-1", 0),
        ("observer-1", 0),
    ):
        page, _ = opened(context, story, person, course)
        assert Axe().run(page).response["violations"] == []
        frame = page.frames[-1]
        for address in crawled(frame):
            kinds.add(IDS.sub("", address))
            found = Axe().run(frame).response["violations"]
            wrong += [(person, address, each["id"], each["nodes"][0]["html"]) for each in found]
            if not frame.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
                wrong.append((person, address, "wider than its frame"))
        page.close()
    context.close()
    assert wrong == []
    assert len(kinds) > 20


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_an_administrator_comes_by_a_link_and_every_page_is_accessible_and_fits(chromium, story, scheme, width):
    database = connect(story.settings.database_url)
    with database.transaction() as db:
        for name, status in (("old", "disabled"), ("new", "pending")):
            issuer = f"https://{name}-learning-and-development.northwind.example.org"
            given = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), f"{issuer}/a")
            added = platforms.Registration(issuer=issuer, client_id=f"{width}", deployment_ids=("1",), **given)
            owner = organizations.named(db, demo.ORGANIZATION)
            platform = platforms.add(db, added, organization_id=owner.id)
            platform.status = status
            for each in ("pending", "refused"):
                new = {"deployment_id": f"{each}:8b1f0c2d4e6f8a9b0c1d2e3f4a5b6c7d8e9f0a1b", "status": each}
                platform.deployments.append(platforms.Deployment(**new, last_launch_at=clock.now()))
        endpoint = "https://records-of-learning-and-development.northwind.example.org/xapi"
        draft = TargetDraft(label=f"Warehouse {width}", endpoint=endpoint, key="k", secret="s")
        target = outside.add(db, Vault(story.settings.secret_key), owner.id, draft)
        target.status, target.failures, target.problem, target.failed_at = "active", 3, "target.no_answer", clock.now()
        letter = {"seq": 1, "status": 400, "answer": "unknown" * 70, "at": clock.now()}
        db.add(DeadLetter(tenant=owner.id, target_id=target.id, **letter))
    database.engine.dispose()
    context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
    page, wrong, kinds = context.new_page(), [], set()

    def look(address: str) -> None:
        found = Axe().run(page).response["violations"]
        wrong.extend((address, each["id"], each["nodes"][0]["html"]) for each in found)
        if not page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
            wrong.append((address, "wider than its window"))

    page.goto(story.administration())
    expect(page.get_by_label("Paste the link")).to_be_hidden()
    assert page.url == f"{story.url}/admin"
    look("the link")
    page.get_by_role("button", name="Open the administration").click()
    expect(page.get_by_role("heading", name=re.compile("waits? for approval"))).to_be_visible()
    for address in crawled(page.main_frame):
        kinds.add(IDS.sub("", address))
        look(address)
    page.get_by_role("link", name="Administration").click()
    page.get_by_role("link", name="Retention").click()
    page.get_by_label("Days").fill("30")
    page.get_by_role("button", name="See what would go").click()
    expect(page.get_by_role("heading", name="would go")).to_be_visible()
    look("what would go")
    page.get_by_role("link", name="Invitations").click()
    page.get_by_role("button", name="Make an invitation").click()
    expect(page.get_by_label("Copy it now")).to_have_value(re.compile("/lti/register"))
    look("the invitation")
    context.close()
    assert wrong == []
    assert {"/admin/", "/admin/platforms/", "/admin/platforms//removal", "/admin/keys", "/admin/log"} <= kinds
    assert {"/admin/platforms//switches", "/admin/targets", "/admin/targets/", "/admin/retention"} <= kinds


@pytest.mark.parametrize("width", [1280, 390])
def test_a_teacher_places_four_things_one_with_a_column_and_a_learner_opens_one(browser_context, story, width):
    page = browser_context.new_page()
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(story.course_url("coordinator-1"))
    page.get_by_role("link", name="Add content from a tool").click()
    frame = page.frame_locator("iframe")
    for name in ("My mentoring", "Set a goal", "Security certification push", "CompTIA Security+"):
        frame.get_by_role("checkbox", name=re.compile(f"^{re.escape(name)}")).check()
    frame.get_by_role("checkbox", name="with a column in the gradebook Set a goal").check()
    inner = page.frames[-1]
    assert Axe().run(inner).response["violations"] == []
    assert inner.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    frame.get_by_role("button", name="Place it").click()
    expect(frame.get_by_role("heading", name="4 added")).to_be_visible()
    page.goto(story.course_url("learner-1"))
    page.get_by_role("link", name="CompTIA Security+").first.click()
    expect(page.frame_locator("iframe").get_by_role("heading", name="CompTIA Security+")).to_be_visible()


def test_a_coordinator_asks_who_can_open_an_activity_and_sees_them(browser_context, story):
    page, frame = opened(browser_context, story, "coordinator-1")
    frame.get_by_role("link", name="People", exact=True).click()
    frame.get_by_role("link", name="Who can open “Security certification push”").click()
    expect(frame.get_by_role("heading", name="Who can open “Security certification push”")).to_be_visible()
    expect(frame.get_by_text("not asked yet")).to_be_visible()
    assert Axe().run(page.frames[-1]).response["violations"] == []
    frame.get_by_role("button", name="Ask the learning platform").click()
    expect(frame.get_by_text("to be read in a moment")).to_be_visible()
    database = connect(story.settings.database_url)
    rosters.run(Tool(story.settings, database, Vault(story.settings.secret_key)))
    database.engine.dispose()
    expect(frame.locator("#announcer")).to_contain_text("people, read")
    frame.get_by_role("link", name="Show them").click()
    group = story.world.courses[0].groups[demo.GROUP]
    known = {person.id: person.name for person in story.world.people}
    for name in (known[who] for who in group[:3]):
        expect(frame.get_by_role("checkbox", name=name)).to_be_visible()
    expect(frame.get_by_role("checkbox")).to_have_count(len(group) + 3)
    assert Axe().run(page.frames[-1]).response["violations"] == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_a_teacher_copies_the_course_and_finds_the_set_up_there(chromium, story, scheme, width):
    context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
    page, frame = opened(context, story, "coordinator-1")
    page.get_by_role("button", name="Copy this course").click()
    expect(page.get_by_role("heading", name="Security foundations (copy)")).to_be_visible()
    expect(frame.get_by_role("heading", name="This course is a copy of Security foundations")).to_be_visible()
    inner = page.frames[-1]
    assert Axe().run(inner).response["violations"] == []
    frame.get_by_role("link", name="Check the course map").click()
    expect(frame.get_by_label("Exam domain 1 of Lab 5")).to_have_value("comptia-security-plus/4")
    assert Axe().run(inner).response["violations"] == []
    assert inner.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    frame.get_by_label("Address in this course Lab 5").fill(f"{story.world.issuer}/courses/copy-{width}/items/5")
    frame.get_by_role("button", name="Save the map").click()
    expect(frame.get_by_text("The map is saved.")).to_be_visible()
    expect(frame.get_by_label("Address in this course Lab 5")).to_have_count(0)
    context.close()


def test_no_page_breaks_its_own_content_policy(browser_context, story):
    """Nothing inline, nothing from elsewhere: the browser has nothing to complain about."""
    complaints: list[str] = []
    browser_context.on("console", lambda message: complaints.append(message.text) if "Policy" in message.text else None)
    browser_context.on("weberror", lambda error: complaints.append(str(error.error)))
    for person, links in (
        ("learner-1", ["All goals"]),
        ("mentor-1", ["Amara Okafor"]),
        ("coordinator-1", ["Overview", "Settings"]),
        ("analyst-1", []),
    ):
        _, frame = opened(browser_context, story, person)
        for link in links:
            frame.get_by_role("link", name=link).first.click()
            expect(frame.locator("h1").first).to_be_visible()
    page = browser_context.new_page()
    page.goto(story.administration())
    page.get_by_role("button", name="Open the administration").click()
    page.get_by_role("table").get_by_role("link").first.click()
    page.get_by_role("button", name="Test the connection").click()
    expect(page.get_by_text("being tried")).to_be_visible()
    assert complaints == []


def test_a_teacher_who_mentors_opens_the_record_behind_a_score(browser_context, story):
    page, frame = opened(browser_context, story, "coordinator-1")
    frame.get_by_role("link", name="Security foundations").first.click()
    frame.get_by_role("link", name="Readiness in the gradebook").first.click()
    frame.get_by_role("button", name="Show it in the gradebook").click()
    expect(frame.get_by_text("The column is made and filled as soon as possible.")).to_be_visible()
    database = connect(story.settings.database_url)
    grades.run(Tool(story.settings, database, Vault(story.settings.secret_key)))
    database.engine.dispose()
    page.goto(story.course_url("mentor-2") + "/grades")
    rows = page.get_by_role("row").filter(has=page.get_by_role("link", name="See the record"))
    record, mentees, refused = page.frame_locator("iframe"), 0, 0
    for row in rows.all()[:12]:
        row.get_by_role("link", name="See the record").click()
        name = row.get_by_role("rowheader").inner_text()
        expect(
            record.get_by_role("heading", name=name).or_(record.get_by_text("Teaching the course is not"))
        ).to_be_visible()
        is_mentee = record.get_by_role("heading", name=name).count() == 1
        mentees, refused = mentees + is_mentee, refused + (not is_mentee)
    assert refused > 0, "a teacher sees no more than a mentor does"
    assert mentees > 0


@pytest.mark.threat("erasure")
def test_an_administrator_downloads_and_erases_what_is_kept_about_somebody(browser_context, story):
    page = browser_context.new_page()
    page.goto(f"{story.world.issuer}/privacy")
    learner = story.world.courses[0].members
    last = [person for person in learner if person.startswith("learner-")][-1]
    page.get_by_label("Person").select_option(f"2/{last}")
    page.get_by_role("button", name="Ask the tool what it keeps").click()
    frame = page.frame_locator("iframe")
    with page.expect_download() as download:
        frame.get_by_role("button", name="Download everything").click()
    given = json.loads(Path(download.value.path()).read_text())
    assert [each["subject"] for each in given["rows"]["accounts"]] == [last]
    frame.get_by_role("link", name="Erase").click()
    frame.get_by_role("button", name="Erase everything").click()
    expect(frame.get_by_role("link", name="Tick the box before you erase.")).to_be_visible()
    frame.get_by_label("I know that this cannot be undone.").check()
    frame.get_by_role("button", name="Erase everything").click()
    expect(frame.get_by_role("heading", name="Nothing is kept here about this person")).to_be_visible()
