"""JSON from whoever sends it, as RFC 8259 has it."""

import json
from typing import Any


def parsed(text: str | bytes) -> Any:
    """Raises ValueError, also for what is nested too deep, and for NaN and Infinity, which are no JSON."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
