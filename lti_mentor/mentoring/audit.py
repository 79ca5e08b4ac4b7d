"""The audit log: every read of another person's record, and every change of rights."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row


class AuditEntry(Row):
    __tablename__ = "audit_entries"

    at: Mapped[datetime] = mapped_column(default=clock.now)
    actor_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("people.id", ondelete="SET NULL")
    )  # none: the command line
    subject_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    action: Mapped[str]  # such as read_record, read_statements, granted, key_added, disabled
    place: Mapped[str]  # the page or command

    __table_args__ = (Index("ix_audit_entries_organization_at", "organization_id", "at"),)


def write(
    db: Session,
    organization_id: uuid.UUID,
    action: str,
    *,
    place: str,
    actor_id: uuid.UUID | None = None,
    subject_id: uuid.UUID | None = None,
) -> None:
    """Add an entry; ``place`` is the page or the command, never what was seen there."""
    entry = AuditEntry(
        organization_id=organization_id, action=action, place=place, actor_id=actor_id, subject_id=subject_id
    )
    db.add(entry)
