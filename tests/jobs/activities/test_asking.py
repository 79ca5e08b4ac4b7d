"""Who can open an activity: asked of a real platform, kept when it fails, and nobody is in a course by it."""

import re
import threading
from datetime import timedelta
from functools import partial

import pytest
from flask import Response
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import rosters
from lti_mentor.lti import contexts, links, roster
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.deep_linking import PlacedLink
from lti_mentor.lti.links import LaunchedLink, LinkMember
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.mentoring import people, privacy
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.people import Account, Identity, Person
from tests.lti.test_threats import change
from tests.support.activities import GROUP, ROSTER, TEACHER, able, answering, nothing, problems, several


def test_it_is_read_again_with_each_roster_once_somebody_asked(both_site, tool, lms, ask):
    rosters.run(tool)
    assert lms.roster_requests == 3, "nobody asked"
    ask()
    rosters.run(tool)
    lms.world.courses[0].groups["Evening group"] = ["crowd-1"]
    change(both_site, ContextServices, roster_read_at=clock.now() - timedelta(hours=30))
    rosters.run(tool)
    assert able(both_site.database) == {"crowd-1"} | TEACHER
    lms.world.courses[0].groups["Evening group"] = []
    lms.links["1"][0].group = ""
    change(both_site, ContextServices, roster_read_at=clock.now() - timedelta(hours=30))
    rosters.run(tool)
    assert able(both_site.database) == set(lms.world.courses[0].members)


def test_a_platform_that_forgets_on_the_next_page_what_it_was_asked_is_reminded(both_site, tool, lms, ask):
    lms.forgets_link = True
    ask()
    rosters.run(tool)
    assert able(both_site.database) == GROUP | TEACHER


def test_an_id_that_has_to_be_escaped_is_asked_for_as_it_is(both_site, tool, lms, ask):
    lms.links["1"][0].id = "a&b=c #/ü"
    change(both_site, LaunchedLink, resource_link_id="a&b=c #/ü")
    ask()
    rosters.run(tool)
    assert able(both_site.database) == GROUP | TEACHER


def test_somebody_who_could_not_be_made_out_lets_nobody_be_taken_away(both_site, tool, lms, ask):
    ask()
    rosters.run(tool)
    ask()
    lms.bad_answers[:] = [*ROSTER, answering(body='{"members": [{"user_id": "crowd-1"}, {"roles": []}]}')]
    rosters.run(tool)
    assert able(both_site.database) == GROUP | TEACHER | {"crowd-1"}


def test_whoever_is_listed_and_not_in_the_course_is_left_out(both_site, tool, lms, ask):
    ask()
    body = """{"members": [{"user_id": "stranger", "name": "Stranger", "roles": ["Learner"]}, {"user_id": "crowd-2"},
        {"user_id": "crowd-3", "status": "Inactive"}, {"user_id": "outsider"}]}"""
    lms.bad_answers[:] = [*ROSTER, answering(body=body)]
    with both_site.database.transaction() as db:
        organization_id = db.scalars(select(Course)).one().organization_id
        elsewhere = Identity(issuer=lms.world.issuer, subject="outsider", name="In no course")
        people.meet(db, organization_id, elsewhere)
    rosters.run(tool)
    assert able(both_site.database) == {"crowd-2"}
    with both_site.database.reading() as db:
        assert db.scalars(select(Account).where(Account.subject == "stranger")).all() == []
        members = db.scalars(select(Member)).all()
        assert len(members) == len(lms.world.courses[0].members)
        assert {member.left_at for member in members} == {None}, "nobody is gone who is in the course"


def test_a_worker_that_is_stopped_gives_the_reading_back(both_site, tool, lms, ask, link_of):
    stop = threading.Event()
    ask()
    lms.bad_answers[:] = [*ROSTER, stop.set]
    assert rosters.run(tool, stop) == 1, "the list of the course was read to its end"
    assert able(both_site.database) == set()
    assert link_of().is_waiting
    with both_site.database.reading() as db:
        services = db.scalars(select(ContextServices)).one()
        assert (services.roster_read_at is not None, services.is_being_read) == (True, False)
    before = lms.roster_requests
    assert rosters.run(tool) == 1
    assert able(both_site.database) == GROUP | TEACHER
    assert lms.roster_requests - before == 2, "the list of the course is not read again for that"


def test_a_worker_that_is_stopped_asks_about_no_other_activity_though_each_of_them_fails(both_site, tool, lms, ask):
    stop = threading.Event()
    ask()
    several(both_site.database)
    lms.bad_answers[:] = [*ROSTER, lambda: stop.set() or Response(status=404), *[answering(404)] * 3]
    assert rosters.run(tool, stop) == 1
    assert len(lms.bad_answers) == 3, "answers that nobody asked for"
    assert sorted(problems(both_site.database).values(), key=str) == [None] * 3 + ["activity.not_found"]
    assert rosters.run(tool) == 1
    assert lms.bad_answers == []
    assert set(problems(both_site.database).values()) == {"activity.not_found"}
    with both_site.database.transaction() as db:
        contexts.ask_for_roster(db.scalars(select(ContextServices)).one())
    assert rosters.run(tool) == 1
    assert able(both_site.database) == GROUP | TEACHER


def test_an_answer_that_names_more_people_than_a_query_can_have_is_read(both_site, tool, lms, ask, link_of):
    ask()
    members = ", ".join(f'{{"user_id": "{number}"}}' for number in range(70_000))
    lms.bad_answers[:] = [*ROSTER, answering(body=f'{{"members": [{{"user_id": "crowd-3"}}, {members}]}}')]
    assert rosters.run(tool) == 1
    assert able(both_site.database) == {"crowd-3"}
    assert not link_of().is_waiting


def test_what_a_platform_sends_at_once_is_taken_in_pages(both_site, tool, lms):
    members = ", ".join(f'{{"user_id": "{number}"}}' for number in range(1100))
    lms.bad_answers[:] = [answering(body=f'{{"members": [{members}, {{}}]}}'), answering(body='{"members": []}')]
    with both_site.database.reading() as db:
        platform, services = db.scalars(select(Platform)).one(), db.scalars(select(ContextServices)).one()
    read = partial(roster.read, tool, platform, services.memberships_url, until=clock.now() + timedelta(minutes=5))
    pages = list(read())
    assert [(len(page.members), page.is_readable) for page in pages] == [(500, False), (500, False), (100, False)]
    mine = f"{services.memberships_url}?limit=500"
    assert [page.next_url for page in pages] == [mine, mine, None], (
        "where a reading goes on that ends between two parts"
    )
    assert [(len(page.members), page.is_readable) for page in read()] == [(0, True)]


def test_a_first_reading_that_fails_on_its_way_shows_nobody(both_site, tool, lms, ask, link_of):
    ask()
    lms.bad_answers[:] = [*ROSTER, nothing, answering(500)]
    rosters.run(tool)
    assert able(both_site.database) == set()
    assert (link_of().people_read_at, link_of().people_problem) == (None, "platform.bad_status")


@pytest.mark.parametrize(("page_before", "then"), [(0, nothing), (1, nothing), (1, answering(404))])
def test_an_activity_that_is_replaced_while_it_is_read_gets_nothing_of_the_one_before(
    both_site, tool, lms, ask, link_of, then, page_before
):
    def replaced() -> Response | None:
        with both_site.database.transaction() as db:
            row = db.scalars(select(LaunchedLink)).one()
            row.launched_at -= timedelta(days=8)
            placed, deployment = db.get_one(PlacedLink, row.placed_link_id), db.get_one(Deployment, row.deployment_id)
            links.launched(db, placed, deployment, "1", "another", title="Another")
            db.expire(row)
            assert row.people_so_far is None
        return then()

    ask()
    lms.bad_answers[:] = [*ROSTER, *[nothing] * page_before, replaced]
    assert rosters.run(tool) == 1
    row = link_of()
    assert able(both_site.database) == set()
    assert (row.resource_link_id, row.people_read_at, row.people_so_far, row.people_problem) == ("another", *[None] * 3)


def in_a_hurry(monkeypatch, most) -> None:
    monkeypatch.setattr(rosters, "LONGEST", most)


def late() -> None:
    """An answer after all the time."""
    until = clock.now() + rosters.LONGEST
    while clock.now() <= until:
        """Others may work."""


@pytest.mark.parametrize("most", [timedelta(0), timedelta(seconds=0.5)])
def test_one_that_the_time_cuts_is_no_failure_where_others_came_first_and_is_asked_about_alone(
    both_site, tool, lms, ask, monkeypatch, most
):
    ask()
    (title,) = several(both_site.database, 1)
    with both_site.database.transaction() as db:
        last = db.scalars(select(LaunchedLink).where(LaunchedLink.title != title)).one()
        last.people_read_at = clock.now() - timedelta(days=1)
    hurry = partial(in_a_hurry, monkeypatch, most)
    lms.bad_answers[:] = [nothing, nothing, hurry, answering(404), late]
    assert rosters.run(tool) == 1
    assert problems(both_site.database) == {title: "activity.not_found", "Autumn": None}
    assert able(both_site.database) == set()
    assert rosters.run(tool) == 0, "others have their turn"
    monkeypatch.undo()
    lms.bad_answers.clear()
    change(both_site, ContextServices, links_again_at=clock.now() - rosters.LINKS_GO_ON)
    before = lms.roster_requests
    assert rosters.run(tool) == 1
    assert able(both_site.database) == GROUP | TEACHER
    assert lms.roster_requests - before == 2, "neither the list of the course nor the one that failed is asked again"
    assert rosters.run(tool) == 0


def test_one_that_takes_all_the_time_is_a_failure_and_lets_the_others_go_first(
    both_site, tool, lms, ask, link_of, monkeypatch
):
    ask()
    lms.bad_answers[:] = [nothing, nothing, partial(in_a_hurry, monkeypatch, timedelta(0))]
    assert rosters.run(tool) == 1
    assert link_of().people_problem == "platform.too_slow"
    assert rosters.run(tool) == 0, "before the next list of the course"


def test_activities_wait_after_an_error_and_it_is_forgotten_once_they_were_asked_about(both_site, tool, lms, ask):
    ask()
    lms.bad_answers[:] = [*ROSTER, answering(429)]
    assert rosters.run(tool) == 1
    with both_site.database.transaction() as db:
        row = db.scalars(select(ContextServices)).one()
        row.links_again_at = clock.now()
        contexts.roster_failed(row, "error", retry_after=None, before=None)
    assert rosters.run(tool) == 0
    assert able(both_site.database) == set(), "in a minute"
    change(both_site, ContextServices, roster_retry_at=clock.now())
    assert rosters.run(tool) == 1
    assert able(both_site.database) == GROUP | TEACHER
    with both_site.database.reading() as db:
        row = db.scalars(select(ContextServices)).one()
        assert (row.roster_problem, row.roster_failures, row.roster_retry_at) == (None, 0, None)


def test_a_platform_that_goes_while_an_activity_is_read_disturbs_nothing(both_site, tool, lms, ask):
    def gone() -> Response:
        with both_site.database.transaction() as db:
            db.delete(db.scalars(select(ContextServices)).one())
        return Response(status=404)

    ask()
    lms.bad_answers[:] = [*ROSTER, gone]
    rosters.run(tool)
    assert problems(both_site.database) == {"Autumn": "activity.not_found"}


def test_erasing_somebody_takes_what_they_can_open(both_site, tool, ask):
    ask()
    rosters.run(tool)
    with both_site.database.transaction() as db:
        person = db.scalars(select(Person).join(Account).where(Account.subject == "crowd-2")).one()
        assert len(privacy.kept(db, person)["link_members"]) == 1
        privacy.erase(db, tool.vault, person, by=None)
    ask()
    rosters.run(tool)
    assert able(both_site.database) == GROUP - {"crowd-2"} | TEACHER
    with both_site.database.reading() as db:
        assert len(db.scalars(select(LinkMember)).all()) == len(GROUP | TEACHER) - 1


def test_a_launch_that_withholds_the_title_leaves_the_one_that_is_known(both_site, lms, link_of):
    def launched(title) -> str | None:
        with both_site.database.transaction() as db:
            row = db.scalars(select(LaunchedLink)).one()
            row.launched_at -= timedelta(days=2)
            placed, deployment = db.get_one(PlacedLink, row.placed_link_id), db.get_one(Deployment, row.deployment_id)
            links.launched(db, placed, deployment, "1", row.resource_link_id, title=title)
        return link_of().title

    assert [launched(title) for title in ("Autumn", None, "Winter")] == ["Autumn", "Autumn", "Winter"]


def test_the_one_that_was_not_read_for_longest_comes_first_and_one_that_failed_last(both_site, lms):
    with both_site.database.transaction() as db:
        first = db.scalars(select(LaunchedLink)).one()
        place = (first.organization_id, first.deployment_id, "1")
        kept = {"organization_id": first.organization_id, "deployment_id": first.deployment_id, "context_id": "1"}
        for number in range(3):
            db.add(placed := PlacedLink(organization_id=first.organization_id, kind="home", target=""))
            db.flush()
            db.add(LaunchedLink(placed_link_id=placed.id, resource_link_id=str(number), **kept))
        db.flush()
        db.add(placed := PlacedLink(organization_id=first.organization_id, kind="home", target=""))
        db.flush()
        db.add(LaunchedLink(placed_link_id=placed.id, resource_link_id="3", **kept))
        db.flush()
        failed, old, new, never, again = asked = [link for link, _ in links.of_context(db, *place)]

        def left() -> list[LaunchedLink]:
            return links.asked_about(db, *place, since=clock.now())

        assert left() == []
        for link in asked:
            links.ask_for_people(link)
        links.people_failed(failed, "activity.not_found")
        for link, days in ((again, 0), (new, 1), (old, 2)):
            link.people_asked_at -= timedelta(days=3)
            links.people_read(db, link, started_at=clock.now() - timedelta(days=days), is_whole=True)
        links.ask_for_people(again)
        assert left() == [never, again, old, new, failed]
        since = clock.now() - timedelta(hours=30)
        assert links.asked_about(db, *place, since=since) == [never, again, old], "that was tried, or waits"
        links.ask_for_people(failed)
        assert left()[-1] is new, "asked again, it waits for no other"


def test_a_deployment_that_goes_takes_its_activities_along(both_site, tool, ask):
    ask()
    rosters.run(tool)
    with both_site.database.transaction() as db:
        services = db.scalars(select(ContextServices)).one()
        assert contexts.of(db, services.organization_id, services.deployment_id, "1") is services
        db.delete(db.get_one(Deployment, services.deployment_id))
    with both_site.database.reading() as db:
        assert db.scalars(select(LaunchedLink)).all() == []
        assert db.scalars(select(LinkMember)).all() == []


def test_a_list_that_is_read_in_several_turns_is_on_its_way_and_no_fault(
    tool, lms, coordinator, page, only, ask, monkeypatch
):
    monkeypatch.setattr(rosters, "LONGEST", timedelta(0))
    ask()
    rosters.run(tool)
    lists = coordinator.get(page).text
    for shown, words in (
        (lists, "read bit by bit, 50 people so far"),
        (coordinator.get(only).text, "the list of the course is read first, 50 people so far"),
    ):
        assert re.search(r'<span class="status waiting">◔&nbsp;([^<]*)', shown)[1] == words
        assert "the rest is read without your doing anything" in shown
        assert re.search("asked again later|status late", shown) is None
