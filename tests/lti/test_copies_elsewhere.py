"""Copies of a course that come in another deployment, recognized by the keys of placed links, over real HTTP."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.mentoring import (
    organizations,
)
from lti_mentor.mentoring.course_copies import CourseCopy
from lti_mentor.practice.world import INSTRUCTOR, CourseLink, LmsCourse
from tests.lti.test_course_copies import MAP, by_title, copy_of, set_up
from tests.lti.test_deep_linking import count, follow, opened, place, sent
from tests.support.visitor import Visitor


def in_a_new_deployment(site, *, history) -> LmsCourse:
    """A copy of the course as Canvas makes it where the tool was installed in the course, with what was placed."""
    set_up(site)
    visitor = opened(site)
    address, token = sent(place(visitor, "home"))
    visitor.request("POST", address, data={"JWT": token})
    with site.database.transaction() as db:
        platform = db.scalars(select(Platform)).one()
        home = organizations.named(db, "Home").id
        db.add(Deployment(platform_id=platform.id, organization_id=home, deployment_id="of the copy"))
    copy = replace(copy_of(site), deployment_id="of the copy", history=history)
    site.lms.world.courses[-1] = copy
    return copy


@pytest.mark.quirk("new_deployments")
def test_a_copy_in_a_new_deployment_is_recognized_by_the_key_of_a_placed_link(both_site):
    copy = in_a_new_deployment(both_site, history=["1"])
    assert "is a copy of" not in Visitor().launch(both_site.lms.url, "coordinator", copy.id).text, "of an id alone"
    (link,) = both_site.lms.lms.links[copy.id]
    page = follow(both_site, "coordinator", link.id, course=copy.id)
    assert "This course is a copy of Course one" in page.text
    assert by_title(both_site, copy.id) == MAP
    assert "This course is a copy of Course one" in follow(both_site, "coordinator", link.id, course=copy.id).text
    assert count(both_site, CourseCopy) == 1


def test_a_key_of_another_platform_says_nothing_about_copies(site):
    copy = in_a_new_deployment(site, history=[])
    with site.database.transaction() as db:
        values = {"authorization_endpoint": "https://x.example.org/a", "token_endpoint": "https://x.example.org/t"}
        other = Platform(
            issuer="https://x.example.org", client_id="other", jwks_uri="https://x.example.org/k", **values
        )
        other.frame_ancestors = []
        db.add(other)
        db.flush()
        first = db.scalars(select(Deployment).where(Deployment.deployment_id == "1")).one()
        first.platform_id = other.id
    (link,) = site.lms.lms.links[copy.id]
    assert "is a copy of" not in follow(site, "coordinator", link.id, course=copy.id).text
    assert count(site, CourseCopy) == 0


def test_a_key_of_another_organization_says_nothing_about_copies(site):
    set_up(site)
    visitor = opened(site)
    address, token = sent(place(visitor, "home"))
    visitor.request("POST", address, data={"JWT": token})
    (link,) = site.lms.lms.links["1"]
    site.lms.lms.links["1b"] = [CourseLink("77", "Stolen", link.url, {"mentor_link": link.custom["mentor_link"]})]
    site.lms.world.course("1b").members["outsider"] = [INSTRUCTOR]
    follow(site, "outsider", "77", course="1b")
    assert count(site, CourseCopy) == 0
