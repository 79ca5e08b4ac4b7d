"""The tool below a path of its host, where another site has the rest."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from lti_mentor.app import create_app
from lti_mentor.db import Database
from lti_mentor.practice.server import running
from lti_mentor.settings import Settings
from tests.conftest import Site, register, small_world
from tests.support.serving import served
from tests.support.visitor import Visitor


@pytest.fixture
def mounted(sqlite_database: Database, loaded_settings: Settings) -> Iterator[Site]:
    chosen: list[Settings] = []

    def make(address: str):  # type: ignore[no-untyped-def]
        chosen.append(replace(loaded_settings, base_url=f"{address}/mentor"))
        app = create_app(chosen[0], sqlite_database)
        app.wsgi_app = DispatcherMiddleware(NotFound(), {"/mentor": app.wsgi_app})
        return app

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
