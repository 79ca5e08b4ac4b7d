"""The smallest parts of a statement, each with its rule and the section that has it (Part Two of xAPI 1.0.3).

A check takes a value and raises InvalidStatement; the path is put together on the way up.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NoReturn

from xapi import times
from xapi.errors import InvalidStatement

Check = Callable[[Any], None]

LONGEST_IRI = 2000  # bytes: an index of PostgreSQL takes a little more
DEEPEST = 100
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20\x7f\s<>\"{}|\\^`\ud800-\udfff]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LANGUAGE = re.compile(
    r"(([A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})(-[A-Za-z]{4})?(-([A-Za-z]{2}|\d{3}))?"
    r"(-([A-Za-z0-9]{5,8}|\d[A-Za-z0-9]{3}))*(-[0-9A-WY-Za-wy-z](-[A-Za-z0-9]{2,8})+)*(-[xX](-[A-Za-z0-9]{1,8})+)?"
    r"|[xX](-[A-Za-z0-9]{1,8})+|[iI]-[A-Za-z]{3,})"
)
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_NUMBER = r"\d+(?:[.,]\d+)?"
_DURATION = re.compile(
    rf"P(?=\d|T)(?:\d+(?:[.,]\d+)?W|(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}D)?"
    rf"(?:T(?=\d)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?)"
)


def is_iri(text: str) -> bool:
    return len(text) <= LONGEST_IRI and _is_iri(text)


@lru_cache(maxsize=5000)  # the same few hundred are in nearly all statements
def _is_iri(text: str) -> bool:
    fits = _IRI.fullmatch(text) is not None
    return fits and (len(text) <= LONGEST_IRI // 4 or len(text.encode()) <= LONGEST_IRI)


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def wrong(problem: str, section: str, path: str = "") -> NoReturn:
    raise InvalidStatement(path, problem, section)


def matching(pattern: re.Pattern[str], problem: str, section: str) -> Check:
    fits = pattern.fullmatch

    def check(value: Any) -> None:
        if not isinstance(value, str) or fits(value) is None:
            wrong(problem, section)

    return check


uuid = matching(_UUID, "It has to be a UUID.", "Part Two, 4.4")
language = matching(_LANGUAGE, "It has to be a language tag (RFC 5646).", "Part Two, 4.2")
duration = matching(_DURATION, "It has to be an ISO 8601 duration.", "Part Two, 4.6")


def text(value: Any) -> None:
    if not isinstance(value, str):
        wrong("It has to be text.", "Part Two, 2.2")
    if "\0" in value or not (value.isascii() or _SURROGATE.search(value) is None):
        wrong("A text has characters that are none: NUL or half of a pair.", "Part Two, 2.2")


def iri(value: Any) -> None:
    if not isinstance(value, str) or not is_iri(value):
        wrong(f"It has to be an IRI with a scheme, of at most {LONGEST_IRI} bytes.", "Part Two, 4.3")


def boolean(value: Any) -> None:
    if value is not True and value is not False:
        wrong("It has to be true or false.", "Part Two, 2.2")


def number(value: Any) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not _is_finite(value):
        wrong("It has to be a number, and not too large a one.", "Part Two, 2.2")


def _is_finite(value: float) -> bool:
    """Whether there is such a float: a whole number may be too large for one."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def whole_number(value: Any) -> None:
    number(value)
    if not isinstance(value, int) or value < 0:
        wrong("It has to be a whole number.", "Part Two, 2.4.11")


def timestamp(value: Any) -> None:
    if not isinstance(value, str):
        wrong("It has to be text.", "Part Two, 2.2")
    try:
        times.parsed(value)
    except ValueError:
        wrong("It has to be an ISO 8601 timestamp, and not with the offset -00:00.", "Part Two, 4.5")


def timestamp_of_two(value: Any) -> None:
    """RFC 3339: with seconds and an offset."""
    timestamp(value)
    if _RFC_3339.fullmatch(value) is None:
        wrong("It has to be an RFC 3339 timestamp, such as 2026-05-01T10:00:00Z.", "xAPI 2.0, 4.2.7")


def language_map(value: Any) -> None:
    if not isinstance(value, dict):
        wrong("It has to be an object of languages.", "Part Two, 4.2")
    for tag, said in value.items():
        language(tag)
        try:
            text(said)
        except InvalidStatement as error:
            raise error.inside(tag) from None


def extensions(value: Any) -> None:
    """Anything may be in them, nulls too."""
    if not isinstance(value, dict):
        wrong("It has to be an object.", "Part Two, 4.1")
    for name in value:
        if not is_iri(name):
            wrong("Each key has to be an IRI.", "Part Two, 4.1")
    _sound(value)


def _sound(value: Any) -> None:
    """What no database and no JSON keeps is refused."""
    waiting = [(value, 0)]
    while waiting:
        part, depth = waiting.pop()
        if depth > DEEPEST:
            wrong(f"It is nested deeper than {DEEPEST} levels.", "Part Two, 4.1")
        if isinstance(part, float) and not math.isfinite(part):
            wrong("A number is too large.", "Part Two, 2.2")
        if isinstance(part, str):
            text(part)
        elif isinstance(part, dict):
            waiting += [(each, depth + 1) for pair in part.items() for each in pair]
        elif isinstance(part, list):
            waiting += [(each, depth + 1) for each in part]


def one_of(*values: str, section: str) -> Check:
    known = frozenset(values)

    def check(value: Any) -> None:
        if not isinstance(value, str) or value not in known:
            wrong(f"It has to be {' or '.join(values)}.", section)

    return check


def list_of(check: Check, section: str = "Part Two, 2.2") -> Check:
    def check_all(value: Any) -> None:
        if not isinstance(value, list):
            wrong("It has to be a list.", section)
        for place, item in enumerate(value):
            try:
                check(item)
            except InvalidStatement as error:
                raise error.inside(f"[{place}]") from None

    return check_all


def shape(properties: Mapping[str, Check], section: str, *, required: tuple[str, ...] = ()) -> Check:
    """An object with these properties and no others."""
    rule = properties.get

    def check(value: Any) -> None:
        if not isinstance(value, dict):
            wrong("It has to be an object.", section)
        for name, part in value.items():
            inner = rule(name)
            if inner is None:
                wrong("There is no such property here.", section, name)
            if part is None:
                wrong("It may not be null.", "Part Two, 2.2", name)
            try:
                inner(part)
            except InvalidStatement as error:
                raise error.inside(name) from None
        for name in required:
            if name not in value:
                wrong("It is missing.", section, name)

    return check
