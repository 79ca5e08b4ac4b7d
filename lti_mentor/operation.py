"""For whoever runs the installation: does it live, may it have requests, and how is it doing in numbers."""

import hmac
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify, request
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from lti_mentor import clock, migrations, queue
from lti_mentor.errors import SettingsError
from lti_mentor.web import measured
from lti_mentor.web.tool import tool
from xapi import outbox
from xapi.outbox import Standing
from xapi.rows import Head, Target

operation = Blueprint("operation", __name__)
Answer = tuple[Response, int]


@operation.get("/healthz")
def health() -> Answer:
    """Whether the database answers and is prepared."""
    try:
        with tool().database.reading() as db:
            prepared = db.execute(text("SELECT count(*) FROM installation")).scalar_one()
    except SQLAlchemyError:
        return jsonify(status="no database"), 503
    return (jsonify(status="ok"), 200) if prepared else (jsonify(status="not prepared"), 503)


@operation.get("/readyz")
def readiness() -> Answer:
    """Whether requests can be answered: the database is there, with the newest schema.

    That work waits and no worker takes it is said too, but pages answer without one.
    """
    try:
        is_current = migrations.is_current(tool().database)
        with tool().database.reading() as db:
            state = queue.state(db) if is_current else None
    except (SQLAlchemyError, SettingsError):
        return jsonify(status="no database"), 503
    if state is None:
        return jsonify(status="not migrated"), 503
    if state.waits_in_vain:
        return jsonify(status="no worker"), 200
    return jsonify(status="ok"), 200


@operation.get("/metrics")
def metrics() -> Answer:
    """Numbers in Prometheus' text format, for whoever has the token of the settings."""
    token, given = tool().settings.metrics_token, request.authorization
    sent = given.token if given is not None and given.type == "bearer" else None
    if not token:
        return jsonify(error="metrics.off", message="Set metrics_token to see numbers here."), 404
    if sent is None or not hmac.compare_digest(sent.encode(), token.encode()):
        answer = jsonify(error="metrics.token", message="Send the token with Authorization: Bearer TOKEN.")
        answer.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
        return answer, 401
    lines, known, is_up = list(measured.measures().lines()), [], 1.0
    try:
        with tool().database.reading() as db:
            for read in READINGS:
                known += [*read(db)]
    except SQLAlchemyError:
        known, is_up = [], 0.0
    lines += [*known, *gauge("lti_mentor_database_up", "1 while the database answers.", ("", is_up))]
    return Response("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4; charset=utf-8"), 200


# What the database knows: each gives lines of Prometheus' text format ---------------------------------------------


def gauge(name: str, explained: str, *values: tuple[str, float]) -> Iterator[str]:
    """Labels, such as ``{target="x"}`` or nothing, with the number of each."""
    yield f"# HELP {name} {explained}"
    yield f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}"
    yield from (f"{name}{labels} {value:.10g}" for labels, value in values)


def _statements(db: Session) -> Iterator[str]:
    taken = db.scalars(select(func.coalesce(func.sum(Head.last_seq), 0))).one()
    explained = "Statements that were taken, those that were here already among them."
    yield from gauge("lti_mentor_statements_taken_total", explained, ("", float(taken)))


def _jobs(db: Session) -> Iterator[str]:
    state, now = queue.state(db), clock.now()
    waited = (now - state.oldest_due).total_seconds() if state.oldest_due else 0.0
    yield from gauge(
        "lti_mentor_jobs",
        "Jobs: due and not begun, being worked on, failing again and again, put aside after many failures.",
        ('{state="due"}', state.due),
        ('{state="working"}', state.working),
        ('{state="failing"}', state.failing),
        ('{state="dead"}', state.dead),
    )
    yield from gauge("lti_mentor_job_oldest_due_seconds", "How long the oldest due job waits.", ("", waited))
    if state.worker_seen is not None:
        seen = ("", (state.worker_seen - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
        yield from gauge("lti_mentor_worker_seen_timestamp_seconds", "When a worker last took a job.", seen)


def _delivery(db: Session) -> Iterator[str]:
    standings, now = outbox.standings(db), clock.now()

    def each(number: Callable[[Standing], float]) -> list[tuple[str, float]]:
        return [(_labels(standing.target), number(standing)) for standing in standings]

    left = each(lambda standing: standing.target.queue_until - standing.target.queued_seq)
    waited = each(lambda standing: (now - standing.oldest).total_seconds() if standing.oldest else 0.0)
    yield from gauge("lti_mentor_delivery_waiting", "Statements that wait.", *each(lambda standing: standing.waiting))
    yield from gauge("lti_mentor_delivery_not_queued", "Older statements to be looked through before they wait.", *left)
    yield from gauge("lti_mentor_delivery_oldest_seconds", "How long the oldest waits.", *waited)
    yield from gauge("lti_mentor_delivery_dead", "Statements that were refused.", *each(lambda standing: standing.dead))
    yield from gauge("lti_mentor_delivery_down", "1 while nothing gets through.", *each(lambda one: one.is_down))
    errors, done = each(lambda standing: standing.target.errors), each(lambda standing: standing.target.delivered)
    yield from gauge("lti_mentor_delivery_errors_total", "Answers that were none or refused.", *errors)
    yield from gauge("lti_mentor_delivery_sent_total", "Statements that are there.", *done)


def _labels(target: Target) -> str:
    label = target.label.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{target="{target.id}",label="{label}"}}'


Reading = Callable[[Session], Iterator[str]]
READINGS: list[Reading] = [_statements, _jobs, _delivery]  # whoever has more numbers adds a function here
