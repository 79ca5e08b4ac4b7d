"""The JSONPath of xAPI Profiles: names, numbers, stars and unions of these, ``..``, and several paths joined by ``|``.

Without filters, scripts, slices and negative numbers, which profiles must not use (xAPI Profile Specification 1.0, Part
Two, 8.1).
"""

import re
from collections.abc import Iterator
from typing import Any

from xapi.errors import InvalidPath

Keys = tuple[str | int | None, ...]  # names and numbers; none stands for all there are
Step = tuple[bool, Keys]  # whether it is taken at every depth
Path = tuple[tuple[Step, ...], ...]

_NAME = r"[^\s.,|\[\]()?'\"*@$:]+"
_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_KEY = re.compile(rf"\s*(?:(?P<all>\*)|(?P<number>\d+)|(?P<quoted>{_QUOTED}))\s*")
_STEP = re.compile(rf"(?P<deep>\.\.)?\.?(?:(?P<plain>{_NAME}|\*)|\[(?P<inside>(?:{_QUOTED}|[^\]'\"])+)\])")
_PIECES = re.compile(rf"(?:{_QUOTED}|[^|'\"])+")


def parsed(text: str) -> Path:
    """Raises InvalidPath."""
    pieces = _PIECES.findall(text)
    if not text or "|".join(pieces) != text:
        raise InvalidPath(text)
    return tuple(_steps(piece.strip(), text) for piece in pieces)


def _steps(piece: str, text: str) -> tuple[Step, ...]:
    if not piece:
        raise InvalidPath(text)
    place, steps = len(piece) - len(piece.removeprefix("$")), []
    while place < len(piece):
        found = _STEP.match(piece, place)
        if found is None:
            raise InvalidPath(text)
        steps.append((found["deep"] is not None, _keys(found, text)))
        place = found.end()
    return tuple(steps)


def _keys(step: re.Match[str], text: str) -> Keys:
    if step["plain"]:
        return (None,) if step["plain"] == "*" else (step["plain"],)
    keys: list[str | int | None] = []
    inside, place = step["inside"], 0
    while True:
        found = _KEY.match(inside, place)
        if found is None:
            raise InvalidPath(text)
        keys.append(_key(found))
        place = found.end()
        if place == len(inside):
            return tuple(keys)
        if inside[place] != ",":
            raise InvalidPath(text)
        place += 1


def _key(found: re.Match[str]) -> str | int | None:
    if found["all"]:
        return None
    if found["number"]:
        return int(found["number"])
    return re.sub(r"\\(.)", r"\1", found["quoted"][1:-1])


def values(path: Path, thing: Any) -> list[Any]:
    """All that is there, in the order of the paths."""
    return [value for steps in path for value in _at(steps, thing)]


def _at(steps: tuple[Step, ...], thing: Any) -> Iterator[Any]:
    if not steps:
        yield thing
        return
    (is_deep, keys), left = steps[0], steps[1:]
    for part in _parts(thing) if is_deep else (thing,):
        for child in _children(part, keys):
            yield from _at(left, child)


def _children(thing: Any, keys: Keys) -> Iterator[Any]:
    for key in keys:
        if key is None:
            yield from _all(thing)
        elif _has(thing, key):
            yield thing[key]


def _has(thing: Any, key: str | int) -> bool:
    if isinstance(key, int):
        return isinstance(thing, list) and key < len(thing)
    return isinstance(thing, dict) and key in thing


def _all(thing: Any) -> Iterator[Any]:
    if isinstance(thing, dict):
        yield from thing.values()
    elif isinstance(thing, list):
        yield from thing


def _parts(thing: Any) -> Iterator[Any]:
    """The thing and everything in it, at any depth."""
    yield thing
    for child in _all(thing):
        yield from _parts(child)
