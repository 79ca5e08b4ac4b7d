"""What to send to a record store outside, what its answers mean, and how long to wait. Nothing is read or sent here."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from xapi import equality, facets, multipart
from xapi.facets import Statement
from xapi.multipart import Part
from xapi.validation import ONE, TWO
from xapi.vocabulary import Verbs

VERSIONS = (ONE, TWO)
MOST = 100  # statements in a batch
MOST_BYTES = 500_000  # of a batch of more than one
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(minutes=15)
DOWN_AFTER = 3  # failures in a row
LONGEST_ASKED = timedelta(days=1)  # that is waited because a target says so
STUCK_AFTER = 10  # failures in a row
MOST_REFUSED = 10  # statements in a row by a target that takes none
LONGEST_ANSWER = 500  # characters that are kept
_TAILS = ("/statements", "/about")
JSON = "application/json"


class Filter(Protocol):
    """An empty list lets everything through; of several lists each has to fit."""

    verbs: list[str]
    activities: list[str]
    profiles: list[str]


def fits(wanted: Filter, statement: Statement) -> bool:
    """Whether a target with this filter gets the statement; one that voids another is for everybody."""
    if not (wanted.verbs or wanted.activities or wanted.profiles) or statement["verb"]["id"] == Verbs.VOIDED.iri:
        return True
    if wanted.verbs and statement["verb"]["id"] not in wanted.verbs:
        return False
    if wanted.profiles and not _categories(statement) & set(wanted.profiles):
        return False
    return not wanted.activities or facets.names_activity(statement, wanted.activities)


def _categories(statement: Statement) -> set[str]:
    given: Any = statement.get("context", {}).get("contextActivities", {}).get("category", [])
    return {activity["id"] for activity in (given if isinstance(given, list) else [given])}


def endpoint(typed: str) -> str:
    """The address of a record store in one spelling, however it was copied: no /statements, no slash at the end.

    Raises ValueError for what is no web address, and for one that has a password or a query in it.
    """
    address = urlsplit(typed.strip())
    if address.scheme not in ("http", "https") or not address.hostname or address.query or address.fragment:
        raise ValueError("not a web address")
    if address.username or address.password or (address.port is not None and not address.port):
        raise ValueError("not a plain web address")
    path = address.path.rstrip("/")
    for tail in _TAILS:
        path = path.removesuffix(tail).rstrip("/")
    return address._replace(path=path).geturl()


class Letter(Protocol):
    @property
    def body(self) -> str: ...

    @property
    def has_attachments(self) -> bool: ...


SomeLetter = TypeVar("SomeLetter", bound=Letter)


def is_too_new(letter: Letter, version: str) -> bool:
    """Whether a record store that is spoken to in this version has to refuse it (1.0.3 Part Two, 2.4.10)."""
    return version == ONE and not json.loads(letter.body)["version"].startswith("1.")


def batch(waiting: Sequence[SomeLetter], most: int = MOST) -> list[SomeLetter]:
    """As many of the first ones as go together; at least one. One with attachments goes alone, for they may be long."""
    taken, size = list(waiting[:1]), sum(len(each.body.encode()) for each in waiting[:1])
    if taken and taken[0].has_attachments:
        return taken
    for each in waiting[1:most]:
        size += len(each.body.encode())
        if size > MOST_BYTES or each.has_attachments:
            break
        taken.append(each)
    return taken


def first_of_each(waiting: Sequence[SomeLetter]) -> list[SomeLetter]:
    """Those that may go ahead of others: the first one of each registration, and all that have none."""
    taken, seen = [], set[str]()
    for each in waiting:
        registration = json.loads(each.body).get("context", {}).get("registration", "").lower()
        if registration not in seen:
            taken.append(each)
        if registration:
            seen.add(registration)
    return taken


def first_size(failures: int) -> int:
    """How many go together after so many failures in a row: a statement that breaks the other side ends up alone."""
    return max(1, MOST >> failures)


def message(bodies: Iterable[str], attached: Sequence[Part]) -> tuple[bytes, str]:
    """The stored texts and their attachments as one message, and its content type."""
    text = f"[{','.join(bodies)}]".encode()
    if not attached:
        return text, JSON
    pieces, content_type = multipart.message(text, attached)
    return b"".join(pieces), content_type


class Meaning(Enum):
    """What to do after an answer."""

    DELIVERED = "it is there"
    SPLIT = "something in it is not taken: try it in halves"
    KNOWN = "one of this id is there: maybe this one"
    DEAD = "this statement is not taken"
    REFUSED = "we are not let in: somebody has to look"
    LATER = "try again later"


TOO_LONG, TOO_MANY = 413, 429
_REFUSED, _NOT_TAKEN = (401, 403), (400, 409, 412, TOO_LONG, 415, 422)


def meaning(status: int, count: int) -> Meaning:
    """Of the answer with this status to a batch of so many statements."""
    if status in (200, 204):
        return Meaning.DELIVERED
    if status in _REFUSED:
        return Meaning.REFUSED
    if status not in _NOT_TAKEN:
        return Meaning.LATER
    if count > 1:
        return Meaning.SPLIT
    return Meaning.KNOWN if status == 409 else Meaning.DEAD


def is_same(said: Statement, answered: bytes) -> bool:
    """Whether this is the statement that was answered, as far as that can be read.

    Times are left out: some record stores keep them less exactly.
    """
    try:
        one, other = ({**each} for each in (said, json.loads(answered)))
        one.pop("timestamp", None), other.pop("timestamp", None)
        return equality.digest(one) == equality.digest(other)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def wait(failures: int, spread: float, asked_seconds: int | None) -> timedelta:
    """Until the next try, twice as long each time and never the same for all; ``spread`` is between 0 and 1.

    Never shorter than the target asked for, up to a day.
    """
    usual: timedelta = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 20))
    return max(usual * (0.5 + spread / 2), min(timedelta(seconds=asked_seconds or 0), LONGEST_ASKED))


def shown(answer: bytes, hidden: Iterable[str]) -> str:
    """What is kept of an answer: its beginning, in one line, with nothing that lets somebody in or moves a terminal."""
    printed = (each if each.isprintable() else " " for each in answer.decode("utf-8", "replace"))
    text = " ".join("".join(printed).split())
    for secret in filter(None, hidden):
        text = text.replace(secret, "…")
    return text[:LONGEST_ANSWER]


@dataclass(frozen=True)
class Progress:
    """How far the queueing of what was there before is: counted in places of the store."""

    done: int
    total: int

    @property
    def percent(self) -> int:
        return 100 if self.total == 0 else 100 * self.done // self.total
