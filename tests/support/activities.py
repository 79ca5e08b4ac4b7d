"""Who can open an activity: what tests of it ask."""

import re

from flask import Response
from sqlalchemy import select

from lti_mentor.lti import links
from lti_mentor.lti.deep_linking import PlacedLink
from lti_mentor.lti.links import LaunchedLink, LinkMember
from lti_mentor.mentoring.people import Account

TEACHER = {"coordinator"}
CROWD, GROUP = 120, {f"crowd-{number}" for number in range(0, 120, 2)}


def able(database) -> set[str]:
    """Who can open the activity, by subject."""
    with database.reading() as db:
        rows = select(Account.subject).join(LinkMember, LinkMember.person_id == Account.person_id)
        return set(db.scalars(rows))


def names(text) -> set[str]:
    """Of the people on a page."""
    return set(re.findall(r'name="person"[^>]*> <span dir="auto">([^<]*)</span>', text))


def answering(status=200, body="", **headers):
    return lambda: Response(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


NOT_READ = {
    "an activity that is gone": (answering(404), "does not know this activity any more"),
    "a platform that answers no such question": (answering(400), "does not say who can open this activity"),
    "an error": (answering(500), "answered with an error"),
    "a page of HTML": (answering(body="<html>"), "cannot be read"),
    "something else": (answering(body="{}"), "without a list of people"),
    "a page of another site": (
        answering(body='{"members": []}', Link='<http://169.254.169.254/latest>; rel="next"'),
        "led to a page of another site",
    ),
}


def nothing():
    """A page that is as it should be."""


ROSTER = [nothing] * 3  # of the course, before anything is asked about an activity


def several(database, count=3) -> list[str]:
    """Activities beside the first that the platform does not know, all of them asked about; their titles."""
    with database.transaction() as db:
        first = db.scalars(select(LaunchedLink)).one()
        kept = {"organization_id": first.organization_id, "deployment_id": first.deployment_id, "context_id": "1"}
        for number in range(count):
            db.add(placed := PlacedLink(organization_id=first.organization_id, kind="home", target=""))
            db.flush()
            db.add(
                LaunchedLink(placed_link_id=placed.id, resource_link_id=f"gone-{number}", title=f"No. {number}", **kept)
            )
        db.flush()
        for link in db.scalars(select(LaunchedLink)):
            links.ask_for_people(link)
    return [f"No. {number}" for number in range(count)]


def problems(database) -> dict[str, str | None]:
    """Why activities were not read, by title."""
    with database.reading() as db:
        return {link.title: link.people_problem for link in db.scalars(select(LaunchedLink))}
