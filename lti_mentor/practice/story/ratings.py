"""How the learners rate themselves: 9 points too high at the start, 3 in the end, lowest in the last domain."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from lti_mentor.mentoring import pursuits, standing
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.mentoring.readiness import SCALE, Readiness
from lti_mentor.mentoring.standing import Standing
from lti_mentor.practice.story import plan

if TYPE_CHECKING:
    from lti_mentor.practice.story.tell import Told

MIDDLE_RATINGS = {"1": 75, "2": 50, "3": 50, "4": 75, "5": 25}
MIDDLE_SETTLED = 10.0  # days ago


def steps(told: Told) -> Iterator[tuple[float, Callable[[Session], None]]]:
    """Everybody rates at the start and soon after each answer or grade, each time a little more modestly."""
    for learner, days in sorted(_moments()):
        if learner != plan.MIDDLE or days >= MIDDLE_SETTLED:
            yield days, partial(_rate, told=told, learner=learner, above=2.2 + 6.8 * min(days / plan.AGE_DAYS, 1))
    yield MIDDLE_SETTLED - 0.5, partial(_settle, told=told)


def _moments() -> Iterator[tuple[int, float]]:
    for learner in (*plan.PAIRED, *range(48, 52)):
        yield learner, plan.started_days_ago(learner) - 0.5
    answers = ((each.learner, each.submitted_days_ago - each.answered_after) for each in plan.evidence())
    grades = ((each.learner, each.days_ago) for each in plan.results())
    for learner, days in (*answers, *grades):
        soon = days - 0.3
        is_quiet = learner in plan.SILENT and soon < 31
        if 0.2 < soon < plan.started_days_ago(learner) and not is_quiet:
            yield learner, soon


def _rate(db: Session, told: Told, learner: int, above: float) -> None:
    pursuit = db.get_one(Pursuit, told.pursuits[learner].id)
    before = standing.of(db, pursuit)
    _save(db, pursuit, before, _ratings(before.readiness, above))


def _settle(db: Session, told: Told) -> None:
    """The ratings of the learner in the middle, as the story has them."""
    pursuit = db.get_one(Pursuit, told.pursuits[plan.MIDDLE].id)
    _save(db, pursuit, standing.of(db, pursuit), MIDDLE_RATINGS)


def _save(db: Session, pursuit: Pursuit, before: Standing, wanted: dict[str, int]) -> None:
    known = {domain.code: domain.own.value for domain in before.readiness.domains if domain.own}
    pursuits.rate_self(db, pursuit, {code: value for code, value in wanted.items() if known.get(code) != value})
    standing.record_change(db, pursuit, before)


def _ratings(readiness: Readiness, above: float) -> dict[str, int]:
    """The ratings nearest to what is confirmed plus ``above``, the last domain never above another."""
    wanted = min(float(readiness.confirmed) + above, 100.0)
    shares = [float(domain.share) / 100 for domain in readiness.domains]
    best = min(
        (values for values in itertools.product(SCALE, repeat=len(shares)) if values[-1] <= min(values)),
        key=lambda values: (
            round(abs(sum(share * value for share, value in zip(shares, values, strict=True)) - wanted), 3),
            max(values) - min(values),
        ),
    )
    return dict(zip((domain.code for domain in readiness.domains), best, strict=True))
