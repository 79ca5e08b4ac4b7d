"""Who can open an activity, as the page of people says it: how it stands, and what is next."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import delete, event, select

from lti_mentor import clock
from lti_mentor.jobs import rosters
from lti_mentor.lti import links, platforms
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.deep_linking import PlacedLink
from lti_mentor.lti.links import LaunchedLink, LinkMember
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.mentoring import programs
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.mentoring.programs import ProgramDraft
from lti_mentor.practice.world import INSTRUCTOR, LEARNER, LmsPerson
from tests.lti.test_deep_linking import follow, opened, place, sent
from tests.lti.test_threats import change
from tests.support.activities import (
    GROUP,
    NOT_READ,
    ROSTER,
    TEACHER,
    able,
    answering,
    names,
    nothing,
    problems,
    several,
)
from tests.support.member import Member as Visiting
from tests.support.visitor import Visitor


def test_a_coordinator_asks_who_can_open_an_activity_and_enrolls_from_a_short_list(
    both_site, tool, lms, coordinator, page, only, ask
):
    assert "Who can open “<bdi>Autumn</bdi>”</a>" in coordinator.get(page).text
    shown = coordinator.get(only).text
    assert "not asked yet" in shown
    assert names(shown) == set()
    assert ask().status_code == 303
    shown = coordinator.get(only).text
    assert "to be read in a moment" in shown
    assert 'hx-trigger="every 2s"' in shown
    assert rosters.run(tool) == 1
    assert able(both_site.database) == GROUP | TEACHER
    assert lms.roster_requests == 3 + 2, "the list of the course comes first, so that everybody is known"
    shown = coordinator.get(only).text
    assert "61 people" in shown
    assert "every 2s" not in shown
    found = names(shown) | set().union(*(names(coordinator.get(f"{only}&page={number}").text) for number in (2, 3, 4)))
    assert found == {f"Crowd {who.removeprefix('crowd-')}" for who in GROUP} | {"Coordinator"}
    searched = coordinator.get(f"{only}&q=crowd+11").text
    assert names(searched) == {"Crowd 110", "Crowd 112", "Crowd 114", "Crowd 116", "Crowd 118"}
    chosen = re.findall(r'name="person" value="([^"]*)"', searched)
    enrolled = coordinator.post(f"{only}&q=crowd+11", f"{only}&q=crowd+11", person=chosen, part="mentee")
    assert enrolled.status_code == 303
    assert "link=" in enrolled.headers["Location"]
    assert "q=crowd" in enrolled.headers["Location"]
    assert coordinator.get(f"{only}&q=crowd+11").text.count("<small>learner </small>") == 5


def test_the_part_of_the_page_that_asks_again_leads_to_the_list_once_it_is_there(tool, coordinator, only, ask, page):
    ask()
    part = re.search(r'hx-get="/v/[^/]*/([^"]*)"', coordinator.get(only).text)[1]
    assert "Show them" not in coordinator.get(part).text
    rosters.run(tool)
    shown = coordinator.get(part).text
    assert "Show them" in shown
    assert "every 2s" not in shown
    assert "<html" not in shown


def test_the_part_of_a_first_reading_that_failed_says_why_and_can_be_asked_from(
    both_site, tool, lms, coordinator, part
):
    lms.bad_answers[:] = [*ROSTER, answering(404)]
    rosters.run(tool)
    shown = coordinator.get(part).text
    assert "does not know this activity any more" in shown
    assert "every 2s" not in shown
    assert "Ask the learning platform</button>" in shown
    assert coordinator.post(part, part).status_code == 303
    rosters.run(tool)
    assert able(both_site.database) == GROUP | TEACHER


def test_the_page_asks_no_more_when_the_list_of_the_course_failed_until_somebody_asks_anew(
    both_site, tool, lms, coordinator, page, part
):
    lms.bad_answers[:] = [answering(500)]
    rosters.run(tool)
    shown = coordinator.get(part).text
    assert "every 2s" not in shown
    assert "Ask the learning platform</button>" in shown
    lists = f"{page.removesuffix('people')}rosters"
    assert "every 2s" not in coordinator.get(lists).text
    coordinator.post(part, part)
    shown = coordinator.get(part).text
    assert "to be read in a moment" in shown
    assert "every 2s" in shown
    assert "every 2s" in coordinator.get(lists).text
    rosters.run(tool)
    assert able(both_site.database) == GROUP | TEACHER


def test_what_came_of_it_is_announced_once_and_no_number_before(tool, lms, coordinator, page, only, part):
    lists = f"{page.removesuffix('people')}rosters"
    seen = []
    lms.bad_answers[:] = [lambda: seen.extend([coordinator.get(part).text, coordinator.get(lists).text])] * 4
    rosters.run(tool)
    assert len(seen) == 8
    assert [each for each in seen if "#announcer" in each] == []
    for address, words in ((part, "61 people"), (lists, "121 people|122 people|124 people")):
        announced = coordinator.get(address).text.partition('hx-swap-oob="innerHTML:#announcer"')[2]
        assert re.search(words, announced), announced
    assert "hx-swap-oob" not in coordinator.get(only).text


def test_how_far_the_reading_is_can_be_seen(both_site, tool, lms, coordinator, only, ask):
    seen = []
    lms.bad_answers[:] = [lambda: seen.append(coordinator.get(only).text)] * 5
    ask()
    rosters.run(tool)
    words = [re.search(r'<span class="status waiting">◔&nbsp;([^<]*)', each)[1] for each in seen]
    assert words == [
        "the list of the course is read first, 0 people so far",
        "the list of the course is read first, 50 people so far",
        "the list of the course is read first, 100 people so far",
        "the list of the course is read first, 124 people so far",
        "being read, 50 people so far",
    ]


def test_an_activity_for_everybody_says_so(tool, lms, coordinator, only, ask):
    lms.links["1"][0].group = ""
    ask()
    rosters.run(tool)
    assert "That is everybody in the course" in coordinator.get(only).text


def test_whoever_came_after_the_reading_or_is_on_no_list_makes_it_no_part_of_the_course(
    both_site, tool, lms, coordinator, only, ask
):
    lms.links["1"][0].group = ""
    ask()
    rosters.run(tool)
    lms.world.people.append(LmsPerson(id="late", name="Late Comer"))
    lms.world.courses[0].members["late"] = [LEARNER]
    Visitor().launch(both_site.lms.url, "late", "1")
    assert "That is everybody in the course" in coordinator.get(only).text
    lms.links["1"][0].group = "Evening group"
    ask()
    rosters.run(tool)
    assert "That is everybody in the course" not in coordinator.get(only).text


def test_whoever_left_since_is_neither_listed_nor_counted(both_site, tool, lms, coordinator, only, ask):
    ask()
    rosters.run(tool)
    with both_site.database.transaction() as db:
        member = db.scalars(
            select(Member).join(Account, Account.person_id == Member.person_id).where(Account.subject == "crowd-0")
        ).one()
        member.left_at = clock.now()
    shown = coordinator.get(only).text
    assert "60 people" in shown
    assert "of 60" in shown
    with both_site.database.transaction() as db:
        for member in db.scalars(select(Member).where(Member.teaches.is_(False))):
            member.left_at = clock.now()
        db.execute(
            delete(LinkMember).where(
                LinkMember.person_id.not_in(select(Member.person_id).where(Member.left_at.is_not(None)))
            )
        )
    assert "Nobody of the course can open it right now" in coordinator.get(only).text


def test_an_activity_for_nobody_says_so(tool, lms, coordinator, only, ask):
    ask()
    lms.bad_answers[:] = [*ROSTER, answering(body='{"members": []}')]
    rosters.run(tool)
    assert "Nobody of the course can open it right now" in coordinator.get(only).text


@pytest.mark.parametrize("case", NOT_READ)
@pytest.mark.parametrize("page_before", [0, 1])
def test_a_reading_that_fails_takes_nobody_away_and_says_why(
    both_site, tool, lms, coordinator, only, ask, link_of, case, page_before
):
    answer, words = NOT_READ[case]
    ask()
    rosters.run(tool)
    others = GROUP - {"crowd-0"} | {"crowd-1"}
    lms.world.courses[0].groups["Evening group"] = sorted(others)
    lms.bad_answers[:] = [*ROSTER, *[nothing] * page_before, answer]
    ask()
    assert rosters.run(tool) == 1, "the list of the course is read all the same"
    assert able(both_site.database) == GROUP | TEACHER, "as the list before had it, and nobody of half a list"
    assert link_of().people_read_at is not None
    shown = coordinator.get(only).text
    assert words in shown
    assert "The list below is from" in shown
    assert "Ask again" in shown
    with both_site.database.reading() as db:
        services = db.scalars(select(ContextServices)).one()
        assert (services.roster_problem, services.roster_failures, services.is_being_read) == (None, 0, False)
    ask()
    rosters.run(tool)
    assert able(both_site.database) == others | TEACHER


def test_a_link_that_was_taken_out_of_the_course_keeps_its_last_list_and_says_it(
    both_site, tool, lms, coordinator, only, ask
):
    ask()
    rosters.run(tool)
    lms.links.clear()
    ask()
    rosters.run(tool)
    assert able(both_site.database) == GROUP | TEACHER
    assert "does not know this activity any more" in coordinator.get(only).text


def test_an_activity_that_fails_keeps_no_other_from_being_read(both_site, tool, lms, ask, coordinator, page):
    ask()
    address, token = sent(place(opened(both_site), "home"))
    Visitor().request("POST", address, data={"JWT": token})
    follow(both_site, "learner", lms.links["1"][1].id)
    with both_site.database.transaction() as db:
        other = db.scalars(select(LaunchedLink).where(LaunchedLink.title == "My mentoring")).one()
        links.ask_for_people(other)
    lms.bad_answers[:] = [*ROSTER, answering(404)]
    rosters.run(tool)
    with both_site.database.reading() as db:
        found = {link.title: link.people_problem for link in db.scalars(select(LaunchedLink))}
        read = [link.title for link in db.scalars(select(LaunchedLink)) if link.people_read_at is not None]
        failed = db.scalars(select(LaunchedLink).where(LaunchedLink.people_problem.is_not(None))).one()
    assert sorted(found.values(), key=str) == [None, "activity.not_found"]
    assert read == [title for title, problem in found.items() if problem is None]
    assert able(both_site.database) in (GROUP | TEACHER, set(lms.world.courses[0].members))
    assert "does not know this activity any more" in coordinator.get(f"{page}?link={failed.id}").text


def test_whoever_left_the_course_can_open_nothing_there(both_site, tool, lms, coordinator, only, ask):
    ask()
    rosters.run(tool)
    lms.world.courses[0].members.pop("crowd-0")
    ask()
    rosters.run(tool)
    assert able(both_site.database) == GROUP - {"crowd-0"} | TEACHER
    assert "Crowd 0" not in names(coordinator.get(only).text)


def test_a_course_without_a_list_says_that_it_cannot_be_asked(both_site, tool, lms, coordinator, only, page, link_of):
    kept = coordinator.get(only).text
    change(both_site, ContextServices, memberships_url=None)
    shown = coordinator.get(only).text
    assert "gives no list of the people of this course" in shown
    assert "Ask the learning platform</button>" in kept
    assert "Ask the learning platform</button>" not in shown
    assert coordinator.post(page.replace("people", f"links/{link_of().id}"), page).status_code == 404


def test_a_platform_that_is_switched_off_is_not_waited_for(both_site, coordinator, page, only, part):
    change(both_site, Platform, status="disabled")
    for shown in (coordinator.get(only).text, coordinator.get(part).text):
        assert "This learning platform is switched off here" in shown
        assert "to be read in a moment" not in shown
        assert "every 2s" not in shown
        assert "Ask the learning platform</button>" not in shown
    lists = coordinator.get(f"{page.removesuffix('people')}rosters").text
    assert "This learning platform is switched off here" in lists
    assert "every 2s" not in lists


def test_of_a_deployment_that_was_refused_the_last_answer_stays_and_nothing_is_asked(
    both_site, tool, coordinator, only, ask
):
    ask()
    rosters.run(tool)
    with both_site.database.transaction() as db:
        platforms.refuse(db.scalars(select(Deployment).where(Deployment.deployment_id == "1")).one())
    shown = coordinator.get(only).text
    assert "or no longer let in, so nothing is read from it" in shown
    assert "The list below is from" in shown
    assert "of 61" in shown
    assert "Ask again</button>" not in shown
    with both_site.database.transaction() as db:
        db.execute(delete(LinkMember))
    shown = coordinator.get(only).text
    assert "Nobody of the course could open it" in shown
    assert "The list below is from" not in shown


def test_a_list_of_the_course_that_fails_later_is_said_beside_the_old_answer(
    tool, lms, both_site, coordinator, only, ask
):
    ask()
    rosters.run(tool)
    change(both_site, ContextServices, roster_read_at=clock.now() - timedelta(hours=30))
    lms.bad_answers[:] = [answering(500)]
    rosters.run(tool)
    shown = coordinator.get(only).text
    assert "61 people" in shown
    assert "not read again since" in shown
    assert "The learning platform answered with an error." in shown
    assert "Ask again</button>" in shown


def test_an_error_of_ours_is_no_form_that_was_not_saved(both_site, coordinator, page, only, ask):
    change(both_site, LaunchedLink, people_asked_at=clock.now(), people_problem="error")
    change(both_site, ContextServices, roster_problem="error")
    for shown in (coordinator.get(only).text, coordinator.get(page).text):
        assert "Something went wrong here while it was read." in shown
        assert "nothing was saved" not in shown


def test_a_list_of_the_course_that_fails_is_said_and_the_activity_waits(both_site, tool, lms, coordinator, only, ask):
    ask()
    lms.bad_answers[:] = [answering(500)]
    assert rosters.run(tool) == 0
    shown = coordinator.get(only).text
    assert "The list of the course is read first: The learning platform answered with an error." in shown
    assert "Ask the learning platform</button>" in shown
    change(both_site, ContextServices, roster_retry_at=None)
    rosters.run(tool)
    assert able(both_site.database) == GROUP | TEACHER


def test_a_platform_that_has_enough_is_asked_about_activities_when_it_said(
    both_site, tool, lms, coordinator, only, ask
):
    ask()
    several(both_site.database)
    lms.bad_answers[:] = [*ROSTER, answering(429, Retry_After="900"), *[answering(404)] * 3]
    assert rosters.run(tool) == 1
    assert len(lms.bad_answers) == 3, "answers that nobody asked for"
    assert set(problems(both_site.database).values()) == {None}
    assert rosters.run(tool) == 0
    with both_site.database.reading() as db:
        services = db.scalars(select(ContextServices)).one()
    assert (services.roster_problem, services.is_being_read) == (None, False)
    assert timedelta(minutes=14) < services.links_again_at - clock.now() <= timedelta(minutes=15)
    shown = coordinator.get(only).text
    assert "to be read in a while" in shown
    assert "every 2s" not in shown
    at_once = answering(429, **{"Retry-After": "1"})
    for answers, minutes in (([at_once], 1), ([answering(429)], 10), ([nothing, nothing, at_once], 0)):
        lms.bad_answers[:] = answers
        change(both_site, ContextServices, links_again_at=clock.now() - timedelta(seconds=1))
        assert rosters.run(tool) == 0
        with both_site.database.reading() as db:
            waits = db.scalars(select(ContextServices.links_again_at)).one() - clock.now()
        assert timedelta(minutes=minutes - 1) < waits <= timedelta(minutes=minutes, seconds=1)
    assert able(both_site.database) == GROUP | TEACHER
    assert lms.roster_requests == 3 + 2, "the list of the course is not read again for that"
    change(both_site, ContextServices, links_again_at=clock.now() - timedelta(seconds=1))
    assert rosters.run(tool) == 1


def test_how_far_a_reading_was_that_came_to_no_end_is_not_shown_by_the_next_one(
    both_site, tool, lms, coordinator, only, ask
):
    ask()
    change(both_site, LaunchedLink, people_so_far=50)
    seen = []
    lms.bad_answers[:] = [lambda: seen.append(coordinator.get(only).text)]
    rosters.run(tool)
    assert "the list of the course is read first, 0 people so far" in seen[0]


def test_another_activity_in_its_place_knows_nothing_of_who_could_open_the_first(
    both_site, tool, lms, ask, link_of, coordinator, only
):
    ask()
    rosters.run(tool)
    with both_site.database.transaction() as db:
        row = db.scalars(select(LaunchedLink)).one()
        row.launched_at -= timedelta(days=8)
        placed = db.get_one(PlacedLink, row.placed_link_id)
        deployment = db.get_one(Deployment, row.deployment_id)
        links.launched(db, placed, deployment, "1", "another", title="Another")
    assert able(both_site.database) == set()
    row = link_of()
    assert (row.resource_link_id, row.title, row.people_read_at, row.is_waiting) == ("another", "Another", None, True)
    shown = coordinator.get(only).text
    assert "to be read with the next list of the course" in shown
    assert "every 2s" not in shown
    assert "Ask the learning platform</button>" in shown


def test_activities_of_one_name_are_told_apart_and_the_page_says_which_is_chosen(both_site, lms, coordinator, page):
    with both_site.database.transaction() as db:
        first = db.scalars(select(LaunchedLink)).one()
        kept = {"organization_id": first.organization_id, "deployment_id": first.deployment_id, "context_id": "1"}
        for number in range(3):
            db.add(placed := PlacedLink(organization_id=first.organization_id, kind="home", target=""))
            db.flush()
            title = None if number else "My mentoring"
            db.add(LaunchedLink(placed_link_id=placed.id, resource_link_id=str(number), title=title, **kept))
    shown = coordinator.get(page).text
    named = re.findall(r"link=([^\"&]*)\"[^>]*>Who can open “<bdi>([^<]*)</bdi>”([^<]*)</a>", shown)
    assert sorted((title, number) for _, title, number in named) == [
        ("Autumn", ""),
        ("My mentoring", " (1)"),
        ("My mentoring", " (2)"),
        ("My mentoring", " (3)"),
    ]
    for link_id, title, number in named:
        chosen = coordinator.get(f"{page}?link={link_id}").text
        assert f'<h2 id="chosen-title">Who can open “<bdi>{title}</bdi>”{number}</h2>' in chosen


def test_the_part_that_asks_again_costs_the_same_however_many_activities_there_are(both_site, coordinator, part):
    def cost() -> int:
        asked: list[str] = []

        def note(_connection, _cursor, statement, *_rest) -> None:
            asked.append(statement)

        event.listen(both_site.database.engine, "before_cursor_execute", note)
        coordinator.get(part)
        event.remove(both_site.database.engine, "before_cursor_execute", note)
        return len(asked)

    before = cost()
    with both_site.database.transaction() as db:
        first = db.scalars(select(LaunchedLink)).one()
        kept = {"organization_id": first.organization_id, "deployment_id": first.deployment_id, "context_id": "1"}
        for number in range(3):
            db.add(placed := PlacedLink(organization_id=first.organization_id, kind="home", target=""))
            db.flush()
            db.add(LaunchedLink(placed_link_id=placed.id, resource_link_id=str(number), **kept))
    assert cost() == before


def test_the_activity_of_another_program_of_the_course_is_for_its_own_coordinators(
    both_site, lms, coordinator, page, only, link_of, program
):
    with both_site.database.transaction() as db:
        course = db.scalars(select(Course)).one()
        person = db.scalars(select(Person).join(Account).where(Account.subject == "coordinator")).one()
        today = clock.today()
        draft = ProgramDraft(name="Another", starts_on=today, ends_on=today + timedelta(days=90))
        other = programs.create(db, course, draft, by=person)
        placed = db.scalars(select(PlacedLink).where(PlacedLink.kind == "program")).one()
    elsewhere = page.replace(str(program.id), str(other.id))
    assert "Who can open" in coordinator.get(page).text
    assert "Who can open" not in coordinator.get(elsewhere).text
    assert coordinator.get(only.replace(str(program.id), str(other.id))).status_code == 404
    assert coordinator.get(elsewhere.replace("people", f"links/{link_of().id}")).status_code == 404
    with both_site.database.transaction() as db:
        db.get_one(PlacedLink, placed.id).kind = "home"
    assert "Who can open" in coordinator.get(elsewhere).text, "what is of no program is for each"


def test_a_coordinator_of_another_organization_or_course_finds_no_such_activity(
    both_site, tool, ask, link_of, coordinator, page, program
):
    ask()
    rosters.run(tool)
    both_site.lms.world.course("1b").members["outsider"] = [INSTRUCTOR]
    Visitor().launch(both_site.lms.url, "outsider", "1b")
    with both_site.database.transaction() as db:
        course = db.scalars(select(Course).where(Course.context_id == "1b")).one()
        person = db.scalars(select(Person).join(Account).where(Account.subject == "outsider")).one()
        today = clock.today()
        draft = ProgramDraft(name="Theirs", starts_on=today, ends_on=today + timedelta(days=90))
        theirs = programs.create(db, course, draft, by=person)
    stranger = Visiting(both_site.database, both_site.settings, person, course)
    mine = f"coordinator/programs/{theirs.id}"
    assert stranger.get(f"{mine}/people").status_code == 200
    for other in (mine, f"coordinator/programs/{program.id}"):
        assert stranger.get(f"{other}/people?link={link_of().id}").status_code == 404
        assert stranger.get(f"{other}/links/{link_of().id}").status_code == 404
        assert stranger.post(f"{other}/links/{link_of().id}", f"{mine}/people").status_code == 404
    assert coordinator.get(f"{page}?link=nonsense").status_code == 404


def test_what_a_platform_calls_an_activity_is_text_and_nothing_else(both_site, coordinator, page, only, part):
    change(both_site, LaunchedLink, title="<img src=x onerror=alert(1)> 100% %(activity)s")
    for shown in (coordinator.get(page).text, coordinator.get(only).text, coordinator.get(part).text):
        assert "<img" not in shown
    assert "&lt;img src=x onerror=alert(1)&gt; 100% %(activity)s</bdi>”" in coordinator.get(only).text


def test_a_list_of_the_course_that_is_not_at_its_end_says_how_far_it_is(tool, lms, coordinator, page):
    lms.bad_answers[:] = [nothing, answering(500)]
    rosters.run(tool)
    shown = coordinator.get(f"{page.removesuffix('people')}rosters").text
    assert "not read to its end, 50 people so far" in shown
    assert "every 2s" not in shown
