"""The tool below a path of its host, where others have the rest."""

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from lti_mentor.app import create_app
from lti_mentor.db import Database
from lti_mentor.practice.server import running
from lti_mentor.settings import Settings
from lti_mentor.web import frames
from tests.conftest import Site, register, small_world
from tests.support.serving import served
from tests.support.visitor import Visitor
from tests.web.test_frames import BROWSER, begun, launch, logins, stored

PATHS = ("/mentor", "/mentor/trial")


@pytest.fixture
def mounted(sqlite_database: Database, loaded_settings: Settings) -> Iterator[Site]:
    chosen: list[Settings] = []

    def make(address: str) -> Flask:
        chosen.extend(replace(loaded_settings, base_url=f"{address}{path}") for path in PATHS)
        apps = [create_app(each, sqlite_database) for each in chosen]
        places = dict(zip(PATHS, [each.wsgi_app for each in apps], strict=True))
        apps[0].wsgi_app = DispatcherMiddleware(NotFound(), places)
        return apps[0]

    with served(make) as host, running(lambda issuer: small_world(issuer, f"{host}/mentor")) as lms:
        register(sqlite_database, lms.world)
        yield Site(f"{host}/mentor", lms, sqlite_database, chosen[0])


def test_a_launch_leads_to_a_page_that_stays_open_and_other_paths_get_no_cookies_of_it(mounted):
    visitor = Visitor()
    home = visitor.launch(mounted.lms.url, "learner", "1")
    assert home.status_code == 200, home.text
    assert home.url.startswith(f"{mounted.url}/v/")
    assert "Set your first goal" in home.text
    paths = {path for (host, path, _), _ in visitor.cookies.items() if host in mounted.url}
    assert paths == {urlsplit(home.url).path.removesuffix("learner/")}, "the cookie of the visit alone is left"
    visitor.get(f"{home.url}goals/new")
    assert visitor.page.status_code == 200
    assert visitor.form("/goals")[0].startswith(f"{mounted.url}/v/")


def test_a_browser_brings_back_there_what_it_was_asked_to_keep(mounted):
    visitor, login = Visitor(), f"{mounted.url}/lti/login"
    fields = begun(mounted)
    asked = visitor.request("POST", login, data=fields, headers=BROWSER)
    assert asked.status_code == 307
    assert {path for (host, path, _) in visitor.cookies if host in mounted.url} == {"/mentor/lti/"}
    again = visitor.request("POST", urljoin(login, asked.headers["Location"]), data=fields, headers=BROWSER)
    assert again.headers["Location"].startswith(mounted.lms.url)
    assert visitor.request("POST", login, data=begun(mounted), headers=BROWSER).status_code == 302


def test_a_form_works_there_where_no_cookie_is_kept(mounted):
    fields, kept = stored(mounted)
    host = mounted.url.removesuffix("/mentor")
    page = launch(mounted, {**fields, "browser_secret": kept["value"]}, origin=host)
    assert "Set your first goal" in page.text
    secret = re.search(r"Mentor-Visit&#34;: &#34;([^&]+)&#34;", page.text)[1]
    home = urljoin(host, re.search(r'data-here="([^"]*)"', page.text)[1])
    visitor = Visitor()
    visitor.request("GET", f"{home}goals/new", headers={"Mentor-Visit": secret})
    url, hidden = visitor.form("/learner/goals")
    typed = {**hidden, "title": "Read a trace", "baseline": "0", "target": "5", "due_on": "2049-01-01"}
    answer = visitor.request("POST", url, data=typed, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code in (200, 302, 303), answer.text
    assert urlsplit(answer.headers.get("Location", url)).path.startswith("/mentor/v/")


def test_another_tool_on_the_host_takes_no_room_from_the_logins_that_wait_here(mounted):
    visitor, there = Visitor(), f"{mounted.url}/trial/lti"
    url, fields = visitor.begin(mounted.lms.url, "learner", "1")
    (name,) = logins(visitor)
    for _ in range(frames.MOST_LOGINS + 5):
        given = begun(mounted, target_link_uri=f"{there}/launch")
        assert visitor.request("POST", f"{there}/login", data=given).status_code == 302
    assert len(logins(visitor)) == 1 + frames.MOST_LOGINS
    assert name in logins(visitor)
    assert visitor.request("POST", url, data=fields).status_code == 303
    assert len(logins(visitor)) == frames.MOST_LOGINS
