"""Items that became due without a result: readiness moves with the calendar, and that goes on record."""

from datetime import timedelta

from lti_mentor import clock
from lti_mentor.db import Database
from lti_mentor.mentoring import course_map, courses
from lti_mentor.settings import Settings

EVERY = timedelta(hours=1)


def run(database: Database, settings: Settings) -> int:
    """How many items became due, one in a transaction."""
    total = 0
    while True:
        with database.transaction() as db:
            item = courses.next_due(db)
            if item is None:
                return total
            course_map.note_due(db, item, clock.now())
        total += 1
