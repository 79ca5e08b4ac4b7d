"""What single platforms do differently, replayed through HTTP: registration, keys, rosters and grades."""

import json

import jwt
import pytest
import requests
from click.testing import CliRunner
from flask import Response, jsonify, request
from sqlalchemy import select

from lti_mentor.cli import main
from lti_mentor.jobs import grades, rosters
from lti_mentor.lti import platforms, tokens
from lti_mentor.lti.platforms import Platform
from lti_mentor.mentoring import organizations
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.mentoring.people import Account, Person
from tests.conftest import SECRET, url_of
from tests.lti import test_deep_linking as deep_linking
from tests.lti import test_registration as registration
from tests.lti.test_certification import open_column
from tests.lti.test_launch import refused, send
from tests.lti.test_quirks import asked, login, only
from tests.lti.test_threats import change, tool_of
from tests.support.recording import recording
from tests.support.visitor import Visitor

CANVAS = "https://canvas.instructure.com"
SUBMISSION = f"{CANVAS}/lti/submission"


def nothing():
    """An answer as it should be."""


@pytest.mark.quirk("shared_issuers")
def test_of_several_clients_of_one_issuer_the_login_has_to_say_which(site):
    world = site.lms.world
    with site.database.transaction() as db:
        ends = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), f"{world.issuer}/x")
        twin = platforms.Registration(issuer=world.issuer, client_id="twin", deployment_ids=("1",), **ends)
        platforms.add(db, twin, organization_id=organizations.named(db, "Twin").id)
    refused(login(site), "launch.ambiguous_platform")
    assert asked(login(site, client_id="twin"))["client_id"] == "twin"


@pytest.mark.quirk("one_audience", "audience_of_its_own")
@pytest.mark.parametrize("audience", [None, "https://api.brightspace.com/auth/token"])
def test_the_assertion_names_one_audience_the_token_endpoint_unless_the_platform_says_another(site, audience):
    Visitor().launch(site.lms.url, "learner", "1")
    with recording(lambda _: jsonify(access_token="x", expires_in="3600", token_type="Bearer")) as (base, seen):
        change(site, Platform, token_endpoint=f"{base}/login/oauth2/token", token_audience=audience)
        rosters.run(tool_of(site))
    (call,) = [each for each in seen if each.address == "/login/oauth2/token"][:1]
    claims = jwt.decode(call.form["client_assertion"], options={"verify_signature": False})
    assert claims["aud"] == (audience or f"{base}/login/oauth2/token")
    assert claims["iss"] == claims["sub"] == "tests"
    assert "kid" in jwt.get_unverified_header(call.form["client_assertion"])


@pytest.mark.quirk("bare_servers")
@pytest.mark.parametrize(
    ("server", "kept"), [("canvas.instructure.com", None), ("https://a.example.org/x", "https://a.example.org/x")]
)
def test_an_authorization_server_that_is_only_a_host_is_no_audience(site, server, kept):
    with registration.platform({"authorization_server": server}) as (url, _):
        assert registration.open_address(registration.invited(site), url).status_code == 200
    assert registration.platforms(site)[-1].token_audience == kept


def on_platform_of(site, issuer) -> None:
    """From now on the practice LMS is known by this issuer, and everybody who came from it."""
    change(site, Platform, issuer=issuer, token_audience=f"{site.lms.world.issuer}/token")
    with site.database.transaction() as db:
        for account in db.scalars(select(Account)):
            account.issuer = issuer


@pytest.mark.quirk("new_submissions")
@pytest.mark.parametrize("issuer", [CANVAS, "https://canvas.beta.instructure.com", "https://lms.example.org"])
def test_a_score_is_no_new_submission_on_canvas_and_plain_elsewhere(site, issuer):
    open_column(site)
    seen = []
    site.lms.lms.bad_answers[:] = [nothing, nothing, lambda: seen.append(request.get_json())]
    on_platform_of(site, issuer)
    assert grades.run(tool_of(site)) == 1
    extra = {name: value for name, value in seen[0].items() if name.startswith("https://")}
    assert extra == ({SUBMISSION: {"new_submission": False}} if "canvas" in issuer else {})


@pytest.mark.quirk("cleared_scores")
def test_a_score_on_canvas_has_its_number_and_only_one_that_shall_be_gone_has_none(site):
    open_column(site)
    on_platform_of(site, CANVAS)
    seen = []
    site.lms.lms.bad_answers[:] = [nothing, nothing, lambda: seen.append(request.get_json())]
    assert grades.run(tool_of(site)) == 1
    change(site, LatestScore, value=None)
    site.lms.lms.bad_answers[:] = [lambda: seen.append(request.get_json())]
    assert grades.run(tool_of(site)) == 1
    assert [said.get("scoreGiven", "none") for said in seen] == [0, "none"]
    assert not any("preserve_score" in said[SUBMISSION] for said in seen), "it would keep what shall be gone"
    (made,) = site.lms.lms.columns.values()
    assert [points for _, points, _ in made.scores.values()] == [None]


@pytest.mark.quirk("cleared_scores")
def test_results_that_canvas_refuses_to_show_keep_nothing_from_being_told(site):
    open_column(site)
    refusal = "Tool does not have permission to view line_item"
    site.lms.lms.bad_answers[:] = [nothing, nothing, nothing, lambda: Response(refusal, 412)]
    assert grades.run(tool_of(site)) == 1
    assert only(site, GradeColumn).problem is None
    assert not only(site, LatestScore).is_waiting("as_it_stands")


@pytest.mark.quirk("rate_limits")
@pytest.mark.parametrize("status", [403, 429])
def test_a_rate_limit_is_waited_for_and_no_refusal_of_a_person(site, status):
    open_column(site)
    site.lms.lms.bad_answers[:] = [nothing, nothing, lambda: Response("403 Forbidden (Rate Limit Exceeded)", status)]
    assert grades.run(tool_of(site)) == 0
    score, column = only(site, LatestScore), only(site, GradeColumn)
    assert (score.is_waiting("as_it_stands"), score.problem, column.problem) == (True, None, "platform.bad_status")
    change(site, GradeColumn, retry_at=None)
    assert grades.run(tool_of(site)) == 1


@pytest.mark.quirk("rate_limits")
def test_a_token_endpoint_that_refuses_us_blames_no_person(site):
    open_column(site)
    grades.run(tool_of(site))
    change(site, LatestScore, sent_value=None)
    site.lms.lms.tools.clear()
    with site.database.transaction() as db:
        tokens.forget(db)
    assert grades.run(tool_of(site)) == 0
    assert only(site, LatestScore).problem is None
    assert only(site, GradeColumn).problem == "platform.no_token"


@pytest.mark.quirk("complete_keys")
def test_our_key_set_says_what_each_key_is_for(site):
    (key,) = requests.get(f"{site.url}/lti/jwks", timeout=5).json()["keys"]
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")
    assert set(key) == {"kty", "alg", "use", "kid", "n", "e"}


@pytest.mark.quirk("nameless_callers")
def test_the_tool_says_who_it_is(site):
    with recording(lambda _: jsonify(keys=[site.lms.lms.keys[0].jwk()])) as (base, seen):
        change(site, Platform, jwks_uri=f"{base}/mod/lti/certs.php")
        assert send(site).status_code == 303
    assert seen[0].headers["User-Agent"] == "lti-mentor"
    assert seen[0].headers["Accept"] == "application/json"


@pytest.mark.quirk("deployments_are_tenants")
def test_two_deployments_of_one_client_are_two_organizations(site):
    for person, course in (("learner", "1"), ("outsider", "1b")):
        assert Visitor().launch(site.lms.url, person, course).status_code == 200
    with site.database.reading() as db:
        assert len(set(db.scalars(select(Person.organization_id)))) == 2


@pytest.mark.quirk("paged_results")
def test_results_are_read_to_their_last_page(site):
    open_column(site)
    strangers = [{"userId": "mentor", "resultScore": 1, "resultMaximum": 2}]

    def first_page():
        answer = jsonify(strangers)
        answer.headers["Link"] = f'<{request.base_url}?page=2>; rel="next"'
        return answer

    site.lms.lms.bad_answers[:] = [nothing, nothing, nothing, first_page]
    assert grades.run(tool_of(site)) == 1
    assert only(site, LatestScore).read_value == 0


@pytest.mark.quirk("keys_without_alg")
@pytest.mark.parametrize("changes", [{"alg": ..., "use": ...}, {"alg": None, "use": None, "key_ops": ["verify"]}])
def test_a_key_set_that_does_not_say_what_its_keys_are_for_is_used(site, changes):
    key = {name: value for name, value in (site.lms.lms.keys[0].jwk() | changes).items() if value is not ...}
    with recording(lambda _: jsonify(keys=[{"kty": "EC", "kid": "other"}, key])) as (base, _):
        change(site, Platform, jwks_uri=f"{base}/d2l/.well-known/jwks")
        assert send(site).status_code == 303


@pytest.mark.quirk("keys_without_alg")
def test_the_answer_of_the_picker_names_its_key(site):
    _, token = deep_linking.sent(deep_linking.place(deep_linking.opened(site), "home"))
    published = requests.get(f"{site.url}/lti/jwks", timeout=5).json()["keys"]
    assert jwt.get_unverified_header(token)["kid"] in {key["kid"] for key in published}


@pytest.mark.quirk("exact_redirects")
def test_the_redirect_address_is_always_the_same_one(site):
    answer = login(site, target_link_uri=f"{site.url}/lti/launch?link=7&x=1")
    assert asked(answer)["redirect_uri"] == f"{site.url}/lti/launch"


@pytest.mark.quirk("pasted_keys")
@pytest.mark.parametrize("options", [[], ["--jwk"]])
def test_our_key_can_be_pasted_where_its_address_is_not_taken(site, options):
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    shown = CliRunner().invoke(main, ["keys", "show", *options], env=surroundings)
    assert shown.exit_code == 0, shown.output
    assert "PRIVATE" not in shown.output
    pasted = jwt.PyJWK(json.loads(shown.stdout)).key if options else shown.stdout
    _, token = deep_linking.sent(deep_linking.place(deep_linking.opened(site), "home"))
    assert jwt.decode(token, pasted, algorithms=["RS256"], audience=site.lms.world.issuer)["iss"] == "tests"
