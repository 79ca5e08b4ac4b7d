"""The commands of the guide for other tools run, on an export of the tool."""

import re
from pathlib import Path

import pytest

from lti_mentor.insight import exports
from tests.insight.test_exports import put, said
from xapi import store

GUIDE = (Path(__file__).parents[2] / "docs" / "bi.md").read_text()
QUERIES = re.findall(r"```sql\n(.*?)```", GUIDE, re.S)
duckdb = pytest.importorskip("duckdb")


@pytest.fixture
def folder(sqlite_database, sqlite_cast, tmp_path, monkeypatch):
    tenant = sqlite_cast.course.organization_id
    quiz = {"object": {"id": "https://lms.example.org/quizzes/1", "objectType": "Activity"}}
    put(sqlite_database, tenant, *[said(number, **quiz) for number in range(12)])
    made = exports.export(sqlite_database, tenant, store.Query())
    with (tmp_path / "statements.parquet").open("w+b") as file:
        exports.write_parquet(made, exports.COLUMNS, file)
    (tmp_path / "statements.jsonl").write_text("".join(exports.lines(made, "jsonl", exports.COLUMNS)))
    (tmp_path / "statements.csv").write_text("".join(exports.lines(made, "csv", exports.COLUMNS)))
    monkeypatch.chdir(tmp_path)
    return made


def test_the_guide_has_queries():
    assert len(QUERIES) == 4


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_guide_finds_something(folder, query):
    rows = duckdb.execute(query).fetchall()
    assert rows
    names = [each[0] for each in duckdb.execute(query).description]
    if "statements" in names:
        assert sum(row[names.index("statements")] for row in rows) == folder.count()


def test_the_activity_of_ten_people_has_its_mean(folder):
    (query,) = [each for each in QUERIES if "HAVING" in each]
    assert duckdb.execute(query).fetchall() == [("https://lms.example.org/quizzes/1", 12, 0, 0.5)]


def test_csv_and_parquet_say_the_same(folder):
    columns = 'id, "verb.id", "result.score.scaled"::DOUBLE, stored::TIMESTAMPTZ'
    csv, parquet = (f"SELECT {columns} FROM 'statements.{kind}'" for kind in ("csv", "parquet"))
    assert duckdb.execute(f"{csv} EXCEPT {parquet}").fetchall() == []
    assert duckdb.execute(f"SELECT count(*) FROM ({csv})").fetchone() == (folder.count(),)
