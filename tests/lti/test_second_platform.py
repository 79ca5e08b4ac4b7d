"""A second opinion: the platform of Open edX, which others wrote, in a process and an environment of its own."""

import html
import re
from datetime import timedelta

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import grades, rosters
from lti_mentor.lti import connection, contexts, keys, platforms, tokens
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.mentoring import programs, pursuits, readiness_columns, standing
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.mentoring.programs import Program, ProgramDraft
from lti_mentor.mentoring.pursuits import Pursuit
from tests.support.second import HOW, IS_INSTALLED, second_platform
from tests.support.visitor import Visitor

CROWD = 1200  # more than two pages of a roster
SECURITY = "comptia-security-plus"

pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason=HOW)


@pytest.fixture
def crowd() -> int:
    """How many more are in the course."""
    return 0


@pytest.fixture
def second(sqlite_database, loaded_settings, tmp_path, crowd):
    with second_platform(sqlite_database, loaded_settings, tmp_path, crowd=crowd) as found:
        yield found


def members(second) -> dict[str, Member]:
    """By subject."""
    with second.tool.database.reading() as db:
        rows = db.execute(select(Account.subject, Member).join(Member, Member.person_id == Account.person_id))
        return {row[0]: row[1] for row in rows}


def test_a_learner_and_a_teacher_are_let_in_as_what_they_are(second):
    assert "Set your first goal" in second.open("learner").page.text
    assert "Start a program" in second.open("coordinator").page.text
    found = members(second)
    assert {subject: member.teaches for subject, member in found.items()} == {
        second.ids["learner"]: False,
        second.ids["coordinator"]: True,
    }
    with second.tool.database.reading() as db:
        course = db.scalars(select(Course)).one()
        assert (course.label, course.title) == ("C1", "Second course")
        assert second.person(db, "learner").name is None, "names are withheld unless an administrator shares them"


def test_names_are_known_where_the_platform_shares_them(second):
    requests.get(f"{second.url}/share-names", timeout=20)
    second.open("learner")
    with second.tool.database.reading() as db:
        found = second.person(db, "learner")
    assert (found.name, found.email) == ("Learner", "learner@example.org")


def test_a_launch_is_good_once(second):
    visitor = Visitor()
    visitor.get(f"{second.url}/as/learner")
    url, fields = visitor.form("/lti/launch")
    assert visitor.request("POST", url, data=fields).status_code == 303
    again = visitor.request("POST", url, data=fields)
    assert again.status_code == 400
    assert "launch.used_state" in again.text


def test_what_is_placed_by_deep_linking_leads_where_it_says(second):
    visitor = second.choose()
    visitor.submit("/picker/", {"choice": ["home", f"certification {SECURITY}"]})
    assert "successfully saved" in visitor.submit("/lti-dl/response").text
    visitor = Visitor()
    page = visitor.get(f"{second.url}/as/learner").text
    links = {
        title: html.unescape(address)
        for title, address in re.findall(r'<h2>([^<]*)</h2>.*?<a href="([^"]*)"', page, re.S)
    }
    for title, words in (("My mentoring", "Set your first goal"), ("CompTIA Security+", "Choose a certification")):
        visitor.get(links[title])
        assert words in visitor.submit("/lti/launch").text, title


def test_a_single_thing_is_opened_without_a_list(second):
    visitor = second.choose()
    visitor.submit("/picker/", {"choice": f"certification {SECURITY}"})
    visitor.submit("/lti-dl/response")
    assert "Choose a certification" in second.open("learner").page.text


def test_no_choice_is_an_answer_that_the_platform_takes(second):
    visitor = second.choose()
    visitor.submit("/picker/", {"decision": "cancel"})
    assert "successfully saved" in visitor.submit("/lti-dl/response").text
    assert "Set your first goal" in second.open("learner").page.text


def test_the_platform_refuses_an_answer_that_we_did_not_sign(second):
    visitor = second.choose()
    visitor.submit("/picker/", {"choice": "home"})
    address, fields = visitor.form("/lti-dl/response")
    claims = jwt.decode(fields["JWT"], options={"verify_signature": False})
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kid = jwt.get_unverified_header(fields["JWT"])["kid"]
    forged = jwt.encode(claims, stranger, algorithm="RS256", headers={"kid": kid})
    assert visitor.request("POST", address, data={"JWT": forged}).status_code == 403
    assert visitor.request("POST", address, data=fields).status_code == 200


@pytest.mark.parametrize("crowd", [CROWD])
def test_a_roster_is_read_page_by_page_to_its_end(second, crowd):
    second.open("coordinator")
    assert rosters.run(second.tool) == 1
    found = members(second)
    assert len(found) == crowd + len(second.ids)
    assert {subject for subject, member in found.items() if member.teaches} == {second.ids["coordinator"]}
    with second.tool.database.reading() as db:
        assert db.scalars(select(Person.name)).unique().all() == [None]
        row = db.scalars(select(ContextServices)).one()
        assert (row.roster_people, row.roster_problem) == (len(found), None)
    requests.get(f"{second.url}/share-names", timeout=20)
    ask_for_roster(second)
    assert rosters.run(second.tool) == 1
    with second.tool.database.reading() as db:
        names = set(db.scalars(select(Person.name)))
    assert {"Learner", "Crowd-0", f"Crowd-{crowd - 1}"} <= names
    assert len(names) == len(found)


def ask_for_roster(second) -> None:
    with second.tool.database.transaction() as db:
        contexts.ask_for_roster(db.scalars(select(ContextServices)).one())


@pytest.fixture
def mentee(second):
    """The learner is on the way in a program of the course."""
    for name in ("coordinator", "learner", "mentor"):
        second.open(name)
    with second.tool.database.transaction() as db:
        course, today = db.scalars(select(Course)).one(), clock.today()
        draft = ProgramDraft(name="Program", starts_on=today, ends_on=today + timedelta(weeks=9))
        program = programs.create(db, course, draft, by=second.person(db, "coordinator"))
        programs.enroll(db, program, second.person(db, "learner"), "mentee")
        pursuits.start(db, second.person(db, "learner"), SECURITY)
    return second


def open_column(second) -> None:
    with second.tool.database.transaction() as db:
        course, program = db.scalars(select(Course)).one(), db.scalars(select(Program)).one()
        readiness_columns.open_column(db, program, course, SECURITY, by=second.person(db, "coordinator"))


def rate(second, value: int) -> None:
    with second.tool.database.transaction() as db:
        pursuit = db.scalars(select(Pursuit)).one()
        before = standing.of(db, pursuit)
        pursuits.rate_by_mentor(db, pursuit, "1", value, by=second.person(db, "mentor"))
        standing.record_change(db, pursuit, before)


def kept(second) -> tuple[LatestScore, GradeColumn]:
    with second.tool.database.reading() as db:
        return db.scalars(select(LatestScore)).one(), db.scalars(select(GradeColumn)).one()


def test_a_score_is_published_and_its_result_read_back(mentee):
    open_column(mentee)
    for value, points in ((25, 3), (50, 6), (100, 12)):
        rate(mentee, value)
        assert grades.run(mentee.tool) == 1
        score, column = kept(mentee)
        assert (score.sent_value, score.read_value, score.problem, column.problem) == (points, points, None, None)
    assert column.lineitem_url.startswith(f"{mentee.url}/api/lti_consumer/")


def test_a_column_is_found_again_by_our_key(mentee):
    open_column(mentee)
    grades.run(mentee.tool)
    made = kept(mentee)[1].lineitem_url
    with mentee.tool.database.transaction() as db:
        db.scalars(select(GradeColumn)).one().lineitem_url = None
    rate(mentee, 100)
    assert grades.run(mentee.tool) == 1
    assert kept(mentee)[1].lineitem_url == made


def test_a_column_that_was_placed_but_not_made_by_the_platform_is_made_by_us_once_a_coordinator_opens_it(mentee):
    visitor = mentee.choose()
    choice = f"certification {SECURITY}"
    visitor.submit("/picker/", {"choice": choice, "column": choice})
    assert "successfully saved" in visitor.submit("/lti-dl/response").text
    assert grades.run(mentee.tool) == 0, "nothing is told before the platform names the column"
    open_column(mentee)
    assert grades.run(mentee.tool) == 1
    score, column = kept(mentee)
    assert (score.read_value, column.problem) == (0, None)


def progress(second) -> str:
    """What the learner is shown by the platform itself."""
    return requests.get(f"{second.url}/courses/1/learner/progress", timeout=20).text


def test_a_score_is_shown_on_the_progress_page_when_its_link_was_opened_before_the_column_was_made(mentee):
    visitor = mentee.choose()
    visitor.submit("/picker/", {"choice": f"certification {SECURITY}"})
    visitor.submit("/lti-dl/response")
    mentee.open("learner")
    open_column(mentee)
    for value, shown in ((100, "12%"), (50, "6%")):
        rate(mentee, value)
        assert grades.run(mentee.tool) == 1
        assert progress(mentee) == f"Mentoring: {shown}"
    assert kept(mentee)[0].read_value == 6


def test_a_column_of_something_that_is_no_link_of_the_course_stays_out_of_its_progress_page(mentee):
    open_column(mentee)
    assert grades.run(mentee.tool) == 1
    assert progress(mentee) == "No score yet."


def test_a_new_key_of_ours_is_fetched_by_the_platform(second):
    second.open("coordinator")
    assert rosters.run(second.tool) == 1
    with second.tool.database.transaction() as db:
        keys.rotate(db, second.tool.vault).signs_from = clock.now()  # an hour later
        tokens.forget(db)
    ask_for_roster(second)
    assert rosters.run(second.tool) == 1


def test_the_connection_can_be_tried_out(second):
    with second.tool.database.reading() as db:
        (known,) = platforms.listed(db)
    tried = connection.try_out(second.tool, known)
    assert [(each.step, each.problem) for each in tried] == [("keys", None), ("token", None)]
