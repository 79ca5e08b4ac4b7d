"""Writing a fact as a statement, in the transaction of whoever reports it."""

import hmac
import json
import secrets
from datetime import datetime
from functools import partial
from uuid import UUID
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.activity.facts import Fact
from lti_mentor.activity.profile import ours
from lti_mentor.activity.statements import ACTIVITY_VERBS, Statement, statement
from lti_mentor.db import Base, Database
from lti_mentor.errors import SettingsError
from lti_mentor.vault import Vault
from xapi import activities, store
from xapi.facets import agent_key
from xapi.profile import check

AUTHORITY = "lti-mentor"  # the account that vouches for our own statements
PEPPER = "lrs-pepper"
MOST_DEFINED = 10_000  # activities that are remembered as known
_DEFINED: WeakKeyDictionary[Engine, set[tuple[UUID, str]]] = WeakKeyDictionary()
_BASES: WeakKeyDictionary[Engine, str] = WeakKeyDictionary()
_PEPPERS: WeakKeyDictionary[Engine, bytes] = WeakKeyDictionary()
_CHECKED: WeakSet[Engine] = WeakSet()


class Installation(Base):
    """One row: what never changes once statements exist."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(primary_key=True)
    iri_base: Mapped[str]
    sealed_pepper: Mapped[str | None]  # secrets of the record store's keys are hashed with it, and what went


def fix_iri_base(db: Session, base_url: str) -> str:
    """The base of all our IRIs: the public URL at the first ``db upgrade``, kept when the site moves."""
    row = db.get(Installation, 1)
    if row is None:
        row = Installation(id=1, iri_base=base_url)
        db.add(row)
        db.flush()
    return row.iri_base


def iri_base(db: Session | Connection) -> str:
    """Read once for each engine, since it never changes. Raises SettingsError in a database that is not prepared."""
    engine = _engine(db)
    if engine not in _BASES:
        kept = db.scalar(select(Installation.iri_base).where(Installation.id == 1))
        if kept is None:
            raise SettingsError("The database is not prepared: run lti-mentor db upgrade.")
        _BASES[engine] = kept
    return _BASES[engine]


def ensure_pepper(db: Session, vault: Vault) -> None:
    """Make the pepper once; a rotation of the secret key seals it anew and leaves the hashes as they are."""
    row = db.get_one(Installation, 1)
    if row.sealed_pepper is None:
        row.sealed_pepper = vault.seal(PEPPER, secrets.token_bytes(32))


def reseal_pepper(db: Session, vault: Vault) -> None:
    row = db.get_one(Installation, 1)
    row.sealed_pepper = vault.reseal(PEPPER, row.sealed_pepper) if row.sealed_pepper else None


def key_hashes(db: Session | Connection, vault: Vault, secret: bytes) -> list[bytes]:
    """Fast keyed hashes (32 bytes) of a random secret: under the pepper, then as older versions made them."""
    return [hmac.digest(_pepper(db, vault), secret, "sha256"), *vault.fingerprints("lrs-key", secret)]


def statement_hash(db: Session, vault: Vault, digest: bytes) -> bytes:
    """What stays of a statement that is removed: without the pepper nobody can try what it may have said."""
    return hmac.digest(_pepper(db, vault), b"statement:" + digest, "sha256")


def account_hash(db: Session, vault: Vault, account: bytes) -> bytes:
    """What stays of an account that is erased: without the pepper nobody can try whose it was."""
    return hmac.digest(_pepper(db, vault), b"account:" + account, "sha256")


def _pepper(db: Session | Connection, vault: Vault) -> bytes:
    """Opened once for each engine. Raises SettingsError in a database that is not prepared."""
    engine = _engine(db)
    if engine not in _PEPPERS:
        sealed = db.scalar(select(Installation.sealed_pepper).where(Installation.id == 1))
        if sealed is None:
            raise SettingsError("The database is not prepared: run lti-mentor db upgrade.")
        _PEPPERS[engine] = vault.open(PEPPER, sealed)
    return _PEPPERS[engine]


def _engine(db: Session | Connection) -> Engine:
    return (db if isinstance(db, Connection) else db.get_bind()).engine


def authority(db: Session) -> Statement:
    """Who vouches for our own statements."""
    return {"objectType": "Agent", "account": {"homePage": iri_base(db), "name": AUTHORITY}}


def authority_key(db: Session) -> str:
    """The same as the record store asks for it."""
    return str(agent_key(authority(db)))


def last_activity(db: Session, organization_id: UUID, registration: UUID) -> datetime | None:
    """When the newest of our statements about a mentorship was true that counts as activity and is not voided."""
    own = authority_key(db)
    verbs, about = [verb.iri for verb in ACTIVITY_VERBS], str(registration)
    found = store.scan(db, tenant=organization_id, verbs=verbs, registration=about, authority=own, newest_first=True)
    last = next(found, None)
    return datetime.fromisoformat(last["timestamp"]) if last else None


def check_statements(database: Database) -> None:
    """From now on each of our statements is checked against its template before it is stored in this database."""
    _CHECKED.add(database.engine)


def record(db: Session, organization_id: UUID, fact: Fact) -> UUID:
    """Store the statement of this fact and give its id. Raises NotOfProfile where statements are checked."""
    said = statement(fact, iri_base(db))
    if db.get_bind().engine in _CHECKED:
        check(ours(), said, partial(_find, db, organization_id))
    taken = store.append(db, tenant=organization_id, statement=said, now=clock.now(), authority=authority(db))
    _define(db, organization_id, said)
    outside.queue(db, organization_id, taken)
    return taken.ids[0]


def _find(db: Session, organization_id: UUID, statement_id: str) -> Statement | None:
    body = store.get(db, tenant=organization_id, statement_id=UUID(statement_id))
    return None if body is None else json.loads(body)


def _define(db: Session, organization_id: UUID, said: Statement) -> None:
    """Learn what it says of activities: of ours always the same, so what was learned is not looked up again."""
    known = _DEFINED.setdefault(db.get_bind().engine, set())
    new = {(organization_id, iri) for iri in activities.spoken_of(said)} - known
    if not new:
        return
    activities.define(db, tenant=organization_id, said=activities.said([said]))
    if len(known) > MOST_DEFINED:
        known.clear()
    event.listen(db, "after_commit", lambda _: known.update(new), once=True)
