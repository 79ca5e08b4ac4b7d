"""One xAPI statement for each fact: ``statement(fact, base)``, in the 1.0.3 shape.

``base`` is the IRI base of the installation. Only terms of ``xapi.vocabulary`` are used, and each statement follows a
template of ``config/profile.jsonld``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, lru_cache, singledispatch
from typing import Any
from uuid import UUID

import tincan

from lti_mentor.activity import facts
from xapi.vocabulary import PROFILE_VERSION, Activities, Extensions, Term, Verbs

Statement = dict[str, Any]
Extra = dict[Term, object]

# In the category of every statement, and always the same: put there as it is, which costs nothing.
_PROFILE = {"objectType": "Activity", "id": PROFILE_VERSION, "definition": {"type": Activities.PROFILE.iri}}
MOST_KEPT = 2000  # activities that many statements name: built once, and put into each as they are


@dataclass(frozen=True)
class Said:
    """What a fact says: the parts of its statement that are its own."""

    verb: Term
    object: Statement
    score: float | None = None
    success: bool | None = None
    duration: str | None = None
    result: Extra = field(default_factory=dict)
    context: Extra = field(default_factory=dict)
    other: tuple[Statement, ...] = ()


def statement(fact: facts.Fact, base: str) -> Statement:
    """The statement of a fact, without what the store adds."""
    said = say(fact, base)
    plain = _plain(tincan.Statement(id=str(fact.id), result=_result(said), timestamp=fact.at))
    return plain | {
        "actor": _agent(fact.actor, base),
        "verb": _verb(said.verb),
        "object": said.object,
        "context": _context(fact, said, base),
    }


def _plain(built: tincan.SerializableBase) -> Statement:
    plain: Statement = built.as_version(tincan.Version.latest)
    return plain


def _agent(name: str, base: str) -> Statement:
    return {"objectType": "Agent", "account": {"homePage": base, "name": name}}


@cache
def _verb(term: Term) -> Statement:
    return _plain(tincan.Verb(id=term.iri, display=tincan.LanguageMap({"en": term.display})))


@lru_cache(MOST_KEPT)
def _activity(kind: Term, iri: str) -> Statement:
    return _plain(tincan.Activity(id=iri, definition=tincan.ActivityDefinition(type=kind.iri)))


def _another(statement_id: UUID) -> Statement:
    return _plain(tincan.StatementRef(id=str(statement_id)))


def _result(said: Said) -> tincan.Result | None:
    parts: dict[str, Any] = {}
    if said.score is not None:
        parts["score"] = tincan.Score(scaled=said.score / 100, raw=said.score, min=0, max=100)
    if said.success is not None:
        parts["success"] = said.success
    if said.duration is not None:
        parts["duration"] = said.duration
    if said.result:
        parts["extensions"] = _extensions(said.result)
    return tincan.Result(**parts) if parts else None


def _context(fact: facts.Fact, said: Said, base: str) -> Statement:
    grouping = []
    if fact.program:
        grouping.append(program(fact.program, base))
    if fact.certification:
        grouping.append(certification(fact.certification, base))
    activities = {
        "parent": [course(fact.course, base)] if fact.course else [],
        "grouping": grouping,
        "other": list(said.other),
        "category": [_PROFILE],
    }
    parts: dict[str, Any] = {}
    extra = said.context
    if fact.registration:
        parts["registration"] = str(fact.registration)
        life = {"profile": PROFILE_VERSION, "subregistration": str(fact.life)}
        extra = {**extra, Extensions.SUBREGISTRATION: [life]}
    if extra:
        parts["extensions"] = _extensions(extra)
    context = _plain(tincan.Context(**parts)) if parts else {}
    if fact.instructor:
        context["instructor"] = _agent(fact.instructor, base)
    return context | {"contextActivities": {kind: values for kind, values in activities.items() if values}}


def _extensions(values: Extra) -> tincan.Extensions:
    return tincan.Extensions({term.iri: value for term, value in values.items()})


def program(program_id: UUID, base: str) -> Statement:
    return _activity(Activities.PROGRAM, f"{base}/programs/{program_id}")


def course(course_id: UUID, base: str) -> Statement:
    return _activity(Activities.COURSE, f"{base}/courses/{course_id}")


def certification(slug: str, base: str) -> Statement:
    return _activity(Activities.CREDENTIAL, f"{base}/certifications/{slug}")


def domain(slug: str, code: str, base: str) -> Statement:
    return _activity(Activities.COMPETENCY, f"{base}/certifications/{slug}/domains/{code}")


def goal(goal_id: UUID, base: str) -> Statement:
    return _activity(Activities.GOAL, f"{base}/goals/{goal_id}")


def _mentorship(fact: facts.Fact, base: str) -> Statement:
    return _activity(Activities.MENTORSHIP, f"{base}/mentorships/{fact.registration}")


def _credential(fact: facts.Fact, base: str) -> Statement:
    return certification(_certification_of(fact), base)


def _exam(fact: facts.Fact, base: str) -> Statement:
    return _activity(Activities.ASSESSMENT, f"{base}/certifications/{_certification_of(fact)}/exam")


def _certification_of(fact: facts.Fact) -> str:
    if fact.certification is None:
        raise ValueError(f"{type(fact).__name__} is about a certification")
    return fact.certification


def exact(value: Fraction) -> float:
    """A fraction as JSON keeps it: six decimals are more than any page shows."""
    return round(float(value), 6)


@singledispatch
def say(fact: facts.Fact, base: str) -> Said:
    """What this kind of fact says."""
    raise TypeError(f"no statement is known for {type(fact).__name__}")


@say.register
def _(fact: facts.Launched, base: str) -> Said:
    return Said(
        Verbs.LAUNCHED, course(fact.course, base) if fact.course else _activity(Activities.COURSE, f"{base}/courses")
    )


@say.register
def _(fact: facts.ProgramPlanned, base: str) -> Said:
    targets = {
        "active": fact.target_active,
        "cadence": fact.target_cadence,
        "on_time": fact.target_on_time,
        "certified": fact.target_certified,
        "meetings_per_month": fact.meetings_per_month,
    }
    dates = {Extensions.PLANNED_START: fact.starts_on.isoformat(), Extensions.DUE_DATE: fact.ends_on.isoformat()}
    return Said(Verbs.PLANNED, program(_program_of(fact), base), context={Extensions.TARGETS: targets, **dates})


def _program_of(fact: facts.Fact) -> UUID:
    if fact.program is None:
        raise ValueError(f"{type(fact).__name__} is about a program")
    return fact.program


@say.register
def _(fact: facts.Enrolled, base: str) -> Said:
    return Said(Verbs.REGISTERED, program(_program_of(fact), base), context={Extensions.PURPOSE: fact.part})


@say.register
def _(fact: facts.Paired, base: str) -> Said:
    return Said(Verbs.JOINED, _mentorship(fact, base))


@say.register
def _(fact: facts.MentorshipCompleted, base: str) -> Said:
    return Said(Verbs.COMPLETED, _mentorship(fact, base))


@say.register
def _(fact: facts.MentorshipEnded, base: str) -> Said:
    return Said(Verbs.LEFT, _mentorship(fact, base))


@say.register
def _(fact: facts.GoalSet, base: str) -> Said:
    linked = tuple(domain(slug, code, base) for slug, code in fact.domains)
    due = {Extensions.DUE_DATE: fact.due_on.isoformat(), Extensions.ORIGINAL_DUE_DATE: fact.due_on.isoformat()}
    return Said(Verbs.DEFINED, goal(fact.goal, base), context={**due}, other=linked)


@say.register
def _(fact: facts.DueDateMoved, base: str) -> Said:
    return Said(
        Verbs.DATED, goal(fact.goal, base), context=_due(fact.due_on.isoformat(), fact.original_due_on.isoformat())
    )


def _due(due_on: str, original: str) -> Extra:
    return {Extensions.DUE_DATE: due_on, Extensions.ORIGINAL_DUE_DATE: original}


@say.register
def _(fact: facts.ProgressMade, base: str) -> Said:
    return Said(Verbs.PROGRESSED, goal(fact.goal, base), result={Extensions.PROGRESS: fact.percent})


def _closing(verb: Term, fact: facts.ClosingFact, base: str) -> Said:
    """About the statement that set the goal, as the learner competency profile asks."""
    due = _due(fact.due_on.isoformat(), fact.original_due_on.isoformat())
    return Said(verb, _another(fact.set_by), context=due, other=(goal(fact.goal, base),))


@say.register
def _(fact: facts.GoalAchieved, base: str) -> Said:
    return _closing(Verbs.ACHIEVED, fact, base)


@say.register
def _(fact: facts.GoalConfirmed, base: str) -> Said:
    return _closing(Verbs.CONFIRMED, fact, base)


@say.register
def _(fact: facts.GoalRemoved, base: str) -> Said:
    return _closing(Verbs.DESELECTED, fact, base)


@say.register
def _(fact: facts.PursuitStarted, base: str) -> Said:
    extra: Extra = {Extensions.PURPOSE: fact.status}
    if fact.target_on:
        extra[Extensions.DUE_DATE] = fact.target_on.isoformat()
    return Said(Verbs.PLANNED, _credential(fact, base), context=extra)


@say.register
def _(fact: facts.ExamBooked, base: str) -> Said:
    return Said(Verbs.DATED, _exam(fact, base), context={Extensions.PLANNED_START: fact.exam_on.isoformat()})


@say.register
def _(fact: facts.ExamPassed, base: str) -> Said:
    return Said(Verbs.PASSED, _exam(fact, base), success=True)


@say.register
def _(fact: facts.ExamFailed, base: str) -> Said:
    return Said(Verbs.FAILED, _exam(fact, base), success=False)


@say.register
def _(fact: facts.CertificationAwarded, base: str) -> Said:
    extra: Extra = {Extensions.VALID_UNTIL: fact.valid_until.isoformat()} if fact.valid_until else {}
    return Said(Verbs.EARNED, _credential(fact, base), result=extra)


def _domain_of(fact: facts.DomainFact, base: str) -> Statement:
    return domain(_certification_of(fact), fact.domain, base)


@say.register
def _(fact: facts.DomainRatedByLearner, base: str) -> Said:
    return Said(Verbs.RATED, _domain_of(fact, base), score=fact.value)


@say.register
def _(fact: facts.DomainRatedByMentor, base: str) -> Said:
    return Said(Verbs.RATED, _domain_of(fact, base), score=fact.value)


def _about_evidence(verb: Term, fact: facts.EvidenceFact, base: str, score: float | None = None) -> Said:
    evidence = _activity(Activities.EVIDENCE, f"{base}/evidence/{fact.evidence}")
    return Said(verb, evidence, score=score, other=(_domain_of(fact, base),))


@say.register
def _(fact: facts.EvidenceSubmitted, base: str) -> Said:
    return _about_evidence(Verbs.SHARED, fact, base)


@say.register
def _(fact: facts.EvidenceAccepted, base: str) -> Said:
    return _about_evidence(Verbs.ACCEPTED, fact, base, fact.value)


@say.register
def _(fact: facts.EvidenceReturned, base: str) -> Said:
    return _about_evidence(Verbs.REJECTED, fact, base)


@say.register
def _(fact: facts.EvidenceQuestioned, base: str) -> Said:
    return _about_evidence(Verbs.COMMENTED, fact, base)


@say.register
def _(fact: facts.ReadinessChanged, base: str) -> Said:
    parts = [_readiness_part(part, fact, base) for part in fact.domains]
    extra: Extra = {
        Extensions.PARTS: parts,
        Extensions.OWN_ESTIMATE: exact(fact.own_estimate),
        Extensions.COVERED: exact(fact.covered),
    }
    return Said(Verbs.SCORED, _credential(fact, base), score=exact(fact.confirmed), result=extra)


def _readiness_part(part: facts.DomainValue, fact: facts.Fact, base: str) -> dict[str, object]:
    return {
        "domain": f"{base}/certifications/{_certification_of(fact)}/domains/{part.domain}",
        "value": exact(part.value),
        "weight": exact(part.weight),
        "mentor": part.mentor,
        "course": None if part.course is None else exact(part.course),
    }


def _about_meeting(verb: Term, fact: facts.MeetingFact, base: str, duration: str | None = None) -> Said:
    meeting = _activity(Activities.MEETING, f"{base}/meetings/{fact.meeting}")
    planned: Extra = {
        Extensions.PLANNED_START: fact.planned_at.isoformat().replace("+00:00", "Z"),
        Extensions.PLANNED_DURATION: f"PT{fact.minutes}M",
    }
    return Said(verb, meeting, duration=duration, context=planned)


@say.register
def _(fact: facts.Withdrawn, base: str) -> Said:
    return Said(Verbs.VOIDED, _another(fact.said))


@say.register
def _(fact: facts.MeetingPlanned, base: str) -> Said:
    return _about_meeting(Verbs.SCHEDULED, fact, base)


@say.register
def _(fact: facts.MeetingHeld, base: str) -> Said:
    return _about_meeting(Verbs.ATTENDED, fact, base, f"PT{fact.minutes}M")


@say.register
def _(fact: facts.MeetingMissed, base: str) -> Said:
    return _about_meeting(Verbs.MISSED, fact, base)


@say.register
def _(fact: facts.MeetingCalledOff, base: str) -> Said:
    return _about_meeting(Verbs.CANCELED, fact, base)


# The verbs of facts.ACTIVITY.
ACTIVITY_VERBS = (
    Verbs.ATTENDED,
    Verbs.PROGRESSED,
    Verbs.DEFINED,
    Verbs.ACHIEVED,
    Verbs.SHARED,
    Verbs.ACCEPTED,
    Verbs.REJECTED,
    Verbs.RATED,
    Verbs.COMMENTED,
)


def known_facts() -> Iterable[type]:
    """Every fact that has a statement of its own."""
    return (kind for kind in say.registry if kind is not object and kind is not facts.Fact)
