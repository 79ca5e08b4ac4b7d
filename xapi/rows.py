"""The tables of the record store, and what is needed to ask them.

They know nothing of the application around them: ``tenant`` is an opaque UUID.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    ColumnElement,
    Connection,
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeDecorator

from xapi import strict

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(TypeDecorator[datetime]):
    """An aware UTC time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = metadata
    type_annotation_map = {datetime: Moment}  # noqa: RUF012 (SQLAlchemy reads it from the class)


class Among(ColumnElement[bool]):
    """Whether a text is one of those in a parameter, however many: the SQL stays the same."""

    inherit_cache = True
    type = Boolean()
    _traverse_internals = [  # noqa: RUF012 (SQLAlchemy reads it from the class)
        ("column", InternalTraversal.dp_clauseelement),
        ("values", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, column: ColumnElement[str], name: str) -> None:
        self.column, self.values = column, bindparam(name, type_=Texts())

    def self_group(self, against: OperatorType | None = None) -> Self:
        """As it is: where there are no booleans it would be compared with 1, and no index would be used."""
        return self


class Texts(TypeDecorator[Sequence[str]]):
    """Many texts as one value: an array as PostgreSQL writes it, or JSON where the database has no arrays.

    The driver would write the same array, an element at a time and much slower.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> str:
        if dialect.name != "postgresql":
            return strict.written(value)
        quoted = [each.replace("\\", "\\\\").replace('"', '\\"') for each in value or ()]
        return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"


@compiles(Among, "sqlite")
def _among_json(element: Among, compiler: SQLCompiler, **given: Any) -> str:
    column, values = (compiler.process(each, **given) for each in (element.column, element.values))
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608 (a column and a parameter)


@compiles(Among, "postgresql")
def _among_array(element: Among, compiler: SQLCompiler, **given: Any) -> str:
    column, values = (compiler.process(each, **given) for each in (element.column, element.values))
    return f"{column} = ANY(CAST((SELECT CAST({values} AS TEXT[])) AS TEXT[]))"  # or it is read anew for each row


def inserting(db: Session | Connection, row: type[Base] | Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that may say what happens when somebody else was first."""
    bind = db if isinstance(db, Connection) else db.get_bind()
    if bind.dialect.name == "postgresql":
        return postgresql.insert(row)
    return sqlite.insert(row)


class Head(Base):
    """One row a tenant. A writer keeps it locked until it commits, so order of ``seq`` is order of commit."""

    __tablename__ = "xapi_heads"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    last_seq: Mapped[int] = mapped_column(BigInteger)
    last_stored: Mapped[int] = mapped_column(BigInteger)  # microseconds since 1970, so that one UPDATE can count on
    targets: Mapped[int] = mapped_column(default=0)  # how many there are, so that no writer has to look
    definitions: Mapped[int] = mapped_column(BigInteger, default=0)  # how often a known activity was given another one
    withdrawals: Mapped[int] = mapped_column(BigInteger, default=0)  # how often some of our own went: ``Position``


class StoredStatement(Base):
    """A statement as it is given back: ``body`` is canonical JSON, made once."""

    __tablename__ = "xapi_statements"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    statement_id: Mapped[uuid.UUID]
    stored: Mapped[datetime]
    timestamp: Mapped[datetime]
    verb: Mapped[str] = mapped_column(Text)
    # As facets.agent_key writes it, and short. A migration left a default of "" here, on which nothing relies: SQLite
    # would have to copy every statement to drop it.
    authority: Mapped[str] = mapped_column(Text)
    voided_by: Mapped[uuid.UUID | None]
    body: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        Index("uq_xapi_statements_tenant_statement_id", "tenant", "statement_id", unique=True),
        Index("ix_xapi_statements_tenant_stored", "tenant", "stored"),
        Index("ix_xapi_statements_tenant_timestamp", "tenant", "timestamp"),
        Index(
            "ix_xapi_statements_voided",
            "tenant",
            "seq",
            sqlite_where=text("voided_by IS NOT NULL"),
            postgresql_where=text("voided_by IS NOT NULL"),
        ),
    )


class Facet(Base):
    """What a statement can be found by: its verb, its agents and activities, and its registration.

    There are eight to ten a statement, so they are small, their own index and have no other one, nor a foreign key:
    each stands there as facets.facet_digest, which has the tenant in it instead of a column, and whoever deletes a
    statement finds its rows by what it says. Who and what is named in several places may stand there twice. A
    statement about another one can be found by what that one says too: such a row has the other's seq as ``source``.
    """

    __tablename__ = "xapi_facets"

    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    source: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)

    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 (SQLAlchemy reads it from the class)


class Reference(Base):
    """A statement whose object is another one, which may not be here yet."""

    __tablename__ = "xapi_references"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    target_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)

    __table_args__ = (
        ForeignKeyConstraint(["tenant", "seq"], ["xapi_statements.tenant", "xapi_statements.seq"], ondelete="CASCADE"),
        Index("ix_xapi_references_tenant_seq", "tenant", "seq"),
    )


class Attachment(Base):
    """What was sent along with statements, once for all that name it by its digest."""

    __tablename__ = "xapi_attachments"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    sha2: Mapped[str] = mapped_column(primary_key=True)  # in small letters
    content: Mapped[bytes] = mapped_column(LargeBinary)
    stored: Mapped[datetime]


class Enclosure(Base):
    """Which attachments came along with a statement: to name a digest is not enough to get its content."""

    __tablename__ = "xapi_enclosures"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sha2: Mapped[str] = mapped_column(primary_key=True)

    __table_args__ = (
        ForeignKeyConstraint(["tenant", "seq"], ["xapi_statements.tenant", "xapi_statements.seq"], ondelete="CASCADE"),
        Index("ix_xapi_enclosures_tenant_sha2", "tenant", "sha2"),
    )


class Key(Base):
    """A Basic key. The secret itself is shown once and kept only as a fast keyed hash: it is random, not chosen.

    With an ``activity`` it is for what names that activity alone.
    """

    __tablename__ = "xapi_keys"

    key: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[uuid.UUID] = mapped_column(index=True)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    label: Mapped[str]
    scopes: Mapped[str]  # space separated, as in OAuth
    activity: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]  # to the hour or so
    disabled_at: Mapped[datetime | None]


class RemovedStatement(Base):
    """What is left of a statement that was removed, because of its age or of whom it named, so that its id stays taken.

    Sent again it is known by one of the digests, with and without its time, or it says something else. They are keyed,
    or whoever reads them could try what it may have said.
    """

    __tablename__ = "xapi_removed_statements"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    statement_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    timeless_digest: Mapped[bytes] = mapped_column(LargeBinary)


class Document(Base):
    """A document of an agent, an activity or both, exactly as it was sent."""

    __tablename__ = "xapi_documents"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    place: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)  # digest of the names that follow
    kind: Mapped[str]
    agent: Mapped[str | None] = mapped_column(Text)  # as facets.agent_key writes it, and short enough for an index
    activity: Mapped[str | None] = mapped_column(Text)
    registration: Mapped[uuid.UUID | None]
    document_id: Mapped[str] = mapped_column(Text)
    content_type: Mapped[str] = mapped_column(Text)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    etag: Mapped[str]
    modified: Mapped[datetime]

    __table_args__ = (Index("ix_xapi_documents_tenant_agent_activity", "tenant", "agent", "activity"),)


class Activity(Base):
    """What is known of an activity: the definitions of all statements about it, as one JSON object."""

    __tablename__ = "xapi_activities"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    iri: Mapped[str] = mapped_column(Text, primary_key=True)
    definition: Mapped[str] = mapped_column(Text)


class Target(Base):
    """A record store outside that gets statements, how far it is, and how it answered the last time.

    ``sealed_secret`` is sealed by the application; nothing here can open it. Everything up to ``queued_seq`` stands in
    the queue or is not wanted; what was stored before the target was added is queued bit by bit up to ``queue_until``.
    """

    __tablename__ = "xapi_targets"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    label: Mapped[str]
    endpoint: Mapped[str] = mapped_column(Text)  # without /statements and without a slash at its end
    version: Mapped[str]
    key: Mapped[str]
    sealed_secret: Mapped[str] = mapped_column(Text)
    token_endpoint: Mapped[str | None] = mapped_column(Text)  # of OAuth 2; without one it is Basic
    scope: Mapped[str | None]
    verbs: Mapped[list[str]] = mapped_column(JSON)  # IRIs; an empty list lets everything through
    activities: Mapped[list[str]] = mapped_column(JSON)
    profiles: Mapped[list[str]] = mapped_column(JSON)
    status: Mapped[str]
    created_at: Mapped[datetime]

    queue_from: Mapped[int] = mapped_column(BigInteger)
    queued_seq: Mapped[int] = mapped_column(BigInteger)
    queue_until: Mapped[int] = mapped_column(BigInteger)
    delivered: Mapped[int] = mapped_column(BigInteger)
    delivered_at: Mapped[datetime | None]

    leased_until: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]
    failures: Mapped[int]  # in a row
    errors: Mapped[int] = mapped_column(BigInteger)  # ever
    problem: Mapped[str | None]  # a code
    answer: Mapped[str | None] = mapped_column(Text)  # the beginning of what it said
    failed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("status IN ('new', 'active', 'paused', 'refused')", name="status"),
        Index("uq_xapi_targets_tenant_label", "tenant", "label", unique=True),
    )


def count_withdrawal(db: Session, tenant: uuid.UUID) -> None:
    """By whoever voids or removes what may be our own: what is remembered of it is not believed any more."""
    db.execute(update(Head).where(Head.tenant == tenant).values(withdrawals=Head.withdrawals + 1))


def lock_targets(db: Session, *which: ColumnElement[bool]) -> None:
    """Targets before their letters: who deletes letters takes turns, and writers wait for nobody."""
    db.execute(select(Target.id).where(*which).order_by(Target.id).with_for_update(key_share=True))


_OF_TARGET = (["tenant", "target_id"], ["xapi_targets.tenant", "xapi_targets.id"])
_OF_STATEMENT = (["tenant", "seq"], ["xapi_statements.tenant", "xapi_statements.seq"])


class Outbound(Base):
    """A statement that a target has not got yet; written with the statement, and gone when it is delivered."""

    __tablename__ = "xapi_outbox"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    target_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    queued_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(*_OF_TARGET, ondelete="CASCADE"),
        ForeignKeyConstraint(*_OF_STATEMENT, ondelete="CASCADE"),
        Index("ix_xapi_outbox_tenant_seq", "tenant", "seq"),
    )


class DeadLetter(Base):
    """A statement that a target refuses, with the beginning of its answer."""

    __tablename__ = "xapi_dead_letters"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    target_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    status: Mapped[int | None]  # of HTTP; none where no answer came
    answer: Mapped[str] = mapped_column(Text)  # without a status, the code of why it was not sent, or nothing
    at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(*_OF_TARGET, ondelete="CASCADE"),
        ForeignKeyConstraint(*_OF_STATEMENT, ondelete="CASCADE"),
        Index("ix_xapi_dead_letters_tenant_seq", "tenant", "seq"),
    )


class Withheld(Base):
    """A statement that no target gets any more, whoever asks for older ones: it speaks of somebody who was erased."""

    __tablename__ = "xapi_withheld"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)

    __table_args__ = (ForeignKeyConstraint(*_OF_STATEMENT, ondelete="CASCADE"),)


class FormerTarget(Base):
    """A target that was removed after a worker had begun with it: what it has got is still there."""

    __tablename__ = "xapi_former_targets"

    tenant: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    label: Mapped[str]
    endpoint: Mapped[str] = mapped_column(Text)
    removed_at: Mapped[datetime]
