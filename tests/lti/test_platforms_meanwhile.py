"""Changes of a platform in the moment of another one, or of a launch: each goes by what the one before made."""

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, event, select, update

from lti_mentor.lti import platforms
from lti_mentor.lti.platforms import Deployment, Platform, Registration
from lti_mentor.mentoring import courses, linking, organizations, people
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.people import Identity, Person
from lti_mentor.web import platform_changes
from tests.lti.test_linked_meanwhile import launching, until_somebody_waits
from tests.lti.test_one_issuer import add, known, refused, run
from tests.lti.test_registration import invited, open_address, platform, refused_registration
from tests.support.visitor import Visitor
from tests.web.test_admin import Administrator

ELSEWHERE = {"token": "https://elsewhere.example.org/token", "jwks": "https://elsewhere.example.org/jwks"}
on_postgres = pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # SQLite has one writer at a time


@contextmanager
def deadlocks(site):
    """Those of the pages, which begin once more, so that nobody notices; a command would fail."""
    found = []

    def note(context) -> None:
        if getattr(context.original_exception, "sqlstate", None) == "40P01":
            found.append(context.statement)

    event.listen(site.database.engine, "handle_error", note)
    try:
        yield found
    finally:
        event.remove(site.database.engine, "handle_error", note)


def moving(site, way):
    """A change that moves the keys of the practice LMS away, which concerns all its organizations."""
    if way == "add":
        return lambda: add(site, client="tests", **ELSEWHERE)
    return lambda: run(site, "platform", "set", known(site, "tests").id, "--jwks-uri", ELSEWHERE["jwks"])


@on_postgres
@pytest.mark.parametrize("way", ["add", "set"])
def test_a_launch_of_somebody_new_waits_for_a_change_of_its_platform(both_site, way):
    change = moving(both_site, way)
    with deadlocks(both_site) as found, ThreadPoolExecutor(1) as thread, launching(both_site) as (send, answer):
        with both_site.database.transaction() as db:
            organizations.lock(db, organizations.named(db, "Home").id)
            changing = thread.submit(change)
            until_somebody_waits(both_site.database)
            send()
            until_somebody_waits(both_site.database, 2)
        changing.result(30)
        assert answer().status_code == 303, answer().text
    assert found == []
    assert known(both_site, "tests").jwks_uri == ELSEWHERE["jwks"]


@on_postgres
def test_a_launch_that_begins_once_more_waits_for_it_as_well(both_site):
    """Whoever it was is becoming one with another account, and the platform changes as soon as that is done."""
    change = moving(both_site, "set")
    Visitor().launch(both_site.lms.url, "learner", "1")
    with both_site.database.transaction() as db:
        other = db.scalars(select(Person)).one()
        kept = people.meet(db, other.organization_id, Identity(issuer="https://second.example.org", subject="77"))
        courses.join(db, db.scalars(select(Course)).one(), kept, teaches=False)
    with deadlocks(both_site) as found, ThreadPoolExecutor(1) as thread, launching(both_site) as (send, answer):
        with both_site.database.transaction() as db:
            linking.merge(db, *(db.get_one(Person, each.id) for each in (kept, other)), by=None, place="test")
            send()
            changing = thread.submit(change)
            until_somebody_waits(both_site.database, 2)
        assert answer().status_code == 303, answer().text
        assert changing.result(30).exit_code == 0
    assert found == []


@contextmanager
def before(site, second):
    """A transaction in which something happens first: gives it, and where the answer of the second is after it."""
    with ThreadPoolExecutor(1) as thread:
        with site.database.transaction() as db:
            answers = []
            yield db, answers
            db.flush()
            running = thread.submit(second)
            wait([running], timeout=0.5)  # it begins; how far it comes until now does not matter
        answers.append(running.result(60))


def test_a_platform_that_moves_away_sees_whom_it_serves_since_a_moment_ago(both_site):
    assert add(both_site, "Third", deployment="9").exit_code == 0
    other = known(both_site)
    with both_site.database.transaction() as db:
        db.add(Deployment(platform_id=other.id, deployment_id="10", status="pending"))
    with before(both_site, lambda: add(both_site, "Third", deployment="9", **ELSEWHERE)) as (db, answers):
        own = platforms.get_locked(db, other.id)
        waiting = next(each for each in own.deployments if each.status == "pending")
        platform_changes.let_in(db, own, waiting, organizations.named(db, "Home").id)
    refused(answers[0])
    assert known(both_site).token_endpoint == other.token_endpoint


@on_postgres
def test_a_page_changes_no_platform_that_is_shared_since_a_moment_ago(both_site):
    own = known(both_site, "tests")
    with both_site.database.transaction() as db:  # it is of one organization, so that the page may change it
        db.execute(delete(Deployment).where(Deployment.deployment_id == "2"))
    mine = Administrator(both_site)
    mine.open(f"platforms/{own.id}/switches")
    typed = {"source_of_keys": "address", "jwks_uri": ELSEWHERE["jwks"]}
    with before(both_site, lambda: mine.submit("/switches", typed)) as (db, answers):
        third = organizations.named(db, "Third").id
        shared = platforms.get_locked(db, own.id)
        db.add(Deployment(platform_id=shared.id, organization_id=third, deployment_id="10"))
    assert answers[0].status_code == 409
    assert "Several organizations use this platform" in answers[0].text
    assert known(both_site, "tests").jwks_uri == own.jwks_uri


def test_what_may_frame_the_tool_since_a_moment_ago_still_may(both_site):
    own = known(both_site, "tests")

    def add_b():
        with both_site.database.transaction() as db:
            again = Registration(
                issuer=own.issuer,
                client_id=own.client_id,
                authorization_endpoint=own.authorization_endpoint,
                token_endpoint=own.token_endpoint,
                jwks_uri=own.jwks_uri,
                deployment_ids=("1",),
                frame_ancestors=("https://b.example.org",),
            )
            platform_changes.add(db, again, organizations.named(db, "Home").id, both_site.settings)

    with before(both_site, add_b) as (db, _):
        changed, wanted = platforms.get_locked(db, own.id), {"frame_ancestors": ["https://a.example.org"]}
        platform_changes.switch(db, changed, wanted, both_site.settings)
    assert known(both_site, "tests").frame_ancestors == ["https://a.example.org", "https://b.example.org"]


def test_a_registration_sees_another_of_its_issuer_that_came_a_moment_ago(both_site):
    with platform({"jwks_uri": ELSEWHERE["jwks"]}) as (url, _):
        issuer, address = url.removesuffix("/configuration"), invited(both_site)
        with before(both_site, lambda: open_address(address, url)) as (db, answers):
            first = Registration(
                issuer=issuer,
                client_id="first",
                authorization_endpoint=f"{issuer}/auth",
                token_endpoint=f"{issuer}/token",
                jwks_uri=f"{issuer}/jwks",
                deployment_ids=("1",),
            )
            platform_changes.add(db, first, organizations.named(db, "Home").id, both_site.settings)
        refused_registration(answers[0], "platform.elsewhere")
    assert known(both_site, "c1") is None


def test_a_registration_takes_no_platform_over_that_became_anothers_a_moment_ago(both_site):
    with platform() as (url, _):
        issuer, address = url.removesuffix("/configuration"), invited(both_site)
        add(both_site, "Third", issuer=issuer, client="c1")
        own = known(both_site, "c1")
        with both_site.database.transaction() as db:
            db.execute(delete(Deployment).where(Deployment.platform_id == own.id))
        with before(both_site, lambda: open_address(address, url)) as (db, answers):
            third = organizations.named(db, "Third").id
            db.execute(update(Platform).where(Platform.id == own.id).values(adopting_id=third))
        refused_registration(answers[0], "registration.of_others")
    assert known(both_site, "c1").organization_ids == {third}
