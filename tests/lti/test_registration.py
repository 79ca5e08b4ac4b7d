"""Dynamic Registration over real HTTP: the practice LMS, a platform in the shape of a Moodle, and hostile ones."""

import html
import json
import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import jwt
import pytest
import requests
from click.testing import CliRunner
from flask import Flask, jsonify, request
from sqlalchemy import delete, func, select

from lti_mentor import clock
from lti_mentor.app import create_app
from lti_mentor.cli import main
from lti_mentor.errors import Refused
from lti_mentor.lti import quirks, registration
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.lti.registration import TOOL_CONFIGURATION, Invitation
from lti_mentor.mentoring import organizations
from lti_mentor.mentoring.people import Person
from lti_mentor.practice.tokens import CLAIM
from tests.conftest import SECRET, url_of
from tests.lti.test_launch import refused
from tests.support.serving import served
from tests.support.visitor import Visitor

MOODLE = Path(__file__).parent / "moodle"


def invited(site, organization="Home", **options) -> str:
    """The address an administrator pastes."""
    with site.database.transaction() as db:
        secret = registration.invite(db, organizations.named(db, organization).id, **options)
    return f"{site.url}/lti/register?invitation={secret}"


def paste(site, address) -> requests.Response:
    """What the practice LMS opens in its frame."""
    page = requests.post(f"{site.lms.url}/tools", data={"address": address}, timeout=5)
    return requests.get(html.unescape(re.search(r'<iframe[^>]* src="([^"]*)"', page.text)[1]), timeout=20)


def platforms(site) -> list[Platform]:
    with site.database.reading() as db:
        return list(db.scalars(select(Platform).order_by(Platform.created_at)))


@contextmanager
def platform(changes=None, answer=None, status=200, host="localhost"):
    """A platform that says what the test wants; gives the address of its configuration and what it was sent."""
    seen: list[dict] = []

    def make(base: str) -> Flask:
        app = Flask("platform")
        about = {
            "issuer": base,
            "authorization_endpoint": f"{base}/auth",
            "token_endpoint": f"{base}/token",
            "jwks_uri": f"{base}/jwks",
            "registration_endpoint": f"{base}/register",
        }

        @app.get("/configuration")
        def configuration():
            seen.append({"bearer": request.headers.get("Authorization")})
            given = {**about, **(changes or {})}
            return jsonify({name: value for name, value in given.items() if value is not None})

        @app.post("/register")
        def register():
            seen.append({"bearer": request.headers.get("Authorization"), "body": request.get_json()})
            return jsonify({"client_id": "c1"} if answer is None else answer), status

        return app

    with served(make, host=host) as base:
        yield f"{base}/configuration", seen


def open_address(address, configuration, token=None) -> requests.Response:
    given = {"openid_configuration": configuration, **({"registration_token": token} if token else {})}
    return requests.get(f"{address}{'&' if '?' in address else '?'}{urlencode(given)}", timeout=20)


def refused_registration(answer, reason) -> None:
    assert f"Code for support: {reason}" in answer.text, answer.text
    assert 400 <= answer.status_code < 500 or answer.status_code == 502
    assert 'id="close"' in answer.text


def test_an_administrator_registers_by_pasting_an_address_and_people_launch(both_site):
    site = both_site
    page = paste(site, invited(site))
    assert "The tool is registered" in page.text
    assert 'id="close"' in page.text
    added = platforms(site)[-1]
    assert added.client_id in site.lms.lms.tools
    assert set(added.granted_scopes) <= set(registration.SCOPES)
    visitor = Visitor()
    visitor.get(f"{site.lms.url}/as/learner/courses/1")
    visitor.get(f"{site.lms.url}/as/learner/courses/1/open?client={added.client_id}")
    url, fields = visitor.form("/lti/login")
    visitor.request("GET", visitor.request("POST", url, data=fields).headers["Location"])
    url, fields = visitor.form("/lti/launch")
    assert visitor.request("POST", url, data=fields).status_code == 303
    with site.database.reading() as db:
        home = organizations.named(db, "Home").id
        assert db.scalars(select(Person)).one().organization_id == home


def test_an_invitation_is_used_once_unless_it_has_more_uses(site):
    address = invited(site)
    assert paste(site, address).status_code == 200
    refused_registration(paste(site, address), "invitation.over")
    twice = invited(site, uses=2)
    assert [paste(site, twice).status_code for _ in range(3)] == [200, 200, 409]


def test_an_old_or_invented_invitation_is_refused_and_nobody_is_asked(site):
    with clock.moved_to(clock.now() - timedelta(hours=80)):
        old = invited(site)
    with platform() as (configuration, seen):
        for address in (old, f"{site.url}/lti/register?invitation=invented"):
            refused_registration(open_address(address, configuration), "invitation.over")
        refused_registration(open_address(f"{site.url}/lti/register", configuration), "registration.closed")
        assert seen == []


def test_a_registration_again_brings_the_platform_up_to_date(site):
    address = invited(site, uses=2)
    paste(site, address)
    before = len(platforms(site))
    assert "up to date" in paste(site, address).text
    assert len(platforms(site)) == before


def test_another_organization_cannot_take_over_a_registration(site):
    paste(site, invited(site))
    refused_registration(paste(site, invited(site, "Elsewhere")), "registration.of_others")
    with site.database.reading() as db:
        assert {each.organization_id for each in platforms(site)[-1].deployments} == {
            organizations.named(db, "Home").id
        }


def test_the_tool_asks_only_for_what_the_platform_offers(site):
    paste(site, invited(site))
    with platform({"scopes_supported": ["openid", registration.SCOPES[0]], "claims_supported": ["sub"]}) as (url, seen):
        assert open_address(invited(site), url).status_code == 200
    body = seen[-1]["body"]
    assert body["scope"] == registration.SCOPES[0]
    assert body[TOOL_CONFIGURATION]["claims"] == ["sub"]
    assert body[TOOL_CONFIGURATION]["custom_parameters"]["context_history"] == "$Context.id.history"
    assert body[TOOL_CONFIGURATION]["domain"] == urlsplit(site.url).netloc


@pytest.mark.quirk("registration_wants_the_token", "no_registration_token")
def test_the_registration_token_goes_along_to_the_configuration_and_to_the_registration(site):
    with platform() as (url, seen):
        open_address(invited(site), url, token="one time")
        open_address(invited(site, uses=1), url)
    assert [each["bearer"] for each in seen] == ["Bearer one time", "Bearer one time", None, None]


def test_moodle_registers_in_the_shape_that_was_recorded(site):
    recorded = json.loads((MOODLE / "openid_configuration.json").read_text())["openid_configuration"]
    answer = json.loads((MOODLE / "registration_new.json").read_text())["response"]
    own = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint")
    rest = {name: value for name, value in recorded.items() if name not in own}
    with platform(rest, answer) as (url, seen):
        assert open_address(invited(site), url, token="jwt").status_code == 200
    body = seen[-1]["body"]
    required = {"initiate_login_uri", "redirect_uris", "client_name", "jwks_uri"}  # as its code checks them
    assert required <= set(body)
    assert "id_token" in body["response_types"]
    assert body["token_endpoint_auth_method"] == "private_key_jwt"
    assert set(body["scope"].split()) <= set(recorded["scopes_supported"])
    added = platforms(site)[-1]
    assert (added.client_id, [each.deployment_id for each in added.deployments]) == ("EGnOupJOLCzKt74", ["1"])
    assert len(added.granted_scopes) == 5


@pytest.mark.quirk("bare_servers", "audience_of_its_own")
@pytest.mark.parametrize(
    ("server", "audience"),
    [
        ("https://api.brightspace.com/auth/token", "https://api.brightspace.com/auth/token"),
        ("canvas.instructure.com", None),
        (None, None),
        ({"a": 1}, None),
    ],
)
def test_an_authorization_server_is_the_audience_of_assertions_unless_it_is_a_bare_name(site, server, audience):
    with platform({"authorization_server": server}) as (url, _):
        assert open_address(invited(site), url).status_code == 200
    assert platforms(site)[-1].token_audience == audience


def test_only_messages_that_a_platform_offers_are_asked_for(site):
    def asked(offered):
        about = {registration.PLATFORM_CONFIGURATION: {"messages_supported": [{"type": kind} for kind in offered]}}
        with platform(about) as (url, seen):
            assert open_address(invited(site), url).status_code == 200
        return {message["type"] for message in seen[-1]["body"][registration.TOOL_CONFIGURATION]["messages"]}

    everything = set(registration.MESSAGES)
    assert {"LtiSubmissionReviewRequest", "DataPrivacyLaunchRequest"} < everything
    assert asked([*everything, "LtiStartProctoring"]) == everything
    assert asked(["LtiSubmissionReviewRequest"]) == {"LtiResourceLinkRequest", "LtiSubmissionReviewRequest"}


HOSTILE = [
    ({"issuer": "https://bank.example.org"}, None, 200, "registration.issuer"),
    ({"issuer": "https://localhost"}, None, 200, "registration.issuer"),
    ({"issuer": None}, None, 200, "registration.incomplete"),
    ({"jwks_uri": "javascript:alert(1)"}, None, 200, "registration.incomplete"),
    ({"token_endpoint": ["x"]}, None, 200, "registration.incomplete"),
    ({"registration_endpoint": "http://elsewhere.example.org/register"}, None, 200, "registration.endpoint"),
    ({}, {"no": "client"}, 200, "registration.no_client"),
    ({}, {"client_id": "x\n" * 9}, 200, "registration.no_client"),
    ({}, [], 200, "registration.no_client"),
    ({}, {"errors": ["<script>"]}, 422, "platform.bad_status"),
    ({}, {}, 500, "platform.bad_status"),
]


@pytest.mark.quirk("registration_wants_the_token")
@pytest.mark.parametrize(
    ("changes", "answer", "status", "reason"), HOSTILE, ids=[f"{n}-{case[3]}" for n, case in enumerate(HOSTILE)]
)
def test_a_platform_that_is_not_right_is_refused_and_the_invitation_stays_good(site, changes, answer, status, reason):
    known = len(platforms(site))
    address = invited(site)
    with platform(changes, answer, status) as (url, _):
        page = open_address(address, url)
    refused_registration(page, reason)
    assert "<script>alert" not in page.text
    assert len(platforms(site)) == known
    with platform() as (url, _):
        assert open_address(address, url).status_code == 200


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("", []),
        (7, ["7"]),
        (None, []),
        ({"a": 1}, []),
        ("a\0", []),
        ("\ud800", []),
        ("x" * 256, []),
        ("x" * 255, ["x" * 255]),
    ],
    ids=range(8),
)
def test_a_deployment_id_that_cannot_be_one_is_left_to_the_first_launch(both_site, given, kept):
    answer = {"client_id": "c1", TOOL_CONFIGURATION: {"deployment_id": given}}
    with platform(answer=answer) as (url, _):
        assert open_address(invited(both_site), url).status_code == 200
    assert [each.deployment_id for each in platforms(both_site)[-1].deployments] == kept


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_a_platform_of_https_names_no_plain_address(scheme):
    secure = f"{scheme}://lms.example.org"
    ends = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), f"{secure}/x")
    rest = {"token_audience": None, "family": "", "scopes": frozenset(), "claims": None, "variables": None}
    offer = registration.Offer(
        issuer=secure,
        registration_endpoint=f"{secure}/x",
        messages={},
        **ends,
        **rest,
    )
    registration.check_safety(f"{secure}/configuration", offer)
    with pytest.raises(Refused):
        registration.check_safety("http://lms.example.org/configuration", offer)
    for name in (*ends, "registration_endpoint"):
        with pytest.raises(Refused):
            plain = replace(offer, **{name: "http://lms.example.org/x"})
            registration.check_safety(f"{secure}/configuration", plain)


def test_private_addresses_are_not_asked_by_a_tool_in_production(sqlite_database, loaded_settings):
    app = create_app(replace(loaded_settings, allow_private_addresses=False), sqlite_database)
    with sqlite_database.transaction() as db:
        secret = registration.invite(db, organizations.named(db, "Home").id)
    for url in ("http://127.0.0.1:1/x", "http://169.254.169.254/latest", "file:///etc/passwd", "http://[::1]/"):
        page = app.test_client().get("/lti/register", query_string={"invitation": secret, "openid_configuration": url})
        refused_registration(page, "platform.address_refused")
    with sqlite_database.reading() as db:
        assert db.scalars(select(Invitation)).one().uses_left == 1


def test_a_platform_that_waits_for_approval_launches_after_it(site):
    paste(site, invited(site, needs_approval=True))
    added = platforms(site)[-1]
    login = {
        "iss": added.issuer,
        "client_id": added.client_id,
        "login_hint": "learner",
        "target_link_uri": f"{site.url}/lti/launch",
    }
    refused(requests.post(f"{site.url}/lti/login", data=login, timeout=5), "launch.pending_platform")
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    assert CliRunner().invoke(main, ["platform", "approve", str(added.id)], env=surroundings).exit_code == 0
    answer = requests.post(f"{site.url}/lti/login", data=login, timeout=5, allow_redirects=False)
    assert answer.status_code == 302


def test_an_open_tool_takes_strangers_who_wait_and_change_nothing_that_is_there(sqlite_database, loaded_settings):
    app = create_app(replace(loaded_settings, open_registration=True), sqlite_database)
    with platform() as (url, _):
        first, second = (
            app.test_client().get("/lti/register", query_string={"openid_configuration": url}) for _ in range(2)
        )
    assert "wait for the approval" in first.text
    refused_registration(second, "registration.of_others")
    with sqlite_database.reading() as db:
        assert [each.status for each in db.scalars(select(Platform))] == ["pending"]


def test_institutions_that_share_an_issuer_need_an_invitation_also_where_registration_is_open(
    sqlite_database, loaded_settings, monkeypatch
):
    app = create_app(replace(loaded_settings, open_registration=True), sqlite_database)
    with platform() as (url, seen):
        monkeypatch.setitem(quirks.SHARED_ISSUERS, url.removesuffix("/configuration"), ("localhost",))
        answer = app.test_client().get("/lti/register", query_string={"openid_configuration": url})
    refused_registration(answer, "registration.closed")
    assert len(seen) == 1, "the platform was asked what it is, and made no client"
    with sqlite_database.reading() as db:
        assert db.scalars(select(Platform)).all() == []


def test_the_command_prints_the_invitation_alone_on_its_last_line(site):
    surroundings = {
        "LTI_MENTOR_DATABASE_URL": url_of(site.database),
        "LTI_MENTOR_SECRET_KEY": SECRET,
        "LTI_MENTOR_BASE_URL": site.url,
    }
    done = CliRunner().invoke(main, ["platform", "invite", "--organization", "Home"], env=surroundings)
    address = done.output.splitlines()[-1]
    assert paste(site, address).status_code == 200
    wrong = CliRunner().invoke(main, ["platform", "invite", "--uses", "0"], env=surroundings)
    assert wrong.exit_code == 1
    assert "1 to 100 uses" in wrong.output


def test_an_address_opened_by_hand_says_where_to_paste_it(site):
    page = requests.get(invited(site), timeout=5)
    assert "Paste this address into your learning platform" in page.text


@pytest.mark.quirk("new_deployments")
def test_a_new_deployment_is_adopted_where_the_registration_says_so(both_site):
    site = both_site
    new = {f"{CLAIM}deployment_id": "never seen"}
    with site.database.transaction() as db:
        kept = db.scalars(select(Platform)).one()
        kept.adopting_id = organizations.named(db, "Home").id
        db.execute(delete(Deployment).where(Deployment.deployment_id == "2"))  # nobody else uses the platform
    for _ in range(2):
        assert _send_without_deployment(site, new).status_code == 303
    with site.database.reading() as db:
        found = select(func.count()).select_from(Deployment).where(Deployment.deployment_id == "never seen")
        assert db.scalar(found) == 1


def _send_without_deployment(site, changes) -> requests.Response:
    """As Canvas begins a login: without saying which deployment it is for."""
    visitor = Visitor()
    visitor.get(f"{site.lms.url}/as/learner/courses/1")
    visitor.get(f"{site.lms.url}/as/learner/courses/1/open")
    url, fields = visitor.form("/lti/login")
    fields.pop("lti_deployment_id")
    visitor.request("GET", visitor.request("POST", url, data=fields).headers["Location"])
    url, fields = visitor.form("/lti/launch")
    claims = jwt.decode(fields["id_token"], options={"verify_signature": False})
    fields["id_token"] = site.lms.lms.keys[0].sign(claims | changes)
    return visitor.request("POST", url, data=fields)


def test_a_deployment_of_a_shared_client_is_a_stranger(site):
    back = {f"{CLAIM}launch_presentation": {"return_url": "https://school.example.org/courses/7"}}
    answer = _send_without_deployment(site, {f"{CLAIM}deployment_id": "never seen", **back})
    refused(answer, "launch.pending_deployment")
    may_frame = f"frame-ancestors {site.lms.url} https://school.example.org"
    assert answer.headers["Content-Security-Policy"].endswith(may_frame)
    with site.database.reading() as db:
        kept = db.scalars(select(Deployment).where(Deployment.deployment_id == "never seen")).one()
    assert (kept.status, kept.organization_id) == ("pending", None)


@pytest.mark.quirk("shared_issuers")
@pytest.mark.parametrize(
    ("host", "issuer", "may"),
    [
        ("lms.example.org", "https://lms.example.org", True),
        ("lms.example.org", "https://lms.example.org:8443/moodle", True),
        ("evil.example.org", "https://lms.example.org", False),
        ("school.instructure.com", "https://canvas.instructure.com", True),
        ("sso.canvaslms.com", "https://canvas.instructure.com", True),
        ("instructure.com.example.org", "https://canvas.instructure.com", False),
        ("evilinstructure.com", "https://canvas.instructure.com", False),
        ("developer.blackboard.com", "https://blackboard.com", True),
    ],
)
def test_a_shared_issuer_is_spoken_for_by_its_own_domains_alone(host, issuer, may):
    assert quirks.speaks_for(host, issuer) is may


@pytest.mark.quirk("own_domains")
@pytest.mark.parametrize(
    ("issuer", "may"), [("https://canvas.instructure.com", True), ("https://lms.example.org", False)]
)
def test_only_the_canvas_cloud_registers_tools_at_domains_of_its_institutions(issuer, may):
    assert quirks.registers_at("canvas.school.example.org", issuer) is may
