"""The profile at its address: for machines, for people, and from other sites."""

import json
import re

import pytest

from lti_mentor import shipped
from lti_mentor.app import create_app

DOCUMENT = json.loads((shipped.folder("config") / "profile.jsonld").read_text(encoding="utf-8"))
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def client(sqlite_database, loaded_settings):
    return create_app(loaded_settings, sqlite_database).test_client()


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/ld+json"),
        ("*/*", "application/ld+json"),
        ("application/ld+json", "application/ld+json"),
        ("application/json", "application/json"),
        ("text/turtle", "application/ld+json"),
        (BROWSER, "text/html"),
    ],
)
def test_anybody_gets_the_profile_as_they_prefer_it(client, accept, media_type):
    answer = client.get("/profile", headers={"Accept": accept} if accept else {})
    assert (answer.status_code, answer.mimetype) == (200, media_type)
    assert "Accept" in answer.headers["Vary"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    if media_type != "text/html":
        assert answer.get_json(force=True) == DOCUMENT


@pytest.mark.parametrize("accept", ["application/json", BROWSER])
def test_it_is_kept_by_whoever_asked_and_not_sent_again(client, accept):
    first = client.get("/profile", headers={"Accept": accept})
    assert first.headers["Cache-Control"] == "public, max-age=3600"
    again = client.get("/profile", headers={"Accept": accept, "If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_the_page_has_a_place_for_everything_and_no_link_leads_nowhere(client):
    page = client.get("/profile", headers={"Accept": BROWSER}).text
    places = re.findall(r'id="([^"]+)"', page)
    assert len(set(places)) == len(places)
    for kind in ("concepts", "templates", "patterns"):
        for thing in DOCUMENT[kind]:
            assert any(place.endswith("-" + thing["id"].rpartition("/")[2]) for place in places), thing["id"]
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(places)
    assert client.get(re.search(r'href="(/profile\.jsonld)"', page)[1]).get_json(force=True) == DOCUMENT


def test_every_term_of_others_says_where_it_is_published(client):
    page = client.get("/profile", headers={"Accept": BROWSER}).text
    described = {concept["id"] for concept in DOCUMENT["concepts"]}
    verbs = {template["verb"] for template in DOCUMENT["templates"]}
    others = page.partition('<h2 id="elsewhere">')[2]
    assert all(f"<code>{verb}</code>" in others for verb in verbs - described)
    assert not any(f"<code>{iri}</code>" in others for iri in described)
