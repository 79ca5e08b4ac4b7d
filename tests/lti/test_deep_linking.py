"""Deep linking over real HTTP: the practice LMS asks, a teacher chooses, the signed answer becomes links."""

import html
import re
from datetime import timedelta
from urllib.parse import urljoin

import jwt
import pytest
from sqlalchemy import func, select

from lti_mentor import clock
from lti_mentor.jobs import grades
from lti_mentor.lti import platforms
from lti_mentor.lti.deep_linking import Picker, PlacedLink
from lti_mentor.mentoring import goals, joining, programs
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.mentoring.programs import Program, ProgramDraft
from lti_mentor.practice.copies import copied
from lti_mentor.practice.deep_links import DEEP
from lti_mentor.practice.tokens import CLAIM
from lti_mentor.practice.world import LEARNER, CourseLink
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.conftest import register
from tests.support.visitor import Visitor

SECURITY = "certification comptia-security-plus"


def begin(site, person="coordinator", **query) -> tuple[Visitor, str, dict[str, str]]:
    """Up to the form with the signed request."""
    visitor = Visitor()
    visitor.get(f"{site.lms.url}/as/{person}/courses/1")
    visitor.get(f"{site.lms.url}/as/{person}/courses/1/open?message=deep_linking")
    url, fields = visitor.form("/lti/login")
    login = visitor.request("POST", url, data=fields)
    visitor.request("GET", login.headers["Location"])
    return visitor, *visitor.form("/lti/launch")


def opened(site, changes=None) -> Visitor:
    """The picker of a teacher; ``changes`` replace settings of the request."""
    visitor, url, fields = begin(site)
    claims = jwt.decode(fields["id_token"], options={"verify_signature": False})
    settings = {**claims[f"{DEEP}deep_linking_settings"], **(changes or {})}
    claims[f"{DEEP}deep_linking_settings"] = {name: value for name, value in settings.items() if value is not ...}
    fields["id_token"] = site.lms.lms.keys[0].sign(claims)
    answer = visitor.request("POST", url, data=fields)
    if answer.is_redirect:
        visitor.get(urljoin(site.url, answer.headers["Location"]))
    return visitor


def place(visitor, *choices, columns=(), **typed):
    return visitor.submit("/picker/", {"choice": list(choices), "column": list(columns), **typed})


def sent(page) -> tuple[str, str]:
    """Where the answer goes, and the message."""
    return (
        html.unescape(re.search(r'action="([^"]*)" data-send', page.text)[1]),
        re.search(r'name="JWT" value="([^"]*)"', page.text)[1],
    )


def message(token) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def count(site, row) -> int:
    with site.database.reading() as db:
        return db.scalar(select(func.count()).select_from(row))


def with_program(site):
    Visitor().launch(site.lms.url, "coordinator", "1")
    with site.database.transaction() as db:
        teacher = db.scalars(select(Person).join(Account).where(Account.subject == "coordinator")).one()
        today = clock.today()
        draft = ProgramDraft(name="Autumn", starts_on=today, ends_on=today.replace(year=today.year + 1))
        return programs.create(db, db.scalars(select(Course)).one(), draft, by=teacher)


@pytest.mark.quirk("answers_that_hang")
def test_three_things_are_placed_and_lead_where_they_say(both_site):
    program = with_program(both_site)
    visitor = opened(both_site)
    page = place(visitor, "home", f"program {program.id}", SECURITY)
    assert "3 links go to the learning platform" in page.text
    address, token = sent(page)
    assert address.endswith("/deep-links?course=1&sesskey=a+b"), "the return address is used as it came"
    assert f"form-action 'self' {both_site.lms.url}" in page.headers["Content-Security-Policy"]
    assert "3 added" in visitor.request("POST", address, data={"JWT": token}).text
    links = {link.title: link for link in both_site.lms.lms.links["1"]}
    assert set(links) == {"My mentoring", "Autumn", "CompTIA Security+"}
    for person, title, words in (
        ("coordinator", "Autumn", "Enroll the first people"),
        ("learner", "My mentoring", "Set your first goal"),
        ("learner", "CompTIA Security+", "Choose a certification"),
        ("learner", "Autumn", "Set your first goal"),
    ):
        assert words in follow(both_site, person, links[title].id).text, (person, title)


def follow(site, person, link_id, course="1"):
    """The page that a link of the course opens."""
    return followed(site, person, link_id, course).page


def followed(site, person, link_id, course="1") -> Visitor:
    visitor = Visitor()
    visitor.get(f"{site.lms.url}/as/{person}/courses/{course}")
    visitor.get(f"{site.lms.url}/as/{person}/courses/{course}/open?link={link_id}")
    url, fields = visitor.form("/lti/login")
    login = visitor.request("POST", url, data=fields)
    visitor.request("GET", login.headers["Location"])
    url, fields = visitor.form("/lti/launch")
    answer = visitor.request("POST", url, data=fields)
    visitor.get(urljoin(site.url, answer.headers["Location"]))
    return visitor


@pytest.mark.quirk("links_without_address")
def test_the_answer_is_signed_and_gives_the_data_back(site):
    page = place(opened(site), "home")
    claims = message(sent(page)[1])
    assert claims["iss"] == "tests"
    assert claims["aud"] == site.lms.url
    assert claims[f"{DEEP}data"] in site.lms.lms.asked_links
    assert claims[f"{CLAIM}deployment_id"] == "1"
    assert claims["exp"] - claims["iat"] == 300
    (item,) = claims[f"{DEEP}content_items"]
    assert item["type"] == "ltiResourceLink"
    assert item["custom"]["mentor_link"] in item["url"]
    assert "lineItem" not in item


def test_the_page_that_waits_for_the_answer_may_show_the_picker(site):
    page = opened(site, {"deep_link_return_url": "https://school.example.org/answer?a=b"}).page
    assert page.headers["Content-Security-Policy"].endswith(
        f"frame-ancestors {site.lms.url} https://school.example.org"
    )


def test_no_data_and_no_choice_are_answers_too(site):
    page = place(opened(site, {"data": ...}), decision="cancel")
    claims = message(sent(page)[1])
    assert f"{DEEP}data" not in claims
    assert claims[f"{DEEP}content_items"] == []
    assert "Nothing is placed" in page.text


@pytest.mark.threat("forged_answers")
def test_an_answer_is_used_once_by_the_platform_and_given_once_by_us(site):
    visitor = opened(site)
    picker = visitor.page.url
    page = place(visitor, "home")
    address, token = sent(page)
    assert visitor.request("POST", address, data={"JWT": token}).status_code == 200
    assert visitor.request("POST", address, data={"JWT": token}).status_code == 400
    assert "sent to the learning platform already" in visitor.get(picker).text
    assert count(site, PlacedLink) == 1


def test_a_forged_answer_is_none(site):
    visitor = opened(site)
    address, token = sent(place(visitor, "home"))
    forged = jwt.encode(message(token), "x" * 64, algorithm="HS256")
    assert visitor.request("POST", address, data={"JWT": forged}).status_code == 400


def test_one_only_where_the_platform_takes_one(site):
    visitor = opened(site, {"accept_multiple": False})
    assert 'type="radio" name="choice"' in visitor.page.text
    answer = place(visitor, "home", SECURITY)
    assert answer.status_code == 422
    assert "one thing at a time" in answer.text
    assert count(site, PlacedLink) == 0


def test_nothing_chosen_or_something_that_is_not_offered_is_said_in_the_picker(site):
    visitor = opened(site)
    assert place(visitor).status_code == 422
    assert place(visitor, "certification none-such").status_code == 422
    assert count(site, PlacedLink) == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"accept_types": ["html", "file"]}, "launch.no_links_taken"),
        ({"deep_link_return_url": "javascript:alert(1)"}, "launch.missing_claim"),
        ({"deep_link_return_url": ...}, "launch.missing_claim"),
        ({"data": "x" * 30_000}, "launch.missing_claim"),
        ({"data": {"a": 1}}, "launch.missing_claim"),
    ],
)
def test_a_request_that_cannot_be_answered_is_refused(site, changes, reason):
    page = opened(site, changes).page
    assert page.status_code == 400
    assert reason in page.text
    assert count(site, Picker) == 0


def test_only_who_may_edit_the_course_gets_the_picker(site):
    visitor, url, fields = begin(site, "learner")
    answer = visitor.request("POST", url, data=fields)
    assert answer.status_code == 400
    assert "launch.not_teacher" in answer.text
    assert count(site, Picker) == 0


def test_a_picker_belongs_to_its_visit_and_ends(site):
    visitor = opened(site)
    picker_path = visitor.page.url.split("/picker/")[1]
    other = Visitor()
    page = other.launch(site.lms.url, "coordinator", "1")
    visit = re.match(r".*/v/[^/]+", page.url)[0]
    assert other.get(f"{visit}/picker/{picker_path}").status_code == 404
    with site.database.transaction() as db:
        picker = db.scalars(select(Picker).where(Picker.return_url.is_not(None))).one()
        picker.expires_at = clock.now()
    assert "Too much time passed" in visitor.get(visitor.page.url).text


def test_a_copied_course_keeps_its_links_and_a_link_that_is_gone_says_so(site):
    visitor = opened(site)
    address, token = sent(place(visitor, SECURITY))
    visitor.request("POST", address, data={"JWT": token})
    course = copied(site.lms.lms, site.lms.world.course("1"), "coordinator")
    course.members["learner"] = [LEARNER]
    (first,), (copy,) = site.lms.lms.links["1"], site.lms.lms.links[course.id]
    assert first.id != copy.id
    assert "Choose a certification" in follow(site, "learner", copy.id, course=course.id).text
    copy.custom["mentor_link"] = "00000000-0000-4000-8000-000000000000"
    assert "is not there any more" in follow(site, "learner", copy.id, course=course.id).text
    copy.custom["mentor_link"] = "nonsense"
    assert "is not there any more" in follow(site, "learner", copy.id, course=course.id).text


def test_links_of_another_organization_lead_nowhere(site):
    visitor = opened(site)
    address, token = sent(place(visitor, SECURITY))
    visitor.request("POST", address, data={"JWT": token})
    site.lms.lms.links["1b"] = site.lms.lms.links["1"]
    page = follow(site, "outsider", site.lms.lms.links["1"][0].id, course="1b")
    assert "is not there any more" in page.text


def on_the_way(site):
    """The learner is a mentee of the program and on the way to the certification."""
    with site.database.transaction() as db:
        person = db.scalars(select(Person).join(Account).where(Account.subject == "learner")).one()
        joining.enroll(db, db.scalars(select(Program)).one(), person, "mentee")
        joining.start(db, person, "comptia-security-plus", status="studying", target_on=None)


def test_a_column_is_told_once_the_link_that_was_saved_with_it_is_opened(site):
    with_program(site)
    Visitor().launch(site.lms.url, "learner", "1")
    on_the_way(site)
    visitor = opened(site)
    assert "with a column in the gradebook" in visitor.page.text
    address, token = sent(place(visitor, SECURITY, columns=[SECURITY]))
    (item,) = message(token)[f"{DEEP}content_items"]
    assert item["lineItem"]["scoreMaximum"] == 100
    review = item["lineItem"]["submissionReview"]
    assert (review["url"], review["custom"]) == (item["url"], item["custom"])
    assert set(review["reviewableStatus"]) == {"InProgress", "Completed"}
    visitor.request("POST", address, data={"JWT": token})
    (made,) = site.lms.lms.columns.values()
    assert made.resource_id == item["lineItem"]["resourceId"]
    tool = Tool(site.settings, site.database, Vault(site.settings.secret_key))
    assert grades.run(tool) == 0, "nobody has seen it yet"
    follow(site, "learner", site.lms.lms.links["1"][0].id)
    assert grades.run(tool) == 1
    assert list(made.scores) == ["learner"]
    assert len(site.lms.lms.columns) == 1


def test_goals_are_placed_with_their_column_and_told_once_the_link_is_opened(both_site):
    with_program(both_site)
    Visitor().launch(both_site.lms.url, "learner", "1")
    on_the_way(both_site)
    address, token = sent(place(opened(both_site), "goal", columns=["goal"]))
    (item,) = message(token)[f"{DEEP}content_items"]
    assert (item["lineItem"]["label"], item["lineItem"]["tag"]) == ("Goal progress", "goals")
    Visitor().request("POST", address, data={"JWT": token})
    (made,) = both_site.lms.lms.columns.values()
    assert made.resource_id == item["lineItem"]["resourceId"]
    with both_site.database.transaction() as db:
        learner = db.scalars(select(Person).join(Account).where(Account.subject == "learner")).one()
        due_on = clock.today() + timedelta(days=9)
        goals.set_goal(db, learner, GoalDraft(title="Read", baseline=0, target=10, current=4, due_on=due_on))
    tool = Tool(both_site.settings, both_site.database, Vault(both_site.settings.secret_key))
    assert grades.run(tool) == 0, "nobody has seen it yet"
    assert "Read" in follow(both_site, "learner", both_site.lms.lms.links["1"][0].id).text
    assert grades.run(tool) == 1
    assert {person: points for person, (_, points, _) in made.scores.items()} == {"learner": 40}
    assert len(both_site.lms.lms.columns) == 1


def test_a_teacher_who_goes_back_in_the_platform_leaves_no_column_behind(site):
    with_program(site)
    Visitor().launch(site.lms.url, "learner", "1")
    on_the_way(site)
    sent(place(opened(site), SECURITY, columns=[SECURITY]))  # and the answer is never saved there
    Visitor().launch(site.lms.url, "learner", "1")
    assert grades.run(Tool(site.settings, site.database, Vault(site.settings.secret_key))) == 0
    assert site.lms.lms.columns == {}
    visitor = opened(site)
    address, token = sent(place(visitor, SECURITY, columns=[SECURITY]))
    visitor.request("POST", address, data={"JWT": token})
    follow(site, "learner", site.lms.lms.links["1"][0].id)
    assert grades.run(Tool(site.settings, site.database, Vault(site.settings.secret_key))) == 1
    assert len(site.lms.lms.columns) == 1


def test_a_teacher_without_a_program_gets_no_column(site):
    visitor = opened(site)
    assert "with a column in the gradebook" not in visitor.page.text
    assert place(visitor, SECURITY, columns=[SECURITY]).status_code == 403
    assert count(site, PlacedLink) == 0


def the_item(page) -> dict:
    (item,) = message(sent(page)[1])[f"{DEEP}content_items"]
    return item


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["frame", "iframe", "window"], {"iframe"}),
        (["window"], {"window"}),
        (["frame", "embed"], set()),
        ("iframe", set()),
    ],
)
def test_a_link_opens_where_the_platform_can_show_it(site, targets, expected):
    item = the_item(place(opened(site, {"accept_presentation_document_targets": targets}), "home"))
    assert {"iframe", "window"} & set(item) == expected
    if "iframe" in expected:
        assert item["iframe"]["width"] > 300


def test_a_program_says_when_it_runs_and_a_column_until_when_it_counts(site):
    program = with_program(site)
    end = f"{program.ends_on.isoformat()}T23:59:00+00:00"
    item = the_item(place(opened(site), f"program {program.id}"))
    assert item["available"] == {"endDateTime": end}, "it has started, so only its end lies ahead"
    item = the_item(place(opened(site), SECURITY, columns=[SECURITY]))
    assert item["submission"] == {"endDateTime": end}
    assert "available" not in item
    item = the_item(place(opened(site), SECURITY))
    assert {"available", "submission"} & set(item) == set()
    with site.database.transaction() as db:
        there = db.get_one(Program, program.id)
        there.starts_on, there.ends_on = clock.today() - timedelta(days=9), clock.today() - timedelta(days=2)
    assert "available" not in the_item(place(opened(site), f"program {program.id}"))


def test_a_goal_opens_its_form_and_later_the_list(site):
    visitor = opened(site)
    address, token = sent(place(visitor, "goal"))
    visitor.request("POST", address, data={"JWT": token})
    (link,) = site.lms.lms.links["1"]
    assert "What do you want to reach?" in follow(site, "learner", link.id).text
    with site.database.transaction() as db:
        learner = db.scalars(select(Person).join(Account).where(Account.subject == "learner")).one()
        due_on = clock.today() + timedelta(days=9)
        goals.set_goal(db, learner, GoalDraft(title="Read the guide", baseline=0, target=10, due_on=due_on))
    page = follow(site, "learner", link.id)
    assert "All goals" in page.text
    assert "Read the guide" in page.text


def activity(site, link_id="8", **custom) -> str:
    """An activity of the course that a teacher made without choosing content, as a Moodle launches it."""
    link = CourseLink(link_id, "fallback", site.lms.world.launch_url, custom)
    site.lms.lms.links.setdefault("1", []).append(link)
    return link.id


def choosing(site, link_id, person="coordinator") -> Visitor:
    """A teacher at the choice, by the link on the page where the activity leads."""
    visitor = followed(site, person, link_id)
    if "What shall this activity show?" not in visitor.page.text:
        path = re.search(r'href="([^"]*/picker/[^"]*)"', visitor.page.text)[1]
        visitor.get(urljoin(site.url, path))
    return visitor


def test_an_activity_without_content_is_my_mentoring_until_a_teacher_chooses(both_site):
    link_id = activity(both_site)
    assert "Set your first goal" in follow(both_site, "learner", link_id).text
    first = follow(both_site, "coordinator", link_id)
    assert "Choose what the activity shows" in first.text
    assert "What shall this activity show?" not in first.text, "it is offered, not forced"
    visitor = choosing(both_site, link_id)
    assert 'type="radio" name="choice"' in visitor.page.text
    assert "with a column" not in visitor.page.text
    assert place(visitor).status_code == 422
    page = place(visitor, SECURITY)
    assert "The activity shows this to everybody from now on." in page.text
    assert "Choose a certification" in follow(both_site, "learner", link_id).text
    assert "Set your first goal" in follow(both_site, "learner", activity(both_site, "9")).text
    program = with_program(both_site)
    visitor = followed(both_site, "coordinator", link_id)
    start = re.match(r".*/v/[^/]+/", visitor.page.url)[0]
    path = re.search(r'href="([^"]*/picker/[^"]*)"', visitor.get(f"{start}coordinator/").text)[1]
    page = visitor.get(urljoin(both_site.url, path))
    assert f'value="{SECURITY}" checked' in page.text
    place(visitor, f"program {program.id}")
    assert "Enroll the first people" in follow(both_site, "coordinator", link_id).text
    assert count(both_site, PlacedLink) == 1
    assert "Set your first goal" in follow(both_site, "learner", link_id).text


def test_not_now_changes_nothing_and_nothing_is_sent_to_the_platform(site):
    link_id = activity(site)
    visitor = choosing(site, link_id)
    picker = visitor.page.url
    assert place(visitor, decision="cancel").status_code == 200
    assert count(site, PlacedLink) == 0
    assert visitor.get(f"{picker}/answer").status_code in (404, 422)


@pytest.mark.parametrize("key", ["00000000-0000-4000-8000-000000000000", "nonsense"])
def test_a_teacher_who_opens_a_link_that_is_gone_chooses_what_it_shows(site, key):
    link_id = activity(site, mentor_link=key)
    visitor = choosing(site, link_id)
    assert "What shall this activity show?" in visitor.page.text
    place(visitor, SECURITY)
    assert "Choose a certification" in follow(site, "learner", link_id).text


def test_a_program_that_is_gone_is_chosen_anew(site):
    program = with_program(site)
    visitor = opened(site)
    address, token = sent(place(visitor, f"program {program.id}"))
    visitor.request("POST", address, data={"JWT": token})
    with site.database.transaction() as db:
        db.delete(db.get_one(Program, program.id))
    (link,) = site.lms.lms.links["1"]
    assert "is not there any more" in follow(site, "learner", link.id).text
    assert "What shall this activity show?" in follow(site, "coordinator", link.id).text


def test_a_copy_of_an_activity_shows_what_was_chosen_for_the_first(site):
    link_id = activity(site)
    place(choosing(site, link_id), SECURITY)
    course = copied(site.lms.lms, site.lms.world.course("1"), "coordinator")
    course.members["learner"] = [LEARNER]
    (copy,) = site.lms.lms.links[course.id]
    assert copy.id != link_id
    assert "Choose a certification" in follow(site, "learner", copy.id, course=course.id).text


# As a Moodle 4.5 launches an activity for which nobody pressed "Select content", in the existing window.
MOODLE = {
    "https://purl.imsglobal.org/spec/lti/claim/resource_link": {"title": "fallback", "description": "", "id": "8"},
    "https://purl.imsglobal.org/spec/lti/claim/launch_presentation": {
        "locale": "en",
        "document_target": "frame",
        "return_url": "http://127.0.0.1:8900/mod/lti/return.php?course=2&launch_container=5&instanceid=8&sesskey=removed",
    },
    "https://purl.imsglobal.org/spec/lti/claim/custom": {
        "context_history": "",
        "link_history": "$ResourceLink.id.history",
        "tz": "99",
        "context_memberships_url": "http://127.0.0.1:8900/mod/lti/services.php/CourseSection/2/bindings/1/memberships",
        "link_setting_url": "http://127.0.0.1:8900/mod/lti/services.php/links/{link_id}/custom",
    },
}


@pytest.mark.parametrize(("person", "words"), [("learner", "Set your first goal"), ("coordinator", "Choose what")])
def test_an_activity_of_a_moodle_without_content_opens(site, person, words):
    visitor = Visitor()
    url, fields = visitor.begin(site.lms.url, person, "1")
    claims = message(fields["id_token"]) | MOODLE
    answer = visitor.request("POST", url, data={**fields, "id_token": site.lms.lms.keys[0].sign(claims)})
    assert words in visitor.get(urljoin(url, answer.headers["Location"])).text


def test_links_outlive_a_registration_that_is_removed_and_made_again(site):
    visitor = opened(site)
    address, token = sent(place(visitor, SECURITY))
    visitor.request("POST", address, data={"JWT": token})
    place(choosing(site, activity(site)), "home")
    with site.database.transaction() as db:
        for platform in platforms.listed(db):
            platforms.remove(db, platform.id)
    register(site.database, site.lms.world)
    assert "Choose a certification" in follow(site, "learner", site.lms.lms.links["1"][0].id).text
