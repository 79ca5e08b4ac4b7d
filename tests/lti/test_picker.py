"""What a teacher sees in the picker before anything is placed, and what each feature says of itself there."""

import html
import re
from urllib.parse import urljoin

import pytest
from sqlalchemy import select

from lti_mentor.lti.deep_linking import Choice, PlacedLink
from lti_mentor.mentoring import gradebook, readiness_columns
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.gradebook import GradeColumn
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.web import placed
from lti_mentor.web.placed import Kind
from tests.lti.test_deep_linking import (
    SECURITY,
    activity,
    choosing,
    count,
    follow,
    opened,
    place,
    sent,
    with_program,
)


def preview(visitor, title: str) -> str:
    """What the picker says of one thing, as a text."""
    for inner in re.findall(r'<details class="preview">(.*?)</details>', visitor.page.text, re.S):
        words = html.unescape(" ".join(re.sub(r"<[^>]*>", " ", inner).split()))
        if words.startswith(f"Preview {title} "):
            return words
    raise AssertionError(f"no preview of {title}")


def shown(visitor) -> list[str]:
    """The values of the boxes on the page."""
    return re.findall(r'name="choice" value="([^"]*)"', visitor.page.text)


def ticked(visitor) -> list[str]:
    return re.findall(r'name="\w+" value="([^"]*)" checked', visitor.page.text)


def test_everything_says_what_is_behind_it_before_it_is_placed(site):
    program = with_program(site)
    visitor = opened(site)
    words = preview(visitor, "CompTIA Security+")
    assert "A link “CompTIA Security+” that opens in the page of the course." in words
    assert "the certifications to choose from, with this one chosen" in words
    assert "Security operations (28 %)" in words
    assert "the column “Readiness: CompTIA Security+” of 100 points for the learners of Autumn, until" in words
    assert "Before the first goal: the form for one" in preview(visitor, "Set a goal")
    assert "“Goal progress”" in preview(visitor, "Set a goal")
    words = preview(visitor, "Autumn")
    assert f" to {program.ends_on.day} " in words
    assert "No column comes with it." in words
    assert "A learner finds the next step" in preview(visitor, "My mentoring")
    assert "window of its own" in preview(
        opened(site, {"accept_presentation_document_targets": ["window"]}), "My mentoring"
    )
    assert "opens" not in preview(opened(site, {"accept_presentation_document_targets": ["embed"]}), "My mentoring")


def test_a_preview_says_why_no_column_comes_with_a_link(site):
    assert "whoever coordinates a program in this course" in preview(opened(site), "CompTIA Security+")
    program = with_program(site)
    visitor = opened(site, {"accept_lineitem": False})
    assert "the learning platform takes none with a link" in preview(visitor, "CompTIA Security+")
    with site.database.transaction() as db:
        teacher = db.scalars(select(Person).join(Account).where(Account.subject == "coordinator")).one()
        course = db.scalars(select(Course)).one()
        readiness_columns.open_column(db, db.merge(program), course, "comptia-security-plus", by=teacher)
    visitor = opened(site)
    assert "“Readiness: CompTIA Security+” stands there already" in preview(visitor, "CompTIA Security+")
    assert f'name="column" value="{SECURITY}"' not in visitor.page.text
    assert 'name="column" value="goal"' in visitor.page.text
    visitor = choosing(site, activity(site))
    assert "Gradebook No column comes with it." in preview(visitor, "CompTIA Security+")
    assert "In the course" not in preview(visitor, "CompTIA Security+")


def test_a_preview_says_what_a_column_that_was_there_before_sends(site):
    program = with_program(site)
    assert "As it was chosen for this column" not in preview(opened(site), "CompTIA Security+")
    with site.database.transaction() as db:
        teacher = db.scalars(select(Person).join(Account).where(Account.subject == "coordinator")).one()
        course = db.scalars(select(Course)).one()
        column = readiness_columns.open_column(db, db.merge(program), course, "comptia-security-plus", by=teacher)
        readiness_columns.choose(db, column, "when_final", by=teacher)
    said = "As it was chosen for this column, nobody sees a number in Moodle and Canvas before it is final."
    assert said in preview(opened(site), "CompTIA Security+")
    with site.database.transaction() as db:
        gradebook.close_column(db.scalars(select(GradeColumn)).one())
    words = preview(opened(site), "CompTIA Security+")
    assert f"for the learners of Autumn, until {program.ends_on.day}" in words
    assert said in words
    assert said not in preview(opened(site), "Set a goal")


def test_what_is_ticked_is_still_ticked_after_a_search_and_after_another(both_site):
    with_program(both_site)
    visitor = opened(both_site)
    everything = shown(visitor)
    place(visitor, "home", SECURITY, columns=[SECURITY], q=" kubernetes ", decision="search")
    assert visitor.page.url.count("kubernetes") == 1
    assert ticked(visitor) == ["home", SECURITY, SECURITY], "two links and a column"
    assert len(shown(visitor)) == 3, "what was found, and what is ticked"
    place(visitor, "home", SECURITY, columns=[SECURITY], q="no such thing", decision="search")
    assert "Nothing has this name." in visitor.page.text
    assert shown(visitor) == ["home", SECURITY]
    path = html.unescape(re.search(r'href="([^"]*)">Show everything', visitor.page.text)[1])
    visitor.get(urljoin(visitor.page.url, path))
    assert shown(visitor) == everything
    assert ticked(visitor) == ["home", SECURITY, SECURITY]
    assert count(both_site, PlacedLink) == 0, "a search places nothing"
    assert "2 links go to the learning platform" in place(visitor, "home", SECURITY, columns=[SECURITY]).text


def test_a_search_keeps_the_one_thing_that_an_activity_shows(site):
    visitor = choosing(site, activity(site))
    picker = visitor.page.url
    place(visitor, SECURITY)
    visitor.get(picker)
    assert ticked(visitor) == [SECURITY]
    place(visitor, "home", q="data", decision="search")
    assert ticked(visitor) == ["home"], "what was chosen now, not what the activity shows"
    assert SECURITY not in shown(visitor)


def test_a_search_for_anything_strange_finds_nothing_and_breaks_nothing(site):
    for words in ("\0", "<script>", "x" * 5000, "%(name)s"):
        page = place(opened(site), q=words, decision="search")
        assert page.status_code == 200
        assert "<script>" not in page.text.partition("<main")[2]
        assert "Nothing has this name." in page.text


def test_a_link_to_a_certification_has_it_chosen_in_the_form(site):
    visitor = opened(site)
    address, token = sent(place(visitor, SECURITY))
    visitor.request("POST", address, data={"JWT": token})
    page = follow(site, "learner", site.lms.lms.links["1"][0].id)
    assert re.findall(r'name="certification" value="([^"]*)" required checked', page.text) == ["comptia-security-plus"]


@pytest.fixture
def surveys(monkeypatch) -> dict[str, str]:
    """A feature that is added later: titles of its surveys by their ids."""
    there = {"7": "How was it?"}
    kind = Kind(
        name="survey",
        rank=15,
        offered=lambda db, course: [
            Choice(kind="survey", target=key, title=title, text="A survey.", shows=("Three questions.",))
            for key, title in there.items()
        ],
        is_there=lambda db, link: link.target in there,
        destination=lambda db, link, person: ("about_me.show", {}),
    )
    monkeypatch.setattr(placed, "KINDS", dict(placed.KINDS))
    placed.add(kind)
    return there


def test_a_later_feature_says_itself_what_can_be_placed_and_where_it_leads(both_site, surveys):
    visitor = opened(both_site)
    assert shown(visitor)[:3] == ["home", "survey 7", "goal"]
    assert "Three questions." in preview(visitor, "How was it?")
    address, token = sent(place(visitor, "survey 7"))
    visitor.request("POST", address, data={"JWT": token})
    (link,) = both_site.lms.lms.links["1"]
    assert "What is kept about me" in follow(both_site, "learner", link.id).text
    surveys.clear()
    assert "is not there any more" in follow(both_site, "learner", link.id).text
    placed.KINDS.pop("survey")
    assert "is not there any more" in follow(both_site, "learner", link.id).text, "nor is the feature"
    assert "What shall this activity show?" in follow(both_site, "coordinator", link.id).text
