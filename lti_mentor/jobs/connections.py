"""Trying the connections that somebody asked about on a page."""

import logging
import threading
from datetime import timedelta

from lti_mentor.db import is_away
from lti_mentor.errors import PlatformError
from lti_mentor.lti import connection, connection_tests
from lti_mentor.lti.connection import Tried
from lti_mentor.lti.platforms import Platform
from lti_mentor.queue import NEVER
from lti_mentor.tool import Tool

log = logging.getLogger(__name__)
EVERY = timedelta(seconds=5)


def run(tool: Tool, stop: threading.Event = NEVER) -> int:
    """Try every connection that is asked about; how many there were."""
    total = 0
    while not stop.is_set():
        with tool.database.transaction() as db:
            claimed = connection_tests.claim(db)
        if claimed is None:
            break
        test, platform = claimed
        tried = _try_out(tool, platform)
        with tool.database.transaction() as db:
            connection_tests.keep(db, test, tried)
        total += 1
    return total


def _try_out(tool: Tool, platform: Platform) -> list[Tried]:
    try:
        return connection.try_out(tool, platform)
    except Exception as problem:
        if is_away(problem):
            raise  # the lease ends by itself
        log.exception("connection not tried")  # the page says so; the others have nothing to do with it
        return [Tried("keys", 0, PlatformError("error"))]
