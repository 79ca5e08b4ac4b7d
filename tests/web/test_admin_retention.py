"""How long statements are kept: the administrator's page, over real HTTP."""

import html
import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.activity.outside import TargetDraft
from lti_mentor.insight import retention as looking
from lti_mentor.jobs import retention as jobs
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.organizations import Organization
from lti_mentor.mentoring.retention import RetentionRule
from lti_mentor.web.admin import retention as pages
from tests.conftest import gather_cast
from tests.support.outside import say, statement
from tests.web.test_admin import Administrator, tool_of
from xapi.rows import StoredStatement

OTHERS = {"days": "365", "whose": "others"}


@pytest.fixture
def home(site):
    """What the cast said and what a client said are 400 days old; one more of the client is new."""
    with site.database.transaction() as db:
        organization_id = gather_cast(db).course.organization_id
    say(site.database, organization_id, [statement(1), statement(2)])
    with site.database.transaction() as db:
        for row in db.scalars(select(StoredStatement)):
            row.stored -= timedelta(days=400)
    say(site.database, organization_id, [statement(3)])
    return organization_id


@pytest.fixture
def administrator(site, home) -> Administrator:
    return Administrator(site)


def count(site, row) -> int:
    with site.database.reading() as db:
        return db.scalar(select(func.count()).select_from(row))


def look(administrator, **given):
    query = "&".join(f"{name}={value}" for name, value in {**OTHERS, **given}.items())
    return administrator.open(f"retention/look?{query}")


def test_a_rule_is_seen_before_it_is_one_then_done_and_removed_on_record(site, administrator, home):
    assert "For ever: there is no rule." in administrator.open("retention").text
    before = count(site, StoredStatement)
    page = look(administrator)
    assert page.status_code == 200, page.text
    for words in (
        "2 statements would go",
        "Nothing is changed yet",
        "Add the rule: 2 statements go",
        "completed",
        "of clients of the record store",
    ):
        assert words in page.text
    assert "figures" not in page.text
    assert "another rule" not in page.text
    assert (count(site, StoredStatement), count(site, RetentionRule)) == (before, 0)

    page = administrator.submit("/admin/retention")
    assert "The rule is added." in page.text
    assert "Statements of clients of the record store that are more than 365 days old" in page.text
    assert "waits for a worker" in page.text
    assert jobs.run(tool_of(site)) == 2
    assert count(site, StoredStatement) == before - 2
    assert "done on" in administrator.open("retention").text

    page = administrator.submit("/removed")
    assert "What went stays gone." in page.text
    assert "For ever: there is no rule." in page.text
    with site.database.reading() as db:
        wanted = select(AuditEntry).where(AuditEntry.action == "retention_changed").order_by(AuditEntry.at)
        entries = db.scalars(wanted).all()
    assert [entry.place for entry in entries] == [
        f"admin.retention: {what} --days 365 --whose others" for what in ("added", "removed")
    ]
    assert all(entry.actor_id for entry in entries)


def test_the_look_names_the_programs_whose_figures_would_change(administrator):
    page = look(administrator, whose="ours")
    assert re.search(r"The figures of Program would change: \d+ of these count there", page.text)


def test_the_look_says_what_waits_for_a_record_store_outside(site, administrator, home):
    draft = TargetDraft(label="Warehouse", endpoint="https://lrs.example.org/xapi", key="k", secret="s")
    with site.database.transaction() as db:
        target = outside.add(db, tool_of(site).vault, home, draft)
        outside.send_older(db, target, clock.now() - timedelta(days=500))
    page = look(administrator)
    assert "No statement would go today" in page.text
    assert "2 more stay until Warehouse has them." in page.text


def test_a_look_that_takes_too_long_says_how_many_at_least(site, administrator, home, monkeypatch):
    with site.database.transaction() as db:
        db.get_one(Organization, home).name = "Home & Co"
    monkeypatch.setattr(looking, "LOOKED_AT", 1)
    monkeypatch.setattr(pages, "LOOK", timedelta())
    page = look(administrator, whose="ours")
    assert "At least 1 statement would go" in page.text
    assert "Add the rule: at least 1 statement goes" in page.text
    command = "lti-mentor lrs retention add --organization 'Home & Co' --days 365 --whose ours --dry-run"
    assert command in html.unescape(page.text)
    assert "None found so far" in look(administrator).text


def test_a_second_tap_on_the_button_adds_no_second_rule(site, administrator):
    look(administrator)
    url, fields = administrator.form("/admin/retention")
    taps = [administrator.request("POST", url, data=fields) for _ in range(2)]
    first, second = (tap.headers["Location"] for tap in taps)
    assert first == second
    assert "The rule is added." in administrator.get(site.url + second).text
    assert count(site, RetentionRule) == 1
    with site.database.reading() as db:
        assert db.scalar(select(func.count()).where(AuditEntry.action == "retention_changed")) == 1
    assert "Those that go by another rule anyway are counted, too." in look(administrator).text


def test_one_look_at_a_time_leaves_the_others_free_to_answer(administrator):
    with pages.LOOKING:
        page = look(administrator)
        assert page.status_code == 429
        assert page.headers["Retry-After"] == "2"
        assert "Reload the page in a few seconds." in page.text
    assert "2 statements would go" in look(administrator).text
    assert "2 statements would go" in look(administrator).text, "a look that is over lets the next one in"


def test_a_page_lists_what_most_would_go_of_and_says_how_many_kinds_more(administrator, monkeypatch):
    monkeypatch.setattr(pages, "MOST_KINDS", 1)
    page = look(administrator, whose="all")
    assert page.text.count('<th scope="row">') == 1
    assert re.search(r"[2-9] more kinds of statements are not listed here\.", page.text)


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"days": ""}, {"days"}),
        ({"days": "0"}, {"days"}),
        ({"days": "9" * 30, "verb": "completed"}, {"days", "verb"}),
        ({"days": "soon", "verb": "completed"}, {"days", "verb"}),
        ({"whose": "theirs"}, {"whose"}),
        ({"verb": "completed", "profile": "x y"}, {"verb", "profile"}),
    ],
)
def test_what_is_wrong_with_a_rule_stands_beside_its_field_and_stays_typed(site, administrator, given, wrong):
    page = look(administrator, **given)
    assert page.status_code == 422
    assert set(re.findall(r'aria-describedby="problem-(\w+)"', page.text)) == wrong
    for name, value in given.items():
        assert name == "whose" or f'id="{name}"' in page.text
        assert name == "whose" or re.search(rf'id="{name}"[^>]* value="{re.escape(value)}"', page.text)
    administrator.open("retention/look?days=9&whose=others")
    page = administrator.submit("/admin/retention", {**OTHERS, **given})
    assert page.status_code == 422
    assert count(site, RetentionRule) == 0


def test_nobody_sees_or_removes_a_rule_of_another_organization(site, administrator):
    look(administrator)
    administrator.submit("/admin/retention")
    url, _ = administrator.form("/removed")
    other = Administrator(site, "Elsewhere")
    assert "For ever: there is no rule." in other.open("retention").text
    assert "No statement would go today" in look(other, whose="all").text
    other.open("retention/look?days=9&whose=others")
    _, own = other.form("/admin/retention")
    answer = other.request("POST", f"{other.home}{url.partition('/admin/')[2]}", data=own)
    assert answer.status_code == 404
    assert count(site, RetentionRule) == 1
