"""The audit log: who did what, about whom, where and when. Reading it is written down as well."""

import uuid
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import get_args

from flask import make_response, render_template, request
from sqlalchemy.orm import Session

from lti_mentor.errors import Invalid
from lti_mentor.mentoring import audit, people
from lti_mentor.mentoring.audit import Action, AuditEntry, Wanted
from lti_mentor.mentoring.people import Person
from lti_mentor.web import language
from lti_mentor.web.admin.blueprint import admin
from lti_mentor.web.forms import Shown
from lti_mentor.web.language import _
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit

PER_PAGE = 20
EARLIEST, LATEST = date(1970, 1, 1), date(9000, 1, 1)
MOST_PEOPLE = 200
FILTERS = ("action", "person", "name", "since", "until")

SENTENCES: dict[Action, str] = {
    "read_record": "Looked at the record of somebody else",
    "read_statements": "Read single statements",
    "read_log": "Read this log",
    "exported_statements": "Exported statements",
    "granted": "Gave a right",
    "revoked": "Took a right away",
    "key_added": "Made a key of the record store",
    "key_disabled": "Disabled a key of the record store",
    "keys_rotated": "Changed the key that the tool signs with",
    "secrets_resealed": "Sealed the stored secrets with another secret key",
    "invited": "Made an invitation to register",
    "invitation_revoked": "Took an invitation to register back",
    "registered": "Registered a learning platform",
    "approved": "Let a learning platform in",
    "disabled": "Suspended a learning platform",
    "deployment_approved": "Let a deployment of a learning platform in",
    "deployment_refused": "Refused a deployment of a learning platform",
    "removed": "Removed a learning platform",
    "changed": "Changed what a learning platform needs",
    "linked": "Made two accounts of one person one",
    "observers_on": "Let observers see how people are doing who agreed",
    "observers_off": "Let observers see nothing any more",
    "observers_allowed": "Agreed that observers see how they are doing",
    "observers_refused": "Took the agreement with observers back",
    "exported": "Downloaded what is kept about a person",
    "erased": "Erased what was kept about a person",
    "course_copied": "Brought the set-up of a course along to a copy of it",
    "column_changed": "Chose what a gradebook is sent before a score is final",
    "link_made": "Made a link to these pages",
    "link_used": "Came here by a link",
    "target_added": "Added a record store outside",
    "target_changed": "Changed what a record store outside gets",
    "target_removed": "Removed a record store outside",
    "left_outside": "A record store outside may still keep statements about a person who was erased",
    "retention_changed": "Changed how long statements are kept",
    "statements_removed": "Removed statements that were kept long enough",
}


@admin.get("/log")
def log() -> Shown:
    """The newest entries first, twenty at a time."""
    visit, error, entries = current_visit(), None, []
    with tool().database.reading() as db:
        chosen = _chosen(db)
        try:
            entries = list(audit.entries(db, visit.organization_id, _wanted(db, chosen), most=PER_PAGE + 1))
        except Invalid as problem:
            error = problem
        ids = {found for entry in entries for found in (entry.actor_id, entry.subject_id) if found}
        known = people.by_ids(db, visit.organization_id, ids)
    with tool().database.transaction() as db:
        about = {"actor_id": visit.person_id, "subject_id": chosen.id if chosen else None}
        audit.write(db, visit.organization_id, "read_log", place="admin.log", **about)
    page = render_template(
        "admin/log.html",
        entries=entries[:PER_PAGE],
        following=entries[PER_PAGE - 1].id if len(entries) > PER_PAGE else None,
        known=known,
        chosen=chosen,
        actions=[(action, _(SENTENCES[action])) for action in get_args(Action)],
        sentences=SENTENCES,
        who=_who,
        given=request.args,
        kept={name: request.args[name] for name in FILTERS if request.args.get(name)},
        error=error,
    )
    return make_response(page, error.status) if error else page


def _chosen(db: Session) -> Person | None:
    """The person whose name in the log was followed."""
    person_id = _id("person")
    return people.get(db, current_visit().organization_id, person_id) if person_id else None


def _wanted(db: Session, chosen: Person | None) -> Wanted:
    """What the filters ask for. Raises Invalid."""
    action, name = request.args.get("action"), request.args.get("name", "").strip()
    found = [chosen] if chosen else None
    wrong: dict[str, str] = {}
    if name and not chosen:
        found = list(people.search(db, current_visit().organization_id, name, most=MOST_PEOPLE + 1))
        if len(found) > MOST_PEOPLE:
            wrong["name"] = "log.many_people"
    since, until = _midnight("since", wrong), _midnight("until", wrong)
    if wrong:
        raise Invalid(wrong)
    return Wanted(
        action=action or None,
        people=None if found is None else frozenset(person.id for person in found),
        since=since,
        until=until + timedelta(days=1) if until else None,
        before=_id("before"),
    )


def _midnight(name: str, wrong: dict[str, str]) -> datetime | None:
    """When the day of this filter begins where the reader is."""
    text = request.args.get(name)
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
        if not EARLIEST <= day <= LATEST:
            raise ValueError(text)
        return datetime.combine(day, time.min, language.zone())
    except ValueError:
        wrong[name] = "date.missing"
        return None


def _id(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(request.args.get(name, ""))
    except ValueError:
        return None


def _who(entry: AuditEntry, known: Mapping[uuid.UUID, Person]) -> Person | str:
    """A person; or what did it, when it was none or is not known any more."""
    if entry.actor_id is not None and entry.actor_id in known:
        return known[entry.actor_id]
    if entry.place.startswith(audit.COMMAND):
        return _("the command line")
    if entry.place.startswith("lti/"):
        return _("the learning platform")
    return _("somebody who is not known any more")
