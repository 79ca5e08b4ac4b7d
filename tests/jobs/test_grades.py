"""Scores: the latest of each person in a real gradebook, and what happens when it refuses."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import Response, jsonify
from sqlalchemy import delete, event, inspect, select

from lti_mentor import clock
from lti_mentor.errors import NotFound
from lti_mentor.jobs import grades
from lti_mentor.mentoring import (
    evidence,
    gradebook,
    mentorships,
    people,
    privacy,
    programs,
    pursuits,
    readiness_columns,
    standing,
)
from lti_mentor.mentoring.certifications import Certification
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.evidence import Evidence, Submission, Verdict
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.mentoring.people import Account, Identity, Person
from lti_mentor.mentoring.programs import Program, ProgramDraft
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.practice.world import LEARNER
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.support.visitor import Visitor

SECURITY = "comptia-security-plus"


@pytest.fixture
def tool(both_site):
    return Tool(both_site.settings, both_site.database, Vault(both_site.settings.secret_key))


@pytest.fixture
def lms(both_site):
    open_column(both_site)
    return both_site.lms.lms


def open_column(site) -> None:
    """Teacher, learner and mentor came in; the learner is a mentee on the way, and the column is open."""
    for person in ("coordinator", "learner", "mentor"):
        Visitor().launch(site.lms.url, person, "1")
    with site.database.transaction() as db:
        course = db.scalars(select(Course)).one()
        today = clock.today()
        draft = ProgramDraft(name="Program", starts_on=today, ends_on=today + timedelta(weeks=9))
        program = programs.create(db, course, draft, by=person_of(db, "coordinator"))
        programs.enroll(db, program, person_of(db, "learner"), "mentee")
        pursuits.start(db, person_of(db, "learner"), SECURITY)
        pursuits.start(db, person_of(db, "mentor"), SECURITY)
        readiness_columns.open_column(db, program_of(db), course, SECURITY, by=person_of(db, "coordinator"))


def person_of(db, subject) -> Person:
    return db.scalars(select(Person).join(Account).where(Account.subject == subject)).one()


def program_of(db) -> Program:
    return db.scalars(select(Program).where(Program.name == "Program")).one()


def rate(database, value, code="1") -> None:
    """The mentor's rating of the learner, with all it moves."""
    with database.transaction() as db:
        learner = person_of(db, "learner")
        pursuit = db.scalars(select(Pursuit).where(Pursuit.person_id == learner.id)).one()
        before = standing.of(db, pursuit)
        pursuits.rate_by_mentor(db, pursuit, code, value, by=person_of(db, "mentor"))
        standing.record_change(db, pursuit, before)


def score(database) -> LatestScore:
    with database.reading() as db:
        return db.scalars(select(LatestScore)).one()


def column(database) -> GradeColumn:
    with database.reading() as db:
        return db.scalars(select(GradeColumn)).one()


def wait(database) -> None:
    """As if the time to try again had come."""
    with database.transaction() as db:
        db.scalars(select(GradeColumn)).one().retry_at = None


def shown_there(lms) -> dict[str, float]:
    (only,) = lms.columns.values()
    return {person: points for person, (_, points, _) in only.scores.items()}


def test_a_column_is_made_filled_and_read_back_for_mentees_alone(tool, lms, both_site):
    assert grades.run(tool) == 1
    (made,) = lms.columns.values()
    assert (made.label, made.maximum) == ("Readiness: CompTIA Security+", 100)
    assert made.resource_id == str(column(both_site.database).key)
    assert shown_there(lms) == {"learner": 0}, "the mentor is on the way too, but no mentee"
    rate(both_site.database, 100)
    assert score(both_site.database).is_waiting("as_it_stands")
    assert grades.run(tool) == 1
    assert shown_there(lms) == {"learner": 12}
    found = score(both_site.database)
    assert (found.sent_value, found.read_value, found.is_waiting("as_it_stands")) == (12, 12, False)
    assert grades.run(tool) == 0
    assert len(lms.columns) == 1


def crowd(site, lms, size) -> None:
    """So many more have a score that waits."""
    names = [f"crowd-{number}" for number in range(size)]
    lms.world.course("1").members.update({name: [LEARNER] for name in names})
    with site.database.transaction() as db:
        only = db.scalars(select(GradeColumn)).one()
        known = [Identity(issuer=lms.world.issuer, subject=name) for name in names]
        for person in people.meet_many(db, only.organization_id, known, keyed=bytes).values():
            db.add(LatestScore(organization_id=only.organization_id, column_id=only.id, person_id=person.id, value=1))


@contextmanager
def counting(database) -> Iterator[list[str]]:
    """The statements that are run meanwhile."""
    seen: list[str] = []

    def note(connection, cursor, statement, *rest):
        seen.append(statement)

    engines = {engine.pool: engine for engine in (database.reader, database.engine)}.values()  # one on PostgreSQL
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield seen
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


def test_a_crowd_is_told_with_one_write_and_one_look_for_each_and_next_to_nothing_else(tool, lms, both_site):
    crowd(both_site, lms, 2 * grades.BATCH)
    with counting(both_site.database) as seen:
        assert grades.run(tool) == 2 * grades.BATCH + 1
    writes = [each for each in seen if each.startswith("UPDATE latest_scores SET") and "sent_at" in each]
    assert len(writes) == 2 * grades.BATCH + 1, "each is kept as told by itself"
    first, *_, last = (number for number, each in enumerate(seen) if each == writes[0])
    assert last - first <= 3.5 * len(writes), "on SQLite the beginning of each write counts"
    looks = [each for each in seen if "grade_columns.status = " in each and each.startswith("SELECT latest_scores.id")]
    assert len(looks) == len(writes)
    others = [each for each in seen if each.startswith("SELECT")]
    assert len(others) - len(looks) < grades.BATCH


def test_a_score_that_changes_while_others_are_told_is_told_again(tool, lms, both_site):
    crowd(both_site, lms, 3)

    def meanwhile():
        rate(both_site.database, 100)

    lms.bad_answers[:] = [nothing, nothing, meanwhile]
    assert grades.run(tool) == 5
    assert shown_there(lms)["learner"] == 12


def test_a_worker_that_is_stopped_ends_after_a_score_and_the_next_one_goes_on(tool, lms, both_site):
    crowd(both_site, lms, 3)
    stop = threading.Event()
    lms.bad_answers[:] = [nothing, nothing, stop.set]
    assert grades.run(tool, stop) == 1
    left = column(both_site.database)
    assert (left.leased_until, left.retry_at, left.failures, left.problem) == (None, None, 0, None)
    assert grades.run(tool) == 3
    assert len(shown_there(lms)) == 4


def test_whoever_is_erased_while_others_are_told_is_told_no_more(tool, lms, both_site):
    crowd(both_site, lms, 3)

    def meanwhile():
        with both_site.database.transaction() as db:
            for person in db.scalars(select(Person).join(Account).where(Account.subject.startswith("crowd"))).all():
                privacy.erase(db, tool.vault, person, by=None)

    lms.bad_answers[:] = [nothing, nothing, meanwhile]
    assert grades.run(tool) == 1
    assert set(shown_there(lms)) == {"learner"}


def test_a_column_that_is_closed_while_it_is_told_is_told_no_more(tool, lms, both_site):
    crowd(both_site, lms, 3)

    def meanwhile():
        with both_site.database.transaction() as db:
            gradebook.close_column(db.scalars(select(GradeColumn)).one())

    lms.bad_answers[:] = [nothing, nothing, meanwhile]
    assert grades.run(tool) == 1
    assert set(shown_there(lms)) == {"learner"}


def test_whoever_is_erased_while_the_platform_refuses_them_is_no_problem(tool, lms, both_site):
    crowd(both_site, lms, 1)

    def meanwhile():
        with both_site.database.transaction() as db:
            privacy.erase(db, tool.vault, person_of(db, "learner"), by=None)
        return Response("{}", 403)

    lms.bad_answers[:] = [nothing, nothing, meanwhile]
    assert grades.run(tool) == 1
    assert set(shown_there(lms)) == {"crowd-0"}
    assert column(both_site.database).problem is None


def test_only_the_latest_score_is_told_and_a_certificate_completes_it(tool, lms, both_site):
    for value in (25, 50, 100):
        rate(both_site.database, value)
    assert grades.run(tool) == 1
    with both_site.database.transaction() as db:
        learner = person_of(db, "learner")
        way = db.scalars(select(Pursuit).where(Pursuit.person_id == learner.id)).one()
        pursuits.pass_exam(db, way)
        pursuits.award(db, way, awarded_on=clock.today(), expires_on=None)
    assert grades.run(tool) == 1
    (made,) = lms.columns.values()
    assert made.scores["learner"][2] == "Completed"


def handed_in(database) -> Evidence:
    """Evidence of the learner, two days ago, for which the mentor gives an answer now."""
    with database.transaction() as db:
        learner, mentor = person_of(db, "learner"), person_of(db, "mentor")
        programs.enroll(db, program_of(db), mentor, "mentor", capacity=1)
        mentorships.pair(db, program_of(db), mentor=mentor, mentee=learner, by=person_of(db, "coordinator"))
        way = db.scalars(select(Pursuit).where(Pursuit.person_id == learner.id)).one()
        way.started_at -= timedelta(days=7)
        piece = evidence.submit(db, way, "1", Submission(text="I did it."))
        piece.submitted_at -= timedelta(days=2)
        return piece


@pytest.mark.quirk("late_scores", "times_ahead")
def test_a_score_says_when_the_work_began_and_when_it_was_handed_in_not_when_it_was_rated(tool, lms, both_site):
    piece = handed_in(both_site.database)
    assert grades.run(tool) == 1
    (made,) = lms.columns.values()
    assert set(made.worked["learner"]) == {"startedAt"}, "what waits for the mentor does not count yet"
    with both_site.database.transaction() as db:
        evidence.accept(db, db.merge(piece), Verdict(version=1, rating=100), by=person_of(db, "mentor"))
    assert grades.run(tool) == 1
    times = made.worked["learner"]
    assert timedelta(days=7) < clock.now() - times["startedAt"] < timedelta(days=7, hours=1)
    assert timedelta(days=2) < clock.now() - times["submittedAt"] < timedelta(days=2, hours=1)
    assert made.scores["learner"][1:] == (12, "InProgress")


def test_a_score_of_somebody_who_is_not_on_the_way_any_more_is_told_without_times(tool, lms, both_site):
    with both_site.database.transaction() as db:
        db.execute(delete(Pursuit))
    assert grades.run(tool) == 1
    (made,) = lms.columns.values()
    assert made.worked == {"learner": {}}


def test_scores_within_one_second_are_told_with_later_timestamps(tool, lms, both_site):
    for value in (25, 50, 75):
        rate(both_site.database, value)
        assert grades.run(tool) == 1
    assert shown_there(lms) == {"learner": 9}
    assert score(both_site.database).problem is None


def test_a_column_that_the_platform_has_is_found_by_our_own_key(tool, lms, both_site):
    grades.run(tool)
    with both_site.database.transaction() as db:
        db.scalars(select(GradeColumn)).one().lineitem_url = None
    rate(both_site.database, 100)
    grades.run(tool)
    assert len(lms.columns) == 1


def test_a_column_that_was_deleted_there_is_made_again(tool, lms, both_site):
    grades.run(tool)
    lms.columns.clear()
    rate(both_site.database, 100)
    assert grades.run(tool) == 1
    assert shown_there(lms) == {"learner": 12}


def answering(status, **headers):
    return lambda: Response("{}", status, {name.replace("_", "-"): value for name, value in headers.items()})


def nothing():
    """An answer as it should be."""


def test_429_waits_as_long_as_the_platform_says_and_loses_nothing(tool, lms, both_site):
    grades.run(tool)
    rate(both_site.database, 100)
    lms.bad_answers[:] = [answering(429, Retry_After="600")]
    assert grades.run(tool) == 0
    found = column(both_site.database)
    assert timedelta(minutes=9) < found.retry_at - clock.now() <= timedelta(minutes=10)
    assert (found.problem, found.leased_until) == ("platform.bad_status", None)
    assert score(both_site.database).is_waiting("as_it_stands")
    rate(both_site.database, 50)
    wait(both_site.database)
    assert grades.run(tool) == 1
    assert shown_there(lms) == {"learner": 6}
    assert column(both_site.database).problem is None


@pytest.mark.quirk("not_enrolled", "people_without_grades")
@pytest.mark.parametrize("status", [400, 403, 412])
def test_a_person_the_platform_refuses_is_not_told_again_before_the_score_changes(tool, lms, both_site, status):
    grades.run(tool)
    rate(both_site.database, 50)
    lms.bad_answers[:] = [answering(status)]
    assert grades.run(tool) == 0
    found = score(both_site.database)
    assert (found.problem, found.is_waiting("as_it_stands")) == ("grades.person_refused", False)
    assert column(both_site.database).problem is None
    rate(both_site.database, 100)
    assert grades.run(tool) == 1
    assert score(both_site.database).problem is None


def test_409_is_answered_with_a_later_timestamp(tool, lms, both_site):
    grades.run(tool)
    rate(both_site.database, 50)
    lms.bad_answers[:] = [answering(409)]
    assert grades.run(tool) == 1
    rate(both_site.database, 100)
    lms.bad_answers[:] = [answering(409)] * grades.CONFLICTS
    assert grades.run(tool) == 0
    assert score(both_site.database).problem == "grades.conflict"


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"id": 7}', b'{"id": "javascript:alert(1)"}'])
def test_a_column_without_a_usable_address_is_a_problem_of_the_column(tool, lms, both_site, answer):
    lms.bad_answers[:] = [nothing, lambda: Response(answer, 201)]
    assert grades.run(tool) == 0
    assert column(both_site.database).problem in ("grades.no_column", "platform.not_json")
    assert score(both_site.database).is_waiting("as_it_stands")


def test_results_that_are_strange_are_passed_over(tool, lms, both_site):
    rows = [None, {"userId": "learner"}, {"userId": "learner", "resultScore": "x"}, {"resultScore": 1}]
    rows += [{"userId": "learner", "resultScore": 1, "resultMaximum": 0}, {"userId": "x", "resultScore": True}]
    lms.bad_answers[:] = [nothing, nothing, nothing, lambda: jsonify(rows)]
    assert grades.run(tool) == 1
    assert score(both_site.database).read_value is None


@pytest.mark.quirk("no_new_columns", "scopes_by_name")
def test_only_scopes_of_the_claim_are_asked_for(tool, lms, both_site):
    with both_site.database.transaction() as db:
        row = db.scalars(select(grades.contexts.ContextServices)).one()
        row.grade_scopes = [scope for scope in row.grade_scopes if not scope.endswith("/lineitem")]
    assert grades.run(tool) == 0
    assert column(both_site.database).problem == "grades.no_scope"


def test_a_closed_column_is_told_nothing_and_opens_again_as_the_same(tool, lms, both_site):
    grades.run(tool)
    with both_site.database.transaction() as db:
        (only,) = gradebook.columns_of(db, program_of(db), db.scalars(select(Course)).one())
        gradebook.close_column(only)
    rate(both_site.database, 100)
    assert grades.run(tool) == 0
    with both_site.database.transaction() as db:
        course = db.scalars(select(Course)).one()
        with pytest.raises(NotFound):
            readiness_columns.open_column(db, program_of(db), course, SECURITY, by=person_of(db, "mentor"))
        readiness_columns.open_column(db, program_of(db), course, SECURITY, by=person_of(db, "coordinator"))
    assert grades.run(tool) == 1
    assert shown_there(lms) == {"learner": 12}
    assert len(lms.columns) == 1


def test_a_worker_that_died_before_it_noted_what_it_told_tells_it_again(tool, lms, both_site):
    grades.run(tool)
    with both_site.database.transaction() as db:
        told = db.scalars(select(LatestScore)).one()
        told.sent_value = None
    assert grades.run(tool) == 1
    assert shown_there(lms) == {"learner": 0}


@pytest.mark.quirk("not_enrolled")
def test_a_person_who_is_not_there_does_not_hold_up_the_column(tool, lms, both_site):
    grades.run(tool)
    rate(both_site.database, 100)
    lms.bad_answers[:] = [answering(404)]
    assert grades.run(tool) == 0
    assert score(both_site.database).problem == "grades.person_refused"
    assert column(both_site.database).problem is None


def test_a_reading_that_fails_after_everything_was_told_is_no_problem_of_the_column(tool, lms, both_site):
    lms.bad_answers[:] = [nothing, nothing, nothing, answering(500)]
    assert grades.run(tool) == 1
    assert column(both_site.database).problem is None
    assert not score(both_site.database).is_waiting("as_it_stands")


def test_a_column_at_another_place_gets_no_token(tool, lms, both_site):
    made = jsonify_later({"id": "https://elsewhere.example/column"})
    lms.bad_answers[:] = [nothing, made]
    assert grades.run(tool) == 0
    assert column(both_site.database).problem == "grades.no_column"


def test_columns_of_two_programs_of_a_course_have_different_labels(tool, lms, both_site):
    with both_site.database.transaction() as db:
        course, today = db.scalars(select(Course)).one(), clock.today()
        (one,) = gradebook.columns_of(db, program_of(db), course)
        assert gradebook.label(db, one) == one.label
        draft = ProgramDraft(name="Evening", starts_on=today, ends_on=today + timedelta(weeks=9))
        other = programs.create(db, course, draft, by=person_of(db, "coordinator"))
        second = gradebook.open_column(db, other, course, SECURITY)
        assert gradebook.label(db, second) == f"{one.label} (Evening)"


def jsonify_later(body):
    return lambda: jsonify(body)


def test_a_mentee_of_another_program_in_the_course_is_in_no_column_of_this_one(tool, lms, both_site):
    with both_site.database.transaction() as db:
        course, today = db.scalars(select(Course)).one(), clock.today()
        draft = ProgramDraft(name="Other", starts_on=today, ends_on=today + timedelta(weeks=9))
        other = programs.create(db, course, draft, by=person_of(db, "coordinator"))
        programs.enroll(db, other, person_of(db, "mentor"), "mentee")
        way = db.scalars(select(Pursuit).where(Pursuit.person_id == person_of(db, "mentor").id)).one()
        before = standing.of(db, way)
        pursuits.rate_self(db, way, {"1": 50})
        standing.record_change(db, way, before)
        found = readiness_columns.would_be_sent(db, program_of(db), course, SECURITY)
        assert {pursuit.person_id for pursuit, _ in found} == {person_of(db, "learner").id}
    assert grades.run(tool) == 1
    assert set(shown_there(lms)) == {"learner"}


def test_a_refused_score_is_tried_again_the_next_day(tool, lms, both_site):
    grades.run(tool)
    rate(both_site.database, 50)
    lms.bad_answers[:] = [answering(403)]
    assert grades.run(tool) == 0
    assert grades.run(tool) == 0
    with both_site.database.transaction() as db:
        db.scalars(select(LatestScore)).one().refused_at -= timedelta(days=1, minutes=1)
    assert score(both_site.database).is_waiting("as_it_stands")
    assert grades.run(tool) == 1


@pytest.fixture
def lost(both_site, lms):
    """A column whose certification was taken out of the catalog, with a score that waits."""
    database = both_site.database
    with database.transaction() as db:
        known = db.get_one(Certification, SECURITY)
        values = {each.key: getattr(known, each.key) for each in inspect(Certification).column_attrs}
        db.add(Certification(**values | {"id": "gone"}))
        db.flush()
        course, owner = db.scalars(select(Course)).one(), {"organization_id": program_of(db).organization_id}
        column = GradeColumn(certification_id="gone", course_id=course.id, program_id=program_of(db).id, **owner)
        db.add(column)
        db.flush()
        db.add(LatestScore(column_id=column.id, value=1, person_id=person_of(db, "learner").id, **owner))
    yield column.id
    with database.transaction() as db:
        db.execute(delete(LatestScore).where(LatestScore.column_id == column.id))
        db.execute(delete(GradeColumn).where(GradeColumn.id == column.id))
        db.execute(delete(Certification).where(Certification.id == "gone"))


def test_a_column_that_fails_in_a_way_nobody_foresaw_stops_no_other_and_is_tried_again(
    tool, lms, lost, both_site, caplog
):
    assert grades.run(tool) == 1
    assert "scores not told" in caplog.text
    with both_site.database.reading() as db:
        found = db.get_one(GradeColumn, lost)
    assert (found.problem, found.leased_until) == ("error", None)
    assert found.retry_at > clock.now()
    assert shown_there(lms) == {"learner": 0}
