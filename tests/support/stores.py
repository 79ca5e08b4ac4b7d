"""A record store outside that answers as a test says, and what is delivered to it later."""

import json
from contextlib import contextmanager
from datetime import timedelta

from flask import Response

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.activity.outside import TargetDraft
from lti_mentor.jobs import statements
from tests.support.outside import add
from tests.support.recording import recording

SECRET = "a-secret-of-ours"


class Lrs:
    """A record store that keeps what it takes, and answers a batch as the test says: a status, or one and a text.

    ``found`` is what it answers to whoever asks for a statement, by name of the parameter.
    """

    def __init__(self, judge=lambda batch: 200):
        self.judge, self.kept, self.batches, self.headers, self.found = judge, [], [], [], {}

    def __call__(self, asked):
        if asked.address.endswith("/about"):
            return Response('{"version": ["1.0.3"]}', mimetype="application/json")
        self.headers.append(asked.headers)
        if asked.method == "GET":
            name = asked.address.partition("?")[2].partition("=")[0]
            return self.found.get(name, Response("{}"))
        batch = [each["id"] for each in json.loads(asked.body)]
        self.batches.append(len(batch))
        answer = self.judge(batch)
        if not isinstance(answer, Response):
            answer = Response("[]", status=answer)
        if answer.status_code == 200:
            self.kept += [each for each in batch if each not in self.kept]
        return answer


@contextmanager
def target(database, loaded_settings, home, lrs, label="Warehouse", **changes):
    with recording(lrs) as (base, _):
        draft = TargetDraft(**{"label": label, "endpoint": f"{base}/xapi", "key": "us", "secret": SECRET, **changes})
        yield add(database, loaded_settings, home, draft)


def later(tool, seconds):
    """What is delivered after so many seconds."""
    with clock.moved_to(clock.now() + timedelta(seconds=seconds)):
        return statements.run(tool)


def dead(database, found):
    with database.reading() as db:
        return outside.dead_letters(db, found, most=10)
