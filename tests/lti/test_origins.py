"""One way to write an origin, so that platforms which write it in another are not taken for strangers."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from lti_mentor.jobs import rosters
from lti_mentor.lti import quirks
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.origins import host, origin
from lti_mentor.lti.platforms import Platform
from lti_mentor.mentoring.courses import Member
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.lti.test_quirks import change
from tests.support.visitor import Visitor
from tests.web.test_frames import BROWSER, without_cookies

SAME = {
    "https://lms.example.org": [
        "https://lms.example.org/mod/lti?a=1#b",
        "HTTPS://LMS.Example.ORG",
        "https://lms.example.org:443/",
        "https://lms.example.org:",
    ],
    "http://lms.example.org": ["http://lms.example.org:80", "HTTP://lms.example.org:0080/x"],
    "https://lms.example.org:80": ["https://LMS.example.org:80"],
    "http://lms.example.org:443": ["http://lms.example.org:443"],
    "https://xn--mnchen-3ya.example": [
        "https://münchen.example/x",
        "https://MÜNCHEN.example",
        "https://XN--mnchen-3ya.example:443",
    ],
    "http://[::1]:8000": ["http://[::1]:8000/x"],
    "https://[::ab]": ["https://[::AB]:443"],
}


@pytest.mark.parametrize(("written", "address"), [(name, each) for name, all_ in SAME.items() for each in all_])
def test_an_origin_is_written_in_one_way(written, address):
    assert origin(address) == written
    assert origin(written) == written


@pytest.mark.parametrize(
    "address",
    [
        "https://straße.example",  # strasse.example to some, another domain to browsers
        "https://a..ü.example",
        "https://lms.example.org:443@elsewhere.example",
        "https://lms.example.org\\.elsewhere.example",
        "https://ü;script-src.example",
        "https://[::1]elsewhere.example",
        "https://lms.example.org:٤٤٣",
        "//lms.example.org",
    ],
)
def test_what_could_be_read_as_two_hosts_is_no_origin(address):
    assert (origin(address), host(address)) == (None, "")


def test_a_host_in_letters_of_its_language_speaks_for_itself():
    assert quirks.speaks_for(host("https://münchen.example/configuration"), "https://xn--mnchen-3ya.example")
    assert not quirks.speaks_for(host("https://munchen.example"), "https://münchen.example")


@pytest.fixture
def elsewhere(site):
    """The platform writes its own addresses in capitals from now on; those that are known stay."""
    Visitor().launch(site.lms.url, "learner", "1")
    lms = site.lms.lms
    known = lms.world.issuer.replace("127.0.0.1", "localhost")
    with site.database.transaction() as db:
        services = db.scalars(select(ContextServices)).one()
        services.memberships_url = services.memberships_url.replace(lms.world.issuer, known)
    lms.world = replace(lms.world, issuer=known.replace("http://localhost", "HTTP://LOCALHOST"))
    change(site, Platform, token_endpoint=f"{lms.world.issuer}/token")
    return site


def test_a_next_page_that_is_written_in_another_way_is_no_foreign_one(elsewhere):
    elsewhere.lms.lms.most_members = 1
    tool = Tool(elsewhere.settings, elsewhere.database, Vault(elsewhere.settings.secret_key))
    assert rosters.run(tool) == 1
    with elsewhere.database.reading() as db:
        assert len(db.scalars(select(Member)).all()) == 4
        assert db.scalars(select(ContextServices)).one().roster_problem is None


def test_the_platform_that_keeps_things_for_us_is_named_as_browsers_name_it(site):
    written = site.lms.url.replace("http://127.0.0.1", "HTTP://LOCALHOST")
    change(site, Platform, authorization_endpoint=f"{written}/authorize")
    page = without_cookies(site, BROWSER, lti_storage_target="_parent")
    assert f'data-origin="{written.lower()}"' in page.text
    with site.database.reading() as db:
        assert (
            written.lower() in db.scalars(select(Platform).where(Platform.client_id == "tests")).one().framing_origins
        )
