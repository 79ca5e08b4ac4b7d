"""Two platforms of one issuer at different places never serve one organization: they would share its people."""

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import jwt
import pytest
import requests
from click.testing import CliRunner
from flask import jsonify
from sqlalchemy import delete, select, update

from lti_mentor.cli import main
from lti_mentor.lti import platforms
from lti_mentor.lti.platforms import Deployment, Platform, Registration
from lti_mentor.lti.registration import TOOL_CONFIGURATION, Invitation
from lti_mentor.mentoring import organizations
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.practice.tokens import SigningKey
from lti_mentor.web import platform_changes
from tests.conftest import SECRET, url_of
from tests.lti.test_launch import send
from tests.lti.test_registration import invited, open_address, platform, refused_registration
from tests.support.recording import recording
from tests.support.visitor import Visitor
from tests.web.test_admin import Administrator

SAYS = "another platform of the same issuer"


def run(site, *command):
    surroundings = {
        "LTI_MENTOR_DATABASE_URL": url_of(site.database),
        "LTI_MENTOR_SECRET_KEY": SECRET,
        "LTI_MENTOR_ALLOW_PRIVATE_ADDRESSES": "true",
    }
    return CliRunner().invoke(main, [*map(str, command)], env=surroundings)


def add(site, organization="Home", **given):
    """A second client of the practice LMS, where nothing else is said."""
    issuer = given.pop("issuer", site.lms.world.issuer)
    usual = {"authorization": f"{issuer}/authorize", "token": f"{issuer}/token", "jwks": f"{issuer}/jwks"}
    urls = usual | {"client": "another", "deployment": "1"} | given
    return run(
        site,
        *("platform", "add", "--issuer", issuer, "--organization", organization),
        *("--client-id", urls["client"], "--deployment-id", urls["deployment"], "--jwks-uri", urls["jwks"]),
        *("--authorization-endpoint", urls["authorization"], "--token-endpoint", urls["token"]),
    )


def refused(done) -> None:
    assert done.exit_code == 1, done.output
    assert SAYS in done.output


def known(site, client="another") -> Platform | None:
    with site.database.reading() as db:
        return db.scalars(select(Platform).where(Platform.client_id == client)).one_or_none()


@pytest.mark.parametrize("name", ["jwks", "token"])
def test_a_second_client_with_keys_or_tokens_at_another_host_is_refused_in_the_same_organization(both_site, name):
    elsewhere = {name: "https://canvas.elsewhere.example.org/x"}
    refused(add(both_site, **elsewhere))
    assert known(both_site) is None
    assert add(both_site, "Third", **elsewhere).exit_code == 0
    assert known(both_site) is not None


def test_two_clients_of_the_very_same_platform_share_its_people(site):
    assert add(site, token=f"{site.lms.url}/other/token").exit_code == 0
    assert known(site) is not None


def send_as(site, client, key) -> requests.Response:
    """A launch of the learner from another client of the issuer, signed with a key of its own."""
    site.lms.lms.tools[client] = replace(next(iter(site.lms.lms.tools.values())), client_id=client)
    visitor = Visitor()
    visitor.get(f"{site.lms.url}/as/learner/courses/1")
    visitor.get(f"{site.lms.url}/as/learner/courses/1/open?client={client}")
    url, fields = visitor.form("/lti/login")
    visitor.request("GET", visitor.request("POST", url, data=fields).headers["Location"])
    url, fields = visitor.form("/lti/launch")
    fields["id_token"] = key.sign(jwt.decode(fields["id_token"], options={"verify_signature": False}))
    return visitor.request("POST", url, data=fields)


def test_who_has_the_issuer_of_the_first_and_other_keys_signs_in_nobody_of_it(site):
    key = SigningKey()
    with recording(lambda _: jsonify(keys=[key.jwk()])) as (base, _):
        refused(add(site, jwks=f"{base}/jwks"))
        assert send(site).status_code == 303
        assert add(site, "Third", jwks=f"{base}/jwks").exit_code == 0
        assert send_as(site, "another", key).status_code == 303
    with site.database.reading() as db:
        found = db.execute(select(Account.subject, Person.organization_id).join(Person)).all()
    assert [subject for subject, _ in found] == ["learner", "learner"]
    assert len({organization for _, organization in found}) == 2, "of two people, not of one"


def test_a_registration_of_another_place_is_refused_and_its_invitation_stays_good(site):
    changes, answer = {}, {"client_id": "c1"}
    with platform(changes, answer) as (url, _):
        assert open_address(invited(site), url).status_code == 200
        changes["jwks_uri"], answer["client_id"] = "https://elsewhere.example.org/jwks", "c2"
        address = invited(site)
        refused_registration(open_address(address, url), "platform.elsewhere")
        assert known(site, "c2") is None
        with site.database.reading() as db:
            assert sorted(db.scalars(select(Invitation.uses_left))) == [0, 1]
        refused_registration(open_address(invited(site, needs_approval=True), url), "platform.elsewhere")
        del changes["jwks_uri"]
        assert open_address(address, url).status_code == 200
        assert known(site, "c2") is not None
        changes["token_endpoint"] = "https://elsewhere.example.org/token"
        refused_registration(open_address(invited(site), url), "platform.elsewhere")
        answer |= {"client_id": "c3", TOOL_CONFIGURATION: {"deployment_id": "7"}}
        assert open_address(invited(site, "Elsewhere"), url).status_code == 200


def test_a_platform_comes_to_no_organization_that_has_another_of_its_issuer(site):
    assert add(site, "Third", jwks="https://elsewhere.example.org/jwks", deployment="9").exit_code == 0
    other = known(site)
    refused(add(site, "Home", jwks="https://elsewhere.example.org/jwks", deployment="10"))
    with site.database.transaction() as db:
        waiting = Deployment(platform_id=other.id, deployment_id="10", status="pending")
        db.add(waiting)
        db.flush()
        waiting_id = waiting.id
    refused(run(site, "deployment", "approve", waiting_id, "--organization", "Home"))
    refused(add(site, "Home", jwks="https://elsewhere.example.org/jwks", deployment="10"))
    with site.database.transaction() as db:
        db.execute(delete(Deployment).where(Deployment.platform_id == other.id))
    refused(run(site, "platform", "set", other.id, "--adopt-into", "Home"))
    assert run(site, "platform", "set", other.id, "--adopt-into", "Third").exit_code == 0
    assert known(site).organization_ids.isdisjoint(known(site, "tests").organization_ids)


def test_keys_and_tokens_of_one_of_two_clients_are_not_moved_away_while_both_launch(site):
    add(site)
    moved = {"token": "https://moved.example.org/token", "jwks": "https://moved.example.org/jwks"}
    refused(run(site, "platform", "set", known(site).id, "--jwks-uri", moved["jwks"]))
    refused(add(site, **moved))
    assert run(site, "platform", "disable", known(site).id).exit_code == 0
    assert add(site, client="tests", **moved).exit_code == 0, "the LMS itself moved"
    refused(run(site, "platform", "approve", known(site).id))
    assert add(site, **moved).exit_code == 0
    assert run(site, "platform", "approve", known(site).id).exit_code == 0


def test_the_page_refuses_it_as_well(site):
    with site.database.transaction() as db:
        db.execute(update(Deployment).where(Deployment.deployment_id == "2").values(deployment_id="of nobody"))
    add(site)
    mine = Administrator(site)
    mine.open(f"platforms/{known(site).id}/switches")
    page = mine.submit("/switches", {"source_of_keys": "address", "jwks_uri": "https://moved.example.org/jwks"})
    assert page.status_code == 409
    assert SAYS in page.text
    assert known(site).jwks_uri == f"{site.lms.url}/jwks"


def coming(site, way):
    """A platform at another place that may come to the organization by this way, and how it does."""
    there = {"token": "https://elsewhere.example.org/token", "deployment": "9"}
    if way == "add":
        return lambda: add(site, **there)
    assert add(site, "Home" if way in ("approve", "page") else "Third", **there).exit_code == 0
    other = known(site)
    with site.database.transaction() as db:
        if way in ("approve", "page"):
            db.get(Platform, other.id).status = "disabled"
        elif way == "set":
            db.execute(delete(Deployment).where(Deployment.platform_id == other.id))
        waiting = Deployment(platform_id=other.id, deployment_id="10", status="pending")
        if way == "deployment":
            db.add(waiting)
            db.flush()
            waiting_id = waiting.id
    if way == "page":
        mine = Administrator(site)
        mine.open(f"platforms/{other.id}")
        return lambda: mine.submit("/approved")
    return {
        "approve": lambda: run(site, "platform", "approve", other.id),
        "deployment": lambda: run(site, "deployment", "approve", waiting_id, "--organization", "Home"),
        "set": lambda: run(site, "platform", "set", other.id, "--adopt-into", "Home"),
    }[way]


@pytest.mark.parametrize("way", ["add", "approve", "deployment", "set", "page"])
def test_of_two_that_come_at_the_same_moment_the_second_is_refused(both_site, way):
    with both_site.database.transaction() as db:
        db.execute(delete(Platform))
    come = coming(both_site, way)
    issuer = both_site.lms.world.issuer
    here = Registration(
        issuer=issuer,
        client_id="first",
        authorization_endpoint=f"{issuer}/authorize",
        token_endpoint=f"{issuer}/token",
        jwks_uri=f"{issuer}/jwks",
        deployment_ids=("1",),
    )
    with ThreadPoolExecutor(1) as threads:
        with both_site.database.transaction() as db:
            home = organizations.named(db, "Home").id
            platform_changes.add(db, here, home, both_site.settings)
            second = threads.submit(come)
            wait([second], timeout=0.5)  # it begins; how far it comes until now does not matter
        answer = second.result(60)
    assert SAYS in (answer.text if way == "page" else answer.output)
    with both_site.database.reading() as db:
        mine = [each for each in platforms.of_organization(db, home) if each.status == "active"]
        assert [each.client_id for each in mine] == ["first"]


def test_two_that_are_connected_already_go_on_and_it_is_said(site):
    add(site)
    with site.database.transaction() as db:
        db.execute(
            update(Platform).where(Platform.client_id == "another").values(token_endpoint="https://moved.example.org/t")
        )
    assert send(site).status_code == 303
    changed = run(site, "platform", "set", known(site).id, "--leeway", "9")
    assert changed.exit_code == 0, changed.output
    assert add(site, token="https://moved.example.org/t", deployment="11").exit_code == 0
    for client in ("tests", "another"):
        assert SAYS in run(site, "platform", "test", known(site, client).id).output
        mine = Administrator(site)
        assert SAYS in mine.open(f"platforms/{known(site, client).id}").text
    run(site, "platform", "disable", known(site).id)
    assert SAYS not in run(site, "platform", "test", known(site, "tests").id).output


def test_the_hosts_of_the_canvas_cloud_are_one_place_and_a_self_hosted_canvas_is_another(site):
    canvas = "https://canvas.instructure.com"
    cloud = {
        "jwks": "https://sso.canvaslms.com/api/lti/security/jwks",
        "token": "https://sso.canvaslms.com/login/token",
    }
    assert add(site, issuer=canvas, client="1").exit_code == 0
    assert add(site, issuer=canvas, client="2", **cloud).exit_code == 0
    hosted = {name: url.replace("sso.canvaslms.com", "canvas.school.example.org") for name, url in cloud.items()}
    refused(add(site, issuer=canvas, client="3", **hosted))
    assert add(site, "School", issuer=canvas, client="3", **hosted).exit_code == 0
    lookalike = {name: url.replace("sso.canvaslms.com", "evilcanvaslms.com") for name, url in cloud.items()}
    refused(add(site, issuer=canvas, client="4", **lookalike))


def test_pasted_keys_come_from_no_place(site, tmp_path):
    file = tmp_path / "key.jwk"
    jwk = SigningKey().jwk()
    file.write_text(f'{{"kty": "RSA", "n": "{jwk["n"]}", "e": "{jwk["e"]}", "kid": "k"}}')
    add(site)
    assert run(site, "platform", "set", known(site).id, "--key-file", file).exit_code == 0
    refused(add(site, token="https://moved.example.org/token"))
    with site.database.reading() as db:
        home = next(iter(known(site).organization_ids))
        assert platforms.others_elsewhere(db, known(site), home) == []
