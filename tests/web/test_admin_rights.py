"""Rights that administrators give and take, over real HTTP."""

import re
import threading

import pytest
from sqlalchemy import select

from lti_mentor.mentoring import people
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.people import Grant, Person
from tests.support.member import Member
from tests.support.visitor import Visitor
from tests.web.test_admin import Administrator, the


@pytest.fixture
def administrator(site) -> Administrator:
    return Administrator(site)


def granted(database) -> set[tuple[str, str]]:
    with database.reading() as db:
        found = db.execute(select(Person.name, Grant.right).join(Person, Person.id == Grant.person_id))
        return {(name, right) for name, right in found}


def test_rights_are_given_and_taken_on_the_page_and_on_record(site, administrator):
    Visitor().launch(site.lms.url, "mentor", "1")
    assert "Nobody here has this name" in administrator.open("rights?q=nobody").text
    administrator.open("rights?q=MENT")
    assert administrator.submit("/rights?q", {"right": "analyst"}).status_code == 422
    mentor = the(site.database, Person, name="Mentor")
    administrator.open("rights?q=ment")
    page = administrator.submit("/rights?q", {"person": str(mentor.id), "right": "records"})
    assert "The right is given." in page.text
    assert ("Mentor", "records") in granted(site.database)
    url, fields = administrator.form("/rights/revoked")
    administrator.request("POST", url, data={**fields, "person": str(mentor.id), "right": "records"})
    assert ("Mentor", "records") not in granted(site.database)
    with site.database.reading() as db:
        entries = db.scalars(select(AuditEntry).where(AuditEntry.subject_id == mentor.id).order_by(AuditEntry.at))
        assert [(entry.action, entry.place, entry.actor_id is None) for entry in entries] == [
            ("granted", "right records", False),
            ("revoked", "right records", False),
        ]


def test_nobody_takes_their_own_right_away(site, administrator):
    page = administrator.open("rights").text
    assert "this is you" in page
    assert "Take away" not in page
    me = the(site.database, Person, name="Administrator")
    administrator.open("invitations")
    _, fields = administrator.form("/invitations")
    typed = {**fields, "person": str(me.id), "right": "administrator"}
    refused = administrator.request("POST", f"{administrator.home}rights/revoked", data=typed)
    assert refused.status_code == 409
    assert "right.own" in refused.text
    assert ("Administrator", "administrator") in granted(site.database)


def test_two_administrators_who_take_each_others_right_at_once_leave_one(database, cast, loaded_settings):
    with database.transaction() as db:
        people.grant(db, db.merge(cast.mentor), "administrator")
    both = [cast.administrator, cast.mentor]
    members = [Member(database, loaded_settings, person, cast.course) for person in both]
    gate, answers = threading.Barrier(2), []

    def take(member: Member, other: Person) -> None:
        hidden = dict(re.findall(r'name="(csrf|once)" value="([^"]*)"', member.get("admin/invitations").text))
        typed = {**hidden, "person": str(other.id), "right": "administrator"}
        gate.wait()
        answers.append(member.again("admin/rights/revoked", typed).status_code)

    threads = [threading.Thread(target=take, args=pair) for pair in zip(members, reversed(both), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(303) == 1
    assert len([right for _, right in granted(database) if right == "administrator"]) == 1


def test_a_right_that_was_taken_away_ends_the_pages_at_once(site, administrator):
    with site.database.transaction() as db:
        people.revoke(db, db.scalars(select(Person).where(Person.name == "Administrator")).one(), "administrator")
    answer = administrator.open()
    assert answer.status_code == 403
    assert "Only administrators see these pages" in answer.text
