"""Goal progress in the gradebook of a course: which goals count, what they come to, and counting them again."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from lti_mentor.mentoring import goal_progress, gradebook
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.goals import Goal, of_course
from lti_mentor.mentoring.gradebook import GradeColumn, Value
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program

ACHIEVED = Fraction(100)
NOTHING: Value = (None, False)  # for somebody without a goal that counts: never 0


@dataclass(frozen=True)
class Counted:
    """A goal with what it counts, from 0 to 100."""

    goal: Goal
    value: Fraction


@dataclass(frozen=True)
class GoalSum:
    """What somebody's goals of a course come to: the plain mean of at least one."""

    goals: tuple[Counted, ...]

    @property
    def value(self) -> Fraction:
        return sum((each.value for each in self.goals), Fraction(0)) / len(self.goals)

    @property
    def is_complete(self) -> bool:
        return all(each.goal.status == "achieved" for each in self.goals)


def sums(db: Session, program: Program, course: Course, person_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, GoalSum]:
    """By person, of those who have a goal that counts; a fixed number of queries.

    Shared goals of the course count, set in the program or before somebody was in any: a private one is nobody's
    business, and one of another program stands in that program's column. What the mentee says is achieved is 100.
    """
    of_program = select(Mentorship.id).where(
        Mentorship.organization_id == course.organization_id, Mentorship.program_id == program.id
    )
    wanted = select(Goal).where(
        Goal.organization_id == course.organization_id,
        Goal.owner_id.in_(person_ids),
        Goal.visibility == "shared",
        Goal.status != "removed",
        or_(Goal.mentorship_id.is_(None), Goal.mentorship_id.in_(of_program)),
        of_course(course.id),
    )
    found = db.scalars(wanted.order_by(Goal.owner_id, Goal.due_on, Goal.id)).all()
    progress = goal_progress.of_many(db, [goal for goal in found if goal.status == "open"])
    counted = [Counted(goal, progress[goal.id].value if goal.id in progress else ACHIEVED) for goal in found]
    by_owner = groupby(counted, key=lambda each: each.goal.owner_id)
    return {owner_id: GoalSum(tuple(theirs)) for owner_id, theirs in by_owner}


def would_be_sent(db: Session, program: Program, course: Course) -> dict[uuid.UUID, GoalSum | None]:
    """The mentees of the program in the course, also those of whom nothing is sent."""
    people = db.scalars(gradebook.mentees(program.id, course)).all()
    found = sums(db, program, course, people)
    return {person_id: found.get(person_id) for person_id in people}


@dataclass(frozen=True)
class Shown:
    """What a column says of somebody."""

    program: Program
    course: Course
    sum: GoalSum
    is_pending: bool


def of_person(db: Session, person: Person) -> list[Shown]:
    """What gradebooks say of the person's goals: once for each program and course that shows them."""
    shown = []
    for _, column in gradebook.for_goals(db, person.organization_id, [person.id]):
        program, course = db.get_one(Program, column.program_id), db.get_one(Course, column.course_id)
        found = sums(db, program, course, [person.id]).get(person.id)
        if found is not None:
            is_pending = column.sends == "when_final" and not found.is_complete
            shown.append(Shown(program, course, found, is_pending))
    return shown


def count(db: Session, column: GradeColumn, most: int) -> int:
    """Count again what goals may have moved; how many scores that were. Who left the course keeps the score they had.

    The scores are taken first: what is committed until then is seen in the goals.
    """
    scores = gradebook.stale(db, column, most)
    program, course = db.get_one(Program, column.program_id), db.get_one(Course, column.course_id)
    ids = [score.person_id for score in scores]
    here = set(db.scalars(gradebook.mentees(program.id, course).where(Member.person_id.in_(ids))))
    found = {person_id: (each.value, each.is_complete) for person_id, each in sums(db, program, course, here).items()}
    gradebook.keep(db, column, dict.fromkeys(here, NOTHING) | found)
    for score in scores:
        score.is_stale = False
    return len(scores)
