"""Results of course items: reported by the LMS as xAPI statements, or typed."""

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select, union_all
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.db import Base, same
from lti_mentor.mentoring import gradebook, people, standing
from lti_mentor.mentoring.courses import Course, Item, MappedItem, Member, Result
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.mentoring.pursuits import Pursuit
from xapi import times
from xapi.rows import Among

VERBS = {
    "http://adlnet.gov/expapi/verbs/scored": None,
    "http://adlnet.gov/expapi/verbs/passed": 1.0,
    "http://adlnet.gov/expapi/verbs/failed": 0.0,
    "http://adlnet.gov/expapi/verbs/completed": None,
}  # and the share of the maximum they stand for when they carry no score
_ITEMS = Base.metadata.tables["items"]


def take_statements(db: Session, organization_id: uuid.UUID, statements: Iterable[Mapping[str, Any]]) -> int:
    """Take what the LMS says about items we know, in statements as stored; how many results that gave.

    Person by person, always in one order: two batches about the same people do not wait for each other in a circle.
    """
    db.flush()  # items that were added a moment ago
    count = 0
    about = [each for each in statements if _may_be_result(each)]
    iris, titles = _spoken_of(db, organization_id, about)
    known = [each for each in about if each["object"]["id"] in iris or not titles.isdisjoint(_names(each))]
    for statement in sorted((each for each in known if _share(each) is not None), key=_account):
        if statement["object"]["id"] in iris:
            count += _take_statement(db, organization_id, statement)
        else:
            _note_address(db, organization_id, statement)
    return count


_IRIS = select(_ITEMS.c.activity_iri, literal(None)).where(
    same(_ITEMS.c.organization_id), Among(_ITEMS.c.activity_iri, "iris")
)
_WAITING = select(literal(None), _ITEMS.c.title).where(
    same(_ITEMS.c.organization_id),
    _ITEMS.c.activity_iri.is_(None),
    Among(_ITEMS.c.title, "titles"),
)
_SPOKEN_OF = union_all(_IRIS, _WAITING)


def _spoken_of(
    db: Session, organization_id: uuid.UUID, statements: Sequence[Mapping[str, Any]]
) -> tuple[set[str], set[str]]:
    """The addresses of items that these are about, and the titles in them of items that wait for an address.

    Most are about neither, and nothing else is looked up for them.
    """
    if not statements:
        return set(), set()
    iris = list({each["object"]["id"] for each in statements})
    titles = list({title for each in statements for title in _names(each)})
    given = {"organization_id": organization_id, "iris": iris, "titles": titles}
    found = db.connection().execute(_SPOKEN_OF, given).all()
    return {iri for iri, _ in found if iri is not None}, {title for _, title in found if title is not None}


def _account(statement: Mapping[str, Any]) -> tuple[str, str]:
    account = statement["actor"].get("account") or {}
    return account.get("homePage", ""), account.get("name", "")


def _may_be_result(statement: Mapping[str, Any]) -> bool:
    """Whether somebody with an account did something at an activity that may say how well."""
    is_about_activity = statement["object"].get("objectType", "Activity") == "Activity"
    return is_about_activity and statement["verb"]["id"] in VERBS and "account" in statement["actor"]


def _take_statement(db: Session, organization_id: uuid.UUID, statement: Mapping[str, Any]) -> int:
    """How many results it gave."""
    account, share = statement["actor"]["account"], _share(statement)
    person = people.by_account(db, organization_id, account["homePage"], account["name"])
    if person is None or share is None:
        return 0
    items, moment = _items(db, organization_id, statement["object"]["id"]), _moment(statement["timestamp"])
    for item in items:
        take(db, item, person, score=share * 100, maximum=100, source="statement", at=moment)
    return len(items)


def _share(statement: Mapping[str, Any]) -> float | None:
    """Of the maximum, from 0 to 1."""
    if statement["verb"]["id"] not in VERBS:
        return None
    score = statement.get("result", {}).get("score", {})
    share = _of_maximum(score)
    if share is None:
        share = score.get("scaled", VERBS[statement["verb"]["id"]])
    return None if share is None else min(max(float(share), 0.0), 1.0)


def _of_maximum(score: Mapping[str, Any]) -> float | None:
    """None where raw and max are not given, or so far apart that no number says it."""
    low = score.get("min", 0)
    if "raw" not in score or "max" not in score or score["max"] <= low:
        return None
    try:
        above, span = float(score["raw"] - low), float(score["max"] - low)
    except OverflowError:
        return None
    return above / span if math.isfinite(above) and math.isfinite(span) else None


def _moment(text: str) -> datetime:
    """Never later than now: a clock that runs ahead must not block later results."""
    return min(times.parsed(text), clock.now())


def _items(db: Session, organization_id: uuid.UUID, activity_iri: str) -> list[Item]:
    wanted = (
        select(Item)
        .join(Course, Course.id == Item.course_id)
        .where(Item.organization_id == organization_id, Item.activity_iri == activity_iri)
    )
    return list(db.scalars(wanted))


def _names(statement: Mapping[str, Any]) -> Iterable[str]:
    names: Mapping[str, str] = statement["object"].get("definition", {}).get("name", {})
    return names.values()


def _note_address(db: Session, organization_id: uuid.UUID, statement: Mapping[str, Any]) -> None:
    """An item of a copied course waits for its address, and somebody of the course has a grade under its title.

    Other courses have a "Quiz 1" too, so this is for a teacher to look at. It says nothing when several items wait.
    """
    account = statement["actor"]["account"]
    wanted = (
        select(Item)
        .join(Member, Member.course_id == Item.course_id)
        .join(Account, Account.person_id == Member.person_id)
        .where(
            Account.organization_id == organization_id,
            Account.issuer == account["homePage"],
            Account.subject == account["name"],
            Member.left_at.is_(None),
            Item.organization_id == organization_id,
            Item.activity_iri.is_(None),
            Item.title.in_(list(_names(statement))),
        )
    )
    waiting = db.scalars(wanted).all()
    if len(waiting) == 1:
        waiting[0].seen_iri = statement["object"]["id"]


def take(db: Session, item: Item, person: Person, *, score: float, maximum: float, source: str, at: datetime) -> Result:
    """Keep a result of the person for the item, and record how readiness moved; an older one moves nothing.

    Goals may have the item as a part without the map.
    """
    known = select(Result).where(
        Result.organization_id == item.organization_id,
        Result.item_id == item.id,
        Result.person_id == person.id,
        Result.achieved_at == at,
    )
    pursuits = _moved(db, item, person)
    before = standing.of_many(db, pursuits)
    result = db.scalar(known)
    if result is None:
        result = Result(organization_id=item.organization_id, item_id=item.id, person_id=person.id, achieved_at=at)
        db.add(result)
    result.score, result.maximum, result.source = score, maximum, source
    db.flush()
    standing.record_changes(db, pursuits, before)
    gradebook.goals_moved(db, person.organization_id, [person.id])
    return result


def _moved(db: Session, item: Item, person: Person) -> list[Pursuit]:
    """The pursuits of the person that the item says something about."""
    wanted = (
        select(Pursuit)
        .where(
            Pursuit.organization_id == person.organization_id,
            Pursuit.person_id == person.id,
            Pursuit.certification_id.in_(
                select(MappedItem.certification_id).where(
                    MappedItem.organization_id == item.organization_id, MappedItem.item_id == item.id
                )
            ),
        )
        .order_by(Pursuit.started_at)
    )
    return list(db.scalars(wanted))
