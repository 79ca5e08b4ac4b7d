"""Joining: what a course shows counts from the moment somebody is in it, on record and in its gradebook."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.mentoring import course_map, courses, gradebook, joining, programs, pursuits, results, standing
from lti_mentor.mentoring.courses import Listed, Place
from lti_mentor.mentoring.gradebook import LatestScore
from tests.conftest import met
from xapi import store
from xapi.vocabulary import Verbs

SECURITY = "comptia-security-plus"
YESTERDAY = timedelta(days=-1)


@pytest.fixture
def db(database, cast):
    with database.transaction() as session:
        yield session


@pytest.fixture
def course(db, cast):
    """Another course of the program, with an item that was due yesterday and a column of its gradebook."""
    found = courses.meet(
        db,
        cast.course.organization_id,
        deployment_id=cast.course.deployment_id,
        context_id="2",
        label="C2",
        title="Two",
    )
    courses.join(db, found, cast.coordinator, teaches=True)
    programs.attach(db, cast.program, found, by=cast.coordinator)
    due_at = clock.now() + YESTERDAY
    item = courses.add_item(db, found, activity_iri="https://lms.example.org/2", title="Quiz", due_at=due_at)
    course_map.save(db, found, {item.id: {(SECURITY, "1"): 1}}, by=cast.coordinator)
    gradebook.open_column(db, cast.program, found, SECURITY)
    before = standing.of(db, cast.pursuit)
    pursuits.rate_by_mentor(db, cast.pursuit, "1", 100, by=cast.mentor)
    standing.record_change(db, cast.pursuit, before)
    return found


def readiness_said(db, cast):
    said = store.scan(db, tenant=cast.learner.organization_id, verbs=[Verbs.SCORED.iri])
    return [each["result"]["score"]["raw"] for each in said]


def scores(db, cast):
    return [score.value for score in db.scalars(select(LatestScore).where(LatestScore.person_id == cast.learner.id))]


def launch(db, cast, course):
    place = Place(deployment_id=course.deployment_id, context_id="2", label="C2", title="Two")
    return joining.enter(db, cast.learner, place, teaches=False)


def read_roster(db, cast, course, *, is_active=True):
    listed = [Listed(cast.learner, False, is_active), Listed(cast.mentor, False, True)]
    return joining.take_roster(db, course, listed, at=clock.now())


@pytest.mark.parametrize("join", [launch, read_roster])
def test_whoever_joins_a_course_whose_item_is_due_has_it_on_record_at_once(db, cast, course, join):
    assert readiness_said(db, cast) == [12]
    join(db, cast, course)
    assert readiness_said(db, cast) == [12, pytest.approx(7.2)], "60 % of the mentor's 100 and nothing of the course"
    assert scores(db, cast) == [7], "the column was opened before they came"
    join(db, cast, course)
    assert len(readiness_said(db, cast)) == 2


def test_a_course_without_anything_of_their_certification_moves_nothing(db, cast):
    place = Place(deployment_id=cast.course.deployment_id, context_id="3", label=None, title=None)
    joining.enter(db, cast.learner, place, teaches=False)
    assert readiness_said(db, cast) == []


def test_whoever_comes_back_is_shown_where_they_stand_by_now(db, cast, course):
    read_roster(db, cast, course)
    assert read_roster(db, cast, course, is_active=False) == [cast.learner.id]
    before = standing.of(db, cast.pursuit)
    pursuits.rate_by_mentor(db, cast.pursuit, "1", 50, by=cast.mentor)
    standing.record_change(db, cast.pursuit, before)
    assert scores(db, cast) == [7], "somebody who left is told nothing of"
    said = readiness_said(db, cast)
    launch(db, cast, course)
    assert scores(db, cast) == [4]
    assert readiness_said(db, cast) == said


def test_a_learner_who_is_enrolled_after_the_column_was_opened_is_in_it(db, cast):
    newcomer = met(db, "Home", "newcomer")
    courses.join(db, cast.course, newcomer, teaches=False)
    pursuits.start(db, newcomer, SECURITY)
    column = gradebook.open_column(db, cast.program, cast.course, SECURITY)
    assert gradebook.scores_of(db, column) == {}
    joining.enroll(db, cast.program, newcomer, "mentor", capacity=1)
    assert gradebook.scores_of(db, column) == {}
    joining.enroll(db, cast.program, newcomer, "mentee")
    assert set(gradebook.scores_of(db, column)) == {newcomer.id}


def test_whoever_begins_has_what_their_courses_show_on_record(db, cast):
    item = courses.add_item(db, cast.course, activity_iri="https://lms.example.org/1", title="Quiz")
    course_map.save(db, cast.course, {item.id: {(SECURITY, "1"): 1}}, by=cast.coordinator)
    results.take(db, item, cast.other_learner, score=100, maximum=100, source="typed", at=clock.now())
    column = gradebook.open_column(db, cast.program, cast.course, SECURITY)
    joining.start(db, cast.other_learner, SECURITY, status="studying", target_on=None)
    assert readiness_said(db, cast) == [12]
    assert gradebook.scores_of(db, column)[cast.other_learner.id].value == 12
