"""The server is killed again and again while forms come in: a goal and its statement are both there, or neither."""

import json
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta

import pytest
import requests
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.mentoring.goals import Goal
from lti_mentor.web import visit
from lti_mentor.web.forms import csrf_token
from tests.conftest import url_of
from tests.support import processes
from xapi.rows import StoredStatement

FORMS_A_ROUND = 12
ANSWERS_BEFORE_THE_KILL = (1, 3, 5, 8)


@pytest.fixture
def port():
    return processes.free_port()


def send(address, cookie, form):
    """Whether an answer came back, and that it was the right one."""
    try:
        answer = requests.post(address, data=form, headers={"Cookie": cookie}, allow_redirects=False, timeout=20)
    except requests.ConnectionError:
        return False
    assert answer.status_code == 303, answer.text
    return True


def titles_and_statements(database):
    """Title of every goal by its id, and the ids of the goals that the statements speak of."""
    with database.reading() as db:
        goals = {str(goal.id): goal.title for goal in db.scalars(select(Goal))}
        bodies = [json.loads(body) for body in db.scalars(select(StoredStatement.body))]
    set_goals = [body["object"]["id"] for body in bodies if body["object"]["id"].partition("/goals/")[2]]
    return goals, [iri.rpartition("/")[2] for iri in set_goals]


def test_a_server_killed_at_any_moment_leaves_goals_with_their_statements_or_nothing(database, cast, port):
    with database.transaction() as db:
        opened = visit.open_visit(db, cast.learner, course_id=cast.course.id, framing_origins=[], hours=1)
        csrf, cookie = csrf_token(opened), f"{visit.COOKIE}={opened.secret}"
    database_url = url_of(database)
    address = f"http://localhost:{port}/v/{opened.key}/learner/goals"
    due_on = (clock.today() + timedelta(days=30)).isoformat()

    def form(title):
        return {"title": title, "target": "20", "due_on": due_on, "visibility": "shared", "link": "measure"} | {
            "csrf": csrf,
            "once": f"the form of {title}",
        }

    unanswered = set()
    for answers in ANSWERS_BEFORE_THE_KILL:
        sent = [f"Goal {answers}-{number}" for number in range(FORMS_A_ROUND)]
        answered = set()
        with processes.serving(database_url, port) as process, ThreadPoolExecutor(6) as senders:
            futures = {senders.submit(send, address, cookie, form(title)): title for title in sent}
            for future in as_completed(futures):
                if future.result():
                    answered.add(futures[future])
                if len(answered) == answers:
                    processes.kill(process)
        unanswered |= set(sent) - answered
        goals, stated = titles_and_statements(database)
        assert sorted(stated) == sorted(goals)
        assert answered <= set(goals.values())

    assert unanswered, "every form was answered: nothing was cut off"
    with processes.serving(database_url, port):
        assert all(send(address, cookie, form(title)) for title in sorted(unanswered))
    goals, stated = titles_and_statements(database)
    assert sorted(stated) == sorted(goals)
    everything = [f"Goal {answers}-{number}" for answers in ANSWERS_BEFORE_THE_KILL for number in range(FORMS_A_ROUND)]
    assert sorted(goals.values()) == sorted(everything)
