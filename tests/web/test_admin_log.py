"""The audit log as administrators read it: newest first, filtered, page by page, and on record itself."""

import html
import re
import uuid
from datetime import timedelta
from typing import get_args

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.mentoring import audit, people
from lti_mentor.mentoring.audit import Action, AuditEntry
from lti_mentor.mentoring.people import Person
from lti_mentor.web.admin import log
from tests.conftest import met
from tests.support.member import Member


@pytest.fixture
def reader(database, cast, loaded_settings):
    return Member(database, loaded_settings, cast.administrator, cast.course)


def shown(page) -> list[str]:
    """The places of the entries on a page."""
    return re.findall(r'data-label="Where"><code>([^<]*)</code>', page.text)


def test_the_log_is_read_page_by_page_without_a_gap_also_when_all_happens_at_one_moment(reader, database, cast):
    at = clock.now() - timedelta(days=1)
    with database.transaction() as db:
        for number in range(45):
            entry = AuditEntry(
                organization_id=cast.learner.organization_id, action="read_record", place=f"p{number}", at=at
            )
            db.add(entry)
    page, seen = reader.get("admin/log?action=read_record"), []
    while True:
        seen += shown(page)
        older = re.search(r'href="[^"]*/(admin/log[^"]*)" rel="next"', page.text)
        if older is None:
            break
        page = reader.get(html.unescape(older[1]))
    assert sorted(seen) == sorted(f"p{number}" for number in range(45))
    assert ">Newest</a>" in page.text


def test_the_log_is_filtered_by_what_who_and_when(reader, database, cast):
    with database.transaction() as db:
        mine = cast.learner.organization_id
        audit.write(db, mine, "read_record", place="a", actor_id=cast.mentor.id, subject_id=cast.learner.id)
        audit.write(db, mine, "read_statements", place="b", actor_id=cast.analyst.id)
        audit.write(db, cast.outsider.organization_id, "read_record", place="c", actor_id=cast.outsider.id)
        old = AuditEntry(organization_id=mine, action="invited", place="d", at=clock.now() - timedelta(days=40))
        db.add(old)
        someone = met(db, "Home", "ÖZLEM")
        audit.write(db, mine, "granted", place="e", subject_id=someone.id)
    assert {"a", "b", "d"} <= set(shown(reader.get("admin/log")))
    assert shown(reader.get("admin/log?action=read_statements")) == ["b"]
    assert shown(reader.get("admin/log?name=learner&action=read_record")) == ["a"]
    assert shown(reader.get(f"admin/log?person={cast.mentor.id}")) == ["a"]
    assert "Only what Mentor did, and what was about them." in reader.get(f"admin/log?person={cast.mentor.id}").text
    until = (clock.now() - timedelta(days=30)).date()
    assert shown(reader.get(f"admin/log?until={until}")) == ["d"]
    assert "d" not in shown(reader.get(f"admin/log?since={until}"))
    assert shown(reader.get("admin/log?name=nobody")) == []
    assert shown(reader.get("admin/log?name=özlem")) == ["e"]
    assert "c" not in shown(reader.get("admin/log"))
    wrong = reader.get("admin/log?since=yesterday")
    assert wrong.status_code == 422
    assert "Give a date" in wrong.text
    assert reader.get("admin/log?until=9999-12-31").status_code == 422
    many = "+".join(f"w{number}" for number in range(1500))
    assert reader.get(f"admin/log?name={many}").status_code == 200
    assert reader.get(f"admin/rights?q={many}").status_code == 200
    assert reader.get("admin/log?before=nonsense&action=nonsense&visit_key=x&endpoint=y").status_code == 200


def test_reading_the_log_is_written_down_and_about_whom(reader, database, cast):
    reader.get("admin/log")
    reader.get(f"admin/log?person={cast.mentor.id}")
    with database.reading() as db:
        entries = db.scalars(select(AuditEntry).where(AuditEntry.action == "read_log").order_by(AuditEntry.at)).all()
    assert [(entry.actor_id, entry.subject_id) for entry in entries] == [
        (cast.administrator.id, None),
        (cast.administrator.id, cast.mentor.id),
    ]
    assert log.SENTENCES["read_log"] in reader.get("admin/log").text


def test_who_was_erased_is_not_taken_for_the_command_line(reader, database, cast):
    with database.transaction() as db:
        audit.write(db, cast.learner.organization_id, "invited", place="admin.invitations", actor_id=cast.mentor.id)
        db.delete(db.get(Person, cast.mentor.id))
    page = reader.get("admin/log?action=invited").text
    assert "somebody who is not known any more" in page
    assert "the command line" in reader.get("admin/log?action=granted").text


def test_a_name_that_fits_too_many_people_asks_for_more_of_it(reader, database, cast):
    with database.transaction() as db:
        identities = [
            people.Identity(issuer="https://lms.example.org", subject=str(uuid.uuid4()), name=f"Crowd {number}")
            for number in range(201)
        ]
        people.meet_many(db, cast.learner.organization_id, identities, keyed=bytes)
    assert "More than 200 people fit" in reader.get("admin/log?name=crowd").text
    assert "More people fit" in reader.get("admin/rights?q=crowd").text


def test_every_action_that_is_written_down_has_a_sentence():
    assert set(log.SENTENCES) == set(get_args(Action))
