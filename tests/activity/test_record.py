"""Facts become statements, and what they say of activities is learned."""

import pytest
from sqlalchemy import event

from lti_mentor import clock
from lti_mentor.activity.record import authority, iri_base
from lti_mentor.mentoring import courses
from lti_mentor.mentoring.courses import Course
from tests.support.record_store import statement
from xapi import activities, store


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


@pytest.mark.parametrize("way", ["a fact", "statements", "a look at the last one"])
def test_rows_are_locked_in_the_order_in_which_they_were_changed(database, cast, way):
    """The record store is locked last of all: two who lock in different orders wait for each other."""
    texts, tenant = [], cast.course.organization_id

    def note(connection, cursor, text, *rest):
        texts.append(text)

    with database.transaction() as db:
        event.listen(database.engine, "before_cursor_execute", note)
        db.get_one(Course, cast.course.id).title = "Another title"
        if way == "a fact":
            courses.launched(db, cast.learner, cast.course)
        elif way == "statements":
            store.put(db, tenant=tenant, statements=[statement()], now=clock.now(), authority=authority(db))
        else:
            store.last_seq(db, tenant=tenant, now=clock.now())
        event.remove(database.engine, "before_cursor_execute", note)
    locked = [text.split()[1] for text in texts if text.startswith("UPDATE")]
    assert locked.index("courses") < locked.index("xapi_heads")
