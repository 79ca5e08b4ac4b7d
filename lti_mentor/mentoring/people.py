"""People, the accounts they arrive with, and the pseudonym they have in statements."""

import json
import secrets
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sqlalchemy import (
    CursorResult,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base, Glance, Row, inserting, new_id, one_of, same
from lti_mentor.errors import NotFound, Refused
from lti_mentor.mentoring import audit, organizations

MOST_WORDS = 10  # of a search
RIGHTS = ("analyst", "records", "administrator")
Keyed = Callable[[bytes], bytes]  # a hash that nobody can try without the key


class Person(Row):
    __tablename__ = "people"

    name: Mapped[str | None]  # as the LMS sends it; none when it withholds names
    email: Mapped[str | None]
    locale: Mapped[str]
    zone: Mapped[str]
    number: Mapped[int]  # counts within the organization: "Person 7" where there is no name
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    erased_at: Mapped[datetime | None]  # nothing else is known of them any more

    __table_args__ = (UniqueConstraint("organization_id", "number"),)


class Account(Row):
    """One identity of a person: the issuer of an LMS and the subject it uses there."""

    __tablename__ = "accounts"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str]
    subject: Mapped[str]

    __table_args__ = (UniqueConstraint("organization_id", "issuer", "subject"),)


class ErasedAccount(Row):
    """All that is left of an account of somebody who was erased, so that no list of people brings them back.

    A keyed hash: without the key nobody can try whose it was. It goes with their own launch, which makes somebody new.
    """

    __tablename__ = "erased_accounts"

    account_hash: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (UniqueConstraint("organization_id", "account_hash"),)


class Pseudonym(Row):
    """Ties a person to an actor name in statements; forgetting these rows forgets the person there.

    A person who was linked has the names of both accounts; what is said now is said under the current one.
    """

    __tablename__ = "pseudonyms"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    actor_name: Mapped[str]
    is_current: Mapped[bool] = mapped_column(default=True)

    __table_args__ = (
        UniqueConstraint("organization_id", "actor_name"),
        Index(
            "uq_pseudonyms_one_current_of_a_person",
            "organization_id",
            "person_id",
            unique=True,
            sqlite_where=text("is_current = 1"),
            postgresql_where=text("is_current"),
        ),
    )


class Grant(Row):
    """A right given in the product, never by an LMS role."""

    __tablename__ = "grants"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    right: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (UniqueConstraint("organization_id", "person_id", "right"), one_of("right", RIGHTS))


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who somebody is in an LMS."""

    issuer: str
    subject: str
    name: str | None = None
    email: str | None = None
    locale: str = "en"
    zone: str = "UTC"


def meet(db: Session, organization_id: uuid.UUID, identity: Identity, *, keyed: Keyed | None = None) -> Person:
    """The person behind this account, made at the first meeting; what the LMS says of them is kept up to date.

    To be looked at: where nothing is news the row is of no session. In their own launch, which has the key, whoever was
    erased is back: lists may name them again.
    """
    known = _known(db, organization_id, identity)
    if known is not None and not _is_news(known, identity):
        return known
    organizations.lock(db, organization_id)  # in the order of everybody who writes people
    known = _known(db, organization_id, identity)
    person = db.get_one(Person, known.id) if known is not None else _new(db, organization_id, identity, keyed)
    person.name, person.email, person.locale, person.zone = _said(person, identity)
    db.flush()
    return person


def _is_news(person: Person, identity: Identity) -> bool:
    return _said(person, identity) != (person.name, person.email, person.locale, person.zone)


def _said(person: Person, identity: Identity) -> tuple[str | None, str | None, str, str]:
    """Name and mail address, language and zone; what the LMS withholds stays as it was."""
    return identity.name or person.name, identity.email or person.email, identity.locale, identity.zone


def meet_many(
    db: Session, organization_id: uuid.UUID, identities: Sequence[Identity], *, keyed: Keyed
) -> dict[str, Person]:
    """The people behind accounts of one issuer, by subject; a fixed number of queries for any number of known ones.

    Nobody who was erased and has not come back. Language and zone of a known person stay: only a launch says them.
    """
    by_subject = {identity.subject: identity for identity in identities}
    if not by_subject:
        return {}
    organizations.lock(db, organization_id)
    wanted = (
        select(Account.subject, Person)
        .join(Person, Person.id == Account.person_id)
        .where(
            Account.organization_id == organization_id,
            Account.issuer == identities[0].issuer,
            Account.subject.in_(by_subject),
        )
    )
    found = dict(db.execute(wanted).all())
    for subject, person in found.items():
        person.name = by_subject[subject].name or person.name
        person.email = by_subject[subject].email or person.email
    unknown = [each for subject, each in by_subject.items() if subject not in found]
    return found | _new_ones(db, organization_id, _without_erased(db, organization_id, unknown, keyed))


def _without_erased(
    db: Session, organization_id: uuid.UUID, identities: Sequence[Identity], keyed: Keyed
) -> list[Identity]:
    by_hash = {_hashed(organization_id, each.issuer, each.subject, keyed): each for each in identities}
    erased = select(ErasedAccount.account_hash).where(
        ErasedAccount.organization_id == organization_id, ErasedAccount.account_hash.in_(by_hash)
    )
    gone = set(db.scalars(erased)) if by_hash else set()
    return [each for account_hash, each in by_hash.items() if account_hash not in gone]


def _hashed(organization_id: uuid.UUID, issuer: str, subject: str, keyed: Keyed) -> bytes:
    """Another one in each organization: nobody sees that the same account was erased in two."""
    return keyed(json.dumps([str(organization_id), issuer, subject]).encode())


def keep_out(db: Session, person: Person, *, keyed: Keyed) -> None:
    """Let no list of people bring the accounts of this person back, who is about to be forgotten."""
    for account in accounts_of(db, person):
        account_hash = _hashed(person.organization_id, account.issuer, account.subject, keyed)
        row = {"id": new_id(), "organization_id": person.organization_id, "account_hash": account_hash}
        db.execute(inserting(db, ErasedAccount).values(row).on_conflict_do_nothing())


def _new_ones(db: Session, organization_id: uuid.UUID, identities: Sequence[Identity]) -> dict[str, Person]:
    last = db.scalar(select(func.max(Person.number)).where(Person.organization_id == organization_id)) or 0
    found = {}
    for number, each in enumerate(identities, last + 1):
        said = {"name": each.name, "email": each.email, "locale": each.locale, "zone": each.zone}
        found[each.subject] = Person(id=new_id(), organization_id=organization_id, number=number, **said)
    db.add_all(found.values())
    db.flush()
    accounts, pseudonyms = [], []
    for each in identities:
        person_id, name = found[each.subject].id, secrets.token_hex(16)
        mine = {"organization_id": organization_id, "person_id": person_id}
        accounts.append({"id": new_id(), "issuer": each.issuer, "subject": each.subject, **mine})
        pseudonyms.append({"id": new_id(), "actor_name": name, **mine})
        _actor_names(db)[person_id] = name
    if accounts:
        db.execute(_ACCOUNTS, accounts)
        db.execute(_PSEUDONYMS, pseudonyms)
    return found


_ACCOUNTS, _PSEUDONYMS = (insert(Base.metadata.tables[name]) for name in ("accounts", "pseudonyms"))


def _known(db: Session, organization_id: uuid.UUID, identity: Identity) -> Person | None:
    return by_account(db, organization_id, identity.issuer, identity.subject)


# Made once: building a statement costs more than running it.
_GLANCE = Glance(Person)
_PEOPLE, _KNOWN_AS, _NAMES = (Base.metadata.tables[name] for name in ("people", "accounts", "pseudonyms"))
_CURRENT = and_(
    _NAMES.c.organization_id == _PEOPLE.c.organization_id, _NAMES.c.person_id == _PEOPLE.c.id, _NAMES.c.is_current
)
_BY_ACCOUNT = (
    select(*_GLANCE.columns, _NAMES.c.actor_name)
    .join_from(_PEOPLE, _KNOWN_AS, _KNOWN_AS.c.person_id == _PEOPLE.c.id)
    .outerjoin(_NAMES, _CURRENT)
    .where(*(same(_KNOWN_AS.c[name]) for name in ("organization_id", "issuer", "subject")))
)


def by_account(db: Session, organization_id: uuid.UUID, issuer: str, subject: str) -> Person | None:
    """Whoever the LMS knows by this subject, to be looked at."""
    account = {"organization_id": organization_id, "issuer": issuer, "subject": subject}
    found = db.connection().execute(_BY_ACCOUNT, account).one_or_none()
    if found is None:
        return None
    person: Person = _GLANCE.rows(found)[0]
    if found.actor_name is not None:
        _actor_names(db)[person.id] = found.actor_name
    return person


def accounts_of(db: Session, person: Person) -> Sequence[Account]:
    """Where the person is known from."""
    mine = select(Account).where(Account.organization_id == person.organization_id, Account.person_id == person.id)
    return db.scalars(mine.order_by(Account.issuer)).all()


def by_accounts(db: Session, organization_id: uuid.UUID, issuer: str, subjects: Sequence[str]) -> Sequence[Person]:
    """Those of them whom the LMS of this issuer has brought here."""
    wanted = select(Person).join(Account, Account.person_id == Person.id)
    here = (Account.organization_id == organization_id, Account.issuer == issuer, Account.subject.in_(subjects))
    return db.scalars(wanted.where(*here).order_by(Person.number)).all()


def subjects_of(
    db: Session, organization_id: uuid.UUID, issuer: str, person_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, str]:
    """What the LMS of this issuer calls these people, without those who never came from there."""
    wanted = select(Account.person_id, Account.subject).where(
        Account.organization_id == organization_id, Account.issuer == issuer, Account.person_id.in_(person_ids)
    )
    return dict(db.execute(wanted).all())


def all_subjects(db: Session, organization_id: uuid.UUID, issuer: str) -> dict[uuid.UUID, str]:
    """What the LMS of this issuer calls everybody of the organization."""
    wanted = select(Account.person_id, Account.subject).where(
        Account.organization_id == organization_id, Account.issuer == issuer
    )
    return dict(db.execute(wanted).all())


def by_actor_name(db: Session, organization_id: uuid.UUID, actor_name: str) -> Person | None:
    """Whoever statements call so; none when nobody of the organization is."""
    return db.scalar(
        select(Person)
        .join(Pseudonym, Pseudonym.person_id == Person.id)
        .where(Pseudonym.organization_id == organization_id, Pseudonym.actor_name == actor_name)
    )


def _new(db: Session, organization_id: uuid.UUID, identity: Identity, keyed: Keyed | None) -> Person:
    if keyed is not None:
        account_hash = _hashed(organization_id, identity.issuer, identity.subject, keyed)
        this = (ErasedAccount.organization_id == organization_id, ErasedAccount.account_hash == account_hash)
        db.execute(delete(ErasedAccount).where(*this))
    return _new_ones(db, organization_id, [identity])[identity.subject]


def get(db: Session, organization_id: uuid.UUID, person_id: uuid.UUID) -> Person:
    """A person of the organization. Raises NotFound."""
    person = db.scalar(select(Person).where(Person.organization_id == organization_id, Person.id == person_id))
    if person is None:
        raise NotFound("person.unknown")
    return person


def by_ids(db: Session, organization_id: uuid.UUID, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Person]:
    """People of the organization by id."""
    wanted = select(Person).where(Person.organization_id == organization_id, Person.id.in_(set(ids)))
    return {person.id: person for person in db.scalars(wanted)}


def search(db: Session, organization_id: uuid.UUID, words: str, *, most: int) -> Sequence[Person]:
    """People whose name or mail address has all these words; the first ten count."""
    wanted = select(Person).where(Person.organization_id == organization_id)
    for word in words.split()[:MOST_WORDS]:
        wanted = wanted.where(
            or_(Person.name.icontains(word, autoescape=True), Person.email.icontains(word, autoescape=True))
        )
    return db.scalars(wanted.order_by(Person.number).limit(most)).all()


def actor_name(db: Session, person_id: uuid.UUID) -> str:
    """The pseudonym in statements; read once a session. Raises NotFound for a person who was erased."""
    known = _actor_names(db)
    if person_id not in known:
        name = db.scalar(select(Pseudonym.actor_name).where(Pseudonym.person_id == person_id, Pseudonym.is_current))
        if name is None:
            raise NotFound("person.erased")
        known[person_id] = name
    return known[person_id]


def forget(db: Session, person: Person) -> None:
    """Leave of the row what others refer to: that there was somebody."""
    person.name = person.email = None
    person.locale, person.zone = "en", "UTC"
    person.created_at = person.erased_at = clock.now()
    _actor_names(db).pop(person.id, None)
    db.flush()


def learn_actor_names(db: Session, organization_id: uuid.UUID, person_ids: Iterable[uuid.UUID]) -> None:
    """Read the pseudonyms of many at once, so that ``actor_name`` knows them."""
    known = _actor_names(db)
    wanted = select(Pseudonym.person_id, Pseudonym.actor_name).where(
        Pseudonym.organization_id == organization_id,
        Pseudonym.person_id.in_(set(person_ids) - known.keys()),
        Pseudonym.is_current,
    )
    known.update(dict(db.execute(wanted).all()))


def former_actor_names(db: Session, organization_id: uuid.UUID) -> dict[str, str]:
    """The current name of everybody whom older statements call otherwise, by the older name."""
    former, current = aliased(Pseudonym), aliased(Pseudonym)
    wanted = (
        select(former.actor_name, current.actor_name)
        .join(current, (current.person_id == former.person_id) & current.is_current)
        .where(former.organization_id == organization_id, former.is_current.is_(False))
    )
    return dict(db.execute(wanted).all())


def forget_actor_name(db: Session, person_id: uuid.UUID) -> None:
    """Read it anew when it is asked for in this session again."""
    _actor_names(db).pop(person_id, None)


def _actor_names(db: Session) -> dict[uuid.UUID, str]:
    known: dict[uuid.UUID, str] = db.info.setdefault("lti_mentor.actor_names", {})
    return known


def rights(db: Session, person: Person) -> frozenset[str]:
    """The rights given to the person in the product."""
    granted = select(Grant.right).where(Grant.organization_id == person.organization_id, Grant.person_id == person.id)
    return frozenset(db.scalars(granted))


def grants(db: Session, organization_id: uuid.UUID) -> Sequence[tuple[Person, Grant]]:
    """Everybody who has a right, with each, by right and then in the order they were given."""
    wanted = select(Person, Grant).join(Grant, Grant.person_id == Person.id)
    found = db.execute(wanted.where(Grant.organization_id == organization_id).order_by(Grant.right, Grant.granted_at))
    return [(person, given) for person, given in found]


def grant(db: Session, person: Person, right: str, *, by: Person | None = None) -> None:
    """Give a right, once; on record. Raises Refused for an unknown right."""
    if right not in RIGHTS:
        raise Refused("right.unknown", right=right, known=", ".join(RIGHTS))
    if right in rights(db, person):
        return
    db.add(Grant(organization_id=person.organization_id, person_id=person.id, right=right))
    _log(db, "granted", person, by, right)


def revoke(db: Session, person: Person, right: str, *, by: Person | None = None) -> None:
    """Take a right away; on record. Raises Refused where administrators would lock themselves out."""
    if by is not None and right == "administrator":
        organizations.lock(db, person.organization_id)
        if person.id == by.id:
            raise Refused("right.own")
        if right not in rights(db, by):
            raise Refused("right.lost")
    given = delete(Grant).where(
        Grant.organization_id == person.organization_id, Grant.person_id == person.id, Grant.right == right
    )
    gone = cast("CursorResult[Any]", db.execute(given))
    if gone.rowcount:
        _log(db, "revoked", person, by, right)


def _log(db: Session, action: Literal["granted", "revoked"], person: Person, by: Person | None, right: str) -> None:
    audit.write(
        db,
        person.organization_id,
        action,
        place=f"right {right}" if by else f"{audit.COMMAND}right {right}",
        actor_id=by.id if by else None,
        subject_id=person.id,
    )
