"""The tool's own keys: published before they sign, and still published after they signed."""

import json
from datetime import timedelta

import jwt
import pytest
import requests
from click.testing import CliRunner
from sqlalchemy import delete, select, update

from lti_mentor import clock
from lti_mentor.cli import main
from lti_mentor.lti import keys, tokens
from lti_mentor.lti.keys import ToolKey
from lti_mentor.lti.registration import SCOPES
from lti_mentor.mentoring.audit import AuditEntry
from tests.conftest import SECRET, url_of
from tests.lti import test_deep_linking as deep_linking
from tests.lti.test_tokens import platform_of, tool_of
from tests.support.recording import recording


@pytest.fixture
def site(site):
    """With a key that has signed for long."""
    with site.database.transaction() as db:
        db.execute(update(ToolKey).values(signs_from=clock.now() - timedelta(days=99)))
    return site


def command(site, *words):
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    return CliRunner().invoke(main, ["keys", *words], env=surroundings)


def published(site) -> list[str]:
    """Key ids; the platform may keep them for as long as the tool waits."""
    answer = requests.get(f"{site.url}/lti/jwks", timeout=5)
    seconds = int(answer.headers["Cache-Control"].removeprefix("public, max-age="))
    assert timedelta(seconds=seconds) < keys.LEAD
    return [key["kid"] for key in answer.json()["keys"]]


def signs(site) -> str:
    """The id of the key that signed what the picker sends, and a token request."""
    _, token = deep_linking.sent(deep_linking.place(deep_linking.opened(site), "home"))
    picked = jwt.get_unverified_header(token)["kid"]
    with recording(lambda _: {"access_token": "x", "expires_in": 9}) as (base, seen):
        platform = platform_of(site)
        platform.token_endpoint = base
        tokens.access_token(tool_of(site), platform, [SCOPES[0]], anew=True)
    assert jwt.get_unverified_header(seen[0].form["client_assertion"])["kid"] == picked
    return picked


def pass_by(site, time: timedelta) -> None:
    with site.database.transaction() as db:
        for key in db.scalars(select(ToolKey)):
            key.signs_from -= time


def test_a_new_key_is_published_first_and_signs_when_every_platform_can_know_it(site):
    (old,) = published(site)
    said = command(site, "rotate").output
    new, still = published(site)
    assert still == old
    at = clock.now() + keys.LEAD
    assert said.startswith(f"The new key {new} is published, and signs from {at:%Y-%m-%d %H}:")
    assert f"paste the new one by {at:%Y-%m-%d %H}:" in said
    assert signs(site) == old
    pass_by(site, keys.LEAD - timedelta(minutes=1))
    assert signs(site) == old
    pass_by(site, timedelta(minutes=1))
    assert signs(site) == new
    assert published(site) == [new, old]


@pytest.mark.parametrize("options", [[], ["--jwk"]])
def test_a_key_that_is_to_sign_is_shown_beside_the_one_that_signs_to_be_pasted_in_time(site, options):
    alone = command(site, "show", *options)
    command(site, "rotate")
    both, new_and_old = command(site, "show", *options), published(site)
    assert both.stdout.startswith(alone.stdout)
    coming = both.stdout.removeprefix(alone.stdout)
    at = clock.now() + keys.LEAD
    (now, then) = both.stderr.splitlines()
    assert now == f"The key {new_and_old[1]} signs now:"
    assert then.startswith(f"The key {new_and_old[0]} signs from {at:%Y-%m-%d %H}:")
    pass_by(site, keys.LEAD)
    pasted = jwt.PyJWK(json.loads(coming)).key if options else coming
    _, token = deep_linking.sent(deep_linking.place(deep_linking.opened(site), "home"))
    assert jwt.decode(token, pasted, algorithms=["RS256"], audience=site.lms.world.issuer)["iss"] == "tests"
    assert command(site, "show", *options).stdout == coming


def test_two_rotations_in_a_row_take_nothing_away(site):
    command(site, "rotate")
    before = published(site)
    again = command(site, "rotate")
    assert again.exit_code == 1
    assert "A new key is published already" in again.output
    assert published(site) == before
    with site.database.reading() as db:
        places = db.scalars(select(AuditEntry.place).where(AuditEntry.action == "keys_rotated")).all()
    assert places == ["lti-mentor keys rotate"] * 2, "one for each organization"


def test_a_key_that_signed_is_published_until_a_rotation_long_enough_after_its_last_signature(site):
    (first,) = published(site)
    command(site, "rotate")
    second = published(site)[0]
    pass_by(site, keys.LEAD * 2 - timedelta(minutes=1))
    command(site, "rotate")
    third, *others = published(site)
    assert others == [second, first]
    pass_by(site, keys.LEAD + timedelta(minutes=1))
    command(site, "rotate")
    assert published(site)[1:] == [third, second], "the first is gone"
    assert signs(site) == third


def test_in_an_emergency_a_new_key_signs_at_once_and_no_other_is_published(site):
    command(site, "rotate")
    before = published(site)
    said = command(site, "rotate", "--now").output
    (new,) = published(site)
    assert new not in before
    assert said.startswith(f"The tool signs with the new key {new} from now on, and publishes no other.\n")
    assert "paste the new one now" in said
    assert signs(site) == new


def test_the_very_first_key_signs_at_once(site):
    with site.database.transaction() as db:
        db.execute(delete(ToolKey))
    said = command(site, "rotate").output
    assert said.startswith(f"The tool signs with the new key {published(site)[0]} from now on, and publishes no other.")
    assert signs(site) == published(site)[0]


def test_the_oldest_key_signs_where_the_clock_was_set_back(site):
    (old,) = published(site)
    command(site, "rotate")
    pass_by(site, -timedelta(days=200))
    assert signs(site) == old
