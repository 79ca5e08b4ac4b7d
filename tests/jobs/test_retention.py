"""Statements go when they were kept long enough, and nothing else does."""

import json
import uuid
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, update

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.activity.outside import TargetDraft
from lti_mentor.cli import main
from lti_mentor.jobs import retention as jobs
from lti_mentor.mentoring import goals
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.mentoring.retention import RetentionRule
from tests.conftest import SECRET, url_of
from tests.support.old_statements import NEW, OLD, count, entries, ids, put, put_old, rule, with_attachment
from tests.support.record_store import CONFIRMED, SCORED, VOIDED, about, statement, voiding
from xapi import equality, outbox, store
from xapi.errors import Conflict
from xapi.rows import (
    Attachment,
    DeadLetter,
    Facet,
    Head,
    Outbound,
    Reference,
    RemovedStatement,
    StoredStatement,
    Withheld,
)
from xapi.vocabulary import PROFILE_VERSION


def test_what_is_old_enough_goes_with_all_that_hangs_on_it_and_the_rest_stays(database, home, early, tool):
    ours = ids(database)
    alone, contents = with_attachment(b"only there")
    shared, more = with_attachment(b"there and elsewhere")
    target = statement()
    old = put_old(database, home, target, alone, shared, about(target), contents=contents | more)
    again, _ = with_attachment(b"there and elsewhere")
    new = put_old(database, home, again, age=NEW, contents=more)
    pointing = put(database, home, about(target), voiding({"id": old[1]}))
    rule(database, home)
    assert jobs.run(tool) == 4
    assert ids(database) == {*ours, *new, *pointing}
    with database.reading() as db:
        assert set(db.scalars(select(Attachment.sha2))) == more.keys()
        gone = select(Facet).where(~select(StoredStatement).where(StoredStatement.seq == Facet.source).exists())
        assert db.scalars(gone).all() == []
        assert store.query(db, tenant=home, wanted=store.Query(verb=CONFIRMED)).statements != []
        assert store.query(db, tenant=home, wanted=store.Query(verb=SCORED)).statements != []
    assert count(database, Reference) == 2
    assert entries(database) == ["lti-mentor worker: 4 statements, 1 attachments"]
    assert jobs.run(tool) == 0
    assert len(entries(database)) == 1, "done for today"


def test_a_statement_is_found_no_more_by_what_one_said_that_is_gone(database, home, early, tool):
    target = statement(verb={"id": "https://example.org/gone"})
    put_old(database, home, target)
    (pointing,) = put(database, home, about(target))
    wanted = store.Query(verb="https://example.org/gone")
    with database.reading() as db:
        assert len(store.query(db, tenant=home, wanted=wanted).statements) == 2
    rule(database, home)
    jobs.run(tool)
    with database.reading() as db:
        assert store.query(db, tenant=home, wanted=wanted).statements == []
    assert pointing in ids(database)


def test_a_voided_statement_stays_voided_when_the_one_that_voided_it_goes(database, home, early, tool):
    (target,) = put(database, home, statement())
    put(database, home, voiding({"id": target}))
    with database.transaction() as db:
        for row in db.scalars(select(StoredStatement)):
            row.stored -= OLD
    rule(database, home, verb=VOIDED)
    assert jobs.run(tool) == 1
    with database.reading() as db:
        assert store.get(db, tenant=home, statement_id=uuid.UUID(target)) is None
        assert store.get_voided(db, tenant=home, statement_id=uuid.UUID(target)) is not None


@pytest.mark.parametrize(
    ("given", "goes"),
    [
        ({"whose": "all"}, {"ours", "profile", "scored", "confirmed"}),
        ({"whose": "ours"}, {"ours"}),
        ({"whose": "others"}, {"profile", "scored", "confirmed"}),
        ({"whose": "all", "profile": PROFILE_VERSION}, {"ours", "profile"}),
        ({"whose": "others", "profile": PROFILE_VERSION}, {"profile"}),
        ({"whose": "all", "verb": SCORED}, {"profile", "scored"}),
        ({"whose": "all", "verb": SCORED, "profile": PROFILE_VERSION}, {"profile"}),
        ({"whose": "all", "days": 500}, set()),
    ],
)
def test_a_rule_is_about_age_who_said_it_the_verb_and_the_profile(database, home, early, tool, given, goes):
    category = {"contextActivities": {"category": [{"id": PROFILE_VERSION}]}}
    kinds = {"ours": ids(database)}
    for name, said in {
        "profile": statement(context=category),
        "scored": statement(),
        "confirmed": statement(verb={"id": CONFIRMED}),
    }.items():
        kinds[name] = set(put_old(database, home, said))
    put_old(database, home, statement(context=category), age=NEW)
    before = ids(database)
    rule(database, home, **given)
    jobs.run(tool)
    assert before - ids(database) == set().union(*(kinds[name] for name in goes))


def test_another_organization_keeps_its_statements(database, cast, tool):
    elsewhere = cast.outsider.organization_id
    put_old(database, elsewhere, statement())
    rule(database, cast.course.organization_id, whose="all")
    jobs.run(tool)
    assert count(database, StoredStatement, StoredStatement.tenant == elsewhere) == 1


def test_an_id_stays_taken_by_a_statement_that_is_gone(database, home, early, tool):
    timeless, timed = statement(), statement(timestamp="2025-01-01T10:00:00Z")
    put_old(database, home, json.loads(json.dumps(timeless)), json.loads(json.dumps(timed)))
    with database.reading() as db:
        body = store.get(db, tenant=home, statement_id=uuid.UUID(timeless["id"]))
    rule(database, home)
    assert jobs.run(tool) == 2
    left = ids(database)
    for again in (timeless, timed, json.loads(body)):
        assert put(database, home, json.loads(json.dumps(again))) == [again["id"]]
    assert ids(database) == left
    for other in (
        {**timeless, "verb": {"id": CONFIRMED}},
        {**timeless, "timestamp": "2025-01-01T10:00:00Z"},
        {**timed, "timestamp": "2025-01-02T10:00:00Z"},
    ):
        with pytest.raises(Conflict):
            put(database, home, other)


def test_what_a_statement_said_cannot_be_tried_out_once_it_is_gone(database, home, early, tool):
    said = statement(timestamp="2025-01-01T10:00:00Z")
    put_old(database, home, said)
    rule(database, home)
    assert jobs.run(tool) == 1
    with database.reading() as db:
        left = db.scalars(select(RemovedStatement)).one()
    timeless = {name: value for name, value in said.items() if name != "timestamp"}
    assert {left.digest, left.timeless_digest}.isdisjoint({equality.digest(said), equality.digest(timeless)})


def test_times_go_on_from_where_they_are_when_the_newest_statements_go(database, home, early, tool):
    put_old(database, home, *(statement() for _ in range(5)))
    with database.reading() as db:
        through = store.consistent_through(db, tenant=home)
        last = db.scalar(select(Head.last_seq).where(Head.tenant == home))
    rule(database, home, whose="all")
    jobs.run(tool)
    with database.reading() as db:
        assert store.consistent_through(db, tenant=home) >= through
    put(database, home, statement())
    with database.reading() as db:
        assert db.scalars(select(StoredStatement.seq)).one() == last + 1
        assert db.scalars(select(StoredStatement.stored)).one() > through


def test_what_a_record_store_outside_has_not_got_yet_stays_until_it_has(database, home, early, tool, store_outside):
    waiting = put_old(database, home, statement(), statement())
    with database.transaction() as db:
        seqs = db.scalars(select(Outbound.seq).order_by(Outbound.seq)).all()
        target = outbox.get(db, tenant=home, target_id=store_outside.id)
        outbox.refused(db, target, outbox.Letter(seqs[0], ""), status=400, answer="No.", now=clock.now())
    rule(database, home)
    assert jobs.run(tool) == 1
    assert waiting[1] in ids(database)
    assert count(database, DeadLetter) == 0, "what was refused goes with its statement"
    with database.transaction() as db:
        outbox.delivered(db, target, [outbox.Letter(seqs[1], "")], now=clock.now())
    with database.transaction() as db:
        db.execute(update(RetentionRule).values(done_on=None))
    assert jobs.run(tool) == 1


def test_what_is_still_to_be_queued_for_a_record_store_outside_stays_too(database, home, early, tool):
    put_old(database, home, statement(), statement(verb={"id": CONFIRMED}))
    with database.transaction() as db:
        given = {"label": "W", "endpoint": "https://lrs.example.org", "key": "k", "secret": "s", "verbs": (SCORED,)}
        outside.add(db, tool.vault, home, TargetDraft(**given, since=clock.now() - 2 * OLD))
    rule(database, home)
    assert jobs.run(tool) == 1
    with database.reading() as db:
        kept = db.scalars(select(StoredStatement.verb).where(StoredStatement.body.contains("tool.example.org"))).all()
    assert kept == [SCORED]


def test_what_speaks_of_somebody_who_was_erased_waits_for_no_record_store_outside(database, home, early, tool):
    (spoken,) = put_old(database, home, statement())
    with database.transaction() as db:
        given = {"label": "W", "endpoint": "https://lrs.example.org", "key": "k", "secret": "s"}
        outside.add(db, tool.vault, home, TargetDraft(**given, since=clock.now() - 2 * OLD))
        seq = select(StoredStatement.seq).where(StoredStatement.statement_id == uuid.UUID(spoken))
        db.add(Withheld(tenant=home, seq=db.scalar(seq)))
    rule(database, home)
    assert jobs.run(tool) == 1
    assert spoken not in ids(database)


def run(database, *arguments):
    environment = {"LTI_MENTOR_DATABASE_URL": url_of(database), "LTI_MENTOR_SECRET_KEY": SECRET}
    where = ("lrs", "retention", arguments[0], "--organization", "Home")
    return CliRunner().invoke(main, [*where, *arguments[1:]], env=environment)


def everything(database):
    with database.reading() as db:
        rows = (StoredStatement, Facet, Reference, Attachment, Outbound, RetentionRule, AuditEntry, Head)
        return {row: db.scalar(select(func.count()).select_from(row)) for row in rows}


def test_the_dry_run_says_what_would_go_and_changes_nothing(database, cast, home, early, store_outside):
    said, contents = with_attachment(b"only there")
    put_old(database, home, said, statement(), contents=contents)
    with database.transaction() as db:
        db.query(Outbound).delete()
        draft = GoalDraft(title="Read", baseline=0, target=10, due_on=clock.today() + timedelta(days=9))
        goals.set_goal(db, cast.learner, draft)
    put_old(database, home, statement(verb={"id": CONFIRMED}))
    before = everything(database)
    shown = run(database, "add", "--days", "365", "--whose", "all", "--dry-run")
    assert shown.exit_code == 0, shown.output
    day = (clock.now() - OLD).date()
    assert f"  2  of others  {SCORED}  stored {day} to {day}" in shown.output
    assert "and 1 attachments that only they name." in shown.output
    assert "1 more stay until they are delivered to Warehouse" in shown.output
    assert "The figures of Program would change:" in shown.output
    assert "Nothing is changed." in shown.output
    assert everything(database) == before
    others = run(database, "add", "--days", "365", "--whose", "others", "--dry-run").output
    assert "2 statements would go" in others
    assert "figures" not in others


def test_rules_are_added_listed_run_and_removed_on_the_command_line_and_on_record(database, home, early):
    put_old(database, home, statement())
    assert run(database, "add", "--days", "365", "--whose", "others", "--verb", SCORED).exit_code == 0
    listed = run(database, "list").output
    assert f"--days 365 --whose others --verb {SCORED}  not done yet" in listed
    assert "1 statements would go" in run(database, "run", "--dry-run").output
    assert run(database, "run").output == "1 statements and 0 attachments are removed.\n"
    assert entries(database) == ["lti-mentor lrs retention run: 1 statements, 0 attachments"]
    assert f"done on {clock.today()}" in run(database, "list").output
    assert run(database, "remove", listed.split()[0]).exit_code == 0
    assert run(database, "list").output == ""
    assert "There is no such rule." in run(database, "remove", listed.split()[0]).output
    assert "is an IRI" in run(database, "add", "--days", "9", "--verb", "scored").output
    assert count(database, AuditEntry, AuditEntry.action == "retention_changed") == 2
