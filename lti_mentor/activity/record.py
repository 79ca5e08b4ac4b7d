"""Writing a fact as a statement, in the transaction of whoever reports it."""

from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.activity.facts import Fact
from lti_mentor.activity.statements import statement
from lti_mentor.db import Base
from lti_mentor.errors import SettingsError
from xapi import store

AUTHORITY = "lti-mentor"  # the account that vouches for our own statements
_BASES: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()


class Installation(Base):
    """One row: what never changes once statements exist."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True)
    iri_base: Mapped[str]


def fix_iri_base(db: Session, base_url: str) -> str:
    """The base of all our IRIs: the public URL at the first ``db upgrade``, kept when the site moves."""
    row = db.get(Installation, 1)
    if row is None:
        row = Installation(id=1, iri_base=base_url)
        db.add(row)
        db.flush()
    return row.iri_base


def iri_base(db: Session) -> str:
    """Read once for each engine, since it never changes. Raises SettingsError in a database that is not prepared."""
    engine = db.get_bind().engine
    if engine not in _BASES:
        kept = db.scalar(select(Installation.iri_base).where(Installation.id == 1))
        if kept is None:
            raise SettingsError("The database is not prepared: run lti-mentor db upgrade.")
        _BASES[engine] = kept
    return _BASES[engine]


def record(db: Session, organization_id: UUID, fact: Fact) -> UUID:
    """Store the statement of this fact and give its id."""
    base = iri_base(db)
    authority = {"objectType": "Agent", "account": {"homePage": base, "name": AUTHORITY}}
    return store.append(
        db, tenant=organization_id, statement=statement(fact, base), now=clock.now(), authority=authority
    )
