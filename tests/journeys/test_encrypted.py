"""The tool with encryption, as everywhere but in development, in a frame of another site."""

from dataclasses import replace

from playwright.sync_api import expect

from lti_mentor.app import create_app
from lti_mentor.practice.server import running
from tests.conftest import register, small_world
from tests.support.serving import served


def test_chromium_keeps_the_cookie_of_a_login_that_no_other_host_can_plant(chromium, sqlite_database, loaded_settings):
    def make(address):
        return create_app(replace(loaded_settings, base_url=address), sqlite_database)

    with (
        served(make, scheme="https") as url,
        running(lambda issuer: small_world(issuer, url)) as lms,
        chromium.new_context(ignore_https_errors=True) as context,
    ):
        register(sqlite_database, lms.world)
        page = context.new_page()
        launches = []
        page.on("request", lambda sent: launches.append(sent) if sent.url == f"{url}/lti/launch" else None)
        page.goto(f"{lms.url}/as/learner/courses/1")
        heading = page.frame_locator("iframe").get_by_role("heading", name="Set your first goal in this course")
        expect(heading).to_be_visible()
        (launch,) = launches
        assert "__Host-mentor_login_" in launch.all_headers()["cookie"]
        kept = [cookie["name"] for cookie in context.cookies(url)]
        assert not [name for name in kept if "mentor_login" in name]
