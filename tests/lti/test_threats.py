"""What an attacker, or a platform that has gone wrong, may try with a launch: each is refused with a page."""

import base64
import html
import json
import re
import threading
from dataclasses import replace

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import rosters
from lti_mentor.lti import platforms
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.deep_linking import Picker, PlacedLink
from lti_mentor.lti.platforms import Platform
from lti_mentor.lti.tokens import AccessToken
from lti_mentor.mentoring import organizations
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.goals import Goal
from lti_mentor.mentoring.people import Account, Grant, Person
from lti_mentor.mentoring.programs import Participant
from lti_mentor.practice.server import running
from lti_mentor.practice.tokens import CLAIM, SigningKey
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web.request_log import JsonLines
from lti_mentor.web.visit import COOKIE, VisitRow
from tests.conftest import _site, small_world
from tests.lti import test_deep_linking as deep_linking
from tests.lti.test_deep_linking import with_program
from tests.lti.test_launch import count, refused, send
from tests.support.marked import marked
from tests.support.visitor import Visitor
from xapi.rows import StoredStatement

# The name of each attack, and what keeps it out. Tests that show it carry the name as a mark.
THREATS = {
    "login_csrf": "the state belongs to the browser that began, and is used once",
    "nonce_replay": "the nonce belongs to the state; one launch alone uses both up, also of many at one moment",
    "mix_up": "the login says which platform may answer it",
    "algorithms": "RS256 alone, with a key of the registered set; no key and no address of a token is believed",
    "request_forgery": "no private address, no redirection, no page of another origin is asked",
    "flooding": "deadlines, limits and cool-downs: whoever is slow, large or often hurts themselves alone",
    "open_redirect": "a launch ends at an address of ours; the way back is believed once it is verified",
    "forged_answers": "a picker belongs to its visit and is answered once; return address and data stay here",
    "role_escalation": "roles of the course by exact name, and never from custom parameters",
    "other_tenants": "every row and every question has an organization",
    "stored_script": "what others wrote is shown as text, and no page runs a script that stands in it",
    "formulas": "no cell of an export begins as a formula does",
    "clickjacking": "a page says who may frame it",
    "session_fixation": "each launch has a visit of its own with a new secret",
    "strange_data": "NUL, long names, long ids and deep JSON are cut, cleaned or refused",
    "mass_assignment": "a form sets the fields that are in it",
    "record_store_credentials": "sealed, on no page and in no log",
    "erasure": "what is known of a person goes when they ask, and what has to stay names nobody",
    "secrets_in_the_log": "one line for each refusal, with a reason and without tokens, states, cookies or names",
}

LIS = "http://purl.imsglobal.org/vocab/lis/v2"
WRITTEN = (Person, Account, Course, Member, VisitRow, StoredStatement, ContextServices)


def test_every_threat_has_a_test_named_after_it_and_no_test_names_another():
    assert set(marked("threat")) == set(THREATS)


@pytest.fixture
def guarded(sqlite_database, loaded_settings):
    """A tool as in production: nothing private is asked."""
    yield from _site(sqlite_database, replace(loaded_settings, allow_private_addresses=False))


def nothing_is_written(site) -> None:
    assert [count(site, row) for row in WRITTEN] == [0] * len(WRITTEN)


def tool_of(site) -> Tool:
    return Tool(site.settings, site.database, Vault(site.settings.secret_key))


def change(site, row, **values) -> None:
    with site.database.transaction() as db:
        for name, value in values.items():
            setattr(db.scalars(select(row)).first(), name, value)


# login CSRF


@pytest.mark.threat("login_csrf")
def test_login_csrf_a_cookie_that_was_planted_does_not_fit_the_launch(site):
    attacker, victim = Visitor(), Visitor()
    url, fields = attacker.begin(site.lms.url, "learner", "1")
    (name,) = [key for key in attacker.cookies if key[2].startswith("mentor_login_")]
    victim.cookies[name] = "planted"
    refused(victim.request("POST", url, data=fields), "launch.other_browser")
    nothing_is_written(site)


@pytest.mark.threat("login_csrf")
def test_state_fixation_a_state_that_was_brought_along_is_not_used(site):
    login = {"iss": site.lms.url, "login_hint": "x", "target_link_uri": f"{site.url}/lti/launch"}
    fixed = login | {"state": "fixed", "nonce": "fixed", "redirect_uri": "https://evil.example.org"}
    answer = requests.post(f"{site.url}/lti/login", data=fixed, allow_redirects=False, timeout=5)
    assert "fixed" not in answer.headers["Location"]
    assert "evil" not in answer.headers["Location"]


# mix-up of platforms


@pytest.fixture
def second(site):
    """Another registered platform that calls us by the same client id, with the same people."""
    with running(lambda issuer: small_world(issuer, site.url)) as lms:
        with site.database.transaction() as db:
            registration = platforms.Registration(
                issuer=lms.url,
                client_id=site.lms.world.client_id,
                authorization_endpoint=f"{lms.url}/authorize",
                token_endpoint=f"{lms.url}/token",
                jwks_uri=f"{lms.url}/jwks",
                deployment_ids=("1",),
            )
            platforms.add(db, registration, organization_id=organizations.named(db, "Second").id)
        yield lms


@pytest.mark.threat("mix_up")
def test_mix_up_a_login_at_one_platform_takes_no_message_of_another(site, second):
    theirs = second.lms.keys[0]
    refused(send(site, {"iss": second.url}, key=theirs), "launch.unknown_key")
    theirs.kid = site.lms.lms.keys[0].kid
    refused(send(site, {"iss": second.url}, key=theirs), "launch.bad_signature")
    refused(send(site, {"iss": site.lms.url}, key=theirs), "launch.bad_signature")
    refused(send(site, {"iss": second.url}), "launch.issuer")
    nothing_is_written(site)
    assert Visitor().launch(second.url, "learner", "1").status_code == 200


@pytest.mark.threat("mix_up")
def test_mix_up_two_clients_of_one_issuer_share_keys_and_nothing_else(site):
    refused(send(site, {"aud": "the client of another institution"}), "launch.audience")
    nothing_is_written(site)


# algorithms, headers and key ids


def public_pem(site) -> bytes:
    public = site.lms.lms.keys[0].private.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


class Symmetric:
    """Signs with the public key as if it were a shared secret (RFC 8725, 2.1); the library will not, so by hand."""

    def __init__(self, site):
        self.secret, self.kid = public_pem(site), site.lms.lms.keys[0].kid

    def sign(self, body):
        hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
        start = b".".join(map(encoded, ({"alg": "HS256", "kid": self.kid}, body)))
        return (start + b"." + base64.urlsafe_b64encode(hmac.sign(start, self.secret)).rstrip(b"=")).decode()


def encoded(part) -> bytes:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def send_bytes(site, payload: bytes, header=None) -> requests.Response:
    """A launch of exactly these bytes, signed with the platform's key."""
    visitor, key = Visitor(), site.lms.lms.keys[0]
    url, fields = visitor.begin(site.lms.url, "learner", "1")
    start = encoded(header or {"alg": "RS256", "kid": key.kid}) + b"." + encoded(payload)
    signature = key.private.sign(start, padding.PKCS1v15(), hashes.SHA256())
    fields["id_token"] = (start + b"." + encoded(signature)).decode()
    return visitor.request("POST", url, data=fields)


@pytest.mark.threat("algorithms")
def test_algorithm_confusion_the_public_key_is_no_shared_secret(site):
    refused(send(site, key=Symmetric(site)), "launch.algorithm")


@pytest.mark.threat("algorithms")
@pytest.mark.parametrize("algorithm", ["none", "None", "RS512", "PS256", "rs256", "", None, ["RS256"]])
def test_only_one_algorithm_is_accepted_however_it_is_written(site, algorithm):
    refused(send_bytes(site, b"{}", {"alg": algorithm, "kid": site.lms.lms.keys[0].kid}), "launch.algorithm")


@pytest.mark.threat("algorithms")
def test_keys_that_a_token_brings_along_are_not_believed_and_no_address_in_it_is_asked(site):
    forged = SigningKey()
    own = forged.jwk()
    forged.kid = site.lms.lms.keys[0].kid
    with running(lambda issuer: small_world(issuer, site.url)) as evil:
        evil.lms.keys = [forged]
        address = f"{evil.url}/jwks"
        for header in (
            {"jwk": own},
            {"jku": address},
            {"x5u": address},
            {"x5c": ["MIIB"]},
            {"jku": address, "jwk": own},
        ):
            refused(send(site, key=forged, header=header), "launch.bad_signature")
        assert evil.lms.key_requests == 0
    nothing_is_written(site)


KEY_IDS = (
    "' OR 1=1 --",
    "../../../../dev/null",
    "/etc/passwd",
    "x" * 100_000,
    "\0",
    "\ud800",
    "{{7*7}}",
    "https://evil/",
)


@pytest.mark.threat("flooding")
def test_a_key_id_is_only_a_name_and_a_flood_of_unknown_ones_asks_the_platform_once(site):
    for kid in KEY_IDS:
        refused(send(site, header={"kid": kid}), "launch.unknown_key")
    assert site.lms.lms.key_requests == 1
    nothing_is_written(site)


@pytest.mark.threat("flooding")
def test_launches_that_come_at_the_same_moment_ask_for_the_keys_once(both_site):
    visitors = [(visitor := Visitor(), *visitor.begin(both_site.lms.url, "learner", "1")) for _ in range(6)]
    together, answers = threading.Barrier(6), []

    def post(visitor, url, fields):
        together.wait()
        answers.append(visitor.request("POST", url, data=fields).status_code)

    threads = [threading.Thread(target=post, args=each) for each in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [303] * 6
    assert both_site.lms.lms.key_requests == 1


# addresses the tool is made to ask


@pytest.mark.threat("request_forgery")
def test_request_forgery_private_addresses_of_keys_are_not_asked(guarded):
    refused(send(guarded), "launch.no_keys")
    assert guarded.lms.lms.key_requests == 0
    nothing_is_written(guarded)


@pytest.mark.threat("request_forgery")
@pytest.mark.parametrize(
    "address", ["http://169.254.169.254/latest/meta-data", "http://[::1]:1/", "http://127.0.0.1:1/"]
)
@pytest.mark.parametrize(("row", "name"), [(Platform, "token_endpoint"), (ContextServices, "memberships_url")])
def test_request_forgery_private_addresses_of_services_are_not_asked(site, row, name, address):
    Visitor().launch(site.lms.url, "learner", "1")
    change(site, row, **{name: address})
    guarded = replace(tool_of(site), settings=replace(site.settings, allow_private_addresses=False))
    assert rosters.run(guarded) == 0
    with site.database.reading() as db:
        assert db.scalars(select(ContextServices)).one().roster_problem == "platform.address_refused"


# open redirect


@pytest.mark.threat("open_redirect")
@pytest.mark.parametrize(
    "address",
    ["//evil.example.org", "javascript:alert(1)", "{}@evil.example.org", "{}.evil.example.org", "{}\\@evil", "\0{}/"],
)
def test_open_redirect_a_link_leads_to_this_tool_alone(site, address):
    refused(send(site, {f"{CLAIM}target_link_uri": address.format(site.url)}), "launch.foreign_target")


@pytest.mark.threat("open_redirect")
@pytest.mark.parametrize("query", ["?link=//evil.example.org", "?next=https://evil.example.org", "//evil.example.org"])
def test_open_redirect_nothing_in_a_link_says_where_a_launch_ends(site, query):
    answer = send(site, {f"{CLAIM}target_link_uri": f"{site.url}/lti/launch{query}"})
    assert re.match(r"/v/[\w-]+/", answer.headers["Location"])
    assert "evil" not in answer.headers["Location"]


@pytest.mark.threat("open_redirect")
def test_open_redirect_the_return_address_of_a_message_that_is_not_verified_is_not_used(site):
    back = {f"{CLAIM}launch_presentation": {"return_url": "https://evil.example.org"}}
    answer = send(site, back | {"exp": 1})
    refused(answer, "launch.expired")
    assert "evil.example.org" not in answer.text + str(answer.headers)


# pickers


@pytest.mark.threat("forged_answers")
def test_forged_answers_a_picker_whose_time_is_over_takes_none(site):
    visitor = deep_linking.opened(site)
    url, fields = visitor.form("/picker/")
    change(site, Picker, expires_at=clock.now())
    late = visitor.request("POST", url, data={**fields, "choice": "home"})
    assert late.status_code == 409
    assert "Code for support: picker.over" in late.text
    assert count(site, PlacedLink) == 0


# role escalation

PRETENDED = [
    {f"{CLAIM}roles": [f"{LIS}/membership#LearnerInstructor"]},
    {f"{CLAIM}roles": [f"{LIS}/membership/Learner#Instructor"]},
    {f"{CLAIM}roles": [f"{LIS}/membership#Instructor "]},
    {f"{CLAIM}roles": [f"{LIS}/membership#instructor"]},
    {f"{CLAIM}roles": [f"{LIS}/membership#Learner,{LIS}/membership#Instructor"]},
    {f"{CLAIM}roles": ["https://evil.example.org/membership#Instructor"]},
    {f"{CLAIM}roles": [f"{LIS}/institution/person#Instructor"]},
    {f"{CLAIM}roles": [f"{LIS}/membership#Mentor"], f"{CLAIM}role_scope_mentor": ["coordinator", "mentor"]},
    {f"{CLAIM}roles": [f"{LIS}/membership#Learner", f"{LIS}/institution/person#Administrator"]},
    {f"{CLAIM}custom": {"roles": "Instructor", "role": f"{LIS}/membership#Instructor"}},
    {f"{CLAIM}ext": {"roles": ["Instructor"]}, "roles": ["Instructor"], "role": "Instructor"},
    {f"{CLAIM}lis": {"roles": ["Instructor"]}},
]


@pytest.mark.threat("role_escalation")
@pytest.mark.parametrize("changes", PRETENDED, ids=range(len(PRETENDED)))
def test_role_escalation_only_exact_roles_of_the_course_make_a_teacher(site, changes):
    assert send(site, changes).status_code == 303
    with site.database.reading() as db:
        assert db.scalars(select(Member.teaches)).all() == [False]
    assert (count(site, Grant), count(site, Participant)) == (0, 0)


# other tenants


@pytest.mark.threat("other_tenants")
def test_other_tenants_the_same_ids_in_another_deployment_are_other_people_and_courses(both_site):
    send(both_site)
    visitor = Visitor()
    visitor.get(f"{both_site.lms.url}/as/outsider/courses/1b")
    url, fields = visitor.begin(both_site.lms.url, "outsider", "1b")
    claims = jwt.decode(fields["id_token"], options={"verify_signature": False})
    same = {"sub": "learner", f"{CLAIM}context": {"id": "1", "title": "Course one"}}
    fields["id_token"] = both_site.lms.lms.keys[0].sign(claims | same)
    assert visitor.request("POST", url, data=fields).status_code == 303
    with both_site.database.reading() as db:
        assert len(set(db.scalars(select(Person.organization_id)))) == 2
        assert len(set(db.scalars(select(Course.organization_id)))) == 2
        assert db.scalars(select(Person.number)).all() == [1, 1]


# stored script, clickjacking


SCRIPT = "</title><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"


@pytest.mark.threat("stored_script")
def test_stored_script_in_names_and_titles_is_shown_as_text(site):
    program = with_program(site)
    changes = {"name": SCRIPT, f"{CLAIM}context": {"id": "1", "title": SCRIPT, "label": SCRIPT}}
    for person in ("learner", "coordinator"):
        visitor = Visitor()
        home = send(site, changes, visitor=visitor, person=person).headers["Location"]
        start = site.url + re.match(r"/v/[^/]+/", home)[0]
    manage = f"{start}coordinator/programs/{program.id}"
    for address in (start, f"{manage}/people", f"{manage}/settings", f"{manage}/pairing", f"{start}learner/goals/new"):
        shown = visitor.get(address)
        assert shown.status_code == 200
        assert "<script>alert" not in shown.text
        assert "<img src=x" not in shown.text
    assert html.escape(SCRIPT) in visitor.get(f"{manage}/people").text
    refusal = requests.post(f"{site.url}/lti/launch", data={"error": SCRIPT, "state": "x"}, timeout=5)
    unknown = {"iss": f"https://{SCRIPT}", "login_hint": "x", "target_link_uri": f"{site.url}/lti/launch"}
    for shown in (refusal, requests.post(f"{site.url}/lti/login", data=unknown, timeout=5)):
        assert "<script>alert" not in shown.text


@pytest.mark.threat("clickjacking")
def test_clickjacking_every_answer_says_what_may_run_and_frame_and_be_kept(site):
    visitor = Visitor()
    pages = [visitor.launch(site.lms.url, "learner", "1"), send(site, {"exp": 1}), send(site)]
    pages += [requests.get(f"{site.url}{path}", timeout=5) for path in ("/", "/lti/launch", "/lti/jwks", "/nothing")]
    for page in pages:
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "frame-ancestors" in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert page.headers["Cache-Control"] == ("public, max-age=3600" if page.url.endswith("jwks") else "no-store")
    assert f"frame-ancestors {site.lms.url}" in pages[0].headers["Content-Security-Policy"]


# session fixation


@pytest.mark.threat("session_fixation")
def test_session_fixation_each_launch_opens_a_visit_of_its_own_with_a_new_secret(site):
    attacker, victim = Visitor(), Visitor()
    planted = attacker.launch(site.lms.url, "mentor", "1")
    victim.cookies.update({key: value for key, value in attacker.cookies.items() if key[2] == COOKIE})
    page = victim.launch(site.lms.url, "learner", "1")
    assert re.search(r"/v/[\w-]+/", page.url)[0] != re.search(r"/v/[\w-]+/", planted.url)[0]
    assert len({value for key, value in victim.cookies.items() if key[2] == COOKIE}) == 2
    assert attacker.get(page.url).status_code == 401
    assert attacker.get(planted.url).status_code == 200


# mass assignment


@pytest.mark.threat("mass_assignment")
def test_mass_assignment_a_form_sets_nothing_that_is_not_in_it(site):
    for person in ("mentor", "learner"):
        visitor = Visitor()
        visitor.launch(site.lms.url, person, "1")
    with site.database.reading() as db:
        owners = dict(db.execute(select(Account.subject, Account.person_id)).all())
    visitor.get(visitor.page.url + "goals/new")
    typed = {"title": "Mine", "baseline": "0", "target": "5", "due_on": "2049-01-01", "status": "confirmed"}
    hidden = {
        "owner_id": str(owners["mentor"]),
        "organization_id": str(owners["mentor"]),
        "id": "1",
        "confirmed_by": "x",
    }
    assert visitor.submit("/learner/goals", {**typed, **hidden}).status_code == 200
    with site.database.reading() as db:
        (goal,) = db.scalars(select(Goal)).all()
    assert (goal.owner_id, goal.status) == (owners["learner"], "open")


# secrets in the log


@pytest.mark.threat("secrets_in_the_log")
def test_secrets_in_the_log_there_is_no_token_no_state_no_cookie_and_no_name(site, caplog):
    caplog.set_level("DEBUG")
    visitor = Visitor()
    url, fields = visitor.begin(site.lms.url, "learner", "1")
    secrets = [fields["id_token"], fields["state"], *visitor.cookies.values()]
    secrets += fields["id_token"].split(".")
    visitor.request("POST", url, data=fields)
    visitor.request("POST", url, data=fields)
    send(site, {"exp": 1, "name": "Ada Secret"})
    requests.post(f"{site.url}/lti/launch", data={"error": "x", "state": "the state"}, timeout=5)
    rosters.run(tool_of(site))
    change(site, Platform, token_endpoint=f"{site.lms.url}/nowhere")
    with site.database.transaction() as db:
        for kept in db.scalars(select(AccessToken)):
            db.delete(kept)
        db.scalars(select(ContextServices)).one().roster_read_at = None
    rosters.run(tool_of(site))
    secrets += [*visitor.cookies.values(), *site.lms.lms.access_tokens, "the state", "Ada Secret", "Learner"]
    lines = [JsonLines().format(each) for each in caplog.records if each.name.startswith("lti_mentor")]
    assert len(lines) > 5
    for secret in secrets:
        if len(secret) > 5:
            assert not [line for line in lines if secret in line]
