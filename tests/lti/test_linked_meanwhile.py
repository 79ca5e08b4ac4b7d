"""A launch of somebody who becomes one with another account in the same moment: it waits, and comes in as that one.

On PostgreSQL alone: SQLite has one writer at a time.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from lti_mentor import clock
from lti_mentor.mentoring import courses, linking, organizations, people
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.people import Identity, Person
from lti_mentor.practice.world import LEARNER, LmsCourse
from lti_mentor.web.visit import VisitRow
from tests.support.visitor import Visitor

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture
def pair(both_site):
    """The learner, as the practice LMS knows her and as another platform does; both are in the course."""
    Visitor().launch(both_site.lms.url, "learner", "1")
    with both_site.database.transaction() as db:
        other = db.scalars(select(Person)).one()
        kept = people.meet(db, other.organization_id, Identity(issuer="https://second.example.org", subject="77"))
        courses.join(db, db.scalars(select(Course)).one(), kept, teaches=False)
    return both_site, kept, other


@contextmanager
def launching(site, course="1"):
    """A launch that is sent once the body asks for it: gives how to send, and how to wait for its answer."""
    visitor = Visitor()
    url, fields = visitor.begin(site.lms.url, "learner", course)
    with ThreadPoolExecutor(1) as thread:
        sent = []

        def send() -> None:
            sent.append(thread.submit(visitor.request, "POST", url, data=fields))
            until_somebody_waits(site.database)

        yield send, lambda: sent[0].result(timeout=30)


def until_somebody_waits(database, number=1) -> None:
    """Until so many transactions wait for what another one holds."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    for _ in range(2000):
        with database.engine.connect() as connection:
            if connection.scalar(waiting) >= number:
                return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits")


def merge(db, kept, other) -> None:
    linking.merge(db, *(db.get_one(Person, each.id) for each in (kept, other)), by=None, place="test")


def rename(site, kept, other) -> None:
    """What the LMS says of the learner is news."""
    world = site.lms.world
    world.people[:] = [replace(each, name=f"New {each.name}") for each in world.people]


def forget_when_seen(site, kept, other) -> None:
    """The launch writes down that the learner is there; of both members the merge keeps one."""
    with site.database.transaction() as db:
        db.execute(update(Member).values(seen_at=clock.now() - timedelta(hours=2)))


def add_course(site, kept, other) -> None:
    """Nobody has opened it yet."""
    members = {"learner": [LEARNER]}
    site.lms.world.courses.append(LmsCourse(id="new", label="N", title="N", deployment_id="1", members=members))


@pytest.mark.parametrize(
    ("prepare", "course"),
    [(lambda *_: None, "1"), (rename, "1"), (forget_when_seen, "1"), (add_course, "new")],
    ids=["known", "renamed", "back", "new course"],
)
def test_a_launch_in_the_moment_of_a_link_comes_in_as_the_kept_person(pair, prepare, course):
    site, kept, other = pair
    prepare(site, kept, other)
    with launching(site, course) as (send, answer):
        with site.database.transaction() as db:
            merge(db, kept, other)
            send()
        assert answer().status_code == 303, answer().text
    with site.database.reading() as db:
        assert db.scalars(select(Person.id)).all() == [kept.id]
        assert set(db.scalars(select(VisitRow.person_id))) == {kept.id}
        assert db.scalar(select(func.count()).select_from(VisitRow)) == 2
        assert organizations.named(db, "Home").id == kept.organization_id


@pytest.mark.parametrize(("prepare", "course"), [(forget_when_seen, "1"), (rename, "1")], ids=["back", "renamed"])
def test_a_launch_that_began_to_write_before_the_link_does_not_stop_it(pair, prepare, course):
    """Both write about the same rows, and the link holds already what the launch needs next."""
    site, kept, other = pair
    prepare(site, kept, other)
    with launching(site, course) as (send, answer):
        with site.database.transaction() as db:
            db.execute(text("SET LOCAL deadlock_timeout = '20s'"))  # whoever waits longest gives way
            organizations.lock(db, kept.organization_id)
            both = select(Person.id).where(Person.id.in_([kept.id, other.id])).order_by(Person.id)
            db.execute(both.with_for_update()).all()
            send()
            merge(db, kept, other)
        assert answer().status_code == 303, answer().text
    with site.database.reading() as db:
        assert db.scalars(select(Person.id)).all() == [kept.id]
        assert set(db.scalars(select(VisitRow.person_id))) == {kept.id}
