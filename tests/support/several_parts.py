"""A message of several parts, as a client sends it."""

from collections.abc import Iterable

from xapi import multipart
from xapi.multipart import Part


def written(parts: Iterable[Part], boundary: str) -> bytes:
    return b"".join(multipart.pieces(parts, boundary))
