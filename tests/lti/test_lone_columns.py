"""Platforms that name the column of a link and no list of columns: it is told all the same, with its scope."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import grades
from lti_mentor.lti import contexts
from lti_mentor.lti.contexts import GRADES_CLAIM, ContextServices, Offered
from lti_mentor.lti.grades import SCORE
from lti_mentor.lti.platforms import Deployment
from lti_mentor.mentoring import readiness_columns, telling
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.mentoring.programs import Program
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.jobs.test_grades import crowd
from tests.lti.test_deep_linking import SECURITY, follow, on_the_way, opened, place, sent, with_program
from tests.support.member import Member as Visiting
from tests.support.visitor import Visitor


@pytest.fixture
def tool(both_site):
    return Tool(both_site.settings, both_site.database, Vault(both_site.settings.secret_key))


@pytest.fixture
def link(both_site):
    """Placed with its column by a teacher, and not opened yet."""
    both_site.lms.lms.lists_columns = False
    with_program(both_site)
    Visitor().launch(both_site.lms.url, "learner", "1")
    on_the_way(both_site)
    address, token = sent(place(opened(both_site), SECURITY, columns=[SECURITY]))
    Visitor().request("POST", address, data={"JWT": token})
    (found,) = both_site.lms.lms.links["1"]
    return found


def test_a_column_that_is_named_without_a_list_is_told_with_the_scope_it_came_with(tool, both_site, link):
    assert grades.run(tool) == 0, "nobody has seen it yet"
    follow(both_site, "learner", link.id)
    assert grades.run(tool) == 1
    (made,) = both_site.lms.lms.columns.values()
    assert list(made.scores) == ["learner"]
    with both_site.database.reading() as db:
        services = db.scalars(select(ContextServices)).one()
        column = db.scalars(select(GradeColumn)).one()
        program, course = db.scalars(select(Program)).one(), db.scalars(select(Course)).one()
        teacher = db.scalars(select(Person).join(Account).where(Account.subject == "coordinator")).one()
    assert (services.lineitems_url, services.grade_scopes, column.problem) == (None, [SCORE], None)
    coordinator = Visiting(both_site.database, both_site.settings, teacher, course)
    shown = coordinator.get(f"coordinator/programs/{program.id}/courses/{course.id}/grades").text
    assert "The gradebook shows the column" in shown


def test_a_column_that_was_opened_beforehand_is_told_as_soon_as_a_link_names_it(tool, both_site, link):
    with both_site.database.transaction() as db:
        teacher = db.scalars(select(Person).join(Account).where(Account.subject == "coordinator")).one()
        program, course = db.scalars(select(Program)).one(), db.scalars(select(Course)).one()
        readiness_columns.open_column(db, program, course, "comptia-security-plus", by=teacher)
    assert grades.run(tool) == 0
    assert the_column(both_site).retry_at > clock.now(), "it is found nowhere"
    follow(both_site, "learner", link.id)
    assert grades.run(tool) == 1
    assert the_column(both_site).problem is None


def test_a_column_that_is_begun_anew_is_told_as_soon_as_a_link_names_it(tool, both_site, link):
    follow(both_site, "learner", link.id)
    assert grades.run(tool) == 1
    with both_site.database.transaction() as db:
        telling.gone(db, db.scalars(select(GradeColumn)).one())
        each = db.scalars(select(LatestScore)).one()
        each.sent_at -= timedelta(seconds=2)
    (made,) = both_site.lms.lms.columns.values()
    made.scores.clear()
    assert grades.run(tool) == 0
    assert the_column(both_site).problem == "grades.no_scope"
    follow(both_site, "learner", link.id)
    assert grades.run(tool) == 1
    assert list(made.scores) == ["learner"]


def test_a_lone_column_in_which_nobody_is_found_any_more_is_gone_and_nobody_is_refused(tool, both_site, link):
    follow(both_site, "learner", link.id)
    crowd(both_site, both_site.lms.lms, 2)
    assert grades.run(tool) == 3
    change_all_of_two_days_ago(both_site.database)
    (removed,) = both_site.lms.lms.columns.values()
    both_site.lms.lms.columns.clear()
    assert grades.run(tool) == 0
    found = the_column(both_site)
    assert (found.lineitem_url, found.problem) == (None, "grades.no_scope"), "it may not be looked for"
    with both_site.database.reading() as db:
        assert {each.problem for each in db.scalars(select(LatestScore))} == {None}
    removed.scores.clear()
    both_site.lms.lms.columns[removed.id] = removed
    follow(both_site, "learner", link.id)
    assert grades.run(tool) == 3
    assert len(removed.scores) == 3


def test_a_lone_column_is_not_gone_because_two_people_left_the_course(tool, both_site, link):
    follow(both_site, "learner", link.id)
    crowd(both_site, both_site.lms.lms, 2)
    assert grades.run(tool) == 3
    change_all_of_two_days_ago(both_site.database)
    with both_site.database.transaction() as db:
        stays, *left = db.scalars(select(LatestScore))
        stays.value = stays.sent_value
        for each in left:
            each.problem, each.refused_at = "grades.person_refused", clock.now() - timedelta(days=2)
    address = the_column(both_site).lineitem_url
    both_site.lms.lms.columns.clear()  # so whoever is told about is not found
    assert grades.run(tool) == 0
    assert (the_column(both_site).lineitem_url, the_column(both_site).problem) == (address, None)


def change_all_of_two_days_ago(database) -> None:
    with database.transaction() as db:
        for each in db.scalars(select(LatestScore)):
            each.value, each.sent_at = 50, each.sent_at - timedelta(days=2)


def the_column(site) -> GradeColumn:
    with site.database.reading() as db:
        return db.scalars(select(GradeColumn)).one()


def test_a_list_that_is_named_later_says_where_the_column_may_be(tool, both_site, link):
    follow(both_site, "learner", link.id)
    with both_site.database.transaction() as db:
        row, column = db.scalars(select(ContextServices)).one(), db.scalars(select(GradeColumn)).one()
        named = Offered(None, "https://elsewhere.example.org/lineitems", (SCORE,))
        contexts.keep(db, db.get_one(Deployment, row.deployment_id), row.context_id, named)
        assert column.lineitem_url is not None
    assert grades.run(tool) == 0, "a token goes to the place of the list alone"
    assert both_site.lms.lms.score_requests == 0


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ({"lineitem": "https://lms.example.org/7"}, "https://lms.example.org/7"),
        (
            {"lineitem": "https://lms.example.org/7", "lineitems": "https://lms.example.org/all"},
            "https://lms.example.org/7",
        ),
        ({"lineitem": "https://other.example.org/7", "lineitems": "https://lms.example.org/all"}, None),
        ({"lineitem": "javascript:alert(1)"}, None),
        ({"lineitem": ""}, None),
        ({"lineitem": ["https://lms.example.org/7"]}, None),
        ({}, None),
    ],
)
def test_a_column_is_taken_beside_the_list_or_alone_and_only_with_an_address(claim, expected):
    assert Offered.of({GRADES_CLAIM: claim}).lineitem_url == expected
