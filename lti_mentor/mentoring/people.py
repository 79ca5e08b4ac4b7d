"""People, the accounts they arrive with, and the pseudonym they have in statements."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, one_of

RIGHTS = ("analyst", "records", "administrator")


class Person(Row):
    __tablename__ = "people"

    name: Mapped[str | None]  # as the LMS sends it; none when it withholds names
    email: Mapped[str | None]
    locale: Mapped[str]
    zone: Mapped[str]
    number: Mapped[int]  # counts within the organization: "Person 7" where there is no name
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (UniqueConstraint("organization_id", "number"),)


class Account(Row):
    """One identity of a person: the issuer of an LMS and the subject it uses there."""

    __tablename__ = "accounts"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str]
    subject: Mapped[str]

    __table_args__ = (UniqueConstraint("organization_id", "issuer", "subject"),)


class Pseudonym(Row):
    """Ties a person to the actor name in statements; forgetting this row forgets the person there."""

    __tablename__ = "pseudonyms"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    actor_name: Mapped[str]

    __table_args__ = (
        UniqueConstraint("organization_id", "person_id"),
        UniqueConstraint("organization_id", "actor_name"),
    )


class Grant(Row):
    """A right given in the product, never by an LMS role."""

    __tablename__ = "grants"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    right: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (UniqueConstraint("organization_id", "person_id", "right"), one_of("right", RIGHTS))
