"""Readiness for an exam: exact sums over pure values, with every number next to its parts.

All values are exact fractions on a scale of 0 to 100; only ``shown`` rounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from math import floor
from uuid import UUID

SCALE = (0, 25, 50, 75, 100)  # not started, know the words, with help, alone, could teach it


def shown(value: Fraction) -> int:
    """Rounded half up."""
    return floor(value + Fraction(1, 2))


def shown_gap(value: Fraction) -> str:
    """Points with one decimal, rounded half up, without a trailing zero: 3.9, 7."""
    tenths = floor(value * 10 + Fraction(1, 2))
    return str(tenths // 10) if tenths % 10 == 0 else f"{tenths // 10}.{tenths % 10}"


@dataclass(frozen=True)
class Rules:
    """How a program weighs: the mentor's share in percent, the overall line, the least a domain needs."""

    mentor_weight: int = 60
    ready_line: int = 75
    floor: int = 50


@dataclass(frozen=True)
class ItemResult:
    """A mapped item of the course and, if there is one, its result."""

    item_title: str
    score: Fraction | None
    maximum: Fraction
    due_at: datetime | None
    weight: Fraction = Fraction(1)
    source: str = ""
    at: datetime | None = None
    item_id: UUID | None = None

    @property
    def value(self) -> Fraction | None:
        """From 0 to 100; none without a result, or when there are no points to get."""
        if self.score is None or self.maximum <= 0:
            return None
        return max(Fraction(0), min(Fraction(100), self.score / self.maximum * 100))


@dataclass(frozen=True)
class CourseMark:
    """The weighted mean of the mapped items that count, and how many of them are graded."""

    value: Fraction | None
    graded: int
    items: int
    parts: tuple[ItemResult, ...]
    at: datetime | None


NO_COURSE = CourseMark(None, 0, 0, (), None)


def course_mark(results: Sequence[ItemResult], now: datetime) -> CourseMark:
    """An item without a result is left out until its due date and counts 0 afterwards."""
    graded = [item for item in results if item.value is not None]
    missed = [item for item in results if item.score is None and item.due_at is not None and item.due_at < now]
    value = weighted_mean([(item.value or Fraction(0), item.weight) for item in (*graded, *missed)])
    latest = max((item.at for item in graded if item.at), default=None)
    return CourseMark(value, len(graded), len(results), tuple(results), latest)


@dataclass(frozen=True)
class Rating:
    """A rating on the anchored scale."""

    value: int
    at: datetime


@dataclass(frozen=True)
class DomainInput:
    code: str
    title: str
    weight: Fraction
    mentor: Rating | None = None
    own: Rating | None = None
    course: CourseMark = NO_COURSE


@dataclass(frozen=True)
class Part:
    """One confirmed source of a domain's value; ``weight`` is its share in percent of those present."""

    kind: str  # mentor or course
    value: Fraction
    weight: Fraction
    at: datetime | None
    sources: tuple[str, ...]  # the mentor, or where the results of the course came from


@dataclass(frozen=True)
class DomainReadiness:
    code: str
    title: str
    weight: Fraction
    share: Fraction  # of the whole exam, in percent
    value: Fraction
    confirmed: bool  # false: nothing confirmed yet
    gap: Fraction  # points of the whole that the ready line is away
    mentor: Rating | None
    own: Rating | None
    course: CourseMark
    parts: tuple[Part, ...]

    @property
    def at(self) -> datetime | None:
        """When the latest of its parts was given."""
        return max((part.at for part in self.parts if part.at), default=None)

    @property
    def difference(self) -> Fraction | None:
        """How far the learner's own rating is above what is confirmed."""
        return Fraction(self.own.value) - self.value if self.own and self.confirmed else None


@dataclass(frozen=True)
class Readiness:
    confirmed: Fraction
    own_estimate: Fraction
    covered: Fraction  # percent of the exam with something confirmed
    domains: tuple[DomainReadiness, ...]
    ready: bool
    rules: Rules

    @property
    def at(self) -> datetime | None:
        """When the latest confirmed part of any domain was given."""
        return max((domain.at for domain in self.domains if domain.at), default=None)

    def results_since(self, moment: datetime) -> tuple[ItemResult, ...]:
        """What was graded after this moment, each item once."""
        items = (item for domain in self.domains for item in domain.course.parts if item.at and item.at > moment)
        return tuple({item.item_id: item for item in items}.values())

    @property
    def next_domain(self) -> DomainReadiness | None:
        """The one with the largest gap; none when no domain is below the line."""
        widest = max(self.domains, key=lambda domain: domain.gap, default=None)
        return widest if widest and widest.gap > 0 else None

    @property
    def weakest(self) -> DomainReadiness | None:
        return min(self.domains, key=lambda domain: domain.value, default=None)

    def domain(self, code: str) -> DomainReadiness:
        return next(domain for domain in self.domains if domain.code == code)


def readiness(domains: Sequence[DomainInput], rules: Rules) -> Readiness:
    """Confirmed readiness and own estimate over the domains of a certification; all weights 0 = all the same."""
    shares = _shares([domain.weight for domain in domains])
    results = tuple(_domain(domain, rules, share) for domain, share in zip(domains, shares, strict=True))
    confirmed = sum((domain.share * domain.value for domain in results), Fraction(0)) / 100
    own = sum((domain.share * domain.own.value for domain in results if domain.own), Fraction(0)) / 100
    covered = sum((domain.share for domain in results if domain.confirmed), Fraction(0))
    ready = confirmed >= rules.ready_line and all(domain.value >= rules.floor for domain in results)
    return Readiness(confirmed, own, covered, results, ready and bool(results), rules)


def what_if(domains: Sequence[DomainInput], rules: Rules, code: str, rating: Rating) -> tuple[Readiness, Readiness]:
    """Before and after the mentor rates one domain so."""
    rated = [replace(domain, mentor=rating) if domain.code == code else domain for domain in domains]
    return readiness(domains, rules), readiness(rated, rules)


def _shares(weights: Sequence[Fraction]) -> list[Fraction]:
    """In percent of the whole."""
    chosen = weights if any(weights) else [Fraction(1)] * len(weights)
    total = sum(chosen, Fraction(0))
    return [weight / total * 100 for weight in chosen]


def _domain(domain: DomainInput, rules: Rules, share: Fraction) -> DomainReadiness:
    parts = _parts(domain, rules)
    value = weighted_mean([(part.value, part.weight) for part in parts]) or Fraction(0)
    return DomainReadiness(
        code=domain.code,
        title=domain.title,
        weight=domain.weight,
        share=share,
        value=value,
        confirmed=bool(parts),
        gap=share * max(Fraction(0), rules.ready_line - value) / 100,
        mentor=domain.mentor,
        own=domain.own,
        course=domain.course,
        parts=parts,
    )


def _parts(domain: DomainInput, rules: Rules) -> tuple[Part, ...]:
    parts: list[Part] = []
    if domain.mentor:
        weight = Fraction(rules.mentor_weight)
        parts.append(Part("mentor", Fraction(domain.mentor.value), weight, domain.mentor.at, ("mentor",)))
    if domain.course.value is not None:
        weight = Fraction(100 - rules.mentor_weight)
        sources = sorted({item.source for item in domain.course.parts if item.value is not None and item.source})
        parts.append(Part("course", domain.course.value, weight, domain.course.at, tuple(sources)))
    total = sum((part.weight for part in parts), Fraction(0))
    return tuple(replace(part, weight=part.weight / total * 100) for part in parts if part.weight)


def weighted_mean(values: Sequence[tuple[Fraction, Fraction]]) -> Fraction | None:
    """Of (value, weight) pairs; none when nothing weighs."""
    total = sum((weight for _, weight in values), Fraction(0))
    return sum((value * weight for value, weight in values), Fraction(0)) / total if total else None
