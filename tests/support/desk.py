"""Launching as anybody, without asking the LMS."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from lti_mentor.app import create_app
from lti_mentor.practice.tokens import claims
from lti_mentor.practice.world import LEARNER, LmsPerson


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
