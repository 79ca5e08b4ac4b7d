"""Texts that a platform sends: cleaned for people, checked where they are ids."""

from collections.abc import Mapping
from typing import Any

LONGEST_ID = 255
LONGEST_TEXT = 500


def is_id(value: str) -> bool:
    """Whether this can be an id: not empty, not too long, nothing that does not print."""
    return 0 < len(value) <= LONGEST_ID and value.isprintable()


def shown(value: Any) -> str | None:
    """A text for people: without control characters and not endless; none when there is nothing in it."""
    if not isinstance(value, str):
        return None
    clean = "".join(character for character in value if character.isprintable()).strip()
    return clean[:LONGEST_TEXT] or None


def full_name(claims: Mapping[str, Any]) -> str | None:
    """Of a launch or of a member; none when the platform withholds it."""
    whole = shown(claims.get("name"))
    parts = [part for part in (shown(claims.get("given_name")), shown(claims.get("family_name"))) if part]
    return whole or " ".join(parts) or None
