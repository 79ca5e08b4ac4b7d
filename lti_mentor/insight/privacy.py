"""What may be shown of groups: nothing about small ones, no small cell, no small remainder.

A count and a percentage of the same group are hidden together, and nothing drawn gives away what the words hide.
"""

from fractions import Fraction

from lti_mentor.mentoring.readiness import shown

SMALL = 5


def is_hidden(population: int, minimum: int) -> bool:
    """Whether figures about so few people stay hidden."""
    return population < minimum


def _bound(value: int, total: int | None) -> int | None:
    """What is said instead of the value: below SMALL, or above the total less SMALL; none when it may be shown."""
    if 0 < value < SMALL or (total is not None and 0 < total < SMALL):
        return SMALL
    if total is not None and 0 < total - value < SMALL:
        return total - SMALL
    return None


def count(value: int, total: int | None = None) -> str:
    """A number of people; 1 to 4 as "< 5", and so close to the total that the rest would be 1 to 4 as above it."""
    bound = _bound(value, total)
    if bound is None:
        return str(value)
    return f"< {bound}" if value < bound else f"> {bound}"


def percent(part: int, whole: int) -> str:
    """A share of people, never finer than 5 to 95 and never finer than ``count`` says."""
    if whole < SMALL:
        return "–"
    bound = _bound(part, whole)
    if bound is not None and part < bound:
        return f"< {max(SMALL, -(-bound * 100 // whole))} %"
    if bound is not None:
        return f"> {min(100 - SMALL, bound * 100 // whole)} %"
    value = shown(Fraction(part * 100, whole))
    if value < SMALL:
        return f"< {SMALL} %"
    return f"> {100 - SMALL} %" if value > 100 - SMALL else f"{value} %"


def drawn(value: int, total: int | None = None) -> int:
    """How long a bar may be: the same for every value that ``count`` shows alike."""
    bound = _bound(value, total)
    if bound is None:
        return value
    return 0 if value < bound else bound


def steps(funnel: tuple[tuple[str, int], ...]) -> list[tuple[str, str, int]]:
    """Name, count and length of each step.

    Where few came as far as some earlier step and no further, that is hidden too: no two numbers that are shown as they
    are differ by so few.
    """
    found: list[tuple[str, str, int]] = []
    exact: list[int] = []
    for name, value in funnel:
        total = min((each for each in exact if 0 < each - value < SMALL), default=None)
        found.append((name, count(value, total), drawn(value, total)))
        if _bound(value, total) is None:
            exact.append(value)
    return found
