"""Reading rosters: one context at a time, a page in a transaction, never a request while one is open.

With a roster comes who can open which link, where a coordinator asked: known people alone, and none by that.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.activity.record import account_hash
from lti_mentor.db import is_away
from lti_mentor.errors import PlatformError
from lti_mentor.lti import contexts, links, roster
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.links import LaunchedLink
from lti_mentor.lti.platforms import Platform
from lti_mentor.lti.quirks import TOO_MANY
from lti_mentor.lti.roster import RosterPage
from lti_mentor.mentoring import courses, joining, people
from lti_mentor.mentoring.courses import Course, Listed
from lti_mentor.mentoring.people import Identity
from lti_mentor.queue import NEVER
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web import visit

log = logging.getLogger(__name__)
EVERY = timedelta(seconds=5)
LONGEST = timedelta(minutes=5)  # for one roster, and for what is asked about its links
RUN = timedelta(minutes=2)  # new rounds begin until then; other jobs wait as long


def run(tool: Tool, stop: threading.Event = NEVER) -> int:
    """Read the rosters that are due; how many were read to their end.

    The platforms take turns, one roster a round. One that fails has its next turn in the next run.
    """
    total, until = 0, clock.now() + RUN
    had: set[uuid.UUID] = set()
    failed: set[uuid.UUID] = set()
    while not stop.is_set():
        with tool.database.transaction() as db:
            claimed = contexts.claim_roster(db, besides=had | failed)
            if claimed is not None:
                links.none_so_far(db, *_key(claimed[0]))
        if claimed is not None:
            is_read = read_one(tool, *claimed, stop)
            (had if is_read else failed).add(claimed[1].id)
            total += is_read
        elif not had or clock.now() > until:
            break
        else:
            had.clear()
    return total


class _Stopped(Exception):
    """The worker is told to stop before a list is read to its end."""


def _key(row: ContextServices) -> tuple[uuid.UUID, uuid.UUID, str]:
    return row.organization_id, row.deployment_id, row.context_id


def read_one(tool: Tool, row: ContextServices, platform: Platform, stop: threading.Event = NEVER) -> bool:
    """Whether it was read to its end. What was read of one that was not is kept, and nobody is taken away.

    Told to stop, it takes no other page and gives the roster back, or has what is left of its links asked again.
    """
    started_at = clock.now()
    try:
        differences = _read(tool, row, platform, started_at, stop)
        left = _read_links(tool, row, platform, stop)
    except _Stopped:
        _give_back(tool, row)
        return False
    except PlatformError as problem:
        log.warning("roster not read", extra={"reason": problem.reason, "status": problem.values.get("status")})
        _failed(tool, row, problem.reason, problem.values.get("retry_after"))
        return False
    except Exception as problem:
        if is_away(problem):
            raise  # the lease ends by itself
        log.exception("roster not read")  # this context waits; the others have nothing to do with it
        _failed(tool, row, "error")
        return False
    with tool.database.transaction() as db:
        read = db.get(ContextServices, row.id)
        if read is not None:  # it may be gone with its platform
            contexts.roster_read(read, started_at=started_at, differences_url=differences)
            if left is not None:
                left(read)
    return True


def _give_back(tool: Tool, row: ContextServices) -> None:
    with tool.database.transaction() as db:
        left = db.get(ContextServices, row.id)
        if left is not None:  # it may be gone with its platform
            contexts.give_roster_back(left)


def _failed(tool: Tool, row: ContextServices, reason: str, retry_after: object = None) -> None:
    with tool.database.transaction() as db:
        failed = db.get(ContextServices, row.id)
        if failed is not None:  # it may be gone with its platform
            contexts.roster_failed(failed, reason, retry_after=retry_after if isinstance(retry_after, int) else None)


def _read(
    tool: Tool, row: ContextServices, platform: Platform, started_at: datetime, stop: threading.Event
) -> str | None:
    """Where the next differences are to be had, when the platform says so."""
    url, is_whole = row.roster_differences_url or row.memberships_url or "", row.roster_differences_url is None
    following, listed = None, 0
    for page in _heeding(stop, roster.read(tool, platform, url, until=started_at + LONGEST)):
        taken = partial(_take, vault=tool.vault, row=row, platform=platform, page=page, started_at=started_at)
        if erased := tool.database.write(taken):
            log.info("roster lists people who were erased", extra={"reason": "person.erased", "count": erased})
        following = page.differences_url or following
        listed += len(page.members)
        is_whole = is_whole and page.is_readable
    if is_whole and listed:
        since = started_at - timedelta(hours=tool.settings.visit_hours)
        tool.database.write(partial(_close, row=row, started_at=started_at, seen_since=since))
    return following


def _heeding(stop: threading.Event, pages: Iterator[RosterPage]) -> Iterator[RosterPage]:
    """The pages until somebody stops the worker. Raises _Stopped."""
    for page in pages:
        if stop.is_set():
            raise _Stopped()
        yield page


def _take(
    db: Session, *, vault: Vault, row: ContextServices, platform: Platform, page: RosterPage, started_at: datetime
) -> int:
    """How many were erased: they stay unknown, however long the platform lists them."""
    identities = [
        Identity(issuer=platform.issuer, subject=each.subject, name=each.name, email=each.email)
        for each in page.members
    ]
    course = _course(db, row)
    known = people.meet_many(db, row.organization_id, identities, keyed=partial(account_hash, db, vault))
    members = {each.subject: each for each in page.members if each.subject in known}
    listed = [Listed(known[subject], each.teaches, each.is_active) for subject, each in members.items()]
    gone = joining.take_roster(db, course, listed, at=started_at)
    visit.close_visits_of(db, course.organization_id, gone, course_id=course.id)
    contexts.still_reading(db.get_one(ContextServices, row.id), len(page.members))
    return len({each.subject for each in identities} - known.keys())


def _close(db: Session, *, row: ContextServices, started_at: datetime, seen_since: datetime) -> None:
    course = _course(db, row)
    gone = courses.close_roster(db, course, at=started_at, seen_since=seen_since)
    visit.close_visits_of(db, course.organization_id, gone, course_id=course.id)


def _course(db: Session, row: ContextServices) -> Course:
    found = courses.find(db, *_key(row))
    if found is None:
        raise PlatformError("course.unknown")
    return found


# Who can open a link --------------------------------------------------------------------------------------------------

# What an answer says of the question. Canvas says 400 of a link that it does not know, as others do of any link.
REFUSED: dict[object, str] = {
    400: "activity.not_answered",
    404: "activity.not_found",
    405: "activity.not_answered",
    410: "activity.not_found",
    501: "activity.not_answered",
}


class _Replaced(Exception):
    """Another activity is in the place of the one that was asked about, or none."""


def _read_links(
    tool: Tool, row: ContextServices, platform: Platform, stop: threading.Event
) -> Callable[[ContextServices], None] | None:
    """What is to be done with the context for the sake of those that are left, if anything.

    One that fails keeps what is known of it, and neither the roster nor another one from being read.
    """
    until = clock.now() + LONGEST
    with tool.database.reading() as db:
        asked = links.asked_about(db, *_key(row))
    for link in asked:
        if stop.is_set():
            return contexts.ask_for_roster
        if clock.now() > until:
            break
        url, link_id = row.memberships_url or "", link.resource_link_id
        pages = _heeding(stop, roster.read(tool, platform, url, until=until, link_id=link_id))
        try:
            _read_link(tool, row, platform, link, pages)
        except _Stopped:
            return contexts.ask_for_roster
        except _Replaced:
            log.info("people of a link not read", extra={"reason": "link.replaced"})
        except PlatformError as problem:
            status, told = problem.values.get("status"), problem.values.get("retry_after")
            retry_after = told if isinstance(told, int) else None
            log.warning("people of a link not read", extra={"reason": problem.reason, "status": status})
            if status == TOO_MANY or (problem.retryable and retry_after is not None):
                return partial(contexts.links_put_off, retry_after=retry_after)
            if problem.reason == "platform.too_slow" and link is not asked[0]:
                break  # the others had the time
            is_answer = problem.reason == "platform.bad_status"
            _link_failed(tool, row, link, REFUSED.get(status, problem.reason) if is_answer else problem.reason)
        except Exception as problem:
            if is_away(problem):
                raise
            log.exception("people of a link not read")
            _link_failed(tool, row, link, "error")
    return None  # those that are left come first the next time


def _read_link(
    tool: Tool, row: ContextServices, platform: Platform, link: LaunchedLink, pages: Iterator[RosterPage]
) -> None:
    """Nothing is known of a list before its end: half of one would look like a whole one."""
    started_at, is_whole, listed = clock.now(), True, set[str]()
    with tool.database.reading() as db:
        known = courses.ids_of(db, _course(db, row), platform.issuer).keys()
    for page in pages:
        listed |= {each.subject for each in page.members if each.is_active} & known
        tool.database.write(partial(_so_far, row=row, link=link, people=len(listed)))
        is_whole = is_whole and page.is_readable
    keep = partial(_keep, row=row, platform=platform, link=link, listed=listed)
    tool.database.write(partial(keep, started_at=started_at, is_whole=is_whole))


def _so_far(db: Session, *, row: ContextServices, link: LaunchedLink, people: int) -> None:
    _as_asked(db, link).people_so_far = people
    _still_reading(db, row)


def _keep(
    db: Session,
    *,
    row: ContextServices,
    platform: Platform,
    link: LaunchedLink,
    listed: set[str],
    started_at: datetime,
    is_whole: bool,
) -> None:
    """Known people alone: who is in the course, its roster said a moment ago."""
    read, known = _as_asked(db, link), courses.ids_of(db, _course(db, row), platform.issuer)
    able = {known[subject] for subject in listed & known.keys()}
    links.take_people(db, read, able, at=started_at)
    links.people_read(db, read, started_at=started_at, is_whole=is_whole)


def _as_asked(db: Session, link: LaunchedLink) -> LaunchedLink:
    """Raises _Replaced."""
    now = links.still_same(db, link)
    if now is None:
        raise _Replaced
    return now


def _still_reading(db: Session, row: ContextServices) -> None:
    reading = db.get(ContextServices, row.id)
    if reading is not None:  # it may be gone with its platform
        contexts.still_reading(reading, 0)


def _link_failed(tool: Tool, row: ContextServices, link: LaunchedLink, reason: str) -> None:
    with tool.database.transaction() as db:
        failed = links.still_same(db, link)
        if failed is not None:
            links.people_failed(failed, reason)
        _still_reading(db, row)
