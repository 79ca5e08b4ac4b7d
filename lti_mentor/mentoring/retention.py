"""How long statements are kept: rules of an organization, and which figures need a statement that is about to go."""

import shlex
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, Update, exists, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.activity import record, statements
from lti_mentor.db import Row, one_of
from lti_mentor.errors import Invalid, NotFound
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.programs import Program
from xapi.facets import Statement, activities_in
from xapi.retention import Old

WHOSE = ("all", "ours", "others")  # what the tool itself said, or clients of the record store
MOST_DAYS = 36_500


class RetentionRule(Row):
    """Statements go that were stored more than so many days ago, have this verb and are of this profile."""

    __tablename__ = "retention_rules"

    days: Mapped[int]
    whose: Mapped[str]
    verb: Mapped[str | None]  # none: of every verb
    profile: Mapped[str | None]  # as in the category of a statement
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    done_on: Mapped[date | None]  # the last day on which nothing was left to go
    looked_until: Mapped[int] = mapped_column(BigInteger, default=0)  # the seq from which the next run goes on

    __table_args__ = (one_of("whose", WHOSE), CheckConstraint("days > 0", name="days"))


def add(db: Session, organization_id: uuid.UUID, rule: RetentionRule) -> RetentionRule:
    """From now on a worker removes what it is about. Raises Invalid."""
    check(rule)
    rule.organization_id = organization_id
    db.add(rule)
    db.flush()
    return rule


def check(rule: RetentionRule) -> None:
    """Raises Invalid."""
    wrong: dict[str, str] = {}
    if not 0 < rule.days <= MOST_DAYS:
        wrong["days"] = "retention.days"
    for name in ("verb", "profile"):
        iri = getattr(rule, name)
        if iri is not None and (":" not in iri or not iri.isprintable()):
            wrong[name] = "retention.iri"
    if wrong:
        raise Invalid(wrong)


def options(rule: RetentionRule) -> str:
    """What it is about, as the command line takes it."""
    about = {"verb": rule.verb, "profile": rule.profile}
    some = [f"--{name} {shlex.quote(iri)}" for name, iri in about.items() if iri]
    return " ".join([f"--days {rule.days} --whose {rule.whose}", *some])


def listed(db: Session, organization_id: uuid.UUID) -> Sequence[RetentionRule]:
    """The oldest first."""
    wanted = select(RetentionRule).where(RetentionRule.organization_id == organization_id)
    return db.scalars(wanted.order_by(RetentionRule.created_at, RetentionRule.id)).all()


def due(db: Session) -> Sequence[uuid.UUID]:
    """Organizations with a rule that is not done for today."""
    return db.scalars(select(RetentionRule.organization_id).where(_is_undone()).distinct()).all()


def undone(db: Session, organization_id: uuid.UUID) -> Sequence[RetentionRule]:
    """Its rules that are not done for today."""
    return db.scalars(select(RetentionRule).where(RetentionRule.organization_id == organization_id, _is_undone())).all()


def _is_undone() -> ColumnElement[bool]:
    return or_(RetentionRule.done_on.is_(None), RetentionRule.done_on < clock.today())


def are_there(db: Session, rules: Sequence[RetentionRule]) -> bool:
    """Whether none of them was taken away; none is until the transaction ends."""
    ids = [rule.id for rule in rules]
    held = select(RetentionRule.id).where(RetentionRule.id.in_(ids)).with_for_update(read=True)
    return len(db.scalars(held).all()) == len(ids)


def begin_again(db: Session, organization_id: uuid.UUID) -> None:
    """Whatever was looked at is looked at anew."""
    these = update(RetentionRule).where(RetentionRule.organization_id == organization_id)
    db.execute(these.values(done_on=None, looked_until=0))


def pause(db: Session, rules: Sequence[RetentionRule], last: int) -> None:
    """The next run goes on after this seq."""
    db.execute(_these(rules).values(looked_until=last))


def done(db: Session, rules: Sequence[RetentionRule]) -> None:
    """Nothing is left to go today; the next run begins with the oldest statement."""
    db.execute(_these(rules).values(done_on=clock.today(), looked_until=0))


def _these(rules: Sequence[RetentionRule]) -> Update:
    return update(RetentionRule).where(RetentionRule.id.in_([rule.id for rule in rules]))


def remove(db: Session, organization_id: uuid.UUID, rule_id: uuid.UUID) -> RetentionRule:
    """As it was. Raises NotFound."""
    rule = db.get(RetentionRule, rule_id)
    if rule is None or rule.organization_id != organization_id:
        raise NotFound("retention.unknown")
    db.delete(rule)
    return rule


@dataclass(frozen=True)
class Judge:
    """Says of a statement whether it goes. Days end at midnight UTC, so that a day's statements go together."""

    rules: Sequence[RetentionRule]
    own: dict[str, str]  # the account that vouches for our statements

    @property
    def until(self) -> datetime | None:
        """What was stored from then on stays, whatever the rule; none where there is no rule."""
        return max(map(_begins, self.rules), default=None)

    @property
    def after(self) -> int:
        """The seq up to which a run has looked already for each rule."""
        return min((rule.looked_until for rule in self.rules), default=0)

    def goes(self, old: Old) -> bool:
        return any(self._fits(rule, old) for rule in self.rules)

    def is_ours(self, statement: Statement) -> bool:
        return bool(statement["authority"].get("account") == self.own)

    def _fits(self, rule: RetentionRule, old: Old) -> bool:
        if old.stored >= _begins(rule) or (rule.verb and old.statement["verb"]["id"] != rule.verb):
            return False
        if rule.whose != "all" and self.is_ours(old.statement) != (rule.whose == "ours"):
            return False
        return not rule.profile or rule.profile in _profiles(old.statement)


def judge(db: Session, rules: Sequence[RetentionRule]) -> Judge:
    return Judge(rules, {"homePage": record.iri_base(db), "name": record.AUTHORITY})


def _begins(rule: RetentionRule) -> datetime:
    """The first moment that the rule leaves alone."""
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=rule.days)


def _profiles(statement: Statement) -> set[str]:
    given: list[dict[str, Any]] = statement.get("context", {}).get("contextActivities", {}).get("category", [])
    return {activity["id"] for activity in given}


def running_programs(db: Session, organization_id: uuid.UUID) -> dict[str, str]:
    """Names of the programs that are not over, or have a pair that is not, by the IRI of their activity."""
    base, today = record.iri_base(db), clock.today()
    has_pair = exists().where(Mentorship.program_id == Program.id, Mentorship.status == "open")
    wanted = select(Program).where(Program.organization_id == organization_id, or_(Program.ends_on >= today, has_pair))
    return {str(statements.program(each.id, base)["id"]): each.name for each in db.scalars(wanted)}


def figures_with(statement: Statement, running: dict[str, str]) -> list[str]:
    """The running programs whose figures count it: those that it names; all of them where it names none at all."""
    named = {activity["id"] for activity in activities_in(statement)}
    programs = {iri.rpartition("/")[0] for iri in running}
    if any(iri.rpartition("/")[0] in programs for iri in named):
        return [name for iri, name in running.items() if iri in named]
    return list(running.values())
