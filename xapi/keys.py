"""Basic keys of the record store."""

import hmac
import secrets
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, or_, select, update
from sqlalchemy.orm import Session

from xapi.facets import Statement, names_activity
from xapi.rows import Key, metadata

WRITE, READ = "statements/write", "statements/read"
READ_MINE = "statements/read/mine"  # those that this key has written
STATE, PROFILE = "state", "profile"  # documents, to read and to write
DEFINE = "define"  # what a statement says about an activity becomes what is known of it
ALL_READ, ALL = "all/read", "all"
SCOPES = (WRITE, READ_MINE, READ, STATE, PROFILE, DEFINE, ALL_READ, ALL)
USUAL = (READ, WRITE)
NOTED_EVERY = timedelta(hours=1)  # that a key was used


@dataclass(frozen=True)
class Caller:
    """Who a key speaks for."""

    tenant: uuid.UUID
    key: str
    scopes: frozenset[str]
    activity: str | None = None  # bound to it: what does not name it is not there for this key
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    is_aged: bool = False  # the secret fits under an older secret key of the installation only: renew it

    def may(self, *scopes: str, reading: bool = False) -> bool:
        """Whether the key has one of these scopes, or one that stands for it."""
        enough = {*scopes, ALL, ALL_READ} if reading else {*scopes, ALL}
        return not enough.isdisjoint(self.scopes)

    def may_see(self, statement: Statement) -> bool:
        """Whether a bound key may: it has to name the activity itself. The others see what their scopes let them."""
        return self.activity is None or names_activity(statement, [self.activity])

    def is_to_note(self, now: datetime) -> bool:
        """Whether it was not noted for a while that the key is used."""
        return self.last_used_at is None or self.last_used_at <= now - NOTED_EVERY


def add(
    db: Session,
    *,
    tenant: uuid.UUID,
    label: str,
    now: datetime,
    fingerprint: Callable[[bytes], bytes],
    scopes: Sequence[str] = USUAL,
    activity: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[str, str]:
    """A new key and its secret, which nobody can ask for again."""
    key, secret = secrets.token_hex(12), secrets.token_urlsafe(32)
    db.add(
        Key(
            key=key,
            tenant=tenant,
            secret_hash=fingerprint(secret.encode()),
            label=label,
            scopes=" ".join(scopes),
            activity=activity,
            created_at=now,
            expires_at=expires_at,
        )
    )
    db.flush()
    return key, secret


_KEYS = metadata.tables["xapi_keys"]
_FOUND = select(_KEYS).where(_KEYS.c.key == bindparam("given"), _KEYS.c.disabled_at.is_(None))


def find(
    db: Session | Connection, *, key: str, secret: str, fingerprints: Callable[[bytes], Sequence[bytes]]
) -> Caller | None:
    """Who this is, or nobody; also one whose key is over. ``fingerprints`` gives the hash in every way in use, the
    current one first.
    """
    row = db.execute(_FOUND, {"given": key}).one_or_none()
    kept = row.secret_hash if row else b"\0" * 32
    fits = [hmac.compare_digest(kept, candidate) for candidate in fingerprints(secret.encode())]
    if row is None or not any(fits):
        return None
    return Caller(
        tenant=row.tenant,
        key=row.key,
        scopes=frozenset(row.scopes.split()),
        activity=row.activity,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        is_aged=not fits[0],
    )


def renew(db: Session, caller: Caller, fingerprint: bytes) -> None:
    """Keep the hash of the caller's secret in the current way, so that what made the older one can go."""
    db.get_one(Key, caller.key).secret_hash = fingerprint


def note_use(db: Session, caller: Caller, now: datetime) -> None:
    """Keep when it was used, unless somebody did so just now."""
    earlier = or_(_KEYS.c.last_used_at.is_(None), _KEYS.c.last_used_at <= now - NOTED_EVERY)
    db.execute(update(_KEYS).where(_KEYS.c.key == caller.key, earlier).values(last_used_at=now))


def disable(db: Session, *, tenant: uuid.UUID, key: str, now: datetime) -> bool:
    """Whether there was such a key."""
    row = db.scalar(select(Key).where(Key.tenant == tenant, Key.key == key))
    if row is None:
        return False
    row.disabled_at = now
    return True


def state(key: Key, now: datetime) -> str:
    """active, over or disabled"""
    if key.disabled_at is not None:
        return "disabled"
    return "over" if key.expires_at is not None and key.expires_at <= now else "active"


def listed(db: Session, *, tenant: uuid.UUID) -> Sequence[Key]:
    """All keys of the tenant, oldest first."""
    return db.scalars(select(Key).where(Key.tenant == tenant).order_by(Key.created_at)).all()
