"""Items that became due without a result: readiness moves with the calendar, and that goes on record."""

import threading
from datetime import timedelta

from sqlalchemy.orm import Session

from lti_mentor.mentoring import course_map, courses
from lti_mentor.queue import NEVER
from lti_mentor.tool import Tool

EVERY = timedelta(hours=1)


def run(tool: Tool, stop: threading.Event = NEVER) -> int:
    """In how many courses items became due, one in a transaction."""
    total = 0
    while not stop.is_set() and tool.database.write(_note_some):
        total += 1
    return total


def _note_some(db: Session) -> bool:
    """Whether there were any."""
    course = courses.next_with_due_items(db)
    if course is None:
        return False
    course_map.note_due(db, course)
    return True
