"""The course map: who sets it, what it suggests, and how readiness follows."""

from datetime import timedelta

import pytest

from lti_mentor import clock
from lti_mentor.errors import Invalid, NotAllowed, NotFound
from lti_mentor.mentoring import catalog, course_map, courses, programs, results, standing
from tests.conftest import met
from xapi import store
from xapi.vocabulary import Verbs

SECURITY = "comptia-security-plus"


@pytest.fixture
def db(database, cast):
    with database.transaction() as session:
        yield session


def item(db, cast, title="Quiz 1"):
    return courses.add_item(db, cast.course, activity_iri=f"https://lms.example.org/{title}", title=title)


def readiness_said(db, cast):
    said = store.scan(db, tenant=cast.learner.organization_id, verbs=[Verbs.SCORED.iri])
    return [each["result"]["score"]["raw"] for each in said]


def test_a_coordinator_who_does_not_teach_the_course_sets_its_map_too(db, cast):
    second = met(db, "Home", "second coordinator")
    quiz = item(db, cast)
    with pytest.raises(NotAllowed):
        course_map.save(db, cast.course, {quiz.id: {(SECURITY, "1"): 1}}, by=second)
    programs.enroll(db, cast.program, second, "coordinator")
    course_map.save(db, cast.course, {quiz.id: {(SECURITY, "1"): 1}}, by=second)
    assert course_map.of_course(db, cast.course) == {quiz.id: {(SECURITY, "1"): 1}}


def test_saving_some_items_leaves_the_map_of_the_others_and_its_weights(db, cast):
    first, second = item(db, cast, "Quiz 1"), item(db, cast, "Quiz 2")
    lines = {first.id: {(SECURITY, "1"): 3}, second.id: {(SECURITY, "2"): 1, (SECURITY, "3"): 2}}
    course_map.save(db, cast.course, lines, by=cast.coordinator)
    course_map.save(db, cast.course, {second.id: {}}, by=cast.coordinator)
    assert course_map.of_course(db, cast.course) == {first.id: {(SECURITY, "1"): 3}}


def test_a_change_of_the_map_moves_readiness_on_record(db, cast):
    quiz = item(db, cast)
    results.take(db, quiz, cast.learner, score=90, maximum=100, source="statement", at=clock.now())
    assert readiness_said(db, cast) == []
    course_map.save(db, cast.course, {quiz.id: {(SECURITY, "1"): 1}}, by=cast.coordinator)
    now = standing.of(db, cast.pursuit).readiness.confirmed
    assert readiness_said(db, cast) == [pytest.approx(float(now))]
    course_map.save(db, cast.course, {quiz.id: {(SECURITY, "1"): 2}}, by=cast.coordinator)
    assert len(readiness_said(db, cast)) == 1, "another weight of the only item changes nothing"
    course_map.save(db, cast.course, {quiz.id: {}}, by=cast.coordinator)
    assert readiness_said(db, cast)[1:] == [0]


@pytest.mark.parametrize(
    ("lines", "error"),
    [({(SECURITY, "1"): 0}, Invalid), ({(SECURITY, "9"): 1}, NotFound), ({("no such thing", "1"): 1}, NotFound)],
)
def test_a_wrong_line_changes_nothing(db, cast, lines, error):
    quiz = item(db, cast)
    course_map.save(db, cast.course, {quiz.id: {(SECURITY, "1"): 1}}, by=cast.coordinator)
    with pytest.raises(error):
        course_map.save(db, cast.course, {quiz.id: lines}, by=cast.coordinator)
    assert course_map.of_course(db, cast.course) == {quiz.id: {(SECURITY, "1"): 1}}


def test_a_title_like_that_of_a_domain_is_a_suggestion(db, cast):
    entries = [catalog.entry(SECURITY)]
    wanted = {domain.code: domain.title for domain in entries[0].domains}
    for code, title in wanted.items():
        assert course_map.suggest(f"Quiz: {title}", entries) == (SECURITY, code)
        assert course_map.suggest(title.upper(), entries) == (SECURITY, code)
    assert course_map.suggest("Quiz 1", entries) is None
    assert course_map.suggest("Welcome", entries) is None


def test_a_result_graded_again_keeps_the_earlier_one_for_the_time_before(db, cast):
    quiz = item(db, cast)
    course_map.save(db, cast.course, {quiz.id: {(SECURITY, "1"): 1}}, by=cast.coordinator)
    now = clock.now()
    for days, score in ((40, 50), (3, 80)):
        results.take(
            db, quiz, cast.learner, score=score, maximum=100, source="statement", at=now - timedelta(days=days)
        )
    sources = standing.gather(db, [cast.pursuit])
    values = [sources.at(now - timedelta(days=days))[cast.pursuit.id].readiness for days in (50, 28, 0)]
    assert [each.domain("1").course.value for each in values] == [None, 50, 80]
