"""One person over several platforms: the accounts are linked by an administrator, or by whoever launched as both.

Never by a name or a mail address: an LMS may send any. Whoever is in a visit makes a code and types it in a visit from
the other platform; so both launches are proved. All rows of the other account then belong to the person who made it.
"""

import secrets
import uuid
from datetime import datetime, timedelta

from sqlalchemy import (
    Column,
    ColumnElement,
    ForeignKey,
    Table,
    UniqueConstraint,
    and_,
    delete,
    exists,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, referring_to
from lti_mentor.errors import Invalid, Refused
from lti_mentor.mentoring import audit, organizations, people
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Account, Person, Pseudonym
from lti_mentor.mentoring.programs import Participant
from lti_mentor.vault import Vault

PURPOSE = "link-code"
READABLE = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # nothing that is taken for something else
LENGTH = 8
GOOD_FOR = timedelta(minutes=15)
BY_HAND = {"synchronize_session": False}  # what the session knows is forgotten as a whole


class LinkCode(Row):
    """The right to become one with whoever made it, once."""

    __tablename__ = "link_codes"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[str]
    sealed_code: Mapped[str]  # to be shown again to its maker
    expires_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("organization_id", "code_hash"),)


def make_code(db: Session, vault: Vault, person: Person) -> str:
    """A new code of this person; the one before is good no more."""
    _forget_codes(db, person)
    code = "".join(secrets.choice(READABLE) for _ in range(LENGTH))
    made = LinkCode(
        organization_id=person.organization_id,
        person_id=person.id,
        code_hash=_hashed(vault, code),
        sealed_code=vault.seal(PURPOSE, code.encode()),
        expires_at=clock.now() + GOOD_FOR,
    )
    db.add(made)
    db.flush()
    return code


def code_of(db: Session, vault: Vault, person: Person) -> tuple[str, datetime] | None:
    """The code that the person may type in another platform now, and until when."""
    mine = select(LinkCode).where(LinkCode.organization_id == person.organization_id, LinkCode.person_id == person.id)
    found = db.scalars(mine.where(LinkCode.expires_at > clock.now())).first()
    return (vault.open(PURPOSE, found.sealed_code).decode(), found.expires_at) if found else None


def maker_of(db: Session, vault: Vault, person: Person, typed: str) -> Person:
    """Whoever made the code that ``person`` typed, who is asked before they become one. Raises Invalid and Refused."""
    maker_id = db.scalar(select(LinkCode.person_id).where(*_fits(vault, person, typed)))
    if maker_id is None:
        raise Invalid({"code": "link.unknown_code"})
    _check_rights(db, person)
    maker = people.get(db, person.organization_id, maker_id)
    _check(db, maker, person)
    return maker


def use_code(db: Session, vault: Vault, person: Person, typed: str) -> None:
    """Make ``person`` one with whoever made the code. Raises Invalid and Refused."""
    taken = delete(LinkCode).where(*_fits(vault, person, typed)).returning(LinkCode.person_id)
    maker_id = db.scalar(taken, execution_options=BY_HAND)
    if maker_id is None:
        raise Invalid({"code": "link.unknown_code"})
    _check_rights(db, person)
    issuers = ", ".join(account.issuer for account in people.accounts_of(db, person))
    kept = people.get(db, person.organization_id, maker_id)
    merge(db, kept, person, by=kept, place=f"link code, typed in a visit from {issuers}")


def _fits(vault: Vault, person: Person, typed: str) -> tuple[ColumnElement[bool], ...]:
    code = "".join(typed.upper().replace("-", "").split())
    return (
        LinkCode.organization_id == person.organization_id,
        LinkCode.code_hash == _hashed(vault, code),
        LinkCode.expires_at > clock.now(),
    )


def _check_rights(db: Session, person: Person) -> None:
    """Nobody hands rights over by typing what somebody gave them."""
    coordinates = select(Participant.id).where(
        Participant.organization_id == person.organization_id,
        Participant.person_id == person.id,
        Participant.part == "coordinator",
    )
    if people.rights(db, person) or db.scalar(select(coordinates.exists())):
        raise Refused("link.has_rights")


def _hashed(vault: Vault, code: str) -> str:
    return vault.fingerprint(PURPOSE, code.encode()).hex()


def _forget_codes(db: Session, person: Person) -> None:
    db.execute(delete(LinkCode).where(LinkCode.person_id == person.id))


def merge(db: Session, kept: Person, other: Person, *, by: Person | None, place: str) -> None:
    """Let everything of ``other`` belong to ``kept``, who keeps the own row where only one can stay. Raises Refused.

    What was said of ``other`` stays as it was said: its name in statements leads to ``kept`` from now on.
    """
    organizations.lock(db, kept.organization_id)
    # what is being written about them is waited for, and comes along
    both = select(Person).where(Person.id.in_([kept.id, other.id])).order_by(Person.id).with_for_update()
    found = db.scalars(both, execution_options={"populate_existing": True}).all()
    if not all(each in found and each.erased_at is None for each in (kept, other)):
        raise Refused("link.gone")
    _check(db, kept, other)
    _forget_codes(db, other)
    db.execute(update(Pseudonym).where(Pseudonym.person_id == other.id).values(is_current=False))
    kept.name, kept.email = kept.name or other.name, kept.email or other.email
    db.flush()
    try:
        with db.begin_nested():
            for column in referring_to("people"):
                _take_over(db, column, kept.id, other.id)
            db.execute(delete(Person).where(Person.id == other.id), execution_options=BY_HAND)
    except IntegrityError:
        raise Refused("link.cannot_be_one") from None
    people.forget_actor_name(db, other.id)
    db.expunge(other)
    db.expire_all()
    audit.write(db, kept.organization_id, "linked", place=place, actor_id=by.id if by else None, subject_id=kept.id)


def _check(db: Session, kept: Person, other: Person) -> None:
    if kept.id == other.id:
        raise Refused("link.same_person")
    issuers = [set(db.scalars(select(Account.issuer).where(Account.person_id == each.id))) for each in (kept, other)]
    if issuers[0] & issuers[1]:
        raise Refused("link.same_platform")
    pairs = [(kept.id, other.id), (other.id, kept.id)]
    each_other = or_(
        *(and_(Mentorship.mentor_id == mentor, Mentorship.mentee_id == mentee) for mentor, mentee in pairs)
    )
    if db.scalar(select(exists().where(each_other))):
        raise Refused("link.each_others_mentor")
    mine, theirs = Mentorship.__table__.alias(), Mentorship.__table__.alias()
    both = (mine.c.mentee_id == kept.id, theirs.c.mentee_id == other.id, mine.c.program_id == theirs.c.program_id)
    if db.scalar(select(exists().where(*both, mine.c.status == "open", theirs.c.status == "open"))):
        raise Refused("link.two_mentors")


def _take_over(db: Session, column: Column[uuid.UUID], kept_id: uuid.UUID, other_id: uuid.UUID) -> None:
    table = column.table
    for key in table.constraints:
        if isinstance(key, UniqueConstraint) and column.name in key.columns:
            _drop_doubles(db, key, column, kept_id, other_id)
    db.execute(update(table).where(column == other_id).values({column.name: kept_id}))


def _drop_doubles(
    db: Session, key: UniqueConstraint, column: Column[uuid.UUID], kept_id: uuid.UUID, other_id: uuid.UUID
) -> None:
    """Of two rows that cannot both be the person's, keep the one that something hangs on. Raises Refused for two."""
    mine, theirs = column.table.alias(), column.table.alias()
    rest = [mine.c[each.name] == theirs.c[each.name] for each in key.columns if each.name != column.name]
    doubles = select(mine.c.id, theirs.c.id).where(
        mine.c[column.name] == kept_id, theirs.c[column.name] == other_id, *rest
    )
    for kept_row, other_row in db.execute(doubles).all():
        if not _is_used(db, column.table, other_row):
            dropped = other_row
        elif not _is_used(db, column.table, kept_row):
            dropped = kept_row
        else:
            raise Refused("link.both_began")
        db.execute(delete(column.table).where(column.table.c.id == dropped))


def _is_used(db: Session, table: Table, row_id: uuid.UUID) -> bool:
    """Whether any row hangs on this one."""
    return any(db.scalar(select(exists().where(column == row_id))) for column in referring_to(table.name))
