"""Organizations: who owns every other row."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base, new_id


class Organization(Base):
    __tablename__ = "organizations"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)


def get(db: Session, organization_id: uuid.UUID) -> Organization:
    return db.get_one(Organization, organization_id)


def listed(db: Session) -> Sequence[Organization]:
    """All of them, by name."""
    return db.scalars(select(Organization).order_by(Organization.name)).all()


def named(db: Session, name: str) -> Organization:
    """The organization of that name, made when there is none."""
    organization = db.scalar(select(Organization).where(Organization.name == name))
    if organization is None:
        organization = Organization(name=name)
        db.add(organization)
        db.flush()
    return organization


_LOCK = select(Organization.id).where(Organization.id == bindparam("organization_id")).with_for_update(key_share=True)


def lock(db: Session, organization_id: uuid.UUID) -> None:
    """Let one transaction at a time add what has to be unique in the organization."""
    db.execute(_LOCK, {"organization_id": organization_id})
