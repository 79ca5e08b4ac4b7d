"""Parameters of a request to the record store. What cannot be meant raises InvalidQuery or InvalidStatement."""

import uuid
from datetime import datetime
from typing import Any

from flask import request

from xapi import strict, times
from xapi.errors import InvalidQuery
from xapi.facets import agent_key
from xapi.validation import checked_agent, is_iri, is_uuid


def only(*names: str) -> None:
    """These parameters, each once, and no other."""
    for name, values in request.args.lists():
        if name not in names:
            raise InvalidQuery(f"There is no parameter {name} here.")
        if len(values) > 1:
            raise InvalidQuery(f"{name} is given more than once.")


def needed(name: str) -> str:
    if name not in request.args:
        raise InvalidQuery(f"The parameter {name} is missing.")
    return request.args[name]


def text(name: str) -> str | None:
    value = request.args.get(name)
    if value is not None and (not value or "\0" in value):
        raise InvalidQuery(f"{name} has to be a text, and not an empty one.")
    return value


def iri(name: str) -> str:
    value = needed(name)
    if not is_iri(value):
        raise InvalidQuery(f"{name} has to be an IRI.")
    return value


def registration() -> uuid.UUID | None:
    return uuid_of("registration") if "registration" in request.args else None


def agent() -> dict[str, Any]:
    """An agent, or a group that has an identifier."""
    try:
        given: dict[str, Any] = strict.parsed(needed("agent"))
    except ValueError:
        raise InvalidQuery("agent has to be JSON.") from None
    checked_agent(given)
    if agent_key(given) is None:
        raise InvalidQuery("agent has to have an identifier.")
    return given


def moment(name: str) -> datetime | None:
    value = request.args.get(name)
    try:
        return None if value is None else times.parsed(value)
    except ValueError:
        raise InvalidQuery(f"{name} has to be a timestamp.") from None


def uuid_of(name: str) -> uuid.UUID:
    value = needed(name)
    if not is_uuid(value):
        raise InvalidQuery(f"{name} has to be a UUID.")
    return uuid.UUID(value)


def flag(name: str) -> bool:
    return choice(name, "false", "true") == "true"


def choice(name: str, *values: str) -> str:
    """One of these; the first where nothing is said."""
    value = request.args.get(name, values[0])
    if value not in values:
        raise InvalidQuery(f"{name} has to be {' or '.join(values)}.")
    return value


def number(name: str) -> int | None:
    value = request.args.get(name)
    if value is not None and (not value.isdecimal() or len(value) > 15):
        raise InvalidQuery(f"{name} has to be a whole number.")
    return None if value is None else int(value)
