"""Sending statements to record stores outside: claim, send, mark. No transaction is open while anything is sent."""

import logging
import secrets
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass
from datetime import datetime, timedelta

from lti_mentor import clock
from lti_mentor.db import UNREACHABLE
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
EVERY = timedelta(seconds=1)
AT_ONCE = 8  # targets
TURN = timedelta(seconds=10)  # of one target: it sends on until then
RUN = timedelta(seconds=30)  # new turns begin until then; other jobs wait as long
A_LOOK = 0.5  # seconds between two looks for targets that became due while others are sent to
LASTING = ("target.shut_out", "target.no_token", "target.no_lrs", "target.other_version", "target.address_refused")


def run(tool: Tool) -> int:
    """How many statements were delivered.

    Each target has a thread and a connection of its own, so that one that is slow holds up no other.
    """
    total, until = 0, clock.now() + RUN
    turns: set[Future[int]] = set()
    with ThreadPoolExecutor(AT_ONCE, "target") as threads:
        while True:
            while len(turns) < AT_ONCE and clock.now() < until and (target := _claim(tool)):
                turns.add(threads.submit(copy_context().run, send_some, tool, target))
            if not turns:
                return total
            done, turns = wait(turns, A_LOOK, FIRST_COMPLETED)
            total += sum(turn.result() for turn in done)


def _claim(tool: Tool) -> Target | None:
    with tool.database.transaction() as db:
        return outbox.claim(db, now=clock.now(), until=_lease(tool))


def _lease(tool: Tool) -> datetime:
    return clock.now() + timedelta(seconds=tool.settings.job_lease_seconds)


def send_some(tool: Tool, target: Target) -> int:
    """One turn of a target that is claimed; how many statements were delivered."""
    with http.keeping(tool.settings) as connection:
        turn = _Turn(tool, target, Speaker(tool, target, connection), clock.now() + TURN)
        try:
            turn.take()
        except PlatformError as problem:
            turn.fail(problem)
        except UNREACHABLE:
            raise  # the database is away: the lease ends by itself
        except Exception:
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
    until: datetime
    most: int = delivery.MOST  # that go together
    delivered: int = 0

    @property
    def is_over(self) -> bool:
        return clock.now() >= self.until

    def take(self) -> None:
        """Check a target that is new, and send what waits. Raises PlatformError."""
        if self.target.status == outbox.NEW:
            self.speaker.check()
            with self.tool.database.transaction() as db:
                outbox.accepted(db, self.target)
        while not self.is_over and (letters := self._next()) is not None:
            most = min(self.most, delivery.first_size(self.target.failures))
            if letters:
                self._send(delivery.batch(letters, most))

    def _next(self) -> list[Letter] | None:
        with self.tool.database.transaction() as db:
            return outbox.take(db, self.target, now=clock.now(), until=_lease(self.tool))

    def _send(self, letters: Sequence[Letter]) -> None:
        """Whatever cannot go together goes in halves, in the same order."""
        if self.is_over:
            return  # the rest has its turn later
        if len(letters) > self.most:
            return self._halve(letters)
        answer = self.speaker.send(letters)
        meaning = delivery.meaning(answer.status, len(letters))
        if meaning == Meaning.SPLIT:
            if answer.status == delivery.TOO_LONG:
                self.most = (len(letters) + 1) // 2
            self._halve(letters)
        elif meaning == Meaning.DELIVERED:
            with self.tool.database.transaction() as db:
                self.delivered += outbox.delivered(db, self.target, letters, now=clock.now())
            self.target.failures = 0
        elif meaning == Meaning.DEAD or self._breaks_it(letters, answer):
            self._put_aside(letters[0], answer)
        else:
            raise self.speaker.problem(answer)

    def _halve(self, letters: Sequence[Letter]) -> None:
        half = (len(letters) + 1) // 2
        self._send(letters[:half])
        self._send(letters[half:])

    def _breaks_it(self, letters: Sequence[Letter], answer: Answer) -> bool:
        """Whether everything works there, but for this statement."""
        if not delivery.is_stuck(answer.status, len(letters), self.target.failures):
            return False
        self.speaker.check()
        return True

    def _put_aside(self, letter: Letter, answer: Answer) -> None:
        log.warning("statement refused", extra={"target": str(self.target.id), "status": answer.status})
        said = self.speaker.shown(answer)
        with self.tool.database.transaction() as db:
            outbox.refused(db, self.target, letter, status=answer.status, answer=said, now=clock.now())
        self.target.failures = 0

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
