"""Platforms that hang, never end, or answer with what is no answer: a page, one line in the log, nothing written."""

import json
import threading
from contextlib import ExitStack
from dataclasses import replace

import pytest
import requests
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import grades, rosters
from lti_mentor.lti import connection, contexts, tokens
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.keysets import NEVER
from lti_mentor.lti.platforms import KeySet, Platform
from lti_mentor.lti.registration import Invitation
from lti_mentor.mentoring.courses import Member
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.mentoring.people import Account
from lti_mentor.web.request_log import JsonLines
from tests.conftest import _site
from tests.jobs.test_grades import open_column
from tests.lti import test_registration as registration
from tests.lti.test_http import answering, dripping
from tests.lti.test_launch import count, refused, send
from tests.lti.test_threats import change, nothing_is_written, tool_of
from tests.support.visitor import Visitor


@pytest.fixture
def impatient(sqlite_database, loaded_settings):
    """A tool that waits no longer than a test may take."""
    yield from _site(sqlite_database, replace(loaded_settings, read_timeout_seconds=1, answer_timeout_seconds=1))


KEY_SETS = {
    "an empty list": b'{"keys": []}',
    "no list": b'{"keys": {"a": 1}}',
    "no keys at all": b"{}",
    "a list": b"[]",
    "keys that are texts": b'{"keys": ["x"]}',
    "HTML": b"<!doctype html><title>Sign in</title>",
    "deep JSON": b'{"keys": ' + b"[" * 200_000,
    "50 megabytes": b" " * 50_000_000,
}


@pytest.mark.parametrize("case", KEY_SETS)
def test_a_key_set_that_is_none_is_refused_with_a_page_and_one_line_in_the_log(site, case, caplog):
    with answering(body=KEY_SETS[case]) as url:
        change(site, Platform, jwks_uri=url)
        refused(send(site), "launch.unknown_key" if case == "an empty list" else "launch.no_keys")
    one_line_and_no_secret(caplog)
    nothing_is_written(site)


@pytest.mark.parametrize(
    "key", [{"n": 7}, {"n": "!"}, {"n": ""}, {"e": "AA"}, {"e": "Ag"}, {"n": "A" * 90_000}, {"n": None}]
)
def test_a_key_that_is_none_is_refused_and_what_a_database_cannot_keep_is_left_out(both_site, key):
    published = both_site.lms.lms.keys[0].jwk() | key
    body = json.dumps({"keys": [published, {"kid": "\0", "x": float("nan")}], "x": float("inf"), "y": "\ud800"})
    with answering(body=body.encode()) as url:
        change(both_site, Platform, jwks_uri=url)
        refused(send(both_site), "launch.unknown_key")
    nothing_is_written(both_site)


@pytest.mark.threat("flooding")
def test_platforms_that_hang_drip_or_fail_while_keys_are_asked_for_open_nothing(impatient, caplog):
    hold = threading.Event()
    with ExitStack() as peers:
        addresses = [
            peers.enter_context(answering(hold=hold)),
            peers.enter_context(dripping()),
            peers.enter_context(dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536)),
            peers.enter_context(answering(500)),
            peers.enter_context(answering(302, headers={"Location": "http://169.254.169.254/"})),
            "http://127.0.0.1:9/",
        ]
        for address in addresses:
            caplog.clear()
            change(impatient, Platform, jwks_uri=address)
            refused(send(impatient), "launch.no_keys")
            one_line_and_no_secret(caplog)
        hold.set()
    nothing_is_written(impatient)


def one_line_and_no_secret(caplog) -> None:
    (line,) = [JsonLines().format(record) for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
    assert "launch refused" in line
    assert "eyJ" not in line


@pytest.mark.threat("flooding")
@pytest.mark.parametrize("peer", [dripping, lambda: answering(body=b"<html>"), lambda: answering(500)])
@pytest.mark.parametrize(("row", "name"), [(Platform, "token_endpoint"), (ContextServices, "memberships_url")])
def test_platforms_that_hang_or_fail_as_services_take_nobody_away(impatient, row, name, peer):
    Visitor().launch(impatient.lms.url, "learner", "1")
    with peer() as address:
        change(impatient, row, **{name: address})
        assert rosters.run(tool_of(impatient)) == 0
    with impatient.database.reading() as db:
        services = db.scalars(select(ContextServices)).one()
        assert db.scalars(select(Member.left_at)).all() == [None]
    assert services.roster_problem in ("platform.no_answer", "platform.not_json", "platform.bad_status")
    assert not services.is_being_read


REGISTERING = {
    "hangs": dripping,
    "never ends": lambda: dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536),
    "answers HTML": lambda: answering(body=b"<!doctype html>"),
    "answers deep JSON": lambda: answering(body=b"[" * 200_000),
    "answers a list": lambda: answering(body=b"[]"),
    "answers 50 megabytes": lambda: answering(body=b" " * 50_000_000),
    "answers 500": lambda: answering(500),
    "leads elsewhere": lambda: answering(302, headers={"Location": "http://169.254.169.254/"}),
}


@pytest.mark.parametrize("case", REGISTERING)
def test_a_platform_that_goes_wrong_while_it_registers_leaves_nothing_and_one_line(impatient, case, caplog):
    address = registration.invited(impatient)
    with REGISTERING[case]() as url:
        page = registration.open_address(address, url, token="the token of the platform")
    registration.refused_registration(page, "platform.")
    (line,) = [JsonLines().format(each) for each in caplog.records if each.levelname in ("WARNING", "ERROR")]
    assert "registration refused" in line
    assert "the token" not in line
    assert count(impatient, Platform) == 1
    with impatient.database.reading() as db:
        assert db.scalars(select(Invitation.uses_left)).one() == 1


def test_launches_with_a_key_that_is_known_go_on_while_a_slow_platform_is_asked_for_its_keys(both_site):
    site, asked, answer = both_site, threading.Event(), threading.Event()
    assert Visitor().launch(site.lms.url, "learner", "1").status_code == 200
    with site.database.transaction() as db:  # old, so that they are asked for again
        kept = db.scalars(select(KeySet)).one()
        kept.fetched_at = kept.tried_at = kept.fetched_at.replace(year=2020)
    site.lms.lms.before_keys = lambda: (asked.set(), answer.wait(10))
    opened = []
    first = threading.Thread(target=lambda: opened.append(Visitor().launch(site.lms.url, "mentor", "1").status_code))
    first.start()
    assert asked.wait(10)
    assert Visitor().launch(site.lms.url, "learner", "1").status_code == 200
    assert opened == [], "the one that asks still waits"
    answer.set()
    first.join()
    assert opened == [200]


OUTSIDE = "http://8.8.8.8"  # nothing listens here for us, and nobody is asked


@pytest.mark.parametrize("named", ["services", "token"])
def test_a_platform_of_https_gets_no_token_in_the_clear(site, named):
    """Whatever it names in a launch; on networks of ours, as in development, it may."""
    open_column(site)
    tool = tool_of(site)
    change(site, Platform, issuer="https://lms.example.org")
    with site.database.transaction() as db:
        for account in db.scalars(select(Account)):
            account.issuer = "https://lms.example.org"
    assert (rosters.run(tool), grades.run(tool)) == (1, 1), "http on this machine"
    with site.database.transaction() as db:
        tokens.forget(db)
    if named == "token":
        change(site, Platform, token_endpoint=f"{OUTSIDE}/token")
    else:
        change(site, ContextServices, memberships_url=f"{OUTSIDE}/roster", lineitems_url=f"{OUTSIDE}/lineitems")
    change(site, LatestScore, sent_value=None)
    with site.database.transaction() as db:
        contexts.ask_for_roster(db.scalars(select(ContextServices)).one())
    assert (rosters.run(tool), grades.run(tool)) == (0, 0)
    with site.database.reading() as db:
        assert db.scalars(select(ContextServices.roster_problem)).one() == "platform.not_encrypted"
        assert db.scalars(select(GradeColumn.problem)).one() == "platform.not_encrypted"


def test_keys_of_a_platform_of_https_do_not_come_in_the_clear(site):
    """Also those that came so before; on networks of ours, as in development, they may."""
    issuer = "https://lms.example.org"

    def encrypted(**values) -> str:
        change(site, Platform, issuer=issuer, **values)
        return issuer

    assert send(site, {"iss": encrypted}).status_code == 303, "http on this machine"
    with site.database.transaction() as db:
        known = db.scalars(select(KeySet)).one()
        db.add(KeySet(jwks_uri=f"{OUTSIDE}/jwks", body=known.body, fetched_at=NEVER, tried_at=NEVER))
    change(site, Platform, issuer=site.lms.world.issuer)
    refused(send(site, {"iss": lambda: encrypted(jwks_uri=f"{OUTSIDE}/jwks")}), "launch.no_keys")
    with site.database.reading() as db:
        kept, platform = db.get(KeySet, f"{OUTSIDE}/jwks"), db.scalars(select(Platform)).first()
    assert kept.body["keys"] == []
    keys, _ = connection.try_out(tool_of(site), platform)
    assert keys.problem.reason == "platform.not_encrypted"


def test_keys_that_were_asked_for_a_platform_of_http_are_none_of_one_of_https_at_the_same_address(both_site):
    site, asked = both_site, []
    site.lms.lms.before_keys = lambda: asked.append(1)

    def launch_encrypted(**values) -> requests.Response:
        change(site, Platform, issuer=site.lms.world.issuer)  # which the login says
        return send(site, {"iss": lambda: change(site, Platform, issuer=issuer, **values) or issuer})

    issuer = "https://lms.example.org"
    assert [send(site).status_code for _ in range(2)] == [303, 303]
    assert len(asked) == 1
    with site.database.transaction() as db:
        known = db.scalars(select(KeySet)).one()
        db.add(KeySet(jwks_uri=f"{OUTSIDE}/jwks", body=known.body, fetched_at=clock.now(), tried_at=clock.now()))
    assert [launch_encrypted().status_code for _ in range(2)] == [303, 303], "http on this machine"
    assert len(asked) == 2, "once more, and what came then is believed"
    refused(launch_encrypted(jwks_uri=f"{OUTSIDE}/jwks"), "launch.no_keys")
