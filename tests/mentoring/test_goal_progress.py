from datetime import timedelta

import pytest

from lti_mentor import clock
from lti_mentor.mentoring import course_map, courses, goal_progress, goals, pursuits, results
from lti_mentor.mentoring.goals import GoalDraft, LinkDraft
from lti_mentor.mentoring.readiness import shown

SECURITY = "comptia-security-plus"


def add_item(db, cast, title: str, score: float | None = None):
    item = courses.add_item(db, cast.course, activity_iri=f"https://lms.example.org/{title}", title=title)
    if score is not None:
        results.take(db, item, cast.learner, score=score, maximum=100, source="statement", at=clock.now())
    return item


def set_goal(db, cast, *links: LinkDraft):
    due = clock.today() + timedelta(days=30)
    draft = GoalDraft(title="Ready", unit="labs", baseline=0, target=10, current=5, due_on=due, links=links)
    return goals.set_goal(db, cast.learner, draft)


def test_a_measure_a_course_and_a_domain_make_55(database, cast):
    with database.transaction() as db:
        chosen = [add_item(db, cast, "Quiz 1", 100), add_item(db, cast, "Quiz 2", 42)]
        course_map.save(db, cast.course, {item.id: {(SECURITY, "1"): 1} for item in chosen}, by=cast.coordinator)
        pursuits.rate_by_mentor(db, cast.pursuit, "5", 50, by=cast.mentor)
        goal = set_goal(
            db,
            cast,
            LinkDraft(kind="measure", weight=2),
            LinkDraft(kind="course", course_id=cast.course.id),
            LinkDraft(kind="domain", certification_id=SECURITY, domain_code="5"),
        )
        found = goal_progress.of_many(db, [goal])[goal.id]
    assert [(part.kind, part.value, part.weight, part.source) for part in found.parts] == [
        ("measure", 50, 2, "self"),
        ("course", 71, 1, "course"),
        ("domain", 50, 1, "mentor"),
    ]
    assert all(part.at is not None for part in found.parts)
    assert shown(found.value) == 55


@pytest.mark.parametrize("title", ["Quiz 0", "Quiz 9"])
def test_an_item_linked_by_itself_stays_out_of_the_course_part_when_it_is_not_mapped(database, cast, title):
    with database.transaction() as db:
        mapped, ungraded, alone = (
            add_item(db, cast, "Quiz 1", 80),
            add_item(db, cast, "Quiz 2"),
            add_item(db, cast, title, 10),
        )
        lines = {item.id: {(SECURITY, "1"): 1, (SECURITY, "2"): 1} for item in (mapped, ungraded)}
        course_map.save(db, cast.course, lines, by=cast.coordinator)
        goal = set_goal(
            db,
            cast,
            LinkDraft(kind="course", course_id=cast.course.id),
            LinkDraft(kind="item", item_id=alone.id),
        )
        found = goal_progress.of_many(db, [goal])[goal.id]
    assert [(part.kind, part.value) for part in found.parts] == [("course", 40), ("item", 10)]


def test_a_goal_linked_to_a_certification_nobody_follows_stands_at_0(database, cast):
    with database.transaction() as db:
        goal = set_goal(db, cast, LinkDraft(kind="certification", certification_id="pmp"))
        found = goal_progress.of_many(db, [goal])[goal.id]
    assert [(part.label, part.value, part.at) for part in found.parts] == [("Project Management Professional", 0, None)]
