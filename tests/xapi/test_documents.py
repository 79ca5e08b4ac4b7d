"""Documents by the rules of both versions, on both databases."""

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tests.lti.test_linked_meanwhile import until_somebody_waits
from xapi import documents
from xapi.documents import ACTIVITY_PROFILE, AGENT_PROFILE, STATE, Bare, Content, Place, Terms
from xapi.errors import DocumentConflict, DocumentTooLong, InvalidDocument, PreconditionFailed

TENANT, OTHER = uuid.uuid4(), uuid.uuid4()
NOW = datetime(2026, 5, 1, tzinfo=UTC)
LEARNER = "account https://lms.example.org 7"
COURSE = "https://lms.example.org/courses/1"
BOOKMARK = Place(tenant=TENANT, kind=STATE, agent=LEARNER, activity=COURSE, document_id="bookmark")
ALL_STATE = replace(BOOKMARK, document_id=None)
ANY_BYTES = Content(bytes(range(256)), "image/x-unknown; of=nothing")
FREE = Terms(bare=Bare.REPLACES)


def said(**values) -> Content:
    return Content(json.dumps(values).encode(), "application/json; charset=utf-8")


def put(database, place=BOOKMARK, content=ANY_BYTES, terms=FREE, now=NOW):
    with database.transaction() as db:
        documents.put(db, place, content, terms, now=lambda: now)


def post(database, place=BOOKMARK, content=ANY_BYTES, terms=FREE, now=NOW):
    with database.transaction() as db:
        documents.post(db, place, content, terms, now=lambda: now)


def delete(database, place=BOOKMARK, terms=FREE):
    with database.transaction() as db:
        documents.delete_one(db, place, terms)


def kept(database, place=BOOKMARK):
    with database.reading() as db:
        return documents.get(db, place)


def ids(database, place=ALL_STATE, since=None):
    with database.reading() as db:
        return documents.ids(db, place, since=since)[0]


def test_any_bytes_of_any_type_come_back_as_they_were(database):
    put(database)
    found = kept(database)
    assert (found.body, found.content_type, found.modified) == (ANY_BYTES.body, ANY_BYTES.content_type, NOW)
    assert found.etag == "4916d6bdb7f78e6803698cab32d1586ea457dfc8"  # as sha1sum says


def test_a_document_is_named_by_every_part_of_its_place(database):
    registration = uuid.uuid4()
    places = [
        BOOKMARK,
        replace(BOOKMARK, registration=registration),
        replace(BOOKMARK, document_id="Bookmark"),
        replace(BOOKMARK, activity=f"{COURSE}/"),
        replace(BOOKMARK, agent=f"{LEARNER}7"),
        replace(BOOKMARK, tenant=OTHER),
        Place(tenant=TENANT, kind=AGENT_PROFILE, agent=LEARNER, document_id="bookmark"),
        Place(tenant=TENANT, kind=ACTIVITY_PROFILE, activity=COURSE, document_id="bookmark"),
    ]
    for number, place in enumerate(places):
        put(database, place, said(number=number))
    assert [json.loads(kept(database, place).body)["number"] for place in places] == list(range(len(places)))
    assert ids(database) == ["Bookmark", "bookmark"]
    assert ids(database, replace(ALL_STATE, registration=registration)) == ["bookmark"]
    for place in places[3:]:
        assert ids(database, replace(place, document_id=None)) == ["bookmark"]


def test_post_merges_the_top_level_alone(database):
    post(database, content=said(place={"page": 3, "line": 1}, done=False, name="Ä"))
    post(database, content=said(place={"page": 4}, score=None), now=NOW + timedelta(seconds=1))
    found = kept(database)
    assert json.loads(found.body) == {"place": {"page": 4}, "done": False, "name": "Ä", "score": None}
    assert (found.content_type, found.modified) == ("application/json", NOW + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (said(a=1), Content(b'{"b": 2}', "text/plain")),
        (Content(b'{"b": 2}', "text/plain"), said(a=1)),
        (said(a=1), Content(b"[1]", "application/json")),
        (Content(b"[1]", "application/json"), said(a=1)),
        (said(a=1), Content(b'{"b": 2', "application/json")),
        (said(a=1), Content(b'{"b": NaN}', "application/json")),
        (said(a=1), Content(b'{"b": 1e999}', "application/json")),
        (said(a=1), Content(b'{"b": "\\ud800"}', "application/json")),
        (said(a=1), Content(b'{"b": ' + b"[" * 100_000, "application/json")),
    ],
)
def test_what_cannot_be_merged_is_refused_and_changes_nothing(database, first, second):
    put(database, content=first)
    with pytest.raises(InvalidDocument):
        post(database, content=second)
    assert kept(database).body == first.body


def test_a_first_post_is_kept_as_it_is_unless_it_only_claims_to_be_json(database):
    post(database)
    assert kept(database).body == ANY_BYTES.body
    with pytest.raises(InvalidDocument):
        post(database, replace(BOOKMARK, document_id="other"), Content(b"{", "application/json"))
    assert ids(database) == ["bookmark"]


@pytest.mark.parametrize("act", [put, post, delete])
def test_if_match_lets_through_whoever_knows_what_there_is(database, act):
    put(database, content=said(a=1))
    wrong, right = Terms(if_match=frozenset({"a" * 40, "b"})), Terms(if_match=frozenset({"b", kept(database).etag}))
    given = {} if act is delete else {"content": said(b=2)}
    with pytest.raises(PreconditionFailed):
        act(database, terms=wrong, **given)
    assert json.loads(kept(database).body) == {"a": 1}
    act(database, terms=right, **given)
    assert kept(database) is None if act is delete else "b" in json.loads(kept(database).body)


@pytest.mark.parametrize("act", [put, post, delete])
def test_if_match_of_anything_needs_something(database, act):
    terms = Terms(if_match=frozenset({"*"}))
    given = {} if act is delete else {"content": said(b=2)}
    with pytest.raises(PreconditionFailed):
        act(database, terms=terms, **given)
    put(database, content=said(a=1))
    act(database, terms=terms, **given)


@pytest.mark.parametrize("act", [put, post])
def test_if_none_match_keeps_what_there_is(database, act):
    terms = Terms(if_none_match=frozenset({"*"}))
    act(database, content=said(a=1), terms=terms)
    with pytest.raises(PreconditionFailed):
        act(database, content=said(a=2), terms=terms)
    act(database, content=said(a=2), terms=Terms(if_none_match=frozenset({"another"})))
    with pytest.raises(PreconditionFailed):
        act(database, content=said(a=3), terms=Terms(if_none_match=frozenset({kept(database).etag})))
    assert json.loads(kept(database).body) == {"a": 2}


def test_what_a_bare_put_may_do_is_a_matter_of_version_and_resource():
    assert documents.bare_put(STATE, "1.0.3") == Bare.REPLACES
    assert (
        documents.bare_put(AGENT_PROFILE, "1.0.3") == documents.bare_put(ACTIVITY_PROFILE, "1.0.3") == Bare.IS_REFUSED
    )
    assert {documents.bare_put(kind, "2.0.0") for kind in (STATE, AGENT_PROFILE, ACTIVITY_PROFILE)} == {Bare.CREATES}


def test_a_bare_put_over_a_document_is_a_conflict_where_it_may_not_replace(database):
    with pytest.raises(InvalidDocument):
        put(database, terms=Terms(bare=Bare.IS_REFUSED))
    put(database, terms=Terms(bare=Bare.CREATES))
    for bare in (Bare.CREATES, Bare.IS_REFUSED):
        with pytest.raises(DocumentConflict):
            put(database, content=said(a=1), terms=Terms(bare=bare))
    assert kept(database).body == ANY_BYTES.body
    put(database, content=said(a=1), terms=Terms(bare=Bare.REPLACES))


def test_a_document_may_not_grow_beyond_the_limit_by_merging_either(database):
    short = Terms(longest=20)
    post(database, content=said(a="12345"), terms=short)
    with pytest.raises(DocumentTooLong):
        post(database, content=said(b="12345"), terms=short)
    with pytest.raises(DocumentTooLong):
        put(database, content=said(a="12345678901234567890"), terms=Terms(longest=20, bare=Bare.REPLACES))
    assert json.loads(kept(database).body) == {"a": "12345"}


def test_a_list_says_what_changed_after_a_time_and_when_the_last_was(database):
    for minutes, name in enumerate(("first", "second", "third")):
        put(database, replace(BOOKMARK, document_id=name), now=NOW + timedelta(minutes=minutes))
    assert ids(database, since=NOW) == ["second", "third"]  # exclusive
    assert ids(database, since=NOW + timedelta(hours=1)) == []
    put(database, replace(BOOKMARK, document_id="first"), said(a=1), now=NOW + timedelta(minutes=9))
    with database.reading() as db:
        assert documents.ids(db, ALL_STATE, since=NOW) == (["first", "second", "third"], NOW + timedelta(minutes=9))
        assert documents.ids(db, replace(ALL_STATE, tenant=OTHER)) == ([], None)


def test_a_change_is_never_earlier_than_the_one_before_it(database):
    put(database)
    put(database, content=said(a=1), now=NOW - timedelta(seconds=9))  # began first, and had to wait
    assert kept(database).modified > NOW
    assert ids(database, since=NOW) == ["bookmark"]


def test_whoever_has_to_wait_reads_the_clock_afterwards(database):
    put(database)
    happened = []

    def now():
        happened.append("clock")
        return NOW

    def wait_and_put():
        with database.transaction() as db:
            documents.put(db, BOOKMARK, said(a=2), FREE, now=now)

    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as db:
            documents.put(db, BOOKMARK, said(a=1), FREE, now=lambda: NOW)
            waiting = thread.submit(wait_and_put)
            if not database.is_sqlite:
                until_somebody_waits(database)
            happened.append("done")
        waiting.result(30)
    assert happened == ["done", "clock"]


def test_a_whole_context_is_deleted_and_nothing_beside_it(database):
    registration = uuid.uuid4()
    beside = [
        replace(BOOKMARK, activity=f"{COURSE}/1"),
        replace(BOOKMARK, agent="mbox mailto:a@example.org"),
        replace(BOOKMARK, tenant=OTHER),
        Place(tenant=TENANT, kind=AGENT_PROFILE, agent=LEARNER, document_id="bookmark"),
    ]
    own = [BOOKMARK, replace(BOOKMARK, document_id="b"), replace(BOOKMARK, registration=registration)]
    for place in (*own, *beside):
        put(database, place)
    with database.transaction() as db:
        documents.delete_all(db, replace(ALL_STATE, registration=registration))
    assert [kept(database, place) is None for place in own] == [False, False, True]
    with database.transaction() as db:
        documents.delete_all(db, ALL_STATE)
    assert [kept(database, place) is None for place in own] == [True, True, True]
    assert all(kept(database, place) for place in beside)


def test_long_names_fit_into_every_index(database):
    place = replace(
        BOOKMARK,
        agent="account https://lms.example.org " + "é" * 4000,
        activity="x:" + "y" * 1990,
        document_id="z" * 8000,
    )
    put(database, place)
    assert ids(database, replace(place, document_id=None)) == ["z" * 8000]
    with database.transaction() as db:
        assert documents.forget_agent(db, tenant=TENANT, agent=place.agent) == 1


def test_everything_about_an_agent_is_found_and_forgotten_in_their_own_tenant_alone(database):
    profile = Place(tenant=TENANT, kind=AGENT_PROFILE, agent=LEARNER, document_id="likes")
    about_nobody = Place(tenant=TENANT, kind=ACTIVITY_PROFILE, activity=COURSE, document_id="likes")
    elsewhere = replace(BOOKMARK, tenant=OTHER)
    for minutes, place in enumerate((BOOKMARK, profile, about_nobody, elsewhere)):
        put(database, place, now=NOW + timedelta(minutes=minutes))
    with database.transaction() as db:
        found = documents.of_agent(db, tenant=TENANT, agent=LEARNER)
        assert [(each.kind, each.document_id) for each in found] == [(STATE, "bookmark"), (AGENT_PROFILE, "likes")]
        assert documents.forget_agent(db, tenant=TENANT, agent=LEARNER) == 2
        assert list(documents.of_agent(db, tenant=TENANT, agent=LEARNER)) == []
    assert kept(database, about_nobody)
    assert kept(database, elsewhere)


def at_once(*actions) -> list[type]:
    """What each of them came to, begun at the same time."""
    ready, outcomes = threading.Barrier(len(actions)), []

    def run(action):
        ready.wait(10)
        try:
            action()
            outcomes.append(None)
        except Exception as error:
            outcomes.append(type(error))

    threads = [threading.Thread(target=run, args=[action]) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


@pytest.mark.parametrize("act", [put, post])
def test_of_two_writers_that_expect_the_same_one_is_let_through(database, act):
    for _ in range(5):
        put(database, content=said(a=0))
        terms = Terms(if_match=frozenset({kept(database).etag}))
        outcomes = at_once(*(partial(act, database, content=said(**{name: 1}), terms=terms) for name in "abcd"))
        assert outcomes.count(None) == 1
        assert outcomes.count(PreconditionFailed) == 3


def test_of_two_that_make_the_same_document_one_is_let_through(database):
    for number in range(5):
        place, terms = replace(BOOKMARK, document_id=str(number)), Terms(if_none_match=frozenset({"*"}))
        outcomes = at_once(*(partial(put, database, place, said(by=name), terms) for name in "abcd"))
        assert outcomes.count(None) == 1
        assert outcomes.count(PreconditionFailed) == 3


def test_no_property_is_lost_when_many_merge_into_a_new_document_at_once(database):
    outcomes = at_once(*(partial(post, database, content=said(**{name: 1})) for name in "abcdefgh"))
    assert outcomes == [None] * 8
    assert json.loads(kept(database).body) == dict.fromkeys("abcdefgh", 1)
