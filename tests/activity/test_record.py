"""Facts become statements, and what they say of activities is learned."""

import pytest

from lti_mentor.activity.record import iri_base
from lti_mentor.mentoring import courses
from xapi import activities


def is_known(database, course) -> bool:
    with database.reading() as db:
        iri = f"{iri_base(db)}/courses/{course.id}"
        return bool(activities.definitions(db, tenant=course.organization_id, iris=[iri]))


def test_an_activity_of_a_fact_that_was_taken_back_is_learned_with_the_next_one(database, cast):
    place = {"deployment_id": cast.course.deployment_id, "context_id": "new", "label": None, "title": "New"}
    with database.transaction() as db:
        course = courses.meet(db, cast.course.organization_id, **place)
    with pytest.raises(RuntimeError), database.transaction() as db:
        courses.launched(db, cast.learner, course)
        raise RuntimeError
    assert not is_known(database, course)
    for _ in range(2):
        with database.transaction() as db:
            courses.launched(db, cast.learner, course)
        assert is_known(database, course)
