"""Delivery to record stores outside, on both databases: what they get, and what is known about it here."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import event, select

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.jobs import statements
from lti_mentor.mentoring import goals, organizations
from lti_mentor.mentoring.goals import GoalDraft
from tests.support.outside import add, say, standing, statement
from xapi import outbox, store
from xapi.rows import StoredStatement
from xapi.vocabulary import Verbs


def test_a_fact_reaches_the_record_store_outside_as_it_is_stored_here(database, cast, tool, warehouse, loaded_settings):
    home = cast.learner.organization_id
    add(database, loaded_settings, home, warehouse.draft())
    with database.transaction() as db:
        due_on = clock.today() + timedelta(days=9)
        goals.set_goal(db, cast.learner, GoalDraft(title="Read", baseline=0, target=10, due_on=due_on))
    assert standing(database, home).waiting == 1
    assert statements.run(tool) == 1
    (got,) = warehouse.statements()
    assert got["verb"]["id"] == "http://id.tincanapi.com/verb/defined"
    now = standing(database, home)
    assert (now.target.status, now.waiting, now.oldest, now.target.delivered) == ("active", 0, None, 1)
    assert statements.run(tool) == 0


def test_what_was_there_before_is_sent_from_a_date_on_and_in_order(database, home, tool, warehouse, loaded_settings):
    with clock.moved_to(clock.now() - timedelta(days=9)):
        say(database, home, [statement(number) for number in range(3)])
    older = say(database, home, [statement(number) for number in range(3, 9)])
    add(database, loaded_settings, home, warehouse.draft(since=clock.now() - timedelta(days=1)))
    newer = say(database, home, [statement(number) for number in range(9, 12)])
    assert standing(database, home).progress.percent == 0
    assert statements.run(tool) == 9
    assert warehouse.ids() == older + newer
    assert standing(database, home).progress is None


def test_without_a_date_only_what_comes_from_now_on_is_sent(database, home, tool, warehouse, loaded_settings):
    say(database, home, [statement(1)])
    add(database, loaded_settings, home, warehouse.draft())
    new = say(database, home, [statement(2)])
    statements.run(tool)
    assert warehouse.ids() == new


@pytest.mark.parametrize("tail", ["", "/", "/statements", "/statements/", "/about"])
def test_every_spelling_of_the_endpoint_is_the_same(sqlite_database, loaded_settings, warehouse, tail):
    with sqlite_database.transaction() as db:
        home = organizations.named(db, "Home").id
    target = add(sqlite_database, loaded_settings, home, warehouse.draft(endpoint=f" {warehouse.url}/xapi{tail}"))
    assert target.endpoint == f"{warehouse.url}/xapi"


VERB, OTHER_VERB = "http://adlnet.gov/expapi/verbs/completed", "http://adlnet.gov/expapi/verbs/passed"
PROFILE = "https://w3id.org/xapi/cmi5"


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"verbs": (OTHER_VERB,)}, [1, 4]),
        ({"activities": ("https://lms.example.org/things/2",)}, [2, 4]),
        ({"profiles": (PROFILE,)}, [3, 4]),
        ({"verbs": (OTHER_VERB,), "profiles": (PROFILE,)}, [4]),
    ],
)
def test_a_filter_lets_through_what_fits_and_what_voids(
    database, home, tool, warehouse, loaded_settings, wanted, numbers
):
    category = {"contextActivities": {"category": [{"id": PROFILE}]}}
    said = [
        statement(0),
        statement(1, verb={"id": OTHER_VERB}),
        statement(2),
        statement(3, context=category),
        statement(4, verb={"id": OTHER_VERB}, context=category, object={"id": "https://lms.example.org/things/2"}),
    ]
    ids = say(database, home, said[:2])
    add(database, loaded_settings, home, warehouse.draft(since=clock.now() - timedelta(days=1), **wanted))
    ids += say(database, home, said[2:])
    voiding = statement(
        5, verb={"id": Verbs.VOIDED.iri}, object={"objectType": "StatementRef", "id": ids[0]}, context={}
    )
    ids += say(database, home, [voiding])
    statements.run(tool)
    assert warehouse.ids() == [ids[number] for number in [*numbers, 5]]


def test_attachments_and_voided_statements_are_delivered_too(database, home, tool, warehouse, loaded_settings):
    add(database, loaded_settings, home, warehouse.draft(version="2.0.0"))
    content = b"a certificate\r\n--with a line"
    sha2 = hashlib.sha256(content).hexdigest()
    attached = {
        "usageType": "http://id.tincanapi.com/attachment/certificate-of-completion",
        "display": {"en": "Certificate"}, "contentType": "text/plain", "length": len(content), "sha2": sha2,
    }  # fmt: skip
    ids = say(database, home, [statement(1), statement(2, attachments=[attached]), statement(3)], {sha2: content})
    reference = {"objectType": "StatementRef", "id": ids[0]}
    ids += say(database, home, [statement(4, verb={"id": Verbs.VOIDED.iri}, object=reference, context={})])
    assert statements.run(tool) == 4
    assert warehouse.ids() == ids
    assert warehouse.attachment(sha2) == content


def test_two_organizations_never_see_each_others_statements(database, home, tool, warehouse, loaded_settings):
    with database.transaction() as db:
        elsewhere = organizations.named(db, "Elsewhere").id
    add(database, loaded_settings, home, warehouse.draft())
    say(database, elsewhere, [statement(1)])
    ours = say(database, home, [statement(2)])
    statements.run(tool)
    assert warehouse.ids() == ours
    with database.reading() as db:
        assert outside.standings(db, elsewhere) == []


def test_nothing_waits_where_nobody_wants_it(database, home):
    say(database, home, [statement(1)])
    with database.reading() as db:
        assert outside.standings(db) == []


def test_a_writer_looks_for_targets_only_where_there_are_some(database, home, warehouse, loaded_settings):
    asked = []

    def note(connection, cursor, text, *others):
        asked.append(text)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        say(database, home, [statement(1)])
        assert not any("xapi_targets" in text or "xapi_outbox" in text for text in asked)
        add(database, loaded_settings, home, warehouse.draft())
        asked.clear()
        say(database, home, [statement(2), statement(3)])
        assert sum("xapi_targets" in text or "xapi_outbox" in text for text in asked) == 2
        with database.transaction() as db:
            outside.remove(db, outside.named(db, home, "Warehouse"))
        asked.clear()
        say(database, home, [statement(4)])
        assert not any("xapi_targets" in text or "xapi_outbox" in text for text in asked)
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def test_a_target_added_while_others_write_misses_nothing_in_between(database, home, tool, warehouse, loaded_settings):
    def write(writer):
        return [say(database, home, [statement(writer * 100 + number)])[0] for number in range(20)]

    with ThreadPoolExecutor(6) as threads:
        writing = [threads.submit(write, writer) for writer in range(5)]
        yesterday = clock.now() - timedelta(days=1)
        adding = threads.submit(add, database, loaded_settings, home, warehouse.draft(since=yesterday))
        ids = [each for done in writing for each in done.result()]
        adding.result()
    assert statements.run(tool) == len(ids) == 100
    assert sorted(warehouse.ids()) == sorted(ids)
    with database.reading() as db:
        stored = db.scalars(select(StoredStatement.statement_id).order_by(StoredStatement.seq))
        assert warehouse.ids() == [str(each) for each in stored]


def test_a_long_past_is_queued_bit_by_bit_and_what_is_new_comes_after_it(
    database, home, tool, warehouse, loaded_settings, monkeypatch
):
    monkeypatch.setattr(outbox, "A_LOOK", 3)
    ids = say(database, home, [statement(number) for number in range(20)])
    wanted = {"since": clock.now() - timedelta(days=1), "activities": ("https://lms.example.org/things/1",)}
    add(database, loaded_settings, home, warehouse.draft(**wanted))
    ids += say(database, home, [statement(21)])
    assert statements.run(tool) == 5
    assert warehouse.ids() == [ids[1], ids[6], ids[11], ids[16], ids[20]]


def test_of_a_long_past_of_long_statements_few_are_looked_at_at_once(database, home, tool, warehouse, loaded_settings):
    length, ids = 1_000_000, []
    for number in range(15):
        ids += say(database, home, [statement(number, result={"response": "x" * length})])
    found = add(database, loaded_settings, home, warehouse.draft(since=clock.now() - timedelta(days=1)))
    with database.transaction() as db:
        outbox.accepted(db, found)
        claimed = outbox.claim(db, now=clock.now(), until=clock.now())
        outbox.take(db, claimed, now=clock.now(), until=clock.now())
    now = standing(database, home)
    assert 0 < now.waiting < store.PAGE_BYTES / length
    assert now.progress is not None
    assert statements.run(tool) == len(ids)
    assert warehouse.ids() == ids


def send_older(database, home, found, since):
    with database.transaction() as db:
        outside.send_older(db, outside.to_change(db, home, found.id), since)


@pytest.mark.parametrize("days", [9, 1], ids=["the earlier day second", "the later day second"])
def test_older_statements_that_are_asked_for_twice_at_once_all_arrive(
    database, home, tool, warehouse, loaded_settings, monkeypatch, days
):
    monkeypatch.setattr(outbox, "A_LOOK", 3)
    now = clock.now()
    with clock.moved_to(now - timedelta(days=5)):
        ids = say(database, home, [statement(number) for number in range(10)])
    ids += say(database, home, [statement(number) for number in range(10, 20)])
    found = add(database, loaded_settings, home, warehouse.draft(since=now - timedelta(days=10 - days)))
    with database.transaction() as db:
        outbox.accepted(db, found)
        claimed = outbox.claim(db, now=now, until=now)
        assert len(outbox.take(db, claimed, now=now, until=now)) == 3, "the first ones are being queued"
    send_older(database, home, found, now - timedelta(days=days))
    ids += say(database, home, [statement(20)])
    statements.run(tool)
    assert warehouse.ids() == ids
