"""One platform that takes long holds up no other, and no worker for hours."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import grades, rosters
from lti_mentor.lti import contexts
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.platforms import Platform
from lti_mentor.mentoring import joining, programs, readiness_columns
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.mentoring.programs import ProgramDraft
from lti_mentor.practice.server import running
from lti_mentor.practice.world import LEARNER, LmsCourse, LmsPerson
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.conftest import register, small_world
from tests.support.visitor import Visitor

SECURITY = "comptia-security-plus"
AT_ONCE = timedelta(0)


@pytest.fixture
def tool(both_site):
    return Tool(both_site.settings, both_site.database, Vault(both_site.settings.secret_key))


@pytest.fixture
def slow(both_site):
    """A platform with two courses of several pages each, which were opened first."""
    world = both_site.lms.world
    world.courses.append(
        LmsCourse(id="2", label="C2", title="Course two", deployment_id="1", members={"learner": [LEARNER]})
    )
    for number in range(120):
        world.people.append(LmsPerson(id=f"crowd-{number}", name=f"Crowd {number}"))
        for course in (world.course("1"), world.course("2")):
            course.members[f"crowd-{number}"] = [LEARNER]
    for course_id in ("1", "2"):
        Visitor().launch(both_site.lms.url, "learner", course_id)
    return both_site.lms.lms


@pytest.fixture
def quick(both_site, slow):
    """Another platform, whose roster is one page."""
    with running(lambda issuer: small_world(issuer, both_site.url)) as lms:
        register(both_site.database, lms.world)
        Visitor().launch(lms.url, "learner", "1")
        yield lms.lms


def row_of(database, row, lms):
    """The services of the courses of a platform."""
    with database.reading() as db:
        wanted = select(row).join(contexts.Deployment).join(Platform).where(Platform.issuer == lms.world.issuer)
        return db.scalars(wanted.order_by(row.roster_problem)).all()


def test_a_roster_that_takes_too_long_is_given_up_and_another_platform_is_read(
    tool, slow, quick, both_site, monkeypatch
):
    monkeypatch.setattr(rosters, "LONGEST", AT_ONCE)
    assert rosters.run(tool) == 1
    assert (slow.roster_requests, quick.roster_requests) == (1, 1), "one course of the slow platform had its turn"
    (only,) = row_of(both_site.database, ContextServices, quick)
    assert (only.roster_problem, only.is_being_read) == (None, False)
    problems = {each.roster_problem for each in row_of(both_site.database, ContextServices, slow)}
    assert problems == {None, "platform.too_slow"}
    with both_site.database.reading() as db:
        assert db.scalars(select(Member).where(Member.left_at.is_not(None))).all() == [], "nobody is taken away"
    monkeypatch.undo()
    assert rosters.run(tool) == 1, "the other course of the slow platform; the first waits"


def test_a_run_ends_though_more_is_due_so_that_other_jobs_have_their_turn(tool, slow, monkeypatch):
    monkeypatch.setattr(rosters, "RUN", AT_ONCE)
    assert rosters.run(tool) == 1
    assert rosters.run(tool) == 1
    assert rosters.run(tool) == 0


@pytest.fixture
def column(both_site):
    """Of three mentees who are on the way."""
    for person in ("coordinator", "learner", "mentor", "analyst"):
        Visitor().launch(both_site.lms.url, person, "1")
    with both_site.database.transaction() as db:
        known = {row[0]: row[1] for row in db.execute(select(Account.subject, Person).join(Person))}
        course, today = db.scalars(select(Course)).one(), clock.today()
        draft = ProgramDraft(name="Program", starts_on=today, ends_on=today + timedelta(weeks=9))
        program = programs.create(db, course, draft, by=known["coordinator"])
        for name in ("learner", "mentor", "analyst"):
            joining.enroll(db, program, known[name], "mentee")
            joining.start(db, known[name], SECURITY, status="studying", target_on=None)
        readiness_columns.open_column(db, program, course, SECURITY, by=known["coordinator"])


def test_a_column_that_takes_long_is_told_bit_by_bit(tool, both_site, column, monkeypatch):
    monkeypatch.setattr(grades, "LONGEST", AT_ONCE)
    for left in (2, 1):
        assert grades.run(tool) == 1
        with both_site.database.transaction() as db:
            found = db.scalars(select(GradeColumn)).one()
            assert (found.problem, found.failures, found.leased_until) == ("grades.too_slow", 1, None)
            assert clock.now() < found.retry_at < clock.now() + timedelta(minutes=2)
            assert sum(score.is_waiting("as_it_stands") for score in db.scalars(select(LatestScore))) == left
            found.retry_at = None
    assert grades.run(tool) == 1
    with both_site.database.reading() as db:
        assert db.scalars(select(GradeColumn)).one().problem is None
