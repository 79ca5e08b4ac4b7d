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
from lti_mentor.mentoring.retention import RetentionRule
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

    It ends earlier when ``stop`` is set, or a rule was taken away meanwhile: the next run judges by what is left.
    However short the time, one batch is looked at, so that every run gets on. What went is on record with how many.
    """
    database = tool.database
    with database.transaction() as db:
        if until is None:
            retention.begin_again(db, organization_id)
        judge = retention.judge(db, retention.undone(db, organization_id))
    removal = _Removal(tool, organization_id, place, judge.rules)
    for batch, last in _batches(looks(database, organization_id, judge, after=judge.after)):
        if not removal.remove(batch):
            return removal.gone
        if stop.is_set() or (until is not None and clock.now() >= until):
            with database.transaction() as db:
                retention.pause(db, judge.rules, last)
            return removal.gone
    with database.transaction() as db:
        retention.done(db, judge.rules)
        removal.note(db, removal.gone)
    return removal.gone


@dataclass
class _Removal:
    """What went in one run, and its entry in the audit log."""

    tool: Tool
    organization_id: uuid.UUID
    place: str
    rules: Sequence[RetentionRule]
    gone: Gone = field(default_factory=Gone)
    entry: AuditEntry | None = None

    def remove(self, batch: Sequence[Old]) -> bool:
        """Whether it went: not where a rule it was judged by is not there any more."""
        if not batch:
            return True
        removed = self.tool.database.write(partial(self._remove, [each.seq for each in batch]))
        if removed is None:
            return False
        self.gone, self.entry = removed
        return True

    def _remove(self, seqs: Sequence[int], db: Session) -> tuple[Gone, AuditEntry | None] | None:
        """It may be done twice, so what comes of it is kept by whoever asked."""
        if not retention.are_there(db, self.rules):
            return None
        own, keyed = record.authority_key(db), partial(record.statement_hash, db, self.tool.vault)
        some = store.remove(db, tenant=self.organization_id, seqs=seqs, now=clock.now(), own=own, keyed=keyed)
        gone = Gone(self.gone.statements + some.statements, self.gone.attachments + some.attachments)
        return gone, self.note(db, gone) if gone.statements else None

    def note(self, db: Session, gone: Gone) -> AuditEntry:
        counted = f"{gone.statements} statements, {gone.attachments} attachments"
        text = f"{self.place}: {counted if gone.statements else 'none'}"
        if self.entry is None:
            return audit.write(db, self.organization_id, "statements_removed", place=text)
        entry = db.get_one(AuditEntry, self.entry.id)
        entry.place = text
        return entry


def _batches(looks: Iterable[tuple[list[Old], int]]) -> Iterator[tuple[list[Old], int]]:
    """What goes in one transaction, maybe nothing, and up to where everything is seen then."""
    for old, last in looks:
        for start in range(0, len(old), AT_ONCE):
            batch = old[start : start + AT_ONCE]
            yield batch, last if start + AT_ONCE >= len(old) else batch[-1].seq
        if not old:
            yield old, last
