"""Reading rosters: one context at a time, a page in a transaction, never a request while one is open.

With a roster comes who can open which link, where a coordinator asked: known people alone, and none by that.
"""

import logging
import threading
import uuid
from collections.abc import Iterator
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
from lti_mentor.lti.services import TOO_SLOW
from lti_mentor.mentoring import courses, joining, people
from lti_mentor.mentoring.courses import Course, Listed
from lti_mentor.mentoring.people import Identity
from lti_mentor.queue import NEVER
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web import visit

log = logging.getLogger(__name__)
EVERY = timedelta(seconds=5)
LONGEST = timedelta(minutes=5)  # at a time for one roster, and for what is asked about its links
LINKS_GO_ON = timedelta(minutes=1)  # where the time cut them; the other contexts have their turn
LINKS_AGAIN = timedelta(minutes=10)  # where a platform has enough and does not say when to come again
NOT_OF_THE_PAGE = (401, 403)  # it may be there all the same
RUN = timedelta(minutes=2)  # new rounds begin until then; other jobs wait as long


def run(tool: Tool, stop: threading.Event = NEVER) -> int:
    """Read the rosters that are due; how many were read to their end, or had their links asked about to the end.

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
    """The worker is told to stop before a list is read to its end, or the reading is no more its own."""


def _key(row: ContextServices) -> tuple[uuid.UUID, uuid.UUID, str]:
    return row.organization_id, row.deployment_id, row.context_id


def read_one(tool: Tool, row: ContextServices, platform: Platform, stop: threading.Event = NEVER) -> bool:
    """Whether it was read to its end, or what is asked about its links where nothing else is due.

    What was read of one that was not is kept, and nobody is taken away: the next turn goes on there, as long as its
    platform may still know the page. Told to stop, it takes no other page and gives the roster back.
    """
    began_at = row.roster_began_at
    try:
        if began_at is not None:
            row = _read(tool, row, platform, began_at, stop)
        again_at = _read_links(tool, row, platform, stop)
    except _Stopped:
        _give_back(tool, row)
        return False
    except PlatformError as problem:
        log.warning("roster not read", extra={"reason": problem.reason, "status": problem.values.get("status")})
        _failed(tool, row, problem)
        return False
    except Exception as problem:
        if is_away(problem):
            raise  # the lease ends by itself
        log.exception("roster not read")  # this context waits; the others have nothing to do with it
        _failed(tool, row, PlatformError("error"))
        return False
    with tool.database.transaction() as db:
        read = _ours(db, row)
        if read is not None:
            contexts.links_read(read, again_at=again_at)
    return began_at is not None or again_at is None


def _ours(db: Session, row: ContextServices) -> ContextServices | None:
    """The row as it is now, until the end of the transaction; none when it is gone with its platform, or when its list
    is read anew: a launch named another address, or the lease had ended."""
    now = db.get(ContextServices, row.id, with_for_update=True)
    return now if now is not None and now.roster_began_at == row.roster_began_at else None


def _give_back(tool: Tool, row: ContextServices) -> None:
    with tool.database.transaction() as db:
        left = _ours(db, row)
        if left is not None:
            contexts.give_roster_back(left)


def _failed(tool: Tool, row: ContextServices, problem: PlatformError) -> None:
    status, retry_after = problem.values.get("status"), problem.values.get("retry_after")
    with tool.database.transaction() as db:
        failed = _ours(db, row)
        if failed is None:
            return
        if not problem.retryable and status not in NOT_OF_THE_PAGE:
            failed.roster_next_url = None
        said = retry_after if isinstance(retry_after, int) else None
        contexts.roster_failed(failed, problem.reason, retry_after=said, before=row.roster_next_url)


def _read(
    tool: Tool, row: ContextServices, platform: Platform, started_at: datetime, stop: threading.Event
) -> ContextServices:
    """From its beginning, or from the page at which the turn before it ended; the row as it is then.

    Raises _Stopped.
    """
    until, first = clock.now() + LONGEST, row.roster_differences_url or row.memberships_url or ""
    if row.roster_next_url is not None:
        pages = roster.read_on(tool, platform, row.roster_next_url, until=until)
    else:
        pages = roster.read(tool, platform, first, until=until)
    differences = None
    for page in _heeding(stop, pages):
        taken = partial(_take, vault=tool.vault, row=row, platform=platform, page=page, started_at=started_at)
        if erased := tool.database.write(taken):
            log.info("roster lists people who were erased", extra={"reason": "person.erased", "count": erased})
        differences = page.differences_url or differences
    since = started_at - timedelta(hours=tool.settings.visit_hours)
    ended = partial(_end, row=row, started_at=started_at, seen_since=since, differences_url=differences)
    return tool.database.write(ended)


def _heeding(stop: threading.Event, pages: Iterator[RosterPage]) -> Iterator[RosterPage]:
    """The pages until somebody stops the worker; one that was sent is taken whole, with all its parts.

    Raises _Stopped.
    """
    is_begun = False
    for page in pages:
        if stop.is_set() and not is_begun:
            raise _Stopped()
        yield page
        is_begun = page.goes_on


def _take(
    db: Session, *, vault: Vault, row: ContextServices, platform: Platform, page: RosterPage, started_at: datetime
) -> int:
    """How many were erased: they stay unknown, however long the platform lists them. Raises _Stopped."""
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
    reading = _ours(db, row)
    if reading is None:
        raise _Stopped
    contexts.page_read(reading, len(page.members), next_url=page.next_url, is_readable=page.is_readable)
    return len({each.subject for each in identities} - known.keys())


def _end(
    db: Session, *, row: ContextServices, started_at: datetime, seen_since: datetime, differences_url: str | None
) -> ContextServices:
    """All of it was read: whoever was not on it when it began is gone.

    Between two turns people leave, those after them move up to a page that was read, and are not listed: after several
    turns only those are gone whom the whole reading before did not list either. And what changed meanwhile, the
    differences since the last page would never say. Raises _Stopped.
    """
    read = _ours(db, row)
    if read is None:
        raise _Stopped
    is_of_one_turn = row.roster_next_url is None
    is_same = is_of_one_turn and read.memberships_url == row.memberships_url
    listed_since = started_at if is_of_one_turn else read.roster_whole_at
    if read.tells_who_left and listed_since is not None:
        course, seen_since = _course(db, row), min(seen_since, listed_since)
        gone = courses.close_roster(db, course, at=started_at, listed_since=listed_since, seen_since=seen_since)
        visit.close_visits_of(db, course.organization_id, gone, course_id=course.id)
    contexts.roster_read(read, started_at=started_at, differences_url=differences_url if is_same else None)
    return read


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


def _wait(retry_after: int | None, *, is_first: bool) -> timedelta:
    """As long as the platform said; not just a moment, where nothing came of the turn."""
    if retry_after is None:
        return LINKS_AGAIN
    return max(timedelta(seconds=retry_after), LINKS_GO_ON if is_first else timedelta(seconds=1))


class _Replaced(Exception):
    """Another activity is in the place of the one that was asked about, or none."""


def _read_links(tool: Tool, row: ContextServices, platform: Platform, stop: threading.Event) -> datetime | None:
    """When to ask about those that are left, if any: all that were not tried since the roster was read.

    One that fails keeps what is known of it, and neither the roster nor another one from being read.
    """
    until = clock.now() + LONGEST
    since = row.roster_read_at or clock.now()
    with tool.database.reading() as db:
        asked = links.asked_about(db, *_key(row), since=since)
    for link in asked:
        if stop.is_set():
            return clock.now()
        if link is not asked[0] and clock.now() > until:
            return clock.now() + LINKS_GO_ON
        url, link_id = row.memberships_url or "", link.resource_link_id
        pages = _heeding(stop, roster.read(tool, platform, url, until=until, link_id=link_id))
        try:
            _read_link(tool, row, platform, link, pages)
        except _Stopped:
            return clock.now()
        except _Replaced:
            log.info("people of a link not read", extra={"reason": "link.replaced"})
        except PlatformError as problem:
            status, told = problem.values.get("status"), problem.values.get("retry_after")
            retry_after = told if isinstance(told, int) else None
            log.warning("people of a link not read", extra={"reason": problem.reason, "status": status})
            if status == TOO_MANY or (problem.retryable and retry_after is not None):
                return clock.now() + _wait(retry_after, is_first=link is asked[0])
            if problem.reason == TOO_SLOW and link is not asked[0]:
                return clock.now() + LINKS_GO_ON  # the others had the time
            is_answer = problem.reason == "platform.bad_status"
            _link_failed(tool, row, link, REFUSED.get(status, problem.reason) if is_answer else problem.reason)
        except Exception as problem:
            if is_away(problem):
                raise
            log.exception("people of a link not read")
            _link_failed(tool, row, link, "error")
    return None


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
    reading = _ours(db, row)
    if reading is not None:
        contexts.still_reading(reading)


def _link_failed(tool: Tool, row: ContextServices, link: LaunchedLink, reason: str) -> None:
    tool.database.write(partial(_keep_failure, row=row, link=link, reason=reason))


def _keep_failure(db: Session, *, row: ContextServices, link: LaunchedLink, reason: str) -> None:
    failed = links.still_same(db, link)
    if failed is not None:
        links.people_failed(failed, reason)
    _still_reading(db, row)
