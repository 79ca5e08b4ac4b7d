"""Reading what people type into forms: marshmallow schemas whose messages are reason codes."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from flask import request
from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load

from lti_mentor import clock
from lti_mentor.errors import Invalid
from lti_mentor.web import language


def _messages(missing: str) -> dict[str, Any]:
    return {
        "required": missing,
        "null": missing,
        "invalid": missing,
        "too_large": "number.range",
        "special": "number.range",
    }


def text() -> fields.String:
    return fields.String(load_default="", error_messages=_messages("text.missing"))


class FormSchema(Schema):
    """Empty fields count as absent; the fields that every form has are not the schema's business."""

    class Meta:
        unknown = EXCLUDE

    @pre_load
    def _drop_empty(self, given: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        clean = {name: value.replace("\0", "").strip() for name, value in given.items()}
        return {name: value for name, value in clean.items() if value}


class LocalNumber(fields.Float):
    """A number as people of the language write it, or as computers do."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        return super()._deserialize(language.plain_number(value), attr, data, **kwargs)


def number(**options: Any) -> fields.Float:
    return LocalNumber(error_messages=_messages("number.missing"), **options)


def whole(**options: Any) -> fields.Integer:
    return fields.Integer(strict=False, error_messages=_messages("number.missing"), **options)


def day(**options: Any) -> fields.Date:
    """A date that somebody may mean: from 1970 on, and at most 30 years ahead."""
    return fields.Date(error_messages=_messages("date.missing"), validate=_is_near, **options)


def _is_near(value: date) -> None:
    if not 1970 <= value.year <= clock.today().year + 30:
        raise ValidationError("date.far")


Problems = Callable[[Mapping[str, Any]], Mapping[str, str]]


def load(
    schema: type[FormSchema], problems: Problems | None = None, *, given: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What was typed, as values. Raises Invalid with a reason per field, in the order of the form.

    ``problems`` looks at the values that could be read, so that whoever typed learns of every problem at once.
    """
    form = schema()
    try:
        loaded: dict[str, Any] = form.load(dict(request.form.items() if given is None else given.items()))
    except ValidationError as error:
        messages: dict[str, Any] = error.normalized_messages()  # type: ignore[no-untyped-call]
        unread = {name: _first(message) for name, message in messages.items()}
        known = error.valid_data if isinstance(error.valid_data, dict) else {}
        wrong = {**(problems(known) if problems else {}), **unread}
        raise Invalid({name: wrong[name] for name in (*form.fields, *wrong) if name in wrong}) from None
    return loaded


def _first(message: Any) -> str:
    return str(message[0]) if isinstance(message, list) else "invalid"


def local_moment(day_text: str, time_text: str, zone: ZoneInfo) -> datetime:
    """The moment a person means by a date and a time in their zone. Raises Invalid."""
    try:
        on = date.fromisoformat(day_text)
        _is_near(on)
    except (ValueError, ValidationError) as problem:
        reason = "date.far" if isinstance(problem, ValidationError) else "date.missing"
        raise Invalid({"day": reason}) from None
    try:
        return datetime.combine(on, time.fromisoformat(time_text), zone)
    except ValueError:
        raise Invalid({"time": "time.missing"}) from None
