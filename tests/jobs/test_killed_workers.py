"""Workers that are killed again and again, on a way that loses requests and answers: nothing is lost or doubled."""

import pytest

from lti_mentor.mentoring import organizations
from tests.support.killed import served_alone, survive
from tests.support.learning_locker import HOW, IS_INSTALLED, learning_locker
from tests.support.outside import prepared

STATEMENTS, KILLS = 5_000, 6
SECONDS = 120  # on a busy machine; alone it is less than half of that


@pytest.fixture
def our_own(sqlite_template, tmp_path, loaded_settings):
    with served_alone(prepared(sqlite_template, tmp_path, loaded_settings)) as found:
        yield found


@pytest.fixture
def of_others(tmp_path):
    with learning_locker(tmp_path) as found:
        yield found


def check(outcome, capsys):
    with capsys.disabled():
        print(f"\n{outcome}")
    assert (outcome.lost, outcome.doubled, outcome.delivered, outcome.restarts) == (0, 0, STATEMENTS, KILLS)
    assert outcome.sent_again, "no kill and no fault came in between"
    assert outcome.is_in_order


def test_killed_workers_and_a_bad_way_lose_nothing_and_double_nothing(database, home, our_own, loaded_settings, capsys):
    check(survive(database, home, our_own, loaded_settings, count=STATEMENTS, kills=KILLS, seconds=SECONDS), capsys)


@pytest.mark.skipif(not IS_INSTALLED, reason=HOW)
def test_a_record_store_of_others_misses_nothing_either(sqlite_database, of_others, loaded_settings, capsys):
    with sqlite_database.transaction() as db:
        home = organizations.named(db, "Home").id
    outcome = survive(sqlite_database, home, of_others, loaded_settings, count=STATEMENTS, kills=KILLS, seconds=SECONDS)
    check(outcome, capsys)
