"""Basic keys of the record store."""

import hmac
import secrets
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from xapi.rows import Key, metadata

WRITE, READ = "statements/write", "statements/read"
READ_MINE = "statements/read/mine"  # those that this key has written
STATE, PROFILE = "state", "profile"  # documents, to read and to write
DEFINE = "define"  # what a statement says about an activity becomes what is known of it
ALL_READ, ALL = "all/read", "all"
SCOPES = (WRITE, READ_MINE, READ, STATE, PROFILE, DEFINE, ALL_READ, ALL)
USUAL = (READ, WRITE)


@dataclass(frozen=True)
class Caller:
    """Who a key speaks for."""

    tenant: uuid.UUID
    key: str
    scopes: frozenset[str]
    is_aged: bool = False  # the secret fits under an older secret key of the installation only: renew it

    def may(self, *scopes: str, reading: bool = False) -> bool:
        """Whether the key has one of these scopes, or one that stands for it."""
        enough = {*scopes, ALL, ALL_READ} if reading else {*scopes, ALL}
        return not enough.isdisjoint(self.scopes)


def add(
    db: Session,
    *,
    tenant: uuid.UUID,
    label: str,
    now: datetime,
    fingerprint: Callable[[bytes], bytes],
    scopes: Sequence[str] = USUAL,
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
            created_at=now,
        )
    )
    db.flush()
    return key, secret


_KEYS = metadata.tables["xapi_keys"]
_FOUND = select(_KEYS).where(_KEYS.c.key == bindparam("given"), _KEYS.c.disabled_at.is_(None))


def find(db: Session, *, key: str, secret: str, fingerprints: Callable[[bytes], Sequence[bytes]]) -> Caller | None:
    """Who this is, or nobody. ``fingerprints`` gives the hash in every way in use, the current one first."""
    row = db.execute(_FOUND, {"given": key}).one_or_none()
    kept = row.secret_hash if row else b"\0" * 32
    fits = [hmac.compare_digest(kept, candidate) for candidate in fingerprints(secret.encode())]
    if row is None or not any(fits):
        return None
    return Caller(row.tenant, row.key, frozenset(row.scopes.split()), is_aged=not fits[0])


def renew(db: Session, caller: Caller, fingerprint: bytes) -> None:
    """Keep the hash of the caller's secret in the current way, so that what made the older one can go."""
    db.get_one(Key, caller.key).secret_hash = fingerprint


def disable(db: Session, *, tenant: uuid.UUID, key: str, now: datetime) -> bool:
    """Whether there was such a key."""
    row = db.scalar(select(Key).where(Key.tenant == tenant, Key.key == key))
    if row is None:
        return False
    row.disabled_at = now
    return True


def listed(db: Session, *, tenant: uuid.UUID) -> Sequence[Key]:
    """All keys of the tenant, oldest first."""
    return db.scalars(select(Key).where(Key.tenant == tenant).order_by(Key.created_at)).all()
