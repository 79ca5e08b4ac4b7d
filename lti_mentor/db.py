"""Rows, and the two ways to reach them: ``transaction()`` to write, ``reading()`` to look."""

import logging
import os
import select as waiting
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    DateTime,
    Dialect,
    Engine,
    ForeignKey,
    Insert,
    Integer,
    MetaData,
    Table,
    bindparam,
    create_engine,
    event,
    exists,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InvalidRequestError, NoResultFound, OperationalError, TimeoutError
from sqlalchemy.orm import (
    DeclarativeBase,
    InstanceState,
    Mapped,
    Mapper,
    Session,
    class_mapper,
    mapped_column,
)
from sqlalchemy.orm.base import DEFAULT_STATE_ATTR
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.types import TypeDecorator

from lti_mentor.errors import SettingsError

log = logging.getLogger(__name__)

WAIT_SECONDS = 10  # for others who write to the same file
ASIDE = 0.05  # seconds, after a lost race
RECYCLED_AFTER = 600  # seconds: a connection to PostgreSQL may be lost without a word
OLDEST_SQLITE = (3, 38)  # with functions for JSON
PAUSE = 0.0002  # seconds, until it is asked again whether they are done
LOG_BYTES = 80_000_000  # that SQLite writes before they are sorted in: each page once, however often it changed
LOG_STEP = 10_000_000  # more of them, before it is tried again; and as much is cut off, so that it is seen to grow anew
EMPTYING = 0.5  # seconds, for a moment at which nobody writes, and as long again for one at which nobody reads
CACHE_KILOBYTES = 16_000  # what a large transaction changes: what has no room is written and read once more
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


# The database does not answer, or not in time.
UNREACHABLE = (OperationalError, TimeoutError)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept as UTC; a naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone is not stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 (SQLAlchemy reads it from the class)


def new_id() -> uuid.UUID:
    """An id that says nothing about the thing it names."""
    return uuid.uuid4()


Made = TypeVar("Made")
_open: ContextVar[int] = ContextVar("open_transactions", default=0)


def in_transaction() -> bool:
    """Whether a transaction is open in this thread: outgoing HTTP refuses to run then."""
    return _open.get() > 0


@contextmanager
def _opened() -> Iterator[None]:
    token = _open.set(_open.get() + 1)
    try:
        yield
    finally:
        _open.reset(token)


@dataclass(frozen=True)
class Database:
    """One database; made once, by ``connect``."""

    engine: Engine
    reader: Engine
    looker: Engine  # of PostgreSQL: every statement is a transaction
    hasty: Engine  # of SQLite: waits for no other writer

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Write: everything inside is committed together, or none of it."""
        with self._session(self.engine) as db, db.begin():
            yield db

    @contextmanager
    def storing(self) -> Iterator[Connection]:
        """Write columns by a few statements: a transaction as well, and half as much work without a session."""
        with _opened(), self.engine.begin() as connection:
            yield connection

    def write(self, work: Callable[[Session], Made]) -> Made:
        """What the work makes in a transaction; in another one where it lost a race.

        It has three in all. After each it stands aside for a moment: PostgreSQL lets whoever comes have a row that was
        given up, before it wakes the one who waited for it.
        """
        for _ in range(2):
            try:
                with self.transaction() as db:
                    return work(db)
            except Exception as error:
                if not lost_a_race(error):
                    raise
            time.sleep(ASIDE)
        with self.transaction() as db:
            return work(db)

    @contextmanager
    def writing_at_once(self) -> Iterator[Session]:
        """Write something small that can be left out. Raises OperationalError where that would mean to wait."""
        with self._session(self.hasty) as db, db.begin():
            if not self.is_sqlite:
                db.execute(text("SET LOCAL lock_timeout = 1"))  # milliseconds
            yield db

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Look: one consistent, read-only view that delays no writer."""
        with self._session(self.reader) as db:
            yield db

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """Look at columns by a single statement: costs half as much as ``reading()``, and less on PostgreSQL."""
        with _opened(), self.looker.connect() as connection:
            yield connection

    @contextmanager
    def _session(self, engine: Engine) -> Iterator[Session]:
        with _opened(), Session(engine, expire_on_commit=False) as db:
            yield db

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"


def connect(url: str) -> Database:
    """A database for ``sqlite:///file`` or ``postgresql://…``."""
    if url.startswith(("postgresql://", "postgres://")):
        url = "postgresql+psycopg://" + url.split("://", 1)[1]
    if url.startswith("sqlite"):
        return _connect_sqlite(url)
    engine = create_engine(url, pool_pre_ping=True, pool_recycle=RECYCLED_AFTER, hide_parameters=True)
    event.listen(engine, "handle_error", _forget_values)
    dialect: Any = engine.dialect
    dialect.do_ping = partial(_is_there, dialect.do_ping)
    dialect.do_rollback = partial(_give_up, dialect.do_rollback)
    reader = engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
    looker = engine.execution_options(isolation_level="AUTOCOMMIT")
    event.listen(looker, "before_cursor_execute", _refuse_to_write)
    return Database(engine, reader, looker, engine)


def _refuse_to_write(
    connection: Connection, cursor: object, text: str, values: object, context: Any, *_: object
) -> None:
    """Which PostgreSQL does in transactions alone."""
    if context.compiled is None or not context.compiled.statement.is_select:
        raise InvalidRequestError("this is for looking alone")


def _is_there(ask: Callable[[Any], bool], connection: Any) -> bool:
    """A server that went away said so, or hung up: it is asked only where something came from it meanwhile."""
    poll = waiting.poll()
    poll.register(connection.fileno(), waiting.POLLIN)
    return not poll.poll(0) or ask(connection)


def _give_up(roll_back: Callable[[Any], None], connection: Any) -> None:
    """What only looked is committed: by a ROLLBACK the driver forgets all statements that it had prepared."""
    if connection.read_only:
        connection.commit()
    else:
        roll_back(connection)


def _connect_sqlite(url: str) -> Database:
    """With connections of their own for looking: one that changes sides has to prepare every statement anew.

    Raises SettingsError where SQLite is too old.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise SettingsError(f"SQLite {sqlite3.sqlite_version} is too old: install {wanted} or use PostgreSQL.")
    # SQLite lets one write at a time, so the threads of a process take turns at one connection.
    engine = create_engine(url, hide_parameters=True, pool_size=1, max_overflow=0, pool_timeout=WAIT_SECONDS)
    reader, hasty = (create_engine(url, hide_parameters=True) for _ in range(2))
    for each, writes, seconds in ((engine, True, WAIT_SECONDS), (reader, False, WAIT_SECONDS), (hasty, True, 0)):
        event.listen(each, "handle_error", _forget_values)
        event.listen(each, "connect", partial(_prepare_sqlite, writes, seconds))
        dialect: Any = each.dialect  # a listener to "begin" would cost something at each statement too
        dialect.do_begin = partial(_begin_writing, seconds) if writes else _begin_reading
        dialect.do_commit = _commit if writes else dialect.do_commit
    for other in (reader, hasty):
        event.listen(engine, "engine_disposed", lambda _, other=other: other.dispose())
    return Database(engine, reader, reader, hasty)


def _forget_values(context: ExceptionContext) -> None:
    """PostgreSQL quotes the whole row in the detail of an error, and errors are logged: keep the first line."""
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args:
            error.args = (str(error.args[0]).partition("\nDETAIL:")[0], *error.args[1:])


def _prepare_sqlite(writes: bool, seconds: int, connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
    raw: Any = connection
    raw.isolation_level = None  # the driver leaves BEGIN to us
    cursor = raw.cursor()
    patience, side = f"busy_timeout = {seconds * 1000}", f"query_only = {'OFF' if writes else 'ON'}"
    for pragma in (patience, "journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", side):
        cursor.execute(f"PRAGMA {pragma}")
    if writes:
        cursor.execute("PRAGMA wal_autocheckpoint = 0")  # ``_commit`` does it
        cursor.execute(f"PRAGMA journal_size_limit = {LOG_BYTES - LOG_STEP}")
        raw.text_factory = os.fsdecode  # a path may be of any letters
        entry.info["file"] = cursor.execute("PRAGMA database_list").fetchone()[2]  # where a link leads, its log is
        raw.text_factory = str
        cursor.execute(f"PRAGMA cache_size = {-CACHE_KILOBYTES}")
        cursor.execute("PRAGMA busy_timeout = 0")  # ``_begin_writing`` waits, and nobody is in the way after it
    cursor.close()
    raw.create_function("lower", 1, _lower, deterministic=True)


def _lower(text: str | None) -> str | None:
    """SQLite's own knows the letters of English alone."""
    return text.lower() if text is not None else None


def _begin_writing(seconds: int, connection: PoolProxiedConnection) -> None:
    raw: Any = connection.driver_connection
    _lock(raw, seconds)


def _lock(raw: sqlite3.Connection, seconds: float) -> None:
    """Wait for the other processes: SQLite by itself sleeps up to a tenth of a second while they come and go."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                break
            time.sleep(PAUSE)
        else:
            return
    raw.execute("BEGIN IMMEDIATE")  # raises


def _commit(connection: PoolProxiedConnection) -> None:
    """And sort the log in where it has grown long, and again at each step while that does not help.

    SQLite by itself would sort in what is there, while others write and read: where somebody always does, the log never
    begins anew, and it is at it with every commit.
    """
    connection.commit()
    try:  # what was committed is there, whatever happens now
        file, before = connection.info["file"], connection.info.get("log", 0)
        now = connection.info["log"] = os.stat(f"{file}-wal").st_size if os.path.exists(f"{file}-wal") else 0
        if now >= LOG_BYTES and now // LOG_STEP > before // LOG_STEP:
            _sort_in(file)
    except (sqlite3.Error, OSError) as error:
        log.warning("the log of the database was not sorted in", extra={"reason": type(error).__name__})


def _sort_in(file: str) -> None:
    """Most of it while other processes write; then the rest, as soon as nobody writes or reads in it.

    Where a long reader keeps most of it, nobody is made to wait for that.
    """
    with closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as beside:
        _, there, done = beside.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if done > there // 2:
            _lock(beside, EMPTYING)  # SQLite looks for that moment much less often, and would go on without it
            beside.execute("ROLLBACK")
            beside.execute(f"PRAGMA busy_timeout = {EMPTYING * 1000:.0f}")
            beside.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()


def _begin_reading(connection: PoolProxiedConnection) -> None:
    raw: Any = connection.driver_connection
    raw.execute("BEGIN DEFERRED")


class Row(Base):
    """A row of one organization."""

    __abstract__ = True

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    organization_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"), index=True)


class Glance:
    """Rows that are only looked at, which costs half as much as to load them.

    They are of no session, so nothing that is changed in them would be written: to set an attribute is an error. Make
    it once, with the statement that asks for these columns first: attributes are named like them, and a row has one
    column as its key.
    """

    def __init__(self, *rows: type[Base]) -> None:
        self._rows = [
            (class_mapper(row), _looked_at(row), Base.metadata.tables[row.__tablename__].c.keys()) for row in rows
        ]
        self.columns = [column for row in rows for column in Base.metadata.tables[row.__tablename__].c]

    def rows(self, found: Iterable[Any]) -> list[Any]:
        """What the statement found, each with all its columns; none where an outer join did not find one."""
        values = iter(found)
        return [
            _detached(mapper, kind, dict(zip(names, islice(values, len(names)), strict=True)))
            for mapper, kind, names in self._rows
        ]


def _looked_at(row: type[Base]) -> type[Base]:
    """The class of such rows: what is set in one would be lost, and nobody would see it."""
    refuses = dict.fromkeys(("__setattr__", "__delattr__"), _refuse)
    return type(row.__name__, (row,), {"__abstract__": True, **refuses})


def _refuse(row: Base, name: str, *_: object) -> None:
    raise TypeError(f"{type(row).__name__}.{name} would not be written: get the row by its id first")


def _detached(mapper: Mapper[Any], kind: type[Base], values: dict[str, Any]) -> Any:
    if values[mapper.primary_key[0].name] is None:
        return None
    row = kind.__new__(kind)
    state = InstanceState(row, mapper.class_manager)
    # As ``make_transient_to_detached`` does, which looks for missing columns besides.
    state.key = mapper.identity_key_from_primary_key((values[mapper.primary_key[0].name],))
    row.__dict__.update(values, **{DEFAULT_STATE_ATTR: state})
    return row


def referring_to(name: str) -> Iterator[Column[Any]]:
    """Every column of the schema that refers to the table of this name; no table before those it refers to itself."""
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if any(key.column.table.name == name for key in column.foreign_keys):
                yield column


def inserting(db: Session, row: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that may say what happens when somebody else was first: ``on_conflict_do_nothing`` and the like."""
    if db.get_bind().dialect.name == "postgresql":
        return postgresql.insert(row)
    return sqlite.insert(row)


NO_LIMIT = 2**31 - 1


def same(column: Column[Any]) -> ColumnElement[bool]:
    """Whether a row has there what the new one is given."""
    return column == bindparam(column.name, type_=column.type)


def fewer_than(most: str, at: Column[Any], *which: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether fewer such rows than the limit of that name came since ``since``: none is the last one of so many.

    The newest first: PostgreSQL plans this before it knows the values, and then stays with the index.
    """
    lately = select(literal(1)).where(at > bindparam("since"), *which).order_by(at.desc())
    return ~exists(lately.limit(1).offset(bindparam(most, type_=Integer()) - 1))


def insert_if(table: Table, *conditions: ColumnElement[bool], **computed: ColumnElement[Any]) -> Insert:
    """Adds a row where all of this holds. Make it once: building a statement costs more than running it."""
    values = [computed.get(column.name, bindparam(column.name, type_=column.type)) for column in table.c]
    adding = insert(table).from_select(table.c.keys(), select(*values).where(*conditions))
    return adding.execution_options(preserve_rowcount=True)


def insert_below(
    db: Connection, statement: Insert, values: Mapping[str, Any], *, since: datetime, **most: int
) -> CursorResult[Any]:
    """Inserts nothing where so many came since then; 0 is no limit.

    It is counted and added in one statement. PostgreSQL lets through what is counted at the very same moment, at most
    one more for each other connection.
    """
    limits = {name: number or NO_LIMIT for name, number in most.items()}
    return db.execute(statement, {**values, **limits, "since": since})


def try_insert(db: Connection, statement: Insert, values: Mapping[str, Any], *, since: datetime, **most: int) -> bool:
    """The same; gives whether it was inserted."""
    return insert_below(db, statement, values, since=since, **most).rowcount == 1


# As SQLite and PostgreSQL call them. A foreign key that leads nowhere is among them: whom a launch, a form or a
# statement is about may have become one with another account, or been erased, after they were looked up.
RACES = frozenset(
    {
        "SQLITE_CONSTRAINT_UNIQUE",
        "SQLITE_CONSTRAINT_PRIMARYKEY",
        "SQLITE_CONSTRAINT_FOREIGNKEY",
        "23505",  # unique
        "23503",  # foreign key
        "40P01",  # a deadlock: each waited for the other
    }
)


def lost_a_race(error: Exception) -> bool:
    """Whether another transaction of the same moment was in the way: done again, this one sees what is there now."""
    if isinstance(error, DBAPIError):
        names = (getattr(error.orig, name, None) for name in ("sqlite_errorname", "sqlstate"))
        return not RACES.isdisjoint(names)
    return isinstance(error, StaleDataError | NoResultFound)  # what was found a moment ago is gone


def is_away(error: Exception) -> bool:
    """Whether the database does not answer, which concerns all work; a lost race concerns the one that lost it."""
    return isinstance(error, UNREACHABLE) and not lost_a_race(error)


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """Keeps a text column to a few words, in the database too."""
    words = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f'"{column}" IN ({words})', name=column)
