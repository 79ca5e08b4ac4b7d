"""What happens in the story, as plain values: who, what and how many days ago. Nothing here touches a database.

Every list is deterministic; the totals are those of the demo's story and are tested one by one.
"""

from collections.abc import Iterator
from dataclasses import dataclass

WEEKS = 26
AGE_DAYS = 136.0  # the program is in its twentieth week
DIP = (56.0, 70.0)  # weeks 9 and 10

LEARNERS = range(64)
OPENED = range(56)
PAIRED = range(48)
ACTIVE = range(34)
NEW = range(34, 36)
SILENT = range(36, 41)
NEVER_MET = range(38, 41)
COMPLETED = range(41, 44)
ENDED = range(44, 48)
MET = [i for i in PAIRED if i not in NEW and i not in NEVER_MET]

BOOKED = range(0, 7)
FAILED = range(7, 9)
AWARDED = [*range(9, 17), *COMPLETED]
EXPIRING = range(17, 19)
STUDYING = [*range(19, 34), *SILENT, *ENDED]
INTERESTED = [*NEW, *range(48, 52)]
DAYS_TO_CERTIFICATION = (71, 84, 93, 101, 110, 118, 124, 131, 140, 151, 162)

MIDDLE, EXAM_SOON, QUIET = 0, 1, 36  # with learner 2 the four mentees of the first mentor
LAST_VISIT = 12.0  # days ago, of the learner in the middle
EXAM_IN_DAYS = {0: 41, 1: 9, 2: 33, 3: 20, 4: 27, 5: 48, 6: 55}
EXPIRES_IN_DAYS = {17: 34, 18: 52}


def mentor_of(learner: int) -> int:
    """The mentor's number: the first has four mentees, the last took two and then paused."""
    if learner in (0, 1, 2, QUIET):
        return 0
    others = [i for i in PAIRED if i not in (0, 1, 2, QUIET)]
    place = others.index(learner)
    return 15 if place >= 42 else 1 + place // 3


def certification_of(learner: int) -> int:
    """Which of the three certifications, and so which of the three courses."""
    return learner % 3


def paired_days_ago(learner: int) -> float:
    if learner in NEW:
        return {34: 6.0, 35: 3.0}[learner]
    return AGE_DAYS - 5 - (learner * 5) % 13


def ended_days_ago(learner: int) -> float | None:
    if learner in COMPLETED:
        return {41: 36.0, 42: 22.0, 43: 11.0}[learner]
    if learner in ENDED:
        return {44: 70.0, 45: 62.0, 46: 51.0, 47: 44.0}[learner]
    return None


def awarded_days_ago(learner: int) -> float:
    """Of those certified in the program."""
    ended = ended_days_ago(learner)
    return 3.0 + 2 * (learner % 7) if ended is None else ended + 1


def started_days_ago(learner: int) -> float:
    """When the learner began to work for the certification."""
    if learner in AWARDED:
        return awarded_days_ago(learner) + DAYS_TO_CERTIFICATION[AWARDED.index(learner)]
    if learner in EXPIRING:
        return 1190.0 - EXPIRES_IN_DAYS[learner]
    return 20.0 + learner % 7 if learner in INTERESTED else paired_days_ago(learner) - 2


@dataclass(frozen=True)
class MeetingPlan:
    learner: int
    days_ago: float  # of the planned time; below 0 is still to come
    outcome: str


def meetings() -> list[MeetingPlan]:
    """334 whose time has passed: 291 held, 18 missed, 25 called off; and the next ones."""
    return [plan for learner in PAIRED for plan in _meetings_of(learner)]


def _meetings_of(learner: int) -> Iterator[MeetingPlan]:
    outcomes = ["held"] * _held(learner)
    if learner in NEVER_MET:
        outcomes = ["missed"] * 2
    if learner in range(20, 32):
        outcomes.insert(3, "missed")
    if learner in range(5, 30):
        outcomes.insert(5, "called_off")
    first = paired_days_ago(learner) - 4
    last = 45.0 if learner in SILENT else (ended_days_ago(learner) or learner % 7 - 5) + 1
    days = []
    for number in range(len(outcomes)):
        share = (number + 0.5 + 0.3 * (learner % 3 - 1)) / len(outcomes)
        days_ago = _away_from_dip(first - share * (first - last), last)
        days.append(max(days_ago, 0.7 + learner % 3))
    for days_ago, outcome in zip(_on_days_of_their_own(days), outcomes, strict=True):
        yield MeetingPlan(learner, days_ago, outcome)
    if learner in ACTIVE and learner % 2 == 0:
        yield MeetingPlan(learner, -(5.0 if learner == MIDDLE else 2.0 + learner % 9), "planned")


def _on_days_of_their_own(days: list[float]) -> list[float]:
    """Oldest first, each at least a day before the next."""
    apart: list[float] = []
    for days_ago in sorted(days):
        apart.append(max(days_ago, apart[-1] + 1.02) if apart else days_ago)
    return apart[::-1]


def _held(learner: int) -> int:
    if learner in ACTIVE:
        return 8 if learner < 10 else 7
    if learner in COMPLETED:
        return 7
    if learner in ENDED:
        return 4
    return 3 if learner in SILENT and learner not in NEVER_MET else 0


def _away_from_dip(days_ago: float, last: float) -> float:
    """Most meetings of the two weak weeks happened a fortnight later, if the pair still met then."""
    day = AGE_DAYS - days_ago
    moves = DIP[0] <= day < DIP[1] and int(day * 10) % 4 > 0 and days_ago - 14 > last
    return days_ago - 14 if moves else days_ago


@dataclass(frozen=True)
class GoalPlan:
    learner: int
    number: int
    set_days_ago: float
    due_days_ago: float  # below 0 is still to come
    fate: str  # achieved, late, open, overdue or removed
    closed_days_ago: float | None = None


def goals() -> list[GoalPlan]:
    """130: 52 achieved (44 on time, 8 late), 66 open (9 overdue), 12 removed."""
    return [*_achieved_goals(), *_open_goals(), *_removed_goals()]


def _achieved_goals() -> Iterator[GoalPlan]:
    for learner in [*range(1, 25), *COMPLETED]:
        for number in range(1 if learner in (23, 24) else 2):
            start = paired_days_ago(learner) - 3 - 30 * number - learner % 5
            due = start - 34 - learner % 4
            late = number == 0 and learner in range(9, 17)
            yield GoalPlan(
                learner, number, start, due, "late" if late else "achieved", due - 5 if late else due + 2 + learner % 3
            )


def _open_goals() -> Iterator[GoalPlan]:
    for learner in [*ACTIVE, *SILENT]:
        for number in range(2 if learner < 27 else 1):
            overdue = learner in SILENT or learner in range(30, 34)
            due = 6.0 + learner % 12 if overdue else -(9.0 + (learner * 7 + number * 13) % 44)
            start = 60.0 if learner in SILENT else 29.0 - learner % 9 + 12 * number
            yield GoalPlan(learner, 2 + number, start, due, "overdue" if overdue else "open")


def _removed_goals() -> Iterator[GoalPlan]:
    for learner in [*range(25, 33), *ENDED]:
        start = paired_days_ago(learner) - 8
        yield GoalPlan(learner, 5, start, start - 70, "removed", start - 20)


@dataclass(frozen=True)
class EvidencePlan:
    learner: int
    domain: int  # 1 to 5
    submitted_days_ago: float
    fate: str  # accepted, returned or waiting
    answered_after: float = 0.0  # days
    rating: int | None = None


WAITING_DAYS = {0: 2.0, 1: 9.0, 2: 5.0, 3: 0.5, 4: 1.0, 5: 1.5, 6: 2.2, 7: 3.0, 8: 3.5, 9: 4.0, 10: 6.0, 11: 8.0}
_ANSWER_DAYS = (0.5, 2.5, 1.0, 3.0, 1.5, 2.5, 4.0, 2.0, 2.5, 6.0)
_MIDDLE_EVIDENCE = ((1, 96.0, 25), (2, 75.0, 50), (4, 48.0, 50), (1, 14.0, 75))


def evidence() -> list[EvidencePlan]:
    """148: 112 accepted, 24 returned, 12 waiting (the oldest 9 days); the median answer took 2.5 days."""
    answered = [*_accepted(), *_returned()]
    timed = [
        EvidencePlan(
            plan.learner,
            plan.domain,
            plan.submitted_days_ago,
            plan.fate,
            3.0 if plan.learner == MIDDLE else _ANSWER_DAYS[place % len(_ANSWER_DAYS)],
            plan.rating,
        )
        for place, plan in enumerate(answered)
    ]
    waiting = [EvidencePlan(learner, 5, days, "waiting") for learner, days in WAITING_DAYS.items()]
    return [*timed, *waiting]


def _accepted() -> Iterator[EvidencePlan]:
    for domain, days, rating in _MIDDLE_EVIDENCE:
        yield EvidencePlan(MIDDLE, domain, days, "accepted", rating=rating)
    few = [*range(1, 9), *range(17, 34), 36, 37, *ENDED]
    for place, learner in enumerate(few):
        for number in range(2 if place < 22 else 1):
            yield EvidencePlan(
                learner, 1 + (learner + 2 * number) % 4, _when(learner, 0.25 + 0.4 * number), "accepted", rating=50
            )
    for learner in AWARDED:
        for domain in range(1, 6):
            rating = 75 if domain == 5 else (100 if (learner + domain) % 3 == 0 else 75)
            yield EvidencePlan(learner, domain, _when(learner, 0.15 * domain), "accepted", rating=rating)


def _returned() -> Iterator[EvidencePlan]:
    for learner in [*range(4, 9), *range(19, 34), *ENDED]:
        yield EvidencePlan(learner, 5, _when(learner, 0.75), "returned")


def _when(learner: int, share: float) -> float:
    """Days ago, at that share of the learner's time in the program: slow, fast, slow."""
    first = min(paired_days_ago(learner) - 8, started_days_ago(learner) - 1)
    last = 48.0 if learner in SILENT else (ended_days_ago(learner) or 8.0) + 8
    if learner in AWARDED:
        last = max(last, awarded_days_ago(learner) + 7)
    curved = share * share * (3 - 2 * share)
    return first - curved * (first - last)


@dataclass(frozen=True)
class ItemPlan:
    title: str
    domain: int
    due_days_ago: float
    graded_days_ago: float  # for most learners


ITEMS = (
    ItemPlan("Quiz 1", 1, 108.0, 112.0),
    ItemPlan("Quiz 2", 2, 80.0, 84.0),
    ItemPlan("Quiz 3", 3, 52.0, 56.0),
    ItemPlan("Quiz 4", 3, 0.4, 9.0),
    ItemPlan("Lab 5", 4, -13.0, 7.0),
    ItemPlan("Practice exam", 5, -24.0, 6.0),
)
_MIDDLE_SCORES = (90, 68, 42, 68, None, None)


@dataclass(frozen=True)
class ResultPlan:
    learner: int
    item: int  # place in ITEMS
    score: int  # of 100
    days_ago: float


def results() -> list[ResultPlan]:
    """Grades the LMS reports. The last two items are not due yet: only those who hold the certificate did them."""
    return [plan for learner in (*PAIRED, *range(48, 52)) for plan in _results_of(learner)]


def _results_of(learner: int) -> Iterator[ResultPlan]:
    for place, item in enumerate(ITEMS):
        score = _score(learner, place)
        days_ago = 1.0 if (learner, place) == (MIDDLE, 3) else item.graded_days_ago + learner % 4
        if learner in COMPLETED:  # whoever was done early did every item before
            days_ago = max(days_ago, (ended_days_ago(learner) or 0) + 3 - place * 0.2)
        if score is not None and days_ago > (ended_days_ago(learner) or 0):
            yield ResultPlan(learner, place, score, days_ago)


def _score(learner: int, place: int) -> int | None:
    if learner == MIDDLE:
        return _MIDDLE_SCORES[place]
    if ITEMS[place].due_days_ago < 0 and learner not in AWARDED:
        return None
    strength = 84 if learner in AWARDED else 58 + (learner * 11) % 25
    return strength + (learner * 3 + place * 7) % 11 - (12 if ITEMS[place].domain == 5 else 0)
