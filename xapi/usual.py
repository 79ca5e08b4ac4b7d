"""What statements look like most of the time, as a JSON Schema: whatever fits is right by the rules of every version.

Only the reverse does not hold. So most statements pass in a tenth of the time, and the rules of ``validation``, which
name what is wrong, are asked about the others alone.
"""

from typing import Any

import jsonschema_rs

Schema = dict[str, Any]

_SCHEME, _REST = "[A-Za-z][A-Za-z0-9+.-]*", r"[!#-;=?-\[\]_a-z~]+"
_SECONDS = r"[0-9]+(\.[0-9]+)?S"
_MINUTES = f"[0-9]+M({_SECONDS})?"
_TEXT: Schema = {"type": "string", "pattern": r"^[^\x00]*$"}  # half a pair of surrogates is a UnicodeEncodeError
_IRI: Schema = {"type": "string", "pattern": f"^{_SCHEME}:{_REST}$", "maxLength": 1000}
_UUID: Schema = {"type": "string", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"}
_LANGUAGE: Schema = {"type": "string", "pattern": "^[a-z]{2,3}(-[A-Z]{2})?$"}
_NUMBER: Schema = {"type": "number", "minimum": -1e300, "maximum": 1e300}
_BOOLEAN: Schema = {"type": "boolean"}
_DURATION: Schema = {"type": "string", "pattern": f"^PT([0-9]+H({_MINUTES}|{_SECONDS})?|{_MINUTES}|{_SECONDS})$"}
_TIMESTAMP: Schema = {  # but for days and hours that there are not
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$",
}


def _object(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": [*required], "additionalProperties": False}


def _map(names: Schema, values: Schema) -> Schema:
    return {"type": "object", "propertyNames": names, "additionalProperties": values}


def _anything(levels: int) -> Schema:
    """Inside of extensions."""
    plain: Schema = {"type": ["string", "number", "boolean", "null"], "pattern": _TEXT["pattern"]}
    plain |= {"minimum": _NUMBER["minimum"], "maximum": _NUMBER["maximum"]}
    if levels == 0:
        return plain
    inner = _anything(levels - 1)
    nested: Schema = {"items": inner, "propertyNames": _TEXT, "additionalProperties": inner}
    return plain | nested | {"type": [*plain["type"], "array", "object"]}


_TEXTS = _map(_LANGUAGE, _TEXT)
_EXTENSIONS = _map(_IRI, _anything(3))
_IDENTIFIERS: Schema = {
    "mbox": {"type": "string", "pattern": r"^mailto:[!-?A-~]+@[!-?A-~]+$"},
    "openid": _IRI,
    "account": _object({"homePage": _IRI, "name": _TEXT}, "homePage", "name"),
}
_AGENT = _object({"objectType": {"const": "Agent"}, "name": _TEXT, **_IDENTIFIERS})
_AGENT |= {"oneOf": [{"required": [name]} for name in _IDENTIFIERS]}
_DEFINITION = _object(
    {"name": _TEXTS, "description": _TEXTS, "type": _IRI, "moreInfo": _IRI, "extensions": _EXTENSIONS}
)
_ACTIVITY = _object({"objectType": {"const": "Activity"}, "id": _IRI, "definition": _DEFINITION}, "id")
_ACTIVITIES: Schema = {"if": {"type": "array"}, "then": {"items": _ACTIVITY}, "else": _ACTIVITY}
_SCORE = _object(  # but for what they are to each other
    {"scaled": {"type": "number", "minimum": -1, "maximum": 1}, "raw": _NUMBER, "min": _NUMBER, "max": _NUMBER}
)
_CONTEXT = _object(
    {
        "registration": _UUID,
        "instructor": _AGENT,
        "contextActivities": _object(dict.fromkeys(("parent", "grouping", "category", "other"), _ACTIVITIES)),
        "revision": _TEXT,
        "platform": _TEXT,
        "language": _LANGUAGE,
        "extensions": _EXTENSIONS,
    }
)
SCHEMA = _object(
    {
        "id": _UUID,
        "actor": _AGENT,
        "verb": _object({"id": _IRI, "display": _TEXTS}, "id"),
        "object": _ACTIVITY,
        "result": _object(
            {
                "score": _SCORE,
                "success": _BOOLEAN,
                "completion": _BOOLEAN,
                "response": _TEXT,
                "duration": _DURATION,
                "extensions": _EXTENSIONS,
            }
        ),
        "context": _CONTEXT,
        "timestamp": _TIMESTAMP,
        "version": {"type": "string", "pattern": r"^1\.0(\.[0-9])?$"},
    },
    "actor",
    "verb",
    "object",
)
fits = jsonschema_rs.Draft202012Validator(SCHEMA, pattern_options=jsonschema_rs.RegexOptions()).is_valid
