"""How each figure is counted, and which statements make it."""

from dataclasses import dataclass

from xapi.vocabulary import Term, Verbs


@dataclass(frozen=True)
class Explanation:
    """``figure`` names it; its statements are those with one of ``verbs``."""

    figure: str
    verbs: tuple[Term, ...]


EXPLANATIONS = (
    Explanation("active", (Verbs.JOINED, Verbs.COMPLETED, Verbs.LEFT, Verbs.ATTENDED, Verbs.PROGRESSED, Verbs.RATED)),
    Explanation("meetings", (Verbs.SCHEDULED, Verbs.ATTENDED, Verbs.MISSED, Verbs.CANCELED)),
    Explanation("on_time", (Verbs.DEFINED, Verbs.DATED, Verbs.ACHIEVED, Verbs.DESELECTED)),
    Explanation("certified", (Verbs.REGISTERED, Verbs.EARNED)),
    Explanation(
        "funnel", (Verbs.REGISTERED, Verbs.LAUNCHED, Verbs.JOINED, Verbs.ATTENDED, Verbs.ACHIEVED, Verbs.EARNED)
    ),
    Explanation("weeks", (Verbs.ATTENDED, Verbs.MISSED, Verbs.CANCELED)),
    Explanation("readiness", (Verbs.SCORED,)),
)


def of(figure: str) -> Explanation:
    return next(each for each in EXPLANATIONS if each.figure == figure)
