"""Launching as anybody, without asking the LMS."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import HTTPAdapter

from lti_mentor.app import create_app
from lti_mentor.practice.tokens import claims
from lti_mentor.practice.world import LEARNER, LmsPerson
from tests.support.serving import served


class Desk:
    """The token is signed here with the key of the practice LMS; each request may come from another address."""

    def __init__(self, site, *, address="192.0.2.1", course=None, roles=(LEARNER,), **chosen):
        self.site, self.address, self.course, self.roles = site, address, course, list(roles)
        self.client = create_app(replace(site.settings, **chosen), site.database).test_client

    def login(self, subject, address=None, **changes):
        given = {
            "iss": self.site.lms.world.issuer,
            "login_hint": subject,
            "target_link_uri": f"{self.site.url}/lti/launch",
            **changes,
        }
        client = self.client()
        return client, self.post(client, "/lti/login", given, address)

    def launch(self, subject, hint=None, **changes):
        client, begun = self.login(hint or subject)
        if begun.status_code != 302:
            return begun
        return self.post(client, "/lti/launch", self.form(begun, subject, **changes))

    def form(self, begun, subject, **changes):
        world, key = self.site.lms.world, self.site.lms.lms.keys[0]
        asked = parse_qs(urlsplit(begun.headers["Location"]).query)
        course = replace(self.course or world.courses[0], members={subject: self.roles})
        said = claims(world, LmsPerson(id=subject, name=subject), course, nonce=asked["nonce"][0])
        return {"id_token": key.sign(said | changes), "state": asked["state"][0]}

    def post(self, client, path, data, address=None):
        origin = {"REMOTE_ADDR": address or self.address}
        return client.post(path, data=data, base_url=self.site.url.replace("http:", "https:"), environ_base=origin)

    def register(self, address=None, **query):
        origin = {"REMOTE_ADDR": address or self.address}
        asked = {"openid_configuration": f"{self.site.lms.url}/nothing", **query}
        return self.client().get("/lti/register", query_string=asked, base_url=self.site.url, environ_base=origin)


class FromAddress(HTTPAdapter):
    """Requests that come from this address of the machine: all of 127.0.0.0/8 are its own."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *given, **named):
        super().init_poolmanager(*given, source_address=(self.address, 0), **named)


class ServedDesk(Desk):
    """The same over HTTP."""

    def __init__(self, site, url):
        super().__init__(site, address="127.0.0.1")
        self.url, self.client = url, requests.Session

    def post(self, client, path, data, address=None, **headers):
        client.mount(self.url, FromAddress(address or self.address))
        headers["Cookie"] = "; ".join(f"{each.name}={each.value}" for each in client.cookies)
        return client.post(f"{self.url}{path}", data=data, headers=headers, allow_redirects=False, timeout=20)


@contextmanager
def served_desk(site, **chosen) -> Iterator[ServedDesk]:
    """A desk of a tool that is served with these settings besides."""
    make = lambda _: create_app(replace(site.settings, **chosen), site.database)  # noqa: E731
    with served(make, host="127.0.0.1") as url:
        yield ServedDesk(site, url)
