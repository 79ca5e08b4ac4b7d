"""What happens in mentoring, as frozen values: ids and plain numbers, never a name, a mail address or typed text.

``actor`` and ``instructor`` are actor names (pseudonyms), ``registration`` is the id of the mentorship.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from uuid import UUID, uuid4


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Who did it, when, and around what."""

    actor: str
    at: datetime
    id: UUID = field(default_factory=uuid4)
    program: UUID | None = None
    registration: UUID | None = None
    instructor: str | None = None
    course: UUID | None = None
    certification: str | None = None

    @property
    def life(self) -> UUID | None:
        """Whose life this is a part of: the mentorship's, unless a goal or a pursuit within it has one of its own."""
        return self.registration


@dataclass(frozen=True, kw_only=True)
class Launched(Fact):
    """The person came in from the LMS."""


@dataclass(frozen=True, kw_only=True)
class ProgramPlanned(Fact):
    """A coordinator fixed dates, cadence and targets. Targets are percent, ``certified`` is people."""

    starts_on: date
    ends_on: date
    meetings_per_month: int
    target_active: int
    target_cadence: int
    target_on_time: int
    target_certified: int


@dataclass(frozen=True, kw_only=True)
class Enrolled(Fact):
    part: str  # mentee, mentor or coordinator


@dataclass(frozen=True, kw_only=True)
class Paired(Fact):
    """``actor`` is the mentee."""


@dataclass(frozen=True, kw_only=True)
class MentorshipCompleted(Fact):
    """The pair reached what it wanted."""


@dataclass(frozen=True, kw_only=True)
class MentorshipEnded(Fact):
    """The pair stopped, without fault."""


@dataclass(frozen=True, kw_only=True)
class GoalFact(Fact):
    goal: UUID

    @property
    def life(self) -> UUID:
        return self.goal


@dataclass(frozen=True, kw_only=True)
class GoalSet(GoalFact):
    due_on: date
    domains: tuple[tuple[str, str], ...] = ()  # (certification, code)


@dataclass(frozen=True, kw_only=True)
class DueDateMoved(GoalFact):
    due_on: date
    original_due_on: date


@dataclass(frozen=True, kw_only=True)
class ProgressMade(GoalFact):
    percent: int


@dataclass(frozen=True, kw_only=True)
class ClosingFact(GoalFact):
    """``set_by`` is the id of the statement that set the goal."""

    set_by: UUID
    due_on: date
    original_due_on: date


@dataclass(frozen=True, kw_only=True)
class GoalAchieved(ClosingFact):
    """The mentee said so."""


@dataclass(frozen=True, kw_only=True)
class GoalConfirmed(ClosingFact):
    """The mentor agreed; ``actor`` is the mentor."""


@dataclass(frozen=True, kw_only=True)
class GoalRemoved(ClosingFact):
    """The mentee took it away."""


@dataclass(frozen=True, kw_only=True)
class PursuitFact(Fact):
    pursuit: UUID

    @property
    def life(self) -> UUID:
        return self.pursuit


@dataclass(frozen=True, kw_only=True)
class PursuitStarted(PursuitFact):
    status: str  # interested or studying
    target_on: date | None = None


@dataclass(frozen=True, kw_only=True)
class ExamBooked(PursuitFact):
    exam_on: date


@dataclass(frozen=True, kw_only=True)
class ExamPassed(PursuitFact):
    attempt: int


@dataclass(frozen=True, kw_only=True)
class ExamFailed(PursuitFact):
    attempt: int


@dataclass(frozen=True, kw_only=True)
class CertificationAwarded(PursuitFact):
    valid_until: date | None


@dataclass(frozen=True, kw_only=True)
class DomainFact(PursuitFact):
    domain: str


@dataclass(frozen=True, kw_only=True)
class DomainRatedByLearner(DomainFact):
    value: int


@dataclass(frozen=True, kw_only=True)
class DomainRatedByMentor(DomainFact):
    """``actor`` is the mentor."""

    value: int


@dataclass(frozen=True, kw_only=True)
class EvidenceFact(DomainFact):
    evidence: UUID
    version: int


@dataclass(frozen=True, kw_only=True)
class EvidenceSubmitted(EvidenceFact):
    """The learner handed in a version."""


@dataclass(frozen=True, kw_only=True)
class EvidenceAccepted(EvidenceFact):
    """``actor`` is the mentor."""

    value: int


@dataclass(frozen=True, kw_only=True)
class EvidenceReturned(EvidenceFact):
    """``actor`` is the mentor."""


@dataclass(frozen=True, kw_only=True)
class EvidenceQuestioned(EvidenceFact):
    """``actor`` is the mentor, who asked something and decided nothing yet."""


@dataclass(frozen=True, kw_only=True)
class Withdrawn(Fact):
    """The statement with the id ``said`` does not hold any more."""

    said: UUID


@dataclass(frozen=True, kw_only=True)
class DomainValue:
    """One part of a readiness; ``weight`` is percent of the exam."""

    domain: str
    value: Fraction
    weight: Fraction
    mentor: int | None
    course: Fraction | None


@dataclass(frozen=True, kw_only=True)
class ReadinessChanged(PursuitFact):
    """Confirmed readiness and own estimate from 0 to 100, with the parts of the first."""

    confirmed: Fraction
    own_estimate: Fraction
    covered: Fraction
    domains: tuple[DomainValue, ...]


@dataclass(frozen=True, kw_only=True)
class MeetingFact(Fact):
    meeting: UUID
    planned_at: datetime
    minutes: int


@dataclass(frozen=True, kw_only=True)
class MeetingPlanned(MeetingFact):
    """Agreed for a time."""


@dataclass(frozen=True, kw_only=True)
class MeetingHeld(MeetingFact):
    """Took place; ``minutes`` is how long."""


@dataclass(frozen=True, kw_only=True)
class MeetingMissed(MeetingFact):
    """Somebody did not come."""


@dataclass(frozen=True, kw_only=True)
class MeetingCalledOff(MeetingFact):
    """Not held, and both knew before."""


# What makes a pair active: one of the two worked on something.
ACTIVITY = (
    MeetingHeld,
    GoalSet,
    ProgressMade,
    GoalAchieved,
    DomainRatedByLearner,
    DomainRatedByMentor,
    EvidenceSubmitted,
    EvidenceAccepted,
    EvidenceReturned,
    EvidenceQuestioned,
)
