"""What is known of agents and activities, over HTTP (xAPI 1.0.3 Part Three, 2.4, 2.5; xAPI 2.0 4.1.6.3, 4.1.6.4)."""

from typing import Any

from flask import g, jsonify, request

from lti_mentor.web import lrs_query as query
from lti_mentor.web.lrs import Answer, needs, resource, stay_within
from lti_mentor.web.tool import tool
from xapi import activities, agents, keys
from xapi.errors import InvalidQuery

known = resource("lrs_known")


@known.get("/agents", strict_slashes=False)
@needs(keys.READ)
def show_agent() -> Answer:
    """The Person of an agent; of an unknown one what was asked for."""
    query.only("agent")
    stay_within(None)
    agent = query.agent()
    if agent.get("objectType") == "Group":
        raise InvalidQuery("agent has to be an agent, not a group.")
    with tool().database.reading() as db:
        return _answer(agents.person(db, tenant=g.caller.tenant, agent=agent))


@known.get("/activities", strict_slashes=False)
@needs(keys.READ)
def show_activity() -> Answer:
    """An activity with all that statements said of it; of an unknown one the id."""
    query.only("activityId")
    iri = query.iri("activityId")
    stay_within(iri)
    with tool().database.reading() as db:
        return _answer(activities.activity(db, tenant=g.caller.tenant, iri=iri))


def _answer(found: dict[str, Any]) -> Answer:
    response = jsonify(found)
    response.add_etag()
    response.make_conditional(request)
    return response
