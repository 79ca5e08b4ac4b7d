"""Every sentence of every page goes through gettext: the pseudo-locale accents them all."""

import html
import re
from datetime import UTC, datetime

from sqlalchemy import select, update

from lti_mentor.app import create_app
from lti_mentor.mentoring import catalog, people
from lti_mentor.mentoring.people import Person, Pseudonym
from lti_mentor.web import language, visit
from lti_mentor.web.language import PSEUDO, PseudoTranslations, known_locale, known_zone
from tests.support.member import Member
from tests.support.walk import ask, open_visit, routes
from xapi import vocabulary

NOT_SENTENCES = re.compile(r"<(script|style|time|code|pre)\b.*?</\1>|<option[^>]*>", re.S)
TAG = re.compile(r"<[^>]+>")
SPOKEN = re.compile(r'\b(?:aria-label|title|alt|placeholder)="([^"]*)"')
WORD = re.compile(r"[A-Za-z]{3,}")
ADDRESS = re.compile(r"\S*/\S*")
# Names of months come from the calendar of the locale.
CALENDAR = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
AUDIENCES = {
    "learner": "learner",
    "mentor": "mentor",
    "coordinator": "coordinator",
    "insight": "analyst",
    "admin": "administrator",
}
AUDIENCES |= {"about_me": "learner", "privacy": "analyst", "observer": "analyst"}


def sentences(page: str) -> list[str]:
    """All that is read or spoken: text between tags, and the attributes that have words."""
    body = NOT_SENTENCES.sub("\n", page.partition("<title>")[2] or page)
    found = SPOKEN.findall(body) + TAG.sub("\n", body).splitlines()
    return [html.unescape(text).strip() for text in found if text.strip()]


def written_by_others() -> list[str]:
    """What people, the LMS, the catalog or the standards wrote stays as it is: longest first."""
    catalogued = [
        text
        for entry in catalog.entries().values()
        for text in (
            *(topic for domain in entry.domains for topic in domain.topics),
            *(domain.title for domain in entry.domains),
            *entry.exam_codes,
            *(str(value) for value in vars(entry).values() if isinstance(value, str)),
        )
    ]
    verbs = [term.display for term in vocabulary.terms()]
    names = [
        "Learner",
        "Mentor",
        "Coordinator",
        "Analyst",
        "Other_Learner",
        "Course one",
        "Program",
        "Home",
        "Read",
        "I did it.",
        "JSON Lines",
        "Parquet",
        "Warehouse",
    ]
    return sorted({*catalogued, *verbs, *names}, key=len, reverse=True)


def test_no_sentence_of_any_page_is_left_untranslated(sqlite_database, sqlite_cast, loaded_settings, things):
    app = create_app(loaded_settings, sqlite_database)
    given = written_by_others()
    left, walked = {}, 0
    with sqlite_database.transaction() as db:
        db.execute(update(Person).values(name="Nm", locale=PSEUDO))
        people.grant(db, sqlite_cast.analyst, "records")
        given += [name[:8] for name in db.scalars(select(Pseudonym.actor_name))]
    for rule in routes(app):
        audience = rule.endpoint.partition(".")[0]
        if "GET" not in rule.methods or audience not in AUDIENCES:
            continue
        person = getattr(sqlite_cast, AUDIENCES[audience])
        with sqlite_database.reading() as db:
            person = db.get_one(Person, person.id)
        opened = open_visit(sqlite_database, app, person, sqlite_cast.course.id)
        if audience in visit.KINDS:
            with sqlite_database.transaction() as db:
                visit.turn_into(db, opened, audience, [sqlite_cast.learner])
        answer = ask(app, opened, rule, things)
        assert answer.status_code == 200, rule.endpoint
        if answer.mimetype != "text/html":
            continue
        walked += 1
        plain = [text for text in sentences(answer.text) if untranslated(text, given)]
        if plain:
            left[rule.endpoint] = plain
    assert left == {}
    assert walked > 15


def untranslated(text: str, given: list[str]) -> list[str]:
    text = ADDRESS.sub(" ", text)
    for words in given:
        text = text.replace(words, " ")
    return [word for word in WORD.findall(text) if re.search("[aeiou]", word) and word not in CALENDAR]


def test_placeholders_survive_the_pseudo_locale():
    text = PseudoTranslations().gettext("%(count)s reviews waiting, oldest %(days)s days")
    assert text % {"count": 3, "days": 9} == "3 révíéwš wáítíñg, óldéšt 9 dáýš"


def test_an_unknown_locale_or_zone_falls_back():
    assert known_locale("xx-nowhere", "de") == "de"
    assert known_locale("ar_EG", "en") == "ar_EG"
    assert known_locale(None, "en") == "en"
    assert known_locale("zh-Hans-CN", "en") == "zh_Hans_CN"
    assert known_locale(f"en_GB@{'x' * 3000}", "de") == "en_GB"
    assert known_zone("99", "UTC") == "UTC"
    assert known_zone("Asia/Tokyo", "UTC") == "Asia/Tokyo"


def test_times_are_shown_in_the_zone_of_the_person_with_the_exact_time_on_hover(
    sqlite_database, sqlite_cast, loaded_settings
):
    app = create_app(loaded_settings, sqlite_database)
    with app.test_request_context("/"):
        from flask import g  # noqa: PLC0415

        g.visit = visit.Visit("k", "s", sqlite_cast.learner, None, "de", "Asia/Tokyo", (), None, frozenset(), False)
        shown = language.moment(datetime(2026, 5, 1, 20, 0, tzinfo=UTC))
    assert "05:00" in shown
    assert "2026-05-02T05:00:00+09:00" in shown


def test_a_locale_without_sentences_has_its_dates_and_the_direction_of_english(
    sqlite_database, sqlite_cast, loaded_settings
):
    with sqlite_database.transaction() as db:
        reader = db.merge(sqlite_cast.learner)
        reader.locale = "ar"
    page = Member(sqlite_database, loaded_settings, reader, sqlite_cast.course).get("learner/")
    assert '<html lang="en" dir="ltr">' in page.text
