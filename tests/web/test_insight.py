"""The analyst's list of statements."""

import csv
import html
import io
import json
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select, update

from lti_mentor import clock
from lti_mentor.activity.record import iri_base
from lti_mentor.insight import browser
from lti_mentor.mentoring import goals, people, privacy
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.mentoring.people import Pseudonym
from lti_mentor.vault import Vault
from lti_mentor.web.exports import ExportRun
from lti_mentor.web.visit import VisitRow
from tests.conftest import SECRET
from tests.support.member import Member
from xapi import store
from xapi.rows import StoredStatement

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
    for _ in range(5):
        put(database, cast, *[FOREIGN] * 10)
    answer = reader.get("insight/statements?q=needle")
    for said in ("None of the newest 20 has these words.", "None of these 20 has these words."):
        assert said in answer.text
        further = html.unescape(re.search(r'href="/v/[^/]+/([^"]+)" rel="next">Look further back', answer.text)[1])
        answer = reader.get(further)
    assert sentences(answer) == ["Somebody scored https://lms.example.org/needle: 73.5 %"]


WHAT = {
    "Activity": {"id": "https://lms.example.org/quizzes/1"},
    "Agent": {"objectType": "Agent", "mbox": "mailto:bob@example.org"},
    "Group": {"objectType": "Group", "member": [{"mbox": "mailto:bob@example.org"}]},
    "StatementRef": {"objectType": "StatementRef", "id": "11111111-1111-4111-8111-111111111111"},
    "SubStatement": {
        "objectType": "SubStatement",
        **{name: FOREIGN[name] for name in ("actor", "verb", "result")},
        "object": {"id": "urn:x"},
    },
}


@pytest.mark.parametrize("kind", WHAT)
def test_every_kind_of_object_is_shown_with_and_without_records(database, cast, analyst, kind):
    put(database, cast, {**FOREIGN, "object": WHAT[kind]})
    (said, *_) = sentences(analyst.get("insight/statements"))
    assert said.startswith("Somebody scored ")
    assert said.endswith("something planned") == (kind == "SubStatement")
    with database.transaction() as db:
        people.grant(db, cast.analyst, "records")
    answer = analyst.get("insight/statements")
    assert sentences(answer)[0].endswith("urn:x: 73.5 %: 73.5 %") == (kind == "SubStatement")
    assert not [word for word in ("what I typed", "bob@example.org") if word in answer.text]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_the_edges_of_the_calendar_are_shown_in_every_zone(database, cast, analyst, zone, moment):
    in_zone(database, zone)
    put(database, cast, {**FOREIGN, "timestamp": moment})
    assert sentences(analyst.get("insight/statements"))[0].startswith("Somebody scored")


def test_a_home_page_that_is_no_address_is_shown_as_it_is(database, cast, reader):
    put(database, cast, {**FOREIGN, "actor": {"account": {"homePage": "http://[x", "name": "7"}}})
    assert sentences(reader.get("insight/statements"))[0].startswith("An account of http://[x scored")


def in_zone(database, zone):
    with database.transaction() as db:
        db.execute(update(VisitRow).values(zone=zone))


def test_a_day_is_a_day_of_the_visitors_zone(database, cast, reader):
    in_zone(database, "Asia/Tokyo")
    there = ZoneInfo("Asia/Tokyo")
    (statement_id,) = put(database, cast, FOREIGN)
    for moment in (datetime(2026, 3, 1, tzinfo=there), datetime(2026, 3, 1, 23, 59, 59, 999999, tzinfo=there)):
        with database.transaction() as db:
            db.execute(delete(StoredStatement).where(StoredStatement.statement_id != statement_id))
            db.execute(update(StoredStatement).values(stored=moment))
        found = reader.get("insight/statements?since=2026-03-01&until=2026-03-01")
        assert sentences(found) == ["Somebody scored Quiz one: 73.5 %"]
        assert "No statement fits" in reader.get("insight/statements?since=2026-03-02").text
    for edge in ("0001-01-01", "9999-12-31"):
        assert reader.get(f"insight/statements?since={edge}").status_code in (200, 422)
        assert reader.get(f"insight/statements?until={edge}").status_code in (200, 422)


def test_the_statements_of_somebody_who_was_erased_are_found_by_the_pseudonym(database, cast, reader):
    with database.reading() as db:
        name = people.actor_name(db, cast.learner.id)
    with database.transaction() as db:
        privacy.erase(db, Vault((SECRET,)), db.merge(cast.learner), by=None)
    page = reader.get("insight/statements").text
    assert f"person={name}" in page
    found = reader.get(f"insight/statements?person={name}")
    assert any(name[:8] in said for said in sentences(found))


def test_somebody_who_was_linked_is_found_by_all_that_they_are_called(database, cast, reader):
    former = "ab" * 16
    with database.transaction() as db:
        base = iri_base(db)
        organization_id = cast.learner.organization_id
        db.add(
            Pseudonym(organization_id=organization_id, person_id=cast.learner.id, actor_name=former, is_current=False)
        )
    ours = {"account": {"homePage": base, "name": former}}
    theirs = {"account": {"homePage": "https://lms.example.org", "name": "learner"}}
    put(database, cast, *({**FOREIGN, "actor": actor} for actor in (ours, theirs)))
    with database.reading() as db:
        name = people.actor_name(db, cast.learner.id)
    for person in (former, name):
        found = sentences(reader.get(f"insight/statements?person={person}"))
        assert {"Person abababab scored Quiz one: 73.5 %", "An account of lms.example.org scored Quiz one: 73.5 %"} < {
            *found
        }
        assert any(said.startswith(f"Person {name[:8]}") for said in found)
        form = reader.get(f"insight/export?person={person}").text
        assert f"{len(found)} statements fit." in form


def test_without_records_what_is_only_in_the_context_is_not_searched(database, cast, analyst):
    with database.reading() as db:
        program = f"{iri_base(db)}/programs/{cast.program.id}"
    context = {"contextActivities": {"grouping": [{"id": program}]}}
    put(database, cast, {**FOREIGN, "context": context})
    found = analyst.get(f"insight/statements?activity={program}")
    assert not any("scored" in said for said in sentences(found))
    assert "related_activities" not in found.text
    with database.transaction() as db:
        people.grant(db, cast.analyst, "records")
    found = analyst.get(f"insight/statements?activity={program}")
    assert any("scored" in said for said in sentences(found))
    assert "related_activities=true" in found.text


def test_words_are_looked_for_in_the_sentence_too(database, cast, reader):
    put(database, cast, FOREIGN)
    assert "a mentorship" in reader.get("insight/statements?q=joined+a+mentorship").text
    assert any("Program" in said for said in sentences(reader.get("insight/statements?q=registered+program")))
    assert sentences(reader.get("insight/statements?q=somebody")) == ["Somebody scored Quiz one: 73.5 %"]


def test_whoever_a_view_was_about_is_on_record_however_it_was_asked(database, cast, reader):
    with database.transaction() as db:
        name = people.actor_name(db, cast.learner.id)
        draft = GoalDraft(title="Pass", baseline=0, target=1, unit="exams", due_on=clock.today() + timedelta(days=9))
        goal = goals.set_goal(db, db.merge(cast.learner), draft)
        base = iri_base(db)
    pair = {cast.learner.id, cast.mentor.id}
    for asked, whom in (
        (f"q={name}", {cast.learner.id}),
        (f"q={name[:8]}", {cast.learner.id}),
        (f"mentorship={cast.mentorship.id}", pair),
        (f"q={cast.mentorship.id}", pair),
        (f"activity={base}/goals/{goal.id}", {cast.learner.id}),
        (f"activity={base}/mentorships/{cast.mentorship.id}", pair),
        ("q=joined", {None}),
    ):
        with database.transaction() as db:
            db.execute(delete(AuditEntry))
        assert reader.get(f"insight/statements?{asked}").status_code == 200
        with database.reading() as db:
            assert {entry.subject_id for entry in db.scalars(select(AuditEntry))} == whom


def test_a_verb_of_others_is_kept_as_a_filter(database, cast, reader):
    verb = {"id": "https://other.example.org/verbs/answered", "display": {"en": "answered"}}
    put(database, cast, {**FOREIGN, "verb": verb})
    page = reader.get("insight/statements").text
    link = html.unescape(re.search(r'href="/v/[^/]+/([^"]+)">This verb<', page)[1])
    answer = reader.get(link)
    assert sentences(answer) == ["Somebody answered Quiz one: 73.5 %"]
    assert f'<option value="{verb["id"]}" selected>' in answer.text


def test_one_goes_back_the_way_one_came(database, cast, reader):
    for start in range(0, 80, 20):
        made = [{**FOREIGN, "object": {"id": f"https://lms.example.org/{n}"}} for n in range(start, start + 20)]
        put(database, cast, *made)

    def follow(answer, kind):
        found = re.search(rf'href="/v/[^/]+/([^"]+)" rel="{kind}"', answer.text)
        return reader.get(html.unescape(found[1])) if found else None

    pages = [reader.get("insight/statements?q=scored")]
    for _ in range(3):
        pages.append(follow(pages[-1], "next"))
    assert "None of" not in pages[-1].text
    back = follow(pages[3], "prev")
    assert sentences(back) == sentences(pages[2])
    back = follow(back, "prev")
    assert sentences(back) == sentences(pages[1])
    assert follow(back, "prev") is None
    assert ">Newest</a>" in back.text


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
        db.scalars(select(ExportRun)).one().at = clock.now() - timedelta(minutes=6)
    part = reader.get(f"insight/export/progress?form_key={key}").text
    assert f"cut off after 3 of {count} statements" in part
    assert "every 1s" not in part
