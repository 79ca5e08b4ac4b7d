"""Where pursuits stand: ratings and mapped results gathered from rows, and the readiness they make."""

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from itertools import groupby

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.activity import facts
from lti_mentor.activity.record import record
from lti_mentor.mentoring import catalog, gradebook, mentorships, people
from lti_mentor.mentoring.courses import Course, Item, MappedItem, Member, Result
from lti_mentor.mentoring.gradebook import GradeColumn
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


@dataclass(frozen=True)
class _RatedDomain:
    pursuit_id: uuid.UUID
    code: str
    rated_by: str
    rating: Rating


@dataclass(frozen=True)
class _MappedItem:
    person_id: uuid.UUID
    certification_id: str
    code: str
    item: Item
    weight: int
    results: tuple[Result, ...]  # oldest first
    due: bool = True  # false: as if it had no due date

    def at(self, moment: datetime) -> ItemResult:
        """With the result that counted then."""
        known = [result for result in self.results if result.achieved_at <= moment]
        found = item_result(self.item, known[-1] if known else None, self.weight)
        return found if self.due else replace(found, due_at=None)


@dataclass(frozen=True)
class Sources:
    """Everything the standings of some pursuits are made of, to be looked at as of any time."""

    pursuits: tuple[Pursuit, ...]
    ratings: tuple[_RatedDomain, ...]  # oldest first
    items: tuple[_MappedItem, ...]
    rules: Mapping[uuid.UUID, Rules]  # by person

    def at(self, moment: datetime) -> dict[uuid.UUID, Standing]:
        """Where each pursuit stood then."""
        ratings = {
            (rated.pursuit_id, rated.code, rated.rated_by): rated.rating
            for rated in self.ratings
            if rated.rating.at <= moment
        }
        items: dict[tuple[uuid.UUID, str, str], list[ItemResult]] = {}
        for mapped in self.items:
            key = (mapped.person_id, mapped.certification_id, mapped.code)
            items.setdefault(key, []).append(mapped.at(moment))
        return {pursuit.id: self._standing(pursuit, ratings, items, moment) for pursuit in self.pursuits}

    def before_due(self, item_ids: Collection[uuid.UUID]) -> "Sources":
        """The same, as if these items were not due yet."""
        items = tuple(replace(each, due=False) if each.item.id in item_ids else each for each in self.items)
        return replace(self, items=items)

    def without(self, course_id: uuid.UUID) -> "Sources":
        """The same, as if nobody were in this course."""
        return replace(self, items=tuple(each for each in self.items if each.item.course_id != course_id))

    def _standing(
        self,
        pursuit: Pursuit,
        ratings: Mapping[tuple[uuid.UUID, str, str], Rating],
        items: Mapping[tuple[uuid.UUID, str, str], list[ItemResult]],
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
        rules = self.rules.get(pursuit.person_id, Rules())
        return Standing(inputs, rules, readiness(inputs, rules))


def of(db: Session, pursuit: Pursuit) -> Standing:
    """Where one pursuit stands now."""
    return of_many(db, [pursuit])[pursuit.id]


def of_many(db: Session, pursuits: Sequence[Pursuit]) -> dict[uuid.UUID, Standing]:
    """Where each stands now."""
    return gather(db, pursuits).at(clock.now())


def gather(db: Session, pursuits: Sequence[Pursuit], *, rules: Mapping[uuid.UUID, Rules] | None = None) -> Sources:
    """Three queries, however many pursuits there are; two when the rules by person are at hand."""
    if not pursuits:
        return Sources((), (), (), {})
    organization_id = pursuits[0].organization_id
    people_ids = {pursuit.person_id for pursuit in pursuits}
    return Sources(
        tuple(pursuits),
        tuple(_ratings(db, organization_id, [pursuit.id for pursuit in pursuits])),
        tuple(_items(db, organization_id, people_ids)),
        _rules(db, organization_id, people_ids) if rules is None else rules,
    )


def _ratings(db: Session, organization_id: uuid.UUID, pursuit_ids: Iterable[uuid.UUID]) -> Iterator[_RatedDomain]:
    wanted = (
        select(RatingRow.pursuit_id, RatingRow.domain_code, RatingRow.rated_by, RatingRow.value, RatingRow.rated_at)
        .where(RatingRow.organization_id == organization_id, RatingRow.pursuit_id.in_(list(pursuit_ids)))
        .order_by(RatingRow.rated_at)
    )
    for row in db.execute(wanted):
        yield _RatedDomain(row.pursuit_id, row.domain_code, row.rated_by, Rating(row.value, row.rated_at))


def _items(db: Session, organization_id: uuid.UUID, person_ids: set[uuid.UUID]) -> Iterator[_MappedItem]:
    """The mapped items of each person's courses with their results."""
    wanted = (
        select(Member.person_id, MappedItem, Item, Result)
        .join(Item, Item.id == MappedItem.item_id)
        .join(Member, Member.course_id == Item.course_id)
        .outerjoin(Result, and_(Result.item_id == Item.id, Result.person_id == Member.person_id))
        .where(MappedItem.organization_id == organization_id, Member.person_id.in_(person_ids))
        .order_by(Item.title, MappedItem.id, Member.person_id, Result.achieved_at)
    )
    for (person_id, mapped, item), rows in groupby(db.execute(wanted), key=lambda row: (row[0], row[1], row[2])):
        results = tuple(row[3] for row in rows if row[3] is not None)
        yield _MappedItem(person_id, mapped.certification_id, mapped.domain_code, item, mapped.weight, results)


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


def record_change(db: Session, pursuit: Pursuit, before: Standing) -> None:
    """Record a fact when confirmed readiness or own estimate is not what it was."""
    record_changes(db, [pursuit], {pursuit.id: before})


def record_changes(db: Session, pursuits: Sequence[Pursuit], before: Mapping[uuid.UUID, Standing]) -> None:
    """The same for several, by id of the pursuit."""
    now = of_many(db, pursuits)

    def moved(pursuit: Pursuit) -> bool:
        was, is_now = before[pursuit.id].readiness, now[pursuit.id].readiness
        return (is_now.confirmed, is_now.own_estimate) != (was.confirmed, was.own_estimate)

    shifted = [each for each in pursuits if now[each.id].readiness.domains != before[each.id].readiness.domains]
    if shifted:
        gradebook.goals_moved(db, shifted[0].organization_id, {pursuit.person_id for pursuit in shifted})
    changed = [pursuit for pursuit in pursuits if moved(pursuit)]
    if not changed:
        return
    organization_id = changed[0].organization_id
    pairs = mentorships.of_mentees(db, organization_id, [pursuit.person_id for pursuit in changed])
    mentors = [pair.mentor_id for pair in pairs.values()]
    people.learn_actor_names(db, organization_id, [*mentors, *(pursuit.person_id for pursuit in changed)])
    for pursuit in changed:
        _record(db, pursuit, pairs.get(pursuit.person_id), now[pursuit.id].readiness)
    _keep_scores(db, changed, now)


def nothing_yet(pursuits: Sequence[Pursuit]) -> dict[uuid.UUID, Standing]:
    """Where each stood before anything counted for it."""
    return Sources(tuple(pursuits), (), (), {}).at(clock.now())


def record_joined(db: Session, course: Course, person_ids: Collection[uuid.UUID]) -> None:
    """These people are in the course from now on: its items count for them, results or not."""
    pursuits = _under_way(db, course.organization_id, person_ids)
    before = gather(db, pursuits).without(course.id).at(clock.now())
    record_changes(db, pursuits, before)


def keep_scores(db: Session, organization_id: uuid.UUID, person_ids: Collection[uuid.UUID]) -> None:
    """The grade columns where these people belong by now show where they stand."""
    pursuits = _under_way(db, organization_id, person_ids)
    if pursuits:
        _keep_scores(db, pursuits, of_many(db, pursuits))
    gradebook.goals_moved(db, organization_id, person_ids)


def _under_way(db: Session, organization_id: uuid.UUID, person_ids: Collection[uuid.UUID]) -> Sequence[Pursuit]:
    wanted = select(Pursuit).where(
        Pursuit.organization_id == organization_id, Pursuit.person_id.in_(person_ids), Pursuit.status != "abandoned"
    )
    return db.scalars(wanted.order_by(Pursuit.started_at, Pursuit.id)).all()


def _keep_scores(db: Session, pursuits: Sequence[Pursuit], now: Mapping[uuid.UUID, Standing]) -> None:
    """The grade columns of the people's courses show the same."""
    by_key = {(pursuit.person_id, pursuit.certification_id): pursuit for pursuit in pursuits}
    people_ids, slugs = [person_id for person_id, _ in by_key], {slug for _, slug in by_key}
    values: dict[GradeColumn, dict[uuid.UUID, tuple[Fraction, bool]]] = {}
    for person_id, column in gradebook.columns_for(db, pursuits[0].organization_id, people_ids, slugs):
        pursuit = by_key.get((person_id, column.certification_id or ""))
        if pursuit is not None:
            value = (now[pursuit.id].readiness.confirmed, pursuit.status == "awarded")
            values.setdefault(column, {})[person_id] = value
    for column, latest in values.items():
        gradebook.keep(db, column, latest)


def _record(db: Session, pursuit: Pursuit, mentorship: Mentorship | None, now: Readiness) -> None:
    fact = facts.ReadinessChanged(
        actor=people.actor_name(db, pursuit.person_id),
        at=clock.now(),
        certification=pursuit.certification_id,
        pursuit=pursuit.id,
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
