"""A launch in the moment in which somebody suspends its platform: no visit outlives that.

On PostgreSQL alone: SQLite has one writer at a time.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from lti_mentor import clock
from lti_mentor.cli import main
from lti_mentor.lti import platforms
from lti_mentor.lti.platforms import Platform
from lti_mentor.mentoring.people import Person
from lti_mentor.web import platform_changes
from lti_mentor.web.visit import VisitRow
from tests.conftest import SECRET, url_of
from tests.lti.test_launch import refused
from tests.lti.test_linked_meanwhile import launching, until_somebody_waits
from tests.support.visitor import Visitor

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def open_visits(site) -> int:
    with site.database.reading() as db:
        return db.scalars(select(func.count()).select_from(VisitRow).where(VisitRow.expires_at > clock.now())).one()


def test_a_launch_waits_for_a_suspension_that_has_begun_and_is_refused(both_site):
    with launching(both_site) as (send, answer):
        with both_site.database.transaction() as db:
            platform = platforms.get_locked(db, db.scalars(select(Platform.id)).one())
            platform_changes.suspend(db, platform)
            send()
        refused(answer(), "launch.disabled_platform")
    assert open_visits(both_site) == 0


def test_a_launch_waits_while_its_deployment_is_refused_and_is_refused_too(both_site):
    with launching(both_site) as (send, answer):
        with both_site.database.transaction() as db:
            platform = platforms.get_locked(db, db.scalars(select(Platform.id)).one())
            for deployment in platform.deployments:
                platform_changes.refuse(db, platform, deployment)
            send()
        refused(answer(), "launch.refused_deployment")
    assert open_visits(both_site) == 0


def test_a_suspension_waits_for_a_launch_that_has_begun_and_ends_its_visit(both_site):
    Visitor().launch(both_site.lms.url, "learner", "1")
    world = both_site.lms.world
    world.people[:] = [replace(each, name=f"New {each.name}") for each in world.people]
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(both_site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    with both_site.database.reading() as db:
        words = ["platform", "disable", str(db.scalars(select(Platform.id)).one())]
    with ThreadPoolExecutor(1) as thread, launching(both_site) as (send, answer):
        with both_site.database.transaction() as db:
            db.scalars(select(Person).with_for_update()).all()  # the launch has to write the new name
            send()
            suspending = thread.submit(CliRunner().invoke, main, words, env=surroundings)
            until_somebody_waits(both_site.database, 2)
        assert answer().status_code == 303
        assert "2 open visits are ended" in suspending.result(timeout=30).output
    assert open_visits(both_site) == 0
