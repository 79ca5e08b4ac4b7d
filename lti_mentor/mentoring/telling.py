"""Telling scores and reading results: which column has its turn, what waits in it, and how it went."""

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, Uuid, and_, bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.db import Base
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.gradebook import REFUSED_FOR, GradeColumn, LatestScore

GONE = "grades.column_gone"  # the reason, where the platform had the column and has it no more
REFUSED = "grades.column_refused"  # where it takes no score into the column, whosever
READ_EVERY = timedelta(days=1)
BELIEVED = 3  # times in a row a platform may ask for a shorter wait and take nothing
FIRST_WAIT, LATEST_WAIT = timedelta(seconds=30), timedelta(hours=6)


def claim(db: Session, until: datetime, *, besides: Collection[uuid.UUID] = ()) -> tuple[GradeColumn, uuid.UUID] | None:
    """The column that has waited longest with something to send, ours until then, and its deployment.

    ``besides`` are deployments that had their turn.
    """
    waits = _has_score(or_(LatestScore.is_stale, _to_send()))
    return _claimed(db, until, _free(besides).where(waits).order_by(GradeColumn.retry_at, GradeColumn.id))


def claim_to_read(
    db: Session, until: datetime, *, besides: Collection[uuid.UUID] = ()
) -> tuple[GradeColumn, uuid.UUID] | None:
    """The same of the column whose results were not asked for for the longest time, a day at least.

    It counts as asked from now on, whatever the platform answers: it has its next turn in a day.
    """
    now = clock.now()
    old = or_(GradeColumn.results_asked_at.is_(None), GradeColumn.results_asked_at < now - READ_EVERY)
    is_there = (GradeColumn.lineitem_url.is_not(None), _has_score(LatestScore.sent_at.is_not(None)))
    oldest = (GradeColumn.results_asked_at.is_not(None), GradeColumn.results_asked_at, GradeColumn.id)
    claimed = _claimed(db, until, _free(besides).where(old, *is_there).order_by(*oldest))
    if claimed is not None:
        claimed[0].results_asked_at = now
    return claimed


def _has_score(such: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(LatestScore.id).where(LatestScore.column_id == GradeColumn.id, such).exists()


Columns = Select[GradeColumn, uuid.UUID]


def _free(besides: Collection[uuid.UUID]) -> Columns:
    """Open columns that nobody works on, of deployments besides these."""
    now = clock.now()
    return (
        select(GradeColumn, Course.deployment_id)
        .join(Course, Course.id == GradeColumn.course_id)
        .where(
            GradeColumn.status == "open",
            Course.deployment_id.not_in(besides),
            or_(GradeColumn.leased_until.is_(None), GradeColumn.leased_until < now),
            or_(GradeColumn.retry_at.is_(None), GradeColumn.retry_at <= now),
        )
    )


def _claimed(db: Session, until: datetime, wanted: Columns) -> tuple[GradeColumn, uuid.UUID] | None:
    found = db.execute(wanted.limit(1).with_for_update(skip_locked=True, of=GradeColumn)).one_or_none()
    if found is None:
        return None
    found[0].leased_until = until
    return found[0], found[1]


def _is_pending() -> ColumnElement[bool]:
    """As ``is_pending`` says it, in the database."""
    is_unfinished = and_(LatestScore.value.is_not(None), LatestScore.is_complete.is_(False))
    return and_(GradeColumn.sends == "when_final", is_unfinished)


def _to_send() -> ColumnElement[bool]:
    """As ``is_waiting`` says it of one that is counted, in the database."""
    return and_(
        or_(
            LatestScore.sent_value.is_distinct_from(LatestScore.value),
            LatestScore.sent_complete.is_distinct_from(LatestScore.is_complete),
            LatestScore.sent_pending.is_distinct_from(_is_pending()),
        ),
        or_(LatestScore.refused_at.is_(None), LatestScore.refused_at < clock.now() - REFUSED_FOR),
    )


def waiting(db: Session, column: GradeColumn, most: int) -> list[LatestScore]:
    """Scores to send, the oldest change first."""
    wanted = (
        select(LatestScore)
        .join(GradeColumn, GradeColumn.id == LatestScore.column_id)
        .where(
            LatestScore.organization_id == column.organization_id,
            LatestScore.column_id == column.id,
            LatestScore.is_stale.is_(False),
            _to_send(),
        )
        .order_by(LatestScore.changed_at, LatestScore.id)
        .limit(most)
    )
    return list(db.scalars(wanted))


# Made once: building a statement costs more than running it.
_COLUMNS, _SCORES = (Base.metadata.tables[name] for name in ("grade_columns", "latest_scores"))
_THIS_SCORE = (
    _SCORES.c.organization_id == bindparam("of", type_=Uuid()),
    _SCORES.c.id == bindparam("told", type_=Uuid()),
)
_MAY_BE_TOLD = (
    select(_SCORES.c.id)
    .join(_COLUMNS, _COLUMNS.c.id == _SCORES.c.column_id)
    .where(
        *_THIS_SCORE,
        _SCORES.c.person_id == bindparam("person", type_=Uuid()),
        _COLUMNS.c.status == "open",
        _COLUMNS.c.sends == bindparam("sends"),
    )
)
_TOLD = (
    update(_SCORES)
    .where(*_THIS_SCORE)
    .values(
        sent_value=bindparam("told_value"),
        sent_complete=bindparam("told_complete"),
        sent_pending=bindparam("told_pending"),
        sent_at=bindparam("told_at"),
        refused_at=None,
        problem=None,
    )
)


def may_be_told(db: Session, score: LatestScore, sends: str) -> bool:
    """Whether it is still there, of the same person and in an open column that still sends this."""
    given = {"of": score.organization_id, "told": score.id, "person": score.person_id, "sends": sends}
    return db.scalar(_MAY_BE_TOLD, given) is not None


def told(db: Session, score: LatestScore, sends: str, *, at: datetime) -> None:
    """The platform has what the score was when it was read; when it changed meanwhile it waits again by itself."""
    said = {"told_value": score.value, "told_complete": score.is_complete, "told_pending": score.is_pending(sends)}
    db.execute(_TOLD, {"of": score.organization_id, "told": score.id, "told_at": at, **said})


def failed(column: GradeColumn, reason: str, *, retry_after: int | None, told: int = 0) -> None:
    """Try the column again when the platform said, else later, each time twice as late until it takes a score.

    One that says "soon" again and again and takes nothing is asked as late as one that says nothing: its other columns
    have their turn meanwhile.
    """
    column.failures = 1 if told else column.failures + 1
    doubled = FIRST_WAIT * 2 ** min(column.failures, 10)
    said = doubled if retry_after is None else timedelta(seconds=max(retry_after, 1))
    wait = said if column.failures <= BELIEVED else max(said, doubled)
    column.problem, column.leased_until = reason, None
    column.retry_at = clock.now() + min(wait, LATEST_WAIT)


def last_told_at(db: Session, column: GradeColumn) -> datetime | None:
    """When the platform last took a score of anybody into it."""
    these = (LatestScore.organization_id == column.organization_id, LatestScore.column_id == column.id)
    return db.scalar(select(func.max(LatestScore.sent_at)).where(*these))


def begin_anew(db: Session, column: GradeColumn) -> None:
    """The platform has a column without any score of ours, or will: all of them are told, also what was told before.

    Their timestamps go on: it may be the same column after all.
    """
    column.lineitem_url = None
    these = (LatestScore.organization_id == column.organization_id, LatestScore.column_id == column.id)
    nothing = {"sent_value": None, "sent_complete": False, "sent_pending": False, "read_value": None, "read_at": None}
    db.execute(update(LatestScore).where(*these).values(**nothing, refused_at=None, problem=None))


def gone(db: Session, column: GradeColumn) -> None:
    """Somebody deleted it there. It is made anew at once; when that comes to nothing, later each time."""
    begin_anew(db, column)
    failed(column, GONE, retry_after=None)
    if column.failures == 1:
        column.problem = column.retry_at = None


def refused(db: Session, column: GradeColumn) -> None:
    """Nobody is refused by it. Its address stays: without, another column would be made beside it."""
    these = (LatestScore.organization_id == column.organization_id, LatestScore.column_id == column.id)
    by_it = (*these, LatestScore.problem == "grades.person_refused")
    db.execute(update(LatestScore).where(*by_it).values(refused_at=None, problem=None))
    failed(column, REFUSED, retry_after=None)


def give_back(column: GradeColumn) -> None:
    """The next worker goes on with it."""
    column.leased_until = None


def rest(column: GradeColumn, reason: str) -> None:
    """Told for as long as it may at a time; the others have their turn."""
    column.failures = 0
    failed(column, reason, retry_after=None)


def done(column: GradeColumn) -> None:
    """Everything that waited is told or refused."""
    column.problem = column.leased_until = column.retry_at = None
    column.failures = 0
