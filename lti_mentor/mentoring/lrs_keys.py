"""Keys of the record store: for everything of an organization, or bound to one of its programs or courses."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.activity import record, statements
from lti_mentor.errors import Invalid
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.programs import Program, ProgramCourse
from lti_mentor.vault import Vault
from xapi import keys

LONGEST_LABEL = 100


@dataclass(frozen=True, kw_only=True)
class KeyDraft:
    """What an administrator says of a key: it is good until ``expires_at``, or until it is disabled."""

    label: str = ""
    scopes: tuple[str, ...] = keys.USUAL
    bound_to: Program | Course | None = None
    expires_at: datetime | None = None


def make(db: Session, vault: Vault, organization_id: uuid.UUID, draft: KeyDraft) -> tuple[str, str]:
    """A new key and its secret, which nobody can ask for again. Raises Invalid."""
    wrong = problems(draft)
    if wrong:
        raise Invalid(wrong)
    return keys.add(
        db,
        tenant=organization_id,
        label=draft.label.strip(),
        now=clock.now(),
        fingerprint=lambda text: record.key_hashes(db, vault, text)[0],
        scopes=draft.scopes,
        activity=_iri(db, draft.bound_to),
        expires_at=draft.expires_at,
    )


def problems(draft: KeyDraft) -> dict[str, str]:
    """A reason for each field that cannot be used."""
    wrong: dict[str, str] = {}
    if len(draft.label.strip()) > LONGEST_LABEL or not draft.label.isprintable():
        wrong["label"] = "key.label"
    if not draft.scopes or not set(draft.scopes) <= set(keys.SCOPES):
        wrong["scopes"] = "key.scopes"
    elif draft.bound_to is not None and keys.DEFINE in draft.scopes:
        wrong["scopes"] = "key.bound_define"
    if draft.expires_at is not None and draft.expires_at <= clock.now():
        wrong["expires"] = "key.expires"
    return wrong


def _iri(db: Session, thing: Program | Course | None) -> str | None:
    """As our own statements name it."""
    if thing is None:
        return None
    activity = statements.program if isinstance(thing, Program) else statements.course
    return str(activity(thing.id, record.iri_base(db))["id"])


def courses_with_programs(db: Session, organization_id: uuid.UUID) -> Sequence[Course]:
    """By title; a key may be bound to any other course on the command line."""
    placed = select(ProgramCourse.course_id).where(ProgramCourse.organization_id == organization_id)
    wanted = select(Course).where(Course.organization_id == organization_id, Course.id.in_(placed))
    return db.scalars(wanted.order_by(Course.title, Course.id)).all()
