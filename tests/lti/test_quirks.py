"""What single platforms do differently, replayed through HTTP: browsers, launches and links.

Those of registration, keys and services are in test_quirks_of_platforms; where a quirk is shown elsewhere, the test
there names it by the same mark.
"""

import re
import time
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qs, parse_qsl, quote, urlsplit

import pytest
import requests
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import upkeep
from lti_mentor.lti import quirks
from lti_mentor.lti.platforms import Platform
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.goals import Goal
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.practice.tokens import CLAIM
from tests.lti import test_deep_linking as deep_linking
from tests.lti.test_launch import count, refused, send
from tests.lti.test_threats import change, tool_of
from tests.support.marked import marked
from tests.support.visitor import Visitor

LIS = "http://purl.imsglobal.org/vocab/lis/v2"


def test_every_quirk_has_a_test_that_replays_it_and_no_test_names_another():
    assert set(marked("quirk")) == {quirk.name for quirk in quirks.ALL}
    assert len({quirk.name for quirk in quirks.ALL}) == len(quirks.ALL)


@pytest.mark.parametrize("quirk", quirks.ALL, ids=lambda quirk: quirk.name)
def test_a_quirk_says_where_and_when_it_was_seen(quirk):
    assert quirk.source == "unknown" or urlsplit(quirk.source).scheme == "https"
    assert re.fullmatch(r"20\d\d(-[01]\d(-[0-3]\d)?)?|unknown", quirk.seen)
    assert quirk.platform
    assert quirk.what.endswith((".", ")"))


def only(site, column):
    with site.database.reading() as db:
        return db.scalars(select(column)).one()


def login(site, **changes) -> requests.Response:
    given = {"iss": site.lms.world.issuer, "login_hint": "learner", "target_link_uri": f"{site.url}/lti/launch"}
    return requests.post(f"{site.url}/lti/login", data=given | changes, allow_redirects=False, timeout=5)


def asked(answer) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


@pytest.mark.quirk("insecure_cookies")
def test_the_cookie_of_a_visit_is_kept_in_a_frame_of_another_site(site):
    cookies = send(site).headers["Set-Cookie"].split(", mentor_")
    assert all(word in cookies[0] for word in ("Secure", "HttpOnly", "SameSite=None", "Partitioned", "Path=/v/"))


@pytest.mark.quirk("posted_again", "lost_cookies")
def test_a_reload_shows_the_page_and_a_launch_sent_again_says_what_to_do(site):
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


@pytest.mark.quirk("replaced_csrf_cookie")
def test_a_second_tab_does_not_break_the_forms_of_the_first(site):
    visitor = Visitor()
    first = visitor.launch(site.lms.url, "learner", "1").url
    visitor.get(first + "goals/new")
    form = visitor.page
    visitor.launch(site.lms.url, "learner", "1")
    visitor.page = form
    typed = {"title": "Of the first tab", "baseline": "0", "target": "5", "due_on": "2049-01-01"}
    assert visitor.submit("/learner/goals", typed).status_code == 200
    assert only(site, Goal.title) == "Of the first tab"


@pytest.mark.quirk("shared_cookies")
def test_two_links_opened_at_once_in_one_browser_both_open(site):
    visitor = Visitor()
    begun = [visitor.begin(site.lms.url, "learner", "1") for _ in range(2)]
    assert [visitor.request("POST", url, data=fields).status_code for url, fields in reversed(begun)] == [303, 303]


@pytest.mark.quirk("many_frames")
def test_issuer_log_in_and_further_origins_may_frame(site):
    change(site, Platform, frame_ancestors=["https://district.example.org"])
    page = Visitor().launch(site.lms.url, "learner", "1")
    assert page.headers["Content-Security-Policy"].endswith(f"{site.lms.url} https://district.example.org")
    change(site, Platform, issuer="https://lms.example.org")
    assert only(site, Platform).framing_origins[:2] == ["https://lms.example.org", site.lms.url]


@pytest.mark.quirk("short_lived_nonces")
def test_a_launch_is_known_as_used_for_longer_than_its_token_is_good_for(site):
    visitor = Visitor()
    url, fields = visitor.begin(site.lms.url, "learner", "1")
    cookies = dict(visitor.cookies)
    visitor.request("POST", url, data=fields)
    with clock.moved_to(clock.now() + timedelta(minutes=site.settings.login_minutes + 5)):
        upkeep.run(tool_of(site))
    visitor.cookies = cookies
    refused(visitor.request("POST", url, data=fields), "launch.used_state")


@pytest.mark.quirk("clocks_ahead")
def test_a_clock_that_is_ahead_by_a_fraction_of_a_second_is_no_reason(site):
    soon = {"iat": lambda: time.time() + 0.9, "nbf": lambda: time.time() + 0.9, "exp": lambda: time.time() + 60.5}
    assert send(site, soon).status_code == 303


@pytest.mark.quirk("shared_mail")
def test_the_same_mail_address_does_not_make_two_people_one(site):
    for subject in ("learner", "mentor"):
        send(site, {"sub": subject, "email": "shared@example.org"})
    assert count(site, Person) == 2


@pytest.mark.quirk("no_names")
def test_the_unnamed_are_numbered_and_a_name_withheld_later_stays(site):
    program = deep_linking.with_program(site)
    send(site, {"sub": "unnamed", "name": ...})
    send(site, {"name": "Ada"})
    send(site, {"name": ...})
    visitor = Visitor()
    home = send(site, visitor=visitor, person="coordinator").headers["Location"]
    page = visitor.get(f"{site.url}{home}programs/{program.id}/people").text
    assert "Person 2" in page
    assert "Ada" in page


@pytest.mark.quirk("course_as_link")
def test_a_launch_that_names_the_course_as_its_link_is_known_by_our_own_key(site):
    visitor = deep_linking.opened(site)
    address, token = deep_linking.sent(deep_linking.place(visitor, deep_linking.SECURITY))
    visitor.request("POST", address, data={"JWT": token})
    site.lms.lms.links["1"][0].id = "1"
    assert "Choose a certification" in deep_linking.follow(site, "learner", "1").text


@pytest.mark.quirk("numbers_and_nulls")
def test_numbers_nulls_and_claims_of_canvas_are_taken(site):
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


@pytest.mark.quirk("login_required")
def test_a_log_in_that_the_platform_cannot_see_is_said_in_words(site):
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
    refused(answer, "launch.login_required")
    assert "it says “login_required”" in answer.text
    assert "Open in a new tab" in answer.text


@pytest.mark.quirk("query_encoded_twice")
def test_a_link_whose_query_was_encoded_twice_still_leads_to_what_was_placed(site):
    visitor = deep_linking.opened(site)
    address, token = deep_linking.sent(deep_linking.place(visitor, deep_linking.SECURITY))
    visitor.request("POST", address, data={"JWT": token})
    (link,) = site.lms.lms.links["1"]
    link.custom.clear()  # so that the address alone says what it is
    start, _, query = link.url.partition("?")
    given = [*parse_qsl(query), ("assignment", "a/b c")]
    twice = "&".join(f"{quote(quote(name, safe=''))}={quote(quote(value, safe=''))}" for name, value in given)
    link.url = f"{start}?{twice}"
    assert "a%252Fb%2520c" in link.url
    assert "Choose a certification" in deep_linking.follow(site, "learner", link.id).text


@pytest.mark.quirk("small_ids")
@pytest.mark.parametrize("issuer", ["http://intranet/moodle", "https://lms.example.org/moodle"])
def test_issuers_with_a_path_and_ids_that_are_small_numbers(site, issuer):
    change(site, Platform, issuer=issuer)
    site.lms.lms.world = replace(site.lms.world, issuer=issuer)
    assert send(site, {"sub": "5", f"{CLAIM}context": {"id": "2"}}).status_code == 303
    assert only(site, Account.issuer) == issuer


@pytest.mark.quirk("foreign_azp")
def test_an_azp_of_somebody_else_is_refused_until_the_registration_allows_it(site):
    foreign = {"azp": "962fa4d8-bcbf-49a0-94b2-2de05ad274af"}
    refused(send(site, foreign), "launch.authorized_party")
    change(site, Platform, foreign_azp=True)
    assert send(site, foreign).status_code == 303


@pytest.mark.quirk("long_hints")
def test_hints_go_back_as_they_came_however_long(site):
    hint = 'eyJ+/=&%2B é\u4e2d "' * 200
    given = asked(login(site, lti_message_hint=hint, login_hint="a+b/c=="))
    assert (given["lti_message_hint"], given["login_hint"]) == (hint, "a+b/c==")
    assert "lti_message_hint" not in asked(login(site))


@pytest.mark.quirk("empty_names")
def test_names_that_are_empty_texts_are_none(site):
    assert send(site, {"name": "", "given_name": "", "family_name": " ", "email": ""}).status_code == 303
    assert (only(site, Person.name), only(site, Person.email)) == (None, None)


@pytest.mark.quirk("everything_withheld", "unresolved_variables")
def test_a_platform_that_withholds_everything_opens(site):
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


@pytest.mark.quirk("two_issuers")
def test_the_issuer_of_the_token_has_to_be_that_of_the_login_to_the_letter(site):
    given = asked(login(site, login_hint="WVdKag==", target_link_uri=site.url + "/"))
    assert given["login_hint"] == "WVdKag=="
    refused(send(site, {"iss": f"{site.lms.world.issuer}/"}), "launch.issuer")


def roles_of(site, *roles) -> bool:
    answer = send(site, {f"{CLAIM}roles": [f"{LIS}/{role}" for role in roles]})
    assert answer.status_code == 303
    return only(site, Member.teaches)


@pytest.mark.quirk("no_course_roles")
def test_somebody_with_roles_of_the_institution_alone_opens_as_a_learner(site):
    assert roles_of(site, "institution/person#Student", "institution/person#Instructor") is False


@pytest.mark.quirk("administrators_of_no_course")
def test_an_administrator_who_is_in_no_course_opens_as_a_teacher(site):
    assert roles_of(site, "institution/person#Administrator") is True


@pytest.mark.quirk("administrators_of_no_course")
def test_an_administrator_who_is_a_learner_of_the_course_is_one(site):
    assert roles_of(site, "system/person#Administrator", "membership#Learner") is False
