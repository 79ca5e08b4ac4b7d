"""A statement as one sentence that people read."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from lti_mentor.web.language import _, language, number
from xapi.facets import Statement
from xapi.vocabulary import Activities

_KINDS = {
    "goals": "a goal",
    "meetings": "a meeting",
    "evidence": "a piece of evidence",
    "mentorships": "a mentorship",
    "programs": "a program",
    "courses": "a course",
    "certifications": "a certification",
}


def sentence(statement: Statement, base: str, titles: Mapping[str, str]) -> str:
    """Who did what to what, and how well; ``titles`` are those of our own things by IRI."""
    said = {
        "who": _who(statement.get("actor", {}), base),
        "verb": _text(statement["verb"].get("display", {})) or _last(statement["verb"]["id"]),
        "what": _what(statement, base, titles),
    }
    score = _score(statement.get("result", {}).get("score", {}))
    if score is None:
        return _("%(who)s %(verb)s %(what)s", **said)
    return _("%(who)s %(verb)s %(what)s: %(score)s", score=score, **said)


def _who(agent: Mapping[str, Any], base: str) -> str:
    if agent.get("objectType") == "Group":
        return _("A group")
    account = agent.get("account", {})
    if account.get("homePage") == base:
        return _("Person %(name)s", name=account["name"][:8])
    if account:
        return _("An account of %(site)s", site=_site(account["homePage"]))
    return _("Somebody")


def _site(home_page: str) -> str:
    try:
        return urlsplit(home_page).hostname or home_page
    except ValueError:  # an IRI, but no address
        return home_page


def _what(statement: Statement, base: str, titles: Mapping[str, str]) -> str:
    thing = statement["object"]
    kind = thing.get("objectType", "Activity")
    if kind in ("Agent", "Group"):
        return _who(thing, base)
    if kind == "SubStatement":
        is_shown = "verb" in thing  # not to everybody
        return _("that %(said)s", said=sentence(thing, base, titles)) if is_shown else _("something planned")
    if kind == "StatementRef":
        return _("a goal") if _is_about_a_goal(statement) else _("an earlier statement")
    return _activity(thing, base, titles)


def _is_about_a_goal(statement: Statement) -> bool:
    others = statement.get("context", {}).get("contextActivities", {}).get("other", [])
    return any(each.get("definition", {}).get("type") == Activities.GOAL.iri for each in others)


def _activity(thing: Mapping[str, Any], base: str, titles: Mapping[str, str]) -> str:
    iri = thing["id"]
    if iri in titles:
        exam = iri.endswith("/exam")
        return _("the exam of %(certification)s", certification=titles[iri]) if exam else titles[iri]
    name = _text(thing.get("definition", {}).get("name", {}))
    if name:
        return name
    kind = iri.removeprefix(f"{base}/").partition("/")[0] if iri.startswith(f"{base}/") else ""
    return _(_KINDS[kind]) if kind in _KINDS else iri


def _score(score: Mapping[str, Any]) -> str | None:
    if "raw" in score and "max" in score:
        return _("%(score)s of %(most)s", score=_number(score["raw"]), most=_number(score["max"]))
    if "scaled" in score:
        return _("%(percent)s %%", percent=_number(score["scaled"] * 100))
    return _number(score["raw"]) if "raw" in score else None


def _number(value: float) -> str:
    return number(round(value, 1))


def _text(texts: Mapping[str, str]) -> str:
    """In the language of the page, in English, or in the first one."""
    for wanted in (language(), "en"):
        for tag, text in texts.items():
            if tag.lower().partition("-")[0] == wanted:
                return text
    return next(iter(texts.values()), "")


def _last(iri: str) -> str:
    return iri.rstrip("/").rpartition("/")[2].rpartition("#")[2]
