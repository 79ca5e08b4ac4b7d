"""Pairs in several programs, and what a finished pair leaves behind."""

from dataclasses import replace
from datetime import timedelta

import pytest

from lti_mentor import clock
from lti_mentor.activity.record import last_activity
from lti_mentor.errors import Invalid, NotFound, Refused
from lti_mentor.insight import figures
from lti_mentor.mentoring import (
    course_map,
    courses,
    evidence,
    goals,
    meetings,
    notices,
    pairing,
    program_rules,
    programs,
    pursuits,
    results,
    standing,
)
from lti_mentor.mentoring.evidence import Submission, Verdict
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.mentoring.homes import coordinator as coordinator_home
from lti_mentor.mentoring.homes import review
from lti_mentor.mentoring.readiness import Rules
from tests.conftest import gather_cast, met
from xapi import store
from xapi.vocabulary import Verbs


@pytest.fixture
def db(database):
    with database.transaction() as session:
        yield session


@pytest.fixture
def cast(db):
    return gather_cast(db)


@pytest.fixture
def other(db, cast):
    """A second program with a mentor of its own, both learners enrolled."""
    draft = programs.ProgramDraft(name="Other", starts_on=clock.today(), ends_on=clock.today() + timedelta(weeks=9))
    program = programs.create(db, cast.course, draft, by=cast.coordinator)
    programs.enroll(db, program, cast.analyst, "mentor", capacity=2)
    for person in (cast.learner, cast.other_learner):
        programs.enroll(db, program, person, "mentee")
    return program


def goal_of(db, cast, title="Read"):
    draft = GoalDraft(title=title, baseline=0, target=10, due_on=clock.today() + timedelta(days=9))
    return goals.set_goal(db, cast.learner, draft)


def figures_of(db, program):
    base = "http://localhost:8000"
    said = store.scan(db, tenant=program.organization_id)
    return figures.summarize(figures.gather(said, program=f"{base}/programs/{program.id}", base=base), clock.now())


def test_a_goal_stays_in_the_program_it_was_set_in(db, cast, other):
    goal = goal_of(db, cast)
    with clock.moved_to(clock.now() + timedelta(hours=1)):
        pairing.pair(db, other, mentor=cast.analyst, mentee=cast.learner, by=cast.coordinator)
        goals.achieve(db, goal, by=cast.learner)
        first, second = figures_of(db, cast.program), figures_of(db, other)
    assert (first.on_time.part, first.on_time.whole) == (1, 1)
    assert (second.on_time.whole, dict(second.funnel)["achieved"]) == (0, 0)
    assert [each.title for each in goals.shared_in(db, cast.program, cast.learner)] == ["Read"]
    assert goals.shared_in(db, other, cast.learner) == []


def test_evidence_goes_to_the_next_mentor_of_its_own_program_alone(db, cast, other):
    waiting = evidence.submit(db, cast.pursuit, "1", Submission(text="I did it."))
    pair = pairing.pair(db, other, mentor=cast.analyst, mentee=cast.learner, by=cast.coordinator)
    assert evidence.get_for_mentor(db, cast.mentor, waiting.id), "an open pair keeps what is its own"
    pairing.finish(db, cast.mentorship, "ended", by=cast.coordinator)
    second = met(db, "Home", "second mentor")
    programs.enroll(db, cast.program, second, "mentor", capacity=1)
    with pytest.raises(NotFound):
        evidence.get_for_mentor(db, cast.analyst, waiting.id)
    pairing.pair(db, cast.program, mentor=second, mentee=cast.learner, by=cast.coordinator)
    assert evidence.get_for_mentor(db, second, waiting.id).id == waiting.id
    assert pair.status == "open"


def test_the_next_mentor_does_not_read_what_the_last_one_wrote(db, cast):
    piece = evidence.submit(db, cast.pursuit, "1", Submission(text="I did it."))
    evidence.return_it(db, piece, Verdict(version=1, comment="Between us."), by=cast.mentor)
    assert review.page(db, piece).last_review.comment == "Between us."
    pairing.finish(db, cast.mentorship, "ended", by=cast.coordinator)
    with pytest.raises(Refused):
        evidence.resubmit(db, piece, Submission(text="Again."))
    second = met(db, "Home", "second mentor")
    programs.enroll(db, cast.program, second, "mentor", capacity=1)
    pairing.pair(db, cast.program, mentor=second, mentee=cast.learner, by=cast.coordinator)
    evidence.resubmit(db, piece, Submission(text="Again."))
    assert review.page(db, piece).last_review is None


def test_rules_of_a_program_begin_and_end_with_the_pair_on_record(db, cast):
    program_rules.save(db, cast.program, Rules(mentor_weight=100), by=cast.coordinator)
    item = courses.add_item(db, cast.course, activity_iri="urn:quiz", title="Quiz")
    course_map.save(db, cast.course, {item.id: {("comptia-security-plus", "1"): 1}}, by=cast.coordinator)
    results.take(db, item, cast.learner, score=100, maximum=100, source="statement", at=clock.now())
    before = standing.of(db, cast.pursuit)
    pursuits.rate_by_mentor(db, cast.pursuit, "1", 50, by=cast.mentor)
    standing.record_change(db, cast.pursuit, before)

    def said():
        found = list(store.scan(db, tenant=cast.learner.organization_id, verbs=[Verbs.SCORED.iri]))
        return found[-1]["result"]["score"]["raw"]

    assert said() == pytest.approx(6)
    pairing.finish(db, cast.mentorship, "ended", by=cast.coordinator)
    assert said() == pytest.approx(8.4)
    pairing.pair(db, cast.program, mentor=cast.mentor, mentee=cast.learner, by=cast.coordinator)
    assert said() == pytest.approx(6)


def test_a_finished_pair_leaves_no_meeting_ahead_and_no_card_open(db, cast):
    ahead = clock.now() + timedelta(days=3)
    meeting = meetings.plan(db, cast.mentorship, planned_at=ahead, minutes=30, by=cast.mentor)
    notices.remind(db, cast.mentorship, "check_in", by=cast.coordinator)
    pairing.finish(db, cast.mentorship, "completed", by=cast.learner)
    assert meeting.status == "called_off"
    assert [notices.for_person(db, person) for person in (cast.learner, cast.mentor)] == [[], []]


def test_an_answer_taken_back_was_no_activity(db, cast):
    now = clock.now()
    with clock.moved_to(now - timedelta(days=40)):
        cast.mentorship.started_at = clock.now()
        piece = evidence.submit(db, cast.pursuit, "1", Submission(text="I did it."))
    with clock.moved_to(now - timedelta(days=20)):
        answer = evidence.accept(db, piece, Verdict(version=1, rating=50), by=cast.mentor)
        evidence.take_back(db, answer, by=cast.mentor)
    pair = cast.mentorship
    assert pair.active_at == last_activity(db, pair.organization_id, pair.id)
    assert [row.days for row in coordinator_home.home(db, cast.program).silent] == [40]
    assert figures_of(db, cast.program).active.part == 0


def test_a_program_cannot_be_said_to_have_begun_long_ago(db, cast):
    today = clock.today()
    draft = programs.ProgramDraft(name="Soon", starts_on=today + timedelta(days=5), ends_on=today + timedelta(days=90))
    program = programs.create(db, cast.course, draft, by=cast.coordinator)
    with pytest.raises(Invalid) as refused:
        programs.change(db, program, replace(draft, starts_on=today - timedelta(days=300)), by=cast.coordinator)
    assert refused.value.fields == {"starts_on": "date.past"}
