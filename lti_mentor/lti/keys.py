"""The tool's own keys: several at a time, the private halves sealed."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt import PyJWK
from pylti1p3.registration import Registration
from sqlalchemy import JSON, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base, new_id, one_of
from lti_mentor.vault import Vault

PURPOSE = "tool-key"
STATES = ("current", "retiring")


class ToolKey(Base):
    """Installation-wide. The library signs with the RFC 7638 thumbprint as key id, which ``jwk`` carries too."""

    __tablename__ = "tool_keys"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    jwk: Mapped[dict[str, Any]] = mapped_column(JSON)
    sealed_private_pem: Mapped[str]
    status: Mapped[str] = mapped_column(default="current")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (one_of("status", STATES),)


def ensure(db: Session, vault: Vault) -> ToolKey:
    """The current key, made when there is none."""
    return db.scalar(select(ToolKey).where(ToolKey.status == "current")) or _new(db, vault)


def rotate(db: Session, vault: Vault) -> ToolKey:
    """A new current key. The one before is still published, so that what it signed can be checked; older ones go."""
    for old in db.scalars(select(ToolKey)).all():
        if old.status == "retiring":
            db.delete(old)
        old.status = "retiring"
    db.flush()
    return _new(db, vault)


def as_pem(key: ToolKey) -> str:
    """The public half, for platforms that take no address of a key set."""
    public = PyJWK(key.jwk).key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return str(public, "ascii")


def _new(db: Session, vault: Vault) -> ToolKey:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public_pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private_pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = ToolKey(
        jwk=dict(Registration.get_jwk(public_pem.decode())), sealed_private_pem=vault.seal(PURPOSE, private_pem)
    )
    db.add(key)
    db.flush()
    return key


def listed(db: Session) -> Sequence[ToolKey]:
    """Those that are published: the one that signs first."""
    return db.scalars(select(ToolKey).order_by(ToolKey.created_at.desc())).all()


def public_set(db: Session) -> Mapping[str, Any]:
    """The key set the tool publishes: current and retiring keys."""
    keys = listed(db)
    return {"keys": [{"use": "sig", **key.jwk} for key in keys]}


def reseal(db: Session, vault: Vault) -> int:
    """Seal all private halves with the current secret key; how many there were."""
    keys = db.scalars(select(ToolKey)).all()
    for key in keys:
        key.sealed_private_pem = vault.reseal(PURPOSE, key.sealed_private_pem)
    return len(keys)
