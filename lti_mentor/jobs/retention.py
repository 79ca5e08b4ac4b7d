"""Removing statements that were kept long enough, in small transactions; and saying beforehand what would go."""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from lti_mentor import clock
from lti_mentor.db import Database
from lti_mentor.mentoring import audit, retention
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.retention import Judge, RetentionRule
from lti_mentor.tool import Tool
from xapi import retention as store
from xapi.retention import Gone, Old

EVERY = timedelta(minutes=10)
RUN = timedelta(seconds=30)  # other jobs wait as long; the next run goes on
AT_ONCE = 100  # statements in one transaction: writers wait for it
LOOKED_AT = 1000


def run(tool: Tool) -> int:
    """How many statements went, of all organizations whose rules are not done for today."""
    with tool.database.reading() as db:
        due = retention.due(db)
    until = clock.now() + RUN
    place = f"{audit.COMMAND}worker"
    return sum(remove_old(tool.database, each, place=place, until=until).statements for each in due)


def remove_old(database: Database, organization_id: uuid.UUID, *, place: str, until: datetime | None = None) -> Gone:
    """Remove what the rules say, until then or to the end; on record, batch by batch, with how many there were."""
    with database.transaction() as db:
        judge = retention.judge(db, retention.listed(db, organization_id))
        entry = audit.write(db, organization_id, "statements_removed", place=f"{place}: none")
    gone = Gone(0, 0)
    for old in _going(database, organization_id, judge):
        for start in range(0, len(old), AT_ONCE):
            if until is not None and clock.now() >= until:
                return gone
            with database.transaction() as db:
                seqs = [each.seq for each in old[start : start + AT_ONCE]]
                some = store.remove(db, tenant=organization_id, seqs=seqs, now=clock.now())
                gone = Gone(gone.statements + some.statements, gone.attachments + some.attachments)
                counted = f"{gone.statements} statements, {gone.attachments} attachments"
                db.get_one(AuditEntry, entry.id).place = f"{place}: {counted}"
    with database.transaction() as db:
        retention.done(db, judge.rules)
    return gone


def _going(database: Database, organization_id: uuid.UUID, judge: Judge) -> Iterator[list[Old]]:
    """What the rules are about, oldest first, in short looks; nothing is open between two."""
    if judge.until is None:
        return
    with database.reading() as db:
        until = store.last_before(db, tenant=organization_id, moment=judge.until)
    after = 0
    while after < until:
        with database.reading() as db:
            old = store.look(db, tenant=organization_id, after=after, until=until, most=LOOKED_AT)
        after = old[-1].seq if len(old) == LOOKED_AT else until
        yield [each for each in old if judge.goes(each)]


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
    for old in _going(database, organization_id, judge):
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
