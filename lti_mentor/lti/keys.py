"""The tool's own keys: several at a time, the private halves sealed.

Platforms keep the key set as long as it says (Security Framework 6.3), so a new key is published first and signs when
nobody can have a set without it any more, and one that signed stays published for as long after that.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt import PyJWK
from pylti1p3.registration import Registration
from sqlalchemy import JSON, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base, new_id
from lti_mentor.errors import Refused
from lti_mentor.vault import Vault

PURPOSE = "tool-key"
MAX_AGE = timedelta(hours=1)  # that a platform may keep the key set
LEAD = MAX_AGE + timedelta(minutes=5)  # answers on their way, and clocks that differ


class ToolKey(Base):
    """Installation-wide. The library signs with the RFC 7638 thumbprint as key id, which ``jwk`` carries too."""

    __tablename__ = "tool_keys"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    jwk: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed_private_pem: Mapped[str]
    signs_from: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


def ensure(db: Session, vault: Vault) -> ToolKey:
    """The key that signs, made when there is none: nobody can have a key set without it."""
    return signing(db) or _new(db, vault, signs_from=clock.now())


def signing(db: Session) -> ToolKey | None:
    """The last one whose time has come; where the clock was set back, the oldest."""
    published = listed(db)
    return next((key for key in published if key.signs_from <= clock.now()), published[-1] if published else None)


def coming(db: Session) -> ToolKey | None:
    """The one that is published and does not sign yet."""
    return next((key for key in listed(db) if key.signs_from > clock.now()), None)


def rotate(db: Session, vault: Vault) -> ToolKey:
    """A new key, which is published now and signs later. Raises Refused while another waits for its time."""
    if coming(db) is not None:
        raise Refused("keys.one_is_coming")
    published = listed(db)
    for newer, older in pairwise(published):
        if newer.signs_from + LEAD <= clock.now():
            db.delete(older)  # its last signature is as old as that
    return _new(db, vault, signs_from=clock.now() + LEAD if published else clock.now())


def as_pem(key: ToolKey) -> str:
    """The public half, for platforms that take no address of a key set."""
    public = PyJWK(key.jwk).key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return str(public, "ascii")


def replace(db: Session, vault: Vault) -> ToolKey:
    """A new key that signs at once, and no other is published: for one that somebody else may have."""
    for old in listed(db):
        db.delete(old)
    return _new(db, vault, signs_from=clock.now())


def _new(db: Session, vault: Vault, *, signs_from: datetime) -> ToolKey:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public_pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private_pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = ToolKey(
        jwk=dict(Registration.get_jwk(public_pem.decode())),
        sealed_private_pem=vault.seal(PURPOSE, private_pem),
        signs_from=signs_from,
    )
    db.add(key)
    db.flush()
    return key


def listed(db: Session) -> Sequence[ToolKey]:
    """Those that are published: one that is to sign, the one that signs, those that signed."""
    return db.scalars(select(ToolKey).order_by(ToolKey.signs_from.desc(), ToolKey.created_at.desc())).all()


def public_set(db: Session) -> Mapping[str, Any]:
    """The key set the tool publishes."""
    return {"keys": [{"use": "sig", **key.jwk} for key in listed(db)]}


def reseal(db: Session, vault: Vault) -> int:
    """Seal all private halves with the current secret key; how many there were."""
    keys = db.scalars(select(ToolKey)).all()
    for key in keys:
        key.sealed_private_pem = vault.reseal(PURPOSE, key.sealed_private_pem)
    return len(keys)
