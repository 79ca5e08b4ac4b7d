"""The analyst's list of statements."""

import csv
import html
import io
import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.insight import browser
from lti_mentor.mentoring import people
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.web.exports import ExportRun
from tests.support.member import Member
from xapi import store

AUTHORITY = {"objectType": "Agent", "account": {"homePage": "https://lms.example.org", "name": "lms"}}
FOREIGN = {
    "actor": {"name": "Ada Lovelace", "mbox": "mailto:ada@example.org"},
    "verb": {"id": "http://adlnet.gov/expapi/verbs/scored", "display": {"de": "bewertete", "en": "scored"}},
    "object": {"id": "https://lms.example.org/quizzes/1", "definition": {"name": {"en": "Quiz one"}}},
    "result": {"score": {"scaled": 0.735194628}, "response": "what I typed"},
}


@pytest.fixture
def analyst(database, cast, loaded_settings):
    return Member(database, loaded_settings, cast.analyst, cast.course)


@pytest.fixture
def reader(database, cast, loaded_settings):
    """An analyst with the right to records."""
    with database.transaction() as db:
        people.grant(db, cast.analyst, "records")
    return Member(database, loaded_settings, cast.analyst, cast.course)


def put(database, cast, *statements):
    tenant = cast.course.organization_id
    with database.transaction() as db:
        return store.put(db, tenant=tenant, statements=statements, now=clock.now(), authority=AUTHORITY).ids


def sentences(answer):
    assert answer.status_code == 200, answer.text
    return [html.unescape(each) for each in re.findall(r"<h2>([^<]+)</h2>", answer.text)]


def test_a_date_that_is_none_is_said_beside_its_field_and_the_other_filters_stay(analyst):
    answer = analyst.get("insight/statements?since=last+week&until=2026-13-01&activity=urn:x")
    assert answer.status_code == 422
    said = re.findall(r'<li><a href="#(\w+)"><span dir="auto">([^<]+)</span>: Give a date.', answer.text)
    assert said == [("since", "Stored since"), ("until", "Stored until")]
    assert 'value="last week"' in answer.text
    assert 'value="urn:x"' in answer.text


def test_every_verb_stands_once_in_the_filter_and_finds_its_statements(analyst):
    page = analyst.get("insight/statements").text
    labels = re.findall(r'<option value="(http[^"]+)">([^<]+)</option>', page)
    assert len({label for _, label in labels}) == len(labels) > 20
    assert "scheduled (a meeting)" in dict(labels).values()
    joined = next(iri for iri, label in labels if label == "joined")
    found = analyst.get("insight/statements?verb=" + joined).text
    assert found.count('<li class="statement">') == 1
    assert "joined a mentorship" in found


def test_the_page_after_the_last_is_empty_and_a_strange_place_is_the_first(analyst):
    assert "No statement fits" in analyst.get("insight/statements?after=0").text
    for after in ("-1", "x", "9" * 40):
        assert '<li class="statement">' in analyst.get(f"insight/statements?after={after}").text


def test_a_statement_is_a_sentence_beside_its_json_and_its_command(database, cast, reader):
    (statement_id,) = put(database, cast, FOREIGN)
    answer = reader.get("insight/statements?activity=https://lms.example.org/quizzes/1")
    assert sentences(answer) == ["Somebody scored Quiz one: 73.5 %"]
    shown = json.loads(
        html.unescape(re.search(r'<pre class="json" tabindex="0"><code>(.*?)</code>', answer.text, re.S)[1])
    )
    assert shown["id"] == str(statement_id)
    assert shown["result"]["score"] == {"scaled": 0.735194628}
    command = html.unescape(re.search(r'id="curl-[^"]+">([^<]+)<', answer.text)[1])
    assert command.endswith(f"/xapi/statements?statementId={statement_id}'")


def test_no_reader_of_the_page_sees_a_name_a_mail_address_or_a_typed_answer(database, cast, reader):
    put(database, cast, FOREIGN)
    page = reader.get("insight/statements").text
    assert "(hidden)" in page
    assert not [word for word in ("Lovelace", "ada@example.org", "what I typed") if word in page]
    for word in ("Lovelace", "ada@example.org", "typed"):
        assert "No statement fits" in reader.get(f"insight/statements?q={word}").text


def test_without_the_right_to_records_nobody_learns_who_or_how_well(database, cast, analyst):
    put(database, cast, FOREIGN)
    with database.reading() as db:
        name = people.actor_name(db, cast.learner.id)
    page = analyst.get("insight/statements").text
    assert "Somebody scored https://lms.example.org/quizzes/1" in page
    assert not [
        word
        for word in (name, name[:8], "0.735194628", "73.5 %", str(cast.mentorship.id))
        if word in page.replace(f"/mentorships/{cast.mentorship.id}", "")
    ]
    everything = len(sentences(analyst.get("insight/statements")))
    for hidden in (f"person={name}", f"mentorship={cast.mentorship.id}", "person=Learner"):
        assert len(sentences(analyst.get(f"insight/statements?{hidden}"))) == everything
    for word in ("0.735194628", name):
        assert "No statement fits" in analyst.get(f"insight/statements?q={word}").text


def test_people_are_found_by_name_and_by_pseudonym_and_that_is_on_record(database, cast, reader):
    with database.reading() as db:
        name = people.actor_name(db, cast.learner.id)
    everything = sentences(reader.get("insight/statements"))
    by_pseudonym = sentences(reader.get(f"insight/statements?person={name}"))
    assert 0 < len(by_pseudonym) < len(everything)
    with database.reading() as db:
        mentor = people.actor_name(db, cast.mentor.id)
    by_name = reader.get("insight/statements?person=Mentor")
    assert sentences(by_name) == sentences(reader.get(f"insight/statements?person={mentor}")) != []
    with database.reading() as db:
        entries = db.scalars(select(AuditEntry).where(AuditEntry.action == "read_statements")).all()
    assert [entry.subject_id for entry in sorted(entries, key=lambda entry: entry.at)] == [
        None,
        cast.learner.id,
        cast.mentor.id,
        cast.mentor.id,
    ]


def test_a_voided_statement_is_shown_as_such_with_what_voided_it(database, cast, reader):
    (statement_id,) = put(database, cast, FOREIGN)
    voiding = {
        "actor": FOREIGN["actor"],
        "verb": {"id": "http://adlnet.gov/expapi/verbs/voided", "display": {"en": "voided"}},
        "object": {"objectType": "StatementRef", "id": str(statement_id)},
    }
    (by,) = put(database, cast, voiding)
    page = reader.get("insight/statements")
    assert sentences(page)[:2] == ["Somebody voided an earlier statement", "Somebody scored Quiz one: 73.5 %"]
    assert page.text.count('<li class="statement voided">') == 1
    assert f"Voided by the statement <code>{by}</code>" in " ".join(page.text.split())
    assert f"voidedStatementId={statement_id}" in page.text


def test_pages_follow_each_other_to_the_end_and_words_go_along(database, cast, reader):
    for start in range(0, 60, 20):
        made = [
            {**FOREIGN, "object": {"id": f"https://lms.example.org/{'even' if n % 2 == 0 else 'odd'}/{n}"}}
            for n in range(start, start + 20)
        ]
        put(database, cast, *made)
    address, seen = "insight/statements?q=/EVEN/", []
    while address:
        answer = reader.get(address)
        seen += sentences(answer)
        following = re.search(r'href="/v/[^/]+/([^"]+)" rel="next"', answer.text)
        address = html.unescape(following[1]) if following else None
    assert seen == [f"Somebody scored https://lms.example.org/even/{n}: 73.5 %" for n in range(58, -1, -2)]


def test_a_search_for_words_stops_after_so_many_and_can_go_on(database, cast, reader, monkeypatch):
    monkeypatch.setattr(browser, "MOST", 20)
    monkeypatch.setattr(browser, "AT_ONCE", 10)
    put(database, cast, {**FOREIGN, "object": {"id": "https://lms.example.org/needle"}})
    for _ in range(3):
        put(database, cast, *[FOREIGN] * 10)
    first = reader.get("insight/statements?q=needle")
    assert "None of the newest 20 has these words." in first.text
    further = html.unescape(re.search(r'href="/v/[^/]+/([^"]+)" rel="next">Look further back', first.text)[1])
    assert sentences(reader.get(further)) == ["Somebody scored https://lms.example.org/needle: 73.5 %"]


@pytest.mark.parametrize(
    ("filter_", "field", "said"),
    [
        ("mentorship=nope", "mentorship", "The id of a mentorship looks like"),
        ("person=nobody+at+all", "person", "Nobody here is called so"),
        ("person=learner", "person", "More than one person fits"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_explained(reader, filter_, field, said):
    answer = reader.get(f"insight/statements?{filter_}")
    assert answer.status_code == 422
    assert said in answer.text
    assert f'id="problem-{field}"' in answer.text


def test_a_store_without_statements_says_what_they_are(database, cast, loaded_settings):
    with database.transaction() as db:
        people.grant(db, cast.outsider, "analyst")
    stranger = Member(database, loaded_settings, cast.outsider, cast.course)
    assert "Each thing that happens in a mentorship becomes a statement" in stranger.get("insight/statements").text


def test_an_export_needs_the_right_to_records(analyst):
    answer = analyst.get("insight/export")
    assert answer.status_code == 403
    assert "An export says who did what" in answer.text


def test_an_export_has_what_the_filters_ask_for_no_names_and_is_on_record(database, cast, reader):
    put(database, cast, FOREIGN)
    place = "insight/export?activity=https://lms.example.org/quizzes/1"
    assert "1 statement fits." in reader.get(place).text
    filters = {"activity": "https://lms.example.org/quizzes/1"}
    answer = reader.post("insight/export/file", place, format="csv", more="actor.mbox\nresult.response\nid", **filters)
    assert answer.status_code == 200, answer.text
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["actor.mbox"] == row["result.response"] == "(hidden)"
    assert answer.headers["X-Total-Count"] == "1"
    with database.reading() as db:
        entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "exported_statements")).one()
    assert (entry.actor_id, entry.place) == (cast.analyst.id, "insight.export")


def test_an_export_by_a_form_of_somebody_else_is_refused(reader):
    assert reader.again("insight/export/file", {"format": "csv"}).status_code == 403


def test_an_export_without_a_format_is_asked_for_again_with_what_was_typed(reader):
    answer = reader.post("insight/export/file", "insight/export", format="xlsx", more="a.path")
    assert answer.status_code == 422
    assert "Choose CSV, JSON Lines or Parquet." in answer.text
    assert ">a.path</textarea>" in answer.text


def test_how_far_an_export_is_stands_on_its_page(database, cast, reader):
    put(database, cast, FOREIGN)
    key = re.search(r'name="form_key" value="([^"]+)"', reader.get("insight/export").text)[1]
    assert "Begins in a moment" in reader.get(f"insight/export/progress?form_key={key}").text
    answer = reader.post("insight/export/file", "insight/export", format="jsonl", form_key=key)
    count = len(answer.text.splitlines())
    assert f"All {count} statements are in the file." in reader.get(f"insight/export/progress?form_key={key}").text
    with database.transaction() as db:
        run = db.scalars(select(ExportRun)).one()
        run.done, run.at = 3, clock.now()
    part = reader.get(f"insight/export/progress?form_key={key}").text
    assert f'<progress id="done" value="3" max="{count}">' in part
    assert "every 1s" in part
    with database.transaction() as db:
        db.scalars(select(ExportRun)).one().at = clock.now() - timedelta(minutes=3)
    part = reader.get(f"insight/export/progress?form_key={key}").text
    assert f"cut off after 3 of {count} statements" in part
    assert "every 1s" not in part
