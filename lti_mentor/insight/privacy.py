"""What may be shown of groups: nothing about small ones, no small cell, no small remainder."""

from fractions import Fraction

from lti_mentor.mentoring.readiness import shown

SMALL = 5


def is_hidden(population: int, minimum: int) -> bool:
    """Whether figures about so few people stay hidden."""
    return population < minimum


def count(value: int, total: int | None = None) -> str:
    """A number of people: 1 to 4 as "< 5"; so close to the total that the rest would be 1 to 4, rounded down to it."""
    if 0 < value < SMALL:
        return f"< {SMALL}"
    if total is not None and 0 < total - value < SMALL:
        return f"> {total - SMALL}"
    return str(value)


def percent(part: int, whole: int) -> str:
    """A share of people, never finer than 5 to 95 unless it is none or all of nothing."""
    if whole == 0:
        return "–"
    value = shown(Fraction(part * 100, whole))
    if value < SMALL:
        return f"< {SMALL} %"
    return f"> {100 - SMALL} %" if value > 100 - SMALL else f"{value} %"
