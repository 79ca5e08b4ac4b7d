"""Platforms: what is connected, whether it works, and letting it in or not.

Of a platform that several organizations share, each sees its own deployments; changing it is for the command line.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from flask import render_template, request
from sqlalchemy.orm import Session

from lti_mentor import queue
from lti_mentor.activity import outside
from lti_mentor.errors import Invalid
from lti_mentor.lti import connection_tests, contexts, keysets, platforms
from lti_mentor.lti.connection_tests import ConnectionTest
from lti_mentor.lti.platforms import Deployment, KeySet, Platform
from lti_mentor.mentoring import gradebook, organizations
from lti_mentor.web import platform_changes
from lti_mentor.web.admin.blueprint import admin
from lti_mentor.web.forms import form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

# What a platform lets the tool do, by the last word of the scope.
SCOPES = {
    "contextmembership.readonly": "Rosters: read who is in a course",
    "lineitem": "Grades: make and change columns",
    "lineitem.readonly": "Grades: see which columns there are",
    "result.readonly": "Grades: read results",
    "score": "Grades: tell scores",
}


@dataclass(frozen=True)
class Problem:
    """What does not work in how many courses: ``what`` is rosters or grades."""

    what: str
    reason: str
    count: int


@dataclass(frozen=True)
class Connected:
    """A platform as one of its organizations sees it."""

    platform: Platform
    deployments: list[Deployment]
    undecided: list[Deployment]  # that are new and can only be of this organization
    may_decide: bool
    problems: list[Problem]
    keys: KeySet | None
    test: ConnectionTest | None
    shares_people: bool  # with another platform of its issuer at another place

    @property
    def last_launch_at(self) -> datetime | None:
        return max((each.last_launch_at for each in self.deployments if each.last_launch_at), default=None)

    @property
    def is_shared(self) -> bool:
        return len(self.platform.organization_ids) > 1

    @property
    def may_refuse(self) -> bool:
        """Whether one that was let in can go and the platform stays somebody's."""
        return self.may_decide and (len(self.deployments) > 1 or self.platform.adopting_id is not None)

    @property
    def waiting(self) -> list[Deployment]:
        return [each for each in self.undecided if each.status == "pending"]

    @property
    def refused(self) -> list[Deployment]:
        return [each for each in self.undecided if each.status == "refused"]

    @property
    def usable_keys(self) -> int:
        return keysets.usable(self.keys.body) if self.keys else 0

    @property
    def are_keys_away(self) -> bool:
        """The last time they were asked for, the platform did not give them."""
        return self.keys is not None and self.keys.tried_at > self.keys.fetched_at

    @property
    def has_problems(self) -> bool:
        failed = any(step["reason"] for step in self.test.steps) if self.test else False
        return bool(self.problems) or self.are_keys_away or failed or self.shares_people


def _connected(db: Session, found: list[Platform]) -> list[Connected]:
    organization_id = current_visit().organization_id
    problems = [("rosters", *each) for each in contexts.problems(db, organization_id)]
    problems += [("grades", *each) for each in gradebook.problems(db, organization_id)]
    rows = []
    for platform in found:
        ours = [each for each in platform.deployments if each.organization_id == organization_id]
        may_decide = platforms.may_decide(platform, organization_id)
        undecided = [each for each in platform.deployments if may_decide and each.organization_id is None]
        ids = {each.id for each in ours}
        theirs = [Problem(what, reason, count) for what, place, reason, count in problems if place in ids]
        kept = db.get(KeySet, platform.jwks_uri) if platform.jwks_uri else None
        tested, others = connection_tests.of(db, platform), platforms.others_elsewhere(db, platform, organization_id)
        rows.append(Connected(platform, ours, undecided, may_decide, theirs, kept, tested, bool(others)))
    return rows


@admin.get("/", endpoint="home")
def show_home() -> str:
    """Does everything that is connected work, and does anything wait for me?"""
    visit = current_visit()
    with tool().database.reading() as db:
        organization = organizations.get(db, visit.organization_id)
        rows = _connected(db, list(platforms.of_organization(db, visit.organization_id)))
        targets = outside.standings(db, visit.organization_id)
        jobs = queue.state(db)
    return render_template("admin/home.html", organization=organization, rows=rows, targets=targets, jobs=jobs)


@admin.get("/platforms/<uuid:platform_id>", endpoint="platform")
def show_platform(platform_id: uuid.UUID) -> str:
    """How one platform is connected, and what may be done about it."""
    with tool().database.reading() as db:
        platform = platforms.get_of(db, current_visit().organization_id, platform_id)
        (row,) = _connected(db, [platform])
    most = platforms.MOST_PENDING
    return render_template("admin/platform.html", row=row, scopes=SCOPES, most_waiting=most)


def to_change(db: Session, platform_id: uuid.UUID) -> Platform:
    """A platform of this organization alone, which stays so until the change is made."""
    platforms.lock(db, platform_id)
    return platforms.get_own(db, current_visit().organization_id, platform_id)


@admin.post("/platforms/<uuid:platform_id>/approved")
@form()
def approve(db: Session, platform_id: uuid.UUID) -> str:
    """Let its launches in."""
    platform_changes.approve(db, to_change(db, platform_id), by=current_visit())
    return visit_url("admin.platform", platform_id=platform_id)


@admin.post("/platforms/<uuid:platform_id>/suspended")
@form()
def suspend(db: Session, platform_id: uuid.UUID) -> str:
    """Refuse its launches until it is approved again."""
    platform_changes.suspend(db, to_change(db, platform_id), by=current_visit())
    return visit_url("admin.platform", platform_id=platform_id)


@admin.post("/platforms/<uuid:platform_id>/observers")
@form()
def let_observers(db: Session, platform_id: uuid.UUID) -> str:
    """Let observers see how people are doing who agreed, or nothing."""
    allowed = request.form.get("decision") == "allow"
    platform_changes.let_observers(db, to_change(db, platform_id), allowed, by=current_visit())
    return visit_url("admin.platform", platform_id=platform_id)


@admin.get("/platforms/<uuid:platform_id>/removal", endpoint="removal")
def show_removal(platform_id: uuid.UUID, error: Invalid | None = None) -> str:
    """What would go and what would stay; nothing is changed yet."""
    with tool().database.reading() as db:
        platform = platforms.get_own(db, current_visit().organization_id, platform_id)
        removal = platform_changes.removal(db, platform)
    host = urlsplit(platform.issuer).netloc
    return render_template(
        "admin/removal.html", platform=platform, removal=removal, host=host, error=error, typed=request.form
    )


@admin.post("/platforms/<uuid:platform_id>/removal")
@form(again=show_removal)
def remove(db: Session, platform_id: uuid.UUID) -> str:
    """Forget the registration, once its host is typed."""
    platform = to_change(db, platform_id)
    if request.form.get("host", "").strip().casefold() != urlsplit(platform.issuer).netloc.casefold():
        raise Invalid({"host": "platform.other_host"})
    platform_changes.remove(db, platform, by=current_visit())
    return visit_url("admin.home")


@admin.get("/platforms/<uuid:platform_id>/test", endpoint="connection")
def show_connection(platform_id: uuid.UUID) -> str:
    """How the test stands; the page asks again while it waits."""
    with tool().database.reading() as db:
        platform = platforms.get_of(db, current_visit().organization_id, platform_id)
        test = connection_tests.of(db, platform)
    return render_template("admin/connection.html", platform=platform, test=test)


@admin.post("/platforms/<uuid:platform_id>/test")
@form()
def test_connection(db: Session, platform_id: uuid.UUID) -> str:
    """Fetch its keys and a token as soon as a worker is free."""
    platform = platforms.get_of(db, current_visit().organization_id, platform_id)
    connection_tests.ask(db, platform)
    return visit_url("admin.platform", platform_id=platform_id, _anchor="connection")
