"""Grade columns of our own in a course, and the latest score of each person in them.

A score is a state, not a message: one row a person, changed in the transaction that moves readiness. A worker tells the
learning platform; what it knows by then stands beside what it was told last.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    UniqueConstraint,
    Uuid,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base, Row, new_id, one_of
from lti_mentor.mentoring import catalog
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.programs import Participant, Program
from lti_mentor.mentoring.readiness import shown

STATES = ("open", "closed")
MAXIMUM = 100
REFUSED_FOR = timedelta(days=1)


class GradeColumn(Row):
    """Confirmed readiness of a program's mentees for a certification, as a column of a course's gradebook."""

    __tablename__ = "grade_columns"

    program_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("programs.id", ondelete="CASCADE"))
    course_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("courses.id", ondelete="CASCADE"))
    certification_id: Mapped[str] = mapped_column(ForeignKey("certifications.id"))
    key: Mapped[uuid.UUID] = mapped_column(default=new_id)  # our own id of it, which the platform keeps
    status: Mapped[str] = mapped_column(default="open")
    lineitem_url: Mapped[str | None]  # none: not found or made yet
    leased_until: Mapped[datetime | None]
    problem: Mapped[str | None]  # a reason code, when the platform refused
    failures: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint(
            "organization_id", "program_id", "course_id", "certification_id", name="uq_grade_columns_one_of_a_program"
        ),
        one_of("status", STATES),
    )

    @property
    def label(self) -> str:
        return f"Readiness: {catalog.entry(self.certification_id).name}"


class LatestScore(Row):
    """``value`` is points of MAXIMUM. It waits as long as it is not what was sent."""

    __tablename__ = "latest_scores"

    column_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("grade_columns.id", ondelete="CASCADE"))
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    value: Mapped[int]
    is_complete: Mapped[bool] = mapped_column(default=False)  # certified
    changed_at: Mapped[datetime] = mapped_column(default=clock.now)
    sent_value: Mapped[int | None]
    sent_complete: Mapped[bool] = mapped_column(default=False)
    sent_at: Mapped[datetime | None]  # the timestamp the platform has: the next one is later, in whole seconds
    refused_at: Mapped[datetime | None]  # the platform would not take it: tried again when it changes, or in a day
    problem: Mapped[str | None]
    read_value: Mapped[float | None]  # what the platform says, of MAXIMUM
    read_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("organization_id", "column_id", "person_id"),
        Index("ix_latest_scores_column_changed", "column_id", "changed_at"),
    )

    @property
    def is_waiting(self) -> bool:
        is_known = self.sent_value == self.value and self.sent_complete == self.is_complete
        return not is_known and (self.refused_at is None or self.refused_at < clock.now() - REFUSED_FOR)


def columns_of(db: Session, program: Program, course: Course) -> Sequence[GradeColumn]:
    """The open columns of a program in a course."""
    wanted = select(GradeColumn).where(
        GradeColumn.organization_id == course.organization_id,
        GradeColumn.program_id == program.id,
        GradeColumn.course_id == course.id,
        GradeColumn.status == "open",
    )
    return db.scalars(wanted.order_by(GradeColumn.certification_id)).all()


def open_column(db: Session, program: Program, course: Course, certification_id: str) -> GradeColumn:
    """Make the column, or open one again that was closed: the platform still knows it by the same key."""
    column = _known_or_new(db, program, course, certification_id)
    column.status, column.problem, column.retry_at = "open", None, None
    db.flush()
    for score in scores_of(db, column).values():
        score.refused_at = None
    return column


def _known_or_new(db: Session, program: Program, course: Course, certification_id: str) -> GradeColumn:
    """A new one is closed."""
    catalog.entry(certification_id)
    key = {"program_id": program.id, "course_id": course.id, "certification_id": certification_id}
    column = db.scalar(select(GradeColumn).filter_by(organization_id=course.organization_id, **key))
    if column is None:
        column = GradeColumn(organization_id=course.organization_id, status="closed", **key)
        db.add(column)
    return column


def prepare_column(db: Session, program: Program, course: Course, certification_id: str) -> GradeColumn:
    """For a link that is about to be placed: closed, under a key of its own, until the platform has it.

    One that is open, or that the platform knows from before, is what it was.
    """
    column = _known_or_new(db, program, course, certification_id)
    if column.status == "closed" and column.lineitem_url is None:
        column.key = new_id()
    db.flush()
    return column


def prepared(db: Session, course: Course, key: uuid.UUID) -> GradeColumn | None:
    """The column of the course that waits under this key."""
    return db.scalar(
        select(GradeColumn).where(
            GradeColumn.organization_id == course.organization_id,
            GradeColumn.course_id == course.id,
            GradeColumn.key == key,
            GradeColumn.status == "closed",
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


def scores_of(db: Session, column: GradeColumn) -> dict[uuid.UUID, LatestScore]:
    """By person."""
    wanted = select(LatestScore).where(
        LatestScore.organization_id == column.organization_id, LatestScore.column_id == column.id
    )
    return {score.person_id: score for score in db.scalars(wanted)}


def keep(db: Session, column: GradeColumn, values: Mapping[uuid.UUID, tuple[Fraction, bool]]) -> None:
    """The confirmed readiness of people and whether they are certified, as their latest scores."""
    known = scores_of(db, column)
    for person_id, (confirmed, is_complete) in values.items():
        score = known.get(person_id)
        if score is None:
            score = LatestScore(organization_id=column.organization_id, column_id=column.id, person_id=person_id)
            db.add(score)
        elif (score.value, score.is_complete) == (shown(confirmed), is_complete):
            continue
        score.value, score.is_complete, score.changed_at = shown(confirmed), is_complete, clock.now()
        score.refused_at = None
    db.flush()


def columns_for(
    db: Session, organization_id: uuid.UUID, person_ids: Sequence[uuid.UUID], certification_ids: set[str]
) -> list[tuple[uuid.UUID, GradeColumn]]:
    """The open columns for these certifications, each with every one of these people who belongs in it."""
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
            GradeColumn.certification_id.in_(certification_ids),
        )
    )
    return [(row[0], row[1]) for row in db.execute(wanted)]


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


def claim(db: Session, until: datetime, *, besides: Collection[uuid.UUID] = ()) -> tuple[GradeColumn, uuid.UUID] | None:
    """The column that has waited longest with something to send, ours until then, and its deployment.

    ``besides`` are deployments that had their turn.
    """
    now = clock.now()
    waits = select(LatestScore.id).where(LatestScore.column_id == GradeColumn.id, _to_send()).exists()
    wanted = (
        select(GradeColumn, Course.deployment_id)
        .join(Course, Course.id == GradeColumn.course_id)
        .where(
            GradeColumn.status == "open",
            Course.deployment_id.not_in(besides),
            or_(GradeColumn.leased_until.is_(None), GradeColumn.leased_until < now),
            or_(GradeColumn.retry_at.is_(None), GradeColumn.retry_at <= now),
            waits,
        )
        .order_by(GradeColumn.retry_at, GradeColumn.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=GradeColumn)
    )
    found = db.execute(wanted).one_or_none()
    if found is None:
        return None
    found[0].leased_until = until
    return found[0], found[1]


def _to_send() -> ColumnElement[bool]:
    """As ``is_waiting`` says it, in the database."""
    return and_(
        or_(
            LatestScore.sent_value.is_distinct_from(LatestScore.value),
            LatestScore.sent_complete.is_distinct_from(LatestScore.is_complete),
        ),
        or_(LatestScore.refused_at.is_(None), LatestScore.refused_at < clock.now() - REFUSED_FOR),
    )


def waiting(db: Session, column: GradeColumn, most: int) -> list[LatestScore]:
    """Scores to send, the oldest change first."""
    wanted = (
        select(LatestScore)
        .where(
            LatestScore.organization_id == column.organization_id,
            LatestScore.column_id == column.id,
            _to_send(),
        )
        .order_by(LatestScore.changed_at, LatestScore.id)
        .limit(most)
    )
    return list(db.scalars(wanted))


# Made once: building a statement costs more than running it.
_TOLD = (
    update(Base.metadata.tables["latest_scores"])
    .where(
        LatestScore.organization_id == bindparam("of", type_=Uuid()), LatestScore.id == bindparam("told", type_=Uuid())
    )
    .values(
        sent_value=bindparam("told_value"),
        sent_complete=bindparam("told_complete"),
        sent_at=bindparam("told_at"),
        refused_at=None,
        problem=None,
    )
)


def told(db: Session, score: LatestScore, *, at: datetime) -> None:
    """The platform has what the score was when it was read; when it changed meanwhile it waits again by itself."""
    given = {"told_value": score.value, "told_complete": score.is_complete, "told_at": at}
    db.execute(_TOLD, {"of": score.organization_id, "told": score.id, **given})


def complete(db: Session, organization_id: uuid.UUID, person_id: uuid.UUID, certification_id: str) -> None:
    """The person holds the certificate: their scores say so."""
    columns = [column.id for _, column in columns_for(db, organization_id, [person_id], {certification_id})]
    wanted = select(LatestScore).where(
        LatestScore.organization_id == organization_id,
        LatestScore.person_id == person_id,
        LatestScore.column_id.in_(columns),
    )
    for score in db.scalars(wanted):
        score.is_complete, score.changed_at, score.refused_at = True, clock.now(), None


FIRST_WAIT, LATEST_WAIT = timedelta(seconds=30), timedelta(hours=6)


def failed(column: GradeColumn, reason: str, *, retry_after: int | None) -> None:
    """Try the column again later, each time twice as late, or when the platform said."""
    column.failures += 1
    wait = max(timedelta(seconds=retry_after or 0), FIRST_WAIT * 2 ** min(column.failures, 10))
    column.problem, column.leased_until = reason, None
    column.retry_at = clock.now() + min(wait, LATEST_WAIT)


def rest(column: GradeColumn, reason: str) -> None:
    """Told for as long as it may at a time; the others have their turn."""
    column.failures = 0
    failed(column, reason, retry_after=None)


def done(column: GradeColumn) -> None:
    """Everything that waited is told or refused."""
    column.problem = column.leased_until = column.retry_at = None
    column.failures = 0
