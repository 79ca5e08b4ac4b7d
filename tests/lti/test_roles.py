"""Who teaches and who builds a course, by the roles of the LIS vocabulary (Core A.2.3), to the letter."""

import jwt
import pytest
from sqlalchemy import select

from lti_mentor.lti.platforms import Platform
from lti_mentor.mentoring.courses import Member
from lti_mentor.practice.tokens import CLAIM
from tests.lti import test_deep_linking as deep_linking
from tests.lti.test_launch import refused, send
from tests.lti.test_threats import change

LIS = "http://purl.imsglobal.org/vocab/lis/v2"
INSTRUCTOR, LEARNER = f"{LIS}/membership#Instructor", f"{LIS}/membership#Learner"
DEVELOPER = f"{LIS}/membership#ContentDeveloper"
PRIMARY = f"{LIS}/membership/Instructor#PrimaryInstructor"
ASSISTANT = f"{LIS}/membership/Instructor#TeachingAssistant"


def teaches(site) -> bool:
    with site.database.reading() as db:
        return db.scalars(select(Member.teaches)).one()


SUB_ROLES = ("PrimaryInstructor", "SecondaryInstructor", "Lecturer", "GuestInstructor", "ExternalInstructor")
SHORT = ("Administrator", "ContentDeveloper", "Instructor", "Learner", "Manager", "Member", "Mentor", "Officer")
WHO_TEACHES = [
    *(([f"{LIS}/membership/Instructor#{name}"], True) for name in SUB_ROLES),
    ([PRIMARY, LEARNER], True),
    ([f"{LIS}/institution/person#Student", PRIMARY], True),
    ([ASSISTANT], False),
    ([INSTRUCTOR, ASSISTANT], True),
    ([f"{LIS}/membership/Instructor#Grader"], False),
    ([f"{LIS}/membership/Instructor#TeachingAssistantSection"], False),
    ([f"{LIS}/membership/Learner#Instructor"], False),
    ([f"{PRIMARY}x"], False),
    (["membership/Instructor#PrimaryInstructor"], False),
    ([DEVELOPER], False),
    ([f"{LIS}/institution/person#Administrator", DEVELOPER], False),
    *(([name], name in ("Instructor", "Administrator")) for name in SHORT),
    *(([f"{LIS}/institution/person#Administrator", name], name in ("Instructor", "Administrator")) for name in SHORT),
]


@pytest.mark.parametrize(("roles", "is_teacher"), WHO_TEACHES, ids=lambda case: str(case).rpartition("/")[2][:40])
def test_a_sub_role_of_instructor_teaches_when_it_comes_alone(site, roles, is_teacher):
    assert send(site, {f"{CLAIM}roles": roles}).status_code == 303
    assert teaches(site) is is_teacher


@pytest.mark.parametrize(
    ("role_map", "roles", "is_teacher"),
    [
        ({INSTRUCTOR: "learner"}, [INSTRUCTOR, PRIMARY], False),
        ({INSTRUCTOR: "learner", PRIMARY: "teacher"}, [PRIMARY], True),
        ({PRIMARY: "learner"}, [PRIMARY], False),
        ({PRIMARY: "learner"}, [INSTRUCTOR, PRIMARY], True),
        ({ASSISTANT: "teacher"}, [ASSISTANT], True),
        ({DEVELOPER: "teacher"}, [DEVELOPER], True),
        ({DEVELOPER: "teacher"}, ["ContentDeveloper"], True),
        ({"Instructor": "learner"}, [INSTRUCTOR], False),
        ({"Mentor": "teacher"}, [f"{LIS}/membership#Mentor"], True),
    ],
)
def test_what_an_administrator_says_of_a_role_counts_for_its_sub_roles_too(site, role_map, roles, is_teacher):
    change(site, Platform, role_map=role_map)
    assert send(site, {f"{CLAIM}roles": roles}).status_code == 303
    assert teaches(site) is is_teacher


def choosing_as(site, *roles):
    """The answer to the request of somebody with these roles to choose something, and who asked."""
    visitor, url, fields = deep_linking.begin(site)
    claims = jwt.decode(fields["id_token"], options={"verify_signature": False})
    fields["id_token"] = site.lms.lms.keys[0].sign({**claims, f"{CLAIM}roles": list(roles)})
    return visitor, visitor.request("POST", url, data=fields)


@pytest.mark.parametrize("role", [DEVELOPER, "ContentDeveloper", f"{LIS}/membership/ContentDeveloper#ContentExpert"])
def test_who_builds_the_course_places_things_and_teaches_nobody(site, role):
    visitor, answer = choosing_as(site, role)
    assert answer.status_code == 303, answer.text
    visitor.get(site.url + answer.headers["Location"])
    _, token = deep_linking.sent(deep_linking.place(visitor, deep_linking.SECURITY))
    assert len(deep_linking.message(token)[f"{deep_linking.DEEP}content_items"]) == 1
    assert not teaches(site)


@pytest.mark.parametrize("roles", [[LEARNER], [ASSISTANT], [f"{DEVELOPER}x"], []])
def test_nobody_else_places_anything(site, roles):
    refused(choosing_as(site, *roles)[1], "launch.not_teacher")


def test_who_builds_the_course_places_nothing_where_an_administrator_says_learner(site):
    change(site, Platform, role_map={DEVELOPER: "learner"})
    refused(choosing_as(site, DEVELOPER)[1], "launch.not_teacher")
