"""The baseline of storing: a small Flask application that inserts what it is sent, with nothing checked."""

import json
import uuid

from flask import Flask, Response, jsonify, request

from lti_mentor import clock
from lti_mentor.db import connect

_COLUMNS = ("id", "stored", "agent", "verb", "activity", "body")


def create(url: str) -> Flask:
    """Behind the database settings of LTI Mentor: one table, four more indexes, one transaction a request."""
    app, engine = Flask("bare_store"), connect(url).engine
    mark = "?" if engine.dialect.name == "sqlite" else "%s"
    adding = f"INSERT INTO bare ({', '.join(_COLUMNS)}) VALUES ({', '.join([mark] * len(_COLUMNS))})"

    @app.post("/xapi/statements")
    def take() -> Response:
        given = json.loads(request.get_data())
        stored = clock.now().isoformat()
        rows = [_row(each, stored) for each in (given if isinstance(given, list) else [given])]
        with engine.begin() as connection:
            connection.exec_driver_sql(adding, rows)
        return jsonify([row[0] for row in rows])

    return app


def _row(statement: dict, stored: str) -> tuple[str, ...]:  # type: ignore[type-arg]
    agent, verb, activity = statement["actor"]["account"]["name"], statement["verb"]["id"], statement["object"]["id"]
    return str(uuid.uuid4()), stored, agent, verb, activity, json.dumps(statement | {"stored": stored})


def prepare(url: str) -> None:
    with connect(url).engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS bare")
        columns = "id TEXT PRIMARY KEY, stored TEXT, agent TEXT, verb TEXT, activity TEXT, body TEXT"
        connection.exec_driver_sql(f"CREATE TABLE bare ({columns})")
        for name in ("stored", "agent", "verb", "activity"):
            connection.exec_driver_sql(f"CREATE INDEX bare_{name} ON bare ({name})")
