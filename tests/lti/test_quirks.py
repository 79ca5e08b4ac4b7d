"""What single platforms do differently: each shape that concerns a tool, replayed through HTTP.

Everywhere
 1  third-party cookies dropped      tests/journeys (frames of another site), tests/journeys/test_without_cookies.py
 2  partitioned cookies              test_launch (the login), 05
 3  own tab                          tests/journeys/test_without_cookies.py
 4  the mechanisms together          tests/journeys/test_without_cookies.py
 5  SameSite=None needs Secure       test_05
 6  a launch is reloaded             test_06
 7  forms of two tabs                test_07
 8  two launches share cookies       test_08
 9  a reload posts the launch again  test_06
10  who may frame                    test_10, test_launch
11  a nonce outlives its token       test_11
12  clocks differ a little           test_12
13  keys are rotated                 test_launch (rotation), test_threats (asked once)
14  no matching by e-mail            test_14
15  names withheld, or later         test_15
16  ids of LTI 1.1                   not ours: nobody comes from LTI 1.1
17  rosters cut short                jobs/test_rosters (endless pages, no members)
Canvas
18  one issuer for all               test_18, test_threats (two clients of one issuer)
19  no deployment in the login       test_registration (a new deployment is adopted)
20  log-in at another host           test_10
21  audience of the assertion        test_21
22  registration wants the token     test_registration (token to both, 422, domains of institutions)
23  the course as resource link      test_23
24  pages of 50                      jobs/test_rosters
25  scores make submissions          test_25
26  rate limits                      test_26, test_tokens (a token is asked for once)
27  numbers, nulls and extra claims  test_27
28  our key set                      test_28
29  late by the time of a grade      jobs/test_grades (when the work was handed in), test_25 (no new submission)
30  login_required                   test_30
31  queries encoded twice            test_31
Moodle
32  SameSite=Lax, so log-in by GET   test_launch (the login asks by a redirect)
33  line items end in ?type_id=1     test_moodle, jobs/test_grades (the practice LMS does)
34  lineitem.readonly for reading    test_moodle
35  no columns may be made           jobs/test_grades (only scopes of the claim)
36  people who are not graded        test_moodle, jobs/test_grades
37  copies without a history         test_deep_linking (a copy keeps its links), test_course_copies (known by a key)
38  no answer without User-Agent     test_38
39  answers of the picker that hang  test_deep_linking (the return address as it came)
40  small ids, issuers with a path   test_40
Blackboard
41  the deployment is the tenant     test_41
42  azp of somebody else             test_42, test_switches
43  timestamps with a zone           jobs/test_grades (the practice LMS refuses others)
44  no resource link                 test_certification: refused, as the suite wants it
45  lineitems alone, results paged   test_45
46  items without an address         test_deep_linking (every item has one)
47  a long lti_message_hint          test_47
48  empty names                      test_48
Brightspace
49  an audience of its own           test_21, test_switches
50  a key set without alg            test_50
51  no registration token            test_registration
52  one redirect address             test_52
53  everything withheld              test_53
54  not enrolled: 403 or 404         jobs/test_grades
55  a history of several courses     test_course_copies (the nearest course that is known)
Sakai, Open edX, Schoology, others
56  another issuer in the token      test_56
57  no roles of the course           test_57, test_switches (roles of the institution that teach)
58  administrators of no course      test_58
59  timestamps with parts of seconds jobs/test_grades (the practice LMS refuses others)
60  a bare 405                       test_launch (the launch address explains itself)
61  a platform without key set       test_switches (a pasted PEM, JWK or set)
"""

import re
import time
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from flask import Response, jsonify, request
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import grades, rosters, upkeep
from lti_mentor.lti import platforms, tokens
from lti_mentor.lti.platforms import Platform
from lti_mentor.mentoring import organizations
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.goals import Goal
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.practice.tokens import CLAIM
from tests.lti import test_deep_linking as deep_linking
from tests.lti import test_registration as registration
from tests.lti.test_certification import open_column
from tests.lti.test_launch import count, refused, send
from tests.lti.test_threats import change, tool_of
from tests.support.recording import recording
from tests.support.visitor import Visitor

LIS = "http://purl.imsglobal.org/vocab/lis/v2"
CANVAS = "https://canvas.instructure.com"


def test_every_quirk_stands_in_the_list_above():
    assert [int(number) for number in re.findall(r"^ ?(\d+)  \w", __doc__, re.M)] == list(range(1, 62))


def only(site, column):
    with site.database.reading() as db:
        return db.scalars(select(column)).one()


def login(site, **changes) -> requests.Response:
    given = {"iss": site.lms.world.issuer, "login_hint": "learner", "target_link_uri": f"{site.url}/lti/launch"}
    return requests.post(f"{site.url}/lti/login", data=given | changes, allow_redirects=False, timeout=5)


def asked(answer) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


# everywhere


def test_05_the_cookie_of_a_visit_is_kept_in_a_frame_of_another_site(site):
    cookies = send(site).headers["Set-Cookie"].split(", mentor_")
    assert all(word in cookies[0] for word in ("Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/v/"))


def test_06_a_reload_shows_the_page_and_a_launch_sent_again_says_what_to_do(site):
    visitor = Visitor()
    url, fields = visitor.begin(site.lms.url, "learner", "1")
    answer = visitor.request("POST", url, data=fields)
    assert answer.status_code == 303
    page = visitor.get(site.url + answer.headers["Location"])
    assert visitor.get(page.url).status_code == 200
    again = visitor.request("POST", url, data=fields)
    assert "open the link again" in again.text
    assert "Code for support: launch." in again.text
    assert visitor.get(page.url).status_code == 200


def test_07_a_second_tab_does_not_break_the_forms_of_the_first(site):
    visitor = Visitor()
    first = visitor.launch(site.lms.url, "learner", "1").url
    visitor.get(first + "goals/new")
    form = visitor.page
    visitor.launch(site.lms.url, "learner", "1")
    visitor.page = form
    typed = {"title": "Of the first tab", "baseline": "0", "target": "5", "due_on": "2049-01-01"}
    assert visitor.submit("/learner/goals", typed).status_code == 200
    assert only(site, Goal.title) == "Of the first tab"


def test_08_two_links_opened_at_once_in_one_browser_both_open(site):
    visitor = Visitor()
    begun = [visitor.begin(site.lms.url, "learner", "1") for _ in range(2)]
    assert [visitor.request("POST", url, data=fields).status_code for url, fields in reversed(begun)] == [303, 303]


def test_10_issuer_log_in_and_further_origins_may_frame(site):
    change(site, Platform, frame_ancestors=["https://district.example.org"])
    page = Visitor().launch(site.lms.url, "learner", "1")
    assert page.headers["Content-Security-Policy"].endswith(f"{site.lms.url} https://district.example.org")
    change(site, Platform, issuer="https://lms.example.org")
    assert only(site, Platform).framing_origins[:2] == ["https://lms.example.org", site.lms.url]


def test_11_a_launch_is_known_as_used_for_longer_than_its_token_is_good_for(site):
    visitor = Visitor()
    url, fields = visitor.begin(site.lms.url, "learner", "1")
    cookies = dict(visitor.cookies)
    visitor.request("POST", url, data=fields)
    with clock.moved_to(clock.now() + timedelta(minutes=site.settings.login_minutes + 5)):
        upkeep.run(tool_of(site))
    visitor.cookies = cookies
    refused(visitor.request("POST", url, data=fields), "launch.used_state")


def test_12_a_clock_that_is_ahead_by_a_fraction_of_a_second_is_no_reason(site):
    soon = {"iat": lambda: time.time() + 0.9, "nbf": lambda: time.time() + 0.9, "exp": lambda: time.time() + 60.5}
    assert send(site, soon).status_code == 303


def test_14_the_same_mail_address_does_not_make_two_people_one(site):
    for subject in ("learner", "mentor"):
        send(site, {"sub": subject, "email": "shared@example.org"})
    assert count(site, Person) == 2


def test_15_the_unnamed_are_numbered_and_a_name_withheld_later_stays(site):
    program = deep_linking.with_program(site)
    send(site, {"sub": "unnamed", "name": ...})
    send(site, {"name": "Ada"})
    send(site, {"name": ...})
    visitor = Visitor()
    home = send(site, visitor=visitor, person="coordinator").headers["Location"]
    page = visitor.get(f"{site.url}{home}programs/{program.id}/people").text
    assert "Person 2" in page
    assert "Ada" in page


# Canvas


def test_18_of_several_clients_of_one_issuer_the_login_has_to_say_which(site):
    world = site.lms.world
    with site.database.transaction() as db:
        ends = dict.fromkeys(("authorization_endpoint", "token_endpoint", "jwks_uri"), f"{world.issuer}/x")
        twin = platforms.Registration(issuer=world.issuer, client_id="twin", deployment_ids=("1",), **ends)
        platforms.add(db, twin, organization_id=organizations.named(db, "Twin").id)
    refused(login(site), "launch.ambiguous_platform")
    assert asked(login(site, client_id="twin"))["client_id"] == "twin"


@pytest.mark.parametrize("audience", [None, "https://api.brightspace.com/auth/token"])
def test_21_the_assertion_names_one_audience_the_token_endpoint_unless_the_platform_says_another(site, audience):
    Visitor().launch(site.lms.url, "learner", "1")
    with recording(lambda _: jsonify(access_token="x", expires_in="3600", token_type="Bearer")) as (base, seen):
        change(site, Platform, token_endpoint=f"{base}/login/oauth2/token", token_audience=audience)
        rosters.run(tool_of(site))
    (call,) = [each for each in seen if each.address == "/login/oauth2/token"][:1]
    claims = jwt.decode(call.form["client_assertion"], options={"verify_signature": False})
    assert claims["aud"] == (audience or f"{base}/login/oauth2/token")
    assert claims["iss"] == claims["sub"] == "tests"
    assert "kid" in jwt.get_unverified_header(call.form["client_assertion"])


@pytest.mark.parametrize(
    ("server", "kept"), [("canvas.instructure.com", None), ("https://a.example.org/x", "https://a.example.org/x")]
)
def test_21_an_authorization_server_that_is_only_a_host_is_no_audience(site, server, kept):
    with registration.platform({"authorization_server": server}) as (url, _):
        assert registration.open_address(registration.invited(site), url).status_code == 200
    assert registration.platforms(site)[-1].token_audience == kept


def test_23_a_launch_that_names_the_course_as_its_link_is_known_by_our_own_key(site):
    visitor = deep_linking.opened(site)
    address, token = deep_linking.sent(deep_linking.place(visitor, deep_linking.SECURITY))
    visitor.request("POST", address, data={"JWT": token})
    site.lms.lms.links["1"][0].id = "1"
    assert "Choose a certification" in deep_linking.follow(site, "learner", "1").text


def nothing():
    """An answer as it should be."""


@pytest.mark.parametrize("issuer", [CANVAS, "https://canvas.beta.instructure.com", "https://lms.example.org"])
def test_25_a_score_is_no_new_submission_on_canvas_and_plain_elsewhere(site, issuer):
    open_column(site)
    seen = []
    site.lms.lms.bad_answers[:] = [nothing, nothing, lambda: seen.append(request.get_json())]
    audience = f"{site.lms.world.issuer}/token"
    change(site, Platform, issuer=issuer, token_audience=audience)
    with site.database.transaction() as db:
        for account in db.scalars(select(Account)):
            account.issuer = issuer
    assert grades.run(tool_of(site)) == 1
    extra = {name: value for name, value in seen[0].items() if name.startswith("https://")}
    assert extra == ({f"{CANVAS}/lti/submission": {"new_submission": False}} if "canvas" in issuer else {})


@pytest.mark.parametrize("status", [403, 429])
def test_26_a_rate_limit_is_waited_for_and_no_refusal_of_a_person(site, status):
    open_column(site)
    site.lms.lms.bad_answers[:] = [nothing, nothing, lambda: Response("403 Forbidden (Rate Limit Exceeded)", status)]
    assert grades.run(tool_of(site)) == 0
    score, column = only(site, LatestScore), only(site, GradeColumn)
    assert (score.is_waiting, score.problem, column.problem) == (True, None, "platform.bad_status")
    change(site, GradeColumn, retry_at=None)
    assert grades.run(tool_of(site)) == 1


def test_26_a_token_endpoint_that_refuses_us_blames_no_person(site):
    open_column(site)
    grades.run(tool_of(site))
    change(site, LatestScore, sent_value=None)
    site.lms.lms.tools.clear()
    with site.database.transaction() as db:
        tokens.forget(db)
    assert grades.run(tool_of(site)) == 0
    assert only(site, LatestScore).problem is None
    assert only(site, GradeColumn).problem == "platform.no_token"


def test_27_numbers_nulls_and_claims_of_canvas_are_taken(site):
    nothing_wrong = {"errors": {"errors": {}}, "validation_context": None}
    changes = {
        f"{CLAIM}resource_link": {"id": "9f", "title": None, "description": None, **nothing_wrong},
        f"{CLAIM}context": {"id": "c1", "label": None, "title": None, "type": [None], **nothing_wrong},
        f"{CLAIM}tool_platform": {"guid": "x", "name": None, "version": "cloud", **nothing_wrong},
        f"{CLAIM}launch_presentation": {
            "document_target": "iframe",
            "return_url": None,
            "locale": "en-GB",
            "height": 9,
        },
        f"{CLAIM}custom": {
            "canvas_course_id": 1234,
            "canvas_user_id": 7,
            "flag": True,
            "history": "$Context.id.history",
        },
        f"{CLAIM}lti1p1": {"user_id": "x", **nothing_wrong},
        "errors": {"errors": {}},
        "picture": None,
        "locale": "en-GB",
        "azp": "tests",
    }
    visitor = Visitor()
    answer = send(site, changes, visitor=visitor)
    assert visitor.get(site.url + answer.headers["Location"]).status_code == 200


def test_28_our_key_set_says_what_each_key_is_for(site):
    (key,) = requests.get(f"{site.url}/lti/jwks", timeout=5).json()["keys"]
    assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")
    assert set(key) == {"kty", "alg", "use", "kid", "n", "e"}


def test_30_a_log_in_that_the_platform_cannot_see_is_said_in_words(site):
    visitor = Visitor()
    visitor.get(f"{site.lms.url}/as/learner/courses/1")
    visitor.get(f"{site.lms.url}/as/learner/courses/1/open")
    url, fields = visitor.form("/lti/login")
    begun = visitor.request("POST", url, data=fields)
    visitor.cookies = {key: value for key, value in visitor.cookies.items() if key[2] != "practice_person"}
    visitor.request("GET", begun.headers["Location"])
    url, fields = visitor.form("/lti/launch")
    assert fields["error"] == "login_required"
    answer = visitor.request("POST", url, data=fields)
    refused(answer, "launch.platform_error")
    assert "Sign in there again" in answer.text


def test_31_a_link_whose_query_was_encoded_twice_still_leads_to_what_was_placed(site):
    visitor = deep_linking.opened(site)
    address, token = deep_linking.sent(deep_linking.place(visitor, deep_linking.SECURITY))
    visitor.request("POST", address, data={"JWT": token})
    (link,) = site.lms.lms.links["1"]
    link.custom.clear()
    link.url += "&assignment=a%252Fb%2520c"
    assert "Choose a certification" in deep_linking.follow(site, "learner", link.id).text


# Moodle


def test_38_the_tool_says_who_it_is(site):
    with recording(lambda _: jsonify(keys=[site.lms.lms.keys[0].jwk()])) as (base, seen):
        change(site, Platform, jwks_uri=f"{base}/mod/lti/certs.php")
        assert send(site).status_code == 303
    assert seen[0].headers["User-Agent"] == "lti-mentor"
    assert seen[0].headers["Accept"] == "application/json"


@pytest.mark.parametrize("issuer", ["http://intranet/moodle", "https://lms.example.org/moodle"])
def test_40_issuers_with_a_path_and_ids_that_are_small_numbers(site, issuer):
    change(site, Platform, issuer=issuer)
    site.lms.lms.world = replace(site.lms.world, issuer=issuer)
    assert send(site, {"sub": "5", f"{CLAIM}context": {"id": "2"}}).status_code == 303
    assert only(site, Account.issuer) == issuer


# Blackboard


def test_41_two_deployments_of_one_client_are_two_organizations(site):
    for person, course in (("learner", "1"), ("outsider", "1b")):
        assert Visitor().launch(site.lms.url, person, course).status_code == 200
    with site.database.reading() as db:
        assert len(set(db.scalars(select(Person.organization_id)))) == 2


def test_42_an_azp_of_somebody_else_is_refused_until_the_registration_allows_it(site):
    foreign = {"azp": "962fa4d8-bcbf-49a0-94b2-2de05ad274af"}
    refused(send(site, foreign), "launch.authorized_party")
    change(site, Platform, foreign_azp=True)
    assert send(site, foreign).status_code == 303


def test_45_results_are_read_to_their_last_page(site):
    open_column(site)
    strangers = [{"userId": "mentor", "resultScore": 1, "resultMaximum": 2}]

    def first_page():
        answer = jsonify(strangers)
        answer.headers["Link"] = f'<{request.base_url}?page=2>; rel="next"'
        return answer

    site.lms.lms.bad_answers[:] = [nothing, nothing, nothing, first_page]
    assert grades.run(tool_of(site)) == 1
    assert only(site, LatestScore).read_value == 0


def test_47_hints_go_back_as_they_came_however_long(site):
    hint = 'eyJ+/=&%2B é\u4e2d "' * 200
    given = asked(login(site, lti_message_hint=hint, login_hint="a+b/c=="))
    assert (given["lti_message_hint"], given["login_hint"]) == (hint, "a+b/c==")
    assert "lti_message_hint" not in asked(login(site))


def test_48_names_that_are_empty_texts_are_none(site):
    assert send(site, {"name": "", "given_name": "", "family_name": " ", "email": ""}).status_code == 303
    assert (only(site, Person.name), only(site, Person.email)) == (None, None)


# Brightspace


@pytest.mark.parametrize("changes", [{"alg": ..., "use": ...}, {"alg": None, "use": None, "key_ops": ["verify"]}])
def test_50_a_key_set_that_does_not_say_what_its_keys_are_for_is_used(site, changes):
    key = {name: value for name, value in (site.lms.lms.keys[0].jwk() | changes).items() if value is not ...}
    with recording(lambda _: jsonify(keys=[{"kty": "EC", "kid": "other"}, key])) as (base, _):
        change(site, Platform, jwks_uri=f"{base}/d2l/.well-known/jwks")
        assert send(site).status_code == 303


def test_50_the_answer_of_the_picker_names_its_key(site):
    _, token = deep_linking.sent(deep_linking.place(deep_linking.opened(site), "home"))
    published = requests.get(f"{site.url}/lti/jwks", timeout=5).json()["keys"]
    assert jwt.get_unverified_header(token)["kid"] in {key["kid"] for key in published}


def test_52_the_redirect_address_is_always_the_same_one(site):
    answer = login(site, target_link_uri=f"{site.url}/lti/launch?link=7&x=1")
    assert asked(answer)["redirect_uri"] == f"{site.url}/lti/launch"


def test_53_a_platform_that_withholds_everything_opens(site):
    now = int(time.time())
    changes = {
        **dict.fromkeys(("name", "given_name", "family_name", "email", f"{CLAIM}launch_presentation"), ...),
        f"{CLAIM}context": {"id": "6606"},
        f"{CLAIM}resource_link": {"id": "a-guid"},
        f"{CLAIM}custom": {"user": "$User.Id", "begin": "$CourseSection.timeFrame.begin"},
        f"{CLAIM}lis": {"person_sourcedid": "$User.Id"},
        **{"iat": now, "nbf": now, "exp": now + 1800},
    }
    visitor = Visitor()
    answer = send(site, changes, visitor=visitor)
    assert visitor.get(site.url + answer.headers["Location"]).status_code == 200
    assert only(site, Course.title) is None


# Sakai, Open edX and others


def test_56_the_issuer_of_the_token_has_to_be_that_of_the_login_to_the_letter(site):
    given = asked(login(site, login_hint="WVdKag==", target_link_uri=site.url + "/"))
    assert given["login_hint"] == "WVdKag=="
    refused(send(site, {"iss": f"{site.lms.world.issuer}/"}), "launch.issuer")


def roles_of(site, *roles) -> bool:
    answer = send(site, {f"{CLAIM}roles": [f"{LIS}/{role}" for role in roles]})
    assert answer.status_code == 303
    return only(site, Member.teaches)


def test_57_somebody_with_roles_of_the_institution_alone_opens_as_a_learner(site):
    assert roles_of(site, "institution/person#Student", "institution/person#Instructor") is False


def test_58_an_administrator_who_is_in_no_course_opens_as_a_teacher(site):
    assert roles_of(site, "institution/person#Administrator") is True


def test_58_an_administrator_who_is_a_learner_of_the_course_is_one(site):
    assert roles_of(site, "system/person#Administrator", "membership#Learner") is False
