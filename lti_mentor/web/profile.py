"""Our xAPI Profile, open to anybody: JSON-LD for machines, a page for people with a place for each thing in it."""

import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request

from lti_mentor.activity.profile import document, text
from xapi.profile import CONTEXTS, OPERATORS
from xapi.vocabulary import PROFILE_VERSION, Term, terms

profile = Blueprint("profile", __name__)
JSON_LD, JSON, HTML = "application/ld+json", "application/json", "text/html"
HOUR = 3600
Thing = Mapping[str, Any]


@profile.get("/profile", strict_slashes=False)
def show() -> Response:
    """As the reader prefers it; JSON-LD for whoever does not say."""
    wanted = request.accept_mimetypes.best_match((JSON_LD, JSON, HTML), JSON_LD)
    return _page() if wanted == HTML else _json(wanted)


@profile.get("/profile.jsonld")
def download() -> Response:
    return _json(JSON_LD)


def _json(media_type: str) -> Response:
    return _public(Response(text(), mimetype=media_type))


def _page() -> Response:
    """Every rule that all templates have stands there once."""
    said = document()
    rules = [template["rules"] for template in said["templates"]]
    shared = [rule for rule in rules[0] if all(rule in each for each in rules)]
    known = {term.iri: term for term in terms()}
    things = {thing["id"]: thing for kind in ("concepts", "templates", "patterns") for thing in said[kind]}
    shown = render_template(
        "profile/show.html",
        profile=said,
        version=PROFILE_VERSION,
        shared=shared,
        own_rules={each["id"]: [rule for rule in each["rules"] if rule not in shared] for each in said["templates"]},
        elsewhere=_elsewhere(known, things),
        name=lambda iri: things[iri]["prefLabel"]["en"] if iri in things else known[iri].display,
        anchor=lambda iri: anchor(things[iri]) if iri in things else None,
        parts=_parts,
        contexts=CONTEXTS,
    )
    return _public(make_response(shown))


def _public(response: Response) -> Response:
    """Kept for an hour by anybody, and asked for again by its ETag."""
    response.vary.update(("Accept", "Accept-Language"))
    response.cache_control.public, response.cache_control.max_age = True, HOUR
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.add_etag()
    response.make_conditional(request)
    return response


def anchor(thing: Thing) -> str:
    """Where it stands on the page: its kind, and the last part of its IRI."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", thing["type"]).lower().removeprefix("statement-")
    return f"{kind}-{thing['id'].rpartition('/')[2]}"


def _parts(pattern: Thing) -> tuple[str, list[str]]:
    """How a pattern is put together, and of what."""
    operator = next(name for name in OPERATORS if name in pattern)
    parts = pattern[operator]
    return operator, [parts] if isinstance(parts, str) else parts


def _elsewhere(known: Mapping[str, Term], things: Mapping[str, Thing]) -> list[Term]:
    """The terms of others that the profile speaks of, in the order of the vocabulary."""
    spoken = set(re.findall(r"https?://[^\s'\"]+", text()))
    return [term for iri, term in known.items() if iri in spoken and iri not in things]
