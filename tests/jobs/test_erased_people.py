"""Whoever is erased: what goes from the record store here, what no store outside gets, and which may have something."""

import hashlib
import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.activity.outside import TargetDraft
from lti_mentor.jobs import statements
from lti_mentor.mentoring import goals, people, privacy
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.vault import Vault
from tests.conftest import SECRET
from tests.support.outside import add, say, standing, statement
from tests.support.recording import recording
from tests.support.stores import Lrs
from xapi import store
from xapi.facets import AGENT, RELATED_AGENT, agent_key, facet_digest
from xapi.rows import Attachment, Facet, StoredStatement
from xapi.vocabulary import Verbs

VAULT = Vault((SECRET,))
ACCOUNT = {"account": {"homePage": "https://lms.example.org", "name": "learner"}}
MAIL = "Learner@Example.ORG"
HASHED = hashlib.sha1(b"mailto:learner@example.org").hexdigest()
SOMEBODY = {"account": {"homePage": "https://lms.example.org", "name": "somebody else"}}


@pytest.fixture
def home(cast):
    return cast.learner.organization_id


@pytest.fixture
def learner(database, cast):
    """Has a mail address."""
    with database.transaction() as db:
        person = people.get(db, cast.learner.organization_id, cast.learner.id)
        person.email = MAIL
    return person


def set_goal(database, person, title="Read"):
    draft = GoalDraft(title=title, baseline=0, target=10, due_on=clock.today() + timedelta(days=9))
    with database.transaction() as db:
        goals.set_goal(db, person, draft)


def erase(database, person):
    with database.transaction() as db:
        return privacy.erase(db, VAULT, people.get(db, person.organization_id, person.id), by=None)


def given_out(database, person):
    """The statements in the file that a person gets."""
    with database.reading() as db:
        return json.loads("".join(privacy.export(db, person)))["statements"]


def bodies(database):
    with database.reading() as db:
        return [json.loads(body) for body in db.scalars(select(StoredStatement.body).order_by(StoredStatement.seq))]


def about(number, **agents):
    """A statement of a client; a context agent makes it one about somebody in passing."""
    return statement(number, **{"actor": SOMEBODY, **agents})


def test_statements_that_name_whoever_is_erased_are_gone_and_those_of_others_stay(database, cast, home, learner):
    voided = {"objectType": "StatementRef", "id": about(1)["id"]}
    theirs = [
        about(1, actor=ACCOUNT),
        about(2, actor={"mbox": f"mailto:{MAIL}"}),
        about(3, actor={"mbox_sha1sum": HASHED}),
        about(4, object={"objectType": "Agent", **ACCOUNT}),
        about(5, context={"instructor": {"mbox": "mailto:learner@example.org"}}),
        about(6, actor={"objectType": "Group", "member": [SOMEBODY, ACCOUNT]}),
    ]
    others = [about(7), about(8, object=voided), about(9, object={**voided, "id": about(8)["id"]})]
    say(database, home, theirs + others)
    set_goal(database, cast.learner, "Write")
    given = [each["statement"]["id"] for each in given_out(database, learner)]
    assert {each["id"] for each in theirs} < set(given)
    erase(database, learner)
    ids = {each["id"] for each in bodies(database)}
    assert ids.isdisjoint(each["id"] for each in theirs)
    assert {each["id"] for each in others} < ids
    assert set(given) - {each["id"] for each in theirs} <= ids, "what says only a pseudonym"
    text = json.dumps(bodies(database))
    assert [name for name in ('"learner"', "earner@", HASHED) if name in text] == []
    with database.reading() as db:
        found = set(db.scalars(select(Facet.digest)))
        gone = select(Facet).where(~select(StoredStatement).where(StoredStatement.seq == Facet.source).exists())
        assert db.scalars(gone).all() == [], "nor by what is about them"
    assert found.isdisjoint(facet_digest(home, kind, agent_key(ACCOUNT)) for kind in (AGENT, RELATED_AGENT))
    assert facet_digest(home, AGENT, agent_key(SOMEBODY)) in found


def test_the_file_has_what_somebody_did_and_had_done_to_them_once_with_what_voided_it_and_what_came_along(
    database, home, learner, monkeypatch
):
    monkeypatch.setattr(store, "AT_ONCE", 2)
    content = b"of the learner"
    usage = {"usageType": "http://id.tincanapi.com/attachment/supporting_media", "display": {"en": "x"}}
    text = {**usage, "contentType": "text/plain", "length": len(content), "sha2": hashlib.sha256(content).hexdigest()}
    film = {**usage, "contentType": "video/mp4", "length": 7, "sha2": "0" * 64, "fileUrl": "https://example.org/film"}
    mail, group = {"mbox": "mailto:learner@example.org"}, {"objectType": "Group", "member": [SOMEBODY, ACCOUNT]}
    said = [
        about(1, actor=ACCOUNT, attachments=[text, film]),
        about(2, object={"objectType": "Agent", **mail}),
        about(3, actor=group),
        about(4, actor=ACCOUNT, object={"objectType": "Agent", **mail}),
    ]
    ids = say(database, home, said, {text["sha2"]: content}, version="2.0.0")
    voiding = about(6, verb={"id": Verbs.VOIDED.iri}, object={"objectType": "StatementRef", "id": ids[1]})
    say(database, home, [about(7), voiding, about(8, object={"objectType": "StatementRef", "id": ids[0]})])
    given = given_out(database, learner)[-4:]
    assert [each["statement"]["id"] for each in given] == ids
    assert [each["voided_by"] for each in given] == [None, voiding["id"], None, None]
    assert [each["attachments"] for each in given[1:]] == [[]] * 3
    assert given[0]["attachments"] == [
        {"type": "text/plain", "size": len(content), "sha2": text["sha2"], "is_kept": True},
        {"type": "video/mp4", "size": 7, "sha2": film["sha2"], "is_kept": False},
    ]
    with database.reading() as db:
        number = len(given_out(database, learner))
        assert [privacy.count_statements(db, learner, most=most) for most in (3, 99)] == [3, number]


def test_the_file_has_many_statements_each_once_in_the_order_of_storing(database, home, learner):
    both = {"actor": ACCOUNT, "object": {"objectType": "Agent", "mbox": f"mailto:{MAIL}"}}
    ways = [{"actor": ACCOUNT}, {"actor": {"mbox": f"mailto:{MAIL}"}}, both]
    ids = say(database, home, [about(number, **ways[number % 3]) for number in range(250)])
    assert [each["statement"]["id"] for each in given_out(database, learner)][-250:] == ids


def test_of_what_is_about_others_the_file_says_only_that_it_is_there_and_where_it_names_somebody(database, cast, home):
    mentor = {"account": {**ACCOUNT["account"], "name": "mentor"}}
    group = {"objectType": "Group", "member": [ACCOUNT, mentor]}
    agents = [{"objectType": "contextAgent", "agent": mentor}]
    groups = [{"objectType": "contextGroup", "group": group}]
    secret = {"response": "Between the course and me", "score": {"raw": 40}}
    plan = {"objectType": "SubStatement", "actor": mentor, "verb": about(0)["verb"], "object": about(0)["object"]}
    named = [
        {"context": {"instructor": mentor}},
        {"context": {"team": group, "contextGroups": groups}},
        {"context": {"contextAgents": agents}},
        {"object": plan},
    ]
    said = [about(number, actor=ACCOUNT, result=secret, **each) for number, each in enumerate(named, 1)]
    ids = say(database, home, said, version="2.0.0")
    given = given_out(database, cast.mentor)[-4:]
    assert [each["statement"]["id"] for each in given] == ids
    assert [each.keys() for each in given] == [{"statement", "named_in"}] * 4
    assert [each["statement"].keys() for each in given] == [{"id", "stored", "verb"}] * 4
    assert [each["named_in"] for each in given] == [
        ["context.instructor"],
        ["context.team", "context.contextGroups"],
        ["context.contextAgents"],
        ["object.actor"],
    ]
    text = json.dumps(given)
    assert [word for word in ('"learner"', "Between the course", '"raw"') if word in text] == []
    with database.reading() as db:
        learner = people.get(db, home, cast.learner.id)
    assert [each["statement"]["result"] for each in given_out(database, learner)[-4:]] == [secret] * 4


def test_the_file_of_a_mentor_says_nothing_of_what_a_learner_keeps_private(database, cast):
    draft = GoalDraft(
        title="Read", baseline=0, target=9, due_on=clock.today() + timedelta(days=9), visibility="private"
    )
    with database.transaction() as db:
        goal = goals.set_goal(db, cast.learner, draft)
    said = [json.dumps(given_out(database, person)) for person in (cast.learner, cast.mentor)]
    assert [str(goal.id) in each for each in said] == [True, False]


def test_a_mail_address_that_somebody_else_has_too_says_nothing(database, cast, home, learner):
    with database.transaction() as db:
        people.get(db, home, cast.mentor.id).email = MAIL.lower()
    ids = say(database, home, [about(1, actor={"mbox": f"mailto:{MAIL}"})])
    assert ids[0] not in [each["statement"]["id"] for each in given_out(database, learner)]
    erase(database, learner)
    assert ids[0] in [each["id"] for each in bodies(database)]


def test_attachments_go_with_the_last_statement_that_names_them(database, home, learner):
    contents = {hashlib.sha256(text).hexdigest(): text for text in (b"of the learner", b"of both")}

    def attached(*hashes):
        usage = "http://id.tincanapi.com/attachment/supporting_media"
        same = {"usageType": usage, "display": {"en": "x"}, "contentType": "text/plain", "length": 7}
        return [{**same, "length": len(contents[sha2.lower()]), "sha2": sha2} for sha2 in hashes]

    own, shared = contents
    said = [about(1, actor=ACCOUNT, attachments=attached(own, shared)), about(2, attachments=attached(shared.upper()))]
    say(database, home, said, contents)
    erase(database, learner)
    with database.reading() as db:
        assert db.scalars(select(Attachment.sha2)).all() == [shared]


def test_no_store_outside_gets_anything_about_whoever_was_erased_however_far_back_it_is_sent(
    database, cast, home, tool, warehouse, loaded_settings, learner
):
    say(database, home, [about(1, actor=ACCOUNT), about(2)])
    set_goal(database, cast.learner)
    set_goal(database, cast.other_learner)
    with database.reading() as db:
        theirs, others = (people.actor_name(db, each.id) for each in (learner, cast.other_learner))
    erase(database, learner)
    yesterday = clock.now() - timedelta(days=1)
    found = add(database, loaded_settings, home, warehouse.draft(since=yesterday))
    statements.run(tool)
    with database.transaction() as db:
        outside.send_older(db, outside.to_change(db, home, found.id), yesterday)
    statements.run(tool)
    got = json.dumps(warehouse.statements())
    assert [name for name in (theirs, '"learner"') if name in got] == []
    assert [name for name in (others, "somebody else") if name not in got] == []
    assert theirs in json.dumps(bodies(database)), "what says a pseudonym stays here"


def test_a_store_whose_answer_was_lost_may_know_whoever_is_erased(database, cast, home, tool, loaded_settings, learner):
    lrs = Lrs(lambda batch: 500)
    with recording(lrs) as (base, _):
        add(database, loaded_settings, home, TargetDraft(label="Warehouse", endpoint=base, key="us", secret="s"))
        set_goal(database, cast.learner)
        assert statements.run(tool) == 0
        assert lrs.batches == [1]
        assert [each.label for each in erase(database, learner)] == ["Warehouse"]
        assert standing(database, home).waiting == 0


def test_a_store_that_was_removed_since_may_know_whoever_is_erased(
    database, cast, home, tool, warehouse, loaded_settings, learner
):
    add(database, loaded_settings, home, warehouse.draft(label="Never asked", endpoint="https://lrs.example.org/xapi"))
    with database.transaction() as db:
        outside.remove(db, outside.named(db, home, "Never asked"))
    for label in ("Warehouse", "The same again"):
        add(database, loaded_settings, home, warehouse.draft(label=label))
        statements.run(tool)
        with database.transaction() as db:
            outside.remove(db, outside.named(db, home, label))
    assert [(each.label, each.endpoint) for each in erase(database, learner)] == [
        ("The same again", f"{warehouse.url}/xapi")
    ]
    with database.reading() as db:
        places = db.scalars(select(AuditEntry.place).where(AuditEntry.action == "left_outside")).all()
    assert places == [f"The same again: {warehouse.url}/xapi"]
