"""Switches of single platforms: set on the command line, and what a launch makes of them."""

import json
import time

import jwt
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import func, select

from lti_mentor.cli import main
from lti_mentor.lti import quirks
from lti_mentor.lti.platforms import Platform
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.courses import Member
from lti_mentor.practice.tokens import CLAIM, SigningKey
from tests.conftest import SECRET, url_of
from tests.lti.test_launch import refused, send
from tests.support.visitor import Visitor

FACULTY = "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Faculty"
LEARNER = "http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"
ASSISTANT = "http://purl.imsglobal.org/vocab/lis/v2/membership/Instructor#TeachingAssistant"


def platform(site) -> Platform:
    with site.database.reading() as db:
        return db.scalars(select(Platform)).one()


def command(site, name, *options, **settings):
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    surroundings |= {f"LTI_MENTOR_{setting.upper()}": value for setting, value in settings.items()}
    return CliRunner().invoke(main, ["platform", name, str(platform(site).id), *options], env=surroundings)


def change(site, *options) -> str:
    done = command(site, "set", *options)
    assert done.exit_code == 0, done.output
    return done.output


def pem(key: SigningKey, kind: str = "public") -> str:
    public = key.private.public_key()
    if kind == "public":
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    return key.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def test_what_is_set_is_shown_and_on_record_without_what_it_is(both_site):
    changed = change(
        both_site,
        *("--leeway", "120", "--foreign-azp", "--token-audience", "https://api.example.org/token"),
        *("--trust-audience", "a-second", "--role", f"{FACULTY}=teacher"),
        *("--frame-ancestor", "https://portal.example.org"),
    )
    assert "leeway_seconds" in changed
    shown = command(both_site, "show").output
    for text in (
        "120 seconds", "allowed", "https://api.example.org/token", "a-second", f"{FACULTY} is a teacher",
        "https://portal.example.org", f"{both_site.lms.url}/jwks",
    ):  # fmt: skip
        assert text in shown
    with both_site.database.reading() as db:
        entries = db.scalars(select(AuditEntry).where(AuditEntry.action == "changed")).all()
    assert len({entry.organization_id for entry in entries}) == 2  # both organizations launch from it
    assert all("role_map" in entry.place and "teacher" not in entry.place for entry in entries)


def test_lists_grow_and_are_cleared(site):
    change(site, "--trust-audience", "one", "--role", f"{FACULTY}=teacher", "--leeway", "5")
    change(site, "--trust-audience", "two", "--role", f"{ASSISTANT}=teacher")
    assert platform(site).trusted_audiences == ["one", "two"]
    assert set(platform(site).role_map) == {FACULTY, ASSISTANT}
    change(site, "--clear", "trusted-audiences", "--trust-audience", "three", "--clear", "leeway")
    assert (platform(site).trusted_audiences, platform(site).leeway_seconds) == (["three"], None)
    assert "Nothing is different" in change(site, "--trust-audience", "three")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--leeway", "301"), "between 0 and 300 seconds"),
        (("--leeway=-1",), "between 0 and 300 seconds"),
        (("--role", f"{FACULTY}=owner"), "URI=teacher or URI=learner"),
        (("--role", "=teacher"), "URI=teacher or URI=learner"),
        (("--trust-audience", "a\nb"), "without line breaks"),
        (("--frame-ancestor", "https://portal.example.org/path"), "without a path"),
        (("--jwks-uri", "ftp://x"), "has to be a web address"),
    ],
)
def test_what_cannot_be_is_refused_in_words_and_changes_nothing(site, options, sentence):
    done = command(site, "set", "--token-audience", "https://x.example.org", *options)
    assert done.exit_code == 1
    assert sentence in done.output
    assert platform(site).token_audience is None


def test_a_further_audience_is_let_in_only_when_it_is_trusted(site):
    several = {"aud": ["other", "tests"], "azp": "tests"}
    refused(send(site, several), "launch.foreign_audience")
    change(site, "--trust-audience", "other")
    assert send(site, several).status_code == 303
    refused(send(site, {"aud": ["other", "tests"]}), "launch.audience")
    refused(send(site, {"aud": ["other", "tests", "third"], "azp": "tests"}), "launch.foreign_audience")
    refused(send(site, {"aud": ["other"], "azp": "tests"}), "launch.audience")


@pytest.mark.quirk("foreign_azp")
def test_another_authorized_party_is_let_in_only_when_that_is_switched_on(site):
    refused(send(site, {"azp": "another"}), "launch.authorized_party")
    change(site, "--foreign-azp")
    assert send(site, {"azp": "another"}).status_code == 303
    change(site, "--no-foreign-azp")
    refused(send(site, {"azp": "another"}), "launch.authorized_party")


def test_the_leeway_of_a_platform_wins_over_the_setting(site):
    late = {"exp": lambda: int(time.time()) - 100}
    refused(send(site, late), "launch.expired")
    change(site, "--leeway", "200")
    assert send(site, late).status_code == 303
    change(site, "--leeway", "0")
    refused(send(site, {"exp": lambda: int(time.time()) - 20}), "launch.expired")


@pytest.mark.quirk("no_course_roles")
def test_roles_of_the_institution_teach_only_where_they_are_mapped(site):
    faculty = {f"{CLAIM}roles": [FACULTY]}
    assert send(site, faculty).status_code == 303
    assert not _teaches(site)
    change(site, "--role", f"{FACULTY}=teacher")
    assert send(site, faculty).status_code == 303
    assert _teaches(site)


def _teaches(site) -> bool:
    with site.database.reading() as db:
        return bool(db.scalar(select(func.count()).select_from(Member).where(Member.teaches.is_(True))))


def test_a_role_in_the_course_wins_over_those_of_the_institution():
    mapped = {FACULTY: "teacher", ASSISTANT: "teacher", "Instructor": "learner"}
    assert quirks.teaches([FACULTY], mapped)
    assert quirks.teaches([ASSISTANT, LEARNER], mapped)
    assert not quirks.teaches([FACULTY, LEARNER], mapped)
    assert not quirks.teaches(["Instructor"], mapped)
    assert not quirks.teaches([f"{FACULTY}x"], mapped)


@pytest.mark.quirk("pasted_keys")
def test_a_platform_without_published_keys_launches_with_a_pasted_pem(both_site, tmp_path):
    key, file = both_site.lms.lms.keys[0], tmp_path / "key.pem"
    file.write_text(pem(key))
    assert "jwks_uri" in change(both_site, "--key-file", str(file))
    assert send(both_site).status_code == 303
    assert send(both_site, header={"kid": ""}).status_code == 303  # there is one key only: it needs no name
    refused(send(both_site, key=SigningKey()), "launch.bad_signature")
    assert both_site.lms.lms.key_requests == 0
    assert "pasted: without id" in command(both_site, "show").output
    change(both_site, "--jwks-uri", f"{both_site.lms.url}/jwks")
    refused(send(both_site, header={"kid": ""}), "launch.no_key_id")
    assert platform(both_site).pasted_keys is None


def test_of_several_pasted_keys_the_one_with_the_right_id_counts(site, tmp_path):
    mine, other = site.lms.lms.keys[0], SigningKey()
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [other.jwk(), mine.jwk()]}))
    change(site, "--key-file", str(file))
    assert send(site).status_code == 303
    refused(send(site, header={"kid": ""}), "launch.no_key_id")
    refused(send(site, header={"kid": "unknown"}), "launch.unknown_key")
    refused(send(site, header={"kid": other.jwk()["kid"]}), "launch.bad_signature")


@pytest.mark.quirk("pasted_keys")
def test_a_single_jwk_can_be_pasted(site, tmp_path):
    file = tmp_path / "key.json"
    file.write_text(json.dumps(site.lms.lms.keys[0].jwk()))
    change(site, "--key-file", str(file))
    assert Visitor().launch(site.lms.url, "learner", "1").status_code == 200
    refused(send(site, header={"kid": "another"}), "launch.unknown_key")


def private_jwk() -> str:
    return json.dumps(jwt.algorithms.RSAAlgorithm.to_jwk(SigningKey().private, as_dict=True))


def _public(key) -> str:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (lambda: pem(SigningKey(), "private"), "This is a private key"),
        (private_jwk, "This is a private key"),
        (lambda: "nothing", "There is no RS256 public key"),
        (lambda: "[]", "There is no RS256 public key"),
        (lambda: '{"keys": [{"kty": "RSA", "n": "!", "e": "AQAB"}]}', "There is no RS256 public key"),
        (lambda: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "There is no RS256 public key"),
        (lambda: _public(rsa.generate_private_key(65537, 1024).public_key()), "at least 2048 bits"),
        (lambda: _public(ec.generate_private_key(ec.SECP256R1()).public_key()), "has to be an RSA key"),
        (lambda: json.dumps({"keys": [SigningKey().jwk() | {"kid": "a"}] * 2}), "each needs an id"),
    ],
    ids=range(9),
)
def test_a_file_that_is_no_public_key_is_refused_in_words(site, tmp_path, text, sentence):
    file = tmp_path / "key"
    file.write_text(text())
    done = command(site, "set", "--key-file", str(file))
    assert done.exit_code == 1
    assert sentence in done.output
    assert platform(site).pasted_keys is None


CLEAR = "begins with http and the issuer with https"


def test_keys_of_a_platform_of_https_are_not_taken_from_a_plain_address(site):
    with site.database.transaction() as db:
        db.get(Platform, platform(site).id).issuer = "HTTPS://lms.example.org"
    done = command(site, "set", "--leeway", "7", "--jwks-uri", "http://lms.example.org/jwks")
    assert (done.exit_code, CLEAR in done.output) == (1, True), done.output
    assert (platform(site).leeway_seconds, platform(site).jwks_uri) == (None, f"{site.lms.url}/jwks")
    change(site, "--leeway", "7", "--jwks-uri", "HTTPS://lms.example.org/jwks")


@pytest.mark.parametrize(
    ("settings", "url", "is_taken"),
    [
        ({"allowed_networks": "10.20.0.0/16"}, "http://10.20.0.9/jwks", True),
        ({"allowed_networks": "10.20.0.0/16"}, "http://keys.intranet/jwks", True),
        ({"allowed_networks": "10.20.0.0/16"}, "http://10.21.0.9/jwks", False),
        ({"allowed_networks": "fd00::/8"}, "http://[fd00::9]/jwks", True),
        ({}, "http://10.20.0.9/jwks", False),
        ({}, "http://keys.intranet/jwks", False),
        ({}, "http://localhost:8000/jwks", False),
        ({"allow_private_addresses": "true"}, "http://localhost:8000/jwks", True),
        ({"allow_private_addresses": "true"}, "http://keys.intranet/jwks", False),
    ],
)
def test_keys_of_a_platform_of_https_may_come_from_a_network_of_ours(site, settings, url, is_taken):
    with site.database.transaction() as db:
        db.get(Platform, platform(site).id).issuer = "https://lms.example.org"
    done = command(site, "set", "--jwks-uri", url, **settings)
    assert (done.exit_code == 0, CLEAR in done.output) == (is_taken, not is_taken), done.output
    assert (platform(site).jwks_uri == url) == is_taken


def test_a_platform_of_https_is_not_added_with_keys_at_a_plain_address(site):
    ends = [word for each in ("authorization", "token") for word in (f"--{each}-endpoint", "https://lms.example.org/")]
    known_as = ["--issuer", "https://lms.example.org", "--client-id", "c", "--deployment-id", "1"]
    given = ["platform", "add", *known_as, *ends, "--jwks-uri"]
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    plain = CliRunner().invoke(main, [*given, "http://lms.example.org/jwks"], env=surroundings)
    assert (plain.exit_code, CLEAR in plain.output) == (1, True), plain.output
    assert CliRunner().invoke(main, [*given, "https://lms.example.org/jwks"], env=surroundings).exit_code == 0


def test_a_platform_is_added_with_a_pasted_key(site, tmp_path):
    file = tmp_path / "key.pem"
    file.write_text(pem(SigningKey()))
    given = [
        *("platform", "add", "--issuer", "https://lms.example.org", "--client-id", "c", "--deployment-id", "1"),
        *("--authorization-endpoint", "https://lms.example.org/a", "--token-endpoint", "https://lms.example.org/t"),
    ]
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    without = CliRunner().invoke(main, given, env=surroundings)
    assert "one of both" in without.output
    assert CliRunner().invoke(main, [*given, "--key-file", str(file)], env=surroundings).exit_code == 0
