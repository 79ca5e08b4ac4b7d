"""The administrator's pages, over real HTTP: platforms, invitations, keys and the audit log."""

import html
import re
from datetime import timedelta

import jwt
import pytest
import requests
from click.testing import CliRunner
from sqlalchemy import delete, func, select, update

from lti_mentor import clock
from lti_mentor.cli import main
from lti_mentor.jobs import connections, worker
from lti_mentor.lti import keys, platforms, registration
from lti_mentor.lti.connection_tests import ConnectionTest
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.keys import ToolKey
from lti_mentor.lti.platforms import Deployment, KeySet, Platform
from lti_mentor.lti.registration import Invitation
from lti_mentor.mentoring import organizations, people
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.people import Person
from lti_mentor.queue import Job
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web.admin import link, log
from lti_mentor.web.admin.platforms import SCOPES
from tests.conftest import SECRET, url_of
from tests.lti.test_registration import paste
from tests.support.member import Member
from tests.support.visitor import Visitor


class Administrator(Visitor):
    """Somebody with the pages of an organization open."""

    def __init__(self, site, organization="Home") -> None:
        super().__init__()
        with site.database.transaction() as db:
            person = link.administrator(db, organizations.named(db, organization).id, site.settings)
            secret = link.make(db, person)
        self.get(f"{site.url}/admin")
        self.submit("/admin", {"link": secret})
        worker.schedule(site.database)  # one has just begun
        self.home = self.page.url.partition("?")[0]

    def open(self, page="") -> requests.Response:
        return self.get(f"{self.home}{page}")


@pytest.fixture
def administrator(site) -> Administrator:
    return Administrator(site)


def tool_of(site) -> Tool:
    return Tool(site.settings, site.database, Vault(site.settings.secret_key))


def the(database, row, **wanted):
    with database.reading() as db:
        return db.scalars(select(row).filter_by(**wanted)).one()


def register_another(site, visitor, **typed) -> Platform:
    """A second registration of the practice LMS, which belongs to the organization alone."""
    visitor.open("invitations")
    page = visitor.submit("/invitations", {"uses": "1", "hours": "1", **typed})
    assert page.status_code == 200, page.text
    address = html.unescape(re.search(r'id="address"[^>]* value="([^"]*)"', page.text)[1])
    assert "The tool is registered" in paste(site, address).text
    with site.database.reading() as db:
        return db.scalars(select(Platform).order_by(Platform.created_at.desc())).first()


def launch(site, platform, person="learner", course="1") -> tuple[Visitor, requests.Response]:
    """Through this registration of the practice LMS."""
    visitor = Visitor()
    visitor.get(f"{site.lms.url}/as/{person}/courses/{course}")
    visitor.get(f"{site.lms.url}/as/{person}/courses/{course}/open?client={platform.client_id}")
    url, fields = visitor.form("/lti/login")
    login = visitor.request("POST", url, data=fields)
    if not login.is_redirect:
        return visitor, login
    visitor.request("GET", login.headers["Location"])
    url, fields = visitor.form("/lti/launch")
    answer = visitor.request("POST", url, data=fields)
    return visitor, visitor.get(f"{site.url}{answer.headers['Location']}") if answer.is_redirect else answer


# Platforms ------------------------------------------------------------------------------------------------------------


def test_observers_are_let_see_people_who_agreed_and_nothing_again_on_the_page(site):
    mine = Administrator(site)
    with site.database.reading() as db:
        platform_id = db.scalars(select(Platform.id)).first()
    added = register_another(site, mine)
    assert "They see nothing." in mine.open(f"platforms/{added.id}").text
    for decision, words, is_on in (
        ("allow", "They see people who agreed.", True),
        ("refuse", "They see nothing.", False),
    ):
        assert words in mine.submit(f"{added.id}/observers", {"decision": decision}).text
        with site.database.reading() as db:
            assert db.get_one(Platform, added.id).observers is is_on
            assert db.get_one(Platform, platform_id).observers is False
    assert "Let observers see how people are doing who agreed" in mine.open("log").text


def test_a_platform_is_invited_approved_suspended_and_removed_on_pages(both_site):
    site, mine = both_site, Administrator(both_site)
    added = register_another(site, mine, needs_approval="true")
    assert "launch.pending_platform" in launch(site, added)[1].text
    home = mine.open()
    assert "1 platform waits for approval" in home.text
    assert "The platform may launch." in mine.submit(f"{added.id}/approved").text
    assert "no launch yet" in mine.page.text
    learner, page = launch(site, added)
    assert page.status_code == 200
    assert "last launch" in mine.open(f"platforms/{added.id}").text
    offered = {word for word, label in SCOPES.items() if label in mine.page.text}
    assert offered == set(SCOPES) - {"lineitem.readonly"}, "what the practice LMS has"

    suspended = mine.submit(f"{added.id}/suspended")
    assert "suspended" in suspended.text
    assert learner.get(page.url).status_code == 401
    assert "launch.disabled_platform" in launch(site, added)[1].text
    mine.submit(f"{added.id}/approved")
    learner, page = launch(site, added)
    assert page.status_code == 200

    dry_run = mine.open(f"platforms/{added.id}/removal")
    for line in ("1 deployment, which", "1 open visit, which", "1 course with its people"):
        assert line in dry_run.text
    wrong = mine.submit("/removal", {"host": "another.example.org"})
    assert wrong.status_code == 422
    assert "Nothing is removed yet" in wrong.text
    assert 'value="another.example.org"' in wrong.text
    assert learner.get(page.url).status_code == 200, "a dry run changes nothing"
    mine.open(f"platforms/{added.id}/removal")
    done = mine.submit("/removal", {"host": site.lms.url.removeprefix("http://").upper()})
    assert "The platform is removed." in done.text
    assert learner.get(page.url).status_code == 401
    assert "launch.unknown_platform" in launch(site, added)[1].text
    assert mine.open(f"platforms/{added.id}").status_code == 404
    with site.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Course)) == 1, "courses stay"
    written = mine.open("log").text
    for action in ("invited", "registered", "approved", "disabled", "removed", "link_used"):
        assert log.SENTENCES[action] in written
    assert f"platform {added.issuer} ({added.client_id})" in written
    assert "the learning platform" in written


def test_of_two_clients_of_one_issuer_only_the_visits_of_the_suspended_one_end(both_site):
    site, mine = both_site, Administrator(both_site)
    added = register_another(site, mine)
    suspended, page = launch(site, added)
    other = Visitor()
    other_page = other.launch(site.lms.url, "learner", "1")  # the same person, through the client that stays
    assert page.status_code == other_page.status_code == 200
    assert "1 open visit, which" in mine.open(f"platforms/{added.id}/removal").text
    mine.open(f"platforms/{added.id}")
    mine.submit(f"{added.id}/suspended")
    assert suspended.get(page.url).status_code == 401
    assert other.get(other_page.url).status_code == 200
    mine.submit(f"{added.id}/approved")
    _, page = launch(site, added)
    mine.open(f"platforms/{added.id}/removal")
    mine.submit("/removal", {"host": site.lms.url.removeprefix("http://")})
    assert suspended.get(page.url).status_code == 401
    assert other.get(other_page.url).status_code == 200


def test_an_administrator_of_a_launch_finds_the_tab_and_stays_when_their_platform_is_suspended(site):
    added = register_another(site, Administrator(site))
    visitor, page = launch(site, added, "coordinator")
    assert "Administration" not in page.text
    with site.database.transaction() as db:
        people.grant(db, db.scalars(select(Person).where(Person.name == "Coordinator")).one(), "administrator")
    page = visitor.get(page.url)
    tab = re.search(r'href="([^"]*/admin/)"', page.text)
    home = visitor.get(f"{site.url}{tab[1]}")
    assert "Learning platforms of Home" in home.text
    other, page = launch(site, added)
    visitor.get(f"{home.url}platforms/{added.id}")
    assert "suspended" in visitor.submit("/suspended").text
    assert other.get(page.url).status_code == 401
    assert visitor.get(home.url).status_code == 200


def test_a_platform_of_several_organizations_is_changed_on_the_command_line_alone(site, administrator):
    shared = the(site.database, Platform)
    page = administrator.open(f"platforms/{shared.id}")
    assert "Several organizations use this platform" in page.text
    assert "<code>1</code>" in page.text
    assert "<code>2</code>" not in page.text, "the deployment of the other organization"
    assert "/suspended" not in page.text
    assert "/removal" not in page.text
    url, fields = administrator.form(f"{shared.id}/test")
    for action in ("approved", "suspended", "removal"):
        host = {"host": site.lms.url.removeprefix("http://")}
        refused = administrator.request("POST", url.removesuffix("test") + action, data={**fields, **host})
        assert refused.status_code == 409
        assert "platform.shared" in refused.text
    assert administrator.open(f"platforms/{shared.id}/removal").status_code == 409
    assert the(site.database, Platform).status == "active"


def test_the_start_page_says_that_no_worker_runs_until_one_does(site, administrator):
    def told(words="No worker took a job for ten minutes") -> bool:
        page = administrator.open().text
        assert (words in page) == ("<code>lti-mentor worker</code>" in page)
        return words in page

    assert not told(), "it has just begun"
    with site.database.transaction() as db:
        db.execute(update(Job).values(run_after=clock.now() - timedelta(minutes=11)))
    assert told()
    assert "Nothing waits for you" not in administrator.page.text
    assert worker.work_once(tool_of(site))
    assert not told()
    with site.database.transaction() as db:
        db.execute(delete(Job))
    assert told("No worker has run yet")
    register_another(site, administrator, needs_approval="true")
    assert told("No worker has run yet"), "whatever else waits"


def test_an_administrator_sees_nothing_of_another_organization(site, administrator):
    added = register_another(site, administrator)
    with site.database.transaction() as db:
        registration.invite(db, organizations.named(db, "Home").id)
        invitation = db.scalars(select(Invitation).where(Invitation.uses_left == 1)).one()
    Visitor().launch(site.lms.url, "learner", "1")
    stranger = Administrator(site, "Elsewhere")
    assert added.client_id not in stranger.page.text
    assert "None. Nobody can register." in stranger.open("invitations").text
    _, theirs = stranger.form("/invitations")
    for path in (f"platforms/{added.id}", f"platforms/{added.id}/test", f"platforms/{added.id}/removal"):
        assert stranger.open(path).status_code == 404
    for path in (
        *(f"platforms/{added.id}/{action}" for action in ("approved", "suspended", "test", "removal")),
        f"invitations/{invitation.id}/revoked",
    ):
        assert stranger.request("POST", f"{stranger.home}{path}", data=theirs).status_code == 404
    assert "Learner" not in stranger.open("rights?q=learner").text
    learner = the(site.database, Person, name="Learner")
    given = stranger.request(
        "POST", f"{stranger.home}rights", data={**theirs, "person": str(learner.id), "right": "analyst"}
    )
    assert given.status_code == 404
    assert stranger.open(f"log?person={learner.id}").status_code == 404
    assert "Made an invitation to register" not in re.sub("<option.*?</option>", "", stranger.open("log").text)


def test_the_last_launch_is_kept_and_most_launches_write_nothing(both_site):
    def seen():
        return the(both_site.database, Deployment, deployment_id="1").last_launch_at

    assert seen() is None
    Visitor().launch(both_site.lms.url, "learner", "1")
    first = seen()
    assert clock.now() - timedelta(minutes=1) < first <= clock.now()
    Visitor().launch(both_site.lms.url, "mentor", "1")
    assert seen() == first
    with both_site.database.transaction() as db:
        kept = db.scalars(select(Deployment).where(Deployment.deployment_id == "1")).one()
        kept.last_launch_at -= timedelta(hours=2)
    Visitor().launch(both_site.lms.url, "mentor", "1")
    assert seen() > first
    with both_site.database.reading() as db:
        assert db.scalars(select(Deployment).where(Deployment.deployment_id == "2")).one().last_launch_at is None


def test_a_connection_is_tried_by_a_worker_and_the_page_says_in_words_what_is_wrong(both_site):
    site, mine = both_site, Administrator(both_site)
    platform = the(site.database, Platform)
    assert "Not tried yet" in mine.open(f"platforms/{platform.id}").text
    before = site.lms.lms.key_requests
    assert "being tried" in mine.submit("/test").text
    assert 'hx-trigger="every 2s"' in mine.page.text
    assert site.lms.lms.key_requests == before, "nothing is sent from a request"
    assert connections.run(tool_of(site)) == 1
    assert connections.run(tool_of(site)) == 0
    fragment = mine.open(f"platforms/{platform.id}/test").text
    assert "Keys: 1 can be used" in fragment
    assert "Token: given for 5 scopes" in fragment
    assert "hx-trigger" not in fragment
    assert "Nothing waits for you" in mine.open().text
    with site.database.transaction() as db:
        db.get(Platform, platform.id).client_id = "mistyped"
    mine.open(f"platforms/{platform.id}")
    mine.submit("/test")
    connections.run(tool_of(site))
    page = mine.open(f"platforms/{platform.id}").text
    assert "Keys: 1 can be used" in page
    assert "gave no token. Check the client id" in page
    assert "1 platform needs a look" in mine.open().text


def test_a_test_that_no_worker_takes_up_says_which_command_is_missing(site, administrator):
    platform = the(site.database, Platform)
    administrator.open(f"platforms/{platform.id}")
    administrator.submit("/test")
    with site.database.transaction() as db:
        db.scalars(select(ConnectionTest)).one().asked_at -= timedelta(minutes=2)
    assert "<code>lti-mentor worker</code>" in administrator.open(f"platforms/{platform.id}/test").text


def test_what_does_not_work_in_courses_stands_on_the_page_of_their_platform(site, administrator):
    Visitor().launch(site.lms.url, "learner", "1")
    with site.database.transaction() as db:
        services = db.scalars(select(ContextServices)).one()
        services.roster_problem = "platform.bad_status"
    platform = the(site.database, Platform)
    page = administrator.open(f"platforms/{platform.id}").text
    assert "Roster of 1 course" in page
    assert "The learning platform answered with an error." in page
    assert "needs a look" in administrator.open().text
    assert "needs a look" not in Administrator(site, "Elsewhere").page.text


def test_keys_that_a_platform_did_not_give_are_a_problem(site, administrator):
    Visitor().launch(site.lms.url, "learner", "1")
    platform = the(site.database, Platform)
    assert "1 can be used" in administrator.open(f"platforms/{platform.id}").text
    with site.database.transaction() as db:
        db.get(KeySet, platform.jwks_uri).fetched_at -= timedelta(hours=2)
    page = administrator.open(f"platforms/{platform.id}").text
    assert "did not give them the last time they were asked for" in page
    assert "&lt;" not in page
    assert "1 platform needs a look" in administrator.open().text


def test_the_command_says_what_removing_a_platform_would_do(site):
    Visitor().launch(site.lms.url, "learner", "1")
    platform = the(site.database, Platform)
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    done = CliRunner().invoke(main, ["platform", "remove", str(platform.id), "--dry-run"], env=surroundings)
    assert done.exit_code == 0
    for line in ("Nothing is changed", "forget 2 deployments", "end 1 open visits", "keep 1 courses"):
        assert line in done.output
    assert "last launch" in CliRunner().invoke(main, ["platform", "list"], env=surroundings).output
    gone = CliRunner().invoke(main, ["platform", "remove", str(platform.id)], env=surroundings)
    assert "1 open visits are ended" in gone.output
    with site.database.reading() as db:
        found = db.execute(select(AuditEntry.organization_id, AuditEntry.place).where(AuditEntry.action == "removed"))
        assert len({row[0] for row in found}) == 2, "each organization that launched from it reads of it"
        assert db.scalars(select(Platform)).all() == []


def test_a_platform_that_another_organization_begins_to_use_is_not_ones_own_any_more(database):
    given = {
        "authorization_endpoint": "https://a.org/a",
        "token_endpoint": "https://a.org/t",
        "jwks_uri": "https://a.org/k",
    }
    with database.transaction() as db:
        home, other = (organizations.named(db, name).id for name in ("Home", "Elsewhere"))
        first = platforms.Registration(issuer="https://a.org", client_id="c", deployment_ids=("1",), **given)
        platform = platforms.add(db, first, organization_id=home)
        assert platforms.get_own(db, home, platform.id) is platform
        second = platforms.Registration(issuer="https://a.org", client_id="c", deployment_ids=("2",), **given)
        platforms.add(db, second, organization_id=other)
    with database.reading() as db:
        assert [each.id for each in platforms.of_organization(db, other)] == [platform.id]
    with database.transaction() as db, pytest.raises(Exception, match=r"platform\.shared"):
        platforms.get_own(db, home, platform.id)


# Invitations ----------------------------------------------------------------------------------------------------------


def test_an_invitation_is_shown_once_also_when_its_form_comes_twice(site, administrator):
    administrator.open("invitations")
    url, fields = administrator.form("/invitations")
    typed = {**fields, "uses": "2", "hours": "5"}
    first = administrator.request("POST", url, data=typed)
    assert first.status_code == 200
    assert first.headers["Cache-Control"] == "no-store"
    secret = re.search(r"/lti/register\?invitation=([\w-]+)", first.text)[1]
    again = administrator.request("POST", url, data=typed)
    assert again.status_code == 303
    listed = administrator.open("invitations").text
    assert listed.count("2 platforms may register") == 1
    assert secret not in listed
    with site.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Invitation)) == 1
        assert secret not in db.scalars(select(Invitation.secret_hash)).one()


def test_an_invitation_that_was_taken_back_registers_nobody(site, administrator):
    administrator.open("invitations")
    page = administrator.submit("/invitations", {"uses": "3", "hours": "5"})
    address = html.unescape(re.search(r'id="address"[^>]* value="([^"]*)"', page.text)[1])
    administrator.open("invitations")
    done = administrator.submit("/revoked")
    assert "Nobody can register with this invitation any more." in done.text
    assert "invitation.over" in paste(site, address).text


def test_limits_of_an_invitation_stand_beside_the_field_and_what_was_typed_is_kept(site, administrator):
    administrator.open("invitations")
    page = administrator.submit("/invitations", {"uses": "1000", "hours": "5", "needs_approval": "true"})
    assert page.status_code == 422
    assert "An invitation has 1 to 100 uses" in page.text
    assert 'value="1000"' in page.text
    assert 'value="true" checked' in page.text
    administrator.open("invitations")
    assert "Give a number" in administrator.submit("/invitations", {"uses": "", "hours": "many"}).text


# Keys -----------------------------------------------------------------------------------------------------------------


def test_a_key_is_changed_with_overlap_when_the_organization_is_alone(sqlite_database, sqlite_cast, loaded_settings):
    with sqlite_database.transaction() as db:
        db.delete(db.get(Person, sqlite_cast.outsider.id))
        db.delete(organizations.named(db, "Elsewhere"))
    member = Member(sqlite_database, loaded_settings, sqlite_cast.administrator, sqlite_cast.course)
    with sqlite_database.reading() as db:
        (old,) = keys.listed(db)
    vault = Vault(loaded_settings.secret_key)
    signed = jwt.encode({"a": 1}, vault.open(keys.PURPOSE, old.sealed_private_pem), algorithm="RS256")
    assert member.post("admin/keys", "admin/keys").status_code == 303
    page = member.get("admin/keys").text
    assert page.count("<code>") == 5
    assert "and signs from this moment on" in page
    assert "paste the new one there by that moment. This prints it: <code>lti-mentor keys show</code>" in page
    assert "A new key is published already" in page
    with sqlite_database.transaction() as db:
        new, _ = keys.listed(db)
        new.signs_from = clock.now()
    page = member.get("admin/keys").text
    assert "signed before, and is still published" in page
    assert "Publish a new key" in page
    published = member.client.get("/lti/jwks").json["keys"]
    assert old.jwk["kid"] in {key["kid"] for key in published[1:]}
    assert jwt.decode(signed, jwt.PyJWK(published[1]).key, algorithms=["RS256"]) == {"a": 1}
    with sqlite_database.reading() as db:
        assert db.scalars(select(AuditEntry).where(AuditEntry.action == "keys_rotated")).one().actor_id


def test_keys_of_several_organizations_are_changed_on_the_command_line_alone(site, administrator):
    page = administrator.open("keys")
    assert "Several organizations use this installation" in page.text
    assert "<form" not in page.text
    administrator.open("invitations")
    _, fields = administrator.form("/invitations")
    assert administrator.request("POST", f"{administrator.home}keys", data=fields).status_code == 409
    with site.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(ToolKey)) == 1
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    assert CliRunner().invoke(main, ["keys", "rotate"], env=surroundings).exit_code == 0
    with site.database.reading() as db:
        assert len(db.scalars(select(AuditEntry).where(AuditEntry.action == "keys_rotated")).all()) == 2
