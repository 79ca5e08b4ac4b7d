"""Removing statements that were kept long enough, in small transactions; and saying beforehand what would go."""

import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.activity import record
from lti_mentor.db import Database
from lti_mentor.mentoring import audit, retention
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.retention import Judge, RetentionRule
from lti_mentor.queue import NEVER
from lti_mentor.tool import Tool
from xapi import retention as store
from xapi.removal import Gone
from xapi.retention import Old
from xapi.store import last_before

EVERY = timedelta(minutes=10)
RUN = timedelta(seconds=30)  # other jobs wait as long; the next run goes on from there
AT_ONCE = 100  # statements in one transaction: writers wait for it
LOOKED_AT = 1000


def run(tool: Tool, stop: threading.Event = NEVER) -> int:
    """How many statements went, of all organizations whose rules are not done for today."""
    with tool.database.reading() as db:
        due = retention.due(db)
    end, place, gone = clock.now() + RUN, f"{audit.COMMAND}worker", 0
    for number, each in enumerate(due):
        now = clock.now()
        share = (end - now) / (len(due) - number)  # of an organization: what one leaves is for those after it
        gone += remove_old(tool, each, place=place, until=now + share, stop=stop).statements
        if stop.is_set():
            break
    return gone


def remove_old(
    tool: Tool,
    organization_id: uuid.UUID,
    *,
    place: str,
    until: datetime | None = None,
    stop: threading.Event = NEVER,
) -> Gone:
    """Remove what the rules say: from the first statement to the end, or from where the last run was until then.

    It ends earlier when ``stop`` is set. However short the time, one batch is looked at, so that every run gets on.
    What went is on record with how many.
    """
    database = tool.database
    with database.transaction() as db:
        if until is None:
            retention.begin_again(db, organization_id)
        judge = retention.judge(db, retention.undone(db, organization_id))
    removal = _Removal(tool, organization_id, place)
    for batch, last in _batches(_looks(database, organization_id, judge, after=judge.after)):
        removal.remove(batch)
        if stop.is_set() or (until is not None and clock.now() >= until):
            with database.transaction() as db:
                retention.pause(db, judge.rules, last)
            return removal.gone
    with database.transaction() as db:
        retention.done(db, judge.rules)
        removal.note(db)
    return removal.gone


@dataclass
class _Removal:
    """What went in one run, and its entry in the audit log."""

    tool: Tool
    organization_id: uuid.UUID
    place: str
    gone: Gone = field(default_factory=Gone)
    entry: AuditEntry | None = None

    def remove(self, batch: Sequence[Old]) -> None:
        if not batch:
            return
        with self.tool.database.transaction() as db:
            seqs, keyed = [each.seq for each in batch], partial(record.statement_hash, db, self.tool.vault)
            some = store.remove(db, tenant=self.organization_id, seqs=seqs, now=clock.now(), keyed=keyed)
            self.gone = Gone(self.gone.statements + some.statements, self.gone.attachments + some.attachments)
            if self.gone.statements:
                self.note(db)

    def note(self, db: Session) -> None:
        counted = f"{self.gone.statements} statements, {self.gone.attachments} attachments"
        text = f"{self.place}: {counted if self.gone.statements else 'none'}"
        if self.entry is None:
            self.entry = audit.write(db, self.organization_id, "statements_removed", place=text)
        else:
            db.get_one(AuditEntry, self.entry.id).place = text


def _batches(looks: Iterable[tuple[list[Old], int]]) -> Iterator[tuple[list[Old], int]]:
    """What goes in one transaction, maybe nothing, and up to where everything is seen then."""
    for old, last in looks:
        for start in range(0, len(old), AT_ONCE):
            batch = old[start : start + AT_ONCE]
            yield batch, last if start + AT_ONCE >= len(old) else batch[-1].seq
        if not old:
            yield old, last


def _looks(
    database: Database, organization_id: uuid.UUID, judge: Judge, *, after: int = 0
) -> Iterator[tuple[list[Old], int]]:
    """What the rules are about, oldest first, in short looks, with the last seq that was looked at.

    Nothing is open between two.
    """
    if judge.until is None:
        return
    with database.reading() as db:
        until = last_before(db, tenant=organization_id, moment=judge.until)
    while after < until:
        with database.reading() as db:
            old, after = store.look(db, tenant=organization_id, after=after, until=until, most=LOOKED_AT)
        yield [each for each in old if judge.goes(each)], after


@dataclass
class Kind:
    """Statements of one verb, by the tool itself or by others."""

    count: int = 0
    oldest: date = date.max
    newest: date = date.min

    def add(self, day: date) -> None:
        self.count, self.oldest, self.newest = self.count + 1, min(self.oldest, day), max(self.newest, day)


@dataclass
class Forecast:
    """What would go now, what stays until it is delivered, and which figures would change."""

    kinds: dict[tuple[bool, str], Kind] = field(default_factory=dict)  # by whether it is ours, and the verb
    attachments: int = 0
    waiting: Counter[str] = field(default_factory=Counter)  # by the record store outside
    figures: Counter[str] = field(default_factory=Counter)  # by the program


def forecast(database: Database, organization_id: uuid.UUID, rules: Sequence[RetentionRule]) -> Forecast:
    """Look, and change nothing."""
    found, named = Forecast(), Counter[str]()
    with database.reading() as db:
        judge, running = retention.judge(db, rules), retention.running_programs(db, organization_id)
    for old, _ in _looks(database, organization_id, judge):
        with database.reading() as db:
            waiting = store.waiting(db, tenant=organization_id, old=old)
            going = [each for each in old if each.seq not in waiting]
            named.update(store.attached(db, tenant=organization_id, seqs=[each.seq for each in going]))
        found.waiting.update(waiting.values())
        for each in going:
            is_ours = judge.is_ours(each.statement)
            kind = found.kinds.setdefault((is_ours, each.statement["verb"]["id"]), Kind())
            kind.add(each.stored.date())
            if is_ours:
                found.figures.update(retention.figures_with(each.statement, running))
    with database.reading() as db:
        found.attachments = store.attachments_of_these_alone(db, tenant=organization_id, named=named)
    return found
