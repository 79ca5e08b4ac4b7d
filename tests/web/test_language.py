"""Every sentence of every page goes through gettext: the pseudo-locale accents them all."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from lti_mentor import clock
from lti_mentor.app import create_app
from lti_mentor.mentoring import catalog, evidence, goals
from lti_mentor.mentoring.evidence import Submission
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.web import language, visit
from lti_mentor.web.language import PSEUDO, PseudoTranslations, known_locale, known_zone

TAGS = re.compile(r"<(script|style|title|desc)\b.*?</\1>|<[^>]+>", re.S)
# What people, the LMS, the catalog or the standards wrote stays as it is.
PLAIN_WORDS = re.compile(r"\b(the|your|you|and|with|nothing|evidence|goals|mentor|program|readiness)\b")


def shown_text(html: str) -> list[str]:
    body = html.split("<main", 1)[1]
    return [text.strip() for text in TAGS.sub("\n", body).splitlines() if text.strip()]


@pytest.mark.parametrize(
    ("who", "page"),
    [
        ("learner", "learner/"),
        ("learner", "learner/goals/new"),
        ("learner", "learner/goals"),
        ("mentor", "mentor/"),
        ("coordinator", "coordinator/"),
        ("coordinator", "coordinator/programs/new"),
        ("coordinator", "coordinator/map"),
        ("analyst", "insight/"),
        ("other_learner", "learner/"),
    ],
)
def test_no_sentence_is_left_untranslated(sqlite_database, sqlite_cast, loaded_settings, who, page):
    person = getattr(sqlite_cast, who)
    with sqlite_database.transaction() as db:
        due = clock.today() + timedelta(days=9)
        goals.set_goal(db, sqlite_cast.learner, GoalDraft(title="G", baseline=0, target=1, due_on=due))
        evidence.submit(db, sqlite_cast.pursuit, "1", Submission(text="E"))
        person = db.merge(person)
        person.locale = PSEUDO
        opened = visit.open_visit(db, person, course_id=sqlite_cast.course.id, framing_origins=[], hours=1)
    client = create_app(loaded_settings, sqlite_database).test_client()
    client.set_cookie(visit.COOKIE, opened.secret, path=f"/v/{opened.key}/", domain="localhost")
    answer = client.get(f"/v/{opened.key}/{page}", base_url="http://localhost:8000")
    assert answer.status_code == 200
    left = [text for text in shown_text(answer.text) if PLAIN_WORDS.search(without_catalog(text))]
    assert left == []


def without_catalog(text: str) -> str:
    for entry in catalog.entries().values():
        for domain in entry.domains:
            text = text.replace(domain.title, "")
    return text


def test_placeholders_survive_the_pseudo_locale():
    text = PseudoTranslations().gettext("%(count)s reviews waiting, oldest %(days)s days")
    assert text % {"count": 3, "days": 9} == "3 révíéwš wáítíñg, óldéšt 9 dáýš"


def test_an_unknown_locale_or_zone_falls_back():
    assert known_locale("xx-nowhere", "de") == "de"
    assert known_locale("ar_EG", "en") == "ar_EG"
    assert known_locale(None, "en") == "en"
    assert known_zone("99", "UTC") == "UTC"
    assert known_zone("Asia/Tokyo", "UTC") == "Asia/Tokyo"


def test_times_are_shown_in_the_zone_of_the_person_with_the_exact_time_on_hover(
    sqlite_database, sqlite_cast, loaded_settings
):
    app = create_app(loaded_settings, sqlite_database)
    with app.test_request_context("/"):
        from flask import g  # noqa: PLC0415

        g.visit = visit.Visit("k", "s", sqlite_cast.learner, None, "de", "Asia/Tokyo", (), None, frozenset())
        shown = language.moment(datetime(2026, 5, 1, 20, 0, tzinfo=UTC))
    assert "05:00" in shown
    assert "2026-05-02T05:00:00+09:00" in shown
