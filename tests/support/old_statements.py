"""Statements that were stored long ago, rules about them, and what is left."""

import hashlib
import uuid
from datetime import timedelta
from functools import partial

from sqlalchemy import func, select

from lti_mentor import clock
from lti_mentor.activity import outside, record
from lti_mentor.mentoring import retention
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.retention import RetentionRule
from lti_mentor.vault import Vault
from tests.conftest import SECRET
from tests.support.outside import AUTHORITY
from tests.support.record_store import statement
from xapi import store
from xapi.rows import StoredStatement

OLD, NEW = timedelta(days=400), timedelta(days=3)


def put(database, home, *given, contents=None):
    with database.transaction() as db:
        taken = store.put(
            db,
            tenant=home,
            statements=given,
            now=clock.now(),
            authority=AUTHORITY,
            contents=contents or {},
            keyed=partial(record.statement_hash, db, Vault((SECRET,))),
        )
        outside.queue(db, home, taken)
    return [str(each) for each in taken.ids]


def put_old(database, home, *given, age=OLD, **more):
    """Stored so long ago: what is newer has to be stored afterwards."""
    ids = put(database, home, *given, **more)
    with database.transaction() as db:
        these = StoredStatement.statement_id.in_([uuid.UUID(each) for each in ids])
        for row in db.scalars(select(StoredStatement).where(StoredStatement.tenant == home, these)):
            row.stored -= age
    return ids


def rule(database, home, **given):
    with database.transaction() as db:
        return retention.add(db, home, RetentionRule(**{"days": 365, "whose": "others", **given}))


def ids(database):
    with database.reading() as db:
        return {str(each) for each in db.scalars(select(StoredStatement.statement_id))}


def count(database, row, *which):
    with database.reading() as db:
        return db.scalar(select(func.count()).select_from(row).where(*which))


def entries(database):
    with database.reading() as db:
        wanted = select(AuditEntry.place).where(AuditEntry.action == "statements_removed").order_by(AuditEntry.at)
        return list(db.scalars(wanted))


def with_attachment(text, **changes):
    sha2 = hashlib.sha256(text).hexdigest()
    attachment = {
        "usageType": "https://example.org/file",
        "display": {"en": "File"},
        "contentType": "text/plain",
        "length": len(text),
        "sha2": sha2,
    }
    return statement(attachments=[attachment], **changes), {sha2: text}
