"""Items that became due without a result: readiness moves with the calendar, and that goes on record."""

from datetime import timedelta

from lti_mentor import clock
from lti_mentor.mentoring import course_map, courses
from lti_mentor.tool import Tool

EVERY = timedelta(hours=1)


def run(tool: Tool) -> int:
    """How many items became due, one in a transaction."""
    total = 0
    while True:
        with tool.database.transaction() as db:
            item = courses.next_due(db)
            if item is None:
                return total
            course_map.note_due(db, item, clock.now())
        total += 1
