"""What whoever runs the installation asks: does it live, is it ready, and the numbers."""

import os
import re
import signal
import socket
import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest
import requests
from sqlalchemy import text

from lti_mentor import clock, migrations, operation, queue
from lti_mentor.activity.outside import TargetDraft
from lti_mentor.app import create_app
from lti_mentor.db import connect
from lti_mentor.jobs import worker
from lti_mentor.mentoring import organizations
from lti_mentor.operation import gauge
from lti_mentor.settings import SettingsError, load
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from lti_mentor.web.measured import SIZE, Measures
from tests.conftest import SECRET, url_of
from tests.support import processes
from tests.support.outside import add, say, statement
from xapi import outbox
from xapi.rows import Target

DELIVERY = ("waiting", "not_queued", "oldest_seconds", "dead", "down", "errors_total", "sent_total")
TOKEN = "a token that is only used by the tests of the numbers"


@pytest.fixture
def client(database, loaded_settings):
    return create_app(replace(loaded_settings, metrics_token=TOKEN), database).test_client()


def numbers(client):
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200, answer.text
    assert answer.content_type.startswith("text/plain; version=0.0.4")
    return dict(re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", answer.text, re.M))


def test_a_tool_without_work_is_ready(client):
    assert client.get("/healthz").json == {"status": "ok"}
    assert (client.get("/readyz").status_code, client.get("/readyz").json) == (200, {"status": "ok"})


def test_it_says_that_work_waits_for_a_worker_and_answers_requests_all_the_same(database, client, loaded_settings):
    worker.schedule(database)
    assert client.get("/readyz").status_code == 200
    with database.transaction() as db:
        db.execute(text("UPDATE jobs SET run_after = :at"), {"at": clock.now() - timedelta(minutes=11)})
    assert (client.get("/readyz").status_code, client.get("/readyz").json) == (200, {"status": "no worker"})
    assert worker.work_once(Tool(loaded_settings, database, Vault(loaded_settings.secret_key)))
    assert client.get("/readyz").json == {"status": "ok"}


def test_it_is_not_ready_on_the_schema_of_another_version(sqlite_database, loaded_settings):
    client = create_app(loaded_settings, sqlite_database).test_client()
    with sqlite_database.transaction() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert (client.get("/readyz").status_code, client.get("/readyz").json) == (503, {"status": "not migrated"})


def test_it_is_not_ready_while_the_database_is_away(loaded_settings, tmp_path):
    away = connect(f"sqlite:///{tmp_path}/nowhere/mentor.db")
    client = create_app(loaded_settings, away).test_client()
    assert [client.get(page).json for page in ("/healthz", "/readyz")] == [{"status": "no database"}] * 2
    assert client.get("/readyz").status_code == 503


def test_asking_whether_it_is_ready_waits_for_no_writer(sqlite_database, loaded_settings):
    client = create_app(loaded_settings, sqlite_database).test_client()
    with sqlite_database.transaction():
        assert migrations.is_current(sqlite_database)
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer another"}, 401),
        ({"Authorization": "Basic eDp5"}, 401),
        ({"Authorization": "Bearer ü"}, 401),
    ],
)
def test_nobody_reads_the_numbers_without_the_token(client, headers, status):
    answer = client.get("/metrics", headers={name: value.encode().decode("latin-1") for name, value in headers.items()})
    assert (answer.status_code, "lti_mentor_" in answer.text) == (status, False)


def test_nobody_reads_the_numbers_where_no_token_is_set(sqlite_database, loaded_settings):
    client = create_app(loaded_settings, sqlite_database).test_client()
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


def test_a_short_token_is_refused_at_start():
    with pytest.raises(SettingsError, match="metrics_token"):
        load({"LTI_MENTOR_SECRET_KEY": SECRET, "LTI_MENTOR_METRICS_TOKEN": "short"})


def test_the_numbers_are_about_requests_statements_and_jobs(database, cast, client, loaded_settings):
    for _ in range(3):
        client.get("/healthz")
    client.get("/nowhere")
    worker.schedule(database)
    found = numbers(client)
    assert found['lti_mentor_requests_total{endpoint="operation.health",status="200"}'] == "3"
    assert found['lti_mentor_requests_total{endpoint="none",status="404"}'] == "1"
    assert found['lti_mentor_request_seconds_bucket{endpoint="operation.health",le="+Inf"}'] == "3"
    assert found['lti_mentor_request_seconds_count{endpoint="operation.health"}'] == "3"
    with database.reading() as db:
        stored = db.execute(text("SELECT count(*) FROM xapi_statements")).scalar_one()
    assert found["lti_mentor_statements_taken_total"] == str(stored) != "0"
    assert found['lti_mentor_jobs{state="due"}'] == str(len(worker.STEPS))
    assert float(found["lti_mentor_job_oldest_due_seconds"]) >= 0
    assert "lti_mentor_worker_seen_timestamp_seconds" not in found
    assert worker.work_once(Tool(loaded_settings, database, Vault(loaded_settings.secret_key)))
    assert float(numbers(client)["lti_mentor_worker_seen_timestamp_seconds"]) > 1_700_000_000


def test_the_numbers_that_need_no_database_are_there_without_one(database, loaded_settings, tmp_path):
    away = connect(f"sqlite:///{tmp_path}/nowhere/mentor.db")
    client = create_app(replace(loaded_settings, metrics_token=TOKEN), away).test_client()
    client.get("/healthz")
    found = numbers(client)
    assert found["lti_mentor_database_up"] == "0"
    assert found['lti_mentor_requests_total{endpoint="operation.health",status="503"}'] == "1"
    there = create_app(replace(loaded_settings, metrics_token=TOKEN), database).test_client()
    assert numbers(there)["lti_mentor_database_up"] == "1"


def test_each_record_store_outside_has_numbers_of_its_own(database, cast, client, loaded_settings):
    home = cast.course.organization_id
    draft = TargetDraft(label='Ware"house', endpoint="https://lrs.example.org/xapi", key="us", secret="theirs")
    target = add(database, loaded_settings, home, draft)
    say(database, home, [statement(1), statement(2)])
    with database.transaction() as db:
        kept = db.get_one(Target, (home, target.id))
        kept.errors, kept.delivered = 7, 40
    found, labels = numbers(client), f'{{target="{target.id}",label="Ware\\"house"}}'
    said = {name: found[f"lti_mentor_delivery_{name}{labels}"] for name in DELIVERY}
    assert float(said.pop("oldest_seconds")) >= 0
    others = {"dead": "0", "down": "0", "errors_total": "7", "sent_total": "40"}
    assert said == {"waiting": "2", "not_queued": "0", **others}


def test_older_statements_that_are_asked_for_are_counted_before_they_wait(database, client, loaded_settings):
    with database.transaction() as db:
        home = organizations.named(db, "Home").id
    say(database, home, [statement(number) for number in range(3)])
    draft = TargetDraft(label="W", endpoint="https://lrs.example.org/xapi", key="us", secret="theirs")
    target = add(database, loaded_settings, home, replace(draft, since=clock.now() - timedelta(days=1)))
    say(database, home, [statement(3)])

    def said():
        found = numbers(client)
        names = ("waiting", "not_queued")
        return [found[f'lti_mentor_delivery_{name}{{target="{target.id}",label="W"}}'] for name in names]

    assert said() == ["1", "3"]
    with database.transaction() as db:
        outbox.accepted(db, target)
        now = clock.now()
        outbox.take(db, outbox.claim(db, now=now, until=now), now=now, until=now)
    assert said() == ["4", "0"]


def test_more_numbers_are_a_function_more(client, monkeypatch):
    delivery = lambda db: gauge("lti_mentor_waiting", "Statements that wait.", ('{target="x"}', 2))  # noqa: E731
    monkeypatch.setattr(operation, "READINGS", [*operation.READINGS, delivery])
    assert numbers(client)['lti_mentor_waiting{target="x"}'] == "2"


def test_workers_of_another_version_begin_to_count_anew():
    memory = bytearray(SIZE)
    before, after = Measures(memory), Measures(memory)
    before.know(["a"])
    before.add("a", 200, 0.1)
    before.know(["a"])
    assert 'lti_mentor_requests_total{endpoint="a",status="200"} 1' in list(before.lines())
    after.know(["a", "b"])
    assert not [line for line in after.lines() if not line.startswith("#")]


def test_a_job_that_is_worked_on_or_fails_or_is_put_aside_is_counted_apart(database):
    with database.transaction() as db:
        for name in ("a", "b", "c", "d"):
            queue.add(db, "upkeep", unique_key=name)
        queue.claim(db, lease_seconds=60)
        db.execute(text("UPDATE jobs SET status = 'dead' WHERE unique_key = 'c'"))
        db.execute(text("UPDATE jobs SET attempts = 10, run_after = '2099-01-01' WHERE unique_key = 'd'"))
    with database.reading() as db:
        state = queue.state(db)
    assert (state.due, state.working, state.failing, state.dead) == (1, 1, 1, 1)


def test_all_workers_count_together_and_one_that_is_killed_takes_nothing_along(sqlite_database):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    environment = {"DATABASE_URL": url_of(sqlite_database), "BASE_URL": address, "SECRET_KEY": SECRET}

    def count():
        text = requests.get(f"{address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20).text
        (found,) = re.findall(r'lti_mentor_requests_total\{endpoint="api.describe",status="200"\} (\d+)', text)
        return int(found)

    with processes.running(
        "serve", "--port", str(port), "--workers", "2", METRICS_TOKEN=TOKEN, **environment
    ) as process:
        asked = 0
        while process.poll() is None and asked < 40:
            try:
                assert requests.get(f"{address}/api/openapi.json", timeout=20).status_code == 200
                asked += 1
            except requests.ConnectionError:
                assert asked == 0
        assert {count() for _ in range(10)} == {40}
        children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
        os.kill(int(children.stdout.split()[0]), signal.SIGKILL)
        assert {count() for _ in range(10)} == {40}
