"""Everything about a person can be given out and erased, also what tables are added later."""

import json
import uuid
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from lti_mentor import clock
from lti_mentor.cli import main
from lti_mentor.db import Base, referring_to
from lti_mentor.jobs import upkeep
from lti_mentor.mentoring import (
    courses,
    evidence,
    goals,
    mentorships,
    notices,
    observers,
    pairing,
    people,
    privacy,
    programs,
    pursuits,
)
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.evidence import Submission, Verdict
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.mentoring.people import Identity, Person
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web import visit
from lti_mentor.web.kept import KINDS
from tests.conftest import SECRET, TOOL_URL, met, url_of
from xapi import documents as record_store
from xapi.documents import ACTIVITY_PROFILE, AGENT_PROFILE, Bare, Content, Place, Terms
from xapi.facets import agent_key
from xapi.rows import StoredStatement

VAULT = Vault((SECRET,))
SECRETS = ("Read a book in secret", "What I did in the lab", "Learner")


@pytest.fixture
def busy(database, cast):
    """A learner with something in many places; gives the piece of evidence."""
    with database.transaction() as db:
        for title, visibility in (("Read a book in secret", "private"), ("Teach it", "shared")):
            due_on = clock.today() + timedelta(days=9)
            goals.set_goal(
                db, cast.learner, GoalDraft(title=title, baseline=0, target=5, due_on=due_on, visibility=visibility)
            )
        pursuit = db.merge(cast.pursuit)
        pursuits.rate_self(db, pursuit, {"1": 50})
        piece = evidence.submit(db, pursuit, "1", Submission(text="What I did in the lab"))
        evidence.accept(db, piece, Verdict(version=1, comment="Well done, mentee", rating=75), by=cast.mentor)
        waiting = evidence.submit(db, pursuit, "2", Submission(text="What I did in the lab on Monday"))
        notices.remind(db, cast.mentorship, "check_in", by=cast.coordinator)
        observers.agree(db, cast.learner)
        people.grant(db, cast.learner, "records")
        visit.open_visit(db, cast.learner, course_id=cast.course.id, framing_origins=[], hours=8)
    return waiting


def exported(db, person):
    """What the file says that a person gets."""
    return json.loads("".join(privacy.export(db, person)))


def everything(database) -> str:
    """All rows of our own tables as one text."""
    with database.reading() as db:
        return json.dumps(
            {
                name: [list(map(str, row)) for row in db.execute(select(table))]
                for name, table in Base.metadata.tables.items()
            }
        )


def test_every_reference_to_a_person_is_erased_or_stays_for_a_reason():
    columns = {str(column): column for column in referring_to("people")}
    assert len(columns) > 15
    assert set(privacy.STAYS) < set(columns), "a reference that stays is none any more"
    assert set(privacy.SHARED) <= {
        f"{table}.{column.name}" for table, rows in Base.metadata.tables.items() for column in rows.columns
    }
    for name, column in columns.items():
        assert "organization_id" in column.table.columns, name
        (key,) = column.foreign_keys
        assert key.ondelete == ("SET NULL" if name.startswith("audit_entries.") else "CASCADE"), name
    kept = {column.table.name for column in columns.values()}
    assert sorted(kept - set(KINDS)) == [], "say in words what this is"


def test_a_person_gets_all_their_rows_and_statements_and_nothing_of_others(database, cast, busy):
    with database.reading() as db:
        given = exported(db, cast.learner)
        statements = db.scalar(select(func.count()).select_from(StoredStatement))
    rows = given["rows"]
    assert {goal["title"] for goal in rows["goals"]} == {"Read a book in secret", "Teach it"}
    assert {piece["text"] for piece in rows["evidence"]} == {"What I did in the lab", "What I did in the lab on Monday"}
    assert [review["comment"] for review in rows["reviews"]] == ["Well done, mentee"]
    assert {rating["value"] for rating in rows["ratings"]} == {50, 75}
    assert [each["subject"] for each in rows["accounts"]] == ["learner"]
    assert {"goal_links", "mentorships", "reminders", "observer_consents", "visits", "members", "participants"} <= set(
        rows
    )
    assert 0 < len(given["statements"]) < statements
    actors = {each["statement"]["actor"]["account"]["name"] for each in given["statements"]}
    assert actors == {rows["pseudonyms"][0]["actor_name"]}
    text = json.dumps(given)
    assert "secret_hash" not in text
    assert "Coordinator" not in text
    with database.reading() as db:
        mine = exported(db, cast.mentor)["rows"]
    assert "evidence" not in mine, "what a mentee wrote is not the mentor's"
    assert [review["comment"] for review in mine["reviews"]] == ["Well done, mentee"]


@pytest.mark.threat("erasure")
def test_a_learner_who_is_erased_is_in_no_table_any_more_and_the_others_go_on(database, cast, busy):
    with database.transaction() as db:
        said = db.scalar(select(func.count()).select_from(StoredStatement))
        privacy.erase(db, VAULT, people.get(db, cast.learner.organization_id, cast.learner.id), by=cast.coordinator)
    text = everything(database)
    assert [secret for secret in (*SECRETS, "Well done, mentee") if secret in text.replace("Other_Learner", "")] == []
    with database.reading() as db:
        gone = db.get_one(Person, cast.learner.id)
        assert (gone.name, gone.email, gone.erased_at is None) == (None, None, False)
        assert set(privacy.kept(db, gone)) == {"people", "mentorships", "audit_entries"}
        assert db.get_one(mentorships.Mentorship, cast.mentorship.id).status == "ended"
        assert mentorships.of_mentor(db, cast.mentor) == []
        entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "erased")).one()
        assert (entry.actor_id, entry.subject_id, entry.place) == (cast.coordinator.id, cast.learner.id, "privacy")
        # the end of the pair is said, and every statement stays: under a name that leads to nobody
        assert db.scalar(select(func.count()).select_from(StoredStatement)) == said + 1
    with database.transaction() as db:
        pairing.pair(
            db,
            db.merge(cast.program),
            mentor=db.merge(cast.mentor),
            mentee=db.merge(cast.other_learner),
            by=db.merge(cast.coordinator),
        )


def test_documents_about_a_person_are_given_out_and_go_with_them(database, cast):
    organization_id, base = cast.learner.organization_id, TOOL_URL
    with database.transaction() as db:
        called = [
            agent_key({"account": {"homePage": base, "name": people.actor_name(db, cast.learner.id)}}),
            agent_key({"account": {"homePage": "https://lms.example.org", "name": "learner"}}),
        ]
        places = [
            *(Place(tenant=organization_id, kind=AGENT_PROFILE, agent=each, document_id="likes") for each in called),
            Place(tenant=uuid.uuid4(), kind=AGENT_PROFILE, agent=called[1], document_id="likes"),
            Place(tenant=organization_id, kind=ACTIVITY_PROFILE, activity=f"{base}/x", document_id="likes"),
        ]
        for place, body in zip(places, (b"caf\xc3\xa9", b"\xff", b"", b""), strict=True):
            content = Content(body, "text/plain")
            record_store.put(db, place, content, Terms(bare=Bare.CREATES), now=clock.now)
        given = exported(db, cast.learner)["documents"]
        assert [(each["document_id"], each.get("text", each.get("base64"))) for each in given] == [
            ("likes", "café"),
            ("likes", "/w=="),
        ]
        assert json.dumps(given)
        assert exported(db, cast.mentor)["documents"] == []
        privacy.erase(db, VAULT, people.get(db, organization_id, cast.learner.id), by=cast.coordinator)
        assert [record_store.get(db, place) is None for place in places] == [True, True, False, False]


def test_a_mentor_who_is_erased_leaves_the_learner_their_record(database, cast, busy):
    with database.transaction() as db:
        privacy.erase(db, VAULT, people.get(db, cast.mentor.organization_id, cast.mentor.id), by=cast.coordinator)
    with database.transaction() as db:
        learner = db.merge(cast.learner)
        pursuit = db.merge(cast.pursuit)
        assert {rating.value for rating in db.scalars(select(pursuits.Rating))} == {50, 75}
        (answered,) = [piece for piece in evidence.of_pursuit(db, pursuit) if piece.status == "accepted"]
        assert [review.comment for review in evidence.reviews(db, answered)] == ["Well done, mentee"]
        assert mentorships.of_mentee(db, learner) is None
        (goal,) = [goal for goal in goals.all_of(db, learner) if goal.title == "Teach it"]
        goals.make_progress(db, goal, 3, by=learner)
        goals.achieve(db, goal, by=learner)
        second = met(db, "Home", "second")
        program = db.merge(cast.program)
        programs.enroll(db, program, second, "mentor", capacity=1)
        pair = pairing.pair(db, program, mentor=second, mentee=learner, by=db.merge(cast.coordinator))
        assert evidence.get_for_mentor(db, second, busy.id).mentorship_id == pair.id


def test_whoever_comes_again_is_somebody_new(database, cast, busy):
    with database.transaction() as db:
        learner = people.get(db, cast.learner.organization_id, cast.learner.id)
        before = people.actor_name(db, learner.id)
        privacy.erase(db, VAULT, learner, by=cast.coordinator)
        identity = Identity(issuer="https://lms.example.org", subject="learner", name="Learner")
        again = people.meet(db, learner.organization_id, identity)
        assert again.id != learner.id
        assert again.number != learner.number
        assert people.actor_name(db, again.id) != before
        assert goals.all_of(db, again) == []
        assert people.by_actor_name(db, learner.organization_id, before) is None


def test_what_came_in_at_the_moment_of_the_erasure_goes_with_the_next_upkeep(database, cast, loaded_settings):
    with database.transaction() as db:
        learner = people.get(db, cast.learner.organization_id, cast.learner.id)
        privacy.erase(db, VAULT, learner, by=cast.coordinator)
        courses.join(db, db.merge(cast.course), learner, teaches=False)  # a launch that had begun before
        learner.name = "Learner"
    upkeep.run(Tool(loaded_settings, database, Vault(loaded_settings.secret_key)))
    with database.reading() as db:
        gone = db.get_one(Person, cast.learner.id)
        assert gone.name is None
        assert "members" not in privacy.kept(db, gone)


def test_the_command_line_gives_out_and_erases(database, cast):
    environment = {"LTI_MENTOR_DATABASE_URL": url_of(database), "LTI_MENTOR_SECRET_KEY": SECRET}
    wanted = [str(cast.learner.id), "--organization", "Home"]
    given = CliRunner().invoke(main, ["person", "export", *wanted], env=environment)
    assert json.loads(given.stdout)["rows"]["accounts"][0]["subject"] == "learner"
    asked = CliRunner().invoke(main, ["person", "erase", *wanted], env=environment, input="n\n")
    assert asked.exit_code == 1
    erased = CliRunner().invoke(main, ["person", "erase", *wanted, "--yes"], env=environment)
    assert erased.exit_code == 0, erased.output
    with database.reading() as db:
        assert db.get_one(Person, cast.learner.id).name is None
        actions = set(db.scalars(select(AuditEntry.action)))
    assert {"exported", "erased"} <= actions


def test_the_same_subject_in_another_organization_is_left_alone(database, cast):
    with database.transaction() as db:
        twin = met(db, "Elsewhere", "learner")
        privacy.erase(db, VAULT, people.get(db, cast.learner.organization_id, cast.learner.id), by=cast.coordinator)
    with database.reading() as db:
        assert db.get_one(Person, twin.id).name == "Learner"
        assert set(privacy.kept(db, twin)) == {"people", "accounts", "pseudonyms"}


def test_a_table_that_is_added_later_is_given_out_and_erased_without_a_word(sqlite_database, sqlite_cast):
    """What the schema says is enough."""
    diary = _diary()
    try:
        with sqlite_database.transaction() as db:
            diary.create(db.connection())
            values = {"organization_id": sqlite_cast.learner.organization_id, "person_id": sqlite_cast.learner.id}
            db.execute(diary.insert().values(id=uuid.uuid4(), text="Dear diary", **values))
            learner = people.get(db, sqlite_cast.learner.organization_id, sqlite_cast.learner.id)
            assert [row["text"] for row in exported(db, learner)["rows"]["diaries"]] == ["Dear diary"]
            privacy.erase(db, VAULT, learner, by=sqlite_cast.coordinator)
            assert db.execute(select(diary)).all() == []
    finally:
        Base.metadata.remove(diary)


def _diary():
    from sqlalchemy import Column, ForeignKey, String, Table, Uuid  # noqa: PLC0415

    return Table(
        "diaries",
        Base.metadata,
        Column("id", Uuid(), primary_key=True),
        Column("organization_id", Uuid(), ForeignKey("organizations.id")),
        Column("person_id", Uuid(), ForeignKey("people.id", ondelete="CASCADE")),
        Column("text", String()),
    )
