"""Messages that are signed well and are not what they should be: refused with a page, or opened without harm."""

import json

import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import select

from lti_mentor.mentoring.people import Person
from lti_mentor.practice.tokens import CLAIM
from tests.lti.test_launch import refused, send
from tests.lti.test_threats import nothing_is_written, send_bytes
from tests.support.visitor import Visitor


@pytest.mark.threat("strange_data")
@pytest.mark.parametrize(
    "payload",
    [
        b"[1]",
        b'"x"',
        b"null",
        b"\xff\xfe",
        b"",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"iat": %s}' % (b"9" * 5000),
    ],
    ids=["list", "text", "null", "no UTF-8", "empty", "deep", "endless number"],
)
def test_a_payload_that_is_no_message_is_refused(site, payload):
    refused(send_bytes(site, payload), "launch.bad_token")
    nothing_is_written(site)


def test_deep_json_in_the_header_is_refused(site):
    header = b'{"alg":"RS256","kid":"x","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    refused(send_bytes(site, b"{}", header), "launch.bad_token")


STRANGE = [
    ({f"{CLAIM}message_type": ["LtiResourceLinkRequest"]}, "launch.missing_claim"),
    ({f"{CLAIM}message_type": {"a": 1}}, "launch.missing_claim"),
    ({"exp": 10**400}, "launch.missing_claim"),
    ({"iat": 10**400}, "launch.missing_claim"),
    ({"nbf": 10**400}, "launch.not_yet"),
    ({"nbf": float("inf")}, "launch.not_yet"),
    ({"exp": True}, "launch.missing_claim"),
    ({"exp": "2049-01-01"}, "launch.missing_claim"),
    ({"sub": {"a": 1}}, "launch.bad_id"),
    ({"sub": ["learner"]}, "launch.bad_id"),
    ({"sub": True}, "launch.bad_id"),
    ({"sub": "a\0b"}, "launch.bad_id"),
    ({"sub": "x" * 256}, "launch.bad_id"),
    ({f"{CLAIM}context": {"id": {"a": 1}}}, "launch.bad_id"),
    ({f"{CLAIM}resource_link": {"id": [1]}}, "launch.bad_id"),
    ({f"{CLAIM}roles": "Instructor"}, "launch.missing_claim"),
    ({f"{CLAIM}deployment_id": 1}, "launch.missing_claim"),
    ({f"{CLAIM}version": ["1.3.0"]}, "launch.message"),
    ({"aud": [{"a": 1}]}, "launch.audience"),
    ({"aud": None}, "launch.audience"),
    ({"azp": ["tests"]}, "launch.authorized_party"),
    ({f"{CLAIM}target_link_uri": ["x"]}, "launch.foreign_target"),
]


@pytest.mark.parametrize(("changes", "reason"), STRANGE, ids=[f"{n}-{reason}" for n, (_, reason) in enumerate(STRANGE)])
def test_a_claim_of_another_kind_than_the_specification_says_is_refused(site, changes, reason):
    refused(send(site, changes), reason)
    nothing_is_written(site)


UNUSUAL = [
    {"sub": 5, f"{CLAIM}context": {"id": 7, "title": None, "label": ["x"]}},
    {"sub": "x" * 255, f"{CLAIM}context": {"id": "c" * 255}, f"{CLAIM}resource_link": {"id": "l" * 255}},
    {"name": {"a": 1}, "given_name": 7, "email": [], "locale": "x" * 9000, "zoneinfo": "../../etc/passwd"},
    {"name": "\ud800", f"{CLAIM}context": {"id": "9", "title": "\ud800", "label": "\0"}},
    {f"{CLAIM}roles": [None, 7, {}, "x" * 9000], f"{CLAIM}custom": ["x"], f"{CLAIM}context": ["x"]},
    {f"{CLAIM}custom": {"mentor_link": {"a": 1}, "time_zone": "Europe\0"}, f"{CLAIM}launch_presentation": "x"},
    {
        "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice": {"context_memberships_url": "http://["},
        "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint": {
            "lineitems": "javascript:x",
            "scope": [{}, "\ud800"],
        },
    },
    {"a claim of one megabyte": "x" * 1_000_000},
    {"a deep claim": json.loads("[" * 400 + "]" * 400)},
]


@pytest.mark.parametrize("changes", UNUSUAL, ids=range(len(UNUSUAL)))
def test_what_is_strange_and_does_no_harm_opens(both_site, changes):
    visitor = Visitor()
    answer = send(both_site, changes, visitor=visitor)
    assert answer.status_code == 303, answer.text
    assert visitor.get(both_site.url + answer.headers["Location"]).status_code == 200


@pytest.mark.threat("strange_data")
def test_long_right_to_left_and_emoji_names_are_cleaned_and_kept(both_site):
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    for sent, kept in (
        ("N" * 3000, "N" * 500),
        ("  Jean\u00a0Paul\n Sartre\t", "Jean Paul Sartre"),
        ("\u202eevil\u202c \u0645\u0631\u06cc\u0645", "evil \u0645\u0631\u06cc\u0645"),
        (f"{family} Kim", f"{family} Kim"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("A\0da\x1b[31m", "Ada[31m"),
    ):
        assert send(both_site, {"name": sent}).status_code == 303
        with both_site.database.reading() as db:
            assert db.scalars(select(Person.name)).one() == kept


SERVICES = ("lti-nrps/claim/namesroleservice", "lti-ags/claim/endpoint", "lti-dl/claim/deep_linking_settings")
CLAIMS = (
    *("iss", "aud", "azp", "sub", "exp", "iat", "nbf", "nonce", "name", "given_name", "email", "locale", "zoneinfo"),
    *(f"https://purl.imsglobal.org/spec/{name}" for name in SERVICES),
    *(
        f"{CLAIM}{name}"
        for name in ("version", "message_type", "deployment_id", "target_link_uri", "context", "resource_link", "roles")
    ),
    *(f"{CLAIM}{name}" for name in ("custom", "launch_presentation", "tool_platform", "for_user", "role_scope_mentor")),
)
KNOWN = ("1", "1.3.0", "Instructor", "learner", "LtiResourceLinkRequest", "LtiDeepLinkingRequest", 10**400, -1, 0)
NAMES = ("id", "title", "locale", "scope", "lineitems", "mentor_link", "time_zone", "deep_link_return_url", "data")
ANYTHING = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text() | some.sampled_from(KNOWN),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)


class Unchecked:
    """Signs whatever it is given; the library has an opinion on some claims."""

    def __init__(self, site):
        self.key = site.lms.lms.keys[0]

    def sign(self, body):
        payload = json.dumps(body).encode()
        return jwt.PyJWS().encode(payload, self.key.private, algorithm="RS256", headers={"kid": self.key.kid})


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=some.dictionaries(some.sampled_from(CLAIMS), ANYTHING, min_size=1, max_size=3))
def test_any_claim_may_be_anything_and_the_launch_opens_or_is_refused_with_a_page(site, changes):
    answer = send(site, changes, key=Unchecked(site))
    assert answer.status_code == 303 or "Code for support: launch." in answer.text, answer.text
