"""Removing statements that were kept long enough, in small transactions."""

import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.activity import record
from lti_mentor.insight.retention import looks
from lti_mentor.mentoring import audit, retention
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.queue import NEVER
from lti_mentor.tool import Tool
from xapi import retention as store
from xapi.removal import Gone
from xapi.retention import Old

EVERY = timedelta(minutes=10)
RUN = timedelta(seconds=30)  # other jobs wait as long; the next run goes on from there
AT_ONCE = 100  # statements in one transaction: writers wait for it


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
    for batch, last in _batches(looks(database, organization_id, judge, after=judge.after)):
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
