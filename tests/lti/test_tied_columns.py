"""A new column says which resource link it is about, so that a platform shows the score where the link is."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import grades
from lti_mentor.lti import links
from lti_mentor.lti.deep_linking import PlacedLink
from lti_mentor.lti.links import LaunchedLink
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.mentoring import course_copies, readiness_columns
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.gradebook import GradeColumn
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.mentoring.programs import Program
from lti_mentor.practice.copies import copied
from lti_mentor.practice.world import LEARNER
from tests.lti.test_deep_linking import (
    SECURITY,
    activity,
    choosing,
    count,
    follow,
    on_the_way,
    opened,
    place,
    sent,
    with_program,
)
from tests.lti.test_threats import change, tool_of
from tests.support.visitor import Visitor


def tied(site) -> dict[str, str | None]:
    """By course the link that its column is tied to, once a worker was there."""
    grades.run(tool_of(site))
    return {column.course_id: column.link_id for column in site.lms.lms.columns.values()}


def open_column(site, context_id="1") -> None:
    """A coordinator shows readiness in the gradebook; the learner is on the way and has a score there."""
    with site.database.transaction() as db:
        course = db.scalars(select(Course).where(Course.context_id == context_id)).one()
        teacher = db.scalars(select(Person).join(Account).where(Account.subject == "coordinator")).one()
        program = db.scalars(select(Program)).one()
        course_copies.attach(db, program, course, by=teacher)
        readiness_columns.open_column(db, program, course, SECURITY.partition(" ")[2], by=teacher)


def chosen(site, choice=SECURITY) -> str:
    """An activity that a teacher chose this for, opened by the learner, who is on the way."""
    with_program(site)
    link_id = activity(site)
    place(choosing(site, link_id), choice)
    follow(site, "learner", link_id)
    on_the_way(site)
    return link_id


def test_a_column_is_tied_to_the_link_that_shows_what_it_is_about(both_site):
    with_program(both_site)
    Visitor().launch(both_site.lms.url, "learner", "1")
    on_the_way(both_site)
    address, token = sent(place(opened(both_site), "home", SECURITY))
    opened(both_site).request("POST", address, data={"JWT": token})
    for link in both_site.lms.lms.links["1"]:
        follow(both_site, "learner", link.id)
        follow(both_site, "coordinator", link.id)
    open_column(both_site)
    assert tied(both_site) == {"1": both_site.lms.lms.links["1"][1].id}
    follow(both_site, "learner", both_site.lms.lms.links["1"][1].id)
    assert count(both_site, GradeColumn) == 1
    assert count(both_site, LaunchedLink) == 2, "one for each link"


@pytest.mark.quirk("tied_columns")
def test_a_column_is_tied_to_an_activity_that_a_teacher_chose_it_for(site):
    link_id = chosen(site)
    open_column(site)
    assert tied(site) == {"1": link_id}


def test_an_activity_that_took_the_place_of_another_counts_once_that_is_launched_no_more(both_site):
    first = chosen(both_site)

    def launched(link_id, *, days_later) -> tuple[str, timedelta]:
        """The id that counts then, and how long ago it was last noted."""
        with both_site.database.transaction() as db:
            db.scalars(select(LaunchedLink)).one().launched_at -= timedelta(days=days_later)
            link = db.scalars(select(PlacedLink)).one()
            deployment = db.scalars(select(Deployment).where(Deployment.deployment_id == "1")).one()
            links.launched(db, link, deployment, "1", link_id)
        with both_site.database.reading() as db:
            kept = db.scalars(select(LaunchedLink)).one()
            return kept.resource_link_id, clock.now() - kept.launched_at

    day = timedelta(days=1)
    assert launched("second", days_later=0)[0] == first
    assert launched(first, days_later=6) < (first, day), "noted again"
    assert launched("second", days_later=6)[0] == first
    assert launched("second", days_later=2) < ("second", day)


def test_a_column_is_tied_to_no_link_of_something_else(site):
    chosen(site, "certification comptia-data-plus")
    open_column(site)
    assert tied(site) == {"1": None}


@pytest.mark.quirk("tied_columns")
def test_a_column_whose_link_is_gone_is_made_without_it(site):
    chosen(site)
    site.lms.lms.links.clear()
    open_column(site)
    assert tied(site) == {"1": None}


def test_a_column_of_a_copied_course_is_tied_to_the_link_of_the_copy(site):
    link_id = chosen(site)
    open_column(site)
    copy = copied(site.lms.lms, site.lms.world.course("1"), "coordinator")
    copy.members["learner"] = [LEARNER]
    (link,) = site.lms.lms.links[copy.id]
    for person in ("coordinator", "learner"):
        follow(site, person, link.id, copy.id)
    open_column(site, copy.id)
    assert tied(site) == {"1": link_id, copy.id: link.id}


@pytest.mark.quirk("tied_columns")
def test_a_column_is_tied_to_nothing_on_canvas_which_shows_the_first_column_of_a_link_alone(site):
    chosen(site)
    open_column(site)
    audience = f"{site.lms.world.issuer}/token"
    change(site, Platform, issuer="https://canvas.instructure.com", token_audience=audience)
    assert tied(site) == {"1": None}
