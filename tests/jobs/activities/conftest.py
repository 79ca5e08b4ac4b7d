"""A program that was placed in a course of many for a group of half of them."""

import re

import pytest
from sqlalchemy import select

from lti_mentor.lti.links import LaunchedLink
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.practice.world import LEARNER, LmsPerson
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.lti.test_deep_linking import follow, opened, place, sent, with_program
from tests.support.activities import (
    CROWD,
    GROUP,
)
from tests.support.member import Member as Visiting
from tests.support.visitor import Visitor


@pytest.fixture
def tool(both_site):
    return Tool(both_site.settings, both_site.database, Vault(both_site.settings.secret_key))


@pytest.fixture
def program(both_site):
    """It runs in a course of many, with a group of half of them."""
    world = both_site.lms.world
    for number in range(CROWD):
        world.people.append(LmsPerson(id=f"crowd-{number}", name=f"Crowd {number}"))
        world.courses[0].members[f"crowd-{number}"] = [LEARNER]
    world.courses[0].groups["Evening group"] = sorted(GROUP)
    return with_program(both_site)


@pytest.fixture
def lms(both_site, program):
    """The program was placed for the group, and its coordinator opened it."""
    address, token = sent(place(opened(both_site), f"program {program.id}"))
    Visitor().request("POST", address, data={"JWT": token})
    (link,) = both_site.lms.lms.links["1"]
    link.group = "Evening group"
    follow(both_site, "coordinator", link.id)
    return both_site.lms.lms


@pytest.fixture
def coordinator(both_site, lms):
    with both_site.database.reading() as db:
        person = db.scalars(select(Person).join(Account).where(Account.subject == "coordinator")).one()
        course = db.scalars(select(Course)).one()
    return Visiting(both_site.database, both_site.settings, person, course)


@pytest.fixture
def page(program):
    return f"coordinator/programs/{program.id}/people"


@pytest.fixture
def only(page, link_of):
    """The page with those who can open the activity."""
    return f"{page}?link={link_of().id}"


@pytest.fixture
def link_of(both_site, lms):
    def now() -> LaunchedLink:
        with both_site.database.reading() as db:
            return db.scalars(select(LaunchedLink)).one()

    return now


@pytest.fixture
def ask(coordinator, only, page, link_of):
    """Press the button."""
    return lambda: coordinator.post(page.replace("people", f"links/{link_of().id}"), only)


@pytest.fixture
def part(coordinator, only, ask):
    """Asked for; where the page asks again."""
    ask()
    return re.search(r'hx-get="/v/[^/]*/([^"]*)"', coordinator.get(only).text)[1]
