"""Statements as files: the same ones in every form, and nothing in them that a spreadsheet would run."""

import csv
import io
import json
import sys
import threading
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from lti_mentor import clock
from lti_mentor.activity import record
from lti_mentor.app import create_app
from lti_mentor.cli import main
from lti_mentor.errors import Invalid, Refused
from lti_mentor.insight import exports
from lti_mentor.vault import Vault
from lti_mentor.web.exports import AT_ONCE
from tests.conftest import empty, gather_cast, url_of
from xapi import keys, store

AUTHORITY = {"objectType": "Agent", "account": {"homePage": "https://lms.example.org", "name": "lms"}}


def said(number, **changes):
    return {
        "actor": {"account": {"homePage": "https://lms.example.org", "name": f"person {number}"}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/scored", "display": {"en": "scored"}},
        "object": {"id": f"https://lms.example.org/quizzes/{number}", "objectType": "Activity"},
        "result": {"score": {"scaled": 0.5, "raw": -5}, "success": True},
        "timestamp": "2026-05-01T10:00:00+02:00",
        **changes,
    }


def put(database, tenant, *statements):
    with database.transaction() as db:
        return store.put(db, tenant=tenant, statements=statements, now=clock.now(), authority=AUTHORITY).ids


@pytest.fixture
def tenant(cast):
    return cast.course.organization_id


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def text_of(made, kind, columns=exports.COLUMNS):
    return "".join(exports.lines(made, kind, columns))


def test_csv_and_json_lines_have_what_the_record_store_gives(database, tenant):
    put(database, tenant, *[said(number) for number in range(1203)])
    made = exports.export(database, tenant, store.Query())
    rows, lines = rows_of(text_of(made, "csv")), text_of(made, "jsonl").splitlines()
    assert len(rows) == len(lines) == made.count() > 1203
    assert [row["id"] for row in rows] == [json.loads(line)["id"] for line in lines]
    last = rows[-1]
    assert (last["actor.account.name"], last["result.score.scaled"], last["result.score.raw"]) == (
        "person 1202",
        "0.5",
        "-5",
    )
    assert (last["result.success"], last["context.registration"]) == ("true", "")


@pytest.mark.threat("formulas")
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_of_a_text_begins_as_a_formula_does(sqlite_database, sqlite_cast, start):
    tenant = sqlite_cast.course.organization_id
    put(sqlite_database, tenant, said(1, result={"response": f'{start}HYPERLINK("http://evil.example.org")'}))
    made = exports.export(sqlite_database, tenant, store.Query())
    cells = [row["result.response"] for row in rows_of(text_of(made, "csv", ["id", "result.response"]))]
    assert cells[-1].startswith("'")
    assert not any(cell.startswith(start) for cell in cells)


def test_no_name_of_a_column_begins_as_a_formula_does(sqlite_database, sqlite_cast):
    made = exports.export(sqlite_database, sqlite_cast.course.organization_id, store.Query())
    assert text_of(made, "csv", ["=1+1", "id"]).startswith("'=1+1,id\r\n")


def test_a_path_leads_into_lists_and_extensions_and_to_whole_parts(sqlite_database):
    extension = "https://w3id.org/xapi/tla/extensions/due_date"
    whole = {"context": {"extensions": {extension: "2026-06-01"}, "list": [{"id": "a"}, {"id": "b"}]}, "a.b": 1}
    assert exports.value_at(whole, f"context.extensions.{extension}") == "2026-06-01"
    assert exports.value_at(whole, "context.list.1.id") == "b"
    assert exports.value_at(whole, "context.list.2.id") is None
    assert exports.value_at(whole, "context.list.x") is None
    assert exports.value_at(whole, "a.b") == 1
    assert exports.value_at(whole, "context.list") == [{"id": "a"}, {"id": "b"}]


def test_columns_are_few_and_each_stands_once():
    assert exports.checked([]) == exports.COLUMNS
    assert exports.checked(["verb.id", "id", "Verb.id"]) == ("verb.id", "id")
    for wrong in ([" "], [f"a{number}" for number in range(101)], ["x" * 501]):
        with pytest.raises(Invalid):
            exports.checked(wrong)


def test_voided_statements_and_those_of_others_are_left_out(database, cast, tenant):
    (first, second) = put(database, tenant, said(1), said(2))
    voiding = {
        **said(3),
        "verb": {"id": "http://adlnet.gov/expapi/verbs/voided"},
        "object": {"objectType": "StatementRef", "id": str(first)},
    }
    put(database, tenant, {name: voiding[name] for name in ("actor", "verb", "object")})
    put(database, cast.outsider.organization_id, said(4))
    found = text_of(exports.export(database, tenant, store.Query()), "jsonl")
    assert str(first) not in {json.loads(line)["id"] for line in found.splitlines()}
    assert str(second) in found
    assert "person 4" not in found


def test_an_export_never_passes_a_writer_who_is_at_work(postgres_database, loaded_settings):
    """What is written while it is read comes in the next one, and nothing is missing between the two."""
    database = postgres_database
    empty(database)
    with database.transaction() as db:
        tenant = gather_cast(db).course.organization_id
    is_open, may_end = threading.Event(), threading.Event()

    def write():
        with database.transaction() as db:
            store.put(db, tenant=tenant, statements=[said(1)], now=clock.now(), authority=AUTHORITY)
            is_open.set()
            may_end.wait(30)

    writer = threading.Thread(target=write)
    writer.start()
    assert is_open.wait(30)
    first = exports.export(database, tenant, store.Query())
    before = text_of(first, "jsonl").splitlines()
    may_end.set()
    writer.join()
    rest = exports.export(database, tenant, store.Query(since=first.wanted.until))
    after = text_of(rest, "jsonl").splitlines()
    whole = text_of(exports.export(database, tenant, store.Query()), "jsonl").splitlines()
    assert before + after == whole
    assert len(after) == 1


def test_memory_stays_the_same_however_many_there_are(sqlite_database, sqlite_cast):
    tenant = sqlite_cast.course.organization_id
    peaks = []
    for many in (1000, 4000):
        for _ in range(many // 500):
            put(sqlite_database, tenant, *[said(number) for number in range(500)])
        made = exports.export(sqlite_database, tenant, store.Query())
        tracemalloc.start()
        for _ in exports.lines(made, "csv", exports.COLUMNS):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5


@pytest.fixture
def installation(database, cast, monkeypatch, loaded_settings):
    monkeypatch.setenv("LTI_MENTOR_DATABASE_URL", url_of(database))
    monkeypatch.setenv("LTI_MENTOR_SECRET_KEY", loaded_settings.secret_key[0])
    return database


def export_to(file, *options):
    return CliRunner().invoke(main, ["export", "--organization", "Home", *options, str(file)])


def test_a_parquet_export_read_back_with_duckdb_counts_the_same_statements(installation, tenant, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    put(installation, tenant, *[said(number, timestamp="2026-05-01T10:00Z") for number in range(700)])
    file = tmp_path / "statements.parquet"
    done = export_to(file, "--format", "parquet")
    assert done.exit_code == 0, done.output
    made = exports.export(installation, tenant, store.Query())
    found = duckdb.execute(
        f"""SELECT count(*), sum("result.score.scaled"), count(DISTINCT "actor.account.name"), min("timestamp")::VARCHAR
        FROM '{file}' WHERE "verb.id" LIKE '%/scored'"""
    ).fetchone()
    assert found == (700, 350.0, 700, "2026-05-01 10:00:00+00")
    (rows,) = duckdb.execute(f"SELECT count(*) FROM '{file}'").fetchone()
    assert rows == made.count()
    kept = [
        json.loads(text) for (text,) in duckdb.execute(f"SELECT statement FROM '{file}' ORDER BY stored").fetchall()
    ]
    assert kept == [each for batch in made.batches() for each in batch]


def test_the_command_writes_the_file_says_how_many_and_is_on_record(installation, tenant, tmp_path):
    put(installation, tenant, said(1))
    file = tmp_path / "statements.csv"
    done = export_to(file, "--column", "id", "--column", "verb.id")
    assert done.exit_code == 0, done.output
    rows = rows_of(file.read_text())
    assert set(rows[0]) == {"id", "verb.id"}
    assert f"{len(rows)} statements of Home are in" in done.output
    assert list(tmp_path.glob("*.part")) == []
    later = export_to(tmp_path / "later.jsonl", "--format", "jsonl", "--since", f"{clock.now() + timedelta(days=1):%F}")
    assert "0 statements" in later.output
    assert "Give a day" in export_to(file, "--since", "soon").output


def test_a_column_that_is_called_as_the_whole_statement_is_the_whole_statement(sqlite_database, sqlite_cast, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    made = exports.export(sqlite_database, sqlite_cast.course.organization_id, store.Query())
    with (tmp_path / "made.parquet").open("w+b") as file:
        exports.write_parquet(made, ["id", "Statement", "STATEMENT"], file)
    found = duckdb.execute(f"SELECT * FROM '{tmp_path / 'made.parquet'}'")
    assert [each[0] for each in found.description] == ["id", "statement"]
    assert all(json.loads(statement)["id"] == key for key, statement in found.fetchall())


def test_a_file_that_cannot_be_made_is_refused_with_a_reason(sqlite_database, sqlite_cast, tmp_path):
    pytest.importorskip("duckdb")
    made = exports.export(sqlite_database, sqlite_cast.course.organization_id, store.Query())
    with Path("/dev/full").open("wb") as file, pytest.raises(Refused, match=r"export\.no_file"):
        exports.write_parquet(made, ["id"], file)


def test_the_command_says_why_a_file_cannot_be_written_and_leaves_nothing(installation, tenant, tmp_path, monkeypatch):
    there = export_to(tmp_path / "nowhere" / "statements.csv")
    assert (there.exit_code, type(there.exception)) == (1, SystemExit)
    assert "cannot be written: No such file or directory." in there.output
    monkeypatch.setitem(sys.modules, "duckdb", None)
    without = export_to(tmp_path / "statements.parquet", "--format", "parquet")
    assert without.exit_code == 1
    assert "pip install lti-mentor[parquet]" in without.output
    assert list(tmp_path.glob("statements*")) == []


@pytest.fixture
def key(database, tenant, loaded_settings):
    with database.transaction() as db:
        return keys.add(
            db,
            tenant=tenant,
            label="BI",
            now=clock.now(),
            scopes=(keys.READ,),
            fingerprint=lambda text: record.key_hashes(db, Vault(loaded_settings.secret_key), text)[0],
        )


@pytest.fixture
def client(database, loaded_settings):
    return create_app(loaded_settings, database).test_client()


def test_a_key_reads_the_files_of_its_organization(database, client, cast, tenant, key):
    put(database, tenant, said(1))
    put(database, cast.outsider.organization_id, said(2))
    answer = client.get("/api/statements.csv?columns=id,actor.account.name", auth=key)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].endswith('.csv"')
    names = [row["actor.account.name"] for row in rows_of(answer.text)]
    assert len(names) == int(answer.headers["X-Total-Count"])
    assert "person 1" in names
    assert "person 2" not in names
    lines = client.get("/api/statements.jsonl?activity=https://lms.example.org/quizzes/1", auth=key).text.splitlines()
    assert [json.loads(line)["actor"]["account"]["name"] for line in lines] == ["person 1"]


def test_parquet_comes_over_http_too(database, client, tenant, key, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    put(database, tenant, said(1))
    answer = client.get("/api/statements.parquet", auth=key, buffered=True)
    assert answer.status_code == 200
    file = tmp_path / "got.parquet"
    file.write_bytes(answer.data)
    (rows,) = duckdb.execute(f"SELECT count(*) FROM '{file}'").fetchone()
    assert rows == int(answer.headers["X-Total-Count"])


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("statements.csv?since=soon", 400),
        ("statements.csv?verb=nope", 400),
        ("statements.csv?Verb=x", 400),
        ("statements.csv?columns=" + ",".join(f"c{number}" for number in range(200)), 400),
        ("statements.jsonl?columns=id", 400),
        ("statements.xlsx", 404),
        ("", 404),
    ],
)
def test_what_cannot_be_meant_is_said_in_json(client, key, address, status):
    answer = client.get(f"/api/{address}", auth=key)
    assert answer.status_code == status
    assert set(answer.json) == {"error", "message"}
    refused = client.post("/api/statements.csv", auth=key)
    assert (refused.status_code, set(refused.json)) == (405, {"error", "message"})


def test_two_files_at_once_leave_room_for_everybody_else(database, client, tenant, key):
    put(database, tenant, *[said(number) for number in range(600)])
    first, second = (client.get("/api/statements.jsonl", auth=key) for _ in range(AT_ONCE))
    third = client.get("/api/statements.jsonl", auth=key)
    assert (third.status_code, third.json["error"]) == (429, "export.too_many")
    assert int(third.headers["Retry-After"]) > 0
    assert client.get("/api/openapi.json").status_code == 200
    first.close()
    assert client.get("/api/statements.jsonl", auth=key).text == second.text


def test_a_head_makes_no_file(database, client, tenant, key):
    pytest.importorskip("duckdb")
    for _ in range(AT_ONCE + 1):
        answer = client.head("/api/statements.parquet", auth=key)
        assert answer.status_code == 200
        assert int(answer.headers["X-Total-Count"]) > 0
        assert "Content-Length" not in answer.headers
        answer.close()


@pytest.mark.parametrize("kind", exports.FORMATS)
def test_the_document_names_the_parameters_that_there_are(client, key, kind):
    operation = client.get("/api/openapi.json").json["paths"][f"/api/statements.{kind}"]["get"]
    described = {each["name"] for each in operation["parameters"]}
    tried = described | {"columns", "limit", "related_agents", "format"}
    taken = set()
    for name in tried:
        with client.get(f"/api/statements.{kind}?{name}=%00", auth=key) as answer:
            if "There is no parameter" not in answer.text:
                taken.add(name)
            assert str(answer.status_code) in operation["responses"]
    assert taken == described


def test_strangers_and_keys_without_the_scope_get_nothing(database, client, cast, tenant, loaded_settings):
    with database.transaction() as db:
        writer = keys.add(
            db,
            tenant=tenant,
            label="LMS",
            now=clock.now(),
            scopes=(keys.WRITE,),
            fingerprint=lambda text: record.key_hashes(db, Vault(loaded_settings.secret_key), text)[0],
        )
    assert client.get("/api/statements.csv").status_code == 401
    assert client.get("/api/statements.csv", auth=("no", "no")).status_code == 401
    assert client.get("/api/statements.csv", auth=writer).status_code == 403


def test_a_key_that_reads_its_own_statements_alone_exports_no_others(database, client, tenant, loaded_settings):
    with database.transaction() as db:
        own = keys.add(
            db,
            tenant=tenant,
            label="Quiz",
            now=clock.now(),
            scopes=(keys.WRITE, keys.READ_MINE),
            fingerprint=lambda text: record.key_hashes(db, Vault(loaded_settings.secret_key), text)[0],
        )
    version = {"X-Experience-API-Version": "1.0.3"}
    put(database, tenant, said(1))
    assert client.post("/xapi/statements", json=said(2), auth=own, headers=version).status_code == 200
    lines = client.get("/api/statements.jsonl", auth=own).text.splitlines()
    assert [json.loads(line)["actor"]["account"]["name"] for line in lines] == ["person 2"]


def test_the_document_of_the_api_names_every_address(client):
    answer = client.get("/api/openapi.json")
    assert answer.status_code == 200
    document = answer.json
    assert document["openapi"].startswith("3.1")
    described = {(path, method.upper()) for path, each in document["paths"].items() for method in each}
    there = set()
    for rule in client.application.url_map.iter_rules():
        if rule.endpoint.startswith(("api.", "operation.")):
            paths = [str(rule)]
            if "<" in str(rule):
                start = str(rule).split("<")[0]
                paths = [f"{start}{kind}" for kind in exports.FORMATS]
            there |= {(path, method) for path in paths for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert described == there


def test_the_document_of_the_api_holds_together(client):
    document = client.get("/api/openapi.json").json
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/')[1:]}:
        found = document
        for name in reference.split("/"):
            found = found[name]
    for operation in operations:
        assert operation["summary"]
        assert all(answer["description"] for answer in operation["responses"].values())
        schemes = {name for need in operation["security"] for name in need}
        assert schemes <= set(document["components"]["securitySchemes"])
    assert "xAPI" in document["externalDocs"]["description"]
