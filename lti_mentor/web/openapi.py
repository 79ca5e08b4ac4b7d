"""The OpenAPI document of our own API. xAPI is described by its own standard (IEEE 9274.1.1): the document links it."""

from typing import Any

from lti_mentor.insight.exports import COLUMNS, FORMATS

Thing = dict[str, Any]
XAPI = "https://github.com/adlnet/xAPI-Spec"
_DESCRIPTION = """Statements as files, and how the installation is doing.

Single statements are written and read by xAPI 1.0.3 and 2.0 at `/xapi`, with the same keys. Keys are made with
`lti-mentor lrs key add`; one of a program or course exports the statements that name it."""


def document(base_url: str) -> Thing:
    """OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "LTI Mentor",
            "version": "1",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "externalDocs": {"description": "xAPI, spoken at /xapi", "url": XAPI},
        "servers": [{"url": base_url}],
        "tags": [{"name": "statements"}, {"name": "operation"}],
        "paths": {
            "/api/openapi.json": {"get": _open("describe", "This document", "statements")},
            **{f"/api/statements.{kind}": {"get": _export(kind)} for kind in FORMATS},
            "/healthz": {"get": _state("health", "Whether the database answers and is prepared")},
            "/readyz": {
                "get": _state(
                    "readiness", "Whether requests can be answered; 200 with `no worker` where work waits for one"
                )
            },
            "/metrics": {"get": _metrics()},
        },
        "components": {
            "securitySchemes": {
                "key": {"type": "http", "scheme": "basic", "description": "A key of the record store and its secret"},
                "token": {"type": "http", "scheme": "bearer", "description": "The setting metrics_token"},
            },
            "schemas": {
                "Problem": _object(error="A stable code", message="What to do"),
                "State": _object(status="ok, or what is missing"),
            },
        },
    }


def _object(**properties: str) -> Thing:
    described = {name: {"type": "string", "description": text} for name, text in properties.items()}
    return {"type": "object", "required": list(properties), "properties": described}


def _json(schema: Thing) -> Thing:
    return {"application/json": {"schema": schema}}


def _problem(description: str) -> Thing:
    return {"description": description, "content": _json({"$ref": "#/components/schemas/Problem"})}


def _open(name: str, summary: str, tag: str) -> Thing:
    answer = {"description": summary, "content": _json({"type": "object"})}
    return {"operationId": name, "summary": summary, "tags": [tag], "security": [], "responses": {"200": answer}}


def _state(name: str, summary: str) -> Thing:
    state = _json({"$ref": "#/components/schemas/State"})
    answers = {"200": {"description": "Yes", "content": state}, "503": {"description": "No", "content": state}}
    return {"operationId": name, "summary": summary, "tags": ["operation"], "security": [], "responses": answers}


def _metrics() -> Thing:
    return {
        "operationId": "metrics",
        "summary": "Numbers in Prometheus' text format",
        "tags": ["operation"],
        "security": [{"token": []}],
        "responses": {
            "200": {"description": "The numbers", "content": {"text/plain": {"schema": {"type": "string"}}}},
            "401": _problem("The token is missing or wrong"),
            "404": _problem("No token is set, so nobody reads them"),
        },
    }


_TIME = {"type": "string", "format": "date-time"}
_FILTERS: dict[str, tuple[str, Thing]] = {
    "since": ("Stored after this time", _TIME),
    "until": ("Stored up to this time", _TIME),
    "verb": ("IRI of the verb", {"type": "string", "format": "iri"}),
    "activity": ("IRI of an activity that the statement is about or names", {"type": "string", "format": "iri"}),
    "agent": ("An agent as JSON, as in xAPI; anywhere in the statement", {"type": "string"}),
    "registration": ("The mentorship", {"type": "string", "format": "uuid"}),
}
_COLUMNS = (
    "columns",
    "Paths with commas between, such as `id,result.score.scaled`; what is not said is empty.",
    {"type": "string", "default": ",".join(COLUMNS)},
)


def _parameter(name: str, description: str, schema: Thing) -> Thing:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _export(kind: str) -> Thing:
    words = {"csv": "CSV", "jsonl": "JSON Lines", "parquet": "Parquet"}
    given = [_parameter(name, *described) for name, described in _FILTERS.items()]
    content = {FORMATS[kind]: {} if kind == "parquet" else {"schema": {"type": "string"}}}
    count = {"description": "How many statements", "schema": {"type": "integer"}}
    answers = {
        "200": {"description": "The file", "headers": {"X-Total-Count": count}, "content": content},
        "400": _problem("A parameter cannot be used"),
        "401": _problem("The key is missing or over, or its secret is wrong"),
        "403": _problem("The key lacks the scope statements/read"),
        "429": _problem("Other files are being made: wait as long as Retry-After says"),
        "503": _problem("The database does not answer"),
    }
    if kind != "jsonl":
        given.append(_parameter(*_COLUMNS))
    if kind == "parquet":
        answers["409"] = _problem("The file could not be made")
        answers["501"] = _problem("DuckDB is not installed")
    return {
        "operationId": f"export_{kind}",
        "summary": f"Statements as {words[kind]}, oldest first; voided ones are left out",
        "tags": ["statements"],
        "security": [{"key": []}],
        "parameters": given,
        "responses": answers,
    }
