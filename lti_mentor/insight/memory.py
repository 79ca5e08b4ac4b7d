"""What each process remembers of the records of programs, so that a look reads only what is new."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from lti_mentor.activity.record import authority_key, iri_base
from lti_mentor.insight.figures import Record, gather
from lti_mentor.mentoring import people
from lti_mentor.mentoring.programs import Program
from xapi import store
from xapi.store import Position

MOST = 400_000  # values of all records together: of some 800,000 statements, and about 100 MB
EMPTY = 50  # as much as so many values
Place = tuple[uuid.UUID, uuid.UUID]  # of an organization and a program


@dataclass(frozen=True)
class Known:
    """A record, up to where it was read, and the names it was read with. Nobody changes it: others may look at it."""

    record: Record
    position: Position
    former: Mapping[str, str]


_ONE_BY_ONE = Lock()
MEMORIES: WeakKeyDictionary[Engine, dict[Place, Known]] = WeakKeyDictionary()


def record_of(db: Session, program: Program) -> Record:
    """What our statements say about a program; not to be changed. ``db`` is one consistent view that only reads.

    Everything is read anew when something was voided or removed, or somebody is called otherwise. What comes late is
    no such case: a record is the same in whatever order statements are taken. A look that began before others read on
    gets what they found: all figures are of one record, and to read everything anew for an older one takes long.
    """
    tenant, base = program.organization_id, iri_base(db)
    position, former = store.position(db, tenant=tenant), people.former_actor_names(db, tenant)
    memories, place = MEMORIES.setdefault(db.get_bind().engine, {}), (tenant, program.id)
    with _ONE_BY_ONE:
        known = memories.get(place)
    if known is None or known.former != former or known.position.withdrawals != position.withdrawals:
        known = Known(Record(), Position(), former)
    if known.position < position:
        new = store.later(db, tenant=tenant, after=known.position.seq, authority=authority_key(db))
        iri = f"{base}/programs/{program.id}"
        record = gather(new, program=iri, base=base, former=former, known=known.record)
        known = Known(record, position, former)
    _remember(memories, place, known)
    return known.record


def _remember(memories: dict[Place, Known], place: Place, known: Known) -> None:
    """As the last one to go, unless a newer one is there; those that nobody asked for the longest go first."""
    with _ONE_BY_ONE:
        there = memories.pop(place, known)
        memories[place] = known if there.position <= known.position else there
        total = sum(EMPTY + each.record.size for each in memories.values())
        for other in list(memories)[:-1]:
            if total <= MOST:
                break
            total -= EMPTY + memories.pop(other).record.size
