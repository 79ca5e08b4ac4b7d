"""The cases of the 1EdTech certification for LTI Advantage tools, by the names the suite gives them.

Certification Guide 6.1.1 to 6.1.3. The suite is a platform of its own; the practice LMS sends the same payloads.
"""

import json
import re
from datetime import timedelta
from urllib.parse import parse_qs

import jwt
import pytest
from flask import request
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import grades, rosters
from lti_mentor.mentoring import programs, pursuits, readiness_columns
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.mentoring.programs import ProgramDraft
from lti_mentor.practice.tokens import CLAIM, SigningKey, claims
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web.request_log import JsonLines
from lti_mentor.web.visit import VisitRow
from tests.lti import test_deep_linking as deep_linking
from tests.lti.test_launch import count, refused, send
from tests.support.visitor import Visitor
from xapi.rows import StoredStatement

LIS = "http://purl.imsglobal.org/vocab/lis/v2"
PERSONAL = ("name", "given_name", "family_name", "email")


class Unnamed:
    """Signs with the right key and does not say which."""

    def __init__(self, site):
        self.private = site.lms.lms.keys[0].private

    def sign(self, body):
        return jwt.encode(body, self.private, algorithm="RS256")


def without(*names):
    return dict.fromkeys(names, ...)


def everything(site):
    world = site.lms.world
    return claims(world, world.person("learner"), world.course("1"), nonce="")


BAD = {
    "No KID sent in JWT header": (lambda site: {"key": Unnamed(site)}, "launch.no_key_id"),
    "Incorrect KID in JWT header": (lambda site: {"key": SigningKey()}, "launch.unknown_key"),
    "Wrong LTI version": (lambda site: {"changes": {f"{CLAIM}version": "11.3"}}, "launch.message"),
    "No LTI version": (lambda site: {"changes": without(f"{CLAIM}version")}, "launch.message"),
    "Invalid LTI message": (
        lambda site: {"changes": {**without(*everything(site)), "name": "badltilaunch"}},
        "launch.missing_claim",
    ),
    "Missing LTI claims": (
        lambda site: {"changes": without("aud", "iss", "sub", f"{CLAIM}deployment_id", f"{CLAIM}roles")},
        "launch.missing_claim",
    ),
    "Timestamps incorrect": (lambda site: {"changes": {"iat": 11111, "exp": 22222}}, "launch.expired"),
    "messsage_type claim missing": (lambda site: {"changes": without(f"{CLAIM}message_type")}, "launch.missing_claim"),
    "role claim missing": (lambda site: {"changes": without(f"{CLAIM}roles")}, "launch.missing_claim"),
    "deployment_id claim missing": (
        lambda site: {"changes": without(f"{CLAIM}deployment_id")},
        "launch.missing_claim",
    ),
    "resource_link_id claim missing": (
        lambda site: {"changes": without(f"{CLAIM}resource_link")},
        "launch.missing_claim",
    ),
    "user claim missing": (lambda site: {"changes": without("sub")}, "launch.message"),
}


@pytest.mark.quirk("no_link")
@pytest.mark.parametrize("case", BAD)
def test_a_known_bad_payload_is_refused_with_a_page_and_writes_nothing_but_a_line_of_the_log(site, case, caplog):
    make, reason = BAD[case]
    answer = send(site, **make(site))
    refused(answer, reason)
    (line,) = [JsonLines().format(each) for each in caplog.records if each.name.startswith("lti_mentor")]
    assert json.loads(line)["reason"] == reason
    said = {name: value for name, (value,) in parse_qs(answer.request.body).items()}
    for secret in (said["state"], *said["id_token"].split("."), *answer.request.headers["Cookie"].split("=")):
        assert len(secret) < 6 or secret not in line
    assert [count(site, row) for row in (Person, Account, Course, Member, VisitRow, StoredStatement)] == [0] * 6


@pytest.mark.parametrize("audience", ["another", ["another"], ["tests", "another"], []], ids=str)
def test_a_message_for_another_tool_is_answered_with_401_as_the_security_framework_demands(site, audience):
    answer = send(site, {"aud": audience})
    assert answer.status_code == 401
    assert "The message" in answer.text
    assert [count(site, row) for row in (Person, Account, Course, VisitRow)] == [0] * 4


def roles(*names):
    return {f"{CLAIM}roles": list(names)}


# what the teacher's and what the student's payload has, and whether the teacher is known as one by it
GOOD = {
    "plain": ({}, {}, True),
    "with multiple roles": (
        roles(
            f"{LIS}/institution/person#Faculty", f"{LIS}/institution/person#Instructor", f"{LIS}/membership#Instructor"
        ),
        roles(f"{LIS}/institution/person#Student", f"{LIS}/membership#Learner", f"{LIS}/membership#Mentor"),
        True,
    ),
    "with short role": (roles("Instructor"), roles("Learner"), True),
    "with unknown role": (*[roles(f"{LIS}/uknownrole/unknown#Helper")] * 2, False),
    "with no role": (*[roles("")] * 2, False),
    "with only email": (*[without("name", "given_name", "family_name") | {"email": "somebody@example.org"}] * 2, True),
    "with only names": (*[without("email") | {"given_name": "Some", "family_name": "Body"}] * 2, True),
    "with no personal data": (*[without(*PERSONAL)] * 2, True),
    "with email without context": (
        *[without("name", f"{CLAIM}context") | {"email": "somebody@example.org"}] * 2,
        True,
    ),
}


@pytest.mark.quirk("short_roles")
@pytest.mark.parametrize("person", ["coordinator", "learner"], ids=["teacher", "student"])
@pytest.mark.parametrize("case", GOOD)
def test_a_valid_launch_opens(site, case, person):
    of_teacher, of_student, is_known = GOOD[case]
    visitor = Visitor()
    answer = send(site, of_teacher if person == "coordinator" else of_student, visitor=visitor, person=person)
    assert answer.status_code == 303, answer.text
    assert visitor.get(site.url + answer.headers["Location"]).status_code == 200
    with site.database.reading() as db:
        standing = db.scalars(select(Member.teaches)).all()
    assert standing == ([] if "without context" in case else [is_known and person == "coordinator"])


def test_deep_linking_request_response_and_launch_of_the_passed_link(site):
    visitor = deep_linking.opened(site)
    address, token = deep_linking.sent(deep_linking.place(visitor, "home"))
    assert visitor.request("POST", address, data={"JWT": token}).status_code == 200
    (link,) = site.lms.lms.links["1"]
    assert "Set your first goal" in deep_linking.follow(site, "learner", link.id).text


def tool_of(site) -> Tool:
    return Tool(site.settings, site.database, Vault(site.settings.secret_key))


def test_names_and_roles_launch_and_read_the_roster_every_page(site):
    site.lms.lms.most_members = 1
    Visitor().launch(site.lms.url, "learner", "1")
    assert rosters.run(tool_of(site)) == 1
    assert site.lms.lms.roster_requests == 4
    with site.database.reading() as db:
        names = db.scalars(select(Person.name).order_by(Person.name)).all()
    assert names == ["Analyst", "Coordinator", "Learner", "Mentor"]


def open_column(site) -> None:
    """A teacher and a learner came in; the learner is a mentee on the way, and the column is open."""
    for person in ("coordinator", "learner"):
        Visitor().launch(site.lms.url, person, "1")
    with_column(site, "coordinator", "learner")


def with_column(site, teacher: str, learner: str) -> None:
    """For these two, whom the course knows already."""
    with site.database.transaction() as db:
        course, today = db.scalars(select(Course)).one(), clock.today()
        of = select(Person).join(Account)
        teacher, learner = (db.scalars(of.where(Account.subject == each)).one() for each in (teacher, learner))
        draft = ProgramDraft(name="Program", starts_on=today, ends_on=today + timedelta(weeks=26))
        program = programs.create(db, course, draft, by=teacher)
        programs.enroll(db, program, learner, "mentee")
        pursuits.start(db, learner, "comptia-security-plus")
        readiness_columns.open_column(db, program, course, "comptia-security-plus", by=teacher)


def test_grades_a_learner_launch_then_create_a_line_item_and_publish_a_score(site):
    open_column(site)
    assert grades.run(tool_of(site)) == 1
    (made,) = site.lms.lms.columns.values()
    assert {person: points for person, (_, points, _) in made.scores.items()} == {"learner": 0}


@pytest.mark.quirk("times_with_a_zone", "times_with_fractions", "only_graded")
def test_grades_a_score_has_every_property_that_the_specification_names_for_it(site):
    open_column(site)
    seen = []
    site.lms.lms.bad_answers[:] = [lambda: None, lambda: None, lambda: seen.append((request.path, request.get_json()))]
    assert grades.run(tool_of(site)) == 1
    ((path, said),) = seen
    assert path.endswith("/scores")
    required = {"userId", "activityProgress", "gradingProgress", "timestamp"}
    assert set(said) == required | {"scoreGiven", "scoreMaximum", "submission"}
    assert said["activityProgress"] in ("Initialized", "Started", "InProgress", "Submitted", "Completed")
    assert said["gradingProgress"] == "FullyGraded"
    for at in (said["timestamp"], *said["submission"].values()):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at)
    assert set(said["submission"]) == {"startedAt"}, "nothing was handed in yet"
