"""What is written down of each."""

from dataclasses import dataclass

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Quirk:
    """``seen`` is the day of the report, or of reading where it stands; tests that replay it name it by its name."""

    name: str
    platform: str
    seen: str
    source: str
    what: str
