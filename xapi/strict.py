"""JSON as RFC 8259 has it: read from whoever sends it, and written without blanks, letters as they are."""

from typing import Any

from msgspec import json

_decoder, _encoder, _orderly = json.Decoder(), json.Encoder(), json.Encoder(order="deterministic")


def parsed(text: str | bytes) -> Any:
    """A whole number keeps all of its digits.

    Raises ValueError, also for what is nested too deep, half of a pair of surrogates, NaN and Infinity.
    """
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


def written(value: Any) -> str:
    return _encoder.encode(value).decode()


def ordered(value: Any) -> str:
    """With the properties in one order, so that what says the same reads the same."""
    return _orderly.encode(value).decode()
