"""Sending statements to record stores outside: claim, send, mark. No transaction is open while anything is sent."""

import json
import logging
import secrets
import threading
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta

from lti_mentor import clock
from lti_mentor.activity import record
from lti_mentor.db import UNREACHABLE, is_away
from lti_mentor.errors import PlatformError
from lti_mentor.jobs.outside import Speaker, reason_of
from lti_mentor.lti import http
from lti_mentor.lti.http import Answer
from lti_mentor.tool import Tool
from xapi import delivery, outbox
from xapi.delivery import Meaning
from xapi.outbox import Letter
from xapi.rows import Target

log = logging.getLogger(__name__)
AT_ONCE, LONG_AT_ONCE = 16, 8  # targets, and those of them whose last turn was long
TURN = timedelta(seconds=10)  # of one target: it sends on until then
LONG = timedelta(seconds=2)  # of a turn
_LONG: set[uuid.UUID] = set()  # targets of this process whose last turn was long: they are slow, or get very much
A_LOOK = 0.5  # seconds between two looks for targets that became due while others are sent to
REFUSES_ALL, TOO_NEW = "target.refuses_all", "target.statement_too_new"
LASTING = (
    "target.shut_out",
    "target.no_token",
    "target.no_lrs",
    "target.other_version",
    "target.address_refused",
    "target.not_encrypted",
    REFUSES_ALL,
)


def deliver(tool: Tool, stop: threading.Event) -> None:
    """Until ``stop`` is set; a database that is away for a while is waited for."""
    while not stop.is_set():
        try:
            run(tool, stop)
        except UNREACHABLE:
            log.warning("the database does not answer")
        except Exception:
            log.exception("delivery failed")  # it begins anew: nobody else would
        stop.wait(tool.settings.worker_poll_seconds)


def run(tool: Tool, stop: threading.Event | None = None) -> int:
    """Until nothing is due, or ``stop`` is set; how many statements were delivered.

    Each target has a thread and a connection of its own, so that one that is slow holds up no other; and however many
    are slow, threads are left for those that are not.
    """
    total, stop = 0, stop or threading.Event()
    turns: dict[Future[int], tuple[uuid.UUID, datetime]] = {}
    with ThreadPoolExecutor(AT_ONCE, "target") as threads:
        while True:
            while len(turns) < AT_ONCE and not stop.is_set() and (target := _claim(tool, turns.values())):
                turns[threads.submit(copy_context().run, send_some, tool, target, stop)] = target.id, clock.now()
            if not turns:
                return total
            done, _ = wait(turns, A_LOOK, FIRST_COMPLETED)
            for turn in done:
                _note(*turns.pop(turn))
                total += turn.result()


def _note(target_id: uuid.UUID, began: datetime) -> None:
    """How long the turn was that is over now."""
    if clock.now() - began < LONG:
        _LONG.discard(target_id)
    else:
        _LONG.add(target_id)


def _claim(tool: Tool, turns: Iterable[tuple[uuid.UUID, datetime]]) -> Target | None:
    others = _LONG if sum(target_id in _LONG for target_id, _ in turns) >= LONG_AT_ONCE else ()
    with tool.database.transaction() as db:
        return outbox.claim(db, now=clock.now(), until=_lease(tool), but=others)


def _lease(tool: Tool) -> datetime:
    return clock.now() + timedelta(seconds=tool.settings.job_lease_seconds)


def send_some(tool: Tool, target: Target, stop: threading.Event) -> int:
    """One turn of a target that is claimed; how many statements were delivered."""
    with http.keeping(tool.settings, guarded=True) as connection:
        turn = _Turn(tool, target, Speaker(tool, target, connection), stop, clock.now() + TURN)
        try:
            turn.take()
        except PlatformError as problem:
            turn.fail(problem)
        except Exception as problem:
            if is_away(problem):
                raise  # the lease ends by itself
            log.exception("statements not delivered")  # this target waits; the others have nothing to do with it
            turn.fail(PlatformError("error"))
    with tool.database.transaction() as db:
        outbox.release(db, target, now=clock.now())
    return turn.delivered


@dataclass
class _Turn:
    """What one target gets until its time is over."""

    tool: Tool
    target: Target
    speaker: Speaker
    stop: threading.Event
    until: datetime
    most: int = delivery.MOST  # that go together
    delivered: int = 0
    refused: int = 0  # in a row

    @property
    def is_over(self) -> bool:
        return self.stop.is_set() or clock.now() >= self.until

    def take(self) -> None:
        """Check a target that is new, and send what waits. Raises PlatformError."""
        if self.target.status == outbox.NEW:
            self.speaker.check()
            with self.tool.database.transaction() as db:
                outbox.accepted(db, self.target)
        while not self.is_over and (letters := self._next()) is not None:
            most = min(self.most, delivery.first_size(self.target.failures))
            if len(letters) > 1 and self.target.failures >= delivery.STUCK_AFTER:
                self._get_past(letters)
            elif letters:
                self._send(delivery.batch(letters, most))

    def _next(self) -> list[Letter] | None:
        """Without those that the target has to refuse: ten of them in a row would stop it."""
        now, version = clock.now(), self.target.version
        with self.tool.database.transaction() as db:
            letters = outbox.take(db, self.target, now=now, until=_lease(self.tool))
            if letters is None:
                return None
            unfit = [each for each in letters if delivery.is_too_new(each, version)]
            outbox.unfit(db, self.target, unfit, TOO_NEW, now=now)
        return [each for each in letters if each not in unfit]

    def _send(self, letters: Sequence[Letter]) -> None:
        """Whatever cannot go together goes in halves, in the same order."""
        if len(letters) > self.most:
            return self._halve(letters)
        answer = self.speaker.send(letters)
        meaning = delivery.meaning(answer.status, len(letters))
        if meaning == Meaning.SPLIT:
            if answer.status == delivery.TOO_LONG:
                self.most = (len(letters) + 1) // 2
            self._halve(letters)
        elif meaning == Meaning.DELIVERED or (meaning == Meaning.KNOWN and self._is_there(letters[0])):
            self._mark(letters)
        elif meaning in (Meaning.DEAD, Meaning.KNOWN):
            self._put_aside(letters[0], answer.status, self.speaker.shown(answer))
        else:
            raise self.speaker.problem(answer)

    def _halve(self, letters: Sequence[Letter]) -> None:
        half = (len(letters) + 1) // 2
        for some in (letters[:half], letters[half:]):
            if not self.is_over:  # or it has its turn later
                self._send(some)

    def _get_past(self, letters: Sequence[Letter]) -> None:
        """Nothing got through for long: where another letter is taken, it is the first alone that breaks them.

        The other one overtakes none of its registration but the first, which is put aside then, or comes late. Order is
        given up last: once each of those that may go ahead had two chances, any other one gets one besides.
        """
        first, ahead = letters[0], delivery.first_of_each(letters[1:])
        tries = self.target.failures - delivery.STUCK_AFTER
        others = [ahead[tries % len(ahead)]]  # never the same for long
        if tries >= 2 * len(ahead):
            others.append(letters[1 + tries % (len(letters) - 1)])
        try:
            return self._send([first])
        except PlatformError as problem:
            if _is_of_the_target(problem) or not any(map(self._is_taken, others)):
                raise
        try:
            self._send([first])  # which may have come at the last bad moment
        except PlatformError as problem:
            if _is_of_the_target(problem):
                raise
            self._put_aside(first, _status(problem), str(problem.values.get("answer", "")))

    def _is_taken(self, letter: Letter) -> bool:
        try:
            answer: Answer = self.speaker.send([letter])
        except PlatformError:
            return False
        if delivery.meaning(answer.status, 1) != Meaning.DELIVERED:
            return False
        self._mark([letter])
        return True

    def _is_there(self, letter: Letter) -> bool:
        """After a conflict. Ids of ours are random, so nobody else has them; others may give one twice."""
        said = json.loads(letter.body)
        with self.tool.database.reading() as db:
            ours = record.authority(db)
        return said["authority"] == ours or self.speaker.has(said)

    def _mark(self, letters: Sequence[Letter]) -> None:
        with self.tool.database.transaction() as db:
            self.delivered += outbox.delivered(db, self.target, letters, now=clock.now())
        self.target.failures = self.refused = 0

    def _put_aside(self, letter: Letter, status: int | None, answer: str) -> None:
        """Raises PlatformError where nothing at all is taken, unless somebody has seen just that and resumed."""
        log.warning("statement refused", extra={"target": str(self.target.id), "status": status})
        with self.tool.database.transaction() as db:
            outbox.refused(db, self.target, letter, status=status, answer=answer, now=clock.now())
        self.target.failures, self.refused = 0, self.refused + 1
        if self.refused >= delivery.MOST_REFUSED and not self.delivered and self.target.problem != REFUSES_ALL:
            raise PlatformError(REFUSES_ALL, status=status, answer=answer)

    def fail(self, problem: PlatformError) -> None:
        """Wait, or stop until somebody has looked."""
        reason = reason_of(problem)
        status, answer = problem.values.get("status"), str(problem.values.get("answer", ""))
        log.warning(
            "statements not delivered", extra={"target": str(self.target.id), "reason": reason, "status": status}
        )
        said = f"{status} {answer}".strip() if status else answer
        asked, now = problem.values.get("retry_after"), clock.now()
        with self.tool.database.transaction() as db:
            if reason in LASTING:
                outbox.shut_out(db, self.target, reason, said, now=now)
            else:
                seconds, spread = asked if isinstance(asked, int) else None, secrets.randbelow(1001) / 1000
                retry_at = now + delivery.wait(self.target.failures + 1, spread, seconds)
                outbox.failed(db, self.target, reason, said, now=now, retry_at=retry_at)


def _is_of_the_target(problem: PlatformError) -> bool:
    """Whatever it is sent, it would say the same."""
    return reason_of(problem) in LASTING or _status(problem) == delivery.TOO_MANY


def _status(problem: PlatformError) -> int | None:
    given = problem.values.get("status")
    return given if isinstance(given, int) else None
