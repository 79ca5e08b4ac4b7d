"""Telling learning platforms the latest scores, one column at a time, and reading back what they made of them.

Scores of goals are counted first.
"""

import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.db import is_away
from lti_mentor.errors import PlatformError
from lti_mentor.lti import contexts, links, platforms
from lti_mentor.lti.grades import Gradebook, Score
from lti_mentor.mentoring import courses, evidence, goal_columns, gradebook, people, telling
from lti_mentor.mentoring.evidence import Work
from lti_mentor.mentoring.gradebook import MAXIMUM, REFUSED_FOR, GradeColumn, LatestScore
from lti_mentor.queue import NEVER
from lti_mentor.tool import Tool

log = logging.getLogger(__name__)
EVERY = timedelta(seconds=5)
LEASE = timedelta(minutes=10)
BATCH = 50  # read at once; one that changes meanwhile is told again
REFUSED = (400, 403, 412, 422)  # of this person or number; another one may be taken
REFUSES_ALL = ({403}, {412})  # as of a column that is somebody else's
TOLD = 200
LONGEST = timedelta(minutes=5)  # for one column at a time
LONGEST_READING = timedelta(minutes=1)  # for one column; and in a run others begin until then
READINGS = 10  # in a run, of columns where nothing was told
RUN = timedelta(minutes=2)  # new rounds begin until then; other jobs wait as long
CONFLICTS = 3  # later timestamps that are tried when the platform has a later one


def run(tool: Tool, stop: threading.Event = NEVER) -> int:
    """How many scores were told.

    The deployments take turns, one column a round. One whose platform fails has its next turn in the next run.
    """
    total, until = 0, clock.now() + RUN
    had: set[uuid.UUID] = set()
    failed: set[uuid.UUID] = set()
    while not stop.is_set():
        with tool.database.transaction() as db:
            claimed = telling.claim(db, clock.now() + LEASE, besides=had | failed)
        if claimed is not None:
            told, answers = _work(tool, claimed[0], stop)
            (had if answers else failed).add(claimed[1])
            total += told
        elif not had or clock.now() > until:
            break
        else:
            had.clear()
    _read_some(tool, stop)
    return total


def _read_some(tool: Tool, stop: threading.Event) -> None:
    """What others changed in columns that nobody read for a day: a few in a run, one of a deployment."""
    until = clock.now() + LONGEST_READING
    had: set[uuid.UUID] = set()
    while len(had) < READINGS and not stop.is_set() and clock.now() < until:
        with tool.database.transaction() as db:
            claimed = telling.claim_to_read(db, clock.now() + LEASE, besides=had)
        if claimed is None:
            break
        column, deployment_id = claimed
        had.add(deployment_id)
        if _read_if_there(tool, column):
            _give_back(tool, column)
        else:
            _failed(tool, column, telling.GONE)


def _work(tool: Tool, column: GradeColumn, stop: threading.Event) -> tuple[int, bool]:
    """How many scores were told, and whether anything came of it: the platform answered, or scores were counted.

    Told to stop, it gives the column back after the score it is at.
    """
    told = tried = 0
    until = clock.now() + LONGEST
    try:
        counted = _count(tool, column, stop)
        book, issuer = _book(tool, column)
        if column.problem == telling.REFUSED:
            _look_anew(tool, book, column)
        while batch := _batch(tool, column, issuer):
            answers = []
            for each in batch:
                if stop.is_set():
                    _give_back(tool, column)
                    return told, True
                if tried and clock.now() > until:
                    raise PlatformError("grades.too_slow", retryable=True)
                tried += 1
                status = _tell(tool, book, column, each)
                told += status == TOLD
                if status is not None:
                    answers.append((each.score, status))
            _check(tool, book, column, answers)
    except PlatformError as problem:
        log.warning("scores not told", extra={"reason": problem.reason, "status": problem.values.get("status")})
        _failed(tool, column, problem.reason, problem.values.get("retry_after"), told)
        return told, problem.reason == telling.GONE
    except Exception as problem:
        if is_away(problem):
            raise  # the lease ends by itself
        log.exception("scores not told")  # this column waits; the others have nothing to do with it
        _failed(tool, column, "error")
    else:
        _done(tool, column, tried)
        if tried:
            _read_if_there(tool, column)  # one that is gone again so soon is noticed in a day
        return told, bool(tried or counted)
    return told, True


def _done(tool: Tool, column: GradeColumn, tried: int) -> None:
    with tool.database.transaction() as db:
        told = db.get(GradeColumn, column.id)
        if told is None:  # it may be gone with its course
            return
        telling.done(told)
        if tried:
            told.results_asked_at = clock.now()  # which comes next


def _give_back(tool: Tool, column: GradeColumn) -> None:
    with tool.database.transaction() as db:
        left = db.get(GradeColumn, column.id)
        if left is not None:  # it may be gone with its course
            telling.give_back(left)


def _failed(tool: Tool, column: GradeColumn, reason: str, retry_after: object = None, told: int = 0) -> None:
    def mark(db: Session) -> None:
        failed = db.get(GradeColumn, column.id)
        if failed is None:  # it may be gone with its course
            return
        if reason == "grades.too_slow":
            telling.rest(failed, reason)
        elif reason == telling.GONE:
            telling.gone(db, failed)
        elif reason == telling.REFUSED:
            telling.refused(db, failed)
        else:
            said = retry_after if isinstance(retry_after, int) else None
            telling.failed(failed, reason, retry_after=said, told=told)

    tool.database.write(mark)


def _read_if_there(tool: Tool, column: GradeColumn) -> bool:
    """False where the platform has no such column any more. Else what it has is kept, where it can be read now."""
    try:
        _read_back(tool, column)
    except PlatformError as problem:
        log.warning("scores not read back", extra={"reason": problem.reason, "status": problem.values.get("status")})
        return problem.reason != telling.GONE
    except Exception as problem:
        if is_away(problem):
            raise
        log.exception("scores not read back")  # the other columns have nothing to do with it
    return True


def _book(tool: Tool, column: GradeColumn) -> tuple[Gradebook, str]:
    """The gradebook of the column's course, and the issuer of its platform."""
    with tool.database.reading() as db:
        course = courses.get(db, column.organization_id, column.course_id)
        services = contexts.of(db, course.organization_id, course.deployment_id, course.context_id)
        platform = platforms.serving(db, column.organization_id, course.deployment_id)
    if services is None or platform is None or platform.status != "active":
        raise PlatformError("grades.not_offered")
    return Gradebook(tool, platform, services), platform.issuer


@dataclass(frozen=True)
class _Waiting:
    """A score and what its column sends, what the platform calls its person, and when they worked for it."""

    score: LatestScore
    sends: str
    subject: str | None
    work: Work | None


def _count(tool: Tool, column: GradeColumn, stop: threading.Event) -> int:
    """Count the goals that may have moved, so few people at a time that nobody waits long to write; how many it was."""
    total, counted = 0, BATCH if column.certification_id is None else 0
    while counted == BATCH and not stop.is_set():
        counted = tool.database.write(lambda db: goal_columns.count(db, db.get_one(GradeColumn, column.id), BATCH))
        total += counted
    return total


def _batch(tool: Tool, column: GradeColumn, issuer: str) -> list[_Waiting]:
    """None once somebody has closed the column."""
    with tool.database.transaction() as db:
        now = db.get_one(GradeColumn, column.id)
        now.leased_until = clock.now() + LEASE
        scores = telling.waiting(db, now, BATCH) if now.status == "open" else []
        ids = [score.person_id for score in scores]
        subjects = people.subjects_of(db, now.organization_id, issuer, ids)
        slug = now.certification_id
        work = evidence.work_of(db, now.organization_id, slug, ids) if slug is not None else {}
    return [_Waiting(score, now.sends, subjects.get(score.person_id), work.get(score.person_id)) for score in scores]


def _tell(tool: Tool, book: Gradebook, column: GradeColumn, waiting: _Waiting) -> int | None:
    """One score; what the platform answered, none when it was not asked.

    Raises PlatformError for what concerns the whole column.
    """
    score = waiting.score
    if waiting.subject is None:
        _refused(tool, waiting, "grades.no_account")
        return None
    at = _later(score.sent_at)
    for _ in range(CONFLICTS):
        address = _address(tool, book, column)
        with tool.database.reading() as db:
            if not telling.may_be_told(db, score, waiting.sends):  # closed or erased since the batch was read
                return None
        try:
            book.publish(address, _said(waiting, waiting.subject, at))
        except PlatformError as problem:
            if problem.reason != "platform.bad_status":
                raise  # it did not come as far as this score
            status = int(str(problem.values["status"]))
            if status == 409:
                at = _later(at)
                continue
            if status == 404 and not book.is_there(address):  # else it is the person who is not
                raise PlatformError(telling.GONE) from None
            if status in (404, *REFUSED):
                _refused(tool, waiting, "grades.person_refused")
                return status
            raise
        with tool.database.transaction() as db:
            telling.told(db, score, waiting.sends, at=at)
        return TOLD
    _refused(tool, waiting, "grades.conflict")
    return 409


def _check(tool: Tool, book: Gradebook, column: GradeColumn, answers: Sequence[tuple[LatestScore, int]]) -> None:
    """Raises PlatformError where the column is refused: several people are alike, and nobody was taken lately.

    People whom it never took say so only of a column that never took anybody: else it may be they who are refused.
    Where nobody may look at a column, it is gone when none of those whom it took is there: who was refused before may
    have left the course.
    """
    statuses = {status for _, status in answers}
    is_gone = statuses == {404} and not book.may_look
    if len(answers) > 1 and (is_gone or statuses in REFUSES_ALL):
        with tool.database.reading() as db:
            last = telling.last_told_at(db, column)
        known = [score for score, _ in answers if score.sent_at is not None and not (is_gone and score.refused_at)]
        took_nobody = last is None and not is_gone
        if took_nobody or (last is not None and last < clock.now() - REFUSED_FOR and len(known) > 1):
            raise PlatformError(telling.GONE if is_gone else telling.REFUSED, status=answers[0][1])


def _said(waiting: _Waiting, subject: str, at: datetime) -> Score:
    return Score(
        subject=subject,
        points=waiting.score.value,
        maximum=MAXIMUM,
        is_complete=waiting.score.is_complete,
        is_pending=waiting.score.is_pending(waiting.sends),
        at=at,
        began_at=waiting.work.began_at if waiting.work else None,
        handed_in_at=waiting.work.handed_in_at if waiting.work else None,
    )


def _later(known: datetime | None) -> datetime:
    """Now, and in another second than the last time: platforms compare whole seconds."""
    now = clock.now()
    return now if known is None else max(now, known.replace(microsecond=0) + timedelta(seconds=1))


def _address(tool: Tool, book: Gradebook, column: GradeColumn) -> str:
    """Of the column, which is looked for or made when it has none, or one where the platform was before it moved."""
    if column.lineitem_url is not None and book.is_near(column.lineitem_url):
        return column.lineitem_url
    url = book.find(column.key) or _made(tool, book, column)
    _keep_address(tool, column, url)
    return url


def _look_anew(tool: Tool, book: Gradebook, column: GradeColumn) -> None:
    """What has the address of a refused column may be somebody else's by now, and ours elsewhere.

    No column is made: nobody said that ours is gone. Raises PlatformError where the platform does not answer now.
    """
    try:
        url = book.find(column.key)
    except PlatformError as problem:
        if problem.retryable:
            raise
        return  # its columns may not be listed
    if url is not None:
        _keep_address(tool, column, url)


def _keep_address(tool: Tool, column: GradeColumn, url: str) -> None:
    with tool.database.transaction() as db:
        db.get_one(GradeColumn, column.id).lineitem_url = url
    column.lineitem_url = url  # ours while it is leased, so what we have of it is what there is


def _made(tool: Tool, book: Gradebook, column: GradeColumn) -> str:
    with tool.database.reading() as db:
        place = (book.services.deployment_id, book.services.context_id)
        content = ("goal", "") if column.certification_id is None else ("certification", column.certification_id)
        link_id = links.showing(db, column.organization_id, place, content, column_key=column.key)
        label = gradebook.label(db, column)
    tool.database.write(lambda db: telling.begin_anew(db, db.get_one(GradeColumn, column.id)))
    return book.make(column.key, label, MAXIMUM, tag=column.tag, link_id=link_id)


def _refused(tool: Tool, waiting: _Waiting, reason: str) -> None:
    told = waiting.score
    with tool.database.transaction() as db:
        score = db.get(LatestScore, told.id)  # none: erased meanwhile
        if score is None or (score.value, score.is_complete) != (told.value, told.is_complete):
            return
        if db.get_one(GradeColumn, score.column_id).sends == waiting.sends:
            score.refused_at, score.problem = clock.now(), reason


def _read_back(tool: Tool, column: GradeColumn) -> None:
    """What stands in our own column there, where reading is allowed. Raises PlatformError."""
    book, issuer = _book(tool, column)
    if not book.may_read:
        return
    with tool.database.reading() as db:
        subjects = people.all_subjects(db, column.organization_id, issuer)
    address, known = _address(tool, book, column), set(subjects.values())
    try:
        results = book.results(address, until=clock.now() + LONGEST_READING)
        found = {subject: points / most * MAXIMUM for subject, points, most in results if subject in known}
    except PlatformError as problem:
        if problem.values.get("status") == 404 and not book.is_there(address):
            raise PlatformError(telling.GONE) from None
        raise
    read = {person_id: found.get(subject) for person_id, subject in subjects.items()}
    tool.database.write(lambda db: _keep_results(db, db.get_one(GradeColumn, column.id), read))


def _keep_results(db: Session, column: GradeColumn, read: Mapping[uuid.UUID, float | None]) -> None:
    for person_id, score in gradebook.scores_of(db, column).items():
        score.read_value, score.read_at = read.get(person_id), clock.now()
