"""Where pursuits stand: ratings and mapped results gathered from rows, and the readiness they make."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.activity import facts
from lti_mentor.activity.record import record
from lti_mentor.mentoring import catalog, mentorships, people
from lti_mentor.mentoring.courses import Item, MappedItem, Member, Result
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.programs import Program
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.mentoring.pursuits import Rating as RatingRow
from lti_mentor.mentoring.readiness import (
    DomainInput,
    ItemResult,
    Rating,
    Readiness,
    Rules,
    course_mark,
    readiness,
)


@dataclass(frozen=True)
class Standing:
    """What a readiness is made of, kept to answer "what if"."""

    inputs: tuple[DomainInput, ...]
    rules: Rules
    readiness: Readiness


def of(db: Session, pursuit: Pursuit) -> Standing:
    """Where one pursuit stands now."""
    return of_many(db, [pursuit])[pursuit.id]


def of_many(db: Session, pursuits: Sequence[Pursuit], *, as_of: datetime | None = None) -> dict[uuid.UUID, Standing]:
    """Where each stands now, or stood at an earlier time; three queries, however many there are."""
    if not pursuits:
        return {}
    moment = as_of or clock.now()
    organization_id = pursuits[0].organization_id
    ratings = _ratings(db, organization_id, [pursuit.id for pursuit in pursuits], moment)
    items = _items(db, organization_id, {pursuit.person_id for pursuit in pursuits}, moment)
    rules = _rules(db, organization_id, {pursuit.person_id for pursuit in pursuits})
    return {
        pursuit.id: _standing(pursuit, ratings, items, rules.get(pursuit.person_id, Rules()), moment)
        for pursuit in pursuits
    }


RatingKey = tuple[uuid.UUID, str, str]  # pursuit, domain, learner or mentor
ItemKey = tuple[uuid.UUID, str, str]  # person, certification, domain


def _standing(
    pursuit: Pursuit,
    ratings: dict[RatingKey, Rating],
    items: dict[ItemKey, list[ItemResult]],
    rules: Rules,
    moment: datetime,
) -> Standing:
    inputs = tuple(
        DomainInput(
            code=domain.code,
            title=domain.title,
            weight=domain.weight,
            mentor=ratings.get((pursuit.id, domain.code, "mentor")),
            own=ratings.get((pursuit.id, domain.code, "learner")),
            course=course_mark(items.get((pursuit.person_id, pursuit.certification_id, domain.code), []), moment),
        )
        for domain in catalog.entry(pursuit.certification_id).domains
    )
    return Standing(inputs, rules, readiness(inputs, rules))


def _ratings(
    db: Session, organization_id: uuid.UUID, pursuit_ids: Iterable[uuid.UUID], moment: datetime
) -> dict[RatingKey, Rating]:
    """The last rating of each domain by each side."""
    wanted = (
        select(RatingRow.pursuit_id, RatingRow.domain_code, RatingRow.rated_by, RatingRow.value, RatingRow.rated_at)
        .where(
            RatingRow.organization_id == organization_id,
            RatingRow.pursuit_id.in_(list(pursuit_ids)),
            RatingRow.rated_at <= moment,
        )
        .order_by(RatingRow.rated_at)
    )
    return {
        (row.pursuit_id, row.domain_code, row.rated_by): Rating(row.value, row.rated_at) for row in db.execute(wanted)
    }


def _items(
    db: Session, organization_id: uuid.UUID, person_ids: set[uuid.UUID], moment: datetime
) -> dict[ItemKey, list[ItemResult]]:
    """The mapped items of each person's courses with their results."""
    wanted = (
        select(Member.person_id, MappedItem, Item, Result)
        .join(Item, Item.id == MappedItem.item_id)
        .join(Member, Member.course_id == Item.course_id)
        .outerjoin(
            Result,
            and_(Result.item_id == Item.id, Result.person_id == Member.person_id, Result.achieved_at <= moment),
        )
        .where(MappedItem.organization_id == organization_id, Member.person_id.in_(person_ids))
        .order_by(Item.title)
    )
    found: dict[ItemKey, list[ItemResult]] = {}
    for person_id, mapped, item, result in db.execute(wanted):
        key = (person_id, mapped.certification_id, mapped.domain_code)
        found.setdefault(key, []).append(item_result(item, result, mapped.weight))
    return found


def item_result(item: Item, result: Result | None, weight: int = 1) -> ItemResult:
    """An item with the result of somebody, as the sums take it."""
    return ItemResult(
        item_title=item.title,
        score=None if result is None else Fraction(str(result.score)),
        maximum=Fraction(str(result.maximum)) if result else Fraction(100),
        due_at=item.due_at,
        weight=Fraction(weight),
        source=result.source if result else "",
        at=result.achieved_at if result else None,
        item_id=item.id,
    )


def _rules(db: Session, organization_id: uuid.UUID, person_ids: set[uuid.UUID]) -> dict[uuid.UUID, Rules]:
    """How the program of each person's open mentorship weighs."""
    wanted = (
        select(Mentorship.mentee_id, Program)
        .join(Program, Program.id == Mentorship.program_id)
        .where(
            Mentorship.organization_id == organization_id,
            Mentorship.mentee_id.in_(person_ids),
            Mentorship.status == "open",
        )
        .order_by(Mentorship.started_at)
    )
    return {mentee_id: program.rules for mentee_id, program in db.execute(wanted)}


def record_change(db: Session, pursuit: Pursuit, before: Readiness) -> Readiness:
    """Record a fact when confirmed readiness or own estimate is not what it was; what it is now."""
    now = of(db, pursuit).readiness
    if (now.confirmed, now.own_estimate) == (before.confirmed, before.own_estimate):
        return now
    mentorship = mentorships.of_mentee_id(db, pursuit.organization_id, pursuit.person_id)
    fact = facts.ReadinessChanged(
        actor=people.actor_name(db, pursuit.person_id),
        at=clock.now(),
        certification=pursuit.certification_id,
        confirmed=now.confirmed,
        own_estimate=now.own_estimate,
        covered=now.covered,
        domains=tuple(
            facts.DomainValue(
                domain=domain.code,
                value=domain.value,
                weight=domain.share,
                mentor=domain.mentor.value if domain.mentor else None,
                course=domain.course.value,
            )
            for domain in now.domains
        ),
        **mentorships.about(db, mentorship),
    )
    record(db, pursuit.organization_id, fact)
    return now
