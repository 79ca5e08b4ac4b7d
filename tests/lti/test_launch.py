"""Launches over real HTTP: the practice LMS on 127.0.0.1 signs, the tool on localhost decides."""

import threading
import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from click.testing import CliRunner
from sqlalchemy import func, select

from lti_mentor.cli import main
from lti_mentor.lti import platforms
from lti_mentor.lti.login import Login
from lti_mentor.lti.origins import origin
from lti_mentor.lti.platforms import KeySet, Platform
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.practice.tokens import CLAIM, SigningKey
from tests.conftest import SECRET, url_of
from tests.support.visitor import Visitor
from xapi.rows import StoredStatement


def count(site, row) -> int:
    with site.database.reading() as db:
        return db.scalar(select(func.count()).select_from(row))


NOT_FOR_US = ("launch.audience", "launch.foreign_audience")  # Security Framework 5.1.3 (3): answered with 401


def refused(answer: requests.Response, reason: str) -> None:
    assert f"Code for support: {reason}" in answer.text, answer.text
    assert answer.status_code == (401 if reason in NOT_FOR_US else 400)
    assert ("WWW-Authenticate" in answer.headers) == (reason in NOT_FOR_US)


def send(site, changes=None, key=None, header=None, visitor=None, person="learner"):
    """A launch whose token was changed before it is sent."""
    visitor = visitor or Visitor()
    url, fields = visitor.begin(site.lms.url, person, "1")
    claims = jwt.decode(fields["id_token"], options={"verify_signature": False})
    wanted = {name: value() if callable(value) else value for name, value in (changes or {}).items()}
    body = {name: value for name, value in (claims | wanted).items() if value is not ...}
    fields["id_token"] = (key or site.lms.lms.keys[0]).sign(body, **(header or {}))
    return visitor.request("POST", url, data=fields)


def test_a_launch_meets_the_person_and_the_course_and_records_it(both_site):
    page = Visitor().launch(both_site.lms.url, "learner", "1")
    assert page.status_code == 200
    assert "Set your first goal" in page.text
    assert (count(both_site, Person), count(both_site, Account), count(both_site, Member)) == (1, 1, 1)
    assert (count(both_site, Course), count(both_site, StoredStatement)) == (1, 1)


def test_a_second_launch_knows_the_person_again(site):
    for _ in range(2):
        assert Visitor().launch(site.lms.url, "learner", "1").status_code == 200
    assert (count(site, Person), count(site, StoredStatement)) == (1, 2)


@pytest.mark.quirk("partitioned_cookies", "lax_session")
def test_the_login_asks_as_the_security_framework_says(site):
    visitor = Visitor()
    visitor.get(f"{site.lms.url}/as/learner/courses/1")
    visitor.get(f"{site.lms.url}/as/learner/courses/1/open")
    url, fields = visitor.form("/lti/login")
    by_get = requests.get(url, params=fields, allow_redirects=False, timeout=5)
    query = {name: value[0] for name, value in parse_qs(urlsplit(by_get.headers["Location"]).query).items()}
    assert query["lti_message_hint"] == fields["lti_message_hint"]
    assert query["redirect_uri"] == f"{site.url}/lti/launch"
    assert {"scope": "openid", "response_mode": "form_post", "prompt": "none"}.items() <= query.items()
    cookie = by_get.headers["Set-Cookie"]
    assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=None", "Partitioned"))


REFUSALS = [
    ({"exp": 1}, "launch.expired"),
    ({"exp": ...}, "launch.missing_claim"),
    ({"iat": ...}, "launch.missing_claim"),
    ({"iat": 11111}, "launch.too_old"),
    ({"iat": int(time.time()) + 9999, "exp": int(time.time()) + 99999}, "launch.not_yet"),
    ({"nonce": ...}, "launch.missing_claim"),
    ({"nonce": "another"}, "launch.nonce"),
    ({"iss": "https://other.example.org"}, "launch.issuer"),
    ({"aud": "somebody-else"}, "launch.audience"),
    ({"aud": ["tests", "somebody-else"]}, "launch.foreign_audience"),
    ({"aud": ["tests", "somebody-else"], "azp": "tests"}, "launch.foreign_audience"),
    ({"azp": "somebody-else"}, "launch.authorized_party"),
    ({f"{CLAIM}deployment_id": "99"}, "launch.deployment"),  # the login named another; see test_registration for none
    ({f"{CLAIM}message_type": "LtiUnknownRequest"}, "launch.message_type"),
    ({f"{CLAIM}resource_link": {"title": "no id"}}, "launch.message"),
    ({f"{CLAIM}target_link_uri": "https://evil.example.org/lti/launch"}, "launch.foreign_target"),
    ({"sub": "x" * 300}, "launch.bad_id"),
    ({"sub": "\ud800"}, "launch.bad_id"),
    ({"nonce": "\ud800"}, "launch.missing_claim"),
    ({"exp": float("nan")}, "launch.missing_claim"),
    ({"iat": float("nan")}, "launch.missing_claim"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSALS, ids=[f"{n}-{r}" for n, (_, r) in enumerate(REFUSALS)])
def test_a_launch_that_is_not_right_is_refused_and_writes_nothing(site, changes, reason):
    refused(send(site, changes), reason)
    assert (count(site, Person), count(site, StoredStatement)) == (0, 0)


OPENED = [
    {"aud": ["tests"], "azp": "tests"},
    {"exp": lambda: int(time.time()) - 20},  # counted when it is sent, however long the tests before it took
    {f"{CLAIM}roles": []},
    {f"{CLAIM}custom": {"a": None, "b": 7, "c": "$Context.id.history"}},
    {f"{CLAIM}launch_presentation": ...},
    {f"{CLAIM}resource_link": {"id": "never seen before"}},
    {"name": "N" * 3000 + "\0"},
    {"a claim nobody knows": {"x": 1}},
]


@pytest.mark.quirk("other_pages")
def test_the_page_that_a_launch_leads_back_to_may_show_the_tool(site):
    visitor = Visitor()
    school = "https://school.example.org"
    answer = send(site, {f"{CLAIM}launch_presentation": {"return_url": f"{school}/courses/7"}}, visitor=visitor)
    page = visitor.get(site.url + answer.headers["Location"])
    assert f"frame-ancestors {site.lms.url} {school}" in page.headers["Content-Security-Policy"]
    answer = send(site, {f"{CLAIM}launch_presentation": {"return_url": "javascript:alert(1)"}}, visitor=visitor)
    page = visitor.get(site.url + answer.headers["Location"])
    assert page.headers["Content-Security-Policy"].endswith(f"frame-ancestors {site.lms.url}")


def test_another_authorized_party_is_taken_where_the_registration_allows_it(site):
    with site.database.transaction() as db:
        db.scalars(select(Platform)).one().foreign_azp = True
    assert send(site, {"azp": "somebody-else"}).status_code == 303


@pytest.mark.parametrize("changes", OPENED, ids=range(len(OPENED)))
def test_a_launch_that_is_unusual_but_right_opens(site, changes):
    assert send(site, changes).status_code == 303
    assert count(site, Person) == 1


def test_a_token_that_was_tampered_with_is_refused(site):
    refused(send(site, key=_forged(site)), "launch.bad_signature")


def _forged(site) -> SigningKey:
    key = SigningKey()
    key.kid = site.lms.lms.keys[0].kid
    return key


def test_a_token_with_an_empty_key_id_is_refused(site):
    refused(send(site, header={"kid": ""}), "launch.no_key_id")


def test_other_algorithms_are_refused(site):
    visitor = Visitor()
    url, fields = visitor.begin(site.lms.url, "learner", "1")
    claims = jwt.decode(fields["id_token"], options={"verify_signature": False})
    for algorithm, key in (("HS256", "a key that is long enough for this algorithm"), ("none", None)):
        fields["id_token"] = jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "x"})
        refused(visitor.request("POST", url, data=fields), "launch.algorithm")
    fields["id_token"] = "not a token"
    refused(visitor.request("POST", url, data=fields), "launch.bad_token")


@pytest.mark.threat("nonce_replay")
def test_a_launch_cannot_be_replayed(site):
    visitor = Visitor()
    url, fields = visitor.begin(site.lms.url, "learner", "1")
    cookies = dict(visitor.cookies)
    assert visitor.request("POST", url, data=fields).status_code == 303
    visitor.cookies = cookies
    refused(visitor.request("POST", url, data=fields), "launch.used_state")


@pytest.mark.threat("nonce_replay")
def test_of_two_launches_at_the_same_moment_exactly_one_opens(both_site):
    visitor = Visitor()
    url, fields = visitor.begin(both_site.lms.url, "learner", "1")
    answers = []

    def post():
        twin = Visitor()
        twin.cookies = dict(visitor.cookies)
        answers.append(twin.request("POST", url, data=fields).status_code)

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [303, 400, 400, 400]
    assert count(both_site, StoredStatement) == 1


@pytest.mark.threat("login_csrf")
@pytest.mark.quirk("lost_cookies")
def test_a_launch_of_another_browser_is_refused(site):
    victim, attacker = Visitor(), Visitor()
    url, fields = attacker.begin(site.lms.url, "learner", "1")
    refused(victim.request("POST", url, data=fields), "launch.no_cookie")


def test_a_login_that_is_not_right_is_refused(site):
    good = {
        "iss": site.lms.url,
        "login_hint": "learner",
        "target_link_uri": f"{site.url}/lti/launch",
        "client_id": "tests",
    }
    for changes, reason in (
        ({"iss": "https://unknown.example.org"}, "launch.unknown_platform"),
        ({"client_id": "other"}, "launch.unknown_platform"),
        ({"login_hint": ""}, "launch.missing_parameter"),
        ({"target_link_uri": "https://evil.example.org"}, "launch.foreign_target"),
        ({"target_link_uri": f"{site.url}.evil.example.org/"}, "launch.foreign_target"),
    ):
        answer = requests.post(f"{site.url}/lti/login", data=good | changes, allow_redirects=False, timeout=5)
        refused(answer, reason)
    assert count(site, Login) == 0


def test_what_the_platform_says_when_it_stops_a_launch_is_shown_as_a_page(site):
    for error, reason, word in (
        ("login_required", "launch.login_required", "login_required"),
        ("interaction_required", "launch.login_required", "interaction_required"),
        ("access_denied", "launch.platform_error", "access_denied"),
        ("<b>call 555", "launch.platform_error", "error"),
        ("help.evil.example.org:555", "launch.platform_error", "error"),
        ("x" * 5000, "launch.platform_error", "error"),
        ("", "launch.platform_error", "error"),
    ):
        answer = requests.post(f"{site.url}/lti/launch", data={"error": error, "state": "x"}, timeout=5)
        refused(answer, reason)
        assert f"it says “{word}”" in answer.text or f"and says “{word}”" in answer.text
        assert "555" not in answer.text, "a sentence of somebody else is never shown as ours"
        assert "Open in a new tab" not in answer.text, "the login is not known"
    refused(requests.post(f"{site.url}/lti/launch", timeout=5), "launch.missing_parameter")


@pytest.mark.quirk("bare_405")
def test_the_launch_address_explains_itself(site):
    answer = requests.get(f"{site.url}/lti/launch", timeout=5)
    assert answer.status_code == 405
    assert "opens from a course" in answer.text


@pytest.mark.quirk("keys_rotated_hourly")
def test_keys_are_fetched_once_and_again_after_a_rotation(site):
    for _ in range(3):
        assert Visitor().launch(site.lms.url, "learner", "1").status_code == 200
    assert site.lms.lms.key_requests == 1
    with site.database.transaction() as db:
        kept = db.get(KeySet, f"{site.lms.url}/jwks")
        kept.tried_at = kept.tried_at.replace(year=2020)
    site.lms.lms.rotate()
    assert Visitor().launch(site.lms.url, "learner", "1").status_code == 200
    assert site.lms.lms.key_requests == 2


@pytest.mark.threat("clickjacking")
def test_the_frame_may_only_be_shown_by_the_platform(site):
    page = Visitor().launch(site.lms.url, "learner", "1")
    policy = page.headers["Content-Security-Policy"]
    assert f"frame-ancestors {site.lms.url}" in policy
    assert "unsafe" not in policy
    assert requests.get(f"{site.url}/lti/launch", timeout=5).headers["Content-Security-Policy"].endswith("'none'")


@pytest.mark.threat("strange_data")
@pytest.mark.parametrize("changes", [{"iss": "\0"}, {"client_id": "x\0"}, {"lti_deployment_id": "d" * 9000}])
def test_a_login_with_what_no_database_keeps_is_refused_with_a_page(both_site, changes):
    login = {
        "iss": both_site.lms.world.issuer,
        "login_hint": "x",
        "target_link_uri": f"{both_site.url}/lti/launch",
        **changes,
    }
    refused(requests.post(f"{both_site.url}/lti/login", data=login, timeout=5), "launch.bad_parameter")


def test_an_address_and_a_form_with_nul_are_no_errors_of_ours(both_site):
    assert requests.get(f"{both_site.url}/v/%00/learner/", timeout=5).status_code == 401
    visitor = Visitor()
    visitor.launch(both_site.lms.url, "learner", "1")
    visitor.get(visitor.page.url + "goals/new")
    typed = {"title": "A \0 goal", "baseline": "0", "target": "5", "due_on": "2049-01-01"}
    assert "A  goal" in visitor.submit("/learner/goals", typed).text


def test_too_much_is_refused_with_a_page(site):
    answer = requests.post(f"{site.url}/lti/launch", data={"id_token": "x" * 6_000_000}, timeout=20)
    assert answer.status_code == 413
    assert "Code for support: text.too_long" in answer.text


def test_a_page_outside_a_visit_says_nothing_that_a_stranger_wrote(site):
    answer = requests.post(f"{site.url}/nope", data={"title": "Call 555 to unlock your account"}, timeout=5)
    assert "unlock" not in answer.text
    assert answer.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
    unknown = requests.post(f"{site.url}/v/unknown/learner/goals", data={"title": "Call 555"}, timeout=5)
    assert "555" not in unknown.text


def test_a_platform_whose_keys_cannot_be_fetched_is_not_asked_again_at_once(site):
    with site.database.transaction() as db:
        db.scalars(select(Platform)).one().jwks_uri = f"{site.lms.url}/jwks-that-are-not-there"
    refused(send(site), "launch.no_keys")
    with site.database.reading() as db:
        tried = db.scalars(select(KeySet)).one().tried_at
    refused(send(site), "launch.no_keys")
    with site.database.reading() as db:
        assert db.scalars(select(KeySet)).one().tried_at == tried


@pytest.mark.parametrize(
    "address",
    [
        "https://x *; script-src-elem *",
        "https://a.example.org;",
        "http://[",
        "https://user@host",
        "https://",
        "ftp://x",
    ],
)
def test_what_is_no_origin_never_comes_into_a_header(address):
    assert origin(address) is None


def test_a_refusal_can_be_read_in_the_frame_it_happens_in(site):
    """By whoever may show the tool, as far as that is known by then; else there is nothing to protect."""
    unverified = {f"{CLAIM}launch_presentation": {"return_url": "https://evil.example.org"}}
    answer = send(site, {"exp": 1, **unverified})
    assert answer.headers["Content-Security-Policy"].endswith(f"frame-ancestors {site.lms.url}")
    login = {"iss": "https://nobody.example.org", "login_hint": "x", "target_link_uri": f"{site.url}/lti/launch"}
    unknown = requests.post(f"{site.url}/lti/login", data=login, timeout=5)
    refused(unknown, "launch.unknown_platform")
    assert unknown.headers["Content-Security-Policy"].endswith("frame-ancestors *")


def test_a_platform_that_is_suspended_while_its_keys_are_fetched_opens_no_visit(both_site):
    """The keys are asked for before anything is written; the platform can take its time with them."""
    asked = []

    def suspend():
        with both_site.database.transaction() as db:
            platforms.disable(db, db.scalars(select(Platform.id)).one())
        asked.append(True)

    both_site.lms.lms.before_keys = suspend
    refused(send(both_site), "launch.disabled_platform")
    assert asked
    assert (count(both_site, Person), count(both_site, StoredStatement)) == (0, 0)


def test_a_disabled_platform_launches_no_more_and_its_visits_end(site):
    visitor, outsider, late = Visitor(), Visitor(), Visitor()
    page = visitor.launch(site.lms.url, "learner", "1")
    url, fields = late.begin(site.lms.url, "mentor", "1")
    other = outsider.launch(site.lms.url, "outsider", "1b")
    with site.database.reading() as db:
        platform = db.scalars(select(Platform)).one()
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    done = CliRunner().invoke(main, ["platform", "disable", str(platform.id)], env=surroundings)
    assert "2 open visits are ended" in done.output
    assert visitor.get(page.url).status_code == 401
    assert outsider.get(other.url).status_code == 401
    refused(late.request("POST", url, data=fields), "launch.disabled_platform")
    login = {"iss": site.lms.world.issuer, "login_hint": "learner", "target_link_uri": f"{site.url}/lti/launch"}
    refused(requests.post(f"{site.url}/lti/login", data=login, timeout=5), "launch.disabled_platform")
