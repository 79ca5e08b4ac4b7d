"""The audit log: every read of another person's record, and every change of rights and of platforms."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ForeignKey, Index, or_, select, tuple_
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row

# The log's page has a sentence for each.
Action = Literal[
    "read_record",
    "read_statements",
    "read_log",
    "exported_statements",
    "granted",
    "revoked",
    "key_added",
    "key_disabled",
    "keys_rotated",
    "secrets_resealed",
    "invited",
    "invitation_revoked",
    "registered",
    "approved",
    "disabled",
    "deployment_approved",
    "deployment_refused",
    "removed",
    "changed",
    "linked",
    "observers_on",
    "observers_off",
    "observers_allowed",
    "observers_refused",
    "exported",
    "erased",
    "course_copied",
    "column_changed",
    "link_made",
    "link_used",
    "target_added",
    "target_changed",
    "target_removed",
    "left_outside",
    "retention_changed",
    "statements_removed",
]

COMMAND = "lti-mentor "  # how the place of everything begins that was done on the command line


class AuditEntry(Row):
    __tablename__ = "audit_entries"

    at: Mapped[datetime] = mapped_column(default=clock.now)
    actor_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("people.id", ondelete="SET NULL")
    )  # none: the command line, a learning platform, or somebody who was erased: ``place`` tells them apart
    subject_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    action: Mapped[str]
    place: Mapped[str]  # the page or command

    __table_args__ = (Index("ix_audit_entries_organization_at", "organization_id", "at"),)


def write(
    db: Session,
    organization_id: uuid.UUID,
    action: Action,
    *,
    place: str,
    actor_id: uuid.UUID | None = None,
    subject_id: uuid.UUID | None = None,
) -> AuditEntry:
    """Add an entry; ``place`` is the page or the command, never what was seen there."""
    entry = AuditEntry(
        organization_id=organization_id, action=action, place=place, actor_id=actor_id, subject_id=subject_id
    )
    db.add(entry)
    return entry


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which entries; whatever is none does not matter. ``people`` did it, or it was about them."""

    action: str | None = None
    people: frozenset[uuid.UUID] | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: uuid.UUID | None = None  # older than this entry


def entries(db: Session, organization_id: uuid.UUID, wanted: Wanted, *, most: int) -> Sequence[AuditEntry]:
    """The newest first."""
    found = select(AuditEntry).where(AuditEntry.organization_id == organization_id)
    if wanted.action is not None:
        found = found.where(AuditEntry.action == wanted.action)
    if wanted.people is not None:
        found = found.where(or_(AuditEntry.actor_id.in_(wanted.people), AuditEntry.subject_id.in_(wanted.people)))
    if wanted.since is not None:
        found = found.where(AuditEntry.at >= wanted.since)
    if wanted.until is not None:
        found = found.where(AuditEntry.at < wanted.until)
    last = db.get(AuditEntry, wanted.before) if wanted.before is not None else None
    if last is not None and last.organization_id == organization_id:
        found = found.where(tuple_(AuditEntry.at, AuditEntry.id) < tuple_(last.at, last.id))
    return db.scalars(found.order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(most)).all()
