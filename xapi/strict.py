"""JSON as RFC 8259 has it: read from whoever sends it, and written without blanks, letters as they are."""

import json
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_encode, _encode_in_order = msgspec.json.Encoder().encode, msgspec.json.Encoder(order="deterministic").encode


def parsed(text: str | bytes) -> Any:
    """Whole numbers keep all of their digits. Raises ValueError, also for what is nested too deep, NaN and Infinity.

    What no database keeps, such as half a pair of surrogates or a number that is too large, is left to whoever can say
    where it is: it is JSON.
    """
    try:
        return _decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except ValueError:
        return _slowly(text)


def _slowly(text: str | bytes) -> Any:
    try:
        said = text if isinstance(text, str) else text.decode("utf-8-sig")  # json would take UTF-16 and UTF-32, too
        return json.loads(said, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def written(value: Any) -> str:
    """Of what was read from JSON and checked: NaN and Infinity would become null."""
    return _encode(value).decode()


def ordered(value: Any) -> str:
    """With the properties in one order, so that what says the same reads the same."""
    return _encode_in_order(value).decode()
