"""The loop that works on jobs, one at a time, until it is told to stop; and delivery beside it."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from lti_mentor import queue
from lti_mentor.db import UNREACHABLE, Database, is_away
from lti_mentor.jobs import connections, due_items, grades, retention, rosters, statements, upkeep
from lti_mentor.queue import NEVER
from lti_mentor.tool import Tool

log = logging.getLogger(__name__)
Step = Callable[[Tool, threading.Event], object]

STEPS: dict[str, tuple[Step, timedelta]] = {
    "upkeep": (upkeep.run, upkeep.EVERY),
    "due_items": (due_items.run, due_items.EVERY),
    "connections": (connections.run, connections.EVERY),
    "rosters": (rosters.run, rosters.EVERY),
    "grades": (grades.run, grades.EVERY),
    "retention": (retention.run, retention.EVERY),
}


def schedule(database: Database) -> None:
    """Make sure that the regular jobs are waiting."""
    with database.transaction() as db:
        for kind in STEPS:
            queue.add(db, kind, unique_key=kind)


def work(tool: Tool, stop: threading.Event) -> None:
    """Until ``stop`` is set; a job ends then where the next one goes on. A database that is away is waited for.

    Statements are delivered in a thread of their own: jobs that take minutes do not hold them up.
    """
    schedule(tool.database)
    delivery = threading.Thread(target=statements.deliver, args=(tool, stop), name="delivery")
    delivery.start()
    try:
        while not stop.is_set():
            if not _worked(tool, stop):
                stop.wait(tool.settings.worker_poll_seconds)
    finally:
        stop.set()
        delivery.join()


def _worked(tool: Tool, stop: threading.Event) -> bool:
    try:
        return work_once(tool, stop)
    except UNREACHABLE:
        log.warning("the database does not answer")
        return False


def _unknown(tool: Tool, stop: threading.Event) -> None:
    """Left by another version of the tool, which may come back."""
    raise LookupError("this version has no such job")


def work_once(tool: Tool, stop: threading.Event = NEVER) -> bool:
    """Do one job, if one is due: claim, work, mark as done. A job that fails is logged and tried again later."""
    with tool.database.transaction() as db:
        job = queue.claim(db, lease_seconds=tool.settings.job_lease_seconds)
    if job is None:
        return False
    step, every = STEPS.get(job.kind, (_unknown, None))
    try:
        step(tool, stop)
    except Exception as problem:
        if is_away(problem):
            raise  # nothing can be marked now: the lease ends by itself
        log.exception("job failed", extra={"job": job.kind})
        with tool.database.transaction() as db:
            queue.failed(db, job, type(problem).__name__, every=every)
        return True
    with tool.database.transaction() as db:
        queue.done(db, job, again_after=timedelta(0) if stop.is_set() else every)
    return True
