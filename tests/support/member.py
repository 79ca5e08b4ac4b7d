"""Somebody inside a visit, without a browser."""

import re

from lti_mentor.app import create_app
from lti_mentor.web import visit


class Member:
    """A person of the cast with a visit of their own, and a client that fills in forms."""

    def __init__(self, database, settings, person, course):
        self.client = create_app(settings, database).test_client()
        with database.transaction() as db:
            self.visit = visit.open_visit(db, person, course_id=course.id, framing_origins=[], hours=1)
        path = f"/v/{self.visit.key}/"
        self.client.set_cookie(visit.COOKIE, self.visit.secret, path=path, domain="localhost")

    def get(self, page):
        return self.client.get(f"/v/{self.visit.key}/{page}", base_url="http://localhost:8000")

    def post(self, page, form_page, **typed):
        hidden = dict(re.findall(r'name="(csrf|once)" value="([^"]*)"', self.get(form_page).text))
        return self.again(page, {**hidden, **typed})

    def again(self, page, data):
        self.sent = data
        return self.client.post(f"/v/{self.visit.key}/{page}", data=data, base_url="http://localhost:8000")
