"""Goals in a gradebook: which count, what they come to, and everything that moves them."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import IntegrityError

from lti_mentor import clock
from lti_mentor.mentoring import (
    course_copies,
    course_map,
    courses,
    evidence,
    goal_columns,
    goals,
    gradebook,
    joining,
    mentorships,
    program_rules,
    programs,
    pursuits,
    readiness_columns,
    results,
)
from lti_mentor.mentoring.courses import Item
from lti_mentor.mentoring.evidence import Submission, Verdict
from lti_mentor.mentoring.goals import GoalDraft, LinkDraft
from lti_mentor.mentoring.gradebook import GradeColumn
from lti_mentor.mentoring.programs import Program, ProgramDraft
from lti_mentor.mentoring.readiness import Rules
from tests.conftest import met

SECURITY = "comptia-security-plus"


@pytest.fixture
def db(database, cast):
    with database.transaction() as session:
        yield session


@pytest.fixture
def column(db, cast):
    return readiness_columns.open_column(db, cast.program, cast.course, None, by=cast.coordinator)


def set_goal(db, person, title="A goal", *links, **changes):
    wanted = {"baseline": 0, "target": 100, "current": 40, "due_on": clock.today() + timedelta(days=9)} | changes
    return goals.set_goal(db, person, GoalDraft(title=title, links=links, **wanted))


def counted(db, column):
    """What the scores are once the worker has counted them, by person."""
    db.expire_all()
    while goal_columns.count(db, column, 50):
        pass
    return {person_id: score.value for person_id, score in gradebook.scores_of(db, column).items()}


def score(db, column, person):
    return counted(db, column).get(person.id, "no row")


def test_a_score_is_the_plain_mean_of_shared_goals_and_nothing_without_one(db, cast, column):
    assert counted(db, column) == {cast.learner.id: None, cast.other_learner.id: None}
    set_goal(db, cast.learner, "First")
    assert counted(db, column) == {cast.learner.id: 40, cast.other_learner.id: None}
    second = set_goal(db, cast.learner, "Second", current=0)
    assert score(db, column, cast.learner) == 20
    goals.achieve(db, second, by=cast.learner)
    assert score(db, column, cast.learner) == 70
    assert not gradebook.scores_of(db, column)[cast.learner.id].is_complete


def test_a_private_goal_neither_counts_nor_leaves_a_trace(db, cast, column):
    set_goal(db, cast.learner, "Shared")
    before = counted(db, column)
    secret = set_goal(db, cast.learner, "Between me and me", current=100, visibility="private")
    goals.make_progress(db, secret, 90, by=cast.learner)
    goals.achieve(db, secret, by=cast.learner)
    db.expire_all()
    assert not any(each.is_stale for each in gradebook.scores_of(db, column).values())
    assert counted(db, column) == before
    alone = set_goal(db, cast.other_learner, "Alone", visibility="private")
    goals.remove(db, alone, by=cast.other_learner)
    assert score(db, column, cast.other_learner) is None
    found = goal_columns.would_be_sent(db, cast.program, cast.course)
    assert [each.goal.title for each in found[cast.learner.id].goals] == ["Shared"]
    assert found[cast.other_learner.id] is None


def test_goals_of_another_course_and_of_another_program_do_not_count(db, cast, column):
    other = courses.meet(
        db, cast.course.organization_id, deployment_id=cast.course.deployment_id, context_id="2", label="", title="Two"
    )
    set_goal(db, cast.learner, "There", LinkDraft(kind="course", course_id=other.id), LinkDraft(kind="measure"))
    assert score(db, column, cast.learner) is None
    set_goal(db, cast.learner, "Here", LinkDraft(kind="measure"), LinkDraft(kind="course", course_id=cast.course.id))
    assert score(db, column, cast.learner) == 20
    mentorships.end(db, cast.mentorship, by=cast.mentor)
    today = clock.today()
    draft = ProgramDraft(name="Other", starts_on=today, ends_on=today + timedelta(weeks=9))
    program = programs.create(db, cast.course, draft, by=cast.coordinator)
    joining.enroll(db, program, cast.learner, "mentee")
    joining.enroll(db, program, cast.mentor, "mentor", capacity=3)
    mentorships.pair(db, program, mentor=cast.mentor, mentee=cast.learner, by=cast.coordinator)
    theirs = readiness_columns.open_column(db, program, cast.course, None, by=cast.coordinator)
    set_goal(db, cast.learner, "Of the other program", current=100)
    assert score(db, column, cast.learner) == 20
    assert score(db, theirs, cast.learner) == 100


def set_before_pairing(db, person):
    """Shared with whoever will be the mentor."""
    return set_goal(db, person, "Before")


def test_a_goal_that_was_set_before_there_was_a_mentor_counts(db, cast, column):
    assert set_before_pairing(db, cast.other_learner).mentorship_id is None
    assert score(db, column, cast.other_learner) == 40


def test_whatever_happens_to_a_goal_is_counted(db, cast, column):
    goal = set_goal(db, cast.learner)
    assert score(db, column, cast.learner) == 40
    goals.make_progress(db, goal, 50, by=cast.learner)
    assert score(db, column, cast.learner) == 50
    goals.override(db, goal, percent=80, comment="You can do more than that.", by=cast.mentor)
    assert score(db, column, cast.learner) == 80
    goals.stop_overriding(db, goal, by=cast.mentor)
    assert score(db, column, cast.learner) == 50
    goals.achieve(db, goal, by=cast.learner)
    assert score(db, column, cast.learner) == 100
    assert gradebook.scores_of(db, column)[cast.learner.id].is_complete
    goals.reopen(db, goal, by=cast.learner)
    assert score(db, column, cast.learner) == 50
    assert not gradebook.scores_of(db, column)[cast.learner.id].is_complete
    goals.remove(db, goal, by=cast.learner)
    assert score(db, column, cast.learner) is None


def test_results_and_the_course_map_are_counted(db, cast, column):
    items = [courses.add_item(db, cast.course, activity_iri=f"urn:{number}", title=number) for number in "12"]
    set_goal(db, cast.learner, "Item", LinkDraft(kind="item", item_id=items[0].id, course_id=cast.course.id))
    set_goal(db, cast.learner, "Course", LinkDraft(kind="course", course_id=cast.course.id))
    results.take(db, items[0], cast.learner, score=60, maximum=100, source="typed", at=clock.now())
    assert score(db, column, cast.learner) == 30, "the item counts, the course has no mapped one"
    course_map.save(db, cast.course, {items[0].id: {(SECURITY, "1"): 1}}, by=cast.coordinator)
    assert score(db, column, cast.learner) == 60
    course_map.save(db, cast.course, {items[1].id: {(SECURITY, "1"): 1}}, by=cast.coordinator)
    assert score(db, column, cast.learner) == 45
    db.get_one(Item, items[1].id).activity_iri = None  # as one that came along with a copy
    course_copies.take_out(db, cast.course, [items[1].id])
    assert score(db, column, cast.learner) == 60


def test_whatever_moves_readiness_is_counted(db, cast, column):
    set_goal(db, cast.learner, "Domain", LinkDraft(kind="domain", certification_id=SECURITY, domain_code="1"))
    piece = evidence.submit(db, cast.pursuit, "1", Submission(text="I did it."))
    review = evidence.accept(db, piece, Verdict(version=1, rating=75), by=cast.mentor)
    assert score(db, column, cast.learner) == 75
    evidence.take_back(db, review, by=cast.mentor)
    assert score(db, column, cast.learner) == 0
    evidence.accept(db, piece, Verdict(version=1, rating=50), by=cast.mentor)
    item = courses.add_item(
        db, cast.course, activity_iri="urn:1", title="Quiz", due_at=clock.now() - timedelta(minutes=1)
    )
    course_map.save(db, cast.course, {item.id: {(SECURITY, "1"): 1}}, by=cast.coordinator)
    assert score(db, column, cast.learner) == 30, "60 of the mentor's 50, 40 of what is due and not there"
    program = db.get_one(Program, cast.program.id)
    program_rules.save(db, program, Rules(mentor_weight=100, ready_line=75, floor=50), by=cast.coordinator)
    assert score(db, column, cast.learner) == 50
    item.due_at, item.overdue_noted_at = clock.now() + timedelta(days=1), None
    program_rules.save(db, program, Rules(mentor_weight=60, ready_line=75, floor=50), by=cast.coordinator)
    assert score(db, column, cast.learner) == 50
    item.due_at = clock.now() - timedelta(minutes=1)
    db.flush()
    course_map.note_due(db, cast.course)
    assert score(db, column, cast.learner) == 30


def test_who_joins_later_is_counted_and_who_left_keeps_the_score(db, cast, column):
    newcomer = met(db, "Home", "newcomer")
    set_goal(db, newcomer)
    assert score(db, column, newcomer) == "no row"
    joining.enroll(db, cast.program, newcomer, "mentee")
    assert score(db, column, newcomer) == "no row", "not in the course yet"
    place = courses.Place(deployment_id=cast.course.deployment_id, context_id="1", label="C1", title="Course one")
    joining.enter(db, newcomer, place, teaches=False)
    assert score(db, column, newcomer) == 40
    way = joining.start(db, newcomer, SECURITY, status="studying", target_on=None)
    set_goal(db, newcomer, "Way", LinkDraft(kind="certification", certification_id=SECURITY))
    pursuits.rate_self(db, way, {"1": 100})
    assert score(db, column, newcomer) == 20
    member = courses.join(db, cast.course, newcomer, teaches=False)
    goals.make_progress(db, goals.all_of(db, newcomer)[0], 100, by=newcomer)
    member.left_at = clock.now()
    db.flush()
    assert score(db, column, newcomer) == 20


def test_a_course_has_one_column_of_goals_for_a_program(db, cast, column):
    again = readiness_columns.open_column(db, cast.program, cast.course, None, by=cast.coordinator)
    assert again.id == column.id
    twin = GradeColumn(organization_id=column.organization_id, program_id=column.program_id, course_id=column.course_id)
    with pytest.raises(IntegrityError), db.begin_nested():
        db.add(twin)
        db.flush()
    assert len(db.scalars(select(GradeColumn)).all()) == 1


@contextmanager
def counting(db):
    """The statements that are run meanwhile."""
    seen = []

    def note(connection, cursor, statement, *rest):
        seen.append(statement)

    engine = db.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def test_the_goals_of_many_take_no_more_queries_than_those_of_one(db, cast, column):
    for person in (cast.learner, cast.other_learner):
        set_goal(db, person, "A goal", LinkDraft(kind="course", course_id=cast.course.id), LinkDraft(kind="measure"))
    with counting(db) as one:
        goal_columns.sums(db, cast.program, cast.course, [cast.learner.id])
    with counting(db) as many:
        goal_columns.sums(db, cast.program, cast.course, [cast.learner.id, cast.other_learner.id])
    assert len(one) == len(many)
