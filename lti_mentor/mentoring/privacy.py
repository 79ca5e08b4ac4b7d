"""Somebody's data: everything that is kept about them, given out as it is, or erased.

Both are read from the schema, so that no table is forgotten: a row that refers to a person is theirs; it is given out,
and it goes, with all that hangs on it. ``STAYS`` names the references that outlive a person. They lead to a row that
says of somebody only that they were erased: no name, no mail address, no account, no pseudonym.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import partial
from typing import Any, TypedDict, cast

from sqlalchemy import Column, CursorResult, RowMapping, delete, func, or_, select
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.activity.record import account_hash, authority_key, iri_base, statement_hash
from lti_mentor.db import referring_to
from lti_mentor.errors import NotFound
from lti_mentor.mentoring import audit, pairing, people
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Account, Person, Pseudonym
from lti_mentor.vault import Vault
from xapi import attachments, removal, store, strict
from xapi import documents as record_store
from xapi.facets import agent_key, parts_naming
from xapi.rows import Document, FormerTarget, Target

# References that stay when a person is erased, each with its reason.
STAYS = {
    "mentorships.mentor_id": "the learner keeps that there was a mentorship, and when",
    "mentorships.mentee_id": "the mentor keeps that there was a mentorship, and when",
    "meetings.planned_by_id": "the other one of the pair keeps when they met",
    "reviews.reviewer_id": "the learner keeps the answers to their evidence",
    "ratings.rater_id": "the learner keeps the ratings they got",
    "reminders.sent_by_id": "the card belongs to the one who got it",
    "audit_entries.actor_id": "who looked at what stays on record, under an id that names nobody any more",
    "audit_entries.subject_id": "that somebody was looked at stays on record, under an id that names nobody any more",
}
STILL_WRITTEN = timedelta(days=1)  # longer than any request or job that began before somebody was erased
# What hangs on a row that stays and is about both of a pair: given out as well.
SHARED = frozenset({"meetings.mentorship_id"})
# What lets somebody in, or says nothing about a person: never given out.
HIDDEN = frozenset({"organization_id", "key", "secret_hash", "code_hash", "sealed_code", "framing_origins"})

THEIRS = frozenset({"actor", "object"})  # parts of a statement: who is named there gets all of it
IN_PASSING = ("id", "stored", "verb")  # what those get who are named in other parts alone: the rest is somebody else's


def _hanging_on(column: Column[Any]) -> Iterator[Column[Any]]:
    """What goes with the rows of this reference; what is shared, with those that stay."""
    for child in referring_to(column.table.name):
        goes_along = any(key.ondelete == "CASCADE" for key in child.foreign_keys)
        if str(child) in SHARED if str(column) in STAYS else goes_along:
            yield child


def kept(db: Session, person: Person) -> dict[str, list[RowMapping]]:
    """Every row about the person, by table, the row of the person itself first."""
    itself = select(Person.__table__).where(Person.__table__.c.id == person.id)
    found: dict[str, dict[uuid.UUID, RowMapping]] = {
        "people": {row["id"]: row for row in db.execute(itself).mappings()}
    }
    waiting = [(column, [person.id]) for column in referring_to("people")]
    for column, ids in waiting:  # it grows with what hangs on the rows
        table = column.table
        wanted = select(table).where(table.c.organization_id == person.organization_id, column.in_(ids))
        rows = {row["id"]: row for row in db.execute(wanted).mappings()}
        found[table.name] = found.get(table.name, {}) | rows
        if rows:
            waiting += [(child, list(rows)) for child in _hanging_on(column)]
    return {name: list(rows.values()) for name, rows in found.items() if rows}


def export(db: Session, person: Person) -> Iterator[str]:
    """All of it as JSON, with the statements and the documents of the person in the record store.

    In pieces: no more than a few statements, or one document, are in memory.
    """
    rows = {name: [_plain(row) for row in rows] for name, rows in kept(db, person).items()}
    yield f'{{"exported_at": {_written(clock.now().isoformat())},\n"rows": {_written(rows)},\n"statements": ['
    yield from _listed(statements(db, person))
    yield '],\n"documents": ['
    yield from _listed(_readable(each) for each in documents(db, person))
    yield "]}\n"


def _listed(values: Iterable[Any]) -> Iterator[str]:
    for place, value in enumerate(values):
        yield f"{',' if place else ''}\n{_written(value)}"


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1)


def _plain(row: RowMapping) -> dict[str, Any]:
    return {name: _value(value) for name, value in row.items() if name not in HIDDEN}


def _value(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, uuid.UUID) else value


def _readable(document: Document) -> dict[str, Any]:
    """Text as it is, other bytes in base64."""
    try:
        body = {"text": document.body.decode()}
    except UnicodeDecodeError:
        body = {"base64": base64.b64encode(document.body).decode()}
    names = ("kind", "activity", "registration", "document_id", "content_type", "modified")
    return {name: _value(getattr(document, name)) for name in names} | body


def statements(db: Session, person: Person) -> Iterator[dict[str, Any]]:
    """What the person did and had done to them, each as it is kept, with what voided it and what came along.

    Of what is about somebody else and names an account or the mail address in passing, as an instructor or in a team:
    only that it is there, and where it names them. All of this goes when the person is erased, but what is said under
    the pseudonyms. Nothing of what our own say of somebody else and name the mentor of: that person may keep it from
    their mentor.
    """
    called = _called(db, person)
    agents = {*called["related"], *called["direct"]}
    for kept in store.naming(db, **called):
        said = strict.parsed(kept.body)
        parts = parts_naming(said, agents)
        if THEIRS.isdisjoint(parts):
            yield {"statement": {name: said[name] for name in IN_PASSING}, "named_in": parts}
            continue
        attached = attachments.listed(db, tenant=person.organization_id, statement=said)
        yield {"statement": said, "voided_by": _value(kept.voided_by), "attachments": attached}


def count_statements(db: Session, person: Person, *, most: int) -> int:
    """How many those are, up to so many."""
    return store.count_naming(db, **_called(db, person), most=most)


class _Called(TypedDict):
    tenant: uuid.UUID
    related: list[str]
    direct: list[str]


def _called(db: Session, person: Person) -> _Called:
    return {"tenant": person.organization_id, "related": _names(db, person), "direct": _pseudonyms(db, person)}


def documents(db: Session, person: Person) -> Iterator[Document]:
    """What clients of the record store keep about the person."""
    for agent in agents_of(db, person):
        yield from record_store.of_agent(db, tenant=person.organization_id, agent=agent)


def count_documents(db: Session, person: Person) -> int:
    return record_store.count_of(db, tenant=person.organization_id, agents=agents_of(db, person))


def agents_of(db: Session, person: Person) -> list[str]:
    """All that the person is called in the record store."""
    return [*_pseudonyms(db, person), *_names(db, person)]


def _pseudonyms(db: Session, person: Person) -> list[str]:
    """What our own statements call the person: it leads to nobody once the row is gone."""
    wanted = select(Pseudonym.actor_name).where(
        Pseudonym.organization_id == person.organization_id, Pseudonym.person_id == person.id
    )
    return [_account(iri_base(db), name) for name in db.scalars(wanted)]


def _names(db: Session, person: Person) -> list[str]:
    """What clients of the record store call the person: the accounts of the learning platform, the mail address."""
    accounts = select(Account.issuer, Account.subject).where(
        Account.organization_id == person.organization_id, Account.person_id == person.id
    )
    return [*(_account(issuer, subject) for issuer, subject in db.execute(accounts)), *_mail_addresses(db, person)]


def _account(home_page: str, name: str) -> str:
    return str(agent_key({"account": {"homePage": home_page, "name": name}}))


def _mail_addresses(db: Session, person: Person) -> Iterator[str]:
    """The address as it is known and in small letters, plain and hashed; none that somebody else has too."""
    if not person.email:
        return
    others = select(Person.id).where(
        Person.organization_id == person.organization_id,
        Person.id != person.id,
        func.lower(Person.email) == person.email.lower(),
    )
    if db.scalar(others.limit(1)) is not None:
        return
    name, at, domain = person.email.rpartition("@")
    for address in {person.email, name + at + domain.lower(), person.email.lower()}:
        mbox = f"mailto:{address}"
        yield str(agent_key({"mbox": mbox}))
        yield str(agent_key({"mbox_sha1sum": hashlib.sha1(mbox.encode(), usedforsecurity=False).hexdigest()}))


def erase(
    db: Session, vault: Vault, person: Person, *, by: Person | None, place: str = "privacy"
) -> list[Target | FormerTarget]:
    """Forget the person; on record, without what was there. Their own launch alone brings somebody back, who is new.

    Statements that name them go, and their ids stay taken. Ours say a pseudonym, and stay for the figures. Gives the
    record stores outside that may have statements about them: those are for somebody to ask. Raises NotFound for
    somebody who became one with another account in the same moment.
    """
    held = select(Person).where(Person.id == person.id).with_for_update()  # for what is being written about them
    if db.scalar(held, execution_options={"populate_existing": True}) is None:
        raise NotFound("person.unknown")
    for pair in _open_pairs(db, person):
        pairing.finish(db, pair, "ended", by=person)
    actor_id = by.id if by else None
    audit.write(db, person.organization_id, "erased", place=place, actor_id=actor_id, subject_id=person.id)
    db.flush()
    agents, names = agents_of(db, person), _names(db, person)
    for agent in agents:
        record_store.forget_agent(db, tenant=person.organization_id, agent=agent)
    told = outside.forget(db, person.organization_id, agents)
    own, keyed = authority_key(db), partial(statement_hash, db, vault)
    removal.remove_naming(db, tenant=person.organization_id, agents=names, own=own, keyed=keyed)
    for target in told:
        where = f"{target.label}: {target.endpoint}"
        audit.write(db, person.organization_id, "left_outside", place=where, actor_id=actor_id, subject_id=person.id)
    people.keep_out(db, person, keyed=partial(account_hash, db, vault))
    _remove(db, person)
    people.forget(db, person)
    return told


def erase_again(db: Session) -> int:
    """Once more whoever was erased lately: a launch or a form of the same moment may have come after it.

    Gives how many rows had.
    """
    lately = select(Person).where(Person.erased_at > clock.now() - STILL_WRITTEN)
    removed = 0
    for person in db.scalars(lately):
        removed += _remove(db, person)
        person.name = person.email = None
    return removed


def _remove(db: Session, person: Person) -> int:
    removed = 0
    for column in (each for each in referring_to("people") if str(each) not in STAYS):
        table = column.table
        mine = delete(table).where(table.c.organization_id == person.organization_id, column == person.id)
        removed += cast("CursorResult[Any]", db.execute(mine)).rowcount
    return removed


def _open_pairs(db: Session, person: Person) -> list[Mentorship]:
    either = or_(Mentorship.mentor_id == person.id, Mentorship.mentee_id == person.id)
    wanted = select(Mentorship).where(
        Mentorship.organization_id == person.organization_id, either, Mentorship.status == "open"
    )
    return list(db.scalars(wanted))
