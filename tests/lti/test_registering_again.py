"""A platform that registers again: what an administrator decided stays, and what changed is said."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import select

from lti_mentor.app import create_app
from lti_mentor.lti import quirks, registration
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.lti.registration import PLATFORM_CONFIGURATION, TOOL_CONFIGURATION
from lti_mentor.mentoring import organizations
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.practice.tokens import SigningKey
from tests.lti.test_registration import MOODLE, invited, open_address, platform, platforms, refused_registration


def kept(site) -> Platform:
    return platforms(site)[-1]


def decide(site, **values) -> None:
    """What an administrator set by hand."""
    with site.database.transaction() as db:
        known = db.get(Platform, kept(site).id)
        for name, value in values.items():
            setattr(known, name, value)


def noted(site) -> list[str]:
    """Where the log says that something was registered, in the order in which it was."""
    with site.database.reading() as db:
        entries = select(AuditEntry).where(AuditEntry.action == "registered").order_by(AuditEntry.at, AuditEntry.id)
        return [entry.place for entry in db.scalars(entries)]


DECIDED = {
    "foreign_azp": True,
    "trusted_audiences": ["also"],
    "role_map": {"urn:a": "teacher"},
    "leeway_seconds": 7,
    "observers": True,
    "frame_ancestors": ["https://portal.example.org"],
    "token_audience": "https://api.example.org/token",
    "adopting_id": None,
    "status": "disabled",
}


def test_registering_again_keeps_what_an_administrator_decided(both_site):
    site = both_site
    answer = {"client_id": "c1", TOOL_CONFIGURATION: {"deployment_id": "1"}}
    with platform(answer=answer) as (url, _):
        open_address(invited(site), url)
        decide(site, **DECIDED)
        page = open_address(invited(site), url)
    assert "Nothing is different from before" in page.text
    assert {name: getattr(kept(site), name) for name in DECIDED} == DECIDED
    assert noted(site)[-1] == noted(site)[-2] == f"lti/register {kept(site).title}"


def test_registering_again_keeps_pasted_keys(site):
    public = {name: value for name, value in SigningKey().jwk().items() if name in ("kty", "n", "e", "kid")}
    with platform() as (url, _):
        open_address(invited(site), url)
        decide(site, jwks_uri=None, pasted_keys=[public])
        assert open_address(invited(site), url).status_code == 200
    assert (kept(site).jwks_uri, kept(site).pasted_keys) == (None, [public])


def test_registering_again_brings_addresses_and_scopes_up_to_date_and_says_which(site):
    changes, answer = {}, {"client_id": "c1", "scope": registration.SCOPES[0]}
    with platform(changes, answer) as (url, _):
        open_address(invited(site), url)
        base = url.removesuffix("/configuration")
        changes |= {"token_endpoint": f"{base}/new", "authorization_server": "https://api.example.org/token"}
        answer |= {"scope": registration.SCOPES[1], TOOL_CONFIGURATION: {"deployment_id": "9"}}
        page = open_address(invited(site), url)
    now = kept(site)
    assert (now.token_endpoint, now.token_audience) == (f"{base}/new", "https://api.example.org/token")
    assert now.granted_scopes == [registration.SCOPES[1]]
    assert [each.deployment_id for each in now.deployments] == ["9"]
    assert "Changed: Address of its tokens, Audience of tokens, Deployments, What it lets the tool do." in page.text
    changed = "token_endpoint, token_audience, deployments, granted_scopes"
    assert noted(site)[-1] == f"lti/register {now.title}: {changed}"


def test_another_product_than_before_is_said_and_changed_only_by_who_needs_no_approval(site):
    """Whose quirks a platform has, such as how it is told a score, goes by its product."""
    about = {"product_family_code": "moodle"}
    with platform({PLATFORM_CONFIGURATION: about}) as (url, _):
        open_address(invited(site), url)
        about["product_family_code"] = "canvas"
        refused_registration(open_address(invited(site, needs_approval=True), url), "registration.needs_approval")
        assert kept(site).family == "moodle"
        assert "Changed: Product." in open_address(invited(site), url).text
        del about["product_family_code"]
        assert "Nothing is different from before" in open_address(invited(site), url).text
    assert kept(site).family == "canvas"
    assert noted(site)[-2:] == [f"lti/register {kept(site).title}: family", f"lti/register {kept(site).title}"]


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "authorization_server"])
def test_where_an_approval_is_needed_nothing_of_a_platform_that_launches_changes_without_one(site, name):
    changes, answer = {}, {"client_id": "c1", TOOL_CONFIGURATION: {"deployment_id": "1"}}
    with platform(changes, answer) as (url, _):
        open_address(invited(site), url)
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "token_audience")
        before = [getattr(kept(site), name) for name in names]
        changes[name] = f"{url}/new"
        refused_registration(open_address(invited(site, needs_approval=True), url), "registration.needs_approval")
        assert [getattr(kept(site), name) for name in names] == before
        decide(site, status="disabled")
        page = open_address(invited(site, needs_approval=True), url)
    assert "switched off here" in page.text
    assert [getattr(kept(site), name) for name in names] != before


def test_where_an_approval_is_needed_the_same_registration_again_is_none(site):
    answer = {"client_id": "c1", "scope": "", TOOL_CONFIGURATION: {"deployment_id": "1"}}
    with platform(answer=answer) as (url, _):
        open_address(invited(site), url)
        answer["scope"] = " ".join(registration.SCOPES)
        page = open_address(invited(site, needs_approval=True), url)
    assert "Changed: What it lets the tool do." in page.text
    assert kept(site).status == "active"


def test_a_deployment_is_not_let_in_by_who_needs_an_approval(site):
    answer = {"client_id": "c1", TOOL_CONFIGURATION: {"deployment_id": "1"}}
    with platform(answer=answer) as (url, _):
        open_address(invited(site), url)
        with site.database.transaction() as db:
            db.add(Deployment(platform_id=kept(site).id, deployment_id="2", status="pending"))
        for new in ("3", "2"):
            answer[TOOL_CONFIGURATION]["deployment_id"] = new
            refused_registration(open_address(invited(site, needs_approval=True), url), "registration.needs_approval")
        assert {each.deployment_id: each.status for each in kept(site).deployments} == {"1": "active", "2": "pending"}
        assert open_address(invited(site), url).status_code == 200
    assert {each.deployment_id: each.status for each in kept(site).deployments} == {"1": "active", "2": "active"}


NOTHING_DECIDED = {
    "foreign_azp": False,
    "trusted_audiences": [],
    "role_map": {},
    "leeway_seconds": None,
    "observers": False,
    "frame_ancestors": [],
    "token_audience": None,
    "family": None,
    "pasted_keys": None,
}


def test_a_platform_that_is_nobodys_any_more_is_registered_as_a_new_one(both_site):
    site = both_site
    public = {name: value for name, value in SigningKey().jwk().items() if name in ("kty", "n", "e", "kid")}
    with platform() as (url, _):
        open_address(invited(site), url)
        jwks_uri = kept(site).jwks_uri
        decide(site, **{**DECIDED, "status": "active", "family": "moodle"}, jwks_uri=None, pasted_keys=[public])
        page = open_address(invited(site, "Elsewhere", needs_approval=True), url)
    assert "The tool is registered" in page.text
    with site.database.reading() as db:
        elsewhere = organizations.named(db, "Elsewhere").id
    now = kept(site)
    assert (now.status, now.organization_ids, now.jwks_uri) == ("pending", {elsewhere}, jwks_uri)
    assert {name: getattr(now, name) for name in NOTHING_DECIDED} == NOTHING_DECIDED


@pytest.mark.parametrize("needs_approval", [False, True])
def test_a_platform_that_was_switched_off_is_not_let_in_by_whom_it_becomes(site, needs_approval):
    with platform() as (url, _):
        open_address(invited(site), url)
        decide(site, adopting_id=None, status="disabled")
        open_address(invited(site, "Elsewhere", needs_approval=needs_approval), url)
    assert kept(site).status == ("pending" if needs_approval else "disabled")


def test_an_open_tool_changes_nothing_of_a_platform_that_launches(site):
    changes = {}
    with platform(changes) as (url, _):
        open_address(invited(site), url)
        before = kept(site).jwks_uri
        changes["jwks_uri"] = f"{url}/of-a-stranger"
        tool = create_app(replace(site.settings, open_registration=True), site.database).test_client()
        answer = tool.get("/lti/register", query_string={"openid_configuration": url})
    refused_registration(answer, "registration.of_others")
    assert kept(site).jwks_uri == before


def test_moodle_updates_in_the_shape_that_was_recorded(site):
    recorded = json.loads((MOODLE / "openid_configuration.json").read_text())["openid_configuration"]
    own = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint")
    rest = {name: value for name, value in recorded.items() if name not in own}
    answer = json.loads((MOODLE / "registration_new.json").read_text())["response"]
    with platform(rest, answer) as (url, seen):
        open_address(invited(site), url, token="reg")
        decide(site, adopting_id=None, role_map={"urn:a": "learner"}, granted_scopes=[])
        answer |= json.loads((MOODLE / "registration_update.json").read_text())["response"]
        page = open_address(invited(site), url, token="reg-update")
    assert seen[-1]["bearer"] == "Bearer reg-update"
    assert "The registration is up to date" in page.text
    assert "Changed: What it lets the tool do." in page.text
    now = kept(site)
    assert (now.client_id, [each.deployment_id for each in now.deployments]) == ("EGnOupJOLCzKt74", ["1"])
    assert (now.adopting_id, now.role_map, len(now.granted_scopes)) == (None, {"urn:a": "learner"}, 5)


def test_only_placements_and_variables_that_a_platform_offers_are_asked_for(site):
    about = {
        "messages_supported": [
            {"type": "LtiResourceLinkRequest", "placements": ["course_navigation", "account_navigation"]},
            {"type": "LtiDeepLinkingRequest", "placements": ["link_selection", "editor_button"]},
        ],
        "variables": ["Context.id.history", "CourseSection.timeFrame.begin", "User.username"],
    }
    with platform({PLATFORM_CONFIGURATION: about}) as (url, seen):
        assert open_address(invited(site), url).status_code == 200
    asked = seen[-1]["body"][TOOL_CONFIGURATION]
    assert {message["type"]: message["placements"] for message in asked["messages"]} == {
        "LtiResourceLinkRequest": ["course_navigation"],
        "LtiDeepLinkingRequest": ["link_selection"],
    }
    assert asked["custom_parameters"] == {
        "context_history": "$Context.id.history",
        "course_begin": "$CourseSection.timeFrame.begin",
    }


def test_blackboard_registers_the_client_alone_and_takes_no_deployment_in(site, monkeypatch):
    """Issuer and client are those of all institutions: developer.blackboard.com speaks for them."""
    issuer, about = "http://blackboard.example.org", {"product_family_code": "BlackboardLearn"}
    monkeypatch.setitem(quirks.SHARED_ISSUERS, issuer, ("localhost",))
    monkeypatch.setattr(quirks, "SHARED_CLIENTS", frozenset({issuer}))
    about["messages_supported"] = [
        {"type": "LtiResourceLinkRequest"},
        {"type": "LtiDeepLinkingRequest", "placements": ["ContentArea"]},
    ]
    with platform({"issuer": issuer, PLATFORM_CONFIGURATION: about}) as (url, seen):
        assert "The tool is registered" in open_address(invited(site), url).text
    asked = seen[-1]["body"][TOOL_CONFIGURATION]["messages"]
    assert [message.get("placements") for message in asked] == [None, ["ContentArea"]]
    assert (kept(site).issuer, kept(site).adopting_id, kept(site).deployments) == (issuer, None, [])


def test_a_platform_that_names_no_placements_is_asked_for_none(site):
    about = {"messages_supported": [{"type": "LtiDeepLinkingRequest"}], "variables": []}
    with platform({PLATFORM_CONFIGURATION: about}) as (url, seen):
        assert open_address(invited(site), url).status_code == 200
    asked = seen[-1]["body"][TOOL_CONFIGURATION]
    assert not any("placements" in message for message in asked["messages"])
    assert asked["custom_parameters"] == {}
