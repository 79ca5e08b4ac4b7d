"""What stands first on the homes of learner and mentor."""

from datetime import date, timedelta

import pytest

from lti_mentor import clock
from lti_mentor.mentoring import catalog, course_map, courses, goals, meetings, mentorships, programs, pursuits, results
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.mentoring.homes import learner, mentor
from tests.conftest import met
from xapi import store
from xapi.vocabulary import Verbs


@pytest.fixture
def db(database, cast):
    with database.transaction() as session:
        yield session


def rated(db, pursuit, value=50):
    pursuits.rate_self(db, pursuit, {domain.code: value for domain in catalog.entry(pursuit.certification_id).domains})


def with_goal(db, cast):
    draft = GoalDraft(title="Read", baseline=0, target=10, due_on=clock.today() + timedelta(days=9))
    goals.set_goal(db, cast.learner, draft)


def test_the_next_step_names_the_certification_it_is_about(db, cast):
    with_goal(db, cast)
    newer = pursuits.start(db, cast.learner, "cka")
    rated(db, newer)
    step = learner.home(db, cast.learner, None).next_step
    assert (step.code, step.strip.pursuit.id) == ("not_rated", cast.pursuit.id)
    rated(db, cast.pursuit)
    pursuits.pass_exam(db, newer)
    pursuits.award(db, newer, awarded_on=clock.today(), expires_on=clock.today() + timedelta(days=30))
    step = learner.home(db, cast.learner, None).next_step
    assert (step.code, step.strip.pursuit.id) == ("largest_gap", cast.pursuit.id)
    older = pursuits.get_own(db, cast.learner, cast.pursuit.id)
    pursuits.book_exam(db, older, clock.today() + timedelta(days=9))
    step = learner.home(db, cast.learner, None).next_step
    assert (step.code, step.strip.pursuit.id) == ("exam_soon", cast.pursuit.id)


def test_the_mentors_rows_are_sorted_by_the_first_reason_that_fires(db, cast):
    now = clock.now()
    names = ("nothing", "overdue_goal", "silent_with_a_plan", "not_met_20", "not_met_40")
    pairs = {}
    programs.enroll(db, cast.program, cast.mentor, "mentor", capacity=9)
    for name in names:
        person = met(db, "Home", name)
        programs.enroll(db, cast.program, person, "mentee")
        pairs[name] = mentorships.pair(db, cast.program, mentor=cast.mentor, mentee=person, by=cast.coordinator)
    for name, days in (("not_met_20", 20), ("not_met_40", 40), ("silent_with_a_plan", 40)):
        pairs[name].started_at = now - timedelta(days=days)
    meetings.plan(db, pairs["silent_with_a_plan"], planned_at=now + timedelta(days=3), minutes=30, by=cast.mentor)
    late = met(db, "Home", "overdue_goal")
    with clock.moved_to(now - timedelta(days=9)):
        draft = GoalDraft(title="Late", baseline=0, target=1, due_on=clock.today() + timedelta(days=2))
        goals.set_goal(db, late, draft)
    rows = mentor.home(db, cast.mentor).rows
    order = [row.person.name for row in rows if row.person.id != cast.learner.id]
    assert order == ["Not_Met_40", "Not_Met_20", "Silent_With_A_Plan", "Overdue_Goal", "Nothing"]


def test_a_mentor_reads_what_changed_since_the_last_meeting(db, cast):
    item = courses.add_item(db, cast.course, activity_iri="https://lms.example.org/items/1", title="Quiz 1")
    course_map.save(db, cast.course, {item.id: {("comptia-security-plus", "1"): 1}}, by=cast.coordinator)
    results.take(db, item, cast.learner, score=68, maximum=100, source="statement", at=clock.now())
    with_goal(db, cast)
    goals.achieve(db, goals.all_of(db, cast.learner)[0], by=cast.learner)
    (row,) = mentor.home(db, cast.mentor).rows
    assert [(each.item_title, each.value) for each in row.new_results] == [("Quiz 1", 68)]
    assert row.goals_achieved == 1


def test_a_certificate_counts_on_the_day_it_was_awarded(db, cast):
    way = pursuits.get_own(db, cast.learner, cast.pursuit.id)
    pursuits.pass_exam(db, way)
    pursuits.award(db, way, awarded_on=date(2019, 3, 1), expires_on=None)
    last = list(store.scan(db, tenant=cast.learner.organization_id, verbs=[Verbs.EARNED.iri]))[-1]
    assert last["timestamp"].startswith("2019-03-01T12:00")
