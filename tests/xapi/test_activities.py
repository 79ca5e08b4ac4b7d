"""What is known of activities and agents from statements."""

import json
import uuid
from contextlib import contextmanager

from sqlalchemy import event

from lti_mentor.db import Database, connect
from tests.conftest import url_of
from tests.xapi.test_store import AUTHORITY, NOW, OTHER, TENANT, statement
from xapi import activities, agents, store

ITEM = "https://lms.example.org/items/1"


def learn(database: Database, *definitions, tenant=TENANT, iri=ITEM):
    given = [statement(object={"id": iri, "definition": definition}) for definition in definitions]
    with database.transaction() as db:
        new = store.put(db, tenant=tenant, statements=given, now=NOW, authority=AUTHORITY).new
        activities.define(db, tenant=tenant, said=activities.said(new))


def known(database: Database, iri=ITEM, tenant=TENANT):
    with database.reading() as db:
        return activities.activity(db, tenant=tenant, iri=iri)


def test_an_activity_nobody_spoke_of_is_still_one(database):
    assert known(database) == {"objectType": "Activity", "id": ITEM}


def test_definitions_are_put_together_language_by_language_and_the_later_one_wins(database):
    learn(database, {"name": {"en": "Quiz", "de": "Test"}, "type": "https://a.example/quiz"})
    learn(
        database,
        {"name": {"fr": "Jeu"}, "description": {"en": "One"}, "extensions": {"https://a.example/x": 1}},
        {"name": {"en": "Exam"}, "type": "https://a.example/exam", "extensions": {"https://a.example/y": [None]}},
    )
    assert known(database)["definition"] == {
        "name": {"en": "Exam", "de": "Test", "fr": "Jeu"},
        "description": {"en": "One"},
        "type": "https://a.example/exam",
        "extensions": {"https://a.example/x": 1, "https://a.example/y": [None]},
    }
    assert known(database, tenant=OTHER) == {"objectType": "Activity", "id": ITEM}


def test_the_lists_of_one_kind_of_interaction_never_stay_with_another(database):
    learn(database, {"interactionType": "choice", "choices": [{"id": "a"}], "correctResponsesPattern": ["a"]})
    learn(database, {"interactionType": "likert", "scale": [{"id": "1"}], "name": {"en": "How was it?"}})
    assert known(database)["definition"] == {
        "interactionType": "likert",
        "scale": [{"id": "1"}],
        "name": {"en": "How was it?"},
    }


def test_activities_in_the_context_and_in_sub_statements_are_learned_of(database):
    def named(name):
        return {"id": f"{ITEM}/{name}", "definition": {"name": {"en": name}}}

    inner = {
        "objectType": "SubStatement",
        **statement(object=named("inner"), context={"contextActivities": {"grouping": named("group")}}),
    }
    given = statement(
        object=inner, context={"contextActivities": {"parent": [named("parent")], "other": [{"id": ITEM}]}}
    )
    with database.transaction() as db:
        new = store.put(db, tenant=TENANT, statements=[given], now=NOW, authority=AUTHORITY).new
        activities.define(db, tenant=TENANT, said=activities.said(new))
        iris = [ITEM, *(f"{ITEM}/{name}" for name in ("inner", "group", "parent"))]
        found = activities.definitions(db, tenant=TENANT, iris=iris)
    assert found == {iri: {"name": {"en": iri.rpartition("/")[2]}} for iri in iris[1:]}


def test_nothing_is_written_where_nothing_is_new(database):
    many = [{"type": "https://a.example/quiz", "name": {"en": f"Number {number}"}} for number in range(3)]
    learn(database, *many)
    written = []

    def note(connection, cursor, text, *rest):
        written.append(text)

    event.listen(database.engine, "before_cursor_execute", note)
    learn(database, many[2])
    event.remove(database.engine, "before_cursor_execute", note)
    assert not any("INTO xapi_activities" in text for text in written)
    assert sum("FROM xapi_activities" in text for text in written) == 1


def test_many_activities_at_once_are_all_learned_of(database):
    iris = [f"{ITEM}/{number}" for number in range(1200)]
    given = [statement(object={"id": iri, "definition": {"name": {"en": iri}}}) for iri in iris]
    with database.transaction() as db:
        activities.define(db, tenant=TENANT, said=activities.said(given))
        assert len(activities.definitions(db, tenant=TENANT, iris=iris)) == 1200


def test_a_person_has_the_names_of_the_newest_statements_and_no_other_identifier(database):
    account = {"account": {"homePage": "https://lms.example.org", "name": "7"}}
    stranger = {"mbox": "mailto:stranger@example.org", "name": "A Stranger"}
    said = [
        statement(actor=account | {"name": "Ann"}),
        statement(actor=stranger, context={"instructor": account | {"name": "Dr. Ann"}}),
        statement(actor={"objectType": "Group", "member": [stranger, account | {"name": "Ann"}]}),
    ]
    with database.transaction() as db:
        for each in said:
            store.put(db, tenant=TENANT, statements=[each], now=NOW, authority=AUTHORITY)
        found = agents.person(db, tenant=TENANT, agent=account)
        elsewhere = agents.person(db, tenant=OTHER, agent=account | {"name": "Me"})
    assert found == {"objectType": "Person", "name": ["Ann", "Dr. Ann"], "account": [account["account"]]}
    assert elsewhere == {"objectType": "Person", "name": ["Me"], "account": [account["account"]]}


def test_an_unknown_agent_is_a_person_of_what_was_given(database):
    with database.reading() as db:
        for name, value in (("mbox", "mailto:a@example.org"), ("openid", f"https://id.example.org/{uuid.uuid4()}")):
            found = agents.person(db, tenant=TENANT, agent={"objectType": "Agent", name: value})
            assert json.dumps(found) == json.dumps({"objectType": "Person", name: [value]})


def test_activities_are_looked_up_by_their_index(sqlite_database):
    plans = []

    def explain(connection, cursor, text, parameters, context, executemany):
        if "xapi_activities" in text:
            plans.append(" ".join(row[-1] for row in cursor.execute(f"EXPLAIN QUERY PLAN {text}", parameters)))

    event.listen(sqlite_database.reader, "before_cursor_execute", explain)
    known(sqlite_database)
    event.remove(sqlite_database.reader, "before_cursor_execute", explain)
    assert len(plans) == 1
    assert "iri=?" in plans[0]


def taught(database: Database, definition, iri=ITEM):
    """As requests do it: what was found out is remembered once it is committed."""
    given = [statement(object={"id": iri, "definition": definition})]
    with database.transaction() as db:
        taken = store.put(db, tenant=TENANT, statements=given, now=NOW, authority=AUTHORITY)
        learned = activities.define(db, tenant=TENANT, said=activities.said(taken.new), version=taken.definitions)
    activities.remember(learned)


@contextmanager
def asked(database: Database):
    """The statements that the database is asked meanwhile."""
    texts = []

    def note(connection, cursor, text, *rest):
        texts.append(text)

    event.listen(database.engine, "before_cursor_execute", note)
    yield texts
    event.remove(database.engine, "before_cursor_execute", note)


def test_what_was_learned_is_remembered_and_not_looked_up_again(database):
    one, two = {"name": {"en": "One"}}, {"name": {"en": "Two"}}
    taught(database, one)
    taught(database, {"name": {"en": "Another"}}, iri=f"{ITEM}/another")
    with asked(database) as texts:
        taught(database, one)
        taught(database, two)
        taught(database, two)
    assert not any("FROM xapi_activities" in text for text in texts)
    assert sum("INTO xapi_activities" in text for text in texts) == 1
    assert known(database)["definition"] == two


def test_what_another_process_changed_meanwhile_is_looked_up(database):
    """Two databases are two processes here."""
    one, two = {"name": {"en": "One"}}, {"name": {"en": "Two"}}
    other = connect(url_of(database))
    taught(database, one)
    taught(other, one)
    taught(other, two)
    taught(database, one)
    assert known(database)["definition"] == one
    taught(other, two)
    assert known(database)["definition"] == two
    learn(database, one)  # by a writer who remembers nothing
    taught(other, two)
    assert known(database)["definition"] == two
    other.engine.dispose()


def test_what_a_later_transaction_found_is_not_forgotten_for_an_earlier_one(database):
    one, two = {"name": {"en": "One"}}, {"name": {"en": "Two"}}
    taught(database, one)
    with database.transaction() as db:
        late = activities.define(
            db, tenant=TENANT, said=activities.said([statement(object={"id": ITEM, "definition": one})]), version=0
        )
    taught(database, two)
    activities.remember(late)
    taught(database, one)
    assert known(database)["definition"] == one


def test_a_definition_that_becomes_too_long_to_remember_loses_nothing(database):
    half, more = "x" * (activities.REMEMBERED // 2), "y" * activities.REMEMBERED
    taught(database, {"description": {"en": half}})
    taught(database, {"description": {"de": more}})
    taught(database, {"description": {"fr": "court"}})
    assert known(database)["definition"]["description"] == {"en": half, "de": more, "fr": "court"}


def test_one_tenant_whose_memory_begins_anew_takes_no_other_ones(database, monkeypatch):
    monkeypatch.setattr(activities, "MOST_TENANTS", 1)
    taught(database, {"name": {"en": "One"}})
    learn(database, {"name": {"en": "Two"}})  # by a writer who remembers nothing
    taught(database, {"name": {"en": "Two"}})
    with asked(database) as texts:
        taught(database, {"name": {"en": "Two"}})
    assert not any("FROM xapi_activities" in text for text in texts)


def test_no_more_is_remembered_than_fits(database, monkeypatch):
    monkeypatch.setattr(activities, "MOST_TEXTS", 3)
    for number in range(8):
        taught(database, {"name": {"en": f"Number {number}"}}, iri=f"{ITEM}/{number}")
    with asked(database) as texts:
        taught(database, {"name": {"en": "Number 7"}}, iri=f"{ITEM}/7")
        taught(database, {"name": {"en": "Number 0"}}, iri=f"{ITEM}/0")
    assert sum("FROM xapi_activities" in text for text in texts) == 1


def test_any_text_can_be_one_of_many_that_are_looked_for(database):
    names = ['"', "\\", 'a\\"b', "{x,y}", "NULL", "two\nlines", "Prüfung 😀", "", " "]
    said = {name: [f'{{"moreInfo":"{place}"}}'] for place, name in enumerate(names)}
    with database.transaction() as db:
        activities.define(db, tenant=TENANT, said=said)
        found = activities.definitions(db, tenant=TENANT, iris=names)
        assert activities.definitions(db, tenant=TENANT, iris=["\\\\", '\\"', "null"]) == {}
    assert found == {name: {"moreInfo": str(place)} for place, name in enumerate(names)}
