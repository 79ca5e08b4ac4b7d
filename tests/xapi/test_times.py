"""Timestamps as they are sent, and as they are kept."""

from datetime import UTC, datetime

import pytest

from xapi import times

SENT = {
    "2026-05-01T10:00:00Z": "2026-05-01T10:00:00.000000Z",
    "2026-05-01T10:00:00.5Z": "2026-05-01T10:00:00.500000Z",
    "2026-05-01T10:00:00.000001Z": "2026-05-01T10:00:00.000001Z",
    "2026-05-01T10:00:00.123456789Z": "2026-05-01T10:00:00.123456Z",
    "2026-05-01T10:00:00z": "2026-05-01T10:00:00.000000Z",
    "2026-05-01t10:00:00Z": "2026-05-01T10:00:00.000000Z",
    "2026-05-01 10:00:00Z": "2026-05-01T10:00:00.000000Z",
    "2026-05-01T10:00Z": "2026-05-01T10:00:00.000000Z",
    "2026-05-01T10:00:00": "2026-05-01T10:00:00.000000Z",
    "2026-05-01T00:30:00.25+02:00": "2026-04-30T22:30:00.250000Z",
    "2026-05-01T10:00:00-0530": "2026-05-01T15:30:00.000000Z",
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00.000000Z",
    "9999-12-31T23:59:59.999999Z": "9999-12-31T23:59:59.999999Z",
}


@pytest.mark.parametrize(("sent", "kept"), SENT.items())
def test_a_timestamp_is_kept_in_utc_and_to_the_microsecond(sent, kept):
    assert times.in_utc(sent) == times.written(times.parsed(sent)) == kept


def test_a_written_time_is_read_as_the_same_time():
    moment = datetime(2026, 5, 1, 10, 0, 0, 120, UTC)
    assert times.parsed(times.written(moment)) == moment
