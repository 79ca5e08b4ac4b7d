"""The story of the demo, told once and served: the tool on localhost, the practice LMS on 127.0.0.1."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import requests
from flask import Flask

from lti_mentor.app import create_app
from lti_mentor.db import connect
from lti_mentor.practice import demo
from lti_mentor.practice.server import running
from lti_mentor.practice.world import World
from lti_mentor.settings import Settings
from tests.support.serving import served


@dataclass(frozen=True)
class Story:
    url: str
    world: World
    settings: Settings

    def course_url(self, person: str, course: int = 0) -> str:
        return f"{self.world.issuer}/as/{person}/courses/{self.world.courses[course].id}"

    def invitation(self) -> str:
        """The address that registers another tool of the practice LMS."""
        return demo.invitation(self.settings)

    def administration(self) -> str:
        """A link to the administrator's pages, for one use."""
        return demo.administration(self.settings)

    def statements(self, **wanted: str) -> list[dict]:
        """Everything the record store gives, page by page, as any client reads it."""
        key, _, secret = (self.world.courses[0].lrs_key or "").partition(":")
        url, found = f"{self.url}/xapi/statements", []
        while url:
            answer = requests.get(
                url,
                params=wanted,
                auth=(key, secret),
                headers={"X-Experience-API-Version": "1.0.3"},
                timeout=20,
            )
            body = json.loads(answer.text)
            found += body["statements"]
            url, wanted = (self.url + body["more"] if body["more"] else ""), {}
        return found


@contextmanager
def told(loaded: Settings, database_url: str) -> Iterator[Story]:
    """Bind both addresses first, so that the story can name them."""
    worlds: list[World] = []
    chosen: list[Settings] = []
    database = connect(database_url)

    def make_tool(address: str) -> Flask:
        chosen.append(replace(loaded, base_url=address, database_url=database_url))
        return create_app(chosen[0], database)

    def make_world(issuer: str) -> World:
        worlds.append(demo.prepare(chosen[0], int(issuer.rpartition(":")[2])))
        return worlds[0]

    try:
        with served(make_tool) as url, running(make_world):
            yield Story(url, worlds[0], chosen[0])
    finally:
        database.engine.dispose()
