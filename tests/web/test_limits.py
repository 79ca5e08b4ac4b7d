"""How often somebody may come: counted in the database. A stranger uses up what the own address has, and no more."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import randrange
from secrets import token_hex

import pytest
from flask import Flask
from sqlalchemy import event, func, select, update

from lti_mentor import clock
from lti_mentor.errors import TooMany
from lti_mentor.jobs import upkeep
from lti_mentor.lti import login, registration
from lti_mentor.lti.login import Login
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.mentoring import organizations
from lti_mentor.mentoring.people import Person
from lti_mentor.practice.tokens import CLAIM
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault, hashed
from lti_mentor.web import limits
from lti_mentor.web.limits import Attempt
from lti_mentor.web.visit import VisitRow
from tests.support.desk import Desk, served_desk


def stopped(answer, reason, seconds=60):
    assert answer.status_code == 429
    assert f"Code for support: {reason}" in answer.text
    assert answer.headers["Retry-After"] == str(seconds)


def count(site, row):
    with site.database.reading() as db:
        return db.scalar(select(func.count()).select_from(row))


def a_minute_passes(site):
    with site.database.transaction() as db:
        ago = clock.now() - timedelta(minutes=1)
        db.execute(update(Login).values(created_at=ago))
        db.execute(update(Login).where(Login.used_at.is_not(None)).values(used_at=ago))
        db.execute(update(VisitRow).values(opened_at=ago))


@pytest.mark.quirk("one_hint_for_all")
@pytest.mark.parametrize("hint", [None, "L2FjY2Vzcy9sdGkvc2l0ZS9tZXJjdXJ5L2NvbnRlbnQ6Mw"])
def test_300_learners_behind_one_address_are_never_refused(both_site, hint):
    with served_desk(both_site) as desk:
        names = [f"learner-{number}" for number in range(300)]
        waiting = [desk.login(hint or name) for name in names]  # all at once
        assert [begun.status_code for _, begun in waiting] == [302] * 300
        answers = [
            desk.post(client, "/lti/launch", desk.form(begun, name)).status_code
            for name, (client, begun) in zip(names, waiting, strict=True)
        ]
    assert answers == [303] * 300
    assert count(both_site, Person) == 300


def test_a_stranger_who_hammers_is_refused_and_nobody_who_comes_from_elsewhere(both_site):
    with served_desk(both_site, logins_a_minute_of_address=10, launches_a_minute_of_platform=20) as desk:
        for address in ("127.0.0.7", "127.0.0.8", "127.0.0.9"):
            answers = [desk.login(f"hint-{number}", address)[1] for number in range(12)]
            assert [answer.status_code for answer in answers] == [302] * 10 + [429] * 2
            stopped(answers[-1], "launch.too_many")
        assert count(both_site, Login) == 30
        assert desk.launch("learner").status_code == 303
        a_minute_passes(both_site)
        assert desk.login("hint", "127.0.0.9")[1].status_code == 302


def test_a_stranger_who_hammers_from_many_connections_at_once_gets_little_more(both_site):
    with served_desk(both_site, logins_a_minute_of_address=10) as desk, ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(desk.login, f"hint-{number}", "127.0.0.9") for number in range(60)]
        assert {each.result()[1].status_code for each in sent} == {302, 429}
        assert count(both_site, Login) < 10 + 8
        assert desk.launch("learner").status_code == 303


def test_logins_that_a_launch_followed_are_not_held_against_their_address(both_site):
    desk = Desk(both_site, logins_a_minute_of_address=2)
    assert {desk.launch(f"learner-{number}").status_code for number in range(5)} == {303}
    assert {desk.login(f"learner-{number}")[1].status_code for number in range(2)} == {302}
    stopped(desk.login("learner")[1], "launch.too_many")


@pytest.mark.parametrize(("proxies", "status"), [(1, 302), (0, 429)])
def test_the_address_that_a_proxy_names_counts_only_when_proxies_are_trusted(site, proxies, status):
    with served_desk(site, logins_a_minute_of_address=1, trusted_proxies=proxies) as desk:
        given = {"iss": site.lms.world.issuer, "target_link_uri": f"{site.url}/lti/launch"}

        def login(hint, forwarded):
            named = {"X-Forwarded-For": forwarded}
            return desk.post(desk.client(), "/lti/login", {**given, "login_hint": hint}, **named).status_code

        assert login("a", "192.0.2.1") == 302
        assert login("b", "192.0.2.2") == status
        assert login("c", "192.0.2.99, 192.0.2.2") == 429  # what the caller says itself stands before


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:a:b:c:d", "2001:db8:0:1::/64"),
        ("[2001:db8:0:1::2]:4711", "2001:db8:0:1::/64"),
        ("[2001:db8:0:1::2]", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::2", "2001:db8:0:2::/64"),
        ("unix socket", "unix socket"),
        ("", ""),
    ],
)
def test_what_one_machine_may_choose_of_its_address_does_not_count(given, counted):
    with Flask("lti_mentor").test_request_context(environ_base={"REMOTE_ADDR": given}):
        assert limits.address() == counted


def test_somebody_who_hammers_is_refused_and_nobody_else_is(both_site):
    desk = Desk(both_site, launches_a_minute_of_person=5)
    assert [desk.launch("loop").status_code for _ in range(5)] == [303] * 5
    stopped(desk.launch("loop"), "launch.too_many")
    assert desk.launch("somebody-else").status_code == 303
    a_minute_passes(both_site)
    assert desk.launch("loop").status_code == 303


def test_another_hint_at_each_login_does_not_help(both_site):
    desk = Desk(both_site, launches_a_minute_of_person=3)
    for number in range(3):
        assert desk.launch("loop", hint=f"hint-{number}").status_code == 303
    stopped(desk.launch("loop", hint="another"), "launch.too_many")
    assert count(both_site, VisitRow) == 3


def test_a_page_that_loops_without_a_launch_is_stopped_with_its_address(both_site):
    desk = Desk(both_site, logins_a_minute_of_address=5)
    assert [desk.login("loop")[1].status_code for _ in range(5)] == [302] * 5
    stopped(desk.login("loop")[1], "launch.too_many")
    assert desk.login("loop", address="198.51.100.7")[1].status_code == 302


def test_a_platform_that_runs_wild_waits_alone(both_site):
    desk = Desk(both_site, launches_a_minute_of_platform=4)
    for number in range(4):
        assert desk.launch(f"learner-{number}").status_code == 303
    stopped(desk.login("learner-5", "198.51.100.7")[1], "launch.too_many")
    assert count(both_site, Login) == 4
    assert desk.login("learner-5", iss="https://nobody.example.org")[1].status_code == 400  # another one is asked for
    a_minute_passes(both_site)
    assert desk.launch("learner-5").status_code == 303


@pytest.mark.quirk("deployments_are_tenants")
def test_an_institution_that_runs_wild_stops_no_other_of_a_shared_client(both_site):
    blackboard = "https://blackboard.com"
    with both_site.database.transaction() as db:
        platform = db.scalars(select(Platform)).one()
        platform.issuer = blackboard
        home = organizations.named(db, "Home")
        db.add(Deployment(platform_id=platform.id, organization_id=home.id, deployment_id="another"))
    desk = Desk(both_site, launches_a_minute_of_platform=2)

    def launch(deployment_id, subject):
        client, begun = desk.login(subject, iss=blackboard, lti_deployment_id=deployment_id)
        if begun.status_code != 302:
            return begun.status_code
        said = {"iss": blackboard, f"{CLAIM}deployment_id": deployment_id}
        return desk.post(client, "/lti/launch", desk.form(begun, subject, **said)).status_code

    assert [launch("1", f"learner-{number}") for number in range(3)] == [303, 303, 429]
    assert [launch("another", f"learner-{number}") for number in range(3)] == [303, 303, 429]


@pytest.mark.quirk("deployments_are_tenants")
def test_an_institution_may_have_an_id_that_is_longer_than_an_entry_of_an_index(both_site):
    blackboard = "https://blackboard.com"
    with both_site.database.transaction() as db:
        db.scalars(select(Platform)).one().issuer = blackboard
    longest = "".join(token_hex(1) for _ in range(login.LONGEST // 2))  # nothing that could be packed
    wide = "".join(chr(randrange(0x20000, 0x2A6D0)) for _ in range(login.LONGEST))  # four bytes each
    for deployment_id in (longest, wide):
        begun = Desk(both_site).login("learner", iss=blackboard, lti_deployment_id=deployment_id)[1]
        assert begun.status_code == 302


def test_all_workers_count_together(both_site):
    desks = [Desk(both_site, launches_a_minute_of_person=4) for _ in range(4)]
    assert [desk.launch("loop").status_code for desk in desks] == [303] * 4
    stopped(desks[0].launch("loop"), "launch.too_many")


def test_a_limit_of_0_is_none(site):
    unlimited = dict.fromkeys(
        ("launches_a_minute_of_person", "launches_a_minute_of_platform", "logins_a_minute_of_address"), 0
    )
    desk = Desk(site, **unlimited)
    assert {desk.launch("loop").status_code for _ in range(70)} == {303}


def test_a_login_takes_five_wrong_tokens_and_no_more(both_site):
    desk = Desk(both_site)
    client, begun = desk.login("learner")
    for _ in range(5):
        wrong = desk.post(client, "/lti/launch", desk.form(begun, "learner", aud="another"))
        assert "launch.audience" in wrong.text
    assert "launch.used_state" in desk.post(client, "/lti/launch", desk.form(begun, "learner")).text
    assert count(both_site, Person) == 0


def test_registrations_are_limited_by_address_and_together(both_site):
    desk = Desk(both_site, open_registration=True, registrations_an_hour_of_address=2, registrations_an_hour=3)
    assert {desk.register().status_code for _ in range(2)} == {502}
    stopped(desk.register(), "registration.too_many", 3600)
    assert desk.register(address="198.51.100.7").status_code == 502
    stopped(desk.register(address="198.51.100.8"), "registration.too_many", 3600)
    with both_site.database.transaction() as db:  # an hour later
        db.execute(update(Attempt).values(at=clock.now() - timedelta(hours=1)))
    assert desk.register().status_code == 502


def test_wrong_invitations_count_and_whoever_has_a_right_one_never_waits_for_strangers(site):
    desk = Desk(site, registrations_an_hour_of_address=1)
    assert desk.register(invitation="guessed").status_code == 409
    with site.database.transaction() as db:
        secret = registration.invite(db, organizations.named(db, "Home").id)
    stopped(desk.register(invitation="guessed again"), "registration.too_many", 3600)
    assert desk.register(invitation=secret).status_code == 502


def test_a_closed_registration_and_its_page_are_not_counted(site):
    desk = Desk(site)
    assert desk.register().status_code == 409
    assert desk.client().get("/lti/register", base_url=site.url).status_code == 200
    assert count(site, Attempt) == 0


def test_attempts_at_the_same_moment_count_together(database):
    answers = []

    def attempt():
        try:
            with database.transaction() as db:
                limits.take(
                    db, Vault(("x" * 32,)), "registration", "somebody", each=2, together=0, within=timedelta(hours=1)
                )
            answers.append("counted")
        except TooMany:
            answers.append("refused")

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    attempt()
    assert answers[-1] == "refused"


def test_an_address_cannot_be_guessed_from_what_is_kept_of_it(site):
    desk = Desk(site, open_registration=True)
    desk.login("learner")
    desk.register()
    with site.database.reading() as db:
        kept = {
            db.scalars(select(Login)).one().address_hash,
            db.scalars(select(Attempt)).one().caller_hash,
        }
    assert hashed(desk.address) not in kept
    assert len(kept) == 2


def test_what_limits_count_is_found_by_an_index(site):
    counting = {}

    def note(connection, cursor, statement, values, *rest):
        if statement.startswith("INSERT") and "EXISTS" in statement:
            counting[statement] = values

    event.listen(site.database.engine, "before_cursor_execute", note)
    desk = Desk(site, open_registration=True)
    assert desk.launch("learner").status_code == 303
    assert desk.register().status_code == 502
    assert len(counting) == 3
    with site.database.engine.connect() as connection:
        for statement, values in counting.items():
            plan = [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            searched = [step for step in plan if any(name in step for name in ("logins", "visits", "attempts"))]
            assert searched, plan
            assert all(step.startswith("SEARCH") for step in searched), plan


def test_upkeep_forgets_attempts_that_no_limit_looks_at(site):
    tool = Tool(site.settings, site.database, Vault(site.settings.secret_key))
    with site.database.transaction() as db:
        db.add(Attempt(kind="registration", caller_hash="x", at=clock.now() - timedelta(minutes=61)))
        db.add(Attempt(kind="registration", caller_hash="x"))
    assert upkeep.run(tool) == 1
    assert count(site, Attempt) == 1
