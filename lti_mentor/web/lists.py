"""Long lists: twenty rows a page, searched by the words that stand in the address."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import request

PER_PAGE = 20
Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Page(Generic[Thing]):
    """What is shown of a list. ``number`` counts from 1; ``first`` and ``last`` are places in the whole list."""

    rows: Sequence[Thing]
    total: int
    number: int
    words: str

    @property
    def first(self) -> int:
        return (self.number - 1) * PER_PAGE + 1

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1

    @property
    def is_long(self) -> bool:
        """Worth a search: more than one page, or searched already."""
        return self.total > PER_PAGE or bool(self.words)


def page_of(things: Sequence[Thing], text: Callable[[Thing], str]) -> Page[Thing]:
    """The page that ``?page=`` asks for, of the things whose text contains the words of ``?q=``."""
    words = request.args.get("q", "").strip()
    wanted = words.casefold().split()
    found = [thing for thing in things if all(word in text(thing).casefold() for word in wanted)]
    pages = max(1, -(-len(found) // PER_PAGE))
    given = request.args.get("page", "1")
    number = min(max(int(given), 1), pages) if given.isdecimal() and len(given) < 7 else 1
    start = (number - 1) * PER_PAGE
    return Page(found[start : start + PER_PAGE], len(found), number, words)
