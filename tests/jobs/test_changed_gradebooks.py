"""Gradebooks that answer strangely, and those in which columns were deleted, moved or changed by others."""

import re
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime

import pytest
from flask import Response, jsonify, request
from sqlalchemy import select, update

from lti_mentor import clock
from lti_mentor.jobs import grades, worker
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.grades import SCORE
from lti_mentor.lti.platforms import Platform
from lti_mentor.lti.tokens import AccessToken
from lti_mentor.mentoring import gradebook
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.mentoring.people import Account
from lti_mentor.practice.grades import ToolColumn
from lti_mentor.queue import Job
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.jobs.test_grades import (
    answering,
    column,
    crowd,
    nothing,
    open_column,
    program_of,
    rate,
    score,
    shown_there,
    wait,
)
from tests.support.recording import recording
from tests.support.visitor import Visitor

FAR = "Wed, 21 Oct 99999999999 07:28:00 GMT"


@pytest.fixture
def tool(both_site):
    return Tool(both_site.settings, both_site.database, Vault(both_site.settings.secret_key))


@pytest.fixture
def lms(both_site):
    open_column(both_site)
    return both_site.lms.lms


@pytest.fixture
def busy(both_site):
    """The regular jobs were done but that of grades, which is due."""
    worker.schedule(both_site.database)
    with both_site.database.transaction() as db:
        for job in db.scalars(select(Job)):
            job.run_after = clock.now() + timedelta(days=job.kind != "grades")


@pytest.mark.parametrize("given", [FAR, "Wed, 21 Oct 2015 07:28:00 +99999999999999999999", "soon", "-5"])
def test_a_platform_that_asks_to_wait_beyond_all_time_stops_nobody(tool, lms, busy, both_site, given):
    lms.bad_answers[:] = [nothing, nothing, nothing, answering(503, Retry_After=given)]
    assert worker.work_once(tool)
    with both_site.database.reading() as db:
        job = db.scalars(select(Job).where(Job.kind == "grades")).one()
    assert (job.status, job.attempts, job.last_problem) == ("waiting", 0, None)
    assert not score(both_site.database).is_waiting("as_it_stands")
    rate(both_site.database, 100)
    lms.bad_answers[:] = [answering(503, Retry_After=given)]
    assert grades.run(tool) == 0
    found = column(both_site.database)
    assert (found.problem, found.failures) == ("platform.bad_status", 1)
    assert clock.now() < found.retry_at < clock.now() + timedelta(minutes=2), "as if it had not said when"


@pytest.mark.parametrize(
    ("ahead", "shortest", "longest"),
    [
        (timedelta(minutes=20), timedelta(minutes=19), timedelta(minutes=20)),
        (timedelta(days=9), timedelta(minutes=59), timedelta(hours=1)),
        (-timedelta(days=9), -timedelta(minutes=1), timedelta(seconds=1)),
    ],
)
def test_a_platform_may_say_by_a_date_how_long_to_wait(tool, lms, both_site, ahead, shortest, longest):
    given = format_datetime(clock.now() + ahead, usegmt=True)
    lms.bad_answers[:] = [nothing, nothing, answering(503, Retry_After=given)]
    assert grades.run(tool) == 0
    with both_site.database.reading() as db:
        retry_at = db.scalars(select(GradeColumn.retry_at)).one()
    assert clock.now() + shortest < retry_at <= clock.now() + longest


def scores(database) -> dict[str, LatestScore]:
    """By subject."""
    with database.reading() as db:
        wanted = select(Account.subject, LatestScore).join(LatestScore, LatestScore.person_id == Account.person_id)
        return dict(db.execute(wanted).all())


def test_a_column_that_was_deleted_there_is_made_again_with_all_its_scores(tool, lms, both_site):
    crowd(both_site, lms, 2)
    assert grades.run(tool) == 3
    lms.columns.clear()
    rate(both_site.database, 100)
    assert grades.run(tool) == 3
    assert shown_there(lms) == {"learner": 12, "crowd-0": 1, "crowd-1": 1}
    assert {each.read_value for each in scores(both_site.database).values()} == {12, 1}
    found = column(both_site.database)
    assert (found.problem, found.failures, found.retry_at) == (None, 0, None)
    assert grades.run(tool) == 0


def test_a_worker_that_died_after_it_made_a_column_anew_tells_all_its_scores(tool, lms, both_site):
    crowd(both_site, lms, 2)
    grades.run(tool)
    lms.columns.clear()
    rate(both_site.database, 100)

    def dies():
        """The platform has the column, and nobody here learns of it."""
        lms.columns["9"] = ToolColumn("9", "1", "Made", 100, key)
        return Response("", 500)

    key = str(column(both_site.database).key)
    lms.bad_answers[:] = [nothing, nothing, nothing, dies]
    assert grades.run(tool) == 0
    wait(both_site.database)
    assert grades.run(tool) == 3
    assert shown_there(lms) == {"learner": 12, "crowd-0": 1, "crowd-1": 1}


def test_a_person_who_is_not_there_makes_no_second_column_where_the_platform_keeps_no_id_of_ours(tool, lms, both_site):
    crowd(both_site, lms, 2)
    grades.run(tool)
    (made,) = lms.columns.values()
    made.resource_id = ""
    rate(both_site.database, 100)
    lms.bad_answers[:] = [answering(404)]
    assert grades.run(tool) == 0
    assert list(lms.columns.values()) == [made]
    found = scores(both_site.database)
    assert {name: each.problem for name, each in found.items()} == {
        "learner": "grades.person_refused",
        "crowd-0": None,
        "crowd-1": None,
    }


@pytest.mark.parametrize(("status", "of_person", "of_column"), [(403, True, False), (503, False, True)])
def test_a_column_is_gone_only_where_the_platform_says_so_of_the_column(
    tool, lms, both_site, status, of_person, of_column
):
    grades.run(tool)
    rate(both_site.database, 100)
    lms.bad_answers[:] = [answering(404), answering(status)]
    assert grades.run(tool) == 0
    assert score(both_site.database).problem == ("grades.person_refused" if of_person else None)
    assert column(both_site.database).problem == ("platform.bad_status" if of_column else None)
    assert column(both_site.database).lineitem_url is not None


def test_a_column_is_not_gone_where_a_token_server_has_no_token_to_look_at_it(tool, lms, both_site):
    grades.run(tool)
    rate(both_site.database, 100)
    with recording(lambda _: Response("{}", 404)) as (base, seen):
        with both_site.database.transaction() as db:
            db.scalars(select(Platform)).one().token_endpoint = base
            db.execute(update(AccessToken).where(AccessToken.scopes == SCORE).values(token_endpoint=base))
        lms.bad_answers[:] = [answering(404)]
        assert grades.run(tool) == 0
    assert "lineitem" in seen[0].form["scope"]
    assert column(both_site.database).problem is None
    assert score(both_site.database).problem == "grades.person_refused"


def test_a_platform_that_loses_each_column_at_once_is_not_filled_with_columns(tool, lms, both_site):
    lost = [answering(404), answering(404)]  # for the score, and for the column
    lms.bad_answers[:] = [nothing, nothing, *lost, nothing, *lost]
    assert grades.run(tool) == 0
    found = column(both_site.database)
    assert (found.problem, found.failures) == ("grades.column_gone", 2)
    assert found.retry_at > clock.now() + timedelta(seconds=90)
    assert len(lms.columns) == 1, "it was found again by our own key"


def test_a_platform_that_moved_is_told_at_its_new_place_alone(tool, lms, both_site):
    crowd(both_site, lms, 2)
    grades.run(tool)
    before, after = lms.world.issuer, lms.world.issuer.replace("127.0.0.1", "localhost")
    lms.world = replace(lms.world, issuer=after)
    with both_site.database.transaction() as db:
        services, platform = db.scalars(select(ContextServices)).one(), db.scalars(select(Platform)).one()
        services.lineitems_url = services.lineitems_url.replace(before, after)
        platform.token_endpoint = f"{after}/token"
    rate(both_site.database, 100)
    asked = []
    lms.bad_answers[:] = [lambda: asked.append(request.host_url)] * 9
    assert grades.run(tool) == 1, "it is the same column, which has the other scores"
    assert set(asked) == {f"{after}/"}
    assert shown_there(lms) == {"learner": 12, "crowd-0": 1, "crowd-1": 1}
    assert column(both_site.database).lineitem_url.startswith(after)


def test_a_platform_that_moved_without_its_columns_is_told_all_scores(tool, lms, both_site):
    crowd(both_site, lms, 2)
    grades.run(tool)
    with both_site.database.transaction() as db:
        db.scalars(select(GradeColumn)).one().lineitem_url = "https://old.example.org/lineitems/7"
    lms.columns.clear()
    rate(both_site.database, 100)
    assert grades.run(tool) == 3
    assert shown_there(lms) == {"learner": 12, "crowd-0": 1, "crowd-1": 1}


@pytest.mark.parametrize("status", [403, 412])
def test_a_column_that_refuses_those_it_took_before_is_a_problem_of_the_column_and_of_no_person(
    tool, lms, both_site, status, lately
):
    change_all(both_site.database)
    lms.bad_answers[:] = [answering(status)] * 3
    assert grades.run(tool) == 0
    assert lms.bad_answers == []
    assert_refused(both_site.database)
    wait(both_site.database)
    assert grades.run(tool) == 3
    assert len(lms.columns) == 1
    assert column(both_site.database).problem is None


def assert_refused(database) -> None:
    """The column, which is known where it is, and none of its people."""
    found = column(database)
    assert (found.problem, found.leased_until) == ("grades.column_refused", None)
    assert found.lineitem_url is not None
    assert found.retry_at > clock.now()
    assert all(each.is_waiting("as_it_stands") and each.problem is None for each in scores(database).values())


def test_a_column_that_never_took_anybody_is_a_problem_of_the_column(tool, lms, both_site):
    crowd(both_site, lms, 2)
    lms.bad_answers[:] = [nothing, nothing, *[answering(412)] * 3]
    assert grades.run(tool) == 0
    assert_refused(both_site.database)
    wait(both_site.database)
    lms.bad_answers[:] = [nothing, *[answering(412)] * 3]
    assert grades.run(tool) == 0
    assert_refused(both_site.database)
    assert column(both_site.database).failures == 2


def test_a_column_that_is_refused_is_the_only_one_also_where_the_platform_keeps_no_id_of_ours(
    tool, lms, both_site, lately
):
    (made,) = lms.columns.values()
    made.resource_id = ""
    change_all(both_site.database)
    lms.bad_answers[:] = [answering(403)] * 3
    assert grades.run(tool) == 0
    for look in (nothing, answering(403)):
        wait(both_site.database)
        lms.bad_answers[:] = [look, *[answering(403)] * 3]
        assert grades.run(tool) == 0
        assert lms.bad_answers == []
        assert_refused(both_site.database)
    wait(both_site.database)
    assert grades.run(tool) == 3
    assert list(lms.columns.values()) == [made]


def test_a_refused_column_is_told_where_the_platform_has_it_now(tool, lms, both_site, lately):
    change_all(both_site.database)
    lms.bad_answers[:] = [answering(412)] * 3
    assert grades.run(tool) == 0
    (somebody_elses,) = lms.columns.values()
    somebody_elses.resource_id, before = "theirs", dict(somebody_elses.scores)
    ours = lms.columns["9"] = ToolColumn("9", "1", "Ours", 100, str(column(both_site.database).key))
    wait(both_site.database)
    assert grades.run(tool) == 3
    assert {name: points for name, (_, points, _) in ours.scores.items()} == dict.fromkeys(before, 50)
    assert somebody_elses.scores == before


def change_all(database) -> None:
    with database.transaction() as db:
        for each in db.scalars(select(LatestScore)):
            each.value = 50


@pytest.fixture
def lately(tool, lms, both_site):
    """Three people were told two days ago."""
    crowd(both_site, lms, 2)
    assert grades.run(tool) == 3
    with both_site.database.transaction() as db:
        for each in db.scalars(select(LatestScore)):
            each.sent_at -= timedelta(days=2)
    two_days_ago(lms)


def two_days_ago(lms) -> None:
    for made in lms.columns.values():
        made.scores = {name: (at - timedelta(days=2), *rest) for name, (at, *rest) in made.scores.items()}


@pytest.mark.parametrize("statuses", [(403, 412, 403), (403, None, 403), (400, 400, 400)])
def test_people_whom_a_platform_refuses_one_by_one_are_no_problem_of_the_column(tool, lms, both_site, statuses, lately):
    change_all(both_site.database)
    lms.bad_answers[:] = [nothing if status is None else answering(status) for status in statuses]
    assert grades.run(tool) == statuses.count(None)
    assert column(both_site.database).problem is None
    refusals = [each.problem for each in scores(both_site.database).values()]
    assert refusals.count("grades.person_refused") == 3 - statuses.count(None)


def test_two_who_are_refused_alike_are_no_problem_of_a_column_that_took_somebody_today(tool, lms, both_site):
    crowd(both_site, lms, 2)
    lms.bad_answers[:] = [nothing, nothing, nothing, answering(403), answering(403)]
    assert grades.run(tool) == 1
    with both_site.database.transaction() as db:
        for each in db.scalars(select(LatestScore).where(LatestScore.refused_at.is_not(None))):
            each.refused_at -= timedelta(days=2)
    lms.bad_answers[:] = [answering(403), answering(403)]
    assert grades.run(tool) == 0
    assert column(both_site.database).problem is None
    assert [each.problem for each in scores(both_site.database).values()].count("grades.person_refused") == 2


def test_two_who_are_refused_for_days_while_the_others_are_silent_are_no_problem_of_the_column(tool, lms, both_site):
    crowd(both_site, lms, 2)

    def refuses_two():
        given = request.get_json(silent=True) or {}
        return Response("{}", 403) if given.get("userId", "").startswith("crowd") else None

    lms.bad_answers[:] = [refuses_two] * 99
    assert grades.run(tool) == 1
    (made,) = lms.columns.values()
    made.resource_id = ""
    for _ in range(3):
        with both_site.database.transaction() as db:
            for each in db.scalars(select(LatestScore)):
                if each.refused_at is not None:
                    each.refused_at -= timedelta(days=2)
                else:
                    each.sent_at -= timedelta(days=2)
        two_days_ago(lms)
        assert grades.run(tool) == 0
        assert (column(both_site.database).problem, column(both_site.database).retry_at) == (None, None)
        refusals = {name: each.problem for name, each in scores(both_site.database).items()}
        assert refusals == {
            "learner": None,
            "crowd-0": "grades.person_refused",
            "crowd-1": "grades.person_refused",
        }
        assert not any(each.is_waiting("as_it_stands") for each in scores(both_site.database).values())
    rate(both_site.database, 100)
    assert grades.run(tool) == 1, "nobody waits for them"
    assert list(lms.columns.values()) == [made]


def a_day_later(database) -> None:
    with database.transaction() as db:
        for each in db.scalars(select(GradeColumn)):
            each.results_asked_at -= timedelta(days=1, minutes=1)
        for each in db.scalars(select(LatestScore).where(LatestScore.read_at.is_not(None))):
            each.read_at -= timedelta(days=1, minutes=1)


def overrule(lms, points) -> None:
    """A teacher changes the number of the learner in the gradebook itself."""
    for made in lms.columns.values():
        made.scores["learner"] = (clock.now(), points, "Completed")


def test_what_a_teacher_changed_in_the_gradebook_is_seen_a_day_later(tool, lms, both_site):
    grades.run(tool)
    overrule(lms, 77)
    assert grades.run(tool) == 0
    assert score(both_site.database).read_value == 0, "it was read a moment ago"
    a_day_later(both_site.database)
    assert grades.run(tool) == 0
    found = score(both_site.database)
    assert (found.read_value, found.sent_value) == (77, 0)
    assert clock.now() - found.read_at < timedelta(minutes=1)
    assert column(both_site.database).leased_until is None


def test_a_reading_that_fails_has_its_next_turn_in_a_day_and_holds_up_no_score(tool, lms, both_site):
    grades.run(tool)
    overrule(lms, 77)
    a_day_later(both_site.database)
    lms.bad_answers[:] = [answering(503, Retry_After="600")]
    assert grades.run(tool) == 0
    assert grades.run(tool) == 0
    found = column(both_site.database)
    assert (found.problem, found.retry_at, found.leased_until) == (None, None, None)
    assert score(both_site.database).read_value == 0
    assert clock.now() - score(both_site.database).read_at > timedelta(days=1), "so the page says how old it is"
    rate(both_site.database, 100)
    assert grades.run(tool) == 1


def test_a_column_that_was_deleted_is_missed_a_day_later_though_no_score_changed(tool, lms, both_site):
    crowd(both_site, lms, 2)
    grades.run(tool)
    lms.columns.clear()
    a_day_later(both_site.database)
    assert grades.run(tool) == 0
    assert {each.read_value for each in scores(both_site.database).values()} == {None}
    assert grades.run(tool) == 3
    assert shown_there(lms) == {"learner": 0, "crowd-0": 1, "crowd-1": 1}


def test_results_that_never_end_are_given_up(tool, lms, both_site, monkeypatch):
    grades.run(tool)
    a_day_later(both_site.database)

    def page():
        answer = jsonify([])
        answer.headers["Link"] = f'<{request.base_url}?page={len(lms.bad_answers)}>; rel="next"'
        return answer

    monkeypatch.setattr(grades, "LONGEST_READING", timedelta(milliseconds=200))
    lms.bad_answers[:] = [page] * 1999
    assert grades.run(tool) == 0
    assert 0 < len(lms.bad_answers) < 1998
    assert column(both_site.database).leased_until is None


def test_a_column_that_may_not_be_read_or_was_closed_is_not_read(tool, lms, both_site):
    grades.run(tool)
    asked = []
    lms.bad_answers[:] = [lambda: asked.append(request.path)] * 9
    with both_site.database.transaction() as db:
        services = db.scalars(select(ContextServices)).one()
        before = services.grade_scopes
        services.grade_scopes = [scope for scope in before if "result" not in scope]
    a_day_later(both_site.database)
    assert grades.run(tool) == 0
    a_day_later(both_site.database)
    with both_site.database.transaction() as db:
        db.scalars(select(ContextServices)).one().grade_scopes = before
        gradebook.close_column(db.scalars(select(GradeColumn)).one())
    assert grades.run(tool) == 0
    assert asked == []


def test_the_page_says_when_the_number_of_the_gradebook_was_read(tool, lms, both_site):
    grades.run(tool)
    overrule(lms, 77)
    a_day_later(both_site.database)
    assert shown(both_site) == "0.0, read 24 hours ago"
    grades.run(tool)
    assert "77.0, read " in shown(both_site)
    overrule(lms, None)
    a_day_later(both_site.database)
    grades.run(tool)
    assert "nothing, read " in shown(both_site)


def shown(site) -> str:
    """The last cell of the only row of the coordinator's page."""
    visitor = Visitor()
    visitor.launch(site.lms.url, "coordinator", "1")
    place = re.match(r".*/v/[^/]+", visitor.page.url)[0]
    with site.database.reading() as db:
        program, course = program_of(db), db.scalars(select(Course)).one()
    page = visitor.get(f"{place}/coordinator/programs/{program.id}/courses/{course.id}/grades").text
    return re.sub(r"<[^>]+>", "", re.findall(r'<td data-label="In the gradebook">(.*?)</td>', page, re.S)[-1]).strip()
