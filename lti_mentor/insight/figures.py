"""The figures of the insight page, from statements alone: one pass to gather, then plain sums."""

import copy
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any, Self, TypeVar

from lti_mentor.activity.record import AUTHORITY
from lti_mentor.insight.definitions import ACTIVE_DAYS, ACTIVITY
from xapi.vocabulary import BEFORE, Activities, Extensions, Verbs

Statement = dict[str, Any]
Key = TypeVar("Key")
Value = TypeVar("Value")


class Latest(dict[Key, Value]):
    """What holds of each since the latest time, in whatever order it is heard; of one time, what is heard last."""

    def __init__(self) -> None:
        super().__init__()
        self.since: dict[Key, datetime] = {}

    def hear(self, key: Key, value: Value, at: datetime) -> None:
        if self.since.get(key, at) <= at:
            self[key], self.since[key] = value, at

    def __copy__(self) -> Self:
        other = type(self)()
        other.update(self)
        other.since = self.since.copy()
        return other


@dataclass(frozen=True)
class Plan:
    """Of the program, since the time it was said."""

    starts_on: date | None = None
    targets: dict[str, int] = field(default_factory=dict)
    since: datetime | None = None


@dataclass
class Record:
    """What the statements of a program say, gathered by whom and what they are about.

    It is the same in whatever order they are taken; of what is true since the same time, the last one counts.
    """

    plan: Plan = field(default_factory=Plan)
    mentees: set[str] = field(default_factory=set)
    launched: set[str] = field(default_factory=set)
    paired: Latest[str, str] = field(default_factory=Latest)  # registration -> mentee
    closed: set[str] = field(default_factory=set)
    last_activity: dict[str, datetime] = field(default_factory=dict)  # by registration
    planned: Latest[str, tuple[str, datetime]] = field(default_factory=Latest)  # meeting -> registration, planned time
    settled: Latest[str, str] = field(default_factory=Latest)  # meeting -> held, missed or called_off
    goals: Latest[str, date] = field(default_factory=Latest)  # goal -> original due date
    owners: Latest[str, str] = field(default_factory=Latest)  # goal -> who set it
    due: Latest[str, date] = field(default_factory=Latest)
    achieved: Latest[str, tuple[str, date]] = field(default_factory=Latest)  # goal -> who, when
    removed: set[str] = field(default_factory=set)
    booked: Latest[tuple[str, str], date | None] = field(default_factory=Latest)  # who, exam -> day, unless it is over
    started: dict[tuple[str, str], datetime] = field(default_factory=dict)  # who, certification; the first time
    earned: dict[tuple[str, str], datetime] = field(default_factory=dict)  # the last time
    readiness: list[tuple[datetime, tuple[str, str], float, float]] = field(default_factory=list)

    def copy(self) -> "Record":
        """One that can be gone on with while this one stays as it is."""
        return Record(**{each.name: copy.copy(getattr(self, each.name)) for each in fields(self)})

    @property
    def size(self) -> int:
        """How many values it has."""
        values = (getattr(self, each.name) for each in fields(self))
        return sum(len(value) for value in values if not isinstance(value, Plan))


def gather(
    statements: Iterable[Statement],
    *,
    program: str,
    base: str,
    former: Mapping[str, str] = MappingProxyType({}),
    known: Record | None = None,
) -> Record:
    """Read each statement of ours once. ``program`` is its IRI, ``base`` the IRI base of the installation.

    ``former`` gives the current name of somebody who was called otherwise, so that nobody is counted twice. ``known``
    is what other statements said, and stays as it is.

    Ours are those the tool itself wrote: what comes in with a key never counts, whoever it says it is about.
    """
    record, own = known.copy() if known else Record(), {"homePage": base, "name": AUTHORITY}
    for statement in statements:
        if statement["authority"].get("account") == own and _concerns(statement, program):
            name = statement["actor"]["account"]["name"]
            _take(record, statement, former.get(name, name))
    return record


def _concerns(statement: Statement, program: str) -> bool:
    """Whether it is about this program, or about none."""
    if statement["object"].get("id") == program:
        return True
    grouping = statement.get("context", {}).get("contextActivities", {}).get("grouping", [])
    programs = [each["id"] for each in grouping if each["definition"]["type"] == Activities.PROGRAM.iri]
    return program in programs or not programs


def _take(record: Record, statement: Statement, actor: str) -> None:
    verb, at = _today(statement["verb"]["id"]), datetime.fromisoformat(statement["timestamp"])
    context = statement.get("context", {})
    registration, thing = context.get("registration"), statement["object"]["id"]
    kind = _today(statement["object"].get("definition", {}).get("type", ""))
    if verb in ACTIVITY and registration:
        record.last_activity[registration] = max(at, record.last_activity.get(registration, at))
    if kind == Activities.PROGRAM.iri:
        _take_program(record, verb, actor, at, _extra(context))
    elif kind == Activities.MENTORSHIP.iri:
        _take_mentorship(record, verb, actor, at, registration)
    elif kind == Activities.MEETING.iri:
        planned_at = datetime.fromisoformat(_extra(context)[Extensions.PLANNED_START.iri])
        _take_meeting(record, verb, thing, at, (registration, planned_at))
    elif kind in (Activities.CREDENTIAL.iri, Activities.ASSESSMENT.iri):
        _take_certification(record, verb, (actor, thing), at, statement)
    elif verb == Verbs.LAUNCHED.iri:
        record.launched.add(actor)
    elif verb in _OF_GOALS:
        _take_goal(record, verb, actor, at, statement)


def _today(iri: str) -> str:
    """What we say now where an old statement says this."""
    return BEFORE.get(iri, iri)


def _extra(part: Statement) -> Statement:
    """The extensions of a context or a result."""
    return {_today(name): value for name, value in part.get("extensions", {}).items()}


def _take_program(record: Record, verb: str, actor: str, at: datetime, extra: Statement) -> None:
    if verb == Verbs.PLANNED.iri:
        if record.plan.since is None or record.plan.since <= at:
            starts_on = date.fromisoformat(extra[Extensions.PLANNED_START.iri])
            record.plan = Plan(starts_on, extra[Extensions.TARGETS.iri], at)
    elif verb == Verbs.REGISTERED.iri and extra.get(Extensions.PURPOSE.iri) == "mentee":
        record.mentees.add(actor)


def _take_mentorship(record: Record, verb: str, actor: str, at: datetime, registration: str) -> None:
    if verb == Verbs.JOINED.iri:
        record.paired.hear(registration, actor, at)
    elif verb in (Verbs.COMPLETED.iri, Verbs.LEFT.iri):
        record.closed.add(registration)


_SETTLED = {Verbs.ATTENDED.iri: "held", Verbs.MISSED.iri: "missed", Verbs.CANCELED.iri: "called_off"}


def _take_meeting(record: Record, verb: str, meeting: str, at: datetime, planned: tuple[str, datetime]) -> None:
    record.planned.hear(meeting, planned, at)
    if verb in _SETTLED:
        record.settled.hear(meeting, _SETTLED[verb], at)


def _take_certification(
    record: Record, verb: str, who_what: tuple[str, str], at: datetime, statement: Statement
) -> None:
    if verb == Verbs.DATED.iri:
        day = statement["context"]["extensions"][Extensions.PLANNED_START.iri]
        record.booked.hear(who_what, date.fromisoformat(day), at)
    elif verb in (Verbs.PASSED.iri, Verbs.FAILED.iri):
        record.booked.hear(who_what, None, at)
    elif verb == Verbs.PLANNED.iri:
        record.started[who_what] = min(at, record.started.get(who_what, at))
    elif verb == Verbs.EARNED.iri:
        record.earned[who_what] = max(at, record.earned.get(who_what, at))
        record.booked.hear((who_what[0], f"{who_what[1]}/exam"), None, at)
    elif verb == Verbs.SCORED.iri:
        result = statement["result"]
        own = _extra(result)[Extensions.OWN_ESTIMATE.iri]
        record.readiness.append((at, who_what, result["score"]["raw"], own))


_OF_GOALS = frozenset({Verbs.DEFINED.iri, Verbs.DATED.iri, Verbs.ACHIEVED.iri, Verbs.DESELECTED.iri})


def _take_goal(record: Record, verb: str, actor: str, at: datetime, statement: Statement) -> None:
    context = statement.get("context", {})
    extra = context.get("extensions", {})
    about = [statement["object"], *context.get("contextActivities", {}).get("other", [])]
    goal = next((each["id"] for each in about if _type(each) == Activities.GOAL.iri), None)
    if goal is None:
        return
    if verb == Verbs.DEFINED.iri:
        due = date.fromisoformat(extra[Extensions.DUE_DATE.iri])
        record.owners.hear(goal, actor, at)
        record.goals.hear(goal, due, at)
        record.due.hear(goal, due, at)
    elif verb == Verbs.DATED.iri:
        record.due.hear(goal, date.fromisoformat(extra[Extensions.DUE_DATE.iri]), at)
    elif verb == Verbs.ACHIEVED.iri:
        record.achieved.hear(goal, (actor, at.astimezone(UTC).date()), at)
    elif verb == Verbs.DESELECTED.iri:
        record.removed.add(goal)


def _type(activity: Statement) -> str | None:
    kind: str | None = activity.get("definition", {}).get("type")
    return kind


@dataclass(frozen=True)
class Share:
    """A part of a whole, with its target in percent where there is one."""

    part: int
    whole: int
    target: int | None = None


@dataclass(frozen=True)
class Week:
    number: int
    held: int
    missed: int
    called_off: int


@dataclass(frozen=True)
class ReadinessWeek:
    number: int
    confirmed: float
    own: float
    people: int


@dataclass(frozen=True)
class Insight:
    """Everything on the page."""

    as_of: datetime
    active: Share
    meetings: Share
    missed: int
    called_off: int
    on_time: Share
    certified: int
    target_certified: int | None
    exams_booked: int
    funnel: tuple[tuple[str, int], ...]
    weeks: tuple[Week, ...]
    readiness: tuple[ReadinessWeek, ...]
    days_to_certification: tuple[int, ...]  # of each certification, the shortest first


def summarize(record: Record, now: datetime) -> Insight:
    """The figures as of now."""
    open_pairs = set(record.paired) - record.closed
    since = now - timedelta(days=ACTIVE_DAYS)
    active = {pair for pair in open_pairs if record.last_activity.get(pair, since) > since}
    past = {meeting for meeting, (_, at) in record.planned.items() if at <= now or meeting in record.settled}
    outcome = [record.settled.get(meeting, "planned") for meeting in past]
    certified = _certified(record)
    return Insight(
        as_of=now,
        active=Share(len(active), len(open_pairs), record.plan.targets.get("active")),
        meetings=Share(outcome.count("held"), len(past), record.plan.targets.get("cadence")),
        missed=outcome.count("missed"),
        called_off=outcome.count("called_off"),
        on_time=_on_time(record, now),
        certified=len({who for who, _ in certified}),
        target_certified=record.plan.targets.get("certified"),
        exams_booked=sum(day >= now.date() for (who, _), day in record.booked.items() if day and who in record.mentees),
        funnel=_funnel(record, certified),
        weeks=_weeks(record, now),
        readiness=_readiness(record, now),
        days_to_certification=tuple(sorted(_days(record, each) for each in certified if each in record.started)),
    )


def _certified(record: Record) -> set[tuple[str, str]]:
    """Who earned what since the program started."""
    start = record.plan.starts_on or date.min
    return {each for each, at in record.earned.items() if each[0] in record.mentees and at.date() >= start}


def _days(record: Record, who_what: tuple[str, str]) -> int:
    return (record.earned[who_what].date() - record.started[who_what].date()).days


def _on_time(record: Record, now: datetime) -> Share:
    kept = {goal for goal in record.goals if record.owners[goal] in record.mentees} - record.removed
    achieved = {goal: record.achieved[goal][1] for goal in kept if goal in record.achieved}
    on_time = sum(day <= record.goals[goal] for goal, day in achieved.items())
    overdue = [goal for goal in kept if goal not in achieved and record.due[goal] < now.date()]
    return Share(on_time, len(achieved) + len(overdue), record.plan.targets.get("on_time"))


def _funnel(record: Record, certified: set[tuple[str, str]]) -> tuple[tuple[str, int], ...]:
    met = {record.planned[meeting][0] for meeting, outcome in record.settled.items() if outcome == "held"}
    return (
        ("enrolled", len(record.mentees)),
        ("opened", len(record.mentees & record.launched)),
        ("paired", len({who for who in record.paired.values() if who in record.mentees})),
        ("met", len({record.paired[pair] for pair in met if pair in record.paired})),
        ("achieved", len({who for who, _ in record.achieved.values() if who in record.mentees})),
        ("certified", len({who for who, _ in certified})),
    )


def _week(record: Record, moment: datetime) -> int:
    start = record.plan.starts_on or moment.date()
    return (moment.date() - start).days // 7 + 1


def _weeks(record: Record, now: datetime) -> tuple[Week, ...]:
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for meeting, outcome in record.settled.items():
        counts[_week(record, record.planned[meeting][1])][outcome] += 1
    last = _week(record, now)
    return tuple(
        Week(number, counts[number]["held"], counts[number]["missed"], counts[number]["called_off"])
        for number in range(1, last + 1)
    )


def _readiness(record: Record, now: datetime) -> tuple[ReadinessWeek, ...]:
    """The mean over everybody of the last word at the end of each week."""
    start, weeks = record.plan.starts_on, []
    if start is None:
        return ()
    latest: dict[tuple[str, str], tuple[float, float]] = {}
    ours = (said for said in record.readiness if said[1][0] in record.mentees)
    ordered = sorted(ours, key=lambda said: said[0])
    place = 0
    for number in range(1, _week(record, now) + 1):
        end = start + timedelta(days=7 * number)
        while place < len(ordered) and ordered[place][0].date() < end:
            _, who_what, confirmed, own = ordered[place]
            latest[who_what] = (confirmed, own)
            place += 1
        if latest:
            confirmed_mean = statistics.fmean(value for value, _ in latest.values())
            own_mean = statistics.fmean(own for _, own in latest.values())
            weeks.append(ReadinessWeek(number, confirmed_mean, own_mean, len({who for who, _ in latest})))
    return tuple(weeks)
