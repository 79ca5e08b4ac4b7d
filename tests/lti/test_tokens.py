"""Access tokens and the test of a connection, against the token endpoint of the practice LMS."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from click.testing import CliRunner
from flask import Response, jsonify
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.cli import main
from lti_mentor.errors import PlatformError
from lti_mentor.jobs import upkeep
from lti_mentor.lti import connection, tokens
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.platforms import Platform
from lti_mentor.lti.registration import SCOPES
from lti_mentor.lti.tokens import AccessToken
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.conftest import SECRET, url_of
from tests.support.recording import recording
from tests.support.visitor import Visitor

ROSTER, SCORE = SCOPES[0], SCOPES[4]


def tool_of(site) -> Tool:
    return Tool(site.settings, site.database, Vault(site.settings.secret_key))


def platform_of(site) -> Platform:
    with site.database.reading() as db:
        return db.scalars(select(Platform)).one()


@pytest.mark.quirk("tokens_count")
def test_a_token_is_asked_for_once_and_again_in_its_last_minute(both_site):
    tool, platform = tool_of(both_site), platform_of(both_site)
    first = tokens.access_token(tool, platform, [SCORE, ROSTER])
    assert both_site.lms.lms.access_tokens[first] == {SCORE, ROSTER}
    assert tokens.access_token(tool, platform, [ROSTER, SCORE]) == first
    with both_site.database.transaction() as db:
        db.scalars(select(AccessToken)).one().expires_at = clock.now() + timedelta(seconds=30)
    assert tokens.access_token(tool, platform, [SCORE, ROSTER]) != first
    assert both_site.lms.lms.token_requests == 2


def test_other_scopes_and_other_clients_have_tokens_of_their_own(site):
    tool, platform = tool_of(site), platform_of(site)
    first = tokens.access_token(tool, platform, [ROSTER])
    assert tokens.access_token(tool, platform, [SCORE]) != first
    with site.database.transaction() as db:
        twin = Platform(
            issuer=platform.issuer,
            client_id="another",
            authorization_endpoint=platform.authorization_endpoint,
            token_endpoint=platform.token_endpoint,
            jwks_uri=platform.jwks_uri,
            frame_ancestors=[],
        )
        db.add(twin)
    with pytest.raises(PlatformError) as refused:
        tokens.access_token(tool, twin, [ROSTER])
    assert refused.value.reason == "platform.no_token"


@pytest.mark.parametrize(
    ("said", "times"),
    [
        ({"expires_in": "3600"}, 1),
        ({}, 1),
        ({"expires_in": 3600.5}, 1),
        ({"expires_in": 0}, 2),
        ({"expires_in": "soon"}, 2),
        ({"expires_in": 10**400}, 2),
        ({"expires_in": [3600]}, 2),
    ],
)
def test_how_long_a_token_is_good_for_is_read_in_any_shape(site, said, times):
    with recording(lambda _: jsonify(access_token="x", **said)) as (base, seen):
        with site.database.transaction() as db:
            db.scalars(select(Platform)).one().token_endpoint = base
        for _ in range(2):
            assert tokens.access_token(tool_of(site), platform_of(site), [ROSTER]) == "x"
    assert len(seen) == times


@pytest.mark.parametrize("token", ["a\r\nb", "\ud800", "", 7, None, {"a": 1}])
def test_a_token_that_cannot_stand_in_a_header_is_none(site, token):
    with recording(lambda _: jsonify(access_token=token, expires_in=3600)) as (base, _):
        with site.database.transaction() as db:
            db.scalars(select(Platform)).one().token_endpoint = base
        with pytest.raises(PlatformError) as refused:
            tokens.access_token(tool_of(site), platform_of(site), [ROSTER])
    assert refused.value.reason == "platform.not_json"


def test_a_token_is_sealed_in_the_database_and_removed_when_it_is_over(site):
    tool = tool_of(site)
    token = tokens.access_token(tool, platform_of(site), [ROSTER])
    with site.database.reading() as db:
        assert token not in db.scalars(select(AccessToken)).one().sealed_token
    with clock.moved_to(clock.now() + timedelta(hours=2)):
        upkeep.run(tool)
    with site.database.reading() as db:
        assert db.scalars(select(AccessToken)).all() == []


def test_an_assertion_is_meant_for_the_audience_that_the_platform_names(site):
    tool, platform = tool_of(site), platform_of(site)
    platform.token_audience = "https://api.example.org/auth/token"
    with pytest.raises(PlatformError):
        tokens.access_token(tool, platform, [ROSTER])
    platform.token_audience, platform.token_endpoint = platform.token_endpoint, f"{platform.token_endpoint}?a=b"
    assert tokens.access_token(tool, platform, [ROSTER])


def test_the_connection_of_a_platform_is_tried_in_words(site):
    surroundings = {
        "LTI_MENTOR_DATABASE_URL": url_of(site.database),
        "LTI_MENTOR_SECRET_KEY": SECRET,
        "LTI_MENTOR_ALLOW_PRIVATE_ADDRESSES": "true",
    }
    platform = platform_of(site)
    command = ["platform", "test", str(platform.id)]
    works = CliRunner().invoke(main, command, env=surroundings)
    assert works.output.splitlines() == ["Keys: 1 can be used.", "Token: given for 5 scopes."]
    with site.database.transaction() as db:
        kept = db.get(Platform, platform.id)
        kept.client_id, kept.jwks_uri = "mistyped", f"{site.lms.url}/nowhere"
    broken = CliRunner().invoke(main, command, env=surroundings)
    assert broken.exit_code == 1
    assert "Keys: The learning platform answered with an error." in broken.output
    assert "Token: The learning platform gave no token. Check the client id" in broken.output


@contextmanager
def giving(site, *scopes):
    """A token endpoint that refuses every request for anything besides these scopes; what it was asked for."""

    def answer(asked):
        refused = set(asked.form["scope"].split()) - set(scopes)
        said = {"error": "invalid_scope"} if refused else {"access_token": "a", "expires_in": 3600}
        response = jsonify(said)
        response.status_code = 400 if refused else 200
        return response

    with recording(answer) as (base, seen):
        with site.database.transaction() as db:
            db.scalars(select(Platform)).one().token_endpoint = f"{base}/token"
        yield lambda: [set(asked.form["scope"].split()) for asked in seen]


def tried(site):
    """What the test of the connection says of the token."""
    return connection.try_out(tool_of(site), platform_of(site))[1]


def test_the_test_of_a_connection_asks_for_what_launches_listed(site):
    Visitor().launch(site.lms.url, "coordinator", "1")
    with site.database.transaction() as db:
        row = db.scalars(select(ContextServices)).one()
        row.grade_scopes, row.memberships_url = [SCORE, "https://lms.example.org/scope/unknown"], None
    with giving(site, SCORE) as asked:
        assert (tried(site).problem, tried(site).count) == (None, 1)
        assert asked() == [{SCORE}] * 2
    with site.database.transaction() as db:
        db.scalars(select(ContextServices)).one().memberships_url = f"{site.lms.url}/members"
    with giving(site, SCORE, ROSTER):
        assert (tried(site).problem, tried(site).count) == (None, 2)


def test_a_server_that_gives_each_scope_by_itself_and_not_all_of_them_is_a_problem(site):
    def answer(asked):
        is_alone = len(asked.form["scope"].split()) == 1
        return jsonify(access_token="a") if is_alone else Response('{"error": "invalid_scope"}', 400)

    with recording(answer) as (base, _):
        with site.database.transaction() as db:
            db.scalars(select(Platform)).one().token_endpoint = base
        assert tried(site).problem.reason == "platform.no_scope"


def test_the_test_of_a_connection_names_the_scopes_that_a_server_refuses(site):
    with giving(site, ROSTER, SCORE) as asked:
        problem = tried(site).problem
        assert asked() == [set(SCOPES), *({scope} for scope in SCOPES)]
    assert problem.reason == "platform.scopes_refused"
    assert problem.values["names"] == "lineitem, lineitem.readonly, result.readonly"


@pytest.mark.parametrize("scopes", [SCOPES, [ROSTER]])
def test_a_server_that_refuses_all_scopes_does_not_blame_the_client(site, scopes):
    with site.database.transaction() as db:
        db.scalars(select(Platform)).one().granted_scopes = list(scopes)
    with giving(site):
        assert tried(site).problem.reason == "platform.scopes_refused"
        with pytest.raises(PlatformError) as refused:
            tokens.access_token(tool_of(site), platform_of(site), [ROSTER])
        assert refused.value.reason == "platform.no_scope"
