"""New deployments of a platform: they wait, are let in or refused, and nobody gets in through them before."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
from click.testing import CliRunner
from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError

from lti_mentor import clock
from lti_mentor.cli import main
from lti_mentor.jobs import upkeep
from lti_mentor.lti import launch, platforms, quirks
from lti_mentor.lti.login import Login
from lti_mentor.lti.platforms import MOST_PENDING, Deployment, Platform
from lti_mentor.mentoring import organizations
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.people import Person
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web.visit import VisitRow
from tests.conftest import SECRET, url_of
from tests.lti.test_launch import refused
from tests.support.desk import Desk
from tests.support.visitor import Visitor
from tests.web.test_admin import Administrator, the
from xapi.rows import StoredStatement


@pytest.fixture
def alone(both_site):
    """The platform belongs to Home alone, and has a deployment that nobody has told the tool of."""
    with both_site.database.transaction() as db:
        db.execute(delete(Deployment).where(Deployment.deployment_id == "2"))
    return both_site


def knock(site) -> requests.Response:
    """A launch from the deployment that is new."""
    return Visitor().launch(site.lms.url, "outsider", "1b")


def new_one(site) -> Deployment:
    return the(site.database, Deployment, deployment_id="2")


def counts(site, *rows) -> list[int]:
    with site.database.reading() as db:
        return [db.scalars(select(func.count()).select_from(row)).one() for row in rows]


def wait(db, platform_id, number) -> None:
    """So many others wait already."""
    waits = {"platform_id": platform_id, "status": "pending", "last_launch_at": clock.now()}
    db.add_all(Deployment(deployment_id=f"other {each}", **waits) for each in range(number))


def path_of(site, action) -> str:
    return f"platforms/{the(site.database, Platform).id}/deployments/{new_one(site).id}/{action}"


def post(site, administrator, action) -> requests.Response:
    """Whatever the pages show."""
    administrator.open("invitations")
    _, fields = administrator.form("/invitations")
    return administrator.request("POST", f"{administrator.home}{path_of(site, action)}", data=fields)


def run(site, *words):
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    return CliRunner().invoke(main, words, env=surroundings)


def command(site, *words):
    return run(site, "deployment", *words)


def set_rule(site, *options) -> str:
    return run(site, "platform", "set", str(the(site.database, Platform).id), *options).output


def placed(site, action) -> list[tuple[str, str]]:
    """The organization and the place of each entry."""
    with site.database.reading() as db:
        names = {each.id: each.name for each in organizations.listed(db)}
        entries = db.scalars(select(AuditEntry).where(AuditEntry.action == action)).all()
        return [(names[each.organization_id], each.place) for each in entries]


def test_a_new_deployment_waits_and_nothing_else_is_kept(alone):
    refused(knock(alone), "launch.pending_deployment")
    page = knock(alone)
    assert "approve the deployment 2, then open the link again" in page.text
    kept = new_one(alone)
    assert (kept.status, kept.organization_id) == ("pending", None)
    assert kept.last_launch_at is not None
    assert counts(alone, Person, Course, VisitRow, StoredStatement, AuditEntry) == [0, 0, 0, 0, 0]


def test_the_launch_that_announces_a_deployment_is_used_up(alone):
    visitor = Visitor()
    url, fields = visitor.begin(alone.lms.url, "outsider", "1b")
    refused(visitor.request("POST", url, data=fields), "launch.pending_deployment")
    refused(visitor.request("POST", url, data=fields), "launch.used_state")


def test_a_message_that_is_not_right_announces_nothing(alone):
    course = alone.lms.world.courses[1]
    for wrong in ({"nonce": "another"}, {"aud": "another"}, {"sub": ""}, {"exp": 1}):
        refused_as = 401 if "aud" in wrong else 400
        assert Desk(alone, course=course).launch("outsider", **wrong).status_code == refused_as
    assert counts(alone, Deployment) == [1]


def test_it_is_let_in_on_the_start_page_of_the_administration(alone):
    knock(alone)
    mine = Administrator(alone)
    assert "1 new deployment waits for approval" in mine.page.text
    assert "Nothing waits for you" not in mine.page.text
    done = mine.submit("/approved")
    assert "Launches of the deployment come in from now on." in done.text
    assert "Deployments that wait" not in done.text
    assert "Nothing waits for you" in mine.open().text
    assert knock(alone).status_code == 200
    with alone.database.reading() as db:
        home = organizations.named(db, "Home").id
        assert db.scalars(select(Person.organization_id).where(Person.name == "Outsider")).one() == home
    assert "Let a deployment of a learning platform in" in mine.open("log").text
    title = the(alone.database, Platform).title
    assert placed(alone, "deployment_approved") == [("Home", f"platform {title}: deployment 2")]


def test_one_that_is_refused_asks_no_more_and_can_be_let_in_after_all(alone):
    knock(alone)
    mine = Administrator(alone)
    mine.open(f"platforms/{the(alone.database, Platform).id}")
    assert "Launches of the deployment are refused from now on." in mine.submit("/refused").text
    refused(knock(alone), "launch.refused_deployment")
    assert new_one(alone).status == "refused"
    assert "Nothing waits for you" in mine.open().text
    mine.open(f"platforms/{the(alone.database, Platform).id}")
    assert "Let it in after all" in mine.page.text
    mine.submit("/approved")
    assert knock(alone).status_code == 200
    assert [who for who, _ in placed(alone, "deployment_refused")] == ["Home"]


def test_an_administrator_of_another_organization_neither_sees_nor_takes_it(alone):
    knock(alone)
    stranger = Administrator(alone, "Elsewhere")
    assert "waits for approval" not in stranger.page.text
    for action in ("approved", "refused"):
        assert post(alone, stranger, action).status_code == 404
    assert new_one(alone).status == "pending"


def test_where_several_organizations_use_a_platform_nobody_decides_on_pages(both_site):
    with both_site.database.transaction() as db:
        db.execute(update(Deployment).where(Deployment.deployment_id == "2").values(deployment_id="3"))
    knock(both_site)
    for organization in ("Home", "Elsewhere"):
        administrator = Administrator(both_site, organization)
        pages = administrator.page.text + administrator.open(f"platforms/{the(both_site.database, Platform).id}").text
        assert "Deployments that wait" not in pages
        assert "waits for approval" not in pages
        answer = post(both_site, administrator, "approved")
        assert answer.status_code == 409
        assert "platform.shared" in answer.text
    assert new_one(both_site).status == "pending"


def test_where_all_institutions_share_a_client_nobody_decides_on_pages(alone):
    knock(alone)
    with alone.database.transaction() as db:
        db.execute(update(Platform).values(issuer=next(iter(quirks.SHARED_CLIENTS))))
    administrator = Administrator(alone)
    assert "waits for approval" not in administrator.page.text
    answer = post(alone, administrator, "approved")
    assert answer.status_code == 409
    assert "deployment.whose" in answer.text
    assert new_one(alone).status == "pending"


def test_one_that_waits_is_taken_in_once_the_registration_says_so(alone):
    knock(alone)
    with alone.database.transaction() as db:
        db.scalars(select(Platform)).one().adopting_id = organizations.named(db, "Home").id
    assert knock(alone).status_code == 200
    assert new_one(alone).status == "active"


def test_an_administrator_sets_the_rule_and_takes_it_back_on_the_page(alone):
    knock(alone)
    mine, page = Administrator(alone), f"platforms/{the(alone.database, Platform).id}"
    assert "wait for approval" in mine.open(page).text
    mine.open(f"{page}/switches")
    now = {"jwks_uri": f"{alone.lms.url}/jwks"}
    assert "are taken in at their first launch" in mine.submit("/switches", {**now, "adopting_id": "true"}).text
    assert knock(alone).status_code == 200
    assert 'name="adopting_id" value="true" checked' in mine.open(f"{page}/switches").text
    assert "are taken in at their first launch" not in mine.submit("/switches", now).text
    with alone.database.transaction() as db:
        db.execute(update(Deployment).where(Deployment.deployment_id == "2").values(deployment_id="3"))
    refused(knock(alone), "launch.pending_deployment")


def test_a_platform_without_a_deployment_keeps_the_rule_that_makes_it_somebodys(alone):
    with alone.database.transaction() as db:
        db.scalars(select(Platform)).one().adopting_id = organizations.named(db, "Home").id
        db.execute(delete(Deployment))
    mine = Administrator(alone)
    mine.open(f"platforms/{the(alone.database, Platform).id}/switches")
    answer = mine.submit("/switches", {"jwks_uri": f"{alone.lms.url}/jwks"})
    assert answer.status_code == 422
    assert "The platform has no deployment yet, so the first one is taken in." in answer.text


def test_the_command_sets_the_rule_but_not_where_all_institutions_share_a_client(alone):
    assert "adopting_id changed" in set_rule(alone, "--adopt-into", "Home")
    assert knock(alone).status_code == 200
    assert "adopting_id changed" in set_rule(alone, "--clear", "adopt-into")
    with alone.database.transaction() as db:
        db.execute(update(Platform).values(issuer=next(iter(quirks.SHARED_CLIENTS))))
    assert "All institutions use this platform with one client" in set_rule(alone, "--adopt-into", "Home")
    assert the(alone.database, Platform).adopting_id is None


def test_one_that_was_refused_is_not_taken_in_by_a_rule(alone):
    knock(alone)
    with alone.database.transaction() as db:
        db.execute(update(Deployment).where(Deployment.deployment_id == "2").values(status="refused"))
        db.scalars(select(Platform)).one().adopting_id = organizations.named(db, "Home").id
    refused(knock(alone), "launch.refused_deployment")


def add(site, organization, *deployment_ids):
    """The platform once more, with these deployments."""
    known = the(site.database, Platform)
    words = ["platform", "add", "--organization", organization]
    for name in ("issuer", "client_id", "jwks_uri", "authorization_endpoint", "token_endpoint"):
        words += [f"--{name.replace('_', '-')}", getattr(known, name)]
    return run(site, *words, *(word for each in deployment_ids for word in ("--deployment-id", each)))


def test_one_that_waits_is_let_in_by_adding_it_which_is_on_record(alone):
    knock(alone)
    assert "may launch for Elsewhere" in add(alone, "Elsewhere", "2").output
    assert knock(alone).status_code == 200
    ((who, place),) = placed(alone, "deployment_approved")
    assert who == "Elsewhere"
    assert place.startswith("lti-mentor platform add")
    assert place.endswith(": deployment 2")


def test_one_that_was_refused_is_not_let_in_by_adding_it(alone):
    knock(alone)
    command(alone, "refuse", str(new_one(alone).id))
    assert "The deployment 2 was refused here." in add(alone, "Home", "2").output
    assert new_one(alone).status == "refused"


def test_a_rule_ends_with_the_deployment_of_another_organization(alone):
    for let_in in (
        lambda: add(alone, "Elsewhere", "3"),
        lambda: command(alone, "approve", str(new_one(alone).id), "--organization", "Elsewhere"),
    ):
        with alone.database.transaction() as db:
            db.execute(update(Platform).values(adopting_id=None))
            db.execute(delete(Deployment).where(Deployment.deployment_id != "1"))
        knock(alone)
        with alone.database.transaction() as db:
            db.scalars(select(Platform)).one().adopting_id = organizations.named(db, "Home").id
        assert let_in().exit_code == 0
        assert the(alone.database, Platform).adopting_id is None


def test_who_loses_a_platform_by_that_reads_of_it(alone):
    with alone.database.transaction() as db:
        db.execute(delete(Deployment))
        db.scalars(select(Platform)).one().adopting_id = organizations.named(db, "Home").id
    assert "adopting_id changed" in set_rule(alone, "--adopt-into", "Elsewhere")
    assert {who for who, _ in placed(alone, "changed")} == {"Home", "Elsewhere"}
    with alone.database.transaction() as db:
        db.scalars(select(Platform)).one().adopting_id = organizations.named(db, "Home").id
    add(alone, "Elsewhere", "2")
    assert {who for who, _ in placed(alone, "registered")} == {"Home", "Elsewhere"}


def test_a_rule_takes_nothing_in_where_another_organization_uses_the_platform(both_site):
    with both_site.database.transaction() as db:
        db.scalars(select(Platform)).one().adopting_id = organizations.named(db, "Home").id  # as it may be from before
        db.execute(update(Deployment).where(Deployment.deployment_id == "2").values(deployment_id="3"))
    refused(knock(both_site), "launch.pending_deployment")
    assert new_one(both_site).organization_id is None


def test_no_rule_is_set_where_another_organization_uses_the_platform(both_site):
    for organization in ("Home", "Elsewhere", "Third"):
        with both_site.database.transaction() as db:
            organizations.named(db, organization)
        assert "Another organization uses this platform too" in set_rule(both_site, "--adopt-into", organization)
    assert the(both_site.database, Platform).adopting_id is None


def test_an_approval_is_taken_back_on_the_page_and_its_visits_end(alone):
    knock(alone)
    mine, page = Administrator(alone), f"platforms/{the(alone.database, Platform).id}"
    mine.submit("/approved")
    inside, beside = Visitor(), Visitor()
    here = inside.launch(alone.lms.url, "outsider", "1b").url
    there = beside.launch(alone.lms.url, "learner", "1").url
    mine.open(page)
    answer = mine.submit(f"{new_one(alone).id}/refused")
    assert "Launches of the deployment are refused from now on." in answer.text
    assert "Let it in after all" in answer.text
    assert (new_one(alone).status, new_one(alone).organization_id) == ("refused", None)
    assert inside.get(here).status_code == 401
    assert beside.get(there).status_code == 200
    refused(knock(alone), "launch.refused_deployment")
    assert counts(alone, Person, Course) == [3, 2], "the administrator's too: nothing is lost"
    assert placed(alone, "deployment_refused")[0][1].endswith("deployment 2")
    mine.open(page)
    mine.submit(f"{new_one(alone).id}/approved")
    assert knock(alone).status_code == 200


def test_the_only_deployment_of_a_platform_is_not_refused_on_the_page(alone):
    mine = Administrator(alone)
    assert "Refuse from now on" not in mine.open(f"platforms/{the(alone.database, Platform).id}").text
    mine.open("invitations")
    _, fields = mine.form("/invitations")
    path = f"platforms/{the(alone.database, Platform).id}/deployments/{the(alone.database, Deployment).id}/refused"
    answer = mine.request("POST", f"{mine.home}{path}", data=fields)
    assert answer.status_code == 409
    assert "Suspend the platform instead" in answer.text
    assert the(alone.database, Deployment).status == "active"


def test_an_approval_is_taken_back_by_command_and_given_to_another_organization(both_site):
    visitor = Visitor()
    here = visitor.launch(both_site.lms.url, "outsider", "1b").url
    wanted = str(new_one(both_site).id)
    assert "1 open visits are ended" in command(both_site, "refuse", wanted).output
    assert visitor.get(here).status_code == 401
    assert [who for who, _ in placed(both_site, "deployment_refused")] == ["Elsewhere"]
    refused(knock(both_site), "launch.refused_deployment")
    assert "launches for Home" in command(both_site, "approve", wanted, "--organization", "Home").output
    assert knock(both_site).status_code == 200


def test_refusing_on_a_platform_of_nobody_is_on_record_for_everybody(both_site):
    with both_site.database.transaction() as db:
        db.execute(delete(Deployment))
    knock(both_site)
    command(both_site, "refuse", str(new_one(both_site).id))
    assert {who for who, _ in placed(both_site, "deployment_refused")} == {"Home", "Elsewhere"}


def test_many_launches_at_once_announce_a_deployment_once(alone):
    door = threading.Barrier(8)

    def at_once(_) -> str:
        visitor = Visitor()
        url, fields = visitor.begin(alone.lms.url, "outsider", "1b")
        door.wait(timeout=30)
        return visitor.request("POST", url, data=fields).text

    with ThreadPoolExecutor(8) as threads:
        pages = list(threads.map(at_once, range(8)))
    assert all("Code for support: launch.pending_deployment" in page for page in pages)
    assert counts(alone, Deployment) == [2]


def test_no_platform_has_more_than_a_few_that_wait(alone):
    with alone.database.transaction() as db:
        platform_id = db.scalars(select(Platform.id)).one()
        wait(db, platform_id, MOST_PENDING - 1)
    desk = Desk(alone)
    answers = {}
    for name in ("last", "one too many", "last"):
        answers[name] = desk.launch("learner", **{f"{launch.CLAIM}deployment_id": name}).text
    assert "launch.pending_deployment" in answers["last"]
    assert "launch.deployment" in answers["one too many"]
    assert counts(alone, Deployment) == [MOST_PENDING + 1]
    mine = Administrator(alone)
    assert f"{MOST_PENDING} new deployments wait for approval" in mine.page.text
    page = mine.open(f"platforms/{platform_id}")
    assert "No more are kept until you have decided about some of these." in page.text


def test_different_deployments_at_once_are_no_more_than_may_wait(alone):
    with alone.database.transaction() as db:
        platform_id = db.scalars(select(Platform.id)).one()
        wait(db, platform_id, MOST_PENDING - 2)
    desk, door = Desk(alone), threading.Barrier(6)

    def at_once(number) -> int:
        client, begun = desk.login("learner")
        form = desk.form(begun, "learner", **{f"{launch.CLAIM}deployment_id": f"new {number}"})
        door.wait(timeout=30)
        return desk.post(client, "/lti/launch", form).status_code

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(at_once, range(6))) == [400] * 6
    with alone.database.reading() as db:
        assert platforms.count_pending(db, db.get_one(Platform, platform_id)) == MOST_PENDING
        assert set(db.scalars(select(Login.failures))) == {launch.MOST_FAILURES}


def test_two_administrators_who_let_it_in_at_once_do_it_once(alone):
    knock(alone)
    both, door = [Administrator(alone), Administrator(alone)], threading.Barrier(2)
    path = path_of(alone, "approved")

    def decide(administrator) -> int:
        administrator.open("invitations")
        _, fields = administrator.form("/invitations")
        door.wait(timeout=30)
        return administrator.request("POST", f"{administrator.home}{path}", data=fields).status_code

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(decide, both)) == [303, 409]
    assert len(placed(alone, "deployment_approved")) == 1


def test_the_command_lists_lets_in_and_refuses(both_site):
    with both_site.database.transaction() as db:
        db.execute(update(Deployment).where(Deployment.deployment_id == "2").values(deployment_id="3"))
    knock(both_site)
    waiting = command(both_site, "list", "--waiting").output.splitlines()
    assert [line.split()[1:3] for line in waiting] == [["pending", "2"]]
    assert len(command(both_site, "list").output.splitlines()) == 3
    wanted = str(new_one(both_site).id)
    assert "is refused" in command(both_site, "refuse", wanted).output
    assert {who for who, _ in placed(both_site, "deployment_refused")} == {"Home", "Elsewhere"}
    assert not any("deployment 2" in place for _, place in placed(both_site, "deployment_refused"))
    assert "no organization Nowhere" in command(both_site, "approve", wanted, "--organization", "Nowhere").output
    done = command(both_site, "approve", wanted, "--organization", "Elsewhere")
    assert "launches for Elsewhere" in done.output
    assert [who for who, _ in placed(both_site, "deployment_approved")] == ["Elsewhere"]
    assert knock(both_site).status_code == 200
    again = command(both_site, "approve", wanted, "--organization", "Home")
    assert again.exit_code == 1
    assert "This deployment is let in already" in again.output
    assert (
        "There is no such deployment" in command(both_site, "refuse", str(the(both_site.database, Platform).id)).output
    )


def test_the_database_keeps_every_active_deployment_in_an_organization(alone):
    for status, owner in (("active", None), ("pending", "Home"), ("refused", "Home"), ("unknown", None)):
        with pytest.raises(IntegrityError), alone.database.transaction() as db:
            platform_id = db.scalars(select(Platform.id)).one()
            organization_id = organizations.named(db, owner).id if owner else None
            db.add(
                Deployment(platform_id=platform_id, organization_id=organization_id, deployment_id="x", status=status)
            )


def test_launches_that_announce_count_for_their_address_and_not_for_the_platform(both_site):
    limits = {"logins_a_minute_of_address": 3, "launches_a_minute_of_platform": 2}
    stranger, elsewhere = (Desk(both_site, address=f"192.0.2.{number}", **limits) for number in (1, 2))
    claim = {f"{launch.CLAIM}deployment_id": "new"}
    assert [stranger.launch("stranger", **claim).status_code for _ in range(4)] == [400, 400, 400, 429]
    assert [elsewhere.launch(f"learner-{number}").status_code for number in range(3)] == [303, 303, 429]


def test_one_that_waits_and_is_tried_no_more_is_forgotten_after_a_month(alone):
    knock(alone)
    with alone.database.transaction() as db:
        month, rows = clock.now() - timedelta(days=31), update(Deployment)
        platform_id = db.scalars(select(Platform.id)).one()
        db.add(Deployment(platform_id=platform_id, deployment_id="refused", status="refused"))
        db.add(Deployment(platform_id=platform_id, deployment_id="old", status="pending"))
        db.flush()
        db.execute(rows.where(Deployment.deployment_id != "2").values(last_launch_at=month))
    assert upkeep.run(Tool(alone.settings, alone.database, Vault(alone.settings.secret_key))) == 1
    with alone.database.reading() as db:
        assert set(db.scalars(select(Deployment.deployment_id))) == {"1", "2", "refused"}


def test_the_command_shows_which_deployments_wait(alone):
    knock(alone)
    shown = run(alone, "platform", "show", str(the(alone.database, Platform).id)).output
    assert "2 (pending)" in shown
