"""One person over several platforms: what becomes of two people's rows when they are one."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from lti_mentor import clock, migrations
from lti_mentor.activity import record
from lti_mentor.db import Base
from lti_mentor.errors import Invalid, Refused
from lti_mentor.insight import figures
from lti_mentor.mentoring import courses, evidence, goals, linking, mentorships, people, programs, pursuits
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.evidence import Evidence, Submission
from lti_mentor.mentoring.goals import Goal, GoalDraft
from lti_mentor.mentoring.linking import LinkCode
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Account, Identity, Person, Pseudonym
from lti_mentor.mentoring.programs import Participant
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.vault import Vault
from tests.conftest import SECRET, met
from xapi import store

VAULT = Vault((SECRET,))
OTHER_LMS = "https://second.example.org"


@pytest.fixture
def twin(database, cast):
    """The learner, as another platform of the organization knows her."""
    with database.transaction() as db:
        return elsewhere(db, cast, "77")


def elsewhere(db, cast, subject) -> Person:
    identity = Identity(issuer=OTHER_LMS, subject=subject, email="l@example.org")
    return people.meet(db, cast.learner.organization_id, identity)


def merge(database, kept, other):
    with database.transaction() as db:
        found = [db.get_one(Person, each.id) for each in (kept, other)]
        linking.merge(db, *found, by=None, place="test")


def refused(database, kept, other, reason):
    before = counts(database)
    with pytest.raises(Refused) as problem:
        merge(database, kept, other)
    assert problem.value.reason == reason
    assert counts(database) == before


def counts(database) -> dict[str, int]:
    with database.reading() as db:
        return {table.name: db.scalar(select(func.count()).select_from(table)) for table in Base.metadata.sorted_tables}


def goal_of(db, person, title) -> Goal:
    due = clock.today() + timedelta(days=9)
    return goals.set_goal(db, person, GoalDraft(title=title, baseline=0, target=9, due_on=due, visibility="shared"))


def test_everything_of_the_other_account_belongs_to_the_kept_person(database, cast, twin):
    with database.transaction() as db:
        courses.launched(db, db.merge(twin), None)
        goal_of(db, db.merge(twin), "From the other platform")
        goal_of(db, db.merge(cast.learner), "From the first platform")
        second = met(db, "Home", "second_mentor")
        draft = programs.ProgramDraft(
            name="Second", starts_on=clock.today(), ends_on=clock.today() + timedelta(weeks=9)
        )
        program = programs.create(db, db.merge(cast.course), draft, by=cast.coordinator)
        for person, part in ((second, "mentor"), (twin, "mentee")):
            programs.enroll(db, program, person, part, capacity=1)
        mentorships.pair(db, program, mentor=second, mentee=twin, by=cast.coordinator)
        pursuits.start(db, db.merge(twin), "pmp")
    before = counts(database)
    merge(database, cast.learner, twin)
    with database.reading() as db:
        assert mentions(db, twin.id) == set()
        assert set(db.scalars(select(Goal.title).where(Goal.owner_id == cast.learner.id))) == {
            "From the other platform",
            "From the first platform",
        }
        assert len(db.scalars(select(Mentorship).where(Mentorship.mentee_id == cast.learner.id)).all()) == 2
        assert len(db.scalars(select(Pursuit).where(Pursuit.person_id == cast.learner.id)).all()) == 2
        assert people.by_account(db, cast.learner.organization_id, OTHER_LMS, "77").id == cast.learner.id
        assert db.get_one(Person, cast.learner.id).email == "l@example.org"  # the first platform sent none
    lost = {name: before[name] - count for name, count in counts(database).items() if before[name] != count}
    assert lost == {"people": 1, "audit_entries": -1}


def mentions(db, person_id) -> set[str]:
    """Columns, of any table, that still name the person."""
    return {
        f"{table.name}.{key.parent.name}"
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table.name == "people"
        and db.scalar(select(func.count()).select_from(table).where(key.parent == person_id))
    }


def test_every_table_that_names_people_is_known_to_the_rules(database):
    """A new key that only one person can have has to say what becomes of two: look at ``linking.merge``."""
    rules = {
        f"{table.name}: {', '.join(column.name for column in index.columns)}"
        for metadata in migrations.metadata()
        for table in metadata.sorted_tables
        for index in table.indexes
        if index.unique
        for key in table.foreign_keys
        if key.column.table.name == "people" and key.parent.name in index.columns
    }
    assert rules == {
        "mentorships: organization_id, program_id, mentee_id",  # link.two_mentors
        "pseudonyms: organization_id, person_id",  # the other one is not the current any more
    }


def test_what_was_said_stays_and_its_name_leads_to_the_kept_person(database, cast, twin):
    organization_id = cast.learner.organization_id
    with database.transaction() as db:
        courses.launched(db, db.merge(twin), None)
        old, current = (people.actor_name(db, each.id) for each in (twin, cast.learner))
    merge(database, cast.learner, twin)
    with database.transaction() as db:
        assert people.by_actor_name(db, organization_id, old).id == cast.learner.id
        assert people.actor_name(db, cast.learner.id) == current
        assert people.former_actor_names(db, organization_id) == {old: current}
        courses.launched(db, people.by_account(db, organization_id, OTHER_LMS, "77"), None)
        names = [each["actor"]["account"]["name"] for each in store.scan(db, tenant=organization_id)]
    assert old in names
    assert names[-1] == current


def test_somebody_who_took_part_with_both_accounts_is_counted_once(database, cast, twin):
    with database.transaction() as db:
        programs.enroll(db, db.merge(cast.program), db.merge(twin), "mentee")
    merge(database, cast.learner, twin)
    with database.reading() as db:
        organization_id, base = cast.learner.organization_id, record.iri_base(db)
        program = f"{base}/programs/{cast.program.id}"
        said = list(store.scan(db, tenant=organization_id))
        former = people.former_actor_names(db, organization_id)
    assert len(figures.gather(said, program=program, base=base).mentees) == 3
    assert len(figures.gather(said, program=program, base=base, former=former).mentees) == 2


def test_where_only_one_row_can_be_the_kept_persons_stays(database, cast, twin):
    with database.transaction() as db:
        courses.join(db, db.merge(cast.course), db.merge(twin), teaches=True)
        programs.enroll(db, db.merge(cast.program), db.merge(twin), "mentee")
        for person in (cast.learner, twin):
            people.grant(db, db.merge(person), "analyst")
    merge(database, cast.learner, twin)
    with database.reading() as db:
        mine = Participant.person_id == cast.learner.id
        assert len(db.scalars(select(Participant).where(mine)).all()) == 1
        assert people.rights(db, db.get_one(Person, cast.learner.id)) == {"analyst"}
        assert not courses.teaches(db, db.get_one(Person, cast.learner.id), cast.course)


@pytest.mark.parametrize("keep_the_other", [False, True])
def test_a_certification_that_only_one_account_began_is_the_one_that_stays(database, cast, twin, keep_the_other):
    with database.transaction() as db:
        pursuits.start(db, db.merge(twin), "comptia-security-plus")
        piece = evidence.submit(db, db.merge(cast.pursuit), "1", Submission(text="I did it."))
    kept, other = (twin, cast.learner) if keep_the_other else (cast.learner, twin)
    merge(database, kept, other)
    with database.reading() as db:
        only = db.scalars(select(Pursuit)).one()
        assert (only.id, only.person_id) == (cast.pursuit.id, kept.id)
        assert db.get_one(Evidence, piece.id).pursuit_id == only.id


def test_two_accounts_that_both_began_the_same_certification_stay_two(database, cast, twin):
    with database.transaction() as db:
        began = pursuits.start(db, db.merge(twin), "comptia-security-plus")
        for pursuit in (began, db.merge(cast.pursuit)):
            pursuits.rate_self(db, pursuit, {"1": 75})
    refused(database, cast.learner, twin, "link.both_began")


def test_accounts_of_one_platform_stay_two(database, cast):
    refused(database, cast.learner, cast.other_learner, "link.same_platform")


def test_nobody_becomes_one_with_themselves(database, cast):
    refused(database, cast.learner, cast.learner, "link.same_person")


def test_a_mentor_and_the_own_mentee_stay_two(database, cast, twin):
    with database.transaction() as db:
        db.execute(update(Mentorship).values(mentor_id=twin.id))
    refused(database, cast.learner, twin, "link.each_others_mentor")
    refused(database, twin, cast.learner, "link.each_others_mentor")


def test_two_accounts_with_a_mentor_each_in_one_program_stay_two(database, cast, twin):
    with database.transaction() as db:
        mentor = met(db, "Home", "second_mentor")
        programs.enroll(db, db.merge(cast.program), mentor, "mentor", capacity=1)
        programs.enroll(db, db.merge(cast.program), db.merge(twin), "mentee")
        second = mentorships.pair(db, cast.program, mentor=mentor, mentee=twin, by=cast.coordinator)
    refused(database, cast.learner, twin, "link.two_mentors")
    with database.transaction() as db:
        db.execute(update(Mentorship).where(Mentorship.id == second.id).values(status="ended"))
    merge(database, cast.learner, twin)


def test_a_code_is_good_once_and_for_a_quarter_of_an_hour(database, cast, twin):
    with database.transaction() as db:
        first = linking.make_code(db, VAULT, db.merge(cast.learner))
        code = linking.make_code(db, VAULT, db.merge(cast.learner))
        assert linking.code_of(db, VAULT, cast.learner)[0] == code
    assert typed(database, twin, first) == "link.unknown_code"  # the newer one replaced it
    with clock.moved_to(clock.now() + timedelta(minutes=16)):
        assert typed(database, twin, code) == "link.unknown_code"
    assert typed(database, twin, f" {code[:4].lower()}-{code[4:]} ") is None
    with database.transaction() as db:
        third = elsewhere(db, cast, "78")
        assert db.scalars(select(LinkCode)).all() == []
    assert typed(database, third, code) == "link.unknown_code"


def typed(database, person, code) -> str | None:
    """The reason it is refused for, if it is."""
    try:
        with database.transaction() as db:
            linking.use_code(db, VAULT, db.get_one(Person, person.id), code)
    except Invalid as problem:
        return problem.fields["code"]
    return None


def test_what_is_being_written_in_another_tab_comes_along(database, cast, twin):
    """The goal is not committed yet when the accounts are made one: it is waited for."""
    written, linked = threading.Event(), threading.Event()

    def link():
        written.wait()
        merge(database, cast.learner, twin)
        linked.set()

    thread = threading.Thread(target=link)
    thread.start()
    with database.transaction() as db:
        goal_of(db, db.get_one(Person, twin.id), "Written in the other tab")
        written.set()
        assert not linked.wait(0.5), "it waits for the goal"
    thread.join()
    with database.reading() as db:
        assert db.scalars(select(Goal.owner_id)).all() == [cast.learner.id]


def test_a_code_means_nothing_in_another_organization(database, cast):
    with database.transaction() as db:
        code = linking.make_code(db, VAULT, db.merge(cast.learner))
    assert typed(database, cast.outsider, code) == "link.unknown_code"


def test_of_two_who_type_a_code_at_the_same_moment_one_is_linked(database, cast, twin):
    with database.transaction() as db:
        other = people.meet(db, cast.learner.organization_id, Identity(issuer="https://third.example.org", subject="1"))
        code = linking.make_code(db, VAULT, db.merge(cast.learner))
    answers = []
    threads = [
        threading.Thread(target=lambda person=person: answers.append(typed(database, person, code)))
        for person in (twin, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers, key=str) == [None, "link.unknown_code"]
    with database.reading() as db:
        mine = select(func.count()).select_from(Account).where(Account.person_id == cast.learner.id)
        assert db.scalar(mine) == 2


def test_a_code_is_not_readable_in_the_database(database, cast):
    with database.transaction() as db:
        code = linking.make_code(db, VAULT, db.merge(cast.learner))
        kept = db.scalars(select(LinkCode)).one()
    assert code not in f"{kept.code_hash} {kept.sealed_code}"
    assert len(code) == 8


def test_linking_is_on_record(database, cast, twin):
    merge(database, cast.learner, twin)
    with database.reading() as db:
        entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "linked")).one()
        assert (entry.subject_id, entry.actor_id, entry.place) == (cast.learner.id, None, "test")
        assert len(db.scalars(select(Pseudonym).where(Pseudonym.person_id == cast.learner.id)).all()) == 2
