"""Something at every address, for the tests that walk the URL map."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import requests
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.activity.outside import TargetDraft
from lti_mentor.app import create_app
from lti_mentor.db import connect
from lti_mentor.lti import contexts, deep_linking, links, platforms, registration
from lti_mentor.lti.contexts import Offered
from lti_mentor.lti.deep_linking import PlacedLink, Wanted
from lti_mentor.lti.links import LaunchedLink
from lti_mentor.lti.platforms import Deployment
from lti_mentor.mentoring import courses, evidence, goals, meetings, mentorships, notices, people, programs, retention
from lti_mentor.mentoring.evidence import Submission
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.mentoring.programs import ProgramDraft
from lti_mentor.mentoring.retention import RetentionRule
from lti_mentor.vault import Vault
from tests.conftest import empty, met
from tests.support.record_store import ONE, TWO, Client, Server
from tests.support.serving import served
from xapi import keys

REGISTRATION = platforms.Registration(
    issuer="https://lms.example.org",
    client_id="c",
    authorization_endpoint="https://lms.example.org/authorize",
    token_endpoint="https://lms.example.org/token",
    jwks_uri="https://lms.example.org/jwks",
    deployment_ids=("7",),
)


@pytest.fixture
def things(sqlite_database, sqlite_cast, loaded_settings):
    return things_of(sqlite_database, sqlite_cast, loaded_settings)


def things_of(sqlite_database, cast, loaded_settings, client_id="c"):
    """Something at every address, all of it the learner's, the mentor's or the coordinator's."""
    with sqlite_database.transaction() as db:
        draft = GoalDraft(
            title="Read", baseline=0, target=10, due_on=clock.today() + timedelta(days=9), visibility="shared"
        )
        goal = goals.set_goal(db, cast.learner, draft)
        piece = evidence.submit(db, cast.pursuit, "1", Submission(text="I did it."))
        card = notices.remind(db, cast.mentorship, "check_in", by=cast.coordinator)[1]
        meeting = meetings.plan(
            db, cast.mentorship, planned_at=clock.now() + timedelta(days=2), minutes=30, by=cast.mentor
        )
        platform = platforms.add(
            db, replace(REGISTRATION, client_id=client_id), organization_id=cast.learner.organization_id
        )
        waiting = Deployment(platform_id=platform.id, deployment_id="8", status="pending", last_launch_at=clock.now())
        db.add(waiting)
        wanted = Wanted("https://lms.example.org/return", None, True, True)
        registration.invite(db, cast.learner.organization_id)
        (invitation,) = registration.open_invitations(db, cast.learner.organization_id)
        picker = deep_linking.open_picker(db, platform.deployments[0], wanted, visit_key="another")
        draft = TargetDraft(label="Warehouse", endpoint="https://lrs.example.org/xapi", key="k", secret="s")
        target = outside.add(db, Vault(loaded_settings.secret_key), cast.learner.organization_id, draft)
        organization_id, hashes = cast.learner.organization_id, lambda text: text[:32]
        key, _ = keys.add(db, tenant=organization_id, label="Warehouse", now=clock.now(), fingerprint=hashes)
        link = activity_of(db, cast.course, platform)
        links.take_people(db, link, [cast.learner.id], at=clock.now())
        rule = retention.add(db, organization_id, RetentionRule(days=365, whose="others"))
    return {
        "platform_id": platform.id,
        "target_id": target.id,
        "key": key,
        "rule_id": rule.id,
        "deployment_id": waiting.id,
        "invitation_id": invitation.id,
        "picker_id": picker.id,
        "link_id": link.id,
        "goal_id": goal.id,
        "evidence_id": piece.id,
        "meeting_id": meeting.id,
        "pursuit_id": cast.pursuit.id,
        "mentorship_id": cast.mentorship.id,
        "program_id": cast.program.id,
        "course_id": cast.course.id,
        "person_id": cast.mentor.id,
        "learner_id": cast.learner.id,
        "how": "ended",
        "code": "1",
        "outcome": "called_off",
        "reminder_id": card.id,
        "word": "fine",
    }


def activity_of(db, course, platform):
    """Something that was placed in the course and opened there, whose platform says who is in the course."""
    owner = {"organization_id": course.organization_id}
    deployment = db.get(Deployment, course.deployment_id)
    if deployment is None:
        deployment = Deployment(id=course.deployment_id, platform_id=platform.id, deployment_id="9", **owner)
        db.add(deployment)
        db.flush()
    link = PlacedLink(kind="home", target="", **owner)
    db.add(link)
    db.flush()
    contexts.keep(db, deployment, course.context_id, Offered("https://lms.example.org/members", None, ()))
    links.launched(db, link, deployment, course.context_id, "1", title="Program")
    return db.scalars(select(LaunchedLink).where(LaunchedLink.placed_link_id == link.id)).one()


@pytest.fixture
def seconds(sqlite_database, sqlite_cast):
    """A mentor and a coordinator of another program in the same course, with a pair of their own.

    And an administrator of another organization.
    """
    cast = sqlite_cast
    with sqlite_database.transaction() as db:
        found = {
            name: met(db, "Home", name) for name in ("second_mentor", "second_coordinator", "teacher", "learner_two")
        }
        for name, person in found.items():
            courses.join(db, db.merge(cast.course), person, teaches=name == "teacher")
        today = clock.today()
        draft = ProgramDraft(name="Another", starts_on=today, ends_on=today + timedelta(weeks=26))
        program = programs.create(db, db.merge(cast.course), draft, by=found["teacher"])
        programs.enroll(db, program, found["second_coordinator"], "coordinator")
        programs.enroll(db, program, found["second_mentor"], "mentor", capacity=1)
        programs.enroll(db, program, found["learner_two"], "mentee")
        mentorships.pair(
            db, program, mentor=found["second_mentor"], mentee=found["learner_two"], by=found["second_coordinator"]
        )
        found["other_administrator"] = met(db, "Elsewhere", "other_administrator")
        people.grant(db, found["other_administrator"], "administrator")
    return found


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lrs_server(request, sqlite_template, tmp_path_factory, loaded_settings) -> Iterator[Server]:
    if request.param == "sqlite":
        file = tmp_path_factory.mktemp("statements") / "test.db"
        file.write_bytes(sqlite_template.read_bytes())
        database = connect(f"sqlite:///{file}")
    else:
        database = request.getfixturevalue("postgres_database")
        empty(database)
    with served(lambda url: create_app(replace(loaded_settings, base_url=url), database)) as address:
        yield Server(database, address, loaded_settings.secret_key)


@pytest.fixture
def lrs_session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        yield made


@pytest.fixture(params=[ONE, TWO])
def lrs_client(request, lrs_server, lrs_session) -> Client:
    return lrs_server.client(lrs_session, version=request.param)
