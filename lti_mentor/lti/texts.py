"""Texts that a platform sends: cleaned for people, checked where they are ids."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

LONGEST_ID = 255
LONGEST_TEXT = 500
MOST_IDS = 50  # of one history
YEARS = range(2000, 2200)  # in which a course begins or ends


JOINERS = "\u200c\u200d"  # do not print, and hold letters of Persian and families of emoji together


def as_id(value: Any) -> str | None:
    """An id, also one that came as a number; none when it is empty, too long, or has something that does not print."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if isinstance(text, str) and 0 < len(text) <= LONGEST_ID and text.isprintable() else None


def ids(listed: str | None) -> list[str]:
    """The ids of a list with commas between them, as histories are told: nearest first, no more than anybody needs."""
    words = [word.strip() for word in (listed or "").split(",")]
    return [word for word in words if as_id(word)][:MOST_IDS]


def moment(value: Any) -> datetime | None:
    """A time in ISO 8601 with its zone; none of anything else, such as a day that was left open and came as 1970."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found is not None and found.tzinfo and found.year in YEARS else None


def shown(value: Any) -> str | None:
    """A text for people: without control characters and not endless; none when there is nothing in it."""
    if not isinstance(value, str):
        return None
    clean = "".join(each for each in " ".join(value.split()) if each.isprintable() or each in JOINERS)
    return clean[:LONGEST_TEXT].strip(f" {JOINERS}") or None


def full_name(claims: Mapping[str, Any]) -> str | None:
    """Of a launch or of a member; none when the platform withholds it."""
    whole = shown(claims.get("name"))
    parts = [part for part in (shown(claims.get("given_name")), shown(claims.get("family_name"))) if part]
    return whole or " ".join(parts) or None
