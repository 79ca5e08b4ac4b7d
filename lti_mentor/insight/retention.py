"""What rules of retention are about, and what would go by one: looked at in short looks, and nothing is changed."""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from lti_mentor import clock
from lti_mentor.db import Database
from lti_mentor.mentoring import retention
from lti_mentor.mentoring.retention import Judge, RetentionRule
from xapi import retention as store
from xapi.retention import Old
from xapi.store import last_before

LOOKED_AT = 1000


def looks(
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
    attachments: int = 0  # counted when everything was seen
    waiting: Counter[str] = field(default_factory=Counter)  # by the record store outside
    figures: Counter[str] = field(default_factory=Counter)  # by the program
    is_whole: bool = True  # or time was over, and these are the oldest

    @property
    def total(self) -> int:
        return sum(kind.count for kind in self.kinds.values())

    @property
    def most(self) -> list[tuple[bool, str, Kind]]:
        """The kinds, whatever has most of them first."""
        return [(*key, kind) for key, kind in sorted(self.kinds.items(), key=lambda each: -each[1].count)]


def forecast(
    database: Database, organization_id: uuid.UUID, rules: Sequence[RetentionRule], *, until: datetime | None = None
) -> Forecast:
    """Look until everything is seen, or until then, and change nothing."""
    found, named = Forecast(), Counter[str]()
    with database.reading() as db:
        judge, running = retention.judge(db, rules), retention.running_programs(db, organization_id)
    for old, _ in looks(database, organization_id, judge):
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
        if until is not None and clock.now() >= until:
            found.is_whole = False
            return found
    with database.reading() as db:
        found.attachments = store.attachments_of_these_alone(db, tenant=organization_id, named=named)
    return found
