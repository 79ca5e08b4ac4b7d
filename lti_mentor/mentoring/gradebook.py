"""Grade columns of our own in a course, and the latest score of each person in them.

A score is a state, not a message: one row a person, changed in the transaction that moves readiness. A worker tells the
learning platform (``telling``); what it knows by then stands beside what it was told last. Of goals that transaction
only says that the score has to be counted again, and the worker counts it: see ``goals_moved``.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    UniqueConstraint,
    func,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, inserting, new_id, one_of
from lti_mentor.mentoring import catalog
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.programs import Participant, Program
from lti_mentor.mentoring.readiness import shown

STATES = ("open", "closed")
SENDS = ("as_it_stands", "when_final")  # what of a score that may still change
MAXIMUM = 100
REFUSED_FOR = timedelta(days=1)


class GradeColumn(Row):
    """Confirmed readiness of a program's mentees for a certification, or the progress of their goals of the course, as
    a column of its gradebook."""

    __tablename__ = "grade_columns"

    program_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("programs.id", ondelete="CASCADE"))
    course_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("courses.id", ondelete="CASCADE"))
    certification_id: Mapped[str | None] = mapped_column(ForeignKey("certifications.id"))  # none: goals
    key: Mapped[uuid.UUID] = mapped_column(default=new_id)  # our own id of it, which the platform keeps
    status: Mapped[str] = mapped_column(default="open")
    sends: Mapped[str] = mapped_column(default="as_it_stands")
    lineitem_url: Mapped[str | None]  # none: not found or made yet
    results_asked_at: Mapped[datetime | None]  # when the platform was last asked what stands there
    leased_until: Mapped[datetime | None]
    problem: Mapped[str | None]  # a reason code, when the platform refused
    failures: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint(
            "organization_id", "program_id", "course_id", "certification_id", name="uq_grade_columns_one_of_a_program"
        ),
        Index(
            "uq_grade_columns_goals_of_a_program",
            "organization_id",
            "program_id",
            "course_id",
            unique=True,
            sqlite_where=text("certification_id IS NULL"),
            postgresql_where=text("certification_id IS NULL"),
        ),
        one_of("status", STATES),
        one_of("sends", SENDS),
    )

    @property
    def label(self) -> str:
        return plain_label(self.certification_id)

    @property
    def tag(self) -> str:
        return "goals" if self.certification_id is None else "readiness"


class LatestScore(Row):
    """``value`` is points of MAXIMUM. It waits as long as it is not what was sent."""

    __tablename__ = "latest_scores"

    column_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("grade_columns.id", ondelete="CASCADE"))
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    value: Mapped[int | None]  # none: no goal that counts; one that was sent is taken away again
    is_complete: Mapped[bool] = mapped_column(default=False)  # certified, or every goal achieved
    is_stale: Mapped[bool] = mapped_column(default=False)  # a goal may have moved since it was counted
    changed_at: Mapped[datetime] = mapped_column(default=clock.now)
    sent_value: Mapped[int | None]
    sent_complete: Mapped[bool] = mapped_column(default=False)
    sent_pending: Mapped[bool] = mapped_column(default=False)  # as one that may still change
    sent_at: Mapped[datetime | None]  # the timestamp the platform has: the next one is later, in whole seconds
    refused_at: Mapped[datetime | None]  # the platform would not take it: tried again when it changes, or in a day
    problem: Mapped[str | None]
    read_value: Mapped[float | None]  # what the platform says, of MAXIMUM
    read_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("organization_id", "column_id", "person_id"),
        Index("ix_latest_scores_column_changed", "column_id", "changed_at"),
    )

    def is_pending(self, sends: str) -> bool:
        """Whether the platform is told that it may still change: most show nobody such a number."""
        return sends == "when_final" and self.value is not None and not self.is_complete

    def is_waiting(self, sends: str) -> bool:
        """``sends`` is what its column sends."""
        sent, now = (self.sent_value, self.sent_complete), (self.value, self.is_complete)
        is_known = sent == now and self.sent_pending == self.is_pending(sends)
        is_refused = self.refused_at is not None and self.refused_at >= clock.now() - REFUSED_FOR
        return self.is_stale or not (is_known or is_refused)


def plain_label(certification_id: str | None) -> str:
    """What the column for a certification, or for goals, says in the gradebook."""
    return "Goal progress" if certification_id is None else f"Readiness: {catalog.entry(certification_id).name}"


def label(db: Session, column: GradeColumn) -> str:
    """With the name of its program where the course has another column of that label, or platforms mix them up."""
    same = select(GradeColumn.id).where(
        GradeColumn.organization_id == column.organization_id,
        GradeColumn.course_id == column.course_id,
        GradeColumn.certification_id.is_not_distinct_from(column.certification_id),
        GradeColumn.id != column.id,
    )
    if db.scalar(same.limit(1)) is None:
        return column.label
    return f"{column.label} ({db.get_one(Program, column.program_id).name})"


def columns_of(db: Session, program: Program, course: Course) -> Sequence[GradeColumn]:
    """The open columns of a program in a course."""
    wanted = select(GradeColumn).where(
        GradeColumn.organization_id == course.organization_id,
        GradeColumn.program_id == program.id,
        GradeColumn.course_id == course.id,
        GradeColumn.status == "open",
    )
    return db.scalars(wanted.order_by(GradeColumn.certification_id)).all()


def sent_in(db: Session, program: Program, course: Course) -> dict[str | None, str]:
    """What each column of a program in a course sends, by certification; also of one that is closed."""
    wanted = select(GradeColumn.certification_id, GradeColumn.sends).where(
        GradeColumn.organization_id == course.organization_id,
        GradeColumn.program_id == program.id,
        GradeColumn.course_id == course.id,
    )
    return {row.certification_id: row.sends for row in db.execute(wanted)}


def open_column(db: Session, program: Program, course: Course, certification_id: str | None) -> GradeColumn:
    """Make the column, or open one again that was closed: the platform still knows it by the same key."""
    column = _known_or_new(db, program, course, certification_id)
    column.status, column.problem, column.retry_at = "open", None, None
    db.flush()
    for score in scores_of(db, column).values():
        score.refused_at = score.problem = None
    return column


def column_for(db: Session, program: Program, course: Course, certification_id: str | None) -> GradeColumn | None:
    """Open or closed."""
    return db.scalar(
        select(GradeColumn).where(
            GradeColumn.organization_id == course.organization_id,
            GradeColumn.program_id == program.id,
            GradeColumn.course_id == course.id,
            GradeColumn.certification_id.is_not_distinct_from(certification_id),
        )
    )


def _known_or_new(db: Session, program: Program, course: Course, certification_id: str | None) -> GradeColumn:
    """A new one is closed."""
    if certification_id is not None:
        catalog.entry(certification_id)
    column = column_for(db, program, course, certification_id)
    if column is None:
        key = {"program_id": program.id, "course_id": course.id, "certification_id": certification_id}
        column = GradeColumn(organization_id=course.organization_id, status="closed", **key)
        db.add(column)
    return column


def prepare_column(db: Session, program: Program, course: Course, certification_id: str | None) -> GradeColumn:
    """For a link that is about to be placed: closed, under a key of its own, until the platform has it.

    One that is open, or that the platform knows from before, is what it was.
    """
    column = _known_or_new(db, program, course, certification_id)
    if column.status == "closed" and column.lineitem_url is None:
        column.key = new_id()
    db.flush()
    return column


def without_address(db: Session, course: Course, key: uuid.UUID) -> GradeColumn | None:
    """The column of the course under this key, prepared or open, that is not known to be anywhere."""
    return db.scalar(
        select(GradeColumn).where(
            GradeColumn.organization_id == course.organization_id,
            GradeColumn.course_id == course.id,
            GradeColumn.key == key,
            GradeColumn.lineitem_url.is_(None),
        )
    )


def at_address(db: Session, course: Course, lineitem_url: str) -> GradeColumn | None:
    """The column of the course that the platform keeps at this address."""
    wanted = select(GradeColumn).where(
        GradeColumn.organization_id == course.organization_id,
        GradeColumn.course_id == course.id,
        GradeColumn.lineitem_url == lineitem_url,
    )
    return db.scalars(wanted.order_by(GradeColumn.id)).first()


def close_column(column: GradeColumn) -> None:
    """Send nothing more; what the platform has stays there."""
    column.status = "closed"


def choose(db: Session, column: GradeColumn, sends: str) -> None:
    """What it sends from now on. By it scores wait that may still change, also those that were refused."""
    if column.sends == sends:
        return
    column.sends = sends
    these = (LatestScore.organization_id == column.organization_id, LatestScore.column_id == column.id)
    unfinished = (LatestScore.value.is_not(None), LatestScore.is_complete.is_(False))
    db.execute(update(LatestScore).where(*these, *unfinished).values(refused_at=None, problem=None))


def scores_of(db: Session, column: GradeColumn) -> dict[uuid.UUID, LatestScore]:
    """By person."""
    wanted = select(LatestScore).where(
        LatestScore.organization_id == column.organization_id, LatestScore.column_id == column.id
    )
    return {score.person_id: score for score in db.scalars(wanted)}


Value = tuple[Fraction | None, bool]  # what to show, and whether it is complete


def keep(db: Session, column: GradeColumn, values: Mapping[uuid.UUID, Value]) -> None:
    """The confirmed readiness of people and whether they are certified, or their goals, as their latest scores."""
    known = scores_of(db, column)
    for person_id, (exact, is_complete) in values.items():
        score, points = known.get(person_id), None if exact is None else shown(exact)
        if score is None:
            score = LatestScore(organization_id=column.organization_id, column_id=column.id, person_id=person_id)
            db.add(score)
        elif (score.value, score.is_complete) == (points, is_complete):
            continue
        score.value, score.is_complete, score.changed_at = points, is_complete, clock.now()
        score.refused_at = score.problem = None
    db.flush()


Ids = Collection[uuid.UUID] | Select[uuid.UUID]


def columns_for(
    db: Session, organization_id: uuid.UUID, person_ids: Ids, certification_ids: set[str]
) -> list[tuple[uuid.UUID, GradeColumn]]:
    """The open columns for these certifications, each with every one of these people who belongs in it."""
    return _open_for(db, organization_id, person_ids, GradeColumn.certification_id.in_(certification_ids))


def for_goals(db: Session, organization_id: uuid.UUID, person_ids: Ids) -> list[tuple[uuid.UUID, GradeColumn]]:
    """The same of open columns for goals."""
    return _open_for(db, organization_id, person_ids, GradeColumn.certification_id.is_(None))


def _open_for(
    db: Session, organization_id: uuid.UUID, person_ids: Ids, shows: ColumnElement[bool]
) -> list[tuple[uuid.UUID, GradeColumn]]:
    wanted = (
        select(Member.person_id, GradeColumn)
        .join(GradeColumn, GradeColumn.course_id == Member.course_id)
        .join(Participant, Participant.program_id == GradeColumn.program_id)
        .where(
            Member.organization_id == organization_id,
            Member.person_id.in_(person_ids),
            Member.left_at.is_(None),
            Participant.person_id == Member.person_id,
            Participant.part == "mentee",
            GradeColumn.status == "open",
            shows,
        )
    )
    return [(row[0], row[1]) for row in db.execute(wanted)]


def mentees(program_id: uuid.UUID, course: Course) -> Select[uuid.UUID]:
    """Who belongs in the columns of a program in the course."""
    return (
        select(Member.person_id)
        .join(Participant, Participant.person_id == Member.person_id)
        .where(
            Member.organization_id == course.organization_id,
            Member.course_id == course.id,
            Member.left_at.is_(None),
            Participant.program_id == program_id,
            Participant.part == "mentee",
        )
    )


def goals_moved(db: Session, organization_id: uuid.UUID, person_ids: Ids) -> None:
    """The progress of goals of these people may be another now: their scores are counted again before they are told.

    Not here: progress is made of what several people change at the same time, and none of their transactions sees what
    the others do. Called by all that moves it: whatever happens to a shared goal (``goals``), a result (``results``),
    the map of a course and items taken out of a copy (``course_moved``), readiness and whoever joins (``standing``).
    """
    found = for_goals(db, organization_id, person_ids)
    _count_again(db, organization_id, [(column.id, person_id) for person_id, column in found])


def course_moved(db: Session, course: Course) -> None:
    """The same for everybody in the course."""
    members = select(Member.person_id).where(
        Member.organization_id == course.organization_id, Member.course_id == course.id
    )
    goals_moved(db, course.organization_id, members)


def count_all(db: Session, column: GradeColumn, course: Course) -> None:
    """The same for everybody who belongs in a column of goals."""
    people = db.scalars(mentees(column.program_id, course))
    _count_again(db, column.organization_id, [(column.id, person_id) for person_id in people])


def _count_again(db: Session, organization_id: uuid.UUID, places: Collection[tuple[uuid.UUID, uuid.UUID]]) -> None:
    """By column and person; always in one order, so that transactions do not wait for each other in a circle."""
    rows = [
        {"organization_id": organization_id, "column_id": column_id, "person_id": person_id, "is_stale": True}
        for column_id, person_id in sorted(places)
    ]
    if rows:
        key = ["organization_id", "column_id", "person_id"]
        marked = inserting(db, LatestScore).on_conflict_do_update(index_elements=key, set_={"is_stale": True})
        db.execute(marked, rows)


def problems(db: Session, organization_id: uuid.UUID) -> Sequence[tuple[uuid.UUID, str, int]]:
    """Why columns could not be filled the last time: deployment, reason, and how many columns."""
    wanted = (
        select(Course.deployment_id, GradeColumn.problem, func.count())
        .join(Course, Course.id == GradeColumn.course_id)
        .where(
            GradeColumn.organization_id == organization_id,
            GradeColumn.status == "open",
            GradeColumn.problem.is_not(None),
        )
        .group_by(Course.deployment_id, GradeColumn.problem)
    )
    return [(deployment_id, str(reason), count) for deployment_id, reason, count in db.execute(wanted)]


def count_open(db: Session, deployment_ids: Iterable[uuid.UUID]) -> int:
    """Open columns in the courses of these deployments."""
    wanted = select(func.count()).select_from(GradeColumn).join(Course, Course.id == GradeColumn.course_id)
    ours = wanted.where(Course.deployment_id.in_(list(deployment_ids)), GradeColumn.status == "open")
    return db.scalar(ours) or 0


def stale(db: Session, column: GradeColumn, most: int) -> Sequence[LatestScore]:
    """Scores to count again, ours until the transaction ends; one that is being marked has its turn later."""
    wanted = (
        select(LatestScore)
        .where(
            LatestScore.organization_id == column.organization_id,
            LatestScore.column_id == column.id,
            LatestScore.is_stale,
        )
        .limit(most)
    )
    return db.scalars(wanted.with_for_update(skip_locked=True)).all()


def complete(db: Session, organization_id: uuid.UUID, person_id: uuid.UUID, certification_id: str) -> None:
    """The person holds the certificate: their scores say so."""
    columns = [column.id for _, column in columns_for(db, organization_id, [person_id], {certification_id})]
    wanted = select(LatestScore).where(
        LatestScore.organization_id == organization_id,
        LatestScore.person_id == person_id,
        LatestScore.column_id.in_(columns),
    )
    for score in db.scalars(wanted):
        score.is_complete, score.changed_at = True, clock.now()
        score.refused_at = score.problem = None
