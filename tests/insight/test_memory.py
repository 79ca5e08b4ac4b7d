"""What is remembered of the figures: whatever happens meanwhile, a look finds what reading everything anew finds."""

import random
import re
import threading
import uuid
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from sqlalchemy import func, select, update

from lti_mentor import clock, settings
from lti_mentor.activity import facts, record
from lti_mentor.activity.statements import statement
from lti_mentor.db import connect
from lti_mentor.insight import figures, memory
from lti_mentor.jobs import retention
from lti_mentor.mentoring import courses, goals, linking, meetings, people, privacy, programs
from lti_mentor.mentoring.goals import Goal, GoalDraft
from lti_mentor.mentoring.people import Account, Identity, Person
from lti_mentor.mentoring.programs import ProgramDraft
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.conftest import SECRET, gather_cast, met, url_of
from tests.support.member import Member
from tests.support.old_statements import rule
from xapi import removal, store
from xapi.rows import StoredStatement

DAY = timedelta(days=1)
PERCENT = ("target_active", "target_cadence", "target_on_time", "target_certified")


@pytest.fixture(autouse=True)
def _nothing_known():
    memory.MEMORIES.clear()


def remembered(database, program):
    with database.reading() as db:
        return memory.record_of(db, program)


def fresh(database, program):
    with database.reading() as db:
        tenant, base = program.organization_id, record.iri_base(db)
        former = people.former_actor_names(db, tenant)
        said = store.scan(db, tenant=tenant)
        return figures.gather(said, program=f"{base}/programs/{program.id}", base=base, former=former)


@contextmanager
def noting(database, cast):
    """What ``note`` is given happens in the program, the pair and the pursuit of the cast."""
    with database.transaction() as db:
        given = {
            "actor": people.actor_name(db, cast.learner.id),
            "program": cast.program.id,
            "registration": cast.mentorship.id,
            "certification": "comptia-security-plus",
        }

        def note(kind, *, ago=timedelta(), **more):
            return record.record(db, cast.course.organization_id, kind(**{**given, **more}, at=clock.now() - ago))

        yield note


def the_goal(database):
    with database.reading() as db:
        return db.scalars(select(Goal)).one()


@pytest.fixture
def twin(database, cast):
    """The learner, with another account."""
    with database.transaction() as db:
        identity = Identity(issuer="https://second.example.org", subject="77")
        found = people.meet(db, cast.learner.organization_id, identity)
        programs.enroll(db, db.merge(cast.program), found, "mentee")
        return found


@pytest.fixture
def lived(database, cast, twin):
    """A goal that is achieved, a meeting that was held, an exam that is booked."""
    with database.transaction() as db:
        learner, due = db.merge(cast.learner), clock.today() + 9 * DAY
        goal = goals.set_goal(db, learner, GoalDraft(title="Read", baseline=0, target=10, due_on=due))
        goals.achieve(db, goal, by=learner)
        courses.launched(db, learner, None)
        with clock.moved_to(clock.now() - 2 * DAY):
            pair, when = db.merge(cast.mentorship), clock.now() + timedelta(hours=1)
            meeting = meetings.plan(db, pair, planned_at=when, minutes=30, by=cast.mentor)
        meetings.hold(db, meeting, by=cast.mentor)
    with noting(database, cast) as note:
        note(facts.ExamBooked, pursuit=cast.pursuit.id, exam_on=clock.today() + 9 * DAY)
    return remembered(database, cast.program)


def enroll_somebody(database, cast):
    with database.transaction() as db:
        programs.enroll(db, db.merge(cast.program), met(db, "Home", "newcomer"), "mentee")


def say_what_was_true_before(database, cast):
    """Later than all the rest: that a meeting was missed, a date moved, an exam booked and a plan made, before."""
    with noting(database, cast) as note, database.reading() as db:
        (meeting,) = meetings.of_mentorship(db, cast.mentorship)
        about = {"meeting": meeting.id, "planned_at": meeting.planned_at - DAY, "minutes": 30}
        goal = db.scalars(select(Goal)).one()
        moved = {"due_on": goal.due_on - DAY, "original_due_on": goal.due_on}
        ago = 5 * DAY
        note(facts.MeetingMissed, ago=ago, **about)
        note(facts.DueDateMoved, ago=ago, goal=goal.id, **moved)
        note(facts.ExamBooked, ago=ago, pursuit=cast.pursuit.id, exam_on=clock.today() + DAY)
        note(facts.PursuitStarted, ago=ago, pursuit=cast.pursuit.id, status="studying")
        plan = {"starts_on": clock.today() - DAY, "ends_on": clock.today(), **dict.fromkeys(PERCENT, 1)}
        nothing = {"registration": None, "certification": None}
        note(facts.ProgramPlanned, ago=ago, meetings_per_month=1, **plan, **nothing)


def take_the_goal_back(database, cast):
    """What said that it is achieved is voided."""
    with database.transaction() as db:
        goals.reopen(db, db.merge(the_goal(database)), by=cast.learner)


def void_by_a_client(database, cast):
    """With a key that may void whatever there is."""
    (said,) = [each for each in own(database, cast) if each["verb"]["id"].endswith("/attended")]
    voiding = {
        "actor": said["actor"],
        "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"},
        "object": {"objectType": "StatementRef", "id": said["id"]},
    }
    client = {"objectType": "Agent", "account": {"homePage": "https://lms.example.org", "name": "lms"}}
    with database.transaction() as db:
        given = {"tenant": cast.course.organization_id, "authority": client, "voids_all": True}
        store.put(db, statements=[voiding], now=clock.now(), **given)


def own(database, cast):
    with database.reading() as db:
        return list(store.scan(db, tenant=cast.course.organization_id))


def erase(database, cast):
    """The pair ends, and nobody is called by the older name any more."""
    with database.transaction() as db:
        privacy.erase(db, Vault((SECRET,)), db.merge(cast.learner), by=None)


def link(database, cast):
    with database.transaction() as db:
        twin = db.scalars(select(Account.person_id).where(Account.subject == "77")).one()
        linking.merge(db, db.get_one(Person, cast.learner.id), db.get_one(Person, twin), by=None, place="test")


def erase_who_was_linked(database, cast):
    link(database, cast)
    assert remembered(database, cast.program) == fresh(database, cast.program)
    erase(database, cast)


def link_and_go_on(database, cast):
    link(database, cast)
    enroll_somebody(database, cast)


def remove_what_is_old(database, cast):
    """What said the first half of it all is 400 days old."""
    with database.transaction() as db:
        half = db.scalar(select(func.max(StoredStatement.seq))) // 2
        db.execute(update(StoredStatement).where(StoredStatement.seq <= half).values(stored=clock.now() - 400 * DAY))
    rule(database, cast.course.organization_id, whose="ours")
    loaded = settings.load({"LTI_MENTOR_SECRET_KEY": SECRET})
    assert retention.run(Tool(loaded, database, Vault(loaded.secret_key))) > 0


def write_in_another_process(database, cast):
    """Which has an engine and memories of its own."""
    other = connect(url_of(database))
    remembered(other, cast.program)
    enroll_somebody(other, cast)
    other.engine.dispose()


def remove_and_write_as_much(database, cast):
    """There are as many statements as before, up to a seq that is no smaller."""
    remove_what_is_old(database, cast)
    for number in range(9):
        with database.transaction() as db:
            courses.launched(db, met(db, "Home", f"guest {number}"), None)


CHANGES = (
    enroll_somebody,
    say_what_was_true_before,
    take_the_goal_back,
    void_by_a_client,
    erase,
    link,
    erase_who_was_linked,
    link_and_go_on,
    remove_what_is_old,
    remove_and_write_as_much,
    write_in_another_process,
)


@pytest.fixture
def page_of(database, cast, loaded_settings):
    """What an analyst reads, where nobody is too few."""
    analyst = Member(database, replace(loaded_settings, minimum_group=1), cast.analyst, cast.course)

    def read():
        text = analyst.get("insight/").text
        return re.sub("<time.*?</time>", "", text[text.index('id="sentence"') : text.index("</main>")])

    return read


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_after_each_change_a_look_finds_what_reading_everything_anew_finds(database, cast, page_of, lived, change):
    page_of()
    change(database, cast)
    page, found = page_of(), remembered(database, cast.program)
    assert found == fresh(database, cast.program)
    assert found != lived
    assert remembered(database, cast.program) is found
    memory.MEMORIES.clear()
    assert page_of() == page


def test_a_second_look_reads_no_statement_and_a_third_one_what_is_new_alone(database, cast, lived):
    with database.transaction() as db:
        db.execute(update(StoredStatement).values(body="nobody reads this"))
    assert remembered(database, cast.program) is lived
    enroll_somebody(database, cast)
    found = remembered(database, cast.program)
    assert found.mentees > lived.mentees
    assert found.achieved == lived.achieved


def test_nothing_is_read_anew_when_others_void_theirs_or_it_is_removed(database, cast, lived):
    with database.transaction() as db:
        db.execute(update(StoredStatement).values(body="nobody reads this"))
    client = {"objectType": "Agent", "account": {"homePage": "https://lms.example.org", "name": "lms"}}
    said = {"actor": client, "verb": {"id": "https://example.org/said"}, "object": {"id": "https://example.org/it"}}
    with database.transaction() as db:
        given = {"tenant": cast.course.organization_id, "authority": client, "now": clock.now()}
        (theirs,) = store.put(db, statements=[said], **given).ids
        about = {"objectType": "StatementRef", "id": str(theirs)}
        voided = {"id": "http://adlnet.gov/expapi/verbs/voided"}
        (voiding,) = store.put(db, statements=[said | {"verb": voided, "object": about}], **given).ids
    assert remembered(database, cast.program) == lived
    with database.transaction() as db:
        these = select(StoredStatement.seq).where(StoredStatement.statement_id.in_([theirs, voiding]))
        own, seqs = record.authority_key(db), db.scalars(these).all()
        tenant = cast.course.organization_id
        assert removal.remove(db, tenant=tenant, seqs=seqs, own=own, keyed=bytes).statements == 2
    assert remembered(database, cast.program) == lived


def test_what_a_writer_has_not_committed_yet_counts_as_soon_as_it_is(database, cast, lived):
    with database.transaction() as db:
        programs.enroll(db, db.merge(cast.program), met(db, "Home", "newcomer"), "mentee")
        assert remembered(database, cast.program) is lived
    assert remembered(database, cast.program) == fresh(database, cast.program) != lived


def test_what_a_writer_gave_up_never_counts(database, cast, lived):
    with pytest.raises(KeyError), database.transaction() as db:
        programs.enroll(db, db.merge(cast.program), met(db, "Home", "newcomer"), "mentee")
        raise KeyError
    assert remembered(database, cast.program) == fresh(database, cast.program) == lived
    enroll_somebody(database, cast)
    assert remembered(database, cast.program) == fresh(database, cast.program) != lived


def test_a_look_that_began_earlier_finds_what_others_read_meanwhile(database, cast, lived):
    with database.reading() as db:
        memory.record_of(db, cast.program)
        enroll_somebody(database, cast)
        newer = remembered(database, cast.program)
        assert memory.record_of(db, cast.program) is newer, "nothing is read anew"
    assert remembered(database, cast.program) is newer


def test_a_look_that_began_before_something_was_withdrawn_finds_it_for_itself_alone(database, cast, lived):
    with database.reading() as db:
        memory.record_of(db, cast.program)
        take_the_goal_back(database, cast)
        newer = remembered(database, cast.program)
        assert memory.record_of(db, cast.program) == lived
    assert remembered(database, cast.program) is newer, "the older record does not take its place"


def test_neither_another_organization_nor_another_program_gets_it(database, cast, lived):
    with database.transaction() as db:
        twin = gather_cast(db, "Twin")
        learner = db.merge(cast.coordinator)
        draft = ProgramDraft(name="Other", starts_on=clock.today(), ends_on=clock.today() + 90 * DAY)
        other = programs.create(db, db.merge(cast.course), draft, by=learner)
    for program in (twin.program, other, cast.program):
        assert remembered(database, program) == fresh(database, program)
    assert not remembered(database, twin.program).mentees & lived.mentees
    assert remembered(database, other).mentees == set()
    assert remembered(database, cast.program) == lived


def test_the_program_that_nobody_looked_at_the_longest_is_forgotten_first(database, cast, lived, monkeypatch):
    with database.transaction() as db:
        second, third = (gather_cast(db, name).program for name in ("Second", "Third"))
    monkeypatch.setattr(memory, "MOST", 2 * memory.EMPTY + 2 * lived.size)
    first = remembered(database, second)
    assert remembered(database, cast.program) is lived
    remembered(database, third)
    assert remembered(database, cast.program) is lived
    assert remembered(database, second) is not first
    assert remembered(database, second) == first


def test_looks_while_others_write_are_never_behind_what_was_written_before(database, cast, lived):
    behind, written, done = [], [0], threading.Event()
    before = len(lived.mentees)

    def look():
        while not done.is_set():
            expected = before + written[0]
            if len(remembered(database, cast.program).mentees) < expected:
                behind.append(expected)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for each in threads:
        each.start()
    for number in range(10):
        with database.transaction() as db:
            programs.enroll(db, db.merge(cast.program), met(db, "Home", f"newcomer {number}"), "mentee")
        written[0] += 1
    done.set()
    for each in threads:
        each.join()
    assert behind == []
    assert remembered(database, cast.program) == fresh(database, cast.program)


BASE, PROGRAM, *IDS = ("https://mentor.example.org", *(uuid.UUID(int=number, version=4) for number in range(5)))
PAIRS = {f"mentee {each.int % 9}": each for each in IDS}


def happened(chance):
    """What may happen to a few people in any order, each at a time of its own."""
    for number in range(200):
        (actor, pair), day = chance.choice(list(PAIRS.items())), clock.today() + chance.randrange(-30, 30) * DAY
        pursuit, goal = {"pursuit": pair}, {"goal": pair, "due_on": day}
        closed = goal | {"original_due_on": day, "set_by": pair}
        planned_at = clock.now() + chance.randrange(9) * DAY
        meeting = {"meeting": chance.choice(IDS), "planned_at": planned_at, "minutes": 30}
        plan = {"starts_on": day, "ends_on": day + DAY, "meetings_per_month": 2, **dict.fromkeys(PERCENT, number)}
        ready = {"confirmed": Fraction(number % 101), "own_estimate": Fraction(50), "covered": Fraction(100)}
        kind, more = chance.choice(
            (
                (facts.Enrolled, {"part": "mentee"}),
                (facts.Launched, {}),
                (facts.Paired, {}),
                (facts.MentorshipEnded, {}),
                (facts.ProgramPlanned, plan),
                (facts.GoalSet, goal),
                (facts.DueDateMoved, goal | {"original_due_on": day}),
                (facts.GoalAchieved, closed),
                (facts.GoalRemoved, closed),
                (facts.MeetingPlanned, meeting),
                (facts.MeetingHeld, meeting),
                (facts.MeetingMissed, meeting),
                (facts.MeetingCalledOff, meeting),
                (facts.PursuitStarted, pursuit | {"status": "studying"}),
                (facts.ExamBooked, pursuit | {"exam_on": day}),
                (facts.ExamFailed, pursuit | {"attempt": 1}),
                (facts.CertificationAwarded, pursuit | {"valid_until": None}),
                (facts.ReadinessChanged, pursuit | ready | {"domains": ()}),
            )
        )
        given = {"actor": actor, "program": PROGRAM, "registration": pair, "certification": chance.choice("ab")}
        yield kind(**given, **more, at=clock.now() - number * timedelta(hours=5))


@pytest.mark.parametrize("seed", range(12))
def test_what_arrives_in_any_order_and_in_pieces_gives_the_same_figures(seed):
    chance = random.Random(seed)
    authority = {"account": {"homePage": BASE, "name": record.AUTHORITY}}
    said = [statement(each, BASE) | {"authority": authority} for each in happened(chance)]
    about = {"program": f"{BASE}/programs/{PROGRAM}", "base": BASE}
    ordered = figures.gather(sorted(said, key=lambda each: each["timestamp"]), **about)
    chance.shuffle(said)
    known, place = None, 0
    while place < len(said):
        before = known and known.copy()
        step = chance.randrange(1, 60)
        following = figures.gather(said[place : place + step], **about, known=known)
        assert known == before, "what was known stays as it is for whoever looks at it"
        known, place = following, place + step
    now = clock.now()
    assert figures.summarize(known, now) == figures.summarize(ordered, now)
    known.readiness.sort()
    ordered.readiness.sort()
    assert known == ordered
