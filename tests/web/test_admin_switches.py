"""What a platform needs, set on its page by the rules of the command line."""

import html
import json
import re

import pytest
from sqlalchemy import delete, select

from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.practice.tokens import SigningKey
from tests.lti.test_launch import refused, send
from tests.lti.test_switches import FACULTY, pem, private_jwk
from tests.web.test_admin import Administrator, the


@pytest.fixture
def alone(both_site):
    """The platform belongs to Home alone."""
    with both_site.database.transaction() as db:
        db.execute(delete(Deployment).where(Deployment.deployment_id == "2"))
    return both_site


def platform_of(site) -> Platform:
    return the(site.database, Platform)


def change(site, mine, **typed):
    """Fill in the form as it stands, but for what is typed."""
    mine.open(f"platforms/{platform_of(site).id}/switches")
    return mine.submit("/switches", {"jwks_uri": f"{site.lms.url}/jwks", **typed})


FILLED = {
    "leeway_seconds": "120",
    "foreign_azp": "true",
    "token_audience": "https://api.example.org/token",
    "trusted_audiences": "one\r\n\r\n two \r\none",
    "role_map": f"{FACULTY}=teacher\r\nurn:x = learner",
    "frame_ancestors": "https://portal.example.org",
}


def test_all_of_them_are_set_shown_and_on_record_without_what_they_are(alone):
    mine = Administrator(alone)
    done = change(alone, mine, **FILLED)
    assert "The settings are saved. The next launch goes by them." in done.text
    for text in ("120 seconds", "https://api.example.org/token", "one", "two", FACULTY, "https://portal.example.org"):
        assert text in done.text
    now = platform_of(alone)
    assert (now.leeway_seconds, now.foreign_azp, now.trusted_audiences) == (120, True, ["one", "two"])
    assert now.role_map == {FACULTY: "teacher", "urn:x": "learner"}
    with alone.database.reading() as db:
        entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "changed")).one()
    assert entry.actor_id is not None
    assert entry.place.endswith(
        ": trusted_audiences, token_audience, leeway_seconds, role_map, frame_ancestors, foreign_azp"
    )
    assert "Changed what a learning platform needs" in mine.open("log").text


def test_the_form_shows_how_it_is_and_saving_it_changes_nothing(alone):
    mine = Administrator(alone)
    change(alone, mine, **FILLED)
    page = mine.open(f"platforms/{platform_of(alone).id}/switches")
    typed = dict(re.findall(r'<textarea id="(\w+)"[^>]*>(.*?)</textarea>', page.text, re.S))
    typed = {name: html.unescape(text) for name, text in typed.items()}
    assert typed["role_map"] == f"{FACULTY}=teacher\nurn:x=learner"
    for name in ("jwks_uri", "leeway_seconds", "token_audience"):
        typed[name] = re.search(rf'name="{name}" value="([^"]*)"', page.text)[1]
    assert 'name="foreign_azp" value="true" checked' in page.text
    assert 'value="address" checked' in page.text
    mine.submit("/switches", {**typed, "foreign_azp": "true", "source_of_keys": "address"})
    with alone.database.reading() as db:
        assert len(db.scalars(select(AuditEntry).where(AuditEntry.action == "changed")).all()) == 1


def test_emptying_a_field_takes_it_back(alone):
    mine = Administrator(alone)
    change(alone, mine, **FILLED)
    change(alone, mine, **dict.fromkeys(FILLED.keys() - {"foreign_azp"}, ""))
    now = platform_of(alone)
    assert (now.leeway_seconds, now.foreign_azp, now.token_audience) == (None, False, None)
    assert (now.trusted_audiences, now.role_map, now.frame_ancestors) == ([], {}, [])


WRONG = {
    "leeway_seconds": ("301", "between 0 and 300 seconds"),
    "token_audience": ("x" * 2001, "An audience is a text of 1 to 2000 characters"),
    "trusted_audiences": ("a\tb", "An audience is a text of 1 to 2000 characters"),
    "role_map": (f"{FACULTY}=owner", "A role is given as URI=teacher or URI=learner"),
    "frame_ancestors": ("https://portal.example.org/path", "A frame ancestor is an origin"),
    "jwks_uri": ("ftp://x", "has to be a web address such as https://lms.example.org/jwks"),
}


def test_every_problem_stands_beside_its_field_and_what_was_typed_is_kept(alone):
    page = change(
        alone, Administrator(alone), **{name: typed for name, (typed, _) in WRONG.items()}, foreign_azp="true"
    )
    assert page.status_code == 422
    for name, (typed, sentence) in WRONG.items():
        assert sentence in html.unescape(re.search(rf'id="problem-{name}">([^<]*)', page.text)[1])
        assert f'href="#{name}"' in page.text
        assert typed in html.unescape(page.text)
    assert 'name="foreign_azp" value="true" checked' in page.text
    order = ["jwks_uri", "trusted_audiences", "token_audience", "leeway_seconds", "role_map", "frame_ancestors"]
    assert re.findall(r'<li><a href="#(\w+)">', page.text) == order, "as in the form"
    now = platform_of(alone)
    assert (now.leeway_seconds, now.foreign_azp, now.jwks_uri) == (None, False, f"{alone.lms.url}/jwks")


def test_keys_of_a_platform_of_https_are_not_taken_from_a_plain_address(alone):
    with alone.database.transaction() as db:
        db.scalars(select(Platform)).one().issuer = "https://lms.example.org"
    page = change(alone, Administrator(alone), jwks_uri="http://lms.example.org/jwks")
    assert page.status_code == 422
    assert "begins with http and the issuer with https" in re.search(r'id="problem-jwks_uri">([^<]*)', page.text)[1]
    assert platform_of(alone).jwks_uri == f"{alone.lms.url}/jwks"
    assert change(alone, Administrator(alone), jwks_uri="http://127.0.0.1:9/jwks").status_code == 200
    assert platform_of(alone).jwks_uri == "http://127.0.0.1:9/jwks", "on this machine, as the settings allow"


@pytest.mark.parametrize(("typed", "sentence"), [("many", "Give a number"), ("-1", "between 0 and 300 seconds")])
def test_a_leeway_that_is_none_is_refused_in_words(site, typed, sentence):
    with site.database.transaction() as db:
        db.execute(delete(Deployment).where(Deployment.deployment_id == "2"))
    page = change(site, Administrator(site), leeway_seconds=typed)
    assert page.status_code == 422
    assert sentence in page.text
    assert f'value="{typed}"' in page.text


def test_keys_are_pasted_stay_when_nothing_is_pasted_and_are_published_again(alone):
    mine, key = Administrator(alone), alone.lms.lms.keys[0]
    change(alone, mine, source_of_keys="pasted", pasted_keys=pem(key))
    assert platform_of(alone).jwks_uri is None
    assert send(alone).status_code == 303
    refused(send(alone, key=SigningKey()), "launch.bad_signature")
    kept = platform_of(alone).pasted_keys
    change(alone, mine, source_of_keys="pasted", leeway_seconds="7")
    assert (platform_of(alone).pasted_keys, platform_of(alone).leeway_seconds) == (kept, 7)
    change(alone, mine, source_of_keys="pasted", pasted_keys=json.dumps(key.jwk()))
    assert platform_of(alone).pasted_keys[0]["kid"] == key.jwk()["kid"]
    change(alone, mine, source_of_keys="address")
    assert (platform_of(alone).pasted_keys, platform_of(alone).jwks_uri) == (None, f"{alone.lms.url}/jwks")
    assert send(alone).status_code == 303


@pytest.mark.parametrize(
    ("pasted", "sentence"),
    [
        (lambda: pem(SigningKey(), "private"), "This is a private key"),
        (lambda: "nothing", "There is no RS256 public key"),
        (lambda: "", "There is no RS256 public key"),
        (lambda: json.dumps({"keys": [SigningKey().jwk() | {"kid": "a"}] * 2}), "each needs an id"),
    ],
    ids=range(4),
)
def test_what_is_no_public_key_is_refused_beside_its_field(site, pasted, sentence):
    with site.database.transaction() as db:
        db.execute(delete(Deployment).where(Deployment.deployment_id == "2"))
    page = change(site, Administrator(site), source_of_keys="pasted", pasted_keys=pasted())
    assert page.status_code == 422
    assert sentence in re.search(r'id="problem-pasted_keys">([^<]*)', page.text)[1]
    assert 'value="pasted" checked' in page.text
    assert "PRIVATE KEY" not in page.text, "what nobody else may have is not shown back"
    assert platform_of(site).pasted_keys is None


@pytest.mark.parametrize("typed", [lambda: pem(SigningKey(), "private"), private_jwk])
@pytest.mark.parametrize("wrong", [{"source_of_keys": "address", "jwks_uri": "x"}, {"source_of_keys": "pasted"}])
def test_a_private_key_is_not_shown_back_whatever_is_wrong(site, typed, wrong):
    with site.database.transaction() as db:
        db.execute(delete(Deployment).where(Deployment.deployment_id == "2"))
    key = typed()
    page = change(site, Administrator(site), pasted_keys=key, leeway_seconds="many", **wrong)
    assert page.status_code == 422
    assert "Give a number" in page.text
    assert 'value="many"' in page.text
    secret = json.loads(key)["d"] if key.startswith("{") else key.splitlines()[1]
    assert secret not in page.text


def test_a_shared_platform_is_set_on_the_command_line_alone(site):
    mine = Administrator(site)
    page = mine.open(f"platforms/{platform_of(site).id}")
    assert "lti-mentor platform set" in page.text
    assert "/switches" not in page.text
    assert mine.open(f"platforms/{platform_of(site).id}/switches").status_code == 409
    mine.open("invitations")
    _, fields = mine.form("/invitations")
    url = f"{mine.home}platforms/{platform_of(site).id}/switches"
    assert mine.request("POST", url, data={**fields, "leeway_seconds": "5"}).status_code == 409
    assert platform_of(site).leeway_seconds is None
