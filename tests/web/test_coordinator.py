"""The coordinator's pages: map, settings, people and pairs."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.lti import contexts, platforms
from lti_mentor.mentoring import catalog, course_map, courses, evidence, mentorships, programs
from lti_mentor.mentoring.evidence import Submission
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.notices import Reminder
from lti_mentor.mentoring.programs import Program
from tests.conftest import met
from tests.support.member import Member
from tests.web.conftest import REGISTRATION

SECURITY = "comptia-security-plus"


@pytest.fixture
def coordinator(database, cast, loaded_settings):
    return Member(database, loaded_settings, cast.coordinator, cast.course)


def test_a_suggested_domain_counts_only_when_it_is_saved(database, cast, coordinator):
    domain = catalog.entry(SECURITY).domains[1]
    with database.transaction() as db:
        item = courses.add_item(db, cast.course, activity_iri="urn:quiz", title=f"Quiz: {domain.title}")
    page = f"coordinator/courses/{cast.course.id}/map"
    assert f'<option value="{SECURITY}/{domain.code}" selected>' not in coordinator.get(page).text
    shown = coordinator.get(f"{page}?suggested=yes").text
    assert f'<option value="{SECURITY}/{domain.code}" selected>' in shown
    assert "<small>suggested</small>" in shown
    with database.reading() as db:
        assert course_map.of_course(db, cast.course) == {}
    typed = {"item": str(item.id), f"domain-{item.id}": f"{SECURITY}/{domain.code}"}
    wrong = coordinator.post(page, page, **typed, **{f"weight-{item.id}": "many"})
    assert wrong.status_code == 422
    assert 'value="many"' in wrong.text
    assert coordinator.post(page, page, **typed, **{f"weight-{item.id}": "3"}).status_code == 303
    with database.reading() as db:
        assert course_map.of_course(db, cast.course) == {item.id: {(SECURITY, domain.code): 3}}
    assert "suggested" not in coordinator.get(page).text
    twice = {**typed, f"domain-{item.id}": [f"{SECURITY}/1", f"{SECURITY}/1"]}
    answer = coordinator.post(page, page, **twice)
    assert answer.status_code == 422
    assert re.search(r'<span dir="auto">Quiz: [^<]+</span>: This exam domain is chosen twice', answer.text)


def test_a_program_form_says_every_problem_at_once_and_names_the_fields(database, coordinator):
    typed = {"name": "", "starts_on": "soon", "ends_on": "2027-01-01", "target_active": "140", "target_certified": "x"}
    answer = coordinator.post("coordinator/programs", "coordinator/programs/new", **typed)
    assert answer.status_code == 422
    said = re.findall(r'<li><a href="#(\w+)"><span dir="auto">([^<]+)</span>', answer.text)
    assert said == [
        ("name", "Name"),
        ("starts_on", "Starts"),
        ("target_active", "Pairs active"),
        ("target_certified", "People certified"),
    ]
    with database.reading() as db:
        assert len(db.scalars(select(Program)).all()) == 1


def test_settings_change_what_is_not_fixed(database, cast, coordinator):
    page = f"coordinator/programs/{cast.program.id}/settings"
    shown = coordinator.get(page).text
    assert 'name="target_active"' not in shown
    ends_on = (cast.program.ends_on + timedelta(days=7)).isoformat()
    typed = {"name": "Renamed", "ends_on": ends_on, "meetings_per_month": "3"}
    assert coordinator.post(page, page, **typed).status_code == 303
    assert coordinator.post(page, page, **typed, target_active="10").status_code == 409
    rules = {"mentor_weight": "70", "ready_line": "80", "floor": "60"}
    assert coordinator.post(page.replace("settings", "rules"), page, **rules).status_code == 303
    wrong = coordinator.post(page.replace("settings", "rules"), page, **rules | {"floor": "90"})
    assert wrong.status_code == 422
    assert "at most the ready line" in wrong.text
    with database.reading() as db:
        program = db.get_one(Program, cast.program.id)
    assert (program.name, program.ends_on.isoformat(), program.meetings_per_month) == ("Renamed", ends_on, 3)
    assert (program.mentor_weight, program.ready_line, program.floor) == (70, 80, 60)


def test_the_program_runs_in_a_second_course_after_one_click_there(database, cast, loaded_settings):
    with database.transaction() as db:
        other = courses.meet(
            db,
            cast.course.organization_id,
            deployment_id=cast.course.deployment_id,
            context_id="2",
            label="C2",
            title="Course two",
        )
        courses.join(db, other, cast.coordinator, teaches=True)
    there = Member(database, loaded_settings, cast.coordinator, other)
    page = f"coordinator/programs/{cast.program.id}/settings"
    assert "Let it run in Course two too" in there.get(page).text
    assert there.post(f"coordinator/programs/{cast.program.id}/courses", page).status_code == 303
    assert "Let it run in" not in there.get(page).text
    assert f"courses/{other.id}/map" in there.get("coordinator/").text


def test_a_mentor_takes_a_break_and_comes_back(database, cast, coordinator):
    page = f"coordinator/programs/{cast.program.id}/people"
    mentor = f"coordinator/programs/{cast.program.id}/mentors/{cast.mentor.id}"
    assert coordinator.post(f"{mentor}/paused", page).status_code == 303
    assert "takes a break" in coordinator.get(page).text
    kept = coordinator.sent
    assert coordinator.again(f"{mentor}/resumed", kept).status_code == 303, "another button of the same page"
    assert "takes a break" not in coordinator.get(page).text
    assert coordinator.again(f"{mentor}/paused", kept).status_code == 303, "the same once more changes nothing"
    assert "takes a break" not in coordinator.get(page).text
    many = {"person": str(cast.mentor.id), "part": "mentor", "capacity": "9" * 5000}
    assert coordinator.post(page, page, **many).status_code == 422
    stranger = f"coordinator/programs/{cast.program.id}/mentors/{cast.learner.id}/paused"
    assert coordinator.post(stranger, page).status_code == 404


def test_a_pair_is_finished_and_the_learner_paired_again_with_what_waits(database, cast, coordinator):
    with database.transaction() as db:
        piece = evidence.submit(db, db.merge(cast.pursuit), "1", Submission(text="I did it."))
        second = met(db, "Home", "second mentor")
        programs.enroll(db, cast.program, second, "mentor", capacity=1)
    pairs = f"coordinator/programs/{cast.program.id}/pairs"
    assert f"{cast.mentorship.id}" in coordinator.get(pairs).text
    one = f"{pairs}/{cast.mentorship.id}"
    assert "They have not met yet." in coordinator.get(one).text
    assert coordinator.post(f"{one}/ended", one).status_code == 303
    assert "Nobody is paired at the moment" in coordinator.get(pairs).text
    assert coordinator.get(one).status_code == 404
    pairing = f"coordinator/programs/{cast.program.id}/pairing"
    assert coordinator.post(pairing, pairing, **{f"mentor-{cast.learner.id}": str(second.id)}).status_code == 303
    with database.reading() as db:
        assert evidence.get_for_mentor(db, second, piece.id).status == "waiting"


def test_the_two_finish_by_themselves(database, cast, loaded_settings):
    learner = Member(database, loaded_settings, cast.learner, cast.course)
    page = f"pair/{cast.mentorship.id}/meetings"
    assert learner.post(f"pair/{cast.mentorship.id}/completed", page).status_code == 303
    with database.reading() as db:
        assert db.get_one(Mentorship, cast.mentorship.id).status == "completed"
    assert learner.get(page).status_code == 404


def test_one_place_for_two_learners_names_the_one_who_finds_it_taken(database, cast, coordinator):
    with database.transaction() as db:
        mentorships.end(db, db.merge(cast.mentorship), by=cast.coordinator)
    pairing = f"coordinator/programs/{cast.program.id}/pairing"
    both = {f"mentor-{person.id}": str(cast.mentor.id) for person in (cast.learner, cast.other_learner)}
    answer = coordinator.post(pairing, pairing, **both)
    assert answer.status_code == 422
    assert re.search(
        r'<span dir="auto">(Learner|Other_Learner)</span>: This mentor has no free place left', answer.text
    )
    with database.reading() as db:
        assert db.scalars(select(Mentorship).where(Mentorship.status == "open")).all() == []


def test_all_silent_pairs_are_reminded_at_once(database, cast, coordinator):
    with database.transaction() as db:
        second = met(db, "Home", "second mentor")
        programs.enroll(db, cast.program, second, "mentor", capacity=1)
        long_ago = clock.now() - timedelta(days=40)
        with clock.moved_to(long_ago):
            mentorships.pair(db, cast.program, mentor=second, mentee=cast.other_learner, by=cast.coordinator)
        db.merge(cast.mentorship).started_at = long_ago
    assert "Remind all" in coordinator.get("coordinator/").text
    sent = coordinator.post(
        f"coordinator/programs/{cast.program.id}/reminders", "coordinator/", kind="silent", mentorship="all"
    )
    assert sent.status_code == 303
    with database.reading() as db:
        assert len(db.scalars(select(Reminder).where(Reminder.kind == "silent")).all()) == 4
    page = coordinator.get("coordinator/").text
    assert page.count("reminded this week") == 4, "both pairs, in the list of the unmet and of the silent"
    assert "Remind all" not in page


def test_a_pair_that_was_only_asked_was_not_reminded(database, cast, coordinator):
    with database.transaction() as db:
        db.merge(cast.mentorship).started_at = clock.now() - timedelta(days=40)
    reminders = f"coordinator/programs/{cast.program.id}/reminders"
    coordinator.post(reminders, "coordinator/", kind="silent", mentorship="all", **{"as": "check_in"})
    page = coordinator.get("coordinator/").text
    assert "reminded this week" not in page
    assert "asked this week how it goes" in page
    assert "learner no answer yet, mentor no answer yet" in page


def test_another_program_is_one_click_away(database, cast, coordinator):
    first = coordinator.get("coordinator/").text
    assert "Start another program in this course" in first
    today = clock.today()
    typed = {
        "name": "Second",
        "starts_on": today.isoformat(),
        "ends_on": (today + timedelta(days=90)).isoformat(),
        "meetings_per_month": "1",
    }
    assert coordinator.post("coordinator/programs", "coordinator/programs/new", **typed).status_code == 303
    page = coordinator.get("coordinator/").text
    assert "Second" in page
    assert f"program={cast.program.id}" in page
    assert "Program" in coordinator.get(f"coordinator/?program={cast.program.id}").text


def test_the_gradebook_page_says_what_would_be_sent_before_anything_is(database, cast, coordinator, loaded_settings):
    page = f"coordinator/programs/{cast.program.id}/courses/{cast.course.id}/grades"
    assert "offers no gradebook" in coordinator.get(page).text
    with database.transaction() as db:
        platform = platforms.add(db, REGISTRATION, organization_id=cast.course.organization_id)
        course = db.merge(cast.course)
        course.deployment_id = platform.deployments[0].id
        offered = contexts.Offered(None, "https://lms.example.org/lineitems", ())
        contexts.keep(db, platform.deployments[0], course.context_id, offered)
    shown = coordinator.get(page).text
    assert "Nothing is sent before you show it" in shown
    assert "Learner</th>" in shown
    assert coordinator.post(page, page, certification="pmp").status_code == 422
    assert coordinator.post(page, page, certification=SECURITY).status_code == 303
    assert "waits" in coordinator.get(page).text
    goals_page = coordinator.get(f"{page}?certification=goals").text
    assert "Nothing is sent before you show it" in goals_page
    assert "Other_Learner</a>" in goals_page
    assert coordinator.post(page, page, certification="goals").status_code == 303
    assert "Goal progress" in coordinator.get(f"{page}?certification=goals").text
    assert coordinator.post(f"{page}/closed", page, certification="goals").status_code == 303
    assert coordinator.post(f"{page}/closed", page, certification=SECURITY).status_code == 303
    assert coordinator.post(f"{page}/closed", page, certification=SECURITY).status_code == 404
    with database.transaction() as db:
        teacher = met(db, "Home", "teacher")
        courses.join(db, db.merge(cast.course), teacher, teaches=True)
    assert Member(database, loaded_settings, teacher, cast.course).get(page).status_code == 404
