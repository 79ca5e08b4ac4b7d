"""The only reader of the clock, so that a story or a test can move it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime

_moved: ContextVar[datetime | None] = ContextVar("moved", default=None)


def now() -> datetime:
    """Aware UTC."""
    return _moved.get() or datetime.now(UTC)


def today() -> date:
    """The UTC date."""
    return now().date()


@contextmanager
def moved_to(moment: datetime) -> Iterator[None]:
    """Stand still at ``moment`` (aware) inside the block, in this thread only."""
    if moment.tzinfo is None:
        raise ValueError("the clock is moved to an aware time only")
    token = _moved.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _moved.reset(token)
