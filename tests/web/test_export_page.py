"""How an export ends, and what its page says meanwhile."""

import html
import json
import re
import threading

import pytest
from sqlalchemy import select

from lti_mentor.mentoring import people
from lti_mentor.web.exports import AT_ONCE, ExportRun, begin
from tests.support.member import Member
from tests.web.test_insight import FOREIGN, put

VOIDED = {"id": "http://adlnet.gov/expapi/verbs/voided", "display": {"en": "voided"}}


@pytest.fixture
def reader(database, cast, loaded_settings):
    """An analyst with the right to records."""
    with database.transaction() as db:
        people.grant(db, cast.analyst, "records")
    return Member(database, loaded_settings, cast.analyst, cast.course)


def ask(reader, key="a", **typed):
    """The answer, of which no more than the beginning is taken yet."""
    return reader.post("insight/export/file", "insight/export", form_key=key, **{"format": "jsonl", **typed})


def told(reader, key="a", seen=""):
    return reader.get(f"insight/export/progress?form_key={key}&seen={seen}").text


def test_what_was_voided_while_it_was_read_is_not_counted_as_in_the_file(database, cast, reader):
    ids = put(database, cast, *[FOREIGN] * 1000)
    answer = ask(reader)
    voiding = {"verb": VOIDED, "object": {"objectType": "StatementRef", "id": str(ids[-1])}}
    put(database, cast, {**FOREIGN, **voiding, "result": {}})
    found = [json.loads(line)["id"] for line in answer.text.splitlines()]
    assert str(ids[-1]) not in found
    assert len(found) == int(answer.headers["X-Total-Count"]) - 1
    assert f"All {len(found):,} statements are in the file." in told(reader)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_nothing_is_said_to_be_in_the_file_before_it_was_taken(database, cast, reader, kind):
    pytest.importorskip("duckdb")
    put(database, cast, *[FOREIGN] * 100)
    answer = ask(reader, format=kind)
    assert "✓" not in told(reader)
    assert answer.data
    assert "✓" in told(reader)


def test_whoever_leaves_in_the_middle_is_told_that_it_was_cut_off(database, cast, reader):
    put(database, cast, *[FOREIGN] * 1000)
    for _ in range(AT_ONCE + 1):  # each gives its place back
        answer = ask(reader)
        assert answer.status_code == 200
        next(answer.iter_encoded())
        answer.close()
    assert "The download was cut off after" in told(reader)


def test_whoever_has_to_wait_is_told_so_and_the_page_does_not_wait_for_a_file(database, cast, reader):
    put(database, cast, *[FOREIGN] * 600)
    others = [ask(reader, key) for key in ("b", "c")]
    refused = ask(reader)
    assert (refused.status_code, len(others)) == (429, AT_ONCE)
    assert "Other files are being made right now." in refused.text
    assert int(refused.headers["Retry-After"]) > 0
    assert "The download did not begin." in told(reader)
    for other in others:
        other.close()
    assert ask(reader).data
    assert "✓" in told(reader)


def test_a_form_that_is_sent_again_is_not_taken_for_the_one_before(database, cast, reader):
    put(database, cast, FOREIGN)
    assert ask(reader).data
    part = told(reader)
    seen = html.unescape(re.search(r"seen=([^\"&]+)", part)[1])
    again = told(reader, seen=seen)
    assert "Begins in a moment" in again
    assert "every 1s" in again
    assert html.unescape(re.search(r"seen=([^\"&]+)", again)[1]) == seen
    assert ask(reader).data
    assert "✓" in told(reader, seen=seen)


def test_a_form_that_is_sent_twice_at_once_is_one_run(database, cast):
    together, runs = threading.Barrier(2), []

    def send():
        together.wait(30)
        with database.transaction() as db:
            runs.append(begin(db, cast.analyst, "a"))

    senders = [threading.Thread(target=send) for _ in range(2)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert len(runs) == 2
    with database.reading() as db:
        assert {*runs} == {db.scalars(select(ExportRun.id)).one()}


def test_a_download_is_whole_although_nothing_can_be_written_down(sqlite_database, sqlite_cast, loaded_settings):
    with sqlite_database.transaction() as db:
        people.grant(db, sqlite_cast.analyst, "records")
    reader = Member(sqlite_database, loaded_settings, sqlite_cast.analyst, sqlite_cast.course)
    put(sqlite_database, sqlite_cast, *[FOREIGN] * 600)
    answer = ask(reader)
    sqlite_database.engine.pool._timeout = 0.1  # seconds, to wait for whoever writes
    with sqlite_database.transaction():
        lines = answer.text.splitlines()
    assert len(lines) == int(answer.headers["X-Total-Count"])


def test_a_search_for_words_is_said_not_to_count(database, cast, reader):
    put(database, cast, FOREIGN)
    page = reader.get("insight/export?q=needle").text
    assert "Words are looked for on the page alone" in page
    assert "insight/statements?q=needle" in page
    assert "Words are looked for" not in reader.get("insight/export").text
    assert ask(reader, q="needle").text.count("\n") > 1
