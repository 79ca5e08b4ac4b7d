"""What goes together to a record store outside, what its answers mean, and how long to wait."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from xapi import delivery
from xapi.delivery import Meaning


@dataclass(frozen=True)
class Letter:
    body: str = "{}"
    has_attachments: bool = False


@pytest.mark.parametrize(
    ("status", "alone", "together"),
    [
        (200, Meaning.DELIVERED, Meaning.DELIVERED),
        (204, Meaning.DELIVERED, Meaning.DELIVERED),
        (409, Meaning.KNOWN, Meaning.SPLIT),
        (400, Meaning.DEAD, Meaning.SPLIT),
        (413, Meaning.DEAD, Meaning.SPLIT),
        (422, Meaning.DEAD, Meaning.SPLIT),
        (401, Meaning.REFUSED, Meaning.REFUSED),
        (403, Meaning.REFUSED, Meaning.REFUSED),
        *[(status, Meaning.LATER, Meaning.LATER) for status in (201, 301, 302, 404, 408, 429, 500, 502, 503, 504, 520)],
    ],
)
def test_an_answer_means_the_same_whoever_gives_it(status, alone, together):
    assert delivery.meaning(status, 1) == alone
    assert delivery.meaning(status, 2) == together


def test_a_batch_is_never_empty_never_long_and_never_has_attachments_of_several():
    letter, long, attached = Letter(), Letter("x" * 300_000), Letter(has_attachments=True)
    assert delivery.batch([]) == []
    assert len(delivery.batch([letter] * 300)) == delivery.MOST
    assert delivery.batch([letter] * 5, 2) == [letter] * 2
    assert delivery.batch([long, long]) == [long]
    assert delivery.batch([Letter("x" * 3_000_000), letter]) == [Letter("x" * 3_000_000)]
    assert delivery.batch([letter, attached, letter]) == [letter]
    assert delivery.batch([attached, letter]) == [attached]


def test_the_wait_doubles_up_to_a_quarter_of_an_hour_and_is_never_the_same_for_all():
    longest = [delivery.wait(failures, 1, None) for failures in (1, 2, 3, 11, 99)]
    assert longest == [timedelta(seconds=each) for each in (1, 2, 4, 900, 900)]
    assert delivery.wait(3, 0, None) == timedelta(seconds=2)
    assert delivery.wait(1, 0, 3600) == timedelta(hours=1)
    assert delivery.wait(1, 0, 10**9) == timedelta(days=1)
    assert delivery.wait(99, 1, 1) == timedelta(minutes=15)


def test_fewer_go_together_after_each_failure():
    assert [delivery.first_size(failures) for failures in (0, 1, 2, 7, 99)] == [100, 50, 25, 1, 1]


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("https://lrs.example.org/xapi/statements/", "https://lrs.example.org/xapi"),
        (" https://lrs.example.org:8443/data//statements ", "https://lrs.example.org:8443/data"),
        ("https://lrs.example.org", "https://lrs.example.org"),
        ("http://[2001:db8::1]/xapi/", "http://[2001:db8::1]/xapi"),
    ],
)
def test_an_endpoint_is_kept_in_one_spelling(typed, address):
    assert delivery.endpoint(typed) == address


@pytest.mark.parametrize(
    "typed",
    ["", "lrs", "ftp://x/y", "https://", "https://u:p@x/", "https://x/?a=b", "https://x/#a", "https://x:99999/"],
)
def test_what_is_no_plain_web_address_is_no_endpoint(typed):
    with pytest.raises(ValueError):
        delivery.endpoint(typed)


def test_of_an_answer_only_its_beginning_is_kept_and_nothing_that_lets_somebody_in():
    answer = b"no\n\x00\xff: \x1b[2J hidden " + b"x" * 9999
    shown = delivery.shown(answer, ["hidden", ""])
    assert shown.startswith("no �: [2J … xxx")
    assert len(shown) == delivery.LONGEST_ANSWER
