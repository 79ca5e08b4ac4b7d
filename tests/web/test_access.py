"""Every route × the wrong person: generated from the URL map."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from lti_mentor import clock
from lti_mentor.app import create_app
from lti_mentor.mentoring import people
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.web import visit
from tests.support.member import Member
from tests.support.walk import ask, open_visit, routes
from xapi.rows import StoredStatement

# Pages anybody with a visit may open: they show the person's own things, or an empty form.
OPEN = {
    "home.home", "learner.home", "learner.new_goal", "learner.set_goal", "learner.all_goals", "pair.close_reminders",
    "accounts.home", "accounts.make_code", "accounts.use_code",
    "learner.choose_certification", "learner.start_pursuit",
    "about_me.show", "about_me.download", "about_me.allow_observers", "about_me.refuse_observers",
}  # fmt: skip


ADMIN_PAGES = (
    "home", "invitations", "invite", "keys", "rotate_keys", "rights", "give_right", "take_right", "log", "targets",
    "add_target", "lrs_keys", "make_lrs_key", "retention", "look_at_rule", "add_rule",
)  # fmt: skip
COURSE_PAGES = ("home", "course_map", "save_map", "add_item")

# What else each of these may open; everything at the addresses of ``things`` is refused to them.
OWN = {
    "outsider": (),
    "other_learner": (),
    "second_mentor": ("mentor.home",),
    # both programs run in the course, so its map is theirs too
    "second_coordinator": tuple(f"coordinator.{name}" for name in COURSE_PAGES),
    "analyst": ("insight.",),
    "administrator": ("admin.",),
    "other_administrator": tuple(f"admin.{name}" for name in ADMIN_PAGES),  # of their own organization
    "learner": ("learner.", "pair."),
    "mentor": ("mentor.", "pair."),
    "coordinator": ("coordinator.",),
}


@pytest.mark.parametrize("who", OWN)
def test_every_page_of_others_is_refused_to_the_wrong_person(
    sqlite_database, sqlite_cast, loaded_settings, things, seconds, who
):
    app = create_app(loaded_settings, sqlite_database)
    person = seconds.get(who) or getattr(sqlite_cast, who)
    opened = open_visit(
        sqlite_database,
        app,
        person,
        None if person.organization_id != sqlite_cast.course.organization_id else sqlite_cast.course.id,
    )
    with sqlite_database.reading() as db:
        before = db.scalar(select(func.count()).select_from(StoredStatement))
    asked = [rule for rule in routes(app) if rule.endpoint not in OPEN and not rule.endpoint.startswith(OWN[who])]
    wrong = {
        f"{rule.endpoint} {answer.status_code}"
        for rule in asked
        if (answer := ask(app, opened, rule, things)).status_code not in (403, 404, 409)
    }
    assert wrong == set()
    assert len(asked) > 20
    with sqlite_database.reading() as db:
        assert db.scalar(select(func.count()).select_from(StoredStatement)) == before


def test_no_page_opens_without_the_cookie_of_its_visit(sqlite_database, sqlite_cast, loaded_settings, things):
    app = create_app(loaded_settings, sqlite_database)
    opened = open_visit(sqlite_database, app, sqlite_cast.mentor, sqlite_cast.course.id)
    stranger = replace(opened, secret="another secret")
    assert {ask(app, stranger, rule, things).status_code for rule in routes(app)} == {401}


def test_a_form_without_its_token_is_refused(sqlite_database, sqlite_cast, loaded_settings):
    app = create_app(loaded_settings, sqlite_database)
    opened = open_visit(sqlite_database, app, sqlite_cast.learner, sqlite_cast.course.id)
    client = app.test_client()
    client.set_cookie(visit.COOKIE, opened.secret, path=f"/v/{opened.key}/", domain="localhost")
    answer = client.post(f"/v/{opened.key}/learner/goals", data={"title": "x"}, base_url="http://localhost:8000")
    assert answer.status_code == 403


def test_an_expired_visit_says_to_open_the_course_again_and_keeps_what_was_typed(
    sqlite_database, sqlite_cast, loaded_settings
):
    answer = after_the_end(sqlite_database, sqlite_cast, loaded_settings, {"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 401
    assert "Open the course in your learning platform again" in answer.text
    assert "A goal I typed with some care" in answer.text
    assert answer.headers["Content-Security-Policy"].endswith("frame-ancestors https://lms.example.org")


@pytest.mark.parametrize(
    "given",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8000"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example.org"},
        {"Origin": "null"},
        {},
    ],
)
def test_what_another_page_sends_into_a_visit_is_never_shown(sqlite_database, sqlite_cast, loaded_settings, given):
    answer = after_the_end(sqlite_database, sqlite_cast, loaded_settings, given)
    assert answer.status_code == 401
    assert "Open the course in your learning platform again" in answer.text
    assert "A goal I typed with some care" not in answer.text


def after_the_end(database, cast, settings, given):
    """A form that comes with these headers into a visit that is over."""
    app = create_app(settings, database)
    with database.transaction() as db, clock.moved_to(clock.now() - timedelta(hours=9)):
        lms = ["https://lms.example.org"]
        opened = visit.open_visit(db, cast.learner, course_id=None, framing_origins=lms, hours=8)
    typed = {"title": "A goal I typed with some care"}
    return app.test_client().post(f"/v/{opened.key}/learner/goals", data=typed, headers=given)


def test_reading_a_mentees_record_is_written_down(sqlite_database, sqlite_cast, loaded_settings, things):
    app = create_app(loaded_settings, sqlite_database)
    opened = open_visit(sqlite_database, app, sqlite_cast.mentor, sqlite_cast.course.id)
    rule = next(rule for rule in routes(app) if rule.endpoint == "mentor.mentee")
    assert ask(app, opened, rule, things).status_code == 200
    with sqlite_database.reading() as db:
        entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "read_record")).one()
    assert (entry.actor_id, entry.subject_id) == (sqlite_cast.mentor.id, sqlite_cast.learner.id)


def test_the_list_of_mentees_and_the_statements_of_one_person_are_reads_too(
    sqlite_database, sqlite_cast, loaded_settings
):
    with sqlite_database.transaction() as db:
        people.grant(db, sqlite_cast.analyst, "records")
        name = people.actor_name(db, sqlite_cast.learner.id)
    for person, page in (
        (sqlite_cast.mentor, "mentor/"),
        (sqlite_cast.analyst, f"insight/statements?person={name}"),
        (sqlite_cast.coordinator, f"coordinator/programs/{sqlite_cast.program.id}/pairs/{sqlite_cast.mentorship.id}"),
    ):
        answer = Member(sqlite_database, loaded_settings, person, sqlite_cast.course).get(page)
        assert answer.status_code == 200
    with sqlite_database.reading() as db:
        entries = db.scalars(select(AuditEntry).where(AuditEntry.action.like("read%")).order_by(AuditEntry.at)).all()
    readers = [sqlite_cast.mentor.id, sqlite_cast.analyst.id, sqlite_cast.coordinator.id]
    assert [(entry.actor_id, entry.subject_id) for entry in entries] == [
        (reader, sqlite_cast.learner.id) for reader in readers
    ]


def test_rights_given_on_the_command_line_are_on_record(sqlite_database, sqlite_cast):
    with sqlite_database.transaction() as db:
        people.grant(db, sqlite_cast.mentor, "administrator")
        entry = db.scalars(select(AuditEntry).where(AuditEntry.subject_id == sqlite_cast.mentor.id)).one()
    assert entry.action == "granted"
