"""How often something may be tried within a time, counted in the database and so for all workers together.

Logins and launches leave rows of their own, which are counted where they are made (``lti/login.py``, ``web/visit.py``).
This is for what leaves none.
"""

import ipaddress
import uuid
from datetime import datetime, timedelta

from flask import request
from sqlalchemy import Index
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base, fewer_than, insert_if, new_id, same, try_insert
from lti_mentor.errors import TooMany
from lti_mentor.vault import Vault

LONGEST = timedelta(hours=1)  # no limit looks back further


class Attempt(Base):
    """Installation-wide: a stranger belongs to no organization."""

    __tablename__ = "attempts"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    caller_hash: Mapped[str]
    at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (Index("ix_attempts_kind_at_caller_hash", "kind", "at", "caller_hash"),)


_ATTEMPTS = Base.metadata.tables["attempts"]
_OF_KIND = (_ATTEMPTS.c.at, same(_ATTEMPTS.c.kind))
_COUNT = insert_if(
    _ATTEMPTS,
    fewer_than("of_caller", *_OF_KIND, same(_ATTEMPTS.c.caller_hash)),
    fewer_than("of_all", *_OF_KIND),
)


def take(db: Session, vault: Vault, kind: str, caller: str, *, each: int, together: int, within: timedelta) -> None:
    """Count one more try of this caller. Raises TooMany when there were so many already; 0 is no limit.

    A try that is refused does not count, so that nobody is shut out for longer than ``within``.
    """
    now = clock.now()
    values = {"id": new_id(), "kind": kind, "caller_hash": vault.recognizable(kind, caller), "at": now}
    if not try_insert(db.connection(), _COUNT, values, since=now - within, of_caller=each, of_all=together):
        raise TooMany(f"{kind}.too_many", seconds=int(within.total_seconds()))


def address() -> str:
    """Where this request comes from, without what one machine may choose: its port, and the half of an IPv6 address."""
    given = request.remote_addr or ""
    try:
        found = ipaddress.ip_address(_without_port(given))
    except ValueError:
        return given
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(found.ipv4_mapped or ipaddress.ip_network((found, 64), strict=False))


def _without_port(given: str) -> str:
    """Some proxies name it, or put brackets: ``192.0.2.1:4711``, ``[2001:db8::1]:4711``, ``[2001:db8::1]``."""
    if given.startswith("["):
        return given[1:].partition("]")[0]
    host, colon, _ = given.rpartition(":")
    return host if colon and ":" not in host else given
