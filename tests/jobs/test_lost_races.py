"""Commands and jobs that hold what the record store needs next, and need what it holds: they give way, and do it again.

On PostgreSQL alone: SQLite has one writer at a time.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text

from lti_mentor import clock
from lti_mentor.cli import main
from lti_mentor.jobs import due_items, upkeep
from lti_mentor.mentoring import course_map, courses, gradebook, linking, people, privacy, results
from lti_mentor.mentoring.courses import Item, Member
from lti_mentor.mentoring.people import Account, Grant, Identity, Person
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.conftest import SECRET, url_of
from tests.lti.test_linked_meanwhile import until_somebody_waits
from tests.support.outside import AUTHORITY, statement
from xapi import store

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
SECURITY = "comptia-security-plus"


def give_way(database, take, work, need):
    """What comes of work that waits for what another transaction takes, which then needs what the work holds."""
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as db:
            db.execute(text("SET LOCAL deadlock_timeout = '20s'"))  # whoever looks first gives way
            take(db)
            db.flush()
            begun = thread.submit(work)
            until_somebody_waits(database)
            need(db)
        return begun.result(timeout=30)


def store_one(home):
    return lambda db: store.put(db, tenant=home, statements=[statement()], now=clock.now(), authority=AUTHORITY)


def command(database, *arguments):
    environment = {"LTI_MENTOR_DATABASE_URL": url_of(database), "LTI_MENTOR_SECRET_KEY": SECRET}
    return lambda: CliRunner().invoke(main, [*arguments, "--organization", "Home"], env=environment)


def test_somebody_is_erased_in_the_moment_of_a_statement_about_them(database, cast, home):
    erase = command(database, "person", "erase", str(cast.learner.id), "--yes")

    def write_about_them(db):
        people.grant(db, cast.learner, "analyst")

    done = give_way(database, store_one(home), erase, write_about_them)
    assert done.output == "Nothing is kept about Learner any more.\n"
    with database.reading() as db:
        assert db.get_one(Person, cast.learner.id).erased_at is not None
        assert db.scalars(select(Grant.person_id).where(Grant.person_id == cast.learner.id)).all() == []


def test_accounts_become_one_in_the_moment_of_statements_about_both(database, cast, home):
    with database.transaction() as db:
        twin = people.meet(db, home, Identity(issuer="https://second.example.org", subject="77"))
    first, second = sorted((cast.learner, twin), key=lambda person: person.id)
    link = command(database, "person", "link", str(cast.learner.id), str(twin.id))

    def write_about(person):
        return lambda db: people.grant(db, person, "analyst")

    done = give_way(database, write_about(second), link, write_about(first))
    assert done.output == "Learner has both accounts now.\n"
    with database.reading() as db:
        mine = db.scalars(select(Account.issuer).where(Account.person_id == cast.learner.id)).all()
    assert len(mine) == 2


@pytest.fixture
def twin(database, home):
    """The learner, as another platform of the organization knows her, with a right."""
    with database.transaction() as db:
        person = people.meet(db, home, Identity(issuer="https://second.example.org", subject="77"))
        people.grant(db, person, "analyst")
    return person


def erase(person):
    return lambda db: privacy.erase(db, Vault((SECRET,)), db.get_one(Person, person.id), by=None)


def after(database, take, work):
    """What comes of work that waits until another transaction is done."""
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as db:
            take(db)
            begun = thread.submit(work)
            until_somebody_waits(database)
        return begun.result(timeout=30)


@pytest.mark.parametrize("gone", ["learner", "twin"])
def test_nobody_becomes_one_with_somebody_who_is_erased_in_the_same_moment(
    database, cast, twin, home, loaded_settings, gone
):
    erased, left = (cast.learner, twin) if gone == "learner" else (twin, cast.learner)
    link = command(database, "person", "link", str(cast.learner.id), str(twin.id))
    done = after(database, erase(erased), link)
    assert (done.exit_code, "was erased or linked" in done.output) == (1, True), done.output
    upkeep.run(Tool(loaded_settings, database, Vault((SECRET,))))
    with database.reading() as db:
        assert db.get_one(Person, left.id).erased_at is None
        assert db.scalars(select(Account.person_id).where(Account.person_id.in_([erased.id, left.id]))).all() == [
            left.id
        ]


def test_somebody_who_becomes_one_with_another_account_is_not_erased_behind_that(database, cast, twin, home):
    def link(db):
        linking.merge(db, *(db.get_one(Person, each.id) for each in (cast.learner, twin)), by=None, place="test")

    done = after(database, link, command(database, "person", "erase", str(twin.id), "--yes"))
    assert (done.exit_code, "There is no such person here." in done.output) == (1, True), done.output
    with database.reading() as db:
        assert db.get_one(Person, cast.learner.id).erased_at is None
        assert people.rights(db, cast.learner) == {"analyst"}


def test_what_came_in_with_an_erasure_goes_also_in_the_moment_of_a_form(database, cast, loaded_settings):
    with database.transaction() as db:
        erase(cast.learner)(db)
        mine = {"organization_id": cast.learner.organization_id, "person_id": cast.learner.id}
        db.add_all([Grant(**mine, right="analyst"), Member(**mine, course_id=cast.course.id, teaches=False)])

    def hold(row):
        return lambda db: db.scalars(select(row).where(row.person_id == cast.learner.id).with_for_update()).all()

    tool = Tool(loaded_settings, database, Vault((SECRET,)))
    assert give_way(database, hold(Member), lambda: upkeep.run(tool), hold(Grant)) == 2


def test_items_become_due_in_the_moment_of_statements_about_a_learner(database, cast, home, tool):
    with database.transaction() as db:
        gradebook.open_column(db, cast.program, cast.course, None)
        quiz, exam = (courses.add_item(db, cast.course, activity_iri=f"urn:{name}", title=name) for name in "ab")
        course_map.save(db, cast.course, {each.id: {(SECURITY, "1"): 1} for each in (quiz, exam)}, by=cast.coordinator)
        results.take(db, quiz, cast.learner, score=80, maximum=100, source="statement", at=clock.now())
        exam.due_at = clock.now() - timedelta(minutes=1)

    def count_their_goals(db):
        gradebook.goals_moved(db, home, [cast.learner.id])

    assert give_way(database, store_one(home), lambda: due_items.run(tool), count_their_goals) == 1
    with database.reading() as db:
        assert db.get_one(Item, exam.id).overdue_noted_at is not None
