"""How each figure is counted, and which statements make it."""

from dataclasses import dataclass

from lti_mentor.activity.statements import ACTIVITY_VERBS
from xapi.vocabulary import Term, Verbs


@dataclass(frozen=True)
class Explanation:
    """``figure`` names it; its statements are those with one of ``verbs``."""

    figure: str
    verbs: tuple[Term, ...]


EXPLANATIONS = (
    Explanation("active", (Verbs.JOINED, Verbs.COMPLETED, Verbs.LEFT, *ACTIVITY_VERBS)),
    Explanation("meetings", (Verbs.SCHEDULED, Verbs.ATTENDED, Verbs.MISSED, Verbs.CANCELED)),
    Explanation("on_time", (Verbs.REGISTERED, Verbs.DEFINED, Verbs.DATED, Verbs.ACHIEVED, Verbs.DESELECTED)),
    Explanation("certified", (Verbs.PLANNED, Verbs.REGISTERED, Verbs.EARNED)),
    Explanation("exams", (Verbs.REGISTERED, Verbs.DATED, Verbs.PASSED, Verbs.FAILED, Verbs.EARNED)),
    Explanation(
        "funnel",
        (Verbs.PLANNED, Verbs.REGISTERED, Verbs.LAUNCHED, Verbs.JOINED, Verbs.ATTENDED, Verbs.ACHIEVED, Verbs.EARNED),
    ),
    Explanation("weeks", (Verbs.PLANNED, Verbs.ATTENDED, Verbs.MISSED, Verbs.CANCELED)),
    Explanation("readiness", (Verbs.PLANNED, Verbs.REGISTERED, Verbs.SCORED)),
)


def of(figure: str) -> Explanation:
    return next(each for each in EXPLANATIONS if each.figure == figure)
