"""Removing what is over: logins, visits, forms, tokens, links, pickers, codes, exports, attempts, new deployments."""

import threading
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.lti import platforms
from lti_mentor.lti.deep_linking import Picker
from lti_mentor.lti.login import Login
from lti_mentor.lti.tokens import AccessToken
from lti_mentor.mentoring import privacy
from lti_mentor.mentoring.linking import LinkCode
from lti_mentor.queue import NEVER
from lti_mentor.settings import Settings
from lti_mentor.tool import Tool
from lti_mentor.web import limits
from lti_mentor.web.admin.link import AdminLink
from lti_mentor.web.exports import ExportRun
from lti_mentor.web.forms import UsedForm
from lti_mentor.web.limits import Attempt
from lti_mentor.web.visit import VisitRow

EVERY = timedelta(minutes=10)
BATCH = 500


def run(tool: Tool, stop: threading.Event = NEVER) -> int:
    """How many rows went, in small transactions that delay nobody."""
    total = tool.database.write(lambda db: privacy.erase_again(db) + platforms.forget_waiting(db))
    removed = BATCH
    while removed and not stop.is_set():
        with tool.database.transaction() as db:
            removed = _remove_batch(db, tool.settings)
        total += removed
    return total


def _remove_batch(db: Session, settings: Settings) -> int:
    now = clock.now()
    # a login is kept longer than its launch can be repeated, so that a replay is still recognized
    logins = select(Login.state_hash).where(Login.created_at < now - timedelta(minutes=2 * settings.login_minutes + 60))
    visits = select(VisitRow.id).where(VisitRow.expires_at < now - timedelta(days=30))
    forms = select(UsedForm.id).where(UsedForm.used_at < now - timedelta(hours=settings.visit_hours + 1))
    tokens = select(AccessToken.sealed_token).where(AccessToken.expires_at < now)
    links = select(AdminLink.id).where(AdminLink.expires_at < now)
    pickers = select(Picker.id).where(Picker.expires_at < now)
    codes = select(LinkCode.id).where(LinkCode.expires_at < now)
    runs = select(ExportRun.id).where(ExportRun.at < now - timedelta(days=1))
    attempts = select(Attempt.id).where(Attempt.at < now - limits.LONGEST)
    removed = 0
    for row, key, wanted in (
        (Login, Login.state_hash, logins),
        (VisitRow, VisitRow.id, visits),
        (UsedForm, UsedForm.id, forms),
        (AccessToken, AccessToken.sealed_token, tokens),
        (AdminLink, AdminLink.id, links),
        (Picker, Picker.id, pickers),
        (ExportRun, ExportRun.id, runs),
        (Attempt, Attempt.id, attempts),
        (LinkCode, LinkCode.id, codes),
    ):
        keys = list(db.scalars(wanted.limit(BATCH)))
        if keys:
            db.execute(delete(row).where(key.in_(keys)))
        removed += len(keys)
    return removed
