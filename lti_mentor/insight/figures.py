"""The figures of the insight page, from statements alone: one pass to gather, then plain sums."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Any

from lti_mentor.activity.record import AUTHORITY
from lti_mentor.insight.definitions import ACTIVE_DAYS, ACTIVITY
from xapi.vocabulary import BEFORE, Activities, Extensions, Verbs

Statement = dict[str, Any]


@dataclass
class Record:
    """What the statements of a program say, gathered by whom and what they are about."""

    targets: dict[str, int] = field(default_factory=dict)
    starts_on: date | None = None
    mentees: set[str] = field(default_factory=set)
    launched: set[str] = field(default_factory=set)
    paired: dict[str, str] = field(default_factory=dict)  # registration -> mentee
    closed: set[str] = field(default_factory=set)
    last_activity: dict[str, datetime] = field(default_factory=dict)  # by registration
    planned: dict[str, tuple[str, datetime]] = field(default_factory=dict)  # meeting -> registration, planned time
    settled: dict[str, str] = field(default_factory=dict)  # meeting -> held, missed or called_off
    goals: dict[str, date] = field(default_factory=dict)  # goal -> original due date
    owners: dict[str, str] = field(default_factory=dict)  # goal -> who set it
    due: dict[str, date] = field(default_factory=dict)
    achieved: dict[str, tuple[str, date]] = field(default_factory=dict)  # goal -> who, when
    removed: set[str] = field(default_factory=set)
    booked: dict[tuple[str, str], date] = field(default_factory=dict)  # who, exam -> day
    started: dict[tuple[str, str], datetime] = field(default_factory=dict)  # who, certification
    earned: dict[tuple[str, str], datetime] = field(default_factory=dict)
    readiness: list[tuple[datetime, tuple[str, str], float, float]] = field(default_factory=list)


def gather(
    statements: Iterable[Statement], *, program: str, base: str, former: Mapping[str, str] = MappingProxyType({})
) -> Record:
    """Read each statement of ours once. ``program`` is its IRI, ``base`` the IRI base of the installation.

    ``former`` gives the current name of somebody who was called otherwise, so that nobody is counted twice.

    Ours are those the tool itself wrote: what comes in with a key never counts, whoever it says it is about.
    """
    record, own = Record(), {"homePage": base, "name": AUTHORITY}
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
    registration, extra = context.get("registration"), _extra(context)
    thing = statement["object"]["id"]
    kind = _today(statement["object"].get("definition", {}).get("type", ""))
    if verb in ACTIVITY and registration:
        record.last_activity[registration] = max(at, record.last_activity.get(registration, at))
    if kind == Activities.PROGRAM.iri:
        _take_program(record, verb, actor, extra)
    elif kind == Activities.MENTORSHIP.iri:
        _take_mentorship(record, verb, actor, registration)
    elif kind == Activities.MEETING.iri:
        _take_meeting(record, verb, thing, registration, extra)
    elif kind in (Activities.CREDENTIAL.iri, Activities.ASSESSMENT.iri):
        _take_certification(record, verb, (actor, thing), at, statement)
    elif verb == Verbs.LAUNCHED.iri:
        record.launched.add(actor)
    else:
        _take_goal(record, verb, actor, at, statement)


def _today(iri: str) -> str:
    """What we say now where an old statement says this."""
    return BEFORE.get(iri, iri)


def _extra(part: Statement) -> Statement:
    """The extensions of a context or a result."""
    return {_today(name): value for name, value in part.get("extensions", {}).items()}


def _take_program(record: Record, verb: str, actor: str, extra: Statement) -> None:
    if verb == Verbs.PLANNED.iri:
        record.targets = extra[Extensions.TARGETS.iri]
        record.starts_on = date.fromisoformat(extra[Extensions.PLANNED_START.iri])
    elif verb == Verbs.REGISTERED.iri and extra.get(Extensions.PURPOSE.iri) == "mentee":
        record.mentees.add(actor)


def _take_mentorship(record: Record, verb: str, actor: str, registration: str) -> None:
    if verb == Verbs.JOINED.iri:
        record.paired[registration] = actor
    elif verb in (Verbs.COMPLETED.iri, Verbs.LEFT.iri):
        record.closed.add(registration)


_SETTLED = {Verbs.ATTENDED.iri: "held", Verbs.MISSED.iri: "missed", Verbs.CANCELED.iri: "called_off"}


def _take_meeting(record: Record, verb: str, meeting: str, registration: str, extra: Statement) -> None:
    record.planned[meeting] = (registration, datetime.fromisoformat(extra[Extensions.PLANNED_START.iri]))
    if verb in _SETTLED:
        record.settled[meeting] = _SETTLED[verb]


def _take_certification(
    record: Record, verb: str, who_what: tuple[str, str], at: datetime, statement: Statement
) -> None:
    if verb == Verbs.DATED.iri:
        day = statement["context"]["extensions"][Extensions.PLANNED_START.iri]
        record.booked[who_what] = date.fromisoformat(day)
    elif verb in (Verbs.PASSED.iri, Verbs.FAILED.iri):
        record.booked.pop(who_what, None)
    elif verb == Verbs.PLANNED.iri:
        record.started.setdefault(who_what, at)
    elif verb == Verbs.EARNED.iri:
        record.earned[who_what] = at
        record.booked.pop((who_what[0], f"{who_what[1]}/exam"), None)
    elif verb == Verbs.SCORED.iri:
        result = statement["result"]
        own = _extra(result)[Extensions.OWN_ESTIMATE.iri]
        record.readiness.append((at, who_what, result["score"]["raw"], own))


def _take_goal(record: Record, verb: str, actor: str, at: datetime, statement: Statement) -> None:
    context = statement.get("context", {})
    extra = context.get("extensions", {})
    about = [statement["object"], *context.get("contextActivities", {}).get("other", [])]
    goal = next((each["id"] for each in about if _type(each) == Activities.GOAL.iri), None)
    if goal is None:
        return
    if verb == Verbs.DEFINED.iri:
        record.owners[goal] = actor
        record.goals[goal] = record.due[goal] = date.fromisoformat(extra[Extensions.DUE_DATE.iri])
    elif verb == Verbs.DATED.iri:
        record.due[goal] = date.fromisoformat(extra[Extensions.DUE_DATE.iri])
    elif verb == Verbs.ACHIEVED.iri:
        record.achieved[goal] = (actor, at.astimezone(UTC).date())
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
        active=Share(len(active), len(open_pairs), record.targets.get("active")),
        meetings=Share(outcome.count("held"), len(past), record.targets.get("cadence")),
        missed=outcome.count("missed"),
        called_off=outcome.count("called_off"),
        on_time=_on_time(record, now),
        certified=len({who for who, _ in certified}),
        target_certified=record.targets.get("certified"),
        exams_booked=sum(day >= now.date() for (who, _), day in record.booked.items() if who in record.mentees),
        funnel=_funnel(record, certified),
        weeks=_weeks(record, now),
        readiness=_readiness(record, now),
        days_to_certification=tuple(sorted(_days(record, each) for each in certified if each in record.started)),
    )


def _certified(record: Record) -> set[tuple[str, str]]:
    """Who earned what since the program started."""
    start = record.starts_on or date.min
    return {each for each, at in record.earned.items() if each[0] in record.mentees and at.date() >= start}


def _days(record: Record, who_what: tuple[str, str]) -> int:
    return (record.earned[who_what].date() - record.started[who_what].date()).days


def _on_time(record: Record, now: datetime) -> Share:
    kept = {goal for goal in record.goals if record.owners[goal] in record.mentees} - record.removed
    achieved = {goal: record.achieved[goal][1] for goal in kept if goal in record.achieved}
    on_time = sum(day <= record.goals[goal] for goal, day in achieved.items())
    overdue = [goal for goal in kept if goal not in achieved and record.due[goal] < now.date()]
    return Share(on_time, len(achieved) + len(overdue), record.targets.get("on_time"))


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
    start = record.starts_on or moment.date()
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
    start, weeks = record.starts_on, []
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
