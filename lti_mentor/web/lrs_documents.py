"""Documents over HTTP (xAPI 1.0.3 Part Three, 2.2, 2.3, 2.6 and 2.7; xAPI 2.0 4.1.6): state and profiles.

With an id the methods are about one document; GET without one lists the ids, DELETE of state without one forgets them
all. Each answers with the entity tag of the document, and writes only what If-Match and If-None-Match allow.
"""

from datetime import datetime

from flask import Response, g, jsonify, request
from werkzeug.datastructures import ETags

from lti_mentor import clock
from lti_mentor.web import lrs_query as query
from lti_mentor.web.lrs import Answer, Wrong, needs, resource, stay_within
from lti_mentor.web.tool import tool
from xapi import documents as kept
from xapi import keys
from xapi.documents import ACTIVITY_PROFILE, AGENT_PROFILE, STATE, Content, Place, Terms
from xapi.errors import InvalidDocument, InvalidQuery
from xapi.facets import agent_key

documents = resource("lrs_documents")
_METHODS = ["GET", "PUT", "POST", "DELETE"]


@documents.route("/activities/state", methods=_METHODS, strict_slashes=False)
@needs(keys.STATE)
def state() -> Answer:
    """Of an agent in an activity, and where it is named in one registration."""
    _allow("agent", "activityId", "registration", "stateId")
    place = Place(
        tenant=g.caller.tenant,
        kind=STATE,
        agent=agent_key(query.agent()),
        activity=query.iri("activityId"),
        registration=query.registration(),
        document_id=query.text("stateId"),
    )
    stay_within(place.activity)
    if request.method == "DELETE" and place.document_id is None:
        return _forget_all(place)
    return _serve(place)


@documents.route("/agents/profile", methods=_METHODS, strict_slashes=False)
@needs(keys.PROFILE)
def agent_profile() -> Answer:
    """Of an agent, whatever the activity."""
    _allow("agent", "profileId")
    agent, document_id = agent_key(query.agent()), query.text("profileId")
    stay_within(None)
    return _serve(Place(tenant=g.caller.tenant, kind=AGENT_PROFILE, agent=agent, document_id=document_id))


@documents.route("/activities/profile", methods=_METHODS, strict_slashes=False)
@needs(keys.PROFILE)
def activity_profile() -> Answer:
    """Of an activity, whoever the agent."""
    _allow("activityId", "profileId")
    activity, document_id = query.iri("activityId"), query.text("profileId")
    stay_within(activity)
    return _serve(Place(tenant=g.caller.tenant, kind=ACTIVITY_PROFILE, activity=activity, document_id=document_id))


def _allow(*names: str) -> None:
    query.only(*names, *(["since"] if request.method in ("GET", "HEAD") else []))


def _serve(place: Place) -> Answer:
    if request.method in ("GET", "HEAD"):
        since = query.moment("since")
        return _list(place, since) if place.document_id is None else _show(place)
    if place.document_id is None:
        raise InvalidQuery("The id of the document is missing.")
    return _write(place)


def _list(place: Place, since: datetime | None) -> Answer:
    with tool().database.reading() as db:
        ids, modified = kept.ids(db, place, since=since)
    response = jsonify(ids)
    response.add_etag()
    response.last_modified = modified
    response.make_conditional(request)
    return response


def _show(place: Place) -> Answer:
    with tool().database.reading() as db:
        found = kept.get(db, place)
    if found is None:
        raise Wrong(404, "document.unknown", "There is no such document.")
    response = Response(found.body, content_type=found.content_type)
    response.set_etag(found.etag)
    response.last_modified = found.modified
    response.headers["Content-Disposition"] = "attachment"  # never a page of ours, whatever it says it is
    response.make_conditional(request)
    return response


def _write(place: Place) -> Answer:
    content, terms = _content(), _terms(place)  # all is read before anybody has to wait
    with tool().database.transaction() as db:
        if request.method == "PUT":
            kept.put(db, place, content, terms, now=clock.now)
        elif request.method == "POST":
            kept.post(db, place, content, terms, now=clock.now)
        else:
            kept.delete_one(db, place, terms)
    return Response(status=204)


def _forget_all(place: Place) -> Answer:
    with tool().database.transaction() as db:
        kept.delete_all(db, place)
    return Response(status=204)


def _terms(place: Place) -> Terms:
    return Terms(
        if_match=_tags(request.if_match),
        if_none_match=_tags(request.if_none_match),
        bare=kept.bare_put(place.kind, g.version),
        longest=tool().settings.max_document_bytes,
    )


def _tags(given: ETags) -> frozenset[str]:
    """Weak ones too: a proxy that compresses makes the tag of an answer weak, and it still names the same bytes."""
    return frozenset({kept.ANY}) if given.star_tag else frozenset(given.as_set(include_weak=True))


def _content() -> Content:
    content_type = request.headers.get("Content-Type", "application/octet-stream")
    if not (content_type.isascii() and content_type.isprintable()):
        raise InvalidDocument("The content type has to be plain text.")
    return Content(request.get_data(), content_type)
