"""The link to the administration: from the command line, for one use, in a window of its own."""

import threading
from datetime import timedelta

import pytest
import requests
from click.testing import CliRunner
from sqlalchemy import func, select

from lti_mentor import clock
from lti_mentor.app import create_app
from lti_mentor.cli import main
from lti_mentor.jobs import upkeep
from lti_mentor.mentoring import people
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web.admin import link
from lti_mentor.web.admin.link import AdminLink
from lti_mentor.web.visit import VisitRow
from tests.conftest import SECRET, url_of
from tests.support.visitor import Visitor

OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


def command(database, *arguments, **environment):
    chosen = {"LTI_MENTOR_DATABASE_URL": url_of(database), "LTI_MENTOR_SECRET_KEY": SECRET, **environment}
    return CliRunner().invoke(main, ["admin", "link", *arguments], env=chosen)


def made(site, *arguments) -> str:
    """The secret of a new link, as a browser takes it from the address on the last line."""
    done = command(site.database, *arguments, LTI_MENTOR_BASE_URL=site.url)
    assert done.exit_code == 0, done.output
    address, _, secret = done.output.splitlines()[-1].partition("#")
    assert address == f"{site.url}/admin"
    return secret


def entered(site, secret) -> tuple[Visitor, requests.Response]:
    visitor = Visitor()
    visitor.get(f"{site.url}/admin")
    return visitor, visitor.submit("/admin", {"link": secret})


def test_a_new_installation_is_entered_from_the_command_line(sqlite_database, loaded_settings):
    done = command(sqlite_database)
    secret = done.output.splitlines()[-1].rpartition("#")[2]
    client = create_app(loaded_settings, sqlite_database).test_client()
    answer = client.post("/admin", data={"link": secret}, base_url="http://localhost:8000", headers=OWN_PAGE)
    page = client.get(answer.headers["Location"], base_url="http://localhost:8000")
    assert "Connect your first learning platform" in page.text
    assert "Learning platforms of Default" in page.text
    with sqlite_database.reading() as db:
        assert [(each.issuer, each.subject) for each in db.scalars(select(Account))] == [
            ("lti-mentor", "administrator")
        ]
        actions = db.scalars(select(AuditEntry.action)).all()
    assert sorted(actions) == ["granted", "link_made", "link_used"]


def test_the_link_opens_one_visit_and_no_second_of_many_at_the_same_moment(both_site):
    secret, answers = made(both_site, "--organization", "Home"), []
    gate = threading.Barrier(6)

    def use() -> None:
        gate.wait()
        sent = {"data": {"link": secret}, "headers": OWN_PAGE}
        answers.append(requests.post(f"{both_site.url}/admin", timeout=20, allow_redirects=False, **sent))

    threads = [threading.Thread(target=use) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409, 409, 409, 409]
    assert all("Make a new one with lti-mentor admin link" in each.text for each in answers if each.status_code == 409)
    with both_site.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(VisitRow)) == 1


def test_looking_at_the_address_does_not_use_the_link_up_and_nothing_frames_it(site):
    secret = made(site, "--organization", "Home")
    for _ in range(2):
        preview = requests.get(f"{site.url}/admin", timeout=5)
        assert preview.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
        assert secret not in preview.text
    visitor, page = entered(site, secret)
    assert "Learning platforms of Home" in page.text
    assert page.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert secret not in page.url
    assert secret not in page.text
    (path,) = {path for _, path, _ in visitor.cookies}
    assert page.url.startswith(f"{site.url}{path}")


def test_the_whole_link_may_be_pasted_where_a_browser_runs_no_scripts(site):
    _, page = entered(site, f"  {site.url}/admin#{made(site, '--organization', 'Home')} ")
    assert "Learning platforms of Home" in page.text


def test_the_secret_is_in_no_log_and_in_no_row(site, caplog):
    caplog.set_level("DEBUG")
    secret = made(site, "--organization", "Home")
    entered(site, secret)
    assert "admin_link.enter" in str([vars(record) for record in caplog.records])
    assert secret not in str([vars(record) for record in caplog.records])
    with site.database.reading() as db:
        assert secret not in str([vars(row) for row in db.scalars(select(AdminLink))])


def test_a_link_is_over_after_fifteen_minutes_and_then_goes_away(site):
    secret = made(site, "--organization", "Home")
    with site.database.transaction() as db:
        row = db.scalars(select(AdminLink)).one()
        assert clock.now() + timedelta(minutes=14) < row.expires_at <= clock.now() + timedelta(minutes=15)
        row.expires_at = clock.now() - timedelta(seconds=1)
    assert entered(site, secret)[1].status_code == 409
    upkeep.run(Tool(site.settings, site.database, Vault(site.settings.secret_key)))
    with site.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(AdminLink)) == 0


@pytest.mark.parametrize("typed", ["", "nonsense", "#", "\0", "ü" * 3000])
def test_what_is_no_link_opens_nothing(site, typed):
    sent = {"data": {"link": typed}, "headers": OWN_PAGE}
    answer = requests.post(f"{site.url}/admin", timeout=5, allow_redirects=False, **sent)
    assert answer.status_code == 409
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "said",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example.org"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {},
    ],
)
def test_a_form_of_another_page_opens_nothing_and_does_not_use_the_link_up(site, said):
    secret = made(site, "--organization", "Home")
    sent = {"data": {"link": secret}, "headers": said}
    answer = requests.post(f"{site.url}/admin", timeout=5, allow_redirects=False, **sent)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert "Open the address of the link yourself" in answer.text
    assert entered(site, secret)[1].status_code == 200


def test_a_browser_that_names_the_origin_alone_comes_in(site):
    page = requests.get(f"{site.url}/admin", timeout=5)
    assert page.headers["Referrer-Policy"] == "same-origin", "else it would name none"
    sent = {"data": {"link": made(site, "--organization", "Home")}, "headers": {"Origin": site.url}}
    assert requests.post(f"{site.url}/admin", timeout=5, allow_redirects=False, **sent).status_code == 303


def test_a_link_for_somebody_needs_and_keeps_asking_for_their_right(site):
    Visitor().launch(site.lms.url, "coordinator", "1")
    arguments = ("--organization", "Home", "--for", "coordinator")
    refused = command(site.database, *arguments)
    assert refused.exit_code == 1
    assert "Coordinator is no administrator. Give the right with lti-mentor grant first." in refused.output
    with site.database.transaction() as db:
        person = db.scalars(select(Person).where(Person.name == "Coordinator")).one()
        people.grant(db, person, "administrator")
    assert entered(site, made(site, *arguments))[1].status_code == 200
    secret = made(site, *arguments)
    with site.database.transaction() as db:
        people.revoke(db, person, "administrator")
    assert entered(site, secret)[1].status_code == 409


def test_several_organizations_have_to_be_named(site):
    assert "name one with --organization" in command(site.database).output
    assert "There is no organization Hom" in command(site.database, "--organization", "Hom").output


def test_a_visit_by_link_that_is_over_says_how_to_come_back(site):
    visitor, page = entered(site, made(site, "--organization", "Home"))
    with site.database.transaction() as db:
        db.scalars(select(VisitRow)).one().expires_at = clock.now() - timedelta(seconds=1)
    answer = visitor.get(page.url)
    assert answer.status_code == 401
    assert "Make a new link with lti-mentor admin link" in answer.text


def test_the_person_of_the_command_line_stays_the_same(sqlite_database, loaded_settings):
    command(sqlite_database)
    command(sqlite_database)
    with sqlite_database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Person)) == 1
        assert db.scalar(select(func.count()).select_from(AdminLink)) == 2
    assert link.address(loaded_settings, "x") == "http://localhost:8000/admin#x"
