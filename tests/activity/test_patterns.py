"""What a pair does, from the first day to the last, follows the patterns of the profile."""

import json
from datetime import date, timedelta

import pytest

from lti_mentor import clock
from lti_mentor.activity.profile import ours
from lti_mentor.mentoring import evidence, goals, meetings, mentorships, pursuits
from lti_mentor.mentoring.evidence import Submission, Verdict
from lti_mentor.mentoring.goals import GoalDraft
from xapi import profile, store
from xapi.vocabulary import PROFILE, PROFILE_VERSION


def said(db, cast):
    """What holds, oldest first."""
    return list(store.scan(db, tenant=cast.learner.organization_id))


def names(followed):
    return [each.removeprefix(f"{PROFILE}/patterns/") for each in followed]


@pytest.fixture
def told(sqlite_database, sqlite_cast):
    """Goals with and without an end, an exam failed and passed, reviews, meetings, and the end of the mentorship.

    All of it is found by the version of the profile, as analysts do.
    """
    cast = sqlite_cast
    with sqlite_database.transaction() as db:
        in_a_month = clock.today() + timedelta(days=30)
        drafts = [
            GoalDraft(title=title, baseline=0, target=10, due_on=in_a_month, visibility="shared")
            for title in ("Read", "Write", "Draw")
        ]
        read, write, draw = (goals.set_goal(db, cast.learner, draft) for draft in drafts)
        goals.make_progress(db, read, 5, by=cast.learner)
        goals.move_due_date(db, read, in_a_month + timedelta(days=7), by=cast.learner)
        goals.achieve(db, read, by=cast.learner)
        goals.reopen(db, read, by=cast.learner)
        goals.override(db, read, percent=90, comment="Almost.", by=cast.mentor)
        goals.achieve(db, read, by=cast.learner)
        goals.confirm(db, read, by=cast.mentor)
        goals.remove(db, write, by=cast.learner)
        tomorrow = clock.now() + timedelta(days=1)
        first, second = (
            meetings.plan(db, cast.mentorship, planned_at=tomorrow + timedelta(days=day), minutes=30, by=cast.mentor)
            for day in (0, 1)
        )
        meetings.call_off(db, second, by=cast.learner)
        piece = evidence.submit(db, cast.pursuit, "1", Submission(text="I did it."))
        evidence.ask(db, piece, Verdict(version=1, comment="How?"), by=cast.mentor)
        evidence.resubmit(db, piece, Submission(text="Like this."))
        taken = evidence.accept(db, piece, Verdict(version=2, rating=75), by=cast.mentor)
        evidence.take_back(db, taken, by=cast.mentor)
        evidence.accept(db, piece, Verdict(version=2, rating=50), by=cast.mentor)
        pursuits.rate_self(db, cast.pursuit, {"1": 75, "2": 50})
        pursuits.book_exam(db, cast.pursuit, in_a_month)
        pursuits.fail_exam(db, cast.pursuit)
        pursuits.book_exam(db, cast.pursuit, in_a_month)
        pursuits.pass_exam(db, cast.pursuit)
        pursuits.award(db, cast.pursuit, awarded_on=clock.today() - timedelta(days=1), expires_on=date(2040, 1, 1))
        with clock.moved_to(tomorrow + timedelta(hours=1)):
            meetings.hold(db, first, by=cast.mentor)
            goals.make_progress(db, draw, 1, by=cast.learner)
            mentorships.complete(db, cast.mentorship, by=cast.learner)
        found = said(db, cast)
        ours_alone = store.Query(activity=PROFILE_VERSION, related_activities=True, limit=500)
        by_profile = store.query(db, tenant=cast.learner.organization_id, wanted=ours_alone)
    assert {json.loads(body)["id"] for body in by_profile.statements} == {each["id"] for each in found}
    return found, str(cast.mentorship.id), (read.id, write.id, draw.id), cast.pursuit.id


def test_each_life_follows_its_pattern(told):
    statements, pair, own_goals, pursuit = told
    find = {each["id"]: each for each in statements}.get
    lives = profile.lives(ours(), statements)
    assert sum(map(len, lives.values())) == len(statements)
    followed = {life: names(profile.follows(ours(), each, find)) for life, each in lives.items()}
    assert followed.pop((None, None)) == ["beside"]
    assert followed.pop((pair, pair)) == ["mentorship"]
    assert all("pursuit" in followed.pop((pair, str(each))) for each in [pursuit])
    assert all("goal" in followed.pop((pair, str(each))) for each in own_goals)
    assert followed == {}


def test_a_life_in_another_order_follows_no_pattern(told):
    statements, pair, own_goals, _ = told
    lives = profile.lives(ours(), statements)
    life = lives[pair, pair]
    assert profile.follows(ours(), life[1:]) == []
    assert profile.follows(ours(), [*life, life[1]]) == []
    goal = lives[pair, str(own_goals[0])]
    assert names(profile.follows(ours(), goal)) == ["goal", "beside"]
    assert names(profile.follows(ours(), [*goal, goal[1]])) == ["beside"]
