"""Messages of several parts, as they are written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.support.several_parts import written
from xapi import multipart
from xapi.errors import InvalidStatement
from xapi.multipart import MOST_PARTS, Part

ONE = Part({"content-type": "application/json"}, b"{}")


@given(some.lists(some.binary(max_size=60), min_size=1, max_size=4))
def test_what_is_written_is_read_again(contents):
    message = written([Part({"a": "b"}, content) for content in contents], "a-very-rare-boundary")
    assert [part.content for part in multipart.parts(message, "a-very-rare-boundary")] == contents


def test_a_media_type_from_before_it_was_checked_makes_no_header_of_its_own():
    part = multipart.attachment("a" * 64, "text/plain\r\nX-Injected: yes", b"x")
    pieces, kind = multipart.message(b"{}", [part])
    _, read = multipart.parts(b"".join(pieces), kind.partition("boundary=")[2])
    assert read.headers["content-type"] == "text/plain X-Injected: yes"
    assert "x-injected" not in read.headers


def test_what_stands_before_the_first_boundary_and_after_the_last_is_no_part():
    message = b"hello\r\n" + written([ONE], "b") + b"\r\ngoodbye"
    assert multipart.parts(message, "b") == [ONE]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"--b--",
        b"--b\r\n\r\n{}",  # no end
        b"--b\r\ncontent-type: text/plain\r\n--b--",  # no empty line
        b"--b\r\nno header\r\n\r\n{}\r\n--b--",
        b"--bad\r\n\r\n{}\r\n--b--",
        b"--b\n\n{}\n--b--",
        written([ONE] * (MOST_PARTS + 1), "b"),
        b"\r\n--b" * 100_000,
    ],
    ids=range(9),
)
def test_a_message_that_is_none_is_refused(message):
    with pytest.raises(InvalidStatement):
        multipart.parts(message, "b")


def test_as_many_parts_as_allowed_are_taken():
    assert len(multipart.parts(written([ONE] * MOST_PARTS, "b"), "b")) == MOST_PARTS
