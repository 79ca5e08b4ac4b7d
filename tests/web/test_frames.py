"""Launches of browsers that keep no cookie, step by step over HTTP; the journeys do the same in Chromium."""

import html
import re
from datetime import timedelta
from urllib.parse import urljoin

import pytest
import requests
from sqlalchemy import delete, select, update

from lti_mentor import clock
from lti_mentor.lti.launch import CLAIM
from lti_mentor.lti.login import Login
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.vault import hashed
from lti_mentor.web import frames
from lti_mentor.web.visit import COOKIE
from tests.lti import test_deep_linking as deep_linking
from tests.lti.test_launch import count, refused
from tests.support.desk import Desk
from tests.support.visitor import Visitor
from tests.web.test_admin import Administrator
from xapi.rows import StoredStatement

BROWSER = {"Sec-Fetch-Dest": "iframe"}


def begun(site, **more) -> dict[str, str]:
    """What the platform posts to the login."""
    visitor = Visitor()
    visitor.get(f"{site.lms.url}/as/learner/courses/1")
    visitor.get(f"{site.lms.url}/as/learner/courses/1/open")
    return {**visitor.form("/lti/login")[1], **more}


def without_cookies(site, headers: dict[str, str], **more) -> requests.Response:
    """The login of a browser that was asked, and brought nothing back."""
    return requests.post(
        f"{site.url}/lti/login?mentor_asked=1",
        data=begun(site, **more),
        headers=headers,
        allow_redirects=False,
        timeout=9,
    )


def stored(site) -> tuple[dict[str, str], dict[str, str]]:
    """A launch whose secret went to the platform: the fields of the launch, and what the page shall keep."""
    site.lms.lms.offers_storage = True
    visitor = Visitor()
    page = requests.post(f"{site.url}/lti/login?mentor_asked=1", data=begun(site), headers=BROWSER, timeout=9).text
    kept = {name: html.unescape(value) for name, value in re.findall(r'data-([a-z]+)="([^"]*)"', page)}
    visitor.get(f"{site.lms.url}/as/learner/courses/1")
    visitor.get(kept["next"])
    return visitor.form("/lti/launch")[1], kept


def launch(site, fields: dict[str, str], origin: str | None = None) -> requests.Response:
    headers = {"Origin": origin} if origin else {}
    return requests.post(f"{site.url}/lti/launch", data=fields, headers=headers, allow_redirects=False, timeout=9)


def test_a_browser_is_asked_once_if_it_keeps_cookies_and_then_goes_straight_on(site):
    visitor = Visitor()
    fields = begun(site)
    asked = visitor.request("POST", f"{site.url}/lti/login", data=fields, headers=BROWSER)
    assert asked.status_code == 307
    assert fields["login_hint"] not in asked.headers["Location"]
    again = visitor.request("POST", urljoin(site.url, asked.headers["Location"]), data=fields, headers=BROWSER)
    assert again.status_code == 302
    assert again.headers["Location"].startswith(site.lms.url)
    next_time = visitor.request("POST", f"{site.url}/lti/login", data=begun(site), headers=BROWSER)
    assert next_time.status_code == 302


def test_a_login_by_get_keeps_its_parameters_when_the_browser_is_asked(site):
    asked = requests.get(f"{site.url}/lti/login", params=begun(site), headers=BROWSER, allow_redirects=False, timeout=9)
    assert asked.status_code == 307
    answer = requests.get(urljoin(site.url, asked.headers["Location"]), headers=BROWSER, timeout=9)
    assert "Open in a new tab" in answer.text


@pytest.mark.quirk("storage_elsewhere")
def test_the_page_between_may_be_framed_where_courses_are_shown_and_names_the_exact_origin_of_the_platform(site):
    page = without_cookies(site, BROWSER, lti_storage_target="_parent")
    assert page.headers["Content-Security-Policy"].endswith(f"frame-ancestors {site.lms.url}")
    assert f'data-origin="{site.lms.url}"' in page.text
    strange = without_cookies(site, BROWSER, lti_storage_target='x"><script>' + "y" * 200)
    assert "<script>" not in strange.text
    assert "Open in a new tab" in strange.text


@pytest.mark.quirk("other_pages")
def test_the_page_between_is_seen_in_a_canvas_that_only_the_signed_message_says_the_address_of(site):
    fields = begun(site)
    with site.database.transaction() as db:
        db.scalars(select(Platform)).one().issuer = fields["iss"] = "https://canvas.instructure.com"
    asked = requests.post(f"{site.url}/lti/login?mentor_asked=1", data=fields, headers=BROWSER, timeout=9)
    assert "Open in a new tab" in asked.text
    assert asked.headers["Content-Security-Policy"].endswith("frame-ancestors *")


@pytest.mark.quirk("new_tab")
def test_a_second_click_on_the_new_tab_leads_to_what_was_linked(site):
    address, token = deep_linking.sent(deep_linking.place(deep_linking.opened(site), deep_linking.SECURITY))
    requests.post(address, data={"JWT": token}, timeout=9)
    (link,) = site.lms.lms.links["1"]
    visitor = Visitor()
    for page in ("", f"/open?link={link.id}"):
        visitor.get(f"{site.lms.url}/as/learner/courses/1{page}")
    _, fields = visitor.form("/lti/login")
    page = visitor.request("POST", f"{site.url}/lti/login?mentor_asked=1", data=fields, headers=BROWSER)
    tab = urljoin(site.url, html.unescape(re.search(r'href="([^"]*mentor_tab[^"]*)"', page.text)[1]))
    visitor.get(tab)
    first = visitor.submit("/lti/launch")
    assert "Choose a certification" in first.text
    assert visitor.get(tab).url == first.url


@pytest.mark.parametrize("planted", ["//evil.example.org/v/", "https://evil.example.org/v/", "/lti/login", ""])
def test_a_planted_cookie_of_a_tab_leads_nowhere_else(site, planted):
    cookie = {f"mentor_tab_{hashed('tab')[:16]}": planted}
    address = f"{site.url}/lti/login?mentor_tab=tab"
    answer = requests.get(address, params=begun(site), cookies=cookie, allow_redirects=False, timeout=9)
    assert answer.headers["Location"].startswith(site.lms.url)


def test_the_origin_that_may_answer_is_that_of_the_log_in_not_of_the_issuer(site):
    with site.database.transaction() as db:
        db.execute(update(Platform).values(authorization_endpoint="https://sso.example.org:8443/authorize?a=b"))
    page = without_cookies(site, BROWSER, lti_storage_target="post_message_forwarding").text
    assert 'data-origin="https://sso.example.org:8443"' in page
    assert 'data-target="post_message_forwarding"' in page
    fields = {"state": re.search(r"state=([\w-]+)", page)[1], "id_token": "x", "lti_storage_target": "a_frame"}
    page = launch(site, fields).text
    assert 'data-ask="lti.get_data"' in page
    assert 'data-origin="https://sso.example.org:8443"' in page
    assert 'data-target="a_frame"' in page


def test_a_whole_window_that_keeps_nothing_is_told_so_before_the_hint_is_spent(site):
    refused(without_cookies(site, {"Sec-Fetch-Dest": "document"}), "launch.cookies_blocked")
    assert site.lms.lms.hints


def test_a_launch_with_the_secret_from_the_storage_shows_its_page_at_once_and_puts_no_secret_in_an_address(site):
    fields, kept = stored(site)
    asking = launch(site, fields)
    assert asking.status_code == 200
    assert 'data-ask="lti.get_data"' in asking.text
    assert count(site, StoredStatement) == 0
    page = launch(site, {**fields, "browser_secret": kept["value"]}, origin=site.url)
    assert page.status_code == 200
    assert "Set your first goal" in page.text
    secret = re.search(r"Mentor-Visit&#34;: &#34;([^&]+)&#34;", page.text)[1]
    assert all(secret not in address for address in re.findall(r'(?:href|action|src)="([^"]*)"', page.text))
    home = urljoin(site.url, re.search(r'data-here="([^"]*)"', page.text)[1])
    assert requests.get(home, headers={"Mentor-Visit": secret}, timeout=9).status_code == 200
    assert requests.get(home, headers={"Mentor-Visit": secret + "x"}, timeout=9).status_code == 401
    assert requests.get(home, params={"mentor_visit": secret}, timeout=9).status_code == 401
    assert requests.get(home, timeout=9).status_code == 401


def test_a_page_has_each_script_once_whether_it_carries_its_visit_or_not(site):
    administrator = Administrator(site)
    (secret,) = (value for (_, _, name), value in administrator.cookies.items() if name == COOKIE)
    for path in ("lrs-keys", "invitations"):
        carrying = requests.get(f"{administrator.home}{path}", headers={"Mentor-Visit": secret}, timeout=9)
        for page in (administrator.open(path), carrying):
            assert page.status_code == 200
            assert page.text.count("/copy.js") == 1
        assert "/visit.js" in carrying.text


def test_a_form_of_such_a_page_carries_the_visit_and_its_answer_is_shown_at_once(site):
    fields, kept = stored(site)
    page = launch(site, {**fields, "browser_secret": kept["value"]}, origin=site.url)
    visitor = Visitor()
    visitor.page = page
    home = urljoin(site.url, re.search(r'data-here="([^"]*)"', page.text)[1])
    secret = re.search(r"Mentor-Visit&#34;: &#34;([^&]+)&#34;", page.text)[1]
    visitor.request("GET", f"{home}goals/new", headers={"Mentor-Visit": secret})
    url, hidden = visitor.form("/learner/goals")
    typed = {**hidden, "title": "Read a trace", "baseline": "0", "target": "5", "due_on": "2049-01-01"}
    foreign = ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}, {"Origin": "http://["}, {})
    for headers in foreign:
        refusal = requests.post(url, data=typed, headers=headers, timeout=9)
        assert refusal.status_code == 401, "nobody is put into the visit of somebody else by a form"
        assert secret not in refusal.text
    answer = requests.post(url, data=typed, headers={"Sec-Fetch-Site": "same-origin"}, timeout=9)
    assert answer.status_code == 200
    assert "Read a trace" in answer.text
    assert answer.headers["Content-Security-Policy"].count("frame-ancestors") == 1


def test_a_secret_that_another_page_brings_opens_nothing(site):
    fields, kept = stored(site)
    mine = {**fields, "browser_secret": kept["value"]}
    for origin in (
        None,
        "null",
        "http://[",
        "https://evil.example.org",
        site.url.replace("http:", "https:"),
        site.lms.url,
    ):
        refused(launch(site, mine, origin=origin), "launch.no_cookie")
    refused(launch(site, {**fields, "browser_secret": "another"}, origin=site.url), "launch.other_browser")
    assert count(site, StoredStatement) == 0
    assert launch(site, mine, origin=site.url).status_code == 200
    refused(launch(site, mine, origin=site.url), "launch.used_state")


def test_a_platform_without_storage_gets_no_page_that_asks_for_it(site):
    fields, _ = stored(site)
    fields.pop("lti_storage_target")
    refused(launch(site, fields), "launch.no_cookie")


def test_with_encryption_the_cookie_of_a_login_is_one_that_no_other_host_of_the_domain_can_plant(site):
    base = site.url.replace("http:", "https:")
    target = f"{base}/lti/launch"
    desk = Desk(site, base_url=base)
    client, begun = desk.login("learner", target_link_uri=target)
    pair, *attributes = begun.headers["Set-Cookie"].split("; ")
    name, _, value = pair.partition("=")
    assert name.startswith("__Host-mentor_login_")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=None", "Partitioned"} <= set(attributes)
    assert not [each for each in attributes if each.startswith("Domain")]
    form = desk.form(begun, "learner", **{f"{CLAIM}target_link_uri": target})
    planted = desk.client()
    planted.set_cookie(name.removeprefix("__Host-"), value, domain="localhost")
    refused(desk.post(planted, "/lti/launch", form), "launch.no_cookie")
    opened = desk.post(client, "/lti/launch", form)
    assert opened.status_code == 303
    (over,) = [each for each in opened.headers.getlist("Set-Cookie") if each.startswith(name)]
    assert "Max-Age=0" in over
    assert "Path=/;" in over


def test_without_encryption_on_the_own_machine_it_has_a_plain_name(site):
    _, begun = Desk(site).login("learner")
    assert begun.headers["Set-Cookie"].startswith("mentor_login_")


def logins(visitor) -> list[str]:
    """The cookies of logins that the browser keeps, the oldest first."""
    return [name for _, _, name in visitor.cookies if "mentor_login_" in name]


def test_a_frame_that_begins_logins_again_and_again_leaves_room_for_everything_else(site):
    visitor = Visitor()
    opened = visitor.launch(site.lms.url, "learner", "1").url
    for _ in range(frames.MOST_LOGINS + 5):
        url, fields = visitor.begin(site.lms.url, "learner", "1")
    assert len(logins(visitor)) == frames.MOST_LOGINS
    assert visitor.get(opened).status_code == 200
    assert visitor.request("POST", url, data=fields).status_code == 303
    assert len(logins(visitor)) == frames.MOST_LOGINS - 1


def test_two_frames_at_once_both_go_on(site):
    visitor = Visitor()
    both = [visitor.begin(site.lms.url, "learner", "1") for _ in range(2)]
    assert [visitor.request("POST", url, data=fields).status_code for url, fields in both] == [303, 303]


def test_the_cookie_of_a_login_goes_once_no_launch_can_follow_it(site):
    with site.database.transaction() as db:
        db.execute(delete(Deployment).where(Deployment.deployment_id == "2"))
    visitor = Visitor()
    refused(visitor.launch(site.lms.url, "outsider", "1b"), "launch.pending_deployment")
    url, fields = visitor.begin(site.lms.url, "learner", "1")
    visitor.request("POST", url, data={"error": "login_required", "state": fields["state"]})
    assert logins(visitor) == []
    url, fields = visitor.begin(site.lms.url, "learner", "1")
    assert visitor.request("POST", url, data={**fields, "id_token": "wrong"}).status_code == 400
    assert visitor.request("POST", url, data=fields).status_code == 303, "it was not used up"


def unseen(site) -> tuple[Visitor, str, dict[str, str]]:
    """Somebody whom the platform does not see, and what it posts instead of a launch."""
    visitor = Visitor()
    visitor.get(f"{site.lms.url}/as/learner/courses/1")
    visitor.get(f"{site.lms.url}/as/learner/courses/1/open")
    url, fields = visitor.form("/lti/login")
    begun = visitor.request("POST", url, data=fields)
    visitor.cookies = {key: value for key, value in visitor.cookies.items() if key[2] != "practice_person"}
    visitor.request("GET", begun.headers["Location"])
    url, fields = visitor.form("/lti/launch")
    assert fields["error"] == "login_required"
    return visitor, url, fields


def test_somebody_whom_the_platform_does_not_see_in_a_frame_goes_on_in_a_tab(site):
    visitor, url, fields = unseen(site)
    answer = visitor.request("POST", url, data=fields, headers={"Sec-Fetch-Dest": "iframe"})
    refused(answer, "launch.login_required")
    assert "it says “login_required”" in answer.text
    tab = site.url + html.unescape(re.search(r'href="([^"]*)" target="_blank"', answer.text)[1])
    person = Visitor()
    person.get(f"{site.lms.url}/as/learner/courses/1")  # whom the platform sees in a tab
    person.get(person.request("GET", tab).headers["Location"])
    url, fields = person.form("/lti/launch")
    opened = person.request("POST", url, data=fields)
    assert "Set your first goal" in person.get(site.url + opened.headers["Location"]).text
    assert person.request("GET", tab).headers["Location"].startswith("/v/"), "a second click comes back"


def test_no_tab_is_offered_out_of_a_tab_or_for_a_login_that_is_over(site):
    visitor, url, fields = unseen(site)
    for framed, changes in (
        ({"Sec-Fetch-Dest": "document"}, {}),
        ({}, {"state": "x"}),
        ({}, {"state": ""}),
        ({}, {"error": "access_denied"}),
    ):
        answer = visitor.request("POST", url, data=fields | changes, headers=framed)
        assert "choose the link again" in answer.text or "open the link again" in answer.text
        assert "Open in a new tab" not in answer.text
    with site.database.transaction() as db:
        db.execute(update(Login).values(created_at=clock.now() - timedelta(hours=1)))
    assert "Open in a new tab" not in visitor.request("POST", url, data=fields).text


def test_a_login_without_a_frame_or_too_long_for_an_address_is_not_kept_for_a_tab(site):
    for changes, where, is_kept in (
        ({}, "iframe", True),
        ({"lti_message_hint": "x" * 7000}, "iframe", False),
        ({}, "document", False),
    ):
        headers = {"Cookie": "mentor_kept=1", "Sec-Fetch-Dest": where}
        requests.post(f"{site.url}/lti/login", data=begun(site, **changes), headers=headers, timeout=9)
        with site.database.transaction() as db:
            (login,) = db.scalars(select(Login))
            assert (login.again is not None) == is_kept
            db.delete(login)


def test_nothing_of_a_login_is_kept_for_a_tab_once_it_led_somewhere(site):
    Visitor().launch(site.lms.url, "learner", "1")
    with site.database.reading() as db:
        assert [(login.used_at is not None, login.again) for login in db.scalars(select(Login))] == [(True, None)]


@pytest.mark.quirk("many_frames")
@pytest.mark.parametrize("family", ["schoology", "Canvas", "moodle"])
def test_before_the_message_whoever_shows_courses_of_such_a_product_may_frame(site, family):
    with site.database.transaction() as db:
        db.execute(update(Platform).values(family=family))
    page = without_cookies(site, BROWSER)
    anybody = "frame-ancestors *" in page.headers["Content-Security-Policy"]
    assert anybody == (family != "moodle")
