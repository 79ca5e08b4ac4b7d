"""Forms in a real visit: sent twice, wrong, changed meanwhile."""

import re
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import func, select

from lti_mentor import clock, web
from lti_mentor.mentoring import evidence, notices, pairing, programs
from lti_mentor.mentoring.evidence import Submission
from lti_mentor.mentoring.goals import Goal
from lti_mentor.mentoring.programs import ProgramDraft
from tests.support.member import Member
from xapi import store
from xapi.vocabulary import Verbs


@pytest.fixture
def learner(database, cast, loaded_settings):
    return Member(database, loaded_settings, cast.learner, cast.course)


@pytest.fixture
def mentor(database, cast, loaded_settings):
    return Member(database, loaded_settings, cast.mentor, cast.course)


def count(database, row) -> int:
    with database.reading() as db:
        return db.scalar(select(func.count()).select_from(row))


GOAL = {"title": "Read the guide", "target": "20", "visibility": "shared", "link": "measure"}


def due():
    return clock.today().replace(year=clock.today().year + 1).isoformat()


def test_a_form_that_is_sent_twice_counts_once_and_leads_to_the_same_page(database, learner):
    first = learner.post("learner/goals", "learner/goals/new", due_on=due(), **GOAL)
    second = learner.again("learner/goals", learner.sent)
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["Location"] == second.headers["Location"]
    assert count(database, Goal) == 1


def test_a_goal_without_title_or_with_nonsense_is_shown_again_with_what_was_typed(database, learner):
    answer = learner.post(
        "learner/goals", "learner/goals/new", **{**GOAL, "title": "", "target": "lots", "due_on": "soon"}
    )
    assert answer.status_code == 422
    assert "Give a number, such as" in answer.text
    assert 'value="lots"' in answer.text
    assert count(database, Goal) == 0


def test_a_wrong_field_can_be_mended_in_the_same_form(database, learner):
    learner.post("learner/goals", "learner/goals/new", due_on="2020-01-01", **GOAL)
    answer = learner.again("learner/goals", {**learner.sent, "due_on": due()})
    assert answer.status_code == 303
    assert count(database, Goal) == 1


def test_what_answers_a_form_stands_in_the_history_as_the_page_of_the_form(database, cast, learner, mentor):
    refused = learner.post("learner/goals", "learner/goals/new", **{**GOAL, "due_on": "soon"})
    assert (refused.status_code, refused.headers["HX-Push-Url"]) == (422, "false")
    assert f'data-here="/v/{learner.visit.key}/learner/goals/new"' in refused.text
    assert refused.text.count("/answer.js") == 1
    assert "/answer.js" not in learner.get("learner/goals/new").text
    unknown = mentor.again(f"pair/check-ins/{cast.learner.id}/fine", {})
    assert unknown.status_code == 403
    assert f'data-here="/v/{mentor.visit.key}/"' in unknown.text, "no page shows this form again"


def test_whatever_shows_a_form_again_is_a_page_of_its_own(learner):
    views = learner.client.application.view_functions.values()
    for path in Path(web.__file__).parent.rglob("*.py"):
        module = ".".join((web.__name__, *path.relative_to(Path(web.__file__).parent).with_suffix("").parts))
        for name in re.findall(r"^@form\(again=(\w+)\)", path.read_text(), re.MULTILINE):
            assert getattr(import_module(module), name) in views


def test_accepting_without_a_rating_and_returning_without_a_comment_are_refused(database, cast, mentor):
    with database.transaction() as db:
        piece = evidence.submit(db, db.merge(cast.pursuit), "1", Submission(text="One"))
    page = f"mentor/evidence/{piece.id}"
    assert "Choose a rating before you accept." in mentor.post(page, page, version="1", decision="accept").text
    assert "Say why" in mentor.post(page, page, version="1", decision="return").text
    assert mentor.post(page, page, version="1", decision="return", comment="More").status_code == 303


@pytest.mark.threat("login_csrf")
def test_a_form_of_another_origin_is_refused(learner):
    learner.get("learner/goals/new")
    hidden = dict(re.findall(r'name="(csrf|once)" value="([^"]*)"', learner.get("learner/goals/new").text))
    answer = learner.client.post(
        f"/v/{learner.visit.key}/learner/goals",
        data={**hidden, **GOAL, "due_on": due()},
        base_url="http://localhost:8000",
        headers={"Origin": "https://evil.example.org"},
    )
    assert answer.status_code == 403


def test_a_coordinator_asks_a_silent_pair_how_it_goes_and_reads_the_answer(database, cast, loaded_settings):
    with clock.moved_to(clock.now() + timedelta(days=40)):
        coordinator, learner, mentor = (
            Member(database, loaded_settings, person, cast.course)
            for person in (cast.coordinator, cast.learner, cast.mentor)
        )
        asked = coordinator.post(
            f"coordinator/programs/{cast.program.id}/reminders",
            "coordinator/",
            kind="silent",
            mentorship=str(cast.mentorship.id),
            **{"as": "check_in"},
        )
        assert asked.status_code == 303
        assert "learner no answer yet, mentor no answer yet" in coordinator.get("coordinator/").text
        for member, home, word in ((learner, "learner/", "help"), (mentor, "mentor/", "fine")):
            assert "Your coordinator asks how you and" in member.get(home).text
            address = re.search(rf"pair/check-ins/[0-9a-f-]+/{word}", member.get(home).text)[0]
            assert member.post(address, home).status_code == 303
            assert "Your coordinator asks how you and" not in member.get(home).text
        assert "learner could use help, mentor fine" in coordinator.get("coordinator/").text


@pytest.mark.parametrize(("proxies", "status"), [(1, 303), (0, 403)])
def test_the_host_a_proxy_names_is_believed_only_when_proxies_are_trusted(
    database, cast, loaded_settings, proxies, status
):
    behind = replace(loaded_settings, trusted_proxies=proxies)
    learner = Member(database, behind, cast.learner, cast.course)
    hidden = dict(re.findall(r'name="(csrf|once)" value="([^"]*)"', learner.get("learner/goals/new").text))
    answer = learner.client.post(
        f"/v/{learner.visit.key}/learner/goals",
        data={**hidden, **GOAL, "due_on": due()},
        base_url="http://localhost:8000",
        headers={
            "Origin": "https://mentor.example.org",
            "X-Forwarded-Host": "mentor.example.org",
            "X-Forwarded-Proto": "https",
        },
    )
    assert answer.status_code == status


def test_an_exam_domain_that_is_not_there_is_no_rating(sqlite_database, sqlite_cast, loaded_settings):
    member = Member(sqlite_database, loaded_settings, sqlite_cast.learner, sqlite_cast.course)
    page = f"learner/pursuits/{sqlite_cast.pursuit.id}/rating"
    assert member.post(page, page, **{"rating-99": "50"}).status_code == 422


def test_a_number_that_is_none_is_said_beside_its_field(sqlite_database, sqlite_cast, loaded_settings):
    member = Member(sqlite_database, loaded_settings, sqlite_cast.learner, sqlite_cast.course)
    typed = {"title": "Read", "baseline": "0", "due_on": "2049-01-01"}
    for word in ("nan", "1e400", "inf"):
        answer = member.post("learner/goals", "learner/goals/new", target=word, **typed)
        assert answer.status_code == 422
        assert "such as 12 or 2.5." in answer.text
        assert "Try again in a moment" not in answer.text


def test_a_version_that_came_meanwhile_is_shown_and_nothing_of_the_review_is_lost(database, cast, mentor):
    with database.transaction() as db:
        piece = evidence.submit(db, db.merge(cast.pursuit), "1", Submission(text="The first version."))
    page = f"mentor/evidence/{piece.id}"
    hidden = dict(re.findall(r'name="(csrf|once)" value="([^"]*)"', mentor.get(page).text))
    with database.transaction() as db:
        found = evidence.get_own(db, cast.learner, piece.id)
        evidence.resubmit(db, found, Submission(text="The second version."))
    typed = {**hidden, "version": "1", "rating": "50", "comment": "Yes.", "decision": "accept"}
    answer = mentor.again(page, typed)
    assert answer.status_code == 422
    for shown in ("The second version.", "Yes.", 'name="version" value="2"', "sent a new version meanwhile"):
        assert shown in answer.text
    assert re.search(r'name="rating" value="50" checked', answer.text)
    assert mentor.again(page, typed | {"version": "2"}).status_code == 303


def test_somebody_interested_in_a_second_certification_starts_studying(database, cast, learner):
    page = learner.get("learner/certifications")
    assert "already on your way" in page.text
    assert learner.post("learner/certifications", "learner/certifications", status="interested").status_code == 422
    begun = learner.post("learner/certifications", "learner/certifications", certification="cka", status="interested")
    place = begun.headers["Location"].split("/learner/")[1].removesuffix("/rating")
    assert "Start studying" in learner.get(f"learner/{place}").text
    assert learner.post(f"learner/{place}/studying", f"learner/{place}").status_code == 303
    assert "Start studying" not in learner.get(f"learner/{place}").text
    assert "Choose another certification" in learner.get("learner/").text


@pytest.mark.parametrize(
    ("locale", "typed", "kept"), [("en", "1,234.5", 1234.5), ("de", "1.234,5", 1234.5), ("de", "0.5", 0.5)]
)
def test_a_number_is_read_as_the_language_writes_it(database, cast, loaded_settings, locale, typed, kept):
    with database.transaction() as db:
        person = db.merge(cast.learner)
        person.locale = locale
    member = Member(database, loaded_settings, person, cast.course)
    assert (
        member.post("learner/goals", "learner/goals/new", due_on=due(), **GOAL | {"target": typed}).status_code == 303
    )
    with database.reading() as db:
        goal = db.scalars(select(Goal)).one()
    assert goal.target == kept
    page = member.get(f"learner/goals/{goal.id}").text
    shown = re.search(r'name="current"[^>]* value="([^"]*)"', page)[1]
    again = member.post(f"learner/goals/{goal.id}/progress", f"learner/goals/{goal.id}", current=shown)
    assert again.status_code == 303


def test_a_reminder_says_whom_it_is_about(database, cast, mentor, learner):
    with database.transaction() as db:
        pair = db.merge(cast.mentorship)
        notices.remind(db, pair, "silent", by=db.merge(cast.coordinator))
    assert "it is time to meet Learner" in mentor.get("mentor/").text
    assert "it is time to meet Mentor" in learner.get("learner/").text


def test_a_goal_said_to_be_achieved_is_opened_again_until_it_is_confirmed(database, cast, learner, mentor):
    learner.post("learner/goals", "learner/goals/new", due_on=due(), **GOAL)
    with database.reading() as db:
        goal = db.scalars(select(Goal)).one()
    page = f"learner/goals/{goal.id}"
    done = learner.post(f"{page}/achieved", page)
    assert "The goal is achieved." in learner.get(done.headers["Location"].split("/", 3)[3]).text
    assert learner.post(f"{page}/reopened", page).status_code == 303
    with database.reading() as db:
        assert db.get_one(Goal, goal.id).status == "open"
        said = list(store.scan(db, tenant=cast.learner.organization_id, verbs=[Verbs.ACHIEVED.iri]))
    assert said == []
    learner.post(f"{page}/achieved", page)
    record = f"mentor/mentees/{cast.mentorship.id}"
    assert mentor.post(f"mentor/goals/{goal.id}/confirmed", record).status_code == 303
    assert "open it again" not in learner.get(page).text
    assert learner.again(f"{page}/reopened", learner.sent | {"once": "y" * 20}).status_code == 409


def test_times_and_dates_are_checked_where_they_stand(database, cast, learner):
    page = f"pair/{cast.mentorship.id}/meetings"
    for typed, field, words in (
        ({"day": due(), "time": ""}, "time", "Give a time, such as"),
        ({"day": "9999-12-31", "time": "10:00"}, "day", "This date is too far away"),
        ({"day": "tomorrow", "time": "10:00"}, "day", "Give a date"),
    ):
        answer = learner.post(page, page, **typed)
        assert answer.status_code == 422
        assert f'id="problem-{field}"' in answer.text
        assert words in answer.text


def test_a_learner_of_two_programs_sees_both_mentors(database, cast, learner):
    with database.transaction() as db:
        today = clock.today()
        draft = ProgramDraft(name="Second", starts_on=today, ends_on=today + timedelta(days=90))
        second = programs.create(db, db.merge(cast.course), draft, by=cast.coordinator)
        programs.enroll(db, second, cast.analyst, "mentor", capacity=1)
        programs.enroll(db, second, cast.learner, "mentee")
        pairing.pair(db, second, mentor=cast.analyst, mentee=cast.learner, by=cast.coordinator)
    page = learner.get("learner/").text
    assert "mentor in another program" in page
    assert f"pair/{cast.mentorship.id}/meetings" in page
