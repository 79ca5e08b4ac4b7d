"""Goals in a real gradebook: told as their mean, read back, taken away again; private ones leave no trace there."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import grades
from lti_mentor.mentoring import courses, goals, joining, mentorships, programs, results
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.goals import Goal
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.mentoring.programs import Program, ProgramDraft
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.jobs.test_grades import person_of
from tests.support.visitor import Visitor


@pytest.fixture
def tool(both_site):
    return Tool(both_site.settings, both_site.database, Vault(both_site.settings.secret_key))


@pytest.fixture
def learner(both_site):
    """A mentee with a mentor in a program of the course, who came in."""
    for name in ("coordinator", "mentor"):
        Visitor().launch(both_site.lms.url, name, "1")
    visitor = Visitor()
    visitor.launch(both_site.lms.url, "learner", "1")
    with both_site.database.transaction() as db:
        course, teacher, today = db.scalars(select(Course)).one(), person_of(db, "coordinator"), clock.today()
        draft = ProgramDraft(name="Program", starts_on=today, ends_on=today + timedelta(weeks=9))
        program = programs.create(db, course, draft, by=teacher)
        programs.enroll(db, program, person_of(db, "learner"), "mentee")
        programs.enroll(db, program, person_of(db, "mentor"), "mentor", capacity=1)
        pair = {"mentor": person_of(db, "mentor"), "mentee": person_of(db, "learner")}
        mentorships.pair(db, program, **pair, by=teacher)
    return visitor


@pytest.fixture
def teacher(both_site, learner):
    """The coordinator on the page of goals in the gradebook."""
    visitor = Visitor()
    visitor.launch(both_site.lms.url, "coordinator", "1")
    look(visitor, both_site)
    return visitor


def look(visitor, site) -> str:
    with site.database.reading() as db:
        program, course = db.scalars(select(Program)).one(), db.scalars(select(Course)).one()
    place = re.match(r".*/v/[^/]+", visitor.page.url)[0]
    address = f"{place}/coordinator/programs/{program.id}/courses/{course.id}/grades?certification=goals"
    return visitor.get(address).text


def show_goals(visitor, site) -> str:
    look(visitor, site)
    return visitor.submit("/grades").text


def set_goal(visitor, title, **changes) -> str:
    """Through the form; gives the address of the goal."""
    place = re.match(r".*/v/[^/]+", visitor.page.url)[0]
    visitor.get(f"{place}/learner/goals/new")
    due = (clock.today() + timedelta(days=9)).isoformat()
    typed = {"title": title, "baseline": "0", "target": "100", "current": "40", "due_on": due, "link": "measure"}
    return visitor.submit("/learner/goals", typed | changes).url


def there(lms) -> dict[str, tuple[float | None, str]]:
    (only,) = lms.columns.values()
    return {person: score[1:] for person, score in only.scores.items()}


def score(site) -> LatestScore:
    with site.database.reading() as db:
        return db.scalars(select(LatestScore)).one()


def test_goals_are_told_as_their_mean_and_read_back(tool, both_site, learner, teacher):
    lms = both_site.lms.lms
    assert "Nothing is sent before you show it" in teacher.page.text
    assert "no shared goal" in teacher.page.text
    show_goals(teacher, both_site)
    assert grades.run(tool) == 0
    assert lms.columns == {}, "nobody has a goal: not even a column is made"
    first = set_goal(learner, "Read the book")
    set_goal(learner, "Pass the quizzes", current="61")
    assert grades.run(tool) == 1
    (made,) = lms.columns.values()
    assert (made.label, made.maximum) == ("Goal progress", 100)
    with both_site.database.reading() as db:
        assert made.resource_id == str(db.scalars(select(GradeColumn)).one().key)
    assert there(lms) == {"learner": (51, "InProgress")}, "50.5, rounded half up as everywhere"
    assert score(both_site).read_value == 51
    learner.get(first)
    learner.submit("/progress", {"current": "60"})
    assert grades.run(tool) == 1
    assert there(lms) == {"learner": (61, "InProgress")}
    page = look(teacher, both_site)
    assert "Why this number?" in page
    assert "Pass the quizzes" in page
    assert "61.0" in page
    assert grades.run(tool) == 0


def test_all_achieved_is_complete_until_there_is_another_goal(tool, both_site, learner, teacher):
    show_goals(teacher, both_site)
    learner.get(set_goal(learner, "Read the book"))
    learner.submit("/achieved")
    assert grades.run(tool) == 1
    assert there(both_site.lms.lms) == {"learner": (100, "Completed")}
    set_goal(learner, "Pass the quizzes", current="0")
    assert grades.run(tool) == 1
    assert there(both_site.lms.lms) == {"learner": (50, "InProgress")}


def test_the_number_is_taken_away_with_the_last_goal_and_is_never_0_for_none(tool, both_site, learner, teacher):
    show_goals(teacher, both_site)
    address = set_goal(learner, "Read the book")
    assert grades.run(tool) == 1
    learner.get(address)
    learner.submit("/removed")
    assert "waits" in look(teacher, both_site)
    assert grades.run(tool) == 1
    assert there(both_site.lms.lms) == {"learner": (None, "Initialized")}
    found = score(both_site)
    assert (found.value, found.sent_value, found.read_value) == (None, None, None)
    assert not found.is_waiting("as_it_stands")
    assert "no shared goal" in look(teacher, both_site)
    assert grades.run(tool) == 0
    set_goal(learner, "Another book", current="10")
    assert grades.run(tool) == 1
    assert there(both_site.lms.lms) == {"learner": (10, "InProgress")}


def test_nobody_learns_of_a_private_goal_through_the_gradebook(tool, both_site, learner, teacher):
    show_goals(teacher, both_site)
    grades.run(tool)
    before, row = look(teacher, both_site), score(both_site)
    secret = set_goal(learner, "Find another job", visibility="private", current="90")
    assert vars_of(score(both_site)) == vars_of(row), "not even that something has to be counted"
    assert grades.run(tool) == 0
    assert both_site.lms.lms.columns == {}
    assert same_but_visit(look(teacher, both_site)) == same_but_visit(before)
    set_goal(learner, "Read the book", current="20")
    learner.get(secret)
    learner.submit("/achieved")
    assert grades.run(tool) == 1
    assert there(both_site.lms.lms) == {"learner": (20, "InProgress")}
    assert "Find another job" not in look(teacher, both_site)


def vars_of(row) -> dict[str, object]:
    return {name: value for name, value in vars(row).items() if not name.startswith("_")}


def same_but_visit(page: str) -> str:
    return re.sub(r'name="(csrf|once)" value="[^"]*"', "", page)


def test_the_learner_sees_the_same_number_and_why(tool, both_site, learner, teacher):
    show_goals(teacher, both_site)
    set_goal(learner, "Read the book")
    set_goal(learner, "Between me and me", visibility="private")
    place = re.match(r".*/v/[^/]+", learner.page.url)[0]
    page = learner.get(f"{place}/learner/goals").text
    assert "In the gradebook of Course one" in page
    assert "Private goals never count" in page
    why = page[page.index("Why this number?") :]
    assert "Read the book" in why
    assert "Between me and me" not in why[: why.index("</details>")]


def test_a_column_that_is_closed_is_told_nothing_and_counts_all_when_it_opens_again(tool, both_site, learner, teacher):
    show_goals(teacher, both_site)
    address = set_goal(learner, "Read the book")
    assert grades.run(tool) == 1
    look(teacher, both_site)
    teacher.submit("/grades/closed")
    learner.get(address)
    learner.submit("/progress", {"current": "80"})
    assert grades.run(tool) == 0
    show_goals(teacher, both_site)
    assert grades.run(tool) == 1
    assert there(both_site.lms.lms) == {"learner": (80, "InProgress")}


def test_a_goal_that_is_moved_while_another_is_counted_is_not_lost(tool, both_site, learner, teacher):
    if both_site.database.is_sqlite:
        pytest.skip("SQLite lets one write at a time")
    show_goals(teacher, both_site)
    set_goal(learner, "Read the book")
    set_goal(learner, "Pass the quizzes")
    with both_site.database.transaction() as db:
        first = db.scalars(select(Goal).order_by(Goal.title)).first()
        goals.make_progress(db, first, 100, by=person_of(db, "learner"))
        assert grades.run(tool) == 0, "its score is held until this is over"
    assert grades.run(tool) == 1
    assert there(both_site.lms.lms) == {"learner": (70, "InProgress")}


def graded(site, *subjects) -> list[dict[str, object]]:
    """What a platform says of a quiz, of these people in this order."""
    now = clock.now().isoformat()
    return [
        {
            "actor": {"account": {"homePage": site.lms.url, "name": subject}},
            "verb": {"id": "http://adlnet.gov/expapi/verbs/scored"},
            "object": {"id": "urn:quiz"},
            "result": {"score": {"scaled": 0.5}},
            "timestamp": now,
        }
        for subject in subjects
    ]


def test_two_batches_of_results_about_the_same_people_do_not_wait_in_a_circle(both_site, learner, teacher):
    show_goals(teacher, both_site)
    with both_site.database.transaction() as db:
        course, program = db.scalars(select(Course)).one(), db.scalars(select(Program)).one()
        courses.add_item(db, course, activity_iri="urn:quiz", title="Quiz")
        joining.enroll(db, program, person_of(db, "mentor"), "mentee")
        organization_id = course.organization_id
    both = Barrier(2)

    def take(subjects):
        for _ in range(5):
            both.wait(20)
            with both_site.database.transaction() as db:
                results.take_statements(db, organization_id, graded(both_site, *subjects))

    with ThreadPoolExecutor(2) as threads:
        orders = (["learner", "mentor"] * 5, ["mentor", "learner"] * 5)
        for done in [threads.submit(take, subjects) for subjects in orders]:
            done.result(60)
