"""The learner's home: how much it asks of the database, and what it says since the last visit."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event

from lti_mentor import clock
from lti_mentor.mentoring import course_map, courses, evidence, goals, meetings, notices, pursuits, results
from lti_mentor.mentoring.evidence import Submission, Verdict
from lti_mentor.mentoring.goals import GoalDraft, LinkDraft
from lti_mentor.mentoring.homes import learner as homes
from tests.support.member import Member

SECURITY = "comptia-security-plus"


@pytest.fixture
def busy(database, cast):
    """Goals of every kind of part, two certifications, evidence in every state, a meeting and an open reminder."""
    with database.transaction() as db:
        items = [
            courses.add_item(db, cast.course, activity_iri=f"urn:quiz:{number}", title=f"Quiz {number}")
            for number in range(4)
        ]
        lines = {item.id: {(SECURITY, str(place + 1)): 1} for place, item in enumerate(items)}
        course_map.save(db, cast.course, lines, by=cast.coordinator)
        pursuit = db.merge(cast.pursuit)
        pursuits.start(db, cast.learner, "cka")
        links = (
            LinkDraft(kind="measure"),
            LinkDraft(kind="course", course_id=cast.course.id),
            LinkDraft(kind="item", item_id=items[0].id, course_id=cast.course.id),
            LinkDraft(kind="certification", certification_id=SECURITY),
            LinkDraft(kind="domain", certification_id=SECURITY, domain_code="2"),
        )
        due_on = clock.today() + timedelta(days=9)
        for number in range(5):
            draft = GoalDraft(title=f"Goal {number}", baseline=0, target=10, due_on=due_on, links=links)
            goals.set_goal(db, cast.learner, draft)
        for code in "1234":
            piece = evidence.submit(db, pursuit, code, Submission(text="I did it."))
            if code != "4":
                evidence.accept(db, piece, Verdict(version=1, rating=50), by=cast.mentor)
        pair = db.merge(cast.mentorship)
        meetings.plan(db, pair, planned_at=clock.now() + timedelta(days=2), minutes=30, by=cast.mentor)
        notices.remind(db, pair, "silent", by=cast.coordinator)
        results.take(db, items[0], cast.learner, score=68, maximum=100, source="statement", at=clock.now())
    return cast


def test_the_home_of_a_busy_learner_takes_at_most_8_queries(database, busy, loaded_settings):
    member = Member(database, loaded_settings, busy.learner, busy.course)
    asked = []

    def note(connection, cursor, statement, *_):
        if not statement.startswith(("PRAGMA", "BEGIN", "SHOW", "SET")):
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        page = member.get("learner/")
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert "it is time to meet Mentor" in page.text
    assert re.search("Goal [0-4]<", page.text)
    assert len(asked) <= 8, asked


def test_the_usual_time_to_an_answer_counts_each_version_from_when_it_was_sent(database, cast):
    now = clock.now()
    with database.transaction() as db:
        pursuit = db.merge(cast.pursuit)
        for code, days in (("1", 1), ("2", 2)):
            with clock.moved_to(now - timedelta(days=30)):
                piece = evidence.submit(db, pursuit, code, Submission(text="First."))
            with clock.moved_to(now - timedelta(days=30 - days)):
                evidence.return_it(db, piece, Verdict(version=1, comment="More."), by=cast.mentor)
            with clock.moved_to(now - timedelta(days=10)):
                evidence.resubmit(db, piece, Submission(text="Second."))
            with clock.moved_to(now - timedelta(days=7)):
                evidence.accept(db, piece, Verdict(version=2, rating=50), by=cast.mentor)
        home = homes.home(db, cast.learner, cast.course.id)
    assert home.mentor.usual_days == 3, "the median of 1, 2, 3 and 3 is 2.5, rounded half up"


def test_what_changed_since_the_last_visit_stands_on_the_page(database, cast, loaded_settings):
    with clock.moved_to(clock.now() - timedelta(days=2)):
        Member(database, loaded_settings, cast.learner, cast.course)
    with database.transaction() as db:
        item = courses.add_item(db, cast.course, activity_iri="urn:quiz:4", title="Quiz 4")
        course_map.save(db, cast.course, {item.id: {(SECURITY, "1"): 1}}, by=cast.coordinator)
        results.take(db, item, cast.learner, score=68, maximum=100, source="statement", at=clock.now())
    page = Member(database, loaded_settings, cast.learner, cast.course).get("learner/").text
    assert "Quiz 4" in page
    assert "+8" in page
