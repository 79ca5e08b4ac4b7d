"""How the learners rate themselves: 9 points too high at the start, 3 in the end, lowest in domain 5."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from lti_mentor.mentoring import pursuits, standing
from lti_mentor.mentoring.readiness import SCALE, Readiness
from lti_mentor.practice.story import plan

if TYPE_CHECKING:
    from lti_mentor.practice.story.tell import Told

MIDDLE_RATINGS = {"1": 75, "2": 50, "3": 50, "4": 75, "5": 25}


def steps(told: Told) -> Iterator[tuple[float, Callable[[Session], None]]]:
    """Each learner rates at the start, halfway and lately, each time a little more modestly."""
    for learner in plan.PAIRED:
        if learner in plan.NEW or learner in plan.EXPIRING:
            continue
        first = plan.paired_days_ago(learner) - 8.5
        last = 46.0 if learner in plan.SILENT else (plan.ended_days_ago(learner) or 0.0) + 1.5
        for share, above in ((0.0, 9), (0.3, 8), (0.6, 6), (1.0, 3)):
            days = first - share * (first - last)
            yield days, partial(_rate, told=told, learner=learner, above=above)


def _rate(db: Session, told: Told, learner: int, above: int) -> None:
    if learner not in told.pursuits:
        return
    pursuit = db.merge(told.pursuits[learner])
    before = standing.of(db, pursuit).readiness
    wanted = MIDDLE_RATINGS if learner == plan.MIDDLE and above == 3 else _ratings(before, above)
    known = {domain.code: domain.own.value for domain in before.domains if domain.own}
    changed = {code: value for code, value in wanted.items() if known.get(code) != value}
    pursuits.rate_self(db, pursuit, changed)
    standing.record_change(db, pursuit, before)


def _ratings(readiness: Readiness, above: int) -> dict[str, int]:
    """The ratings nearest to what is confirmed plus ``above``, the last domain never above the others."""
    wanted = min(readiness.confirmed + above, Fraction(100))
    codes = [domain.code for domain in readiness.domains]
    best = min(
        (values for values in itertools.product(SCALE, repeat=len(codes)) if values[-1] <= min(values)),
        key=lambda values: (abs(_mean(readiness, values) - wanted), max(values) - min(values)),
    )
    return dict(zip(codes, best, strict=True))


def _mean(readiness: Readiness, values: tuple[int, ...]) -> Fraction:
    shares = (domain.share * value for domain, value in zip(readiness.domains, values, strict=True))
    return sum(shares, Fraction(0)) / 100
