"""Keys of the record store: the administrator's page and commands, over real HTTP."""

import html
import re
from datetime import timedelta

import pytest
import requests
from click.testing import CliRunner
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.activity import record
from lti_mentor.cli import main
from lti_mentor.mentoring.audit import AuditEntry
from tests.conftest import SECRET, gather_cast, url_of
from tests.support.record_store import Client, post, statement
from tests.web.test_admin import Administrator
from xapi.rows import Key


@pytest.fixture
def home(site):
    """The administrator's organization, with a program in a course."""
    with site.database.transaction() as db:
        return gather_cast(db)


@pytest.fixture
def base(site):
    with site.database.reading() as db:
        return record.iri_base(db)


def shown(page, name):
    return html.unescape(re.search(f'id="made-{name}"[^>]* value="([^"]*)"', page.text)[1])


def the_key(site) -> Key:
    with site.database.reading() as db:
        return db.scalars(select(Key)).one()


def test_an_administrator_makes_a_key_for_one_program_sees_it_used_and_disables_it(site, home, base):
    administrator = Administrator(site)
    assert "None yet." in administrator.open("lrs-keys").text
    last = clock.today() + timedelta(days=9)
    typed = {"label": "Warehouse", "scopes": ["statements/read", "statements/write"], "expires": last.isoformat()}
    page = administrator.submit("/admin/lrs-keys", {**typed, "bound_to": str(home.program.id)})
    assert page.status_code == 200, page.text
    assert shown(page, "endpoint") == f"{site.url}/xapi"
    key, secret = shown(page, "key"), shown(page, "secret")
    assert shown(page, "activity") == f"{base}/programs/{home.program.id}"
    with requests.Session() as session:
        client = Client(session, site.url, (key, secret))
        post(client, statement(), status=403)
        post(client, statement(object={"id": f"{base}/programs/{home.program.id}"}))
        read = client.get("statements", {}).json()["statements"]
    assert {f"{base}/programs/{home.program.id}"} <= {each["object"].get("id") for each in read}
    page = administrator.open("lrs-keys")
    assert secret not in page.text
    day = f">{last:%a} {last.day} {last:%b}, 23:59</time>"
    for words in ("Warehouse", key, "Program", "read statements", "write statements", "good", day):
        assert words in page.text
    assert "never" not in re.search(f"{key}.*?</tr>", page.text, re.S)[0]
    assert "The key is disabled." in administrator.submit(f"/{key}/disabled").text
    with requests.Session() as session:
        assert Client(session, site.url, (key, secret)).get("statements", {}).status_code == 401
    with site.database.reading() as db:
        wanted = select(AuditEntry.action, AuditEntry.place).where(AuditEntry.action.like("key%"))
        entries = db.execute(wanted.order_by(AuditEntry.at)).all()
    place = f"admin.lrs_keys {key}"
    assert list(map(tuple, entries)) == [("key_added", place), ("key_disabled", place)]


def test_the_same_form_sent_again_makes_no_second_key(site, home):
    administrator = Administrator(site)
    administrator.open("lrs-keys")
    url, fields = administrator.form("/admin/lrs-keys")
    for _ in range(2):
        page = administrator.request("POST", url, data={**fields, "scopes": ["state"]})
    assert the_key(site).scopes == "state"
    assert (
        "If you did not copy the secret, disable the key" in administrator.get(site.url + page.headers["Location"]).text
    )


def test_what_is_wrong_with_a_new_key_stands_beside_the_field(site, home):
    administrator = Administrator(site)
    administrator.open("lrs-keys")
    yesterday = (clock.today() - timedelta(days=2)).isoformat()
    page = administrator.submit("/admin/lrs-keys", {"label": "x" * 101, "scopes": [], "expires": yesterday})
    assert page.status_code == 422
    assert set(re.findall(r'aria-describedby="problem-(\w+)"', page.text)) == {"label", "scopes", "expires"}
    course = {"bound_to": str(home.course.id), "scopes": ["define", "statements/write"]}
    assert "leave define out" in administrator.submit("/admin/lrs-keys", course).text
    page = administrator.submit("/admin/lrs-keys", {"bound_to": "another", "scopes": ["state"]})
    assert page.status_code == 422


def run(site, *arguments):
    environment = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    return CliRunner().invoke(main, ["lrs", "key", *arguments, "--organization", "Home"], env=environment)


def test_the_command_line_binds_ends_lists_and_disables_keys(site, home, base):
    assert run(site, "add", "--course", "Course one", "--expires", "30").exit_code == 0
    kept = the_key(site)
    assert kept.activity == f"{base}/courses/{home.course.id}"
    assert timedelta(days=29) < kept.expires_at - clock.now() <= timedelta(days=30)
    listed = run(site, "list").output
    assert f"{kept.key}  active" in listed
    assert f"bound to Course one {kept.activity}, good until {kept.expires_at:%Y-%m-%d}" in listed
    assert "never used" in listed
    assert f"The key {kept.key} is disabled." in run(site, "disable", kept.key).output
    assert f"{kept.key}  disabled" in run(site, "list").output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--program", "Nothing of the kind"), "Nothing in Home is called"),
        (("--program", "Program", "--course", "Course one"), "not to both"),
        (("--program", "Program", "--scope", "define"), "leave define out"),
        (("--expires", "soon"), "Give the last day"),
        (("--expires", "2020-01-31"), "The last day lies in the past."),
    ],
)
def test_the_command_line_says_what_is_wrong_with_a_new_key(site, home, options, words):
    refused = run(site, "add", *options)
    assert refused.exit_code != 0
    assert words in refused.output
    with site.database.reading() as db:
        assert db.scalars(select(Key)).all() == []
