"""The loop that works on jobs, one at a time, until it is told to stop."""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from lti_mentor.db import UNREACHABLE, Database
from lti_mentor.jobs import connections, due_items, grades, queue, rosters, statements, upkeep
from lti_mentor.tool import Tool

log = logging.getLogger(__name__)
Step = Callable[[Tool], object]

STEPS: dict[str, tuple[Step, timedelta]] = {
    "upkeep": (upkeep.run, upkeep.EVERY),
    "due_items": (due_items.run, due_items.EVERY),
    "connections": (connections.run, connections.EVERY),
    "rosters": (rosters.run, rosters.EVERY),
    "grades": (grades.run, grades.EVERY),
    "statements": (statements.run, statements.EVERY),
}


def schedule(database: Database) -> None:
    """Make sure that the regular jobs are waiting."""
    with database.transaction() as db:
        for kind in STEPS:
            queue.add(db, kind, unique_key=kind)


def work(tool: Tool, stop: threading.Event) -> None:
    """Until ``stop`` is set, and never in the middle of a job; a database that is away for a while is waited for."""
    schedule(tool.database)
    while not stop.is_set():
        try:
            worked = work_once(tool)
        except UNREACHABLE:
            log.warning("the database does not answer")
            worked = False
        if not worked:
            stop.wait(tool.settings.worker_poll_seconds)


def _unknown(tool: Tool) -> None:
    """Left by another version of the tool, which may come back."""
    raise LookupError("this version has no such job")


def work_once(tool: Tool) -> bool:
    """Do one job, if one is due: claim, work, mark as done. A job that fails is logged and tried again later."""
    with tool.database.transaction() as db:
        job = queue.claim(db, lease_seconds=tool.settings.job_lease_seconds)
    if job is None:
        return False
    step, every = STEPS.get(job.kind, (_unknown, None))
    try:
        step(tool)
    except UNREACHABLE:
        raise  # nothing can be marked now: the lease ends by itself
    except Exception as problem:
        log.exception("job failed", extra={"job": job.kind})
        with tool.database.transaction() as db:
            queue.failed(db, job, type(problem).__name__)
        return True
    with tool.database.transaction() as db:
        queue.done(db, job, again_after=every)
    return True
