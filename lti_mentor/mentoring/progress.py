"""Progress of a goal: the weighted mean of its parts, or the mentor's override with its comment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from lti_mentor.mentoring.readiness import ItemResult, weighted_mean


@dataclass(frozen=True)
class GoalPart:
    """One part: where its number comes from and how much it weighs."""

    kind: str  # measure, course, item, certification or domain
    label: str
    value: Fraction
    weight: Fraction
    source: str  # self, course or mentor
    at: datetime | None


@dataclass(frozen=True)
class Override:
    value: int
    comment: str


@dataclass(frozen=True)
class GoalProgress:
    value: Fraction
    parts: tuple[GoalPart, ...]
    override: Override | None = None


def goal_progress(parts: Sequence[GoalPart], override: Override | None = None) -> GoalProgress:
    """Percent from 0 to 100, with its parts."""
    mean = weighted_mean([(part.value, part.weight) for part in parts]) or Fraction(0)
    return GoalProgress(Fraction(override.value) if override else mean, tuple(parts), override)


def measure_progress(*, baseline: float, target: float, current: float) -> Fraction:
    """How much of the way is done, from 0 to 100; a target below the baseline works too.

    Without a way to go (target equal to baseline, which no goal may have) it is 100 once the target is met.
    """
    start, end, here = (Fraction(str(number)) for number in (baseline, target, current))
    if start == end:
        return Fraction(100 if here == end else 0)
    return max(Fraction(0), min(Fraction(100), (here - start) / (end - start) * 100))


def course_progress(items: Sequence[ItemResult]) -> Fraction:
    """The plain mean of all mapped items; an ungraded one counts 0."""
    return weighted_mean([(item.value or Fraction(0), Fraction(1)) for item in items]) or Fraction(0)
