"""Scores that may still change: sent as they stand, or as pending until they are final, as each column is told to."""

import re

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.jobs import grades
from lti_mentor.mentoring import gradebook, pursuits, readiness_columns
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.gradebook import GradeColumn
from lti_mentor.mentoring.programs import Program
from lti_mentor.mentoring.pursuits import Pursuit
from tests.jobs.test_goal_grades import learner, look, score, set_goal, show_goals, teacher, there, tool
from tests.jobs.test_grades import answering, crowd, nothing, open_column, person_of, rate, shown_there
from tests.support.visitor import Visitor

__all__ = ["learner", "teacher", "tool"]
NOBODY_SEES = "nobody sees a number before it is final"


def progress(site) -> dict[str, str]:
    """Whether what was sent last of each person may still change."""
    (only,) = site.lms.lms.columns.values()
    return only.graded


def choose(visitor, site, sends) -> str:
    look(visitor, site)
    return visitor.submit("/grades/sends", {"sends": sends}).text


def send(site, sends) -> None:
    """The same without a page, of the only column."""
    with site.database.transaction() as db:
        gradebook.choose(db, db.scalars(select(GradeColumn)).one(), sends)


def award(site) -> None:
    with site.database.transaction() as db:
        ours = db.scalars(select(Pursuit).where(Pursuit.person_id == person_of(db, "learner").id)).one()
        pursuits.award(db, ours, awarded_on=clock.today(), expires_on=None)


def test_a_mean_of_goals_is_seen_by_nobody_before_all_are_achieved(tool, both_site, learner, teacher):
    assert NOBODY_SEES in look(teacher, both_site), "beside the choice"
    assert "not final" not in teacher.page.text
    assert NOBODY_SEES in teacher.submit("/grades", {"sends": "when_final"}).text
    goal = set_goal(learner, "Read the book")
    assert "not final" in look(teacher, both_site), "what will be sent"
    assert grades.run(tool) == 1
    assert progress(both_site) == {"learner": "Pending"}
    assert there(both_site.lms.lms) == {"learner": (None, "InProgress")}
    assert (score(both_site).sent_value, score(both_site).read_value) == (40, None)
    assert "40, not final," in look(teacher, both_site)
    assert "only once every shared goal is achieved" in learner.get(goal.partition("/goals")[0] + "/goals").text
    assert grades.run(tool) == 0, "that is known"

    learner.get(goal)
    learner.submit("/achieved")
    assert grades.run(tool) == 1
    assert progress(both_site) == {"learner": "FullyGraded"}
    assert there(both_site.lms.lms) == {"learner": (100, "Completed")}
    assert "not final," not in look(teacher, both_site)

    set_goal(learner, "Pass the quizzes", current="0")
    assert grades.run(tool) == 1
    assert progress(both_site) == {"learner": "Pending"}
    assert there(both_site.lms.lms) == {"learner": (None, "InProgress")}, "what stood there is taken away"


def test_readiness_is_final_with_the_certificate(tool, both_site):
    open_column(both_site)
    send(both_site, "when_final")
    rate(both_site.database, 100)
    assert grades.run(tool) == 1
    assert progress(both_site) == {"learner": "Pending"}
    assert shown_there(both_site.lms.lms) == {"learner": None}
    award(both_site)
    assert grades.run(tool) == 1
    assert progress(both_site) == {"learner": "FullyGraded"}
    assert shown_there(both_site.lms.lms) == {"learner": 12}


def pages_of(site) -> tuple[str, str]:
    """Of the certification, as the learner reads it and the coordinator."""
    with site.database.reading() as db:
        ours = db.scalars(select(Pursuit).where(Pursuit.person_id == person_of(db, "learner").id)).one()
        program = db.scalars(select(Program)).one()
    found = []
    for name, path in (
        ("learner", f"learner/pursuits/{ours.id}"),
        ("coordinator", f"coordinator/programs/{program.id}/learners/{ours.person_id}"),
    ):
        visitor = Visitor()
        place = re.match(r".*/v/[^/]+", visitor.launch(site.lms.url, name, "1").url)[0]
        found.append(visitor.get(f"{place}/{path}").text)
    return found[0], found[1]


def test_pages_say_why_the_platform_shows_no_readiness_yet(both_site):
    open_column(both_site)
    rate(both_site.database, 100)
    assert not any("may still change" in page or "not final" in page for page in pages_of(both_site))
    send(both_site, "when_final")
    learners, coordinators = pages_of(both_site)
    assert "Moodle and Canvas show it only once you hold the certificate" in learners
    assert re.search(r"<p>In the gradebook of [^<]+<span[^>]*>.*not final", coordinators)
    award(both_site)
    assert not any("may still change" in page or "not final" in page for page in pages_of(both_site))


def test_a_change_of_mind_sends_what_is_not_final_and_nothing_else(tool, both_site, learner, teacher):
    lms = both_site.lms.lms
    show_goals(teacher, both_site)
    goal = set_goal(learner, "Read the book")
    assert grades.run(tool) == 1
    assert there(lms) == {"learner": (40, "InProgress")}
    assert "1 number that was sent may still change" in look(teacher, both_site)
    assert "take it away at once" in teacher.page.text, "before it is saved"

    assert "waits" in choose(teacher, both_site, "when_final")
    choose(teacher, both_site, "as_it_stands")
    assert grades.run(tool) == 0, "as it was"
    choose(teacher, both_site, "when_final")
    assert grades.run(tool) == 1
    assert there(lms) == {"learner": (None, "InProgress")}
    assert "everybody who sees the column sees it" in look(teacher, both_site)
    choose(teacher, both_site, "as_it_stands")
    assert grades.run(tool) == 1
    assert there(lms) == {"learner": (40, "InProgress")}

    learner.get(goal)
    learner.submit("/achieved")
    assert grades.run(tool) == 1
    assert "may still change." not in look(teacher, both_site)
    choose(teacher, both_site, "when_final")
    assert grades.run(tool) == 0, "a final score is final either way"
    assert there(lms) == {"learner": (100, "Completed")}
    with both_site.database.reading() as db:
        said = db.scalars(select(AuditEntry.place).where(AuditEntry.action == "column_changed")).all()
    assert [place.rpartition(": ")[2] for place in said].count("when_final") == 3
    assert len(said) == 5


def test_a_number_that_is_taken_away_is_so_either_way(tool, both_site, learner, teacher):
    look(teacher, both_site)
    teacher.submit("/grades", {"sends": "when_final"})
    goal = set_goal(learner, "Read the book")
    assert grades.run(tool) == 1
    learner.get(goal)
    learner.submit("/removed")
    assert grades.run(tool) == 1
    assert progress(both_site) == {"learner": "NotReady"}
    choose(teacher, both_site, "as_it_stands")
    assert grades.run(tool) == 0


def test_a_platform_that_shows_pending_numbers_is_read_back_with_them(tool, both_site, learner, teacher):
    both_site.lms.lms.shows_pending = True
    look(teacher, both_site)
    teacher.submit("/grades", {"sends": "when_final"})
    set_goal(learner, "Read the book")
    assert grades.run(tool) == 1
    assert (progress(both_site), score(both_site).read_value) == ({"learner": "Pending"}, 40)


def test_no_number_is_sent_as_it_stands_once_it_shall_wait(tool, both_site):
    open_column(both_site)
    lms = both_site.lms.lms
    crowd(both_site, lms, 3)
    lms.bad_answers[:] = [nothing, nothing, lambda: send(both_site, "when_final")]
    assert grades.run(tool) == 5, "the first one again"
    assert set(progress(both_site).values()) == {"Pending"}
    assert set(shown_there(lms).values()) == {None}


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_whoever_was_refused_is_told_by_the_new_choice(tool, both_site, when):
    open_column(both_site)
    lms = both_site.lms.lms

    def refuse():
        if when == "meanwhile":
            send(both_site, "when_final")
        return answering(400)()

    lms.bad_answers[:] = [nothing, nothing, refuse]
    assert grades.run(tool) == (0 if when == "before" else 1)
    if when == "before":
        assert score(both_site).problem == "grades.person_refused"
        send(both_site, "when_final")
        assert grades.run(tool) == 1
    assert progress(both_site) == {"learner": "Pending"}


def show_again(site) -> None:
    with site.database.transaction() as db:
        column, by = db.scalars(select(GradeColumn)).one(), person_of(db, "coordinator")
        gradebook.close_column(column)
        program, course = readiness_columns.place(db, by, column.program_id, column.course_id)
        readiness_columns.open_column(db, program, course, column.certification_id, by=by)


MADE_TO_WAIT = {
    "by the choice": lambda site: send(site, "when_final"),
    "by a rating": lambda site: rate(site.database, 100),
    "by the certificate": award,
    "by showing it again": show_again,
}


@pytest.mark.parametrize("again", MADE_TO_WAIT.values(), ids=MADE_TO_WAIT)
def test_an_old_refusal_is_not_shown_of_what_waits_again(tool, both_site, again):
    open_column(both_site)
    both_site.lms.lms.bad_answers[:] = [nothing, nothing, answering(400)]
    assert grades.run(tool) == 0
    assert score(both_site).problem == "grades.person_refused"
    again(both_site)
    assert score(both_site).problem is None


def test_only_what_can_be_chosen_is(both_site, teacher):
    show_goals(teacher, both_site)
    look(teacher, both_site)
    answer = teacher.submit("/grades/sends", {"sends": "whenever"})
    assert answer.status_code == 422
    assert "Before a score is final" in answer.text
    with both_site.database.reading() as db:
        assert db.scalars(select(GradeColumn.sends)).one() == "as_it_stands"
