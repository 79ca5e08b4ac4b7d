"""Rosters: every page of a real platform, and what is kept when it fails."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from flask import Response
from sqlalchemy import select, text

from lti_mentor import clock
from lti_mentor.activity.record import account_hash
from lti_mentor.jobs import rosters
from lti_mentor.lti import contexts
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.platforms import Deployment
from lti_mentor.mentoring import courses, linking, organizations, people, privacy
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.people import Account, ErasedAccount, Identity, Person
from lti_mentor.practice.world import INSTRUCTOR, LEARNER, LmsPerson
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web.visit import VisitRow
from tests.lti.test_linked_meanwhile import until_somebody_waits
from tests.lti.test_threats import change
from tests.support.visitor import Visitor

CROWD = 120
A_DAY = timedelta(hours=30)


@pytest.fixture
def tool(both_site):
    return Tool(both_site.settings, both_site.database, Vault(both_site.settings.secret_key))


@pytest.fixture
def lms(both_site):
    """A course of many, one of them without a name, that the learner has opened once."""
    world, lms = both_site.lms.world, both_site.lms.lms
    for number in range(CROWD):
        world.people.append(LmsPerson(id=f"crowd-{number}", name=f"Crowd {number}" if number else None))
        world.courses[0].members[f"crowd-{number}"] = [LEARNER]
    Visitor().launch(both_site.lms.url, "learner", "1")
    return lms


def standing(database) -> dict[str, Member]:
    """Membership by subject."""
    with database.reading() as db:
        rows = db.execute(select(Account.subject, Member).join(Member, Member.person_id == Account.person_id))
        return {row[0]: row[1] for row in rows}


def services(database) -> ContextServices:
    with database.reading() as db:
        return db.scalars(select(ContextServices)).one()


def wait_a_day(database) -> None:
    """As if everything so far had been yesterday; the platform's clock cannot be moved."""
    with database.transaction() as db:
        for row in db.scalars(select(ContextServices)):
            row.roster_read_at = row.roster_read_at and row.roster_read_at - A_DAY
            row.roster_whole_at = row.roster_whole_at and row.roster_whole_at - A_DAY
            row.roster_began_at = row.roster_began_at and row.roster_began_at - A_DAY
            row.roster_retry_at = row.roster_retry_at and row.roster_retry_at - A_DAY
        for member in db.scalars(select(Member)):
            member.seen_at = member.seen_at and member.seen_at - A_DAY
            member.listed_at = member.listed_at and member.listed_at - A_DAY


def ask(database) -> None:
    with database.transaction() as db:
        contexts.ask_for_roster(db.scalars(select(ContextServices)).one())


@pytest.mark.quirk("pages_of_50")
def test_every_page_is_read_and_everybody_known_by_the_name_the_platform_gives(tool, lms, both_site):
    assert rosters.run(tool) == 1
    found = standing(both_site.database)
    assert set(found) == set(lms.world.courses[0].members)
    assert lms.roster_requests == 3
    assert {subject for subject, member in found.items() if member.teaches} == {"coordinator"}
    assert [subject for subject, member in found.items() if member.seen_at] == ["learner"]
    with both_site.database.reading() as db:
        names = dict(db.execute(select(Account.subject, Person.name).join(Person)).all())
        numbers = db.scalars(select(Person.number)).all()
    assert (names["crowd-1"], names["crowd-0"]) == ("Crowd 1", None)
    assert len(set(numbers)) == len(numbers)
    row = services(both_site.database)
    assert (row.roster_people, row.roster_problem, row.is_being_read) == (len(found), None, False)
    assert rosters.run(tool) == 0, "not due again before tomorrow"
    wait_a_day(both_site.database)
    assert rosters.run(tool) == 1


def test_whoever_left_loses_access_and_keeps_their_record_and_comes_back_by_a_launch(tool, lms, both_site):
    rosters.run(tool)
    gone = Visitor()
    gone.launch(both_site.lms.url, "coordinator", "1")
    members = lms.world.courses[0].members
    roles = members.pop("coordinator")
    wait_a_day(both_site.database)
    rosters.run(tool)
    member = standing(both_site.database)["coordinator"]
    assert member.left_at is not None
    with both_site.database.reading() as db:
        person, course = db.get_one(Person, member.person_id), db.get_one(Course, member.course_id)
        assert not courses.teaches(db, person, course)
        assert person.id not in courses.people_of(db, [course])
        open_visits = db.scalars(select(VisitRow).where(VisitRow.expires_at > clock.now())).all()
    assert person.id not in {visit.person_id for visit in open_visits}
    members["coordinator"] = roles
    Visitor().launch(both_site.lms.url, "coordinator", "1")
    assert standing(both_site.database)["coordinator"].left_at is None


def test_somebody_who_came_in_today_stays_though_the_platform_does_not_list_them(tool, lms, both_site):
    Visitor().launch(both_site.lms.url, "coordinator", "1")
    lms.world.courses[0].members.pop("coordinator")
    rosters.run(tool)
    assert standing(both_site.database)["coordinator"].left_at is None


def test_a_teacher_of_a_launch_stays_one_though_the_roster_calls_them_a_learner(tool, lms, both_site):
    Visitor().launch(both_site.lms.url, "coordinator", "1")
    lms.world.courses[0].members["coordinator"] = [LEARNER]
    lms.world.courses[0].members["mentor"] = [INSTRUCTOR]
    rosters.run(tool)
    found = standing(both_site.database)
    assert found["coordinator"].teaches
    assert found["mentor"].teaches


def broken(status=500, body=b"", **headers):
    return lambda: Response(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def nothing():
    """A page that is as it should be."""


LINK = '<{}>; rel="next"'
NOT_READ = {
    "an error on the second page": ([nothing, broken(500)], "platform.bad_status"),
    "a page without members": ([nothing, broken(200, b"{}")], "platform.no_members"),
    "a list instead of an object": ([broken(200, b"[]")], "platform.no_members"),
    "something that is not JSON": ([nothing, broken(200, b"<html>")], "platform.not_json"),
    "too much nesting": ([broken(200, b"[" * 200_000)], "platform.not_json"),
    "a redirect": ([broken(302, Location="http://169.254.169.254/")], "platform.bad_status"),
    "a page of another site": (
        [broken(200, b'{"members": []}', Link=LINK.format("http://169.254.169.254/latest"))],
        "platform.foreign_page",
    ),
    "a page that leads to itself": (
        [broken(200, b'{"members": []}', Link=LINK.format("?limit=500"))],
        "platform.endless_pages",
    ),
    "50 megabytes": ([broken(200, b" " * 50_000_000)], "platform.too_large"),
}


@pytest.mark.quirk("rosters_cut_short")
@pytest.mark.parametrize("case", NOT_READ)
def test_a_reading_that_fails_takes_nobody_away_and_says_why(tool, lms, both_site, case):
    answers, reason = NOT_READ[case]
    rosters.run(tool)
    before = set(standing(both_site.database))
    lms.world.courses[0].members.pop("crowd-7")
    wait_a_day(both_site.database)
    lms.bad_answers[:] = answers
    assert rosters.run(tool) == 0
    row = services(both_site.database)
    assert (row.roster_problem, row.roster_failures, row.is_being_read) == (reason, 1, False)
    assert {subject for subject, member in standing(both_site.database).items() if member.left_at} == set()
    assert rosters.run(tool) == 0, "not tried again at once"
    wait_a_day(both_site.database)
    lms.bad_answers.clear()
    assert rosters.run(tool) == 1
    assert services(both_site.database).roster_problem is None
    assert {subject for subject, member in standing(both_site.database).items() if member.left_at} == {"crowd-7"}
    assert set(standing(both_site.database)) == before


def test_the_platform_says_when_to_come_again(tool, lms, both_site):
    lms.bad_answers[:] = [broken(429, Retry_After="900")]
    rosters.run(tool)
    row = services(both_site.database)
    assert timedelta(minutes=14) < row.roster_retry_at - clock.now() <= timedelta(minutes=15)
    ask(both_site.database)
    assert rosters.run(tool) == 1, "somebody who does not want to wait is obeyed"


@pytest.mark.parametrize("said", ["0", "1", "Thu, 01 Jan 2026 00:00:00 GMT", None])
def test_a_platform_that_says_at_once_each_time_is_asked_later_each_time(tool, lms, both_site, said):
    seconds = []
    lms.bad_answers[:] = [broken(429, **{"Retry_After": said} if said else {})] * 3
    for _ in range(3):
        assert rosters.run(tool) == 0
        seconds.append((services(both_site.database).roster_retry_at - clock.now()).total_seconds())
        change(both_site, ContextServices, roster_retry_at=None)
    assert seconds == pytest.approx([60, 120, 240], abs=20)


def test_a_token_that_ended_early_is_asked_for_anew(tool, lms, both_site):
    rosters.run(tool)
    lms.access_tokens.clear()
    ask(both_site.database)
    assert rosters.run(tool) == 1
    assert services(both_site.database).roster_problem is None


def test_a_roster_that_is_read_by_a_killed_worker_is_read_by_another_when_its_lease_ends(tool, lms, both_site):
    with both_site.database.transaction() as db:
        assert contexts.claim_roster(db) is not None
        assert contexts.claim_roster(db) is None
    assert rosters.run(tool) == 0
    with both_site.database.transaction() as db:
        db.scalars(select(ContextServices)).one().roster_leased_until -= contexts.LEASE
    assert rosters.run(tool) == 1


def test_suspended_and_deleted_members_and_strange_ones(tool, lms, both_site):
    rosters.run(tool)
    body = """{"members": [
        {"user_id": "crowd-1", "status": "Inactive", "roles": ["Learner"]},
        {"user_id": "crowd-2", "status": "Deleted"},
        {"user_id": "crowd-3", "name": "\\u0000New\\u202e name", "roles": ["nonsense", 7, "Instructor"]},
        {"user_id": "crowd-3", "name": "Twice"},
        {"user_id": 7}, {"roles": []}, "x", null, {"user_id": ""}
    ]}"""
    lms.bad_answers[:] = [broken(200, body.encode())]
    wait_a_day(both_site.database)
    rosters.run(tool)
    found = standing(both_site.database)
    gone = {subject for subject, member in found.items() if member.left_at}
    assert gone == {"crowd-1", "crowd-2"}, "somebody could not be made out, so who is missing is not known"
    assert "7" in found
    with both_site.database.reading() as db:
        assert db.get_one(Person, found["crowd-3"].person_id).name == "Twice"


def test_differences_are_read_when_the_platform_offers_them(tool, lms, both_site):
    offered = f'<{both_site.lms.url}/courses/1/memberships?since=7>; rel="differences"'
    body = '{"members": [{"user_id": "learner", "roles": ["Learner"]}, {"user_id": "old", "roles": ["Learner"]}]}'
    lms.bad_answers[:] = [broken(200, body.encode(), Link=offered)]
    rosters.run(tool)
    assert services(both_site.database).roster_differences_url.endswith("since=7")
    changes = '{"members": [{"user_id": "new", "roles": ["Learner"]}, {"user_id": "old", "status": "Deleted"}]}'
    lms.bad_answers[:] = [broken(200, changes.encode(), Link=offered)]
    ask(both_site.database)
    rosters.run(tool)
    found = standing(both_site.database)
    assert {subject for subject, member in found.items() if member.left_at is None} == {"learner", "new"}
    lms.bad_answers[:] = [broken(404)]
    ask(both_site.database)
    rosters.run(tool)
    assert services(both_site.database).roster_differences_url is None, "the whole list is read next time"


def test_another_organization_of_the_same_issuer_gets_its_own_people(tool, lms, both_site):
    Visitor().launch(both_site.lms.url, "outsider", "1b")
    assert rosters.run(tool) == 2
    with both_site.database.reading() as db:
        accounts = db.scalars(select(Account)).all()
        owners = {(account.organization_id, account.subject) for account in accounts}
    assert len({organization_id for organization_id, _ in owners}) == 2
    assert len(owners) == len(lms.world.courses[0].members) + 1


def test_a_platform_that_is_switched_off_is_not_asked(tool, lms, both_site):
    with both_site.database.transaction() as db:
        row = db.scalars(select(ContextServices)).one()
        platform = contexts.claim_roster(db)[1]
        row.roster_leased_until = None
        platform.status = "disabled"
    assert rosters.run(tool) == 0


def test_a_context_that_offers_no_roster_is_left_alone(tool, both_site):
    course = both_site.lms.world.courses[0]
    both_site.lms.world.courses[0] = replace(course)
    visitor = Visitor()
    visitor.launch(both_site.lms.url, "learner", "1")
    with both_site.database.transaction() as db:
        db.scalars(select(ContextServices)).one().memberships_url = None
    assert rosters.run(tool) == 0


def test_an_empty_list_and_a_status_in_other_words_let_nobody_be_gone(tool, lms, both_site):
    rosters.run(tool)
    before = len(standing(both_site.database))
    for body in ('{"members": []}', '{"members": [{"user_id": "crowd-1", "status": null}]}'):
        wait_a_day(both_site.database)
        if "crowd-1" in body:
            lms.world.courses[0].members.clear()
        lms.bad_answers[:] = [broken(200, body.encode())]
        rosters.run(tool)
        found = standing(both_site.database)
        assert found["crowd-1"].left_at is None
    assert len(found) == before


def test_a_launch_that_names_no_roster_leaves_the_address_that_is_known(tool, lms, both_site):
    with both_site.database.transaction() as db:
        row = db.scalars(select(ContextServices)).one()
        deployment = db.get_one(Deployment, row.deployment_id)
        contexts.keep(db, deployment, row.context_id, contexts.Offered(None, "https://lms.example.org/items", ()))
        assert row.memberships_url is not None
        assert row.lineitems_url == "https://lms.example.org/items"


def test_a_worker_that_is_stopped_within_a_page_takes_it_to_its_end_and_counts_nobody_twice(tool, lms, both_site):
    class AfterAPart(threading.Event):
        def is_set(self):
            if services(both_site.database).roster_people > 50:
                self.set()
            return super().is_set()

    members = ", ".join(f'{{"user_id": "{number}"}}' for number in range(600))
    following = f'<{both_site.lms.url}/courses/1/memberships?limit=50&from=100>; rel="next"'
    lms.bad_answers[:] = [nothing, broken(200, f'{{"members": [{members}]}}'.encode(), Link=following)]
    assert rosters.run(tool, AfterAPart()) == 0
    assert services(both_site.database).roster_people == 50 + 600
    assert rosters.run(tool) == 1
    assert lms.roster_requests == 1 + 2, "answered: the last page again, which was not taken"
    assert services(both_site.database).roster_people == 50 + 600 + len(lms.world.courses[0].members) - 100


def test_a_worker_that_is_stopped_ends_after_a_page_and_the_next_one_goes_on_there(tool, lms, both_site):
    stop = threading.Event()
    lms.bad_answers[:] = [nothing, stop.set]
    assert rosters.run(tool, stop) == 0
    assert lms.roster_requests == 2
    row = services(both_site.database)
    assert (row.is_being_read, row.roster_retry_at, row.roster_failures, row.roster_problem) == (False, None, 0, None)
    known = standing(both_site.database)
    assert len(known) < CROWD
    assert {member.left_at for member in known.values()} == {None}
    assert rosters.run(tool) == 1
    assert lms.roster_requests == 2 + 2
    assert set(standing(both_site.database)) == set(lms.world.courses[0].members)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_page_that_gives_way_to_another_writer_is_taken_again(tool, lms, both_site):
    """Each of the two holds what the other one needs next. SQLite has one writer at a time."""
    with both_site.database.transaction() as db:
        row, platform = contexts.claim_roster(db)
    with ThreadPoolExecutor(1) as thread:
        with both_site.database.transaction() as db:
            db.execute(text("SET LOCAL deadlock_timeout = '20s'"))  # whoever looks first gives way
            contexts.ask_for_roster(db.scalars(select(ContextServices)).one())
            db.flush()
            reading = thread.submit(rosters.read_one, tool, row, platform)
            until_somebody_waits(both_site.database)
            organizations.lock(db, row.organization_id)
        assert reading.result(timeout=30)
    assert set(standing(both_site.database)) == set(lms.world.courses[0].members)
    assert lms.roster_requests == 3, "the platform is not asked again"


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_whoever_left_is_gone_also_when_that_gives_way_to_another_writer(tool, lms, both_site):
    Visitor().launch(both_site.lms.url, "coordinator", "1")
    lms.world.courses[0].members.pop("coordinator")
    wait_a_day(both_site.database)
    with both_site.database.transaction() as db:
        row, platform = contexts.claim_roster(db)
    with ThreadPoolExecutor(1) as thread:
        with both_site.database.transaction() as db:
            db.execute(text("SET LOCAL deadlock_timeout = '20s'"))  # whoever looks first gives way
            gone = person_of(db, "coordinator")
            db.scalars(select(VisitRow).where(VisitRow.person_id == gone.id).with_for_update()).all()
            reading = thread.submit(rosters.read_one, tool, row, platform)
            until_somebody_waits(both_site.database)
            db.scalars(select(Member).where(Member.person_id == gone.id).with_for_update()).all()
        assert reading.result(timeout=30)
    assert standing(both_site.database)["coordinator"].left_at is not None
    assert services(both_site.database).roster_problem is None


def person_of(db, subject) -> Person | None:
    return db.scalar(select(Person).join(Account).where(Account.subject == subject))


def test_whoever_was_erased_comes_back_with_their_own_launch_alone(tool, lms, both_site, caplog):
    caplog.set_level(logging.INFO, logger="lti_mentor.jobs.rosters")
    rosters.run(tool)
    assert "erased" not in caplog.text
    with both_site.database.transaction() as db:
        for subject in ("learner", "crowd-7"):
            privacy.erase(db, tool.vault, person_of(db, subject), by=None)
    wait_a_day(both_site.database)
    assert rosters.run(tool) == 1
    assert standing(both_site.database).keys() == lms.world.courses[0].members.keys() - {"learner", "crowd-7"}
    left_out = [vars(record)["count"] for record in caplog.records if "erased" in record.getMessage()]
    assert sum(left_out) == 2
    with both_site.database.reading() as db:
        assert db.scalars(select(Person).where(Person.name.in_(["Learner", "Crowd 7"]))).all() == []
        assert len(db.scalars(select(ErasedAccount)).all()) == 2
    Visitor().launch(both_site.lms.url, "learner", "1")
    wait_a_day(both_site.database)
    assert rosters.run(tool) == 1
    with both_site.database.reading() as db:
        assert len(db.scalars(select(ErasedAccount)).all()) == 1, "of whoever came back nothing is left"
        assert person_of(db, "learner").name == "Learner"
        assert person_of(db, "crowd-7") is None
    assert standing(both_site.database)["learner"].listed_at is not None


def test_an_erased_account_of_another_platform_or_organization_is_somebody_else(sqlite_database, loaded_settings):
    vault, listed = Vault(loaded_settings.secret_key), [Identity(issuer="https://a.example.org", subject="7")]
    with sqlite_database.transaction() as db:
        home, elsewhere = (organizations.named(db, name).id for name in ("Home", "Elsewhere"))
        keyed = partial(account_hash, db, vault)
        privacy.erase(db, vault, people.meet(db, home, listed[0]), by=None)
        assert people.meet_many(db, home, listed, keyed=keyed) == {}
        other = [replace(listed[0], issuer="https://b.example.org")]
        assert people.meet_many(db, home, other, keyed=keyed).keys() == {"7"}
        found = people.meet_many(db, elsewhere, listed, keyed=keyed)
        privacy.erase(db, vault, found["7"], by=None)
        left = db.scalars(select(ErasedAccount.account_hash)).all()
    assert len(set(left)) == 2, "nor do both say that it was the same account"
    assert b"a.example.org" not in b"".join(left)


def test_every_account_of_whoever_is_erased_stays_out_each_until_its_own_launch(sqlite_database, loaded_settings):
    vault = Vault(loaded_settings.secret_key)
    first, second = (Identity(issuer=f"https://{name}.example.org", subject="7") for name in "ab")
    with sqlite_database.transaction() as db:
        home, keyed = organizations.named(db, "Home").id, partial(account_hash, db, vault)

        def listed():
            return [each for each in (first, second) if people.meet_many(db, home, [each], keyed=keyed)]

        person = people.meet(db, home, first, keyed=keyed)
        linking.merge(db, person, people.meet(db, home, second, keyed=keyed), by=None, place="test")
        privacy.erase(db, vault, person, by=None)
        assert listed() == []
        back = people.meet(db, home, first, keyed=keyed)
        assert listed() == [first]
        privacy.erase(db, vault, back, by=None)
        assert listed() == []
        back = people.meet(db, home, first, keyed=keyed)
        linking.merge(db, back, people.meet(db, home, second, keyed=keyed), by=None, place="test")
        assert listed() == [first, second]
        assert db.scalars(select(ErasedAccount)).all() == []
