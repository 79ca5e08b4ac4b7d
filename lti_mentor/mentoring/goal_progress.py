"""Progress of goals, gathered from rows: own measure, course items, readiness of a certification or a domain."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from lti_mentor.mentoring import catalog, standing
from lti_mentor.mentoring.courses import Item, MappedItem, Result
from lti_mentor.mentoring.goals import Goal, GoalLink
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.progress import (
    GoalPart,
    GoalProgress,
    Override,
    course_progress,
    goal_progress,
    measure_progress,
)
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.mentoring.readiness import ItemResult, Readiness


@dataclass(frozen=True)
class Sources:
    """What the parts of goals are read from: readiness by (person, certification), items by (person, course).

    An item may be linked without being in the course map; only mapped ones make the part of a course.
    """

    readiness: Mapping[tuple[uuid.UUID, str], Readiness]
    items: dict[tuple[uuid.UUID, uuid.UUID], list[ItemResult]]
    mapped: frozenset[uuid.UUID]


KnownReadiness = Mapping[tuple[uuid.UUID, str], Readiness]


def of_many(
    db: Session, goals: Sequence[Goal], *, known_readiness: KnownReadiness | None = None
) -> dict[uuid.UUID, GoalProgress]:
    """Progress of each goal; a fixed number of queries, fewer when the readiness is at hand."""
    if not goals:
        return {}
    found = known_readiness if known_readiness is not None else _readiness(db, goals)
    sources = Sources(found, *_items(db, goals))
    return {goal.id: of(goal, sources) for goal in goals}


def of(goal: Goal, sources: Sources) -> GoalProgress:
    """Progress of one goal from sources at hand."""
    parts = [_part(goal, link, sources) for link in goal.links]
    override = None if goal.override is None else Override(goal.override, goal.override_comment or "")
    return goal_progress(parts, override)


def _part(goal: Goal, link: GoalLink, sources: Sources) -> GoalPart:
    weight = Fraction(link.weight)
    if link.kind == "measure":
        value = measure_progress(baseline=goal.baseline, target=goal.target, current=goal.current)
        return GoalPart("measure", goal.unit, value, weight, "self", goal.set_at)
    if link.kind in ("course", "item"):
        return _course_part(goal, link, sources, weight)
    return _readiness_part(goal, link, sources, weight)


def _course_part(goal: Goal, link: GoalLink, sources: Sources, weight: Fraction) -> GoalPart:
    items = [item for found in sources.items.items() if found[0][0] == goal.owner_id for item in found[1]]
    if link.kind == "item":
        chosen = [item for item in items if item.item_id == link.item_id]
    else:
        known = sources.items.get((goal.owner_id, link.course_id), []) if link.course_id else []
        chosen = [item for item in known if item.item_id in sources.mapped]
    latest = max((item.at for item in chosen if item.at), default=None)
    label = chosen[0].item_title if link.kind == "item" and chosen else ""
    return GoalPart(link.kind, label, course_progress(chosen), weight, "course", latest)


def _readiness_part(goal: Goal, link: GoalLink, sources: Sources, weight: Fraction) -> GoalPart:
    entry = catalog.entry(link.certification_id or "")
    found = sources.readiness.get((goal.owner_id, entry.slug))
    if link.domain_code is None:
        value, at = (found.confirmed, found.at) if found else (Fraction(0), None)
        return GoalPart("certification", entry.name, value, weight, "mentor", at)
    title = entry.domain(link.domain_code).title
    domain = found.domain(link.domain_code) if found else None
    value, at = (domain.value, domain.at) if domain else (Fraction(0), None)
    return GoalPart("domain", title, value, weight, "mentor", at)


def _readiness(db: Session, goals: Sequence[Goal]) -> dict[tuple[uuid.UUID, str], Readiness]:
    wanted = {link.certification_id for goal in goals for link in goal.links if link.certification_id}
    if not wanted:
        return {}
    pursuits = db.scalars(
        select(Pursuit).where(
            Pursuit.organization_id == goals[0].organization_id,
            Pursuit.person_id.in_({goal.owner_id for goal in goals}),
            Pursuit.certification_id.in_(wanted),
        )
    ).all()
    found = standing.of_many(db, pursuits)
    return {(pursuit.person_id, pursuit.certification_id): found[pursuit.id].readiness for pursuit in pursuits}


_Items = tuple[dict[tuple[uuid.UUID, uuid.UUID], list[ItemResult]], frozenset[uuid.UUID]]


def _items(db: Session, goals: Sequence[Goal]) -> _Items:
    """Mapped items, and items linked by themselves, of each owner; and which of them are mapped."""
    course_ids = {link.course_id for goal in goals for link in goal.links if link.course_id}
    item_ids = {link.item_id for goal in goals for link in goal.links if link.item_id}
    found: dict[tuple[uuid.UUID, uuid.UUID], list[ItemResult]] = {}
    mapped_ids: set[uuid.UUID] = set()
    if not course_ids and not item_ids:
        return found, frozenset()
    mapped = select(MappedItem.item_id).where(MappedItem.organization_id == goals[0].organization_id)
    wanted = (
        select(Person.id, Item, Result, Item.id.in_(mapped))
        .join(Item, Item.organization_id == Person.organization_id)
        .outerjoin(Result, and_(Result.item_id == Item.id, Result.person_id == Person.id))
        .where(
            Person.organization_id == goals[0].organization_id,
            Person.id.in_({goal.owner_id for goal in goals}),
            (Item.course_id.in_(course_ids) & Item.id.in_(mapped)) | Item.id.in_(item_ids),
        )
        .order_by(Item.title, Item.id, Result.achieved_at)
    )
    latest = {(row[0], row[1].id): (row[1], row[2], row[3]) for row in db.execute(wanted)}
    for (owner_id, item_id), (item, result, is_mapped) in latest.items():
        found.setdefault((owner_id, item.course_id), []).append(standing.item_result(item, result))
        if is_mapped:
            mapped_ids.add(item_id)
    return found, frozenset(mapped_ids)
