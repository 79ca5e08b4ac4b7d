import json
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, func, select, update

from lti_mentor.db import Database
from xapi import agents, keys, links, removal, search, store
from xapi.errors import Conflict, InvalidStatement
from xapi.facets import BROADEST, agent_key, facet_digest, facets
from xapi.removal import Gone
from xapi.rows import Facet, StoredStatement

TENANT, OTHER = uuid.uuid4(), uuid.uuid4()
NOW = datetime(2026, 5, 1, tzinfo=UTC)
AUTHORITY = {"account": {"homePage": "https://lms.example.org", "name": "key"}}
STRANGER = {"account": {"homePage": "https://lms.example.org", "name": "stranger"}}


def statement(**changes):
    body = {
        "actor": {"account": {"homePage": "https://lms.example.org", "name": "7"}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/scored"},
        "object": {"id": "https://lms.example.org/items/1"},
        "context": {"contextActivities": {"parent": {"id": "https://lms.example.org/courses/1"}}},
    }
    return body | changes


def put(database: Database, statements, tenant=TENANT, now=NOW):
    with database.transaction() as db:
        return store.put(db, tenant=tenant, statements=statements, now=now, authority=AUTHORITY).ids


def found(database: Database, tenant=TENANT, **wanted):
    with database.reading() as db:
        return store.query(db, tenant=tenant, wanted=store.Query(**wanted)).statements


def test_a_statement_is_found_by_every_filter(database):
    registration = str(uuid.uuid4())
    put(database, [statement(context={**statement()["context"], "registration": registration})])
    put(database, [statement(verb={"id": "http://adlnet.gov/expapi/verbs/passed"})])
    assert len(found(database)) == 2
    assert len(found(database, verb="http://adlnet.gov/expapi/verbs/scored")) == 1
    assert len(found(database, agent=agent_key(statement()["actor"]))) == 2
    assert len(found(database, activity="https://lms.example.org/items/1")) == 2
    assert len(found(database, activity="https://lms.example.org/courses/1")) == 0
    assert len(found(database, activity="https://lms.example.org/courses/1", related_activities=True)) == 2
    assert len(found(database, registration=registration)) == 1
    assert len(found(database, since=NOW)) == 1  # exclusive
    assert len(found(database, until=NOW)) == 1  # inclusive


def test_what_two_tenants_say_alike_stands_in_different_rows(database):
    (ours,) = put(database, [statement()])
    assert found(database, tenant=OTHER, also_voided=True, verb=statement()["verb"]["id"]) == []
    (theirs,) = put(database, [statement()], tenant=OTHER)
    said = facets(statement() | {"authority": AUTHORITY})
    one, other = ({facet_digest(tenant, *each) for each in said} for tenant in (TENANT, OTHER))
    assert one.isdisjoint(other)
    with database.reading() as db:
        assert set(db.scalars(select(Facet.digest))) >= one | other
    for kind in ("agent", "activity", "verb"):
        value = {"agent": agent_key(statement()["actor"]), "activity": statement()["object"]["id"]}.get(kind)
        wanted = {kind: value or statement()["verb"]["id"], "also_voided": True}
        assert [json.loads(each)["id"] for each in found(database, **wanted)] == [str(ours)]
        assert [json.loads(each)["id"] for each in found(database, tenant=OTHER, **wanted)] == [str(theirs)]


def test_of_statements_that_were_stored_at_one_time_the_last_one_is_the_last(database):
    put(database, [statement() for _ in range(9)])
    with database.transaction() as db:
        for seq in (5, 2, 9, 1, 7, 3, 8, 6, 4):  # PostgreSQL keeps them in the order in which they were written
            db.execute(update(StoredStatement).where(StoredStatement.seq == seq).values(stored=NOW))
        assert store.last_before(db, tenant=TENANT, moment=NOW + timedelta(days=1)) == 9


def test_of_nobody_at_all_nothing_is_found(database):
    put(database, [statement()])
    verb = statement()["verb"]["id"]
    for wanted in ({}, {"verb": verb}, {"related_agents": True}, {"verb": verb, "related_agents": True}):
        assert found(database, agent=(), **wanted) == []


def test_statements_of_another_tenant_are_never_seen(database):
    (statement_id,) = put(database, [statement()], tenant=OTHER)
    assert found(database) == []
    with database.reading() as db:
        assert store.get(db, tenant=TENANT, statement_id=statement_id) is None
        assert list(store.scan(db, tenant=TENANT)) == []


def test_the_same_statement_again_changes_nothing_and_another_one_conflicts(database):
    (statement_id,) = put(database, [statement()])
    assert put(database, [statement(id=str(statement_id).upper())]) == [statement_id]
    with pytest.raises(Conflict):
        put(database, [statement(id=str(statement_id), result={"success": True})])
    assert len(found(database)) == 1


def about(target, **changes):
    return statement(
        actor={"mbox": "mailto:ann@example.org"}, object={"objectType": "StatementRef", "id": str(target)}, **changes
    )


def test_a_long_chain_of_statements_is_followed_so_far_and_no_farther(database):
    (first,) = put(database, [statement()])
    last = first
    for _ in range(links.FARTHEST + 5):
        (last,) = put(database, [about(last)])
    item = "https://lms.example.org/items/1"
    pages, wanted = [], store.Query(activity=item)
    with database.reading() as db:
        while wanted is not None:
            page = store.query(db, tenant=TENANT, wanted=wanted)
            pages += page.statements
            wanted = page.next
        own = list(store.scan(db, tenant=TENANT, activity=item))
    assert len(pages) == links.FARTHEST + 1
    assert [each["id"] for each in own] == [str(first)]


def test_nothing_is_found_by_a_removed_statement_where_the_middle_of_the_chain_came_late(database, monkeypatch):
    monkeypatch.setattr(links, "FARTHEST", 3)
    (first,) = put(database, [statement()])
    (second,) = put(database, [about(first)])
    middle = last = uuid.uuid4()
    for _ in range(5):
        (last,) = put(database, [about(last)])
    put(database, [about(second, id=str(middle))])
    with database.transaction() as db:
        seq = db.scalars(select(StoredStatement.seq).where(StoredStatement.statement_id == first)).one()
        said = select(func.count()).select_from(Facet).where(Facet.source == seq, Facet.seq != seq)
        assert db.scalar(said) > 0
        removal.remove(db, tenant=TENANT, seqs=[seq], own=agent_key(AUTHORITY), keyed=bytes)
        assert db.scalar(said) == 0


def test_only_statements_that_were_there_are_counted_as_removed(database):
    put(database, [statement(), statement()])
    with database.transaction() as db:
        seqs = db.scalars(select(StoredStatement.seq)).all()
        given = {"tenant": TENANT, "own": agent_key(AUTHORITY), "keyed": bytes}
        assert removal.remove(db, seqs=seqs[:1], **given) == Gone(1)
        assert removal.remove(db, seqs=[*seqs, max(seqs) + 1], **given) == Gone(1)
        assert removal.remove(db, seqs=seqs, **given) == Gone()


def test_what_waited_for_a_statement_finds_it_once_however_many_there_are(database):
    target, waiting = uuid.uuid4(), 60
    put(database, [about(target) for _ in range(waiting)])
    copied = []

    def count(connection, cursor, text, parameters, context, executemany):
        if "INSERT INTO xapi_facets" in text:
            copied.append(len(parameters) if executemany else 1)

    event.listen(database.engine, "before_cursor_execute", count)
    put(database, [statement(id=str(target))])
    event.remove(database.engine, "before_cursor_execute", count)
    assert len(found(database, activity="https://lms.example.org/items/1")) == waiting + 1
    _, of_others = copied
    assert of_others == len(facets(statement() | {"authority": AUTHORITY})) * waiting


def group(size):
    return {"objectType": "Group", "member": [{"mbox": f"mailto:{number}@example.org"} for number in range(size)]}


def test_nobody_fills_the_store_with_much_that_is_said_of_much(sqlite_database):
    with pytest.raises(InvalidStatement) as refused:
        put(sqlite_database, [statement(), statement(actor=group(BROADEST // 2))])
    assert refused.value.path == "[1]"
    (broad,) = put(sqlite_database, [statement(actor=group(BROADEST // 2 - 5))])
    some = links.MOST_COPIES // BROADEST
    put(sqlite_database, [about(broad) for _ in range(some)])
    assert len(found(sqlite_database, agent="mbox mailto:7@example.org")) == some + 1
    with pytest.raises(InvalidStatement):
        put(sqlite_database, [about(broad) for _ in range(some + 1)])
    (narrow,) = put(sqlite_database, [about(broad)])
    put(sqlite_database, [about(narrow)])  # goes as far as there is room
    assert len(found(sqlite_database, agent="mbox mailto:ann@example.org")) == some + 2


def test_an_export_has_what_names_the_agent_itself(database):
    (first,) = put(database, [statement()])
    put(database, [about(first), statement(actor={"objectType": "Group", "member": [statement()["actor"]]})])
    key = agent_key(statement()["actor"])
    with database.reading() as db:
        assert len(list(store.scan(db, tenant=TENANT, agent=key))) == 2
    assert len(found(database, agent=key)) == 3


def test_what_was_written_with_an_authority_is_read_without_the_rest(database):
    ours = {"account": {"homePage": "https://lms.example.org", "name": "ours"}}
    put(database, [statement(), statement()])
    with database.transaction() as db:
        store.put(db, tenant=TENANT, statements=[statement()], now=NOW, authority=ours)
    with database.reading() as db:
        (own,) = store.scan(db, tenant=TENANT, authority=agent_key(ours))
    assert own["authority"] == ours


def own(database, after=0):
    with database.reading() as db:
        said = store.later(db, tenant=TENANT, after=after, authority=agent_key(AUTHORITY))
        return [uuid.UUID(each["id"]) for each in said], store.position(db, tenant=TENANT)


def test_what_came_later_is_read_in_order_without_what_is_voided_or_of_others(database):
    assert own(database) == ([], store.Position())
    first = put(database, [statement() for _ in range(250)])
    put(database, [statement()], tenant=OTHER)
    found, seen = own(database)
    assert found == first
    assert own(database, after=seen.seq) == ([], seen)
    with database.transaction() as db:  # from the second place on more than are read at once
        voided = StoredStatement.statement_id.in_(first[1:240])
        db.execute(update(StoredStatement).where(voided).values(voided_by=uuid.uuid4()))
    assert own(database)[0] == [first[0], *first[240:]]
    with database.transaction() as db:
        names_us = statement(context={"instructor": AUTHORITY})
        store.put(db, tenant=TENANT, statements=[names_us], now=NOW, authority=STRANGER)
    second = put(database, [statement() for _ in range(3)])
    found, now = own(database, after=seen.seq)
    assert found == second
    assert seen < now


def void(database, statement_id, by=AUTHORITY, *, voids_all=True):
    with database.transaction() as db:
        voiding = about(statement_id, verb={"id": "http://adlnet.gov/expapi/verbs/voided"})
        store.put(db, tenant=TENANT, statements=[voiding], now=NOW, authority=by, voids_all=voids_all)


def remove(database, *ids):
    with database.transaction() as db:
        seqs = db.scalars(select(StoredStatement.seq).where(StoredStatement.statement_id.in_(ids))).all()
        assert removal.remove(db, tenant=TENANT, seqs=seqs, own=agent_key(AUTHORITY), keyed=bytes).statements


def withdrawals(database):
    return own(database)[1].withdrawals


def test_nobody_goes_on_from_before_something_of_our_own_was_voided_or_removed(database):
    first, second = put(database, [statement(), statement()])
    void(database, uuid.uuid4())
    assert withdrawals(database) == 0, "what it voids is not there"
    void(database, first, by=STRANGER)
    assert withdrawals(database) == 1
    with database.transaction() as db:
        removal.remove(db, tenant=TENANT, seqs=[10**6], own=agent_key(AUTHORITY), keyed=bytes)
    assert withdrawals(database) == 1, "nothing went"
    remove(database, second)
    assert withdrawals(database) == 2


def test_what_others_withdraw_of_theirs_keeps_nobody_from_going_on(database):
    put(database, [statement()])
    with database.transaction() as db:
        given = {"tenant": TENANT, "now": NOW, "authority": STRANGER}
        first, second = store.put(db, statements=[statement(), statement()], **given).ids
    void(database, first, by=STRANGER, voids_all=False)
    assert withdrawals(database) == 0
    remove(database, first, second)
    assert withdrawals(database) == 0


def test_several_names_find_what_any_of_them_finds(database):
    actors = [{"mbox": f"mailto:{name}@example.org"} for name in ("ada", "bob", "eve")]
    put(database, [statement(actor=actor) for actor in actors])
    keys_of = tuple(agent_key(actor) for actor in actors[:2])
    assert len(found(database, agent=keys_of)) == 2
    assert len(found(database, agent=keys_of, verb=statement()["verb"]["id"])) == 2
    with database.reading() as db:
        assert store.count(db, tenant=TENANT, wanted=store.Query(agent=keys_of)) == 2


def test_what_a_writer_is_told_is_where_a_poller_may_go_on(database):
    for batch in ([statement()], [], [statement(), statement()], []):
        with database.transaction() as db:
            taken = store.put(db, tenant=TENANT, statements=batch, now=NOW, authority=AUTHORITY)
        with database.reading() as db:
            assert store.consistent_through(db, tenant=TENANT) == taken.through
        assert len(found(database, since=taken.through)) == 0
        put(database, [statement()])
        assert len(found(database, since=taken.through)) == 1


def test_one_bad_statement_keeps_the_whole_batch_out(database):
    with pytest.raises(InvalidStatement):
        put(database, [statement(), statement(verb={"id": "nope"})])
    twice = str(uuid.uuid4())
    with pytest.raises(InvalidStatement):
        put(database, [statement(id=twice), statement(id=twice)])
    assert found(database) == []


def test_pages_hold_everything_once_while_others_write(database):
    put(database, [statement() for _ in range(25)])
    seen, wanted = [], store.Query(limit=10)
    while wanted is not None:
        with database.reading() as db:
            page = store.query(db, tenant=TENANT, wanted=wanted)
        seen += page.statements
        put(database, [statement()])
        wanted = page.next
    assert len(seen) == len(set(seen)) == 25


def test_stored_never_overtakes_an_open_writer(database):
    """A poller that uses ``since`` sees the statement of a writer that was slow to commit."""
    written, may_commit = threading.Event(), threading.Event()

    def write_slowly():
        with database.transaction() as db:
            store.put(db, tenant=TENANT, statements=[statement()], now=NOW, authority=AUTHORITY)
            written.set()
            may_commit.wait(10)

    def write_quickly():
        put(database, [statement()], now=NOW + timedelta(seconds=1))

    slow, quick = threading.Thread(target=write_slowly), threading.Thread(target=write_quickly)
    slow.start()
    assert written.wait(10)
    quick.start()
    quick.join(2)  # the second writer is kept waiting, or has not overtaken
    polled = found(database, ascending=True)
    may_commit.set()
    slow.join(10)
    quick.join(10)
    with database.reading() as db:
        everything = list(store.scan(db, tenant=TENANT))
    later = [
        each for each in everything if not polled or each["stored"] > max(p.split('"stored":"')[1][:27] for p in polled)
    ]
    assert len(everything) == 2
    assert len(polled) + len(later) == 2


def test_a_first_writer_that_is_open_is_not_overtaken_either(database):
    with database.transaction() as db:
        store.put(db, tenant=TENANT, statements=[statement()], now=NOW, authority=AUTHORITY)
        with database.reading() as poller:
            through = store.consistent_through(poller, tenant=TENANT)
    assert len(found(database, since=through)) == 1


def test_long_names_are_found_and_fit_into_every_index(database):
    name, iri = "n" * 9000, "https://lms.example.org/" + "é" * 900
    actor = {"account": {"homePage": "https://lms.example.org", "name": name}}
    put(database, [statement(actor=actor, object={"id": iri})])
    assert len(found(database, agent=agent_key(actor), activity=iri)) == 1


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ({"mbox": "mailto:Ann@Example.ORG"}, {"mbox": "mailto:Ann@example.org"}),
        ({"mbox_sha1sum": "A" * 40}, {"mbox_sha1sum": "a" * 40}),
    ],
)
def test_an_agent_is_found_however_its_domain_or_digest_is_written(database, said, asked):
    put(database, [statement(actor=said | {"name": "Ann"})])
    for agent in (said, asked):
        assert len(found(database, agent=agent_key(agent))) == 1
        with database.reading() as db:
            assert agents.person(db, tenant=TENANT, agent=agent)["name"] == ["Ann"]
    assert found(database, agent="mbox mailto:ann@example.org") == []


def test_a_voided_statement_is_only_found_as_one(database):
    (statement_id,) = put(database, [statement()])
    void = statement(
        verb={"id": "http://adlnet.gov/expapi/verbs/voided"},
        object={"objectType": "StatementRef", "id": str(statement_id)},
    )
    put(database, [void])
    with database.reading() as db:
        assert store.get(db, tenant=TENANT, statement_id=statement_id) is None
        assert store.get_voided(db, tenant=TENANT, statement_id=statement_id) is not None


def test_a_key_is_found_by_its_secret_alone_until_it_is_disabled(database):
    def prints(secret: bytes) -> list[bytes]:
        return [secret[::-1].ljust(32, b".")]

    with database.transaction() as db:
        key, secret = keys.add(db, tenant=TENANT, label="BI", now=NOW, fingerprint=lambda text: prints(text)[0])
        assert keys.find(db, key=key, secret=secret, fingerprints=prints).tenant == TENANT
        assert keys.find(db, key=key, secret="wrong", fingerprints=prints) is None
        assert keys.disable(db, tenant=TENANT, key=key, now=NOW)
        assert keys.find(db, key=key, secret=secret, fingerprints=prints) is None


def test_whichever_filter_is_the_rarest_the_same_is_found(database):
    course, passed = "https://lms.example.org/courses/1", "http://adlnet.gov/expapi/verbs/passed"
    busy, other = statement()["actor"], {"mbox": "mailto:ben@example.org"}
    put(database, [statement() for _ in range(search.FAR + 20)])
    few = put(database, [statement(verb={"id": passed}), statement(actor=other), statement(actor=other)])
    put(database, [statement() for _ in range(search.FAR + 20)])
    related = {"activity": course, "related_activities": True}
    for ascending in (False, True):
        one = {"ascending": ascending, "verb": passed}
        assert len(found(database, **one, agent=agent_key(busy))) == 1
        assert len(found(database, **one, agent=agent_key(busy), related_agents=True, **related)) == 1
        assert len(found(database, **one, agent=agent_key(other))) == 0
        assert len(found(database, **one, **related, authority=agent_key(AUTHORITY))) == 1
        theirs = found(database, ascending=ascending, agent=agent_key(other), **related)
        assert sorted(json.loads(body)["id"] for body in theirs) == sorted(str(each) for each in few[1:])
    assert len(found(database, agent=agent_key(busy), **related, limit=2000)) == 2 * (search.FAR + 20) + 1


def test_what_is_voided_is_not_counted(database):
    put(database, [statement(), statement(actor={"mbox": "mailto:ben@example.org"})])
    (voided,) = put(database, [statement()])
    put(database, [about(voided, verb={"id": "http://adlnet.gov/expapi/verbs/voided"})])
    key = agent_key(statement()["actor"])
    for wanted in ({}, {"agent": key}, {"agent": key, "also_voided": True}, {"also_voided": True}):
        with database.reading() as db:
            count = store.count(db, tenant=TENANT, wanted=store.Query(**wanted))
        assert count == len(found(database, **wanted))


def test_a_page_of_long_statements_ends_early_and_goes_on(database):
    said = {"https://lms.example.org/notes": "n" * (store.PAGE_BYTES // 2 - 10_000)}
    long = [put(database, [statement(result={"extensions": said})])[0] for _ in range(3)]
    pages, wanted = [], store.Query(ascending=True)
    while wanted is not None:
        with database.reading() as db:
            page = store.query(db, tenant=TENANT, wanted=wanted)
        pages.append([json.loads(body)["id"] for body in page.statements])
        wanted = page.next
    assert pages == [[str(long[0]), str(long[1])], [str(long[2])]]


def test_the_newest_of_a_registration_comes_first_where_that_is_asked_for(database):
    context = {"registration": str(uuid.uuid4())}
    times = [f"2026-05-0{day}T10:00:00Z" for day in (2, 4, 3)]
    put(database, [statement(context=context, timestamp=time) for time in times])
    with database.reading() as db:
        said = store.scan(db, tenant=TENANT, registration=context["registration"], newest_first=True)
        assert [each["timestamp"] for each in said] == sorted(times, reverse=True)
