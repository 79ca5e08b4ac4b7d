"""Timestamps of xAPI: ISO 8601 with an offset in, UTC out."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_SHAPE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?(?P<zone>Z|z|[+-]\d\d(:?\d\d)?)?$", re.ASCII)
_UNKNOWN = frozenset({"-00", "-0000", "-00:00"})


def parsed(text: str) -> datetime:
    """Aware UTC; a time without an offset is read as UTC. Raises ValueError, also for the offset -00:00."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ValueError("not an ISO 8601 timestamp")
    if match["zone"] in _UNKNOWN:
        raise ValueError("the offset -00:00 says that the zone is unknown")
    moment = datetime.fromisoformat(text.upper())
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("before the first or after the last year") from None


def in_utc(text: str) -> str:
    """The same moment as ``written`` has it, of a text that ``parsed`` takes: most are nearly so."""
    if text[-1] == "Z" and text[10] == "T" and text[11:13] != "24" and len(text) > 19:  # with seconds
        return f"{text[:19]}.{text[20:-1]:0<6.6}Z"
    return written(parsed(text))


def since_and_until(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """What ``since`` (exclusive) and ``until`` (inclusive) are for the whole of a day. Raises OverflowError."""
    begin, end = (datetime.combine(each, time.min, zone) for each in (day, day + timedelta(days=1)))
    instant = timedelta(microseconds=1)
    return begin.astimezone(UTC) - instant, end.astimezone(UTC) - instant


def written(moment: datetime) -> str:
    """Microseconds and a Z."""
    return moment.astimezone(UTC).isoformat("T", "microseconds")[:26] + "Z"
