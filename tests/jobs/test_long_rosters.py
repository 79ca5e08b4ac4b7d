"""Rosters that are longer than a turn: the next turn goes on, and only what came to its end says who is gone."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from lti_mentor import clock
from lti_mentor.jobs import rosters
from lti_mentor.lti import contexts
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.platforms import Deployment
from lti_mentor.mentoring.courses import Member
from lti_mentor.mentoring.people import Account
from lti_mentor.practice.world import LEARNER, LmsPerson
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.jobs.test_rosters import A_DAY, CROWD, ask, broken, nothing, services, standing, wait_a_day
from tests.lti.test_threats import change
from tests.support.visitor import Visitor

AT_ONCE = timedelta(0)


@pytest.fixture
def tool(both_site):
    return Tool(both_site.settings, both_site.database, Vault(both_site.settings.secret_key))


@pytest.fixture
def lms(both_site):
    """A course of three pages that was read yesterday; two people left it before, and nobody was sure then."""
    world, lms = both_site.lms.world, both_site.lms.lms
    everybody = [f"crowd-{number}" for number in range(CROWD)]
    world.people.extend(LmsPerson(id=each, name=each) for each in everybody)
    world.courses[0].members.update({each: [LEARNER] for each in [*everybody, "left-1", "left-2"]})
    world.people.extend(LmsPerson(id=each, name=each) for each in ("left-1", "left-2"))
    Visitor().launch(both_site.lms.url, "learner", "1")
    rosters.run(Tool(both_site.settings, both_site.database, Vault(both_site.settings.secret_key)))
    for each in ("left-1", "left-2"):
        del world.courses[0].members[each]
    wait_a_day(both_site.database)
    with both_site.database.transaction() as db:
        left = select(Account.person_id).where(Account.subject.in_(("left-1", "left-2")))
        db.execute(update(Member).where(Member.person_id.in_(left)).values(listed_at=clock.now() - timedelta(days=3)))
    lms.roster_requests = 0
    return lms


@pytest.fixture
def slow(monkeypatch):
    """A page takes the time of a turn."""
    monkeypatch.setattr(rosters, "LONGEST", AT_ONCE)


def gone(database) -> set[str]:
    return {subject for subject, member in standing(database).items() if member.left_at}


def come_again(database) -> float:
    """Seconds until the next turn, which are over now."""
    with database.transaction() as db:
        row = db.scalars(select(ContextServices)).one()
        seconds = (row.roster_retry_at - clock.now()).total_seconds()
        row.roster_retry_at = None
    return seconds


def test_a_platform_that_is_slow_is_read_to_the_end_in_several_turns(tool, lms, both_site, slow):
    for people in (50, 100):
        assert rosters.run(tool) == 0
        row = services(both_site.database)
        assert (row.roster_problem, row.roster_failures, row.roster_people) == ("platform.too_slow", 1, people)
        with both_site.database.reading() as db:
            assert contexts.problems(db, row.organization_id) == [], "on its way"
        assert gone(both_site.database) == set()
        assert come_again(both_site.database) <= 60, "soon each time: it goes on"
    assert rosters.run(tool) == 1
    assert lms.roster_requests == 3, "no page twice"
    assert gone(both_site.database) == {"left-1", "left-2"}
    ended = services(both_site.database)
    assert ended.roster_read_at == row.roster_began_at, "what changed since it began is seen the next time"
    assert (ended.roster_problem, ended.roster_next_url, ended.roster_people) == (None, None, CROWD + 4)
    assert rosters.run(tool) == 0


def test_whoever_moves_to_a_page_that_was_read_stays_and_whoever_left_is_gone_when_it_is_sure(
    tool, lms, both_site, slow
):
    members = lms.world.courses[0].members
    slipped = list(members)[50]
    rosters.run(tool)
    del members["crowd-1"]
    for reading in range(3):
        assert gone(both_site.database) <= {"left-1", "left-2"}
        for is_read in (0, 1):
            come_again(both_site.database)
            assert rosters.run(tool) == is_read
        if reading == 0:
            assert standing(both_site.database)[slipped].listed_at < services(both_site.database).roster_read_at
        ask(both_site.database)
        rosters.run(tool)
    assert standing(both_site.database)[slipped].left_at is None
    assert gone(both_site.database) == {"left-1", "left-2", "crowd-1"}


def test_who_left_is_gone_after_a_reading_of_one_turn(tool, lms, both_site):
    del lms.world.courses[0].members["crowd-7"]
    assert rosters.run(tool) == 1
    assert gone(both_site.database) == {"left-1", "left-2", "crowd-7"}


def test_what_is_never_read_whole_lets_nobody_be_gone_who_moved(tool, lms, both_site, slow):
    """As with differences, which name few."""
    change(both_site, ContextServices, roster_whole_at=None)
    for _ in range(2):
        assert rosters.run(tool) == 0
        come_again(both_site.database)
    assert rosters.run(tool) == 1
    assert gone(both_site.database) == set()


@pytest.mark.parametrize("turns", [1, 2])
def test_the_changes_since_are_asked_for_only_after_a_reading_of_one_turn(tool, lms, both_site, turns, monkeypatch):
    url = f"{both_site.lms.url}/courses/1/memberships"
    following, since = f'<{url}?page=2>; rel="next"', f'<{url}?since=7>; rel="differences"'
    body = b'{"members": [{"user_id": "learner"}]}'
    lms.bad_answers[:] = [broken(200, body, Link=following), broken(200, body, Link=since)]
    with monkeypatch.context() as hurry:
        hurry.setattr(rosters, "LONGEST", AT_ONCE if turns == 2 else rosters.LONGEST)
        for _ in range(turns - 1):
            assert rosters.run(tool) == 0
            come_again(both_site.database)
        assert rosters.run(tool) == 1
    assert services(both_site.database).roster_differences_url == (f"{url}?since=7" if turns == 1 else None)


def test_somebody_who_asks_while_it_is_read_has_it_gone_on_with_and_then_read_anew(tool, lms, both_site, slow):
    rosters.run(tool)
    ask(both_site.database)
    rosters.run(tool)
    ask(both_site.database)
    assert rosters.run(tool) == 1
    assert gone(both_site.database) == {"left-1", "left-2"}
    assert lms.roster_requests == 3 + 1
    assert services(both_site.database).roster_people == 50


@pytest.mark.parametrize(("status", "headers", "waits"), [(429, {"Retry_After": "1"}, 1), (500, {}, 60), (403, {}, 60)])
def test_a_page_that_is_refused_for_now_is_asked_for_again(tool, lms, both_site, status, headers, waits):
    lms.bad_answers[:] = [nothing, broken(status, **headers)]
    assert rosters.run(tool) == 0
    assert come_again(both_site.database) == pytest.approx(waits, abs=20)
    lms.bad_answers[:] = [broken(status, **headers)]
    assert rosters.run(tool) == 0
    assert come_again(both_site.database) == pytest.approx(120, abs=20), "nothing came of it, whatever it says"
    assert gone(both_site.database) == set()
    assert rosters.run(tool) == 1
    assert lms.roster_requests == 1 + 2, "answered; the first page not again"
    assert gone(both_site.database) == {"left-1", "left-2"}


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_page_that_is_no_more_lets_it_begin_anew(tool, lms, both_site, status):
    lms.bad_answers[:] = [nothing, broken(500), broken(status)]
    for _ in range(2):
        assert rosters.run(tool) == 0
        come_again(both_site.database)
    assert services(both_site.database).roster_failures == 2
    assert rosters.run(tool) == 1
    assert lms.roster_requests == 1 + 3
    assert gone(both_site.database) == {"left-1", "left-2"}


def test_a_reading_that_began_yesterday_begins_anew(tool, lms, both_site, slow, monkeypatch):
    rosters.run(tool)
    change(both_site, ContextServices, roster_began_at=clock.now() - timedelta(hours=25), roster_retry_at=None)
    monkeypatch.undo()
    assert rosters.run(tool) == 1
    assert lms.roster_requests == 1 + 3
    assert services(both_site.database).roster_people == CROWD + 4


def named(database, address: Callable[[str], str]) -> None:
    """A launch names another address."""
    with database.transaction() as db:
        row = db.scalars(select(ContextServices)).one()
        offered = contexts.Offered(address(row.memberships_url), None, ())
        contexts.keep(db, db.get_one(Deployment, row.deployment_id), row.context_id, offered)


def moved(database) -> None:
    named(database, lambda url: url.replace("127.0.0.1", "localhost"))


def test_another_place_of_the_list_lets_it_begin_anew(tool, lms, both_site, slow):
    rosters.run(tool)
    come_again(both_site.database)
    moved(both_site.database)
    assert rosters.run(tool) == 0
    assert services(both_site.database).roster_people == 50


def test_another_address_with_each_launch_lets_it_go_on(tool, lms, both_site, slow):
    """Of platforms that name the link in it."""
    for turn in range(3):
        named(both_site.database, lambda url, turn=turn: f"{url.partition('?')[0]}?link={turn}")
        assert rosters.run(tool) == (turn == 2)
        come_again(both_site.database) if turn < 2 else None
    assert lms.roster_requests == 3, "no page twice"
    assert gone(both_site.database) == {"left-1", "left-2"}


def test_changes_since_a_list_are_not_asked_of_the_one_that_a_launch_named_meanwhile(tool, lms, both_site):
    url = f"{both_site.lms.url}/courses/1/memberships"

    def meanwhile():
        named(both_site.database, lambda known: f"{known}?link=7")
        return broken(200, b'{"members": [{"user_id": "learner"}]}', Link=f'<{url}?since=7>; rel="differences"')()

    lms.bad_answers[:] = [meanwhile]
    assert rosters.run(tool) == 1
    assert services(both_site.database).roster_differences_url is None
    change(both_site, ContextServices, roster_differences_url=f"{url}?since=7")
    named(both_site.database, lambda known: f"{url}?link=8")
    assert services(both_site.database).roster_differences_url is None


def read_by_another(database) -> None:
    """The lease ended, and the reading was a day old."""
    with database.transaction() as db:
        row = db.scalars(select(ContextServices)).one()
        row.roster_leased_until, row.roster_began_at = clock.now() - timedelta(minutes=1), clock.now() - A_DAY
        assert contexts.claim_roster(db) is not None


@pytest.mark.parametrize("then", [nothing, broken(404), broken(500)])
@pytest.mark.parametrize("replaced", [moved, read_by_another])
def test_a_worker_whose_reading_was_replaced_leaves_the_other_one_alone(tool, lms, both_site, replaced, then):
    kept = []

    def meanwhile():
        replaced(both_site.database)
        kept.append(services(both_site.database))
        return then()

    lms.bad_answers[:] = [nothing, meanwhile]
    before = standing(both_site.database)
    assert rosters.run(tool) == 0
    now = services(both_site.database)
    for name in ("roster_began_at", "roster_next_url", "roster_people", "roster_leased_until", "roster_problem"):
        assert getattr(now, name) == getattr(kept[0], name)
    listed = {
        subject
        for subject, member in standing(both_site.database).items()
        if member.listed_at != before[subject].listed_at
    }
    assert len(listed) == 50, "of the first page"
    change(both_site, ContextServices, roster_leased_until=None)
    named(both_site.database, lambda url: url.replace("localhost", "127.0.0.1"))
    assert rosters.run(tool) == 1
    assert services(both_site.database).roster_people == CROWD + 4
    assert gone(both_site.database) == {"left-1", "left-2"}


def test_somebody_who_could_not_be_made_out_some_turns_ago_lets_nobody_be_gone(tool, lms, both_site, slow):
    following = f'<{both_site.lms.url}/courses/1/memberships?limit=500&from=50>; rel="next"'
    lms.bad_answers[:] = [broken(200, b'{"members": [{"roles": []}, {"user_id": "learner"}]}', Link=following)]
    for _ in range(2):
        assert rosters.run(tool) == 0
        come_again(both_site.database)
    assert rosters.run(tool) == 1
    assert gone(both_site.database) == set()


def test_differences_that_are_read_in_several_turns_say_of_nobody_who_is_not_named_that_they_left(
    tool, lms, both_site, slow
):
    second = f"{both_site.lms.url}/courses/1/memberships?since=7&page=2"
    change(both_site, ContextServices, roster_began_at=clock.now(), roster_next_url=second)
    change(both_site, ContextServices, roster_is_whole=False, roster_people=50)
    for _ in range(2):
        assert rosters.run(tool) == 0
        come_again(both_site.database)
    assert rosters.run(tool) == 1
    assert gone(both_site.database) == set()


def test_a_list_without_an_end_is_given_up_though_each_turn_comes_further(tool, lms, both_site, slow, monkeypatch):
    monkeypatch.setattr(contexts, "MOST_PAGES", 4)
    url = f"{both_site.lms.url}/courses/1/memberships"
    there, back = (
        broken(200, b'{"members": [{"user_id": "learner"}]}', Link=f'<{url}?page={page}>; rel="next"')
        for page in (2, 1)
    )
    lms.bad_answers[:] = [there, back, there, back, there]
    for _ in range(4):
        assert rosters.run(tool) == 0
        assert services(both_site.database).roster_problem == "platform.too_slow"
        come_again(both_site.database)
    assert rosters.run(tool) == 0
    assert services(both_site.database).roster_problem == "platform.endless_pages"
    assert come_again(both_site.database) > 3600
    assert gone(both_site.database) == set()
    assert rosters.run(tool) == 0
    assert services(both_site.database).roster_people == 50, "from its beginning"


def test_a_page_of_another_site_is_never_kept_to_go_on_at(tool, lms, both_site):
    with both_site.database.transaction() as db:
        row = db.scalars(select(ContextServices)).one()
        for strange in ("http://169.254.169.254/latest", "javascript:alert(1)", "x" * 3000, None):
            contexts.page_read(row, 1, next_url=strange, is_readable=True)
            assert row.roster_next_url is None
        contexts.page_read(row, 1, next_url=f"{row.memberships_url}?from=7", is_readable=True)
        assert row.roster_next_url == f"{row.memberships_url}?from=7"
