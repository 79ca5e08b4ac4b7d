"""Sentences in the person's language, dates in their zone."""

from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import NumberFormatError, format_decimal, parse_decimal
from babel.support import NullTranslations, Translations
from flask import Flask, g, has_request_context, request
from markupsafe import Markup, escape

from lti_mentor import clock, shipped
from lti_mentor.mentoring.readiness import shown, shown_gap
from lti_mentor.web.tool import tool

PSEUDO = "en_XA"  # every letter accented: shows sentences that are not translatable
LANGUAGES = ("en", PSEUDO)
_ACCENTED = str.maketrans("aeiouyAEIOUYncsz", "áéíóúýÁÉÍÓÚÝñçšž")


class PseudoTranslations(NullTranslations):
    """Accents every sentence, leaving the placeholders alone."""

    def gettext(self, message: str) -> str:
        parts = message.split("%(")
        return parts[0].translate(_ACCENTED) + "".join(_accent_after_placeholder(part) for part in parts[1:])

    def ngettext(self, msgid1: str, msgid2: str, num: int) -> str:
        return self.gettext(msgid1 if num == 1 else msgid2)


def _accent_after_placeholder(part: str) -> str:
    name, _, rest = part.partition(")")
    return f"%({name}){rest[:1]}{rest[1:].translate(_ACCENTED)}"


@lru_cache(maxsize=1000)
def _translations(language: str) -> NullTranslations:
    if language == PSEUDO:
        return PseudoTranslations()
    return Translations.load(str(shipped.folder("translations")), [language])


def known_locale(wanted: str | None, default: str) -> str:
    """A locale we have dates and numbers for; the sentences fall back to English."""
    for text in (wanted, default):
        name = (text or "").replace("-", "_")
        if name in LANGUAGES:
            return name
        try:
            found = Locale.parse(name)
            return str(Locale(found.language, found.territory, found.script, found.variant))  # and nothing made up
        except (ValueError, UnknownLocaleError):
            continue
    return "en"


def known_zone(wanted: str | None, default: str) -> str:
    """A time zone that exists."""
    try:
        return ZoneInfo(wanted).key if wanted else default
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return default


def locale_name() -> str:
    """Of the visit, else what the browser prefers."""
    if not has_request_context():
        return "en"
    visit = g.get("visit")
    if visit is not None:
        return str(visit.locale)
    return known_locale(request.accept_languages.best, tool().settings.default_locale)


def _locale() -> Locale:
    name = locale_name()
    return _parsed("en" if name == PSEUDO else name)


@lru_cache(maxsize=1000)
def _parsed(name: str) -> Locale:
    return Locale.parse(name)


def zone() -> ZoneInfo:
    visit = g.get("visit") if has_request_context() else None
    return ZoneInfo(visit.zone if visit is not None else tool().settings.default_time_zone)


def _(sentence: str, **values: object) -> str:
    """The sentence in the person's language, with its placeholders filled."""
    text = _translations(locale_name()).gettext(sentence)
    return text % values if values else text.replace("%%", "%")


def ngettext(one: str, many: str, count: int, **values: object) -> str:
    """The sentence for this count; ``%(count)s`` is filled in."""
    return _translations(locale_name()).ngettext(one, many, count) % {"count": count, **values}


def language() -> str:
    """Of the sentences on the page, which fall back to English; dates and numbers follow the person's own locale."""
    name = str(_locale().language)
    return name if name in {text.partition("_")[0] for text in LANGUAGES} else "en"


def direction() -> str:
    """rtl or ltr, as the sentences run."""
    return _parsed(language()).text_direction


def day(value: date) -> str:
    """A date as people say it, of a moment the date in the person's zone: 3 Dec."""
    if isinstance(value, datetime):
        value = _here(value).date()
    skeleton = "d MMM" if value.year == clock.today().year else "d MMM y"
    return format_date(value, skeleton, locale=_locale())


def moment(value: datetime) -> Markup:
    """Date and time in the person's zone, exact on hover and for machines."""
    here = _here(value)
    pattern = "EEE d MMM, HH:mm" if here.year == clock.now().astimezone(zone()).year else "EEE d MMM y, HH:mm"
    text = format_datetime(here, pattern, locale=_locale())
    return _time(here, text)


def ago(value: datetime) -> Markup:
    """How long ago, or in how long: 3 days ago."""
    span = value - clock.now()
    threshold = 2 if 7 <= abs(span.days) < 14 else 1.1  # days up to two weeks
    text = format_timedelta(span, add_direction=True, locale=_locale(), threshold=threshold)
    return _time(_here(value), text)


def _here(value: datetime) -> datetime:
    """In the person's zone, but for the first and the last hours of the calendar, which not every zone has."""
    try:
        return value.astimezone(zone())
    except OverflowError:
        return value.astimezone(UTC)


def _time(here: datetime, text: str) -> Markup:
    exact = format_datetime(here, "full", locale=_locale())
    return Markup('<time datetime="{}" title="{}">{}</time>').format(here.isoformat(), exact, escape(text))


def number(value: float) -> str:
    """A number as people of this language write it."""
    return format_decimal(value, locale=_locale(), decimal_quantization=False)


def plain_number(text: str) -> str:
    """What was typed with the separators of the person's language, without them; anything else as it is."""
    try:
        return str(parse_decimal(text.strip(), locale=_locale(), strict=True))
    except NumberFormatError:
        return text


def install(app: Flask) -> None:
    """Give templates the sentences and filters."""
    app.jinja_env.globals.update(
        _=_,
        ngettext=ngettext,
        direction=direction,
        language=language,
        shown=shown,
        shown_gap=shown_gap,
        today=clock.today,
        now=clock.now,
    )
    app.jinja_env.filters.update(day=day, moment=moment, ago=ago, number=number)
