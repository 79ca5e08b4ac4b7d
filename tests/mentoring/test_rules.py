"""The rules of goals, evidence, pursuits, meetings, pairing and programs, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.errors import Invalid, NotAllowed, NotFound, Refused
from lti_mentor.mentoring import (
    course_map,
    courses,
    evidence,
    goal_progress,
    goals,
    meetings,
    mentorships,
    notices,
    program_rules,
    programs,
    pursuits,
    results,
    standing,
)
from lti_mentor.mentoring.evidence import Submission, Verdict
from lti_mentor.mentoring.goals import GoalDraft, LinkDraft
from lti_mentor.mentoring.homes import coordinator as coordinator_home
from lti_mentor.mentoring.homes import learner as learner_home
from lti_mentor.mentoring.homes import mentor as mentor_home
from lti_mentor.mentoring.readiness import Rules, shown
from tests.conftest import gather_cast
from xapi import store
from xapi.rows import StoredStatement
from xapi.vocabulary import Extensions


@pytest.fixture
def db(database):
    with database.transaction() as session:
        yield session


@pytest.fixture
def cast(db):
    return gather_cast(db)


def soon(days: int = 10):
    return clock.today() + timedelta(days=days)


def draft(**changes) -> GoalDraft:
    return GoalDraft(**{"title": "Read", "baseline": 0, "target": 10, "due_on": soon()} | changes)


def verbs(db) -> list[str]:
    wanted = select(StoredStatement.verb).order_by(StoredStatement.seq)
    return [verb.rpartition("/")[2] for verb in db.scalars(wanted)]


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"title": "  "}, "title", "goal.no_title"),
        ({"title": "x" * 201}, "title", "text.too_long"),
        ({"target": 0}, "target", "goal.target_is_baseline"),
        ({"target": float("inf")}, "target", "number.range"),
        ({"due_on": clock.today() - timedelta(days=1)}, "due_on", "date.past"),
        ({"visibility": "everybody"}, "visibility", "goal.visibility"),
        ({"links": [LinkDraft(kind="measure", weight=0)]}, "links", "goal.link_weight"),
    ],
)
def test_a_goal_that_is_not_right_is_refused(db, cast, changes, field, reason):
    before = len(verbs(db))
    with pytest.raises(Invalid) as refused:
        goals.set_goal(db, cast.learner, draft(**changes))
    assert refused.value.fields[field] == reason
    assert len(verbs(db)) == before


def test_a_goal_lives_and_its_original_date_stays(db, cast):
    goal = goals.set_goal(db, cast.learner, draft())
    goals.move_due_date(db, goal, soon(20), by=cast.learner)
    goals.make_progress(db, goal, 5, by=cast.learner)
    assert goal.original_due_on == soon()
    assert shown(goal_progress.of_many(db, [goal])[goal.id].value) == 50
    goals.achieve(db, goal, by=cast.learner)
    goals.confirm(db, goal, by=cast.mentor)
    assert verbs(db)[-5:] == ["defined", "scheduled", "progressed", "achieved", "confirm"]
    with pytest.raises(Refused):
        goals.remove(db, goal, by=cast.learner)


def test_a_private_goal_is_for_its_owner_alone(db, cast):
    goal = goals.set_goal(db, cast.learner, draft(visibility="private"))
    for person in (cast.mentor, cast.coordinator, cast.other_learner, cast.outsider):
        with pytest.raises(NotFound):
            goals.get_own(db, person, goal.id)
        with pytest.raises(NotFound):
            goals.get_for_mentor(db, person, goal.id)


def test_an_override_needs_a_comment_and_is_shown_as_one(db, cast):
    goal = goals.set_goal(db, cast.learner, draft())
    with pytest.raises(Invalid):
        goals.override(db, goal, percent=80, comment=" ", by=cast.mentor)
    with pytest.raises(NotAllowed):
        goals.override(db, goal, percent=80, comment="Why not", by=cast.other_learner)
    goals.override(db, goal, percent=80, comment="I saw it done.", by=cast.mentor)
    assert goal_progress.of_many(db, [goal])[goal.id].override.comment == "I saw it done."


def submitted(db, cast, code="5"):
    return evidence.submit(db, cast.pursuit, code, Submission(text="I wrote a policy."))


def test_accepted_evidence_moves_readiness_in_the_same_transaction(db, cast):
    piece = submitted(db, cast)
    with pytest.raises(Invalid):
        evidence.accept(db, piece, Verdict(version=1), by=cast.mentor)
    evidence.accept(db, piece, Verdict(version=1, rating=50), by=cast.mentor)
    assert shown(standing.of(db, cast.pursuit).readiness.confirmed) == 10
    assert verbs(db)[-4:] == ["shared", "accept", "rated", "scored"]
    with pytest.raises(Refused):
        evidence.accept(db, piece, Verdict(version=1, rating=75), by=cast.mentor)


def test_evidence_is_returned_with_a_comment_and_comes_again_as_a_new_version(db, cast):
    piece = submitted(db, cast)
    with pytest.raises(Invalid):
        evidence.return_it(db, piece, Verdict(version=1), by=cast.mentor)
    evidence.return_it(db, piece, Verdict(version=1, comment="Show the result."), by=cast.mentor)
    evidence.resubmit(db, piece, Submission(link="https://example.org/result"))
    assert (piece.version, piece.status) == (2, "waiting")
    with pytest.raises(Invalid) as refused:
        evidence.accept(db, piece, Verdict(version=1, rating=75), by=cast.mentor)
    assert refused.value.fields == {"version": "evidence.changed"}


def test_a_question_is_the_learners_turn_until_a_new_version_comes(db, cast):
    piece = submitted(db, cast)
    evidence.ask(db, piece, Verdict(version=1, comment="Where is the log?"), by=cast.mentor)
    assert learner_home.home(db, cast.learner, None).next_step.code == "evidence_asked"
    assert mentor_home.home(db, cast.mentor).reviews == 0
    evidence.resubmit(db, piece, Submission(text="Here is the log."))
    assert learner_home.home(db, cast.learner, None).next_step.code != "evidence_asked"
    assert mentor_home.home(db, cast.mentor).reviews == 1


def test_an_answer_taken_back_leaves_the_question_before_it(db, cast):
    piece = submitted(db, cast)
    evidence.ask(db, piece, Verdict(version=1, comment="Where is the log?"), by=cast.mentor)
    review = evidence.accept(db, piece, Verdict(version=1, rating=75), by=cast.mentor)
    evidence.take_back(db, review, by=cast.mentor)
    assert piece.status == "asked"
    with pytest.raises(Refused) as refused:
        evidence.take_back(db, review, by=cast.mentor)
    assert refused.value.reason == "evidence.moved_on"


def test_an_answer_that_is_taken_back_is_void_in_the_record_store(db, cast):
    piece = submitted(db, cast)
    review = evidence.accept(db, piece, Verdict(version=1, rating=75), by=cast.mentor)
    evidence.take_back(db, review, by=cast.mentor)
    said = [each["verb"]["id"].rpartition("/")[2] for each in store.scan(db, tenant=cast.learner.organization_id)]
    assert said.count("shared") == 1
    assert said.count("accept") == said.count("rated") == 0
    assert said.count("voided") == 2


def test_an_answer_is_taken_back_until_the_learner_has_seen_it(db, cast):
    piece = submitted(db, cast)
    review = evidence.accept(db, piece, Verdict(version=1, rating=75), by=cast.mentor)
    evidence.take_back(db, review, by=cast.mentor)
    assert piece.status == "waiting"
    assert standing.of(db, cast.pursuit).readiness.confirmed == 0
    again = evidence.accept(db, piece, Verdict(version=1, rating=75), by=cast.mentor)
    evidence.mark_seen(db, piece)
    with pytest.raises(Refused):
        evidence.take_back(db, again, by=cast.mentor)


def test_evidence_needs_a_mentor_and_something_in_it(db, cast):
    way = pursuits.start(db, cast.other_learner, "cka")
    with pytest.raises(Refused):
        evidence.submit(db, way, "1", Submission(text="Done"))
    with pytest.raises(Invalid):
        evidence.submit(db, cast.pursuit, "1", Submission())
    with pytest.raises(Invalid):
        evidence.submit(db, cast.pursuit, "1", Submission(link="javascript:alert(1)"))
    with pytest.raises(Invalid):
        evidence.submit(db, cast.pursuit, "99", Submission(text="Done"))


def test_only_the_learners_mentor_may_answer(db, cast):
    piece = submitted(db, cast)
    for person in (cast.coordinator, cast.other_learner, cast.outsider):
        with pytest.raises(NotFound):
            evidence.get_for_mentor(db, person, piece.id)
        with pytest.raises(NotAllowed):
            evidence.accept(db, piece, Verdict(version=1, rating=50), by=person)


def test_a_pursuit_goes_from_interest_to_award(db, cast):
    way = pursuits.start(db, cast.learner, "cka", status="interested")
    with pytest.raises(Refused):
        pursuits.start(db, cast.learner, "cka")
    pursuits.study(db, way)
    with pytest.raises(Invalid):
        pursuits.book_exam(db, way, clock.today() - timedelta(days=1))
    pursuits.book_exam(db, way, soon())
    pursuits.fail_exam(db, way)
    pursuits.book_exam(db, way, soon())
    pursuits.pass_exam(db, way)
    pursuits.award(db, way, awarded_on=clock.today(), expires_on=soon(700))
    assert (way.status, way.attempts) == ("awarded", 2)
    with pytest.raises(Refused):
        pursuits.book_exam(db, way, soon())


def test_a_rating_is_one_of_five_steps_and_the_last_one_counts(db, cast):
    with pytest.raises(Invalid):
        pursuits.rate_self(db, cast.pursuit, {"1": 60})
    pursuits.rate_self(db, cast.pursuit, {"1": 25})
    with clock.moved_to(clock.now() + timedelta(seconds=5)):
        pursuits.rate_self(db, cast.pursuit, {"1": 75})
        found = standing.of(db, cast.pursuit).readiness
    assert (found.domain("1").own.value, found.confirmed) == (75, 0)


def test_capacity_pause_and_one_mentor_at_a_time_are_kept(db, cast):
    def pair(mentor, mentee):
        with pytest.raises(Refused) as refused:
            mentorships.pair(db, cast.program, mentor=mentor, mentee=mentee, by=cast.coordinator)
        return refused.value.reason

    assert pair(cast.mentor, cast.other_learner) == "pair.full"
    assert pair(cast.mentor, cast.learner) == "pair.has_mentor"
    assert pair(cast.analyst, cast.other_learner) == "pair.no_mentor"
    assert pair(cast.mentor, cast.mentor) == "pair.same_person"
    programs.pause(db, cast.program, cast.mentor)
    assert pair(cast.mentor, cast.other_learner) == "pair.paused"
    with pytest.raises(NotAllowed):
        mentorships.pair(db, cast.program, mentor=cast.mentor, mentee=cast.other_learner, by=cast.mentor)


def test_a_pair_ends_without_fault_and_the_mentor_sees_the_record_no_more(db, cast):
    mentorships.end(db, cast.mentorship, by=cast.learner)
    with pytest.raises(NotFound):
        mentorships.get_for(db, cast.mentor, cast.mentorship.id)
    assert mentor_home.home(db, cast.mentor).rows == ()


def test_only_a_teacher_of_the_course_starts_a_program(db, cast):
    today = clock.today()
    plan = programs.ProgramDraft(name="Mine", starts_on=today, ends_on=today + timedelta(days=90))
    with pytest.raises(NotAllowed):
        programs.create(db, cast.course, plan, by=cast.learner)
    with pytest.raises(Invalid):
        programs.create(
            db, cast.course, programs.ProgramDraft(name="", starts_on=today, ends_on=today), by=cast.coordinator
        )


def test_meetings_are_planned_held_missed_and_called_off(db, cast):
    with pytest.raises(Invalid):
        meetings.plan(db, cast.mentorship, planned_at=clock.now(), minutes=30, by=cast.learner)
    tomorrow = clock.now() + timedelta(days=1)
    held, missed, off = (
        meetings.plan(db, cast.mentorship, planned_at=tomorrow + timedelta(minutes=minutes), minutes=30, by=cast.mentor)
        for minutes in (0, 10, 20)
    )
    with pytest.raises(Invalid) as twice:
        meetings.plan(db, cast.mentorship, planned_at=tomorrow, minutes=30, by=cast.learner)
    assert twice.value.fields == {"planned_at": "meeting.same_time"}
    with pytest.raises(Refused):
        meetings.hold(db, held, by=cast.mentor)
    meetings.call_off(db, off, by=cast.learner)
    with clock.moved_to(tomorrow + timedelta(hours=1)):
        meetings.hold(db, held, by=cast.mentor, minutes=50)
        meetings.miss(db, missed, by=cast.mentor)
    assert verbs(db)[-3:] == ["cancel", "attended", "missed"]
    with pytest.raises(NotAllowed):
        meetings.plan(db, cast.mentorship, planned_at=tomorrow, minutes=30, by=cast.coordinator)


def mapped_item(db, cast):
    item = courses.add_item(db, cast.course, activity_iri="https://lms.example.org/items/1", title="Quiz 1")
    course_map.save(db, cast.course, {item.id: {("comptia-security-plus", "1"): 1}}, by=cast.coordinator)
    return item


def grade(subject="learner", raw=90, **changes):
    return {
        "actor": {"account": {"homePage": "https://lms.example.org", "name": subject}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/scored"},
        "object": {"id": "https://lms.example.org/items/1"},
        "result": {"score": {"raw": raw, "min": 0, "max": 100}},
        "timestamp": clock.now().isoformat(),
    } | changes


def test_a_grade_of_the_lms_moves_readiness_without_typing(db, cast):
    mapped_item(db, cast)
    organization = cast.course.organization_id
    assert results.take_statements(db, organization, [grade()]) == 1
    domain = standing.of(db, cast.pursuit).readiness.domain("1")
    assert (domain.value, domain.course.parts[0].item_title) == (90, "Quiz 1")
    assert verbs(db)[-1] == "scored"


def test_an_older_grade_or_one_about_something_else_changes_nothing(db, cast):
    mapped_item(db, cast)
    organization = cast.course.organization_id
    results.take_statements(db, organization, [grade()])
    old = (clock.now() - timedelta(days=1)).isoformat()
    strange = [
        grade(raw=10, timestamp=old),
        grade(subject="nobody"),
        grade(object={"id": "https://lms.example.org/items/99"}),
        grade(verb={"id": "http://adlnet.gov/expapi/verbs/attended"}),
        grade(object={"objectType": "StatementRef", "id": "x"}),
        grade(actor={"mbox": "mailto:ann@example.org"}),
    ]
    results.take_statements(db, organization, strange)
    assert standing.of(db, cast.pursuit).readiness.domain("1").value == 90


def test_only_a_teacher_changes_the_course_map(db, cast):
    item = mapped_item(db, cast)
    with pytest.raises(NotAllowed):
        course_map.save(db, cast.course, {item.id: {}}, by=cast.learner)


def test_the_next_step_of_a_learner_follows_the_rules_in_order(db, cast):
    def step():
        return learner_home.home(db, cast.learner, cast.course.id).next_step.code

    assert step() == "no_goal"
    goals.set_goal(db, cast.learner, draft())
    assert step() == "not_rated"
    pursuits.rate_self(db, cast.pursuit, {str(code): 50 for code in range(1, 6)})
    assert step() == "largest_gap"
    for code in range(1, 6):
        submitted(db, cast, str(code))
    assert step() == "with_mentor"
    with clock.moved_to(clock.now() + timedelta(days=12)):
        assert step() == "goal_overdue"
    pursuits.book_exam(db, cast.pursuit, soon(9))
    assert step() == "exam_soon"
    meetings.plan(db, cast.mentorship, planned_at=clock.now() + timedelta(hours=20), minutes=30, by=cast.mentor)
    assert step() == "meeting_soon"
    piece = evidence.of_pursuit(db, cast.pursuit)[0]
    evidence.return_it(db, piece, Verdict(version=1, comment="More, please."), by=cast.mentor)
    assert step() == "evidence_returned"


def test_a_reminder_is_sent_at_most_once_a_week(db, cast):
    later = clock.now() + timedelta(days=40)
    with clock.moved_to(later):
        home = coordinator_home.home(db, cast.program)
        assert [row.mentee.id for row in home.never_met] == [cast.learner.id]
        assert [person.id for person in home.without_mentor] == [cast.other_learner.id]
        notices.remind(db, cast.mentorship, "never_met", by=cast.coordinator)
        assert len(notices.for_person(db, cast.learner)) == 1
        with pytest.raises(Refused):
            notices.remind(db, cast.mentorship, "silent", by=cast.coordinator)
    with clock.moved_to(later + timedelta(days=8)):
        notices.remind(db, cast.mentorship, "silent", by=cast.coordinator)
    with pytest.raises(NotAllowed):
        notices.remind(db, cast.mentorship, "silent", by=cast.mentor)


def test_a_coordinator_asks_a_pair_how_it_goes_and_reads_both_answers(db, cast):
    def asked():
        return notices.check_ins(db, [cast.mentorship])[cast.mentorship.id]

    assert notices.check_ins(db, [cast.mentorship]) == {}
    notices.remind(db, cast.mentorship, "check_in", by=cast.coordinator)
    assert (asked().by_mentee, asked().by_mentor) == (None, None)
    card = notices.for_person(db, cast.learner)[0]
    notices.close_all(db, cast.learner)
    assert notices.for_person(db, cast.learner) == [card], "a question stays until it is answered"
    with pytest.raises(NotFound):
        notices.answer(db, cast.mentor, card.id, "fine")
    notices.answer(db, cast.learner, card.id, "help")
    with pytest.raises(NotFound):
        notices.answer(db, cast.learner, card.id, "fine")
    assert (asked().by_mentee, asked().by_mentor) == ("help", None)
    assert notices.for_person(db, cast.learner) == []
    with clock.moved_to(clock.now() + timedelta(days=8)):
        notices.remind(db, cast.mentorship, "check_in", by=cast.coordinator)
    assert (asked().by_mentee, asked().by_mentor) == (None, None), "the last question counts"


def test_targets_are_fixed_once_a_program_has_started(db, cast):
    draft = programs.draft_of(cast.program)
    later = replace(draft, ends_on=draft.ends_on + timedelta(days=30), meetings_per_month=3, name="Longer")
    programs.change(db, cast.program, later, by=cast.coordinator)
    assert (cast.program.meetings_per_month, cast.program.name, verbs(db)[-1]) == (3, "Longer", "planned")
    with pytest.raises(Refused) as refused:
        programs.change(db, cast.program, replace(later, target_certified=9), by=cast.coordinator)
    assert refused.value.reason == "program.started"
    with pytest.raises(Invalid):
        programs.change(db, cast.program, replace(later, ends_on=draft.starts_on), by=cast.coordinator)
    with pytest.raises(NotAllowed):
        programs.change(db, cast.program, replace(later, name="Mine"), by=cast.mentor)


def test_before_the_start_targets_may_change_and_the_figures_follow(db, cast):
    soon_starting = replace(programs.draft_of(cast.program), name="Next", starts_on=soon(5), ends_on=soon(99))
    program = programs.create(db, cast.course, soon_starting, by=cast.coordinator)
    programs.change(db, program, replace(soon_starting, target_certified=9), by=cast.coordinator)
    last = list(store.scan(db, tenant=program.organization_id))[-1]
    assert last["context"]["extensions"][Extensions.TARGETS.iri]["certified"] == 9


def test_other_rules_of_a_program_move_readiness_on_record(db, cast):
    item = mapped_item(db, cast)
    results.take(db, item, cast.learner, score=100, maximum=100, source="statement", at=clock.now())
    pursuits.rate_by_mentor(db, cast.pursuit, "1", 50, by=cast.mentor)
    assert standing.of(db, cast.pursuit).readiness.domain("1").value == 70
    program_rules.save(db, cast.program, Rules(mentor_weight=20, ready_line=80, floor=40), by=cast.coordinator)
    now = standing.of(db, cast.pursuit).readiness
    assert (now.domain("1").value, now.rules.ready_line, verbs(db)[-1]) == (90, 80, "scored")
    for wrong in (Rules(mentor_weight=101), Rules(ready_line=50, floor=60)):
        with pytest.raises(Invalid):
            program_rules.save(db, cast.program, wrong, by=cast.coordinator)
    with pytest.raises(NotAllowed):
        program_rules.save(db, cast.program, Rules(), by=cast.learner)


def test_a_program_runs_in_another_course_only_where_the_coordinator_teaches(db, cast):
    deployment_id = cast.course.deployment_id
    other = courses.meet(
        db, cast.course.organization_id, deployment_id=deployment_id, context_id="2", label="C2", title="Course two"
    )
    with pytest.raises(NotAllowed):
        programs.attach(db, cast.program, other, by=cast.coordinator)
    courses.join(db, other, cast.coordinator, teaches=True)
    programs.attach(db, cast.program, other, by=cast.coordinator)
    assert [course.title for course in programs.courses_of(db, cast.program)] == ["Course one", "Course two"]


def test_evidence_that_waits_goes_to_the_next_mentor(db, cast):
    piece = evidence.submit(db, cast.pursuit, "1", Submission(text="I did it."))
    mentorships.end(db, cast.mentorship, by=cast.coordinator)
    programs.enroll(db, cast.program, cast.other_learner, "mentor", capacity=1)
    pair = mentorships.pair(db, cast.program, mentor=cast.other_learner, mentee=cast.learner, by=cast.coordinator)
    evidence.hand_over(db, pair)
    assert evidence.get_for_mentor(db, cast.other_learner, piece.id).id == piece.id
    with pytest.raises(NotFound):
        evidence.get_for_mentor(db, cast.mentor, piece.id)


def test_a_pair_that_works_without_meeting_is_not_silent(db, cast):
    cast.mentorship.started_at = clock.now() - timedelta(days=60)
    assert [row.days for row in coordinator_home.home(db, cast.program).silent] == [60]
    assert mentor_home.home(db, cast.mentor).rows[0].reason == "silent"
    goals.set_goal(db, cast.learner, GoalDraft(title="Read", baseline=0, target=10, due_on=soon()))
    assert coordinator_home.home(db, cast.program).silent == ()
    assert mentor_home.home(db, cast.mentor).rows[0].reason == "meeting_overdue"
    with clock.moved_to(clock.now() + timedelta(days=31)):
        assert [row.days for row in coordinator_home.home(db, cast.program).silent] == [31]


def test_two_open_goals_of_one_title_are_refused(db, cast):
    draft = GoalDraft(title="Read", baseline=0, target=10, due_on=soon())
    first = goals.set_goal(db, cast.learner, draft)
    with pytest.raises(Invalid) as refused:
        goals.set_goal(db, cast.learner, replace(draft, title=" Read "))
    assert refused.value.fields == {"title": "goal.same_title"}
    goals.achieve(db, first, by=cast.learner)
    goals.set_goal(db, cast.learner, draft)
