"""Sixteen people open a new course in the same moment: all come in, and everything is there once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from lti_mentor.lti.contexts import ContextServices
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.people import Person
from lti_mentor.practice.world import LEARNER, LmsCourse, LmsPerson
from tests.support.visitor import Visitor
from xapi.rows import StoredStatement

CROWD = [f"crowd-{number}" for number in range(16)]


@pytest.fixture
def site(both_site):
    """Two courses of the same sixteen people; nobody has opened the new one."""
    world = both_site.lms.world
    world.people.extend(LmsPerson(id=name, name=name.title()) for name in CROWD)
    members = {name: [LEARNER] for name in CROWD}
    world.courses[0].members.update(members)
    world.courses.append(LmsCourse(id="new", label="N", title="New course", deployment_id="1", members=members))
    return both_site


def launch_at_once(site, names) -> list[int]:
    """Everybody stands at the door with a signed token, and all knock at the same moment."""
    door = threading.Barrier(len(names))

    def knock(name) -> int:
        visitor = Visitor()
        url, fields = visitor.begin(site.lms.url, name, "new")
        door.wait(timeout=30)
        return visitor.request("POST", url, data=fields).status_code

    with ThreadPoolExecutor(len(names)) as threads:
        return list(threads.map(knock, names))


def count(site, *rows) -> list[int]:
    with site.database.reading() as db:
        return [db.scalars(select(func.count()).select_from(row)).one() for row in rows]


def test_sixteen_new_people_open_a_new_course_at_once(site):
    assert launch_at_once(site, CROWD) == [303] * 16
    assert count(site, Person, Course, ContextServices, Member, StoredStatement) == [16, 1, 1, 16, 16]


def test_sixteen_known_people_open_a_new_course_at_once(site):
    for name in CROWD:
        Visitor().launch(site.lms.url, name, "1")
    assert launch_at_once(site, CROWD) == [303] * 16
    assert count(site, Person, Course, ContextServices, Member, StoredStatement) == [16, 2, 2, 32, 32]


def test_one_known_person_opens_a_new_course_in_sixteen_tabs_at_once(site):
    Visitor().launch(site.lms.url, CROWD[0], "1")
    assert launch_at_once(site, CROWD[:1] * 16) == [303] * 16
    assert count(site, Person, Course, ContextServices, Member, StoredStatement) == [1, 2, 2, 2, 17]
