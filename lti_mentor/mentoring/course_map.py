"""The course map: which item of a course shows which exam domain, and what setting it moves."""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.errors import Invalid, NotAllowed, NotFound
from lti_mentor.mentoring import catalog, courses, gradebook, programs, standing
from lti_mentor.mentoring.catalog import CatalogEntry
from lti_mentor.mentoring.courses import Course, Item, MappedItem, Member
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.pursuits import Pursuit

DomainKey = tuple[str, str]  # certification, domain code
Lines = Mapping[DomainKey, int]  # with the weight of each
ALIKE = 0.6  # of 1: how near a title has to be to be worth a suggestion


def may_set(db: Session, person: Person, course: Course) -> bool:
    """A teacher of the course, and the coordinators of its programs."""
    return courses.teaches(db, person, course) or bool(programs.coordinated_in(db, person, course))


def get_course(db: Session, person: Person, course_id: uuid.UUID) -> Course:
    """A course whose map the person may set. Raises NotFound and NotAllowed."""
    course = courses.get(db, person.organization_id, course_id)
    if not may_set(db, person, course):
        raise NotAllowed("course.not_teacher")
    return course


def of_course(db: Session, course: Course) -> dict[uuid.UUID, dict[DomainKey, int]]:
    """For each item the exam domains it shows, with their weights."""
    found: dict[uuid.UUID, dict[DomainKey, int]] = {}
    for line in _lines(db, course):
        found.setdefault(line.item_id, {})[line.certification_id, line.domain_code] = line.weight
    return found


def _lines(db: Session, course: Course) -> Sequence[MappedItem]:
    wanted = (
        select(MappedItem)
        .join(Item, Item.id == MappedItem.item_id)
        .where(MappedItem.organization_id == course.organization_id, Item.course_id == course.id)
        .order_by(MappedItem.certification_id, MappedItem.domain_code)
    )
    return db.scalars(wanted).all()


def certifications_of(db: Session, course: Course) -> set[str]:
    """Those in the map, and those that people of the course are on the way to."""
    people = select(Member.person_id).where(
        Member.organization_id == course.organization_id, Member.course_id == course.id
    )
    followed = select(Pursuit.certification_id).where(
        Pursuit.organization_id == course.organization_id, Pursuit.person_id.in_(people)
    )
    return {line.certification_id for line in _lines(db, course)} | set(db.scalars(followed.distinct()))


def save(db: Session, course: Course, items: Mapping[uuid.UUID, Lines], *, by: Person) -> None:
    """Set the map of these items; the others keep theirs. Readiness moves with it, on record.

    Raises NotAllowed, NotFound for an item or domain that is not there, Invalid for a weight out of 1 to 100.
    """
    if not may_set(db, by, course):
        raise NotAllowed("course.not_teacher")
    _check(db, course, items)
    known = [line for line in _lines(db, course) if line.item_id in items]
    touched = {line.certification_id for line in known} | {key[0] for lines in items.values() for key in lines}
    pursuits = _pursuits(db, course, touched)
    before = standing.of_many(db, pursuits)
    gone = [line.id for line in known]
    db.execute(delete(MappedItem).where(MappedItem.organization_id == course.organization_id, MappedItem.id.in_(gone)))
    for item_id, lines in items.items():
        for (certification_id, code), weight in lines.items():
            line = MappedItem(item_id=item_id, certification_id=certification_id, domain_code=code, weight=weight)
            line.organization_id = course.organization_id
            db.add(line)
    db.flush()
    standing.record_changes(db, pursuits, before)
    gradebook.course_moved(db, course)
    for item in courses.newly_due(db, course):
        if item.id in items:
            item.overdue_noted_at = clock.now()


def _check(db: Session, course: Course, items: Mapping[uuid.UUID, Lines]) -> None:
    if not set(items) <= {item.id for item in courses.items(db, course)}:
        raise NotFound("item.unknown")
    for item_id, lines in items.items():
        for (certification_id, code), weight in lines.items():
            catalog.entry(certification_id).domain(code)
            if not 1 <= weight <= 100:
                raise Invalid({f"weight-{item_id}": "goal.link_weight"})


def _pursuits(db: Session, course: Course, certifications: Iterable[str]) -> Sequence[Pursuit]:
    """Of everybody met in the course, for these certifications."""
    members = select(Member.person_id).where(
        Member.organization_id == course.organization_id, Member.course_id == course.id
    )
    wanted = select(Pursuit).where(
        Pursuit.organization_id == course.organization_id,
        Pursuit.person_id.in_(members),
        Pursuit.certification_id.in_(set(certifications)),
    )
    return db.scalars(wanted).all()


def note_due(db: Session, course: Course) -> None:
    """Items became due: who has no result counts 0 in them from now on, and that goes on record, once."""
    items = courses.newly_due(db, course)
    ids = {item.id for item in items}
    mapped = select(MappedItem.certification_id).where(
        MappedItem.organization_id == course.organization_id, MappedItem.item_id.in_(ids)
    )
    pursuits = _pursuits(db, course, db.scalars(mapped).all())
    before = standing.gather(db, pursuits).before_due(ids).at(clock.now())
    standing.record_changes(db, pursuits, before)
    for item in items:
        item.overdue_noted_at = clock.now()


def suggest(title: str, entries: Iterable[CatalogEntry]) -> DomainKey | None:
    """The exam domain whose title or topic is most like the title of an item; none when nothing is near."""
    found = [
        (max(_alike(title, words) for words in (domain.title, *domain.topics)), entry.slug, domain.code)
        for entry in entries
        for domain in entry.domains
    ]
    best = max(found, default=None)
    return None if best is None or best[0] < ALIKE else best[1:]


def _alike(one: str, other: str) -> float:
    """From 0 to 1: as strings, or how many of the words of ``other`` stand in ``one``, when it has several."""
    words, wanted = _words(one), _words(other)
    shared = len(words & wanted) / len(wanted) if len(wanted) > 1 else 0.0
    return max(shared, SequenceMatcher(None, one.casefold(), other.casefold()).ratio())


def _words(text: str) -> set[str]:
    """Those that say something: three letters or more."""
    return {word for word in re.findall(r"\w+", text.casefold()) if len(word) > 2}
