"""Record stores outside: the administrator's pages and commands, over real HTTP."""

import html
import re
from datetime import timedelta
from urllib.parse import urljoin

import pytest
from click.testing import CliRunner
from flask import Response
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.cli import main
from lti_mentor.cli import targets as commands
from lti_mentor.jobs import statements
from lti_mentor.mentoring import goals, organizations, people, privacy
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web.admin import targets as pages
from tests.conftest import SECRET, met, url_of
from tests.support.outside import add, peer, say, standing, statement
from tests.support.recording import recording
from tests.web.test_admin import Administrator

PRIVATE = "the secret of the other side"


def judged(answer):
    """A record store that takes a statement or answers so."""

    def take(asked):
        if asked.address.endswith("/about"):
            return Response('{"version": ["1.0.3"]}', mimetype="application/json")
        return answer[0] if asked.method == "POST" else Response("{}")

    return take


@pytest.fixture
def home(site):
    with site.database.transaction() as db:
        return organizations.named(db, "Home").id


@pytest.fixture
def tool(site):
    return Tool(site.settings, site.database, Vault(site.settings.secret_key))


def test_an_administrator_adds_a_record_store_sees_it_fail_and_sends_again_what_it_refused(site, tool, home):
    answer = [Response("The verb is not known here.", status=400)]
    administrator = Administrator(site)
    assert "None yet." in administrator.open("targets").text
    with recording(judged(answer)) as (base, _):
        typed = {"label": "Warehouse", "endpoint": f"{base}/xapi/statements/", "key": "us", "secret": PRIVATE}
        page = administrator.submit("/admin/targets", typed)
        assert "is being checked" in page.text
        assert f"<code>{base}/xapi</code>" in page.text
        say(site.database, home, [statement(1), statement(2)])
        assert statements.run(tool) == 0
        page = administrator.open(f"targets/{standing(site.database, home).target.id}")
        assert page.text.count("The verb is not known here.") == 2
        assert PRIVATE not in page.text
        assert "refused 2 statements" in administrator.open().text
        administrator.open(f"targets/{standing(site.database, home).target.id}")
        page = administrator.submit("/dropped", {"statement": statement(1)["id"]})
        assert page.text.count("The verb is not known here.") == 1
        answer[0] = Response("[]")
        page = administrator.submit("/replayed")
        assert "What was refused is sent again." in page.text
        assert statements.run(tool) == 1
        assert "has everything" in administrator.open("targets").text
    with site.database.reading() as db:
        wanted = select(AuditEntry.action, AuditEntry.place).where(AuditEntry.action.like("target%"))
        entries = [tuple(row) for row in db.execute(wanted.order_by(AuditEntry.at))]
    assert entries == [
        ("target_added", f"admin.targets Warehouse: {base}/xapi"),
        ("target_changed", f"admin.target Warehouse: gave up what it refused, {statement(1)['id']}"),
        ("target_changed", f"admin.target Warehouse: sent again what it refused, {statement(2)['id']}"),
    ]


def test_the_start_page_says_that_a_record_store_takes_nothing_until_it_is_well(site, tool, home):
    answer = [Response(status=401)]
    with recording(judged(answer)) as (base, _):
        draft = outside.TargetDraft(label="Warehouse", endpoint=base, key="us", secret=PRIVATE)
        found = add(site.database, site.settings, home, draft)
        say(site.database, home, [statement(1)])
        statements.run(tool)
        administrator = Administrator(site)
        assert "takes nothing, 1 statement waits" in administrator.open().text
        page = administrator.open(f"targets/{found.id}")
        assert "The record store does not let us in." in page.text
        answer[0] = Response("[]")
        administrator.submit("/resumed")
        assert statements.run(tool) == 1
        assert "takes nothing" not in administrator.open().text
        administrator.open(f"targets/{found.id}")
        assert "paused" in administrator.submit("/paused").text


def test_new_secrets_are_typed_on_the_page_or_the_command_line(site, tool, home):
    def take(asked):
        return accepting(asked) if asked.headers["Authorization"] in known else Response(status=401)

    accepting, known = judged([Response("[]")]), {"Basic dXM6bmV3": "us:new", "Basic d2U6bmV3ZXI=": "we:newer"}
    with recording(take) as (base, _):
        found = add(
            site.database, site.settings, home, outside.TargetDraft(label="W", endpoint=base, key="us", secret=PRIVATE)
        )
        say(site.database, home, [statement(1)])
        assert statements.run(tool) == 0
        administrator = Administrator(site)
        administrator.open(f"targets/{found.id}")
        assert "The secret is what the record store shows" in administrator.submit("/secret", {"secret": ""}).text
        administrator.open(f"targets/{found.id}")
        page = administrator.submit("/secret", {"key": "us", "secret": "new"})
        assert "The new secret is kept." in page.text
        assert statements.run(tool) == 1
        say(site.database, home, [statement(2)])
        del known["Basic dXM6bmV3"]
        assert statements.run(tool) == 0
        assert run(site, "target", "secret", "W", "--key", "w:e", "--secret", "newer").exit_code == 1
        assert run(site, "target", "secret", "W", "--key", "we", input="newer\n").exit_code == 0
        assert statements.run(tool) == 1
        assert run(site, "target", "pause", "W").exit_code == 0
        assert run(site, "target", "secret", "W", "--secret", "newest").exit_code == 0
        assert standing(site.database, home).state == "paused"


def test_however_many_statements_are_refused_each_can_be_seen(site, tool, home, monkeypatch):
    for where, name, most in ((pages, "MOST_LETTERS", 2), (commands, "A_READ", 2)):
        monkeypatch.setattr(where, name, most)
    with recording(judged([Response("No.", status=400)])) as (base, _):
        add(site.database, site.settings, home, outside.TargetDraft(label="W", endpoint=base, key="us", secret="s"))
        ids = say(site.database, home, [statement(number) for number in range(5)])
        statements.run(tool)
    page = (administrator := Administrator(site)).open(f"targets/{standing(site.database, home).target.id}")
    seen = []
    for shown in (2, 2, 1):
        assert f"{shown} of 5 are shown here." in page.text
        seen += [each for each in ids if f"<code>{each}</code>" in page.text]
        following = re.search(r'href="([^"]*after=[^"]*)"', page.text)
        if following:
            page = administrator.get(urljoin(site.url, html.unescape(following[1])))
    assert seen == ids
    assert "The first ones" in page.text
    listed = run(site, "dead", "list", "W").output
    assert [each for each in ids if each in listed] == ids


def test_a_statement_that_is_too_new_for_a_record_store_is_shown_with_what_to_do(site, tool, home):
    with recording(judged([Response("[]")])) as (base, _):
        found = add(
            site.database, site.settings, home, outside.TargetDraft(label="W", endpoint=base, key="us", secret="s")
        )
        say(site.database, home, [statement(1)], version="2.0.0")
        assert statements.run(tool) == 0
    said = "Not sent: this statement is of xAPI 2.0, and this record store gets 1.0.3."
    page = Administrator(site).open(f"targets/{found.id}")
    assert said in page.text
    assert "no answer" not in page.text
    assert said in run(site, "dead", "list", "W").output


def test_older_statements_are_sent_from_the_page_and_a_record_store_is_removed_there(site, tool, home):
    say(site.database, home, [statement(1), statement(2)])
    with recording(judged([Response("[]")])) as (base, _):
        found = add(
            site.database, site.settings, home, outside.TargetDraft(label="W", endpoint=base, key="k", secret="s")
        )
        assert statements.run(tool) == 0
        administrator = Administrator(site)
        administrator.open(f"targets/{found.id}")
        assert administrator.submit("/older", {"since": "soon"}).status_code == 422
        administrator.open(f"targets/{found.id}")
        page = administrator.submit("/older", {"since": (clock.now() - timedelta(days=2)).date().isoformat()})
        assert "0 % queued" in page.text
        assert statements.run(tool) == 2
        administrator.open(f"targets/{found.id}")
        assert "The record store is removed." in administrator.submit("/removed").text
    with site.database.reading() as db:
        assert outside.standings(db) == []


def test_what_is_wrong_with_a_new_record_store_stands_beside_the_field_and_nothing_is_asked(site, home):
    administrator = Administrator(site)
    administrator.open("targets")
    page = administrator.submit("/admin/targets", {"label": "x", "endpoint": "lrs", "since": "soon", "key": "us"})
    assert page.status_code == 422
    assert len(re.findall(r'aria-describedby="problem-(?:endpoint|secret|since)"', page.text)) == 3
    for _ in range(2):
        administrator.open("targets")
        typed = {"label": "x", "endpoint": "https://lrs.example.org", "key": "us", "secret": "s"}
        page = administrator.submit("/admin/targets", typed)
    assert "There is a record store of this name already." in page.text


def run(site, *arguments, **options):
    environment = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    environment["LTI_MENTOR_ALLOW_PRIVATE_ADDRESSES"] = "true"
    where = ("--organization", "Home")
    return CliRunner().invoke(main, ["lrs", *arguments[:2], *where, *arguments[2:]], env=environment, **options)


def test_the_command_line_adds_checks_lists_pauses_and_removes(
    site, tool, home, sqlite_template, tmp_path_factory, loaded_settings
):
    with peer(sqlite_template, tmp_path_factory.mktemp("peer"), loaded_settings) as warehouse:
        place, key = f"{warehouse.url}/xapi/statements", ("--key", warehouse.key, "--secret")
        with clock.moved_to(clock.now() - timedelta(days=2)):
            old = say(site.database, home, [statement(1)])
        refused = run(site, "target", "add", "Warehouse", place, *key, "wrong")
        assert "Not added: The record store does not let us in." in refused.output
        assert "is no record store" in run(site, "target", "add", "W", f"{warehouse.url}/x", *key, "wrong").output
        added = run(site, "target", "add", "Warehouse", place, *key, warehouse.secret)
        assert added.exit_code == 0, added.output
        assert statements.run(tool) == 0
        assert "0 delivered, 0 waiting, 0 dead letters" in run(site, "target", "list").output
        since = (clock.now() - timedelta(days=9)).date().isoformat()
        assert "1 older statements" in run(site, "target", "backfill", "Warehouse", "--since", since).output
        assert "older statements: 0 % queued" in run(site, "target", "list").output
        assert statements.run(tool) == 1
        assert warehouse.ids() == old
        assert run(site, "target", "pause", "Warehouse").exit_code == 0
        assert "Warehouse: paused" in run(site, "target", "list").output
        assert run(site, "target", "resume", "Warehouse").exit_code == 0
        assert run(site, "target", "remove", "Warehouse", input="y\n").exit_code == 0
        assert run(site, "target", "list").output == ""
        assert "There is no such record store." in run(site, "target", "pause", "Warehouse").output


def test_the_command_line_shows_replays_and_drops_what_was_refused(site, tool, home):
    with recording(judged([Response("No.", status=400)])) as (base, _):
        add(site.database, site.settings, home, outside.TargetDraft(label="W", endpoint=base, key="us", secret="s"))
        say(site.database, home, [statement(number) for number in range(3)])
        statements.run(tool)
        listed = run(site, "dead", "list", "W").output
        assert listed.count("400  No.") == 3
        assert "1 statements" in run(site, "dead", "replay", "W", statement(0)["id"]).output
        assert "2 statements" in run(site, "dead", "drop", "W").output
        assert standing(site.database, home).waiting == 1
    with site.database.reading() as db:
        places = db.scalars(select(AuditEntry.place).where(AuditEntry.action == "target_changed")).all()
    assert sorted(places) == ["lti-mentor lrs dead drop W", f"lti-mentor lrs dead replay W {statement(0)['id']}"]


def test_whoever_is_erased_is_sent_no_more_and_the_stores_that_may_know_them_are_named(site, tool, home):
    answer = [Response("[]")]
    with recording(judged(answer)) as (base, _):
        with site.database.transaction() as db:
            person, other = (met(db, "Home", name) for name in "ab")
        add(site.database, site.settings, home, outside.TargetDraft(label="W", endpoint=base, key="us", secret="s"))
        due_on = clock.today() + timedelta(days=9)

        def set_goals(title):
            draft = GoalDraft(title=title, baseline=0, target=10, due_on=due_on)
            with site.database.transaction() as db:
                for somebody in (person, other):
                    goals.set_goal(db, somebody, draft)

        set_goals("Read")
        assert statements.run(tool) == 2
        answer[0] = Response("No.", status=400)
        set_goals("Write")
        statements.run(tool)
        set_goals("Teach")
        with site.database.transaction() as db:
            (told,) = privacy.erase(db, tool.vault, people.get(db, home, person.id), by=None)
            assert told.label == "W"
        now = standing(site.database, home)
        assert (now.waiting, now.dead) == (1, 1), "what is about the other one"
    with site.database.reading() as db:
        entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "left_outside")).one()
    assert (entry.subject_id, entry.place) == (person.id, f"W: {base}")
