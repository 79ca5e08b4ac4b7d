"""What statements are found by: each thing stands in the index once, wherever in the statement it is named."""

import json
from datetime import datetime

import pytest
from sqlalchemy import delete, event, func, insert, select, text

from tests.xapi.test_store import AUTHORITY, NOW, STRANGER, TENANT, about, found, put, statement
from xapi import outbox, removal, search, store
from xapi.facets import ANY_ACTIVITY, ANY_AGENT, agent_key, facet_digest, facet_digests, facet_digests_ever, facets
from xapi.rows import Facet, StoredStatement, Withheld
from xapi.store import Query

ANN, BEN = {"mbox": "mailto:ann@example.org"}, {"mbox": "mailto:ben@example.org"}
VOIDED = "http://adlnet.gov/expapi/verbs/voided"
COURSE, ITEM = "https://lms.example.org/courses/1", "https://lms.example.org/items/1"
OF_ANN = {"agent": agent_key(ANN), "related_agents": True}
OF_COURSE = {"activity": COURSE, "related_activities": True}
RIGHTS = {"tenant": TENANT, "own": agent_key(AUTHORITY), "keyed": bytes}


def ids(bodies):
    return [json.loads(body)["id"] for body in bodies]


@pytest.fixture
def given(database):
    """Ids of statements, newest first: Ann and the course are named here directly, there elsewhere, or both."""
    taught = {"context": {"instructor": ANN, "contextActivities": {"parent": [{"id": COURSE}]}}}
    kinds = [
        statement(actor=ANN, object={"id": COURSE}, context={}),
        statement(actor=BEN, **taught),
        statement(actor=ANN, object={"id": COURSE}, **taught),
    ]
    stored = [put(database, [kind, statement(actor=BEN, context={})])[0] for kind in kinds * 5]
    return [str(each) for each in reversed(stored)]


@pytest.mark.parametrize("wanted", [OF_ANN, OF_COURSE, OF_ANN | OF_COURSE], ids=["agent", "activity", "both"])
@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("also_voided", [False, True])
def test_what_is_named_anywhere_is_found_page_by_page_each_statement_once(
    database, given, wanted, ascending, also_voided
):
    following, seen = Query(**wanted, ascending=ascending, also_voided=also_voided, limit=4), []
    while following is not None:
        with database.reading() as db:
            page = store.query(db, tenant=TENANT, wanted=following)
        assert len(page.statements) == min(4, len(given) - len(seen))
        seen += ids(page.statements)
        following = page.next
    assert seen == given[:: -1 if ascending else 1]
    with database.reading() as db:
        assert store.count(db, tenant=TENANT, wanted=Query(**wanted)) == len(given)


def test_what_is_named_anywhere_is_found_between_two_times_and_not_once_voided(database, given):
    gone, *rest = given
    (voiding,) = put(database, [statement(verb={"id": VOIDED}, object={"objectType": "StatementRef", "id": gone})])
    left = [str(voiding), *rest]  # it is about what names her
    times = [json.loads(body)["stored"] for body in found(database, **OF_ANN)]
    since, until = (datetime.fromisoformat(times[place]) for place in (9, 2))
    for ascending in (False, True):
        order = {"ascending": ascending}
        assert ids(found(database, **OF_ANN, **order)) == left[:: -1 if ascending else 1]
        between = ids(found(database, **OF_ANN, **order, since=since, until=until))
        assert between == left[2:9][:: -1 if ascending else 1]
    assert gone in ids(found(database, **OF_ANN, also_voided=True))


def test_what_is_named_anywhere_is_found_by_whoever_sees_only_what_is_their_own_or_in_bounds(database, given):
    with database.transaction() as db:
        store.put(db, tenant=TENANT, statements=[statement(actor=ANN)], now=NOW, authority=STRANGER)
    theirs = found(database, **OF_ANN, authority=agent_key(STRANGER))
    assert [json.loads(body)["authority"] for body in theirs] == [STRANGER]
    assert ids(found(database, **OF_ANN, authority=agent_key(AUTHORITY))) == given
    assert ids(found(database, **OF_ANN, within=COURSE)) == [*ids(theirs), *given]


def test_what_is_about_a_statement_is_found_once_though_that_one_names_somebody_twice(database):
    (first,) = put(database, [statement(actor=ANN, context={"instructor": ANN})])
    (second,) = put(database, [statement(actor=BEN, object={"objectType": "StatementRef", "id": str(first)})])
    assert ids(found(database, **OF_ANN)) == [str(second), str(first)]
    two = {"agent": (agent_key(ANN), agent_key(BEN)), "related_agents": True}
    assert ids(found(database, **two)) == [str(second), str(first)]


def test_however_many_agents_are_asked_for_they_are_found_in_order(database, given):
    many = tuple(f"mbox mailto:{number}@example.org" for number in range(search.MOST_PAGES))
    assert ids(found(database, agent=(*many, agent_key(ANN)), related_agents=True)) == given
    assert found(database, agent=many, related_agents=True) == []


def test_who_is_named_directly_alone_is_found_without_the_others(database, given):
    assert ids(found(database, agent=agent_key(ANN))) == [each for place, each in enumerate(given) if place % 3 != 1]
    assert ids(found(database, activity=COURSE)) == [each for place, each in enumerate(given) if place % 3 != 1]


def test_nobody_stands_in_the_index_as_named_elsewhere_who_is_not():
    said = facets(statement(actor=ANN) | {"authority": AUTHORITY})
    assert {kind for kind, value in said if value == agent_key(ANN)} == {"agent"}
    assert {kind for kind, value in said if value == agent_key(AUTHORITY)} == {"related_agent"}
    assert {kind for kind, value in said if value == ITEM} == {"activity"}
    assert {kind for kind, value in said if value == COURSE} == {"related_activity"}
    within = facets(statement(actor=ANN, context={"instructor": ANN}))
    assert {kind for kind, value in within if value == agent_key(ANN)} == {"agent", "related_agent"}


@pytest.fixture
def older(database, given):
    """As earlier versions wrote it: all that is named stands there as named elsewhere, too."""
    with database.transaction() as db:
        rows = []
        for row in db.scalars(select(StoredStatement)):
            said = json.loads(row.body)
            more = facet_digests_ever(TENANT, said) - facet_digests(TENANT, said)
            rows += [{"digest": each, "seq": row.seq, "source": row.seq} for each in more]
        db.execute(insert(Facet), rows)
    return given


@pytest.mark.parametrize("wanted", [OF_ANN, OF_COURSE, OF_ANN | OF_COURSE], ids=["agent", "activity", "both"])
def test_what_an_earlier_version_stored_is_found_and_counted_once(database, older, wanted):
    assert ids(found(database, **wanted)) == older
    with database.reading() as db:
        assert store.count(db, tenant=TENANT, wanted=Query(**wanted)) == len(older)
        assert [json.loads(each.body)["id"] for each in named_ann(db)] == older[::-1]


def named_ann(db):
    return store.naming(db, tenant=TENANT, related=[agent_key(ANN)], direct=[])


def test_of_what_an_earlier_version_stored_nothing_stays_behind_when_it_is_removed(database, older):
    first = found(database, agent=agent_key(ANN))[0]
    referring = put(database, [about(json.loads(first)["id"])])
    with database.transaction() as db:  # as that version did for what refers to it
        seq = db.scalars(select(StoredStatement.seq).where(StoredStatement.statement_id == referring[0])).one()
        own = db.scalars(select(StoredStatement.seq).where(StoredStatement.body == first)).one()
        said = facet_digests_ever(TENANT, json.loads(first))
        db.execute(delete(Facet).where(Facet.seq == seq, Facet.source == own))
        db.execute(insert(Facet), [{"digest": each, "seq": seq, "source": own} for each in said])
    with database.transaction() as db:
        seqs = db.scalars(select(StoredStatement.seq)).all()
        assert removal.remove(db, seqs=seqs, **RIGHTS).statements == len(seqs)
        assert db.scalar(select(func.count()).select_from(Facet)) == 0


def test_whoever_is_forgotten_goes_wherever_they_are_named(database, older):
    with database.transaction() as db:
        gone = removal.remove_naming(db, agents=[agent_key(ANN)], **RIGHTS)
        digests = [facet_digest(TENANT, kind, agent_key(ANN)) for kind in ANY_AGENT]
        assert gone.statements == len(older)
        assert db.scalar(select(func.count()).where(Facet.digest.in_(digests))) == 0
        left = [facet_digest(TENANT, kind, COURSE) for kind in ANY_ACTIVITY]
        assert db.scalar(select(func.count()).where(Facet.digest.in_(left))) == 0


@pytest.mark.parametrize("stored", ["given", "older"])
def test_nothing_is_sent_any_more_of_whoever_is_named_anywhere(request, database, stored):
    count = len(request.getfixturevalue(stored))
    with database.transaction() as db:
        outbox.forget_agents(db, tenant=TENANT, agents=[agent_key(ANN)], now=NOW)
        assert db.scalar(select(func.count()).select_from(Withheld)) == count


def test_sqlite_counts_what_is_voided_by_the_index_of_it(sqlite_database):
    """Also where another index, made later, would do for it no better than this one."""
    unique = "uq_xapi_statements_tenant_statement_id"
    with sqlite_database.transaction() as db:
        db.execute(text(f"DROP INDEX {unique}"))
        db.execute(text(f"CREATE UNIQUE INDEX {unique} ON xapi_statements (tenant, statement_id)"))
    plans = []

    def note(connection, cursor, statement, parameters, context, executemany):
        if "voided_by" in statement:
            plans.append(" ".join(row[-1] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)))

    event.listen(sqlite_database.reader, "before_cursor_execute", note)
    with sqlite_database.reading() as db:
        store.count(db, tenant=TENANT, wanted=Query(**OF_ANN))
    assert "ix_xapi_statements_voided" in plans[0]
