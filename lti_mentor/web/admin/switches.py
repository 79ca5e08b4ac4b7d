"""What one platform needs because it does something in its own way, set on a page."""

import uuid
from collections.abc import Mapping
from typing import Any

from flask import render_template, request
from marshmallow import ValidationError, fields, pre_load
from sqlalchemy.orm import Session

from lti_mentor.errors import Invalid, Refused
from lti_mentor.lti import keysets, platforms, switches
from lti_mentor.lti.platforms import Platform
from lti_mentor.web import platform_changes
from lti_mentor.web.admin.blueprint import admin
from lti_mentor.web.admin.platforms import to_change
from lti_mentor.web.fields import FormSchema, load, whole
from lti_mentor.web.forms import form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url


class Lines(fields.String):
    """A list of texts, one in each line."""

    def _deserialize(self, value: Any, *others: Any, **kwargs: Any) -> Any:
        return list(dict.fromkeys(line.strip() for line in str(value).splitlines() if line.strip()))


class Roles(Lines):
    def _deserialize(self, value: Any, *others: Any, **kwargs: Any) -> Any:
        return switches.roles(super()._deserialize(value))


class PublicKeys(fields.String):
    def _deserialize(self, value: Any, *others: Any, **kwargs: Any) -> Any:
        try:
            return keysets.read(str(value))
        except Refused as problem:
            raise ValidationError(problem.reason) from None


class IntoOwn(fields.Boolean):
    """The organization of the visit, or none."""

    def _deserialize(self, value: Any, *others: Any, **kwargs: Any) -> Any:
        return current_visit().organization_id if super()._deserialize(value, *others, **kwargs) else None


class SwitchesForm(FormSchema):
    """Columns of the platform; of its keys, only those from the source that was chosen."""

    jwks_uri = fields.String()
    pasted_keys = PublicKeys()
    foreign_azp = fields.Boolean(load_default=False)
    trusted_audiences = Lines(load_default=list)
    token_audience = fields.String(load_default=None)
    leeway_seconds = whole(load_default=None)
    role_map = Roles(load_default=dict)
    frame_ancestors = Lines(load_default=list)
    adopting_id = IntoOwn(load_default=None)  # whether new deployments are taken in

    @pre_load
    def _drop_other_keys(self, given: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        other = "jwks_uri" if _are_pasted(given) else "pasted_keys"
        return {name: value for name, value in given.items() if name != other}


def _are_pasted(given: Mapping[str, Any]) -> bool:
    return given.get("source_of_keys") == "pasted"


@admin.get("/platforms/<uuid:platform_id>/switches", endpoint="switches")
def show_switches(platform_id: uuid.UUID, error: Invalid | None = None) -> str:
    """How it is now, or what was typed."""
    with tool().database.reading() as db:
        platform = platforms.get_own(db, current_visit().organization_id, platform_id)
    return render_template(
        "admin/switches.html",
        platform=platform,
        given=_typed() if error else _as_kept(platform),
        usual_leeway=tool().settings.clock_leeway_seconds,
        longest_leeway=switches.LONGEST_LEEWAY,
        may_adopt=platforms.may_decide(platform, current_visit().organization_id),
        error=error,
    )


def _typed() -> Mapping[str, object]:
    """What was typed, but for the keys: one may be private, whatever else is wrong, and is sent nowhere again."""
    return request.form.to_dict() | {"pasted_keys": ""}


def _as_kept(platform: Platform) -> Mapping[str, object]:
    """The platform in the words of the form. A public key is not shown again: it is replaced or stays."""
    return {
        "source_of_keys": "pasted" if platform.pasted_keys else "address",
        "jwks_uri": platform.jwks_uri or "",
        "leeway_seconds": "" if platform.leeway_seconds is None else platform.leeway_seconds,
        "foreign_azp": platform.foreign_azp,
        "trusted_audiences": "\n".join(platform.trusted_audiences),
        "token_audience": platform.token_audience or "",
        "role_map": "\n".join(f"{role}={part}" for role, part in platform.role_map.items()),
        "frame_ancestors": "\n".join(platform.frame_ancestors),
        "adopting_id": platform.adopting_id is not None,
    }


@admin.post("/platforms/<uuid:platform_id>/switches")
@form(again=show_switches)
def change_switches(db: Session, platform_id: uuid.UUID) -> str:
    """Set all of them as typed."""
    platform = to_change(db, platform_id)
    platform_changes.switch(db, platform, _wanted(platform), tool().settings, by=current_visit())
    return visit_url("admin.platform", platform_id=platform_id)


def _wanted(platform: Platform) -> dict[str, Any]:
    """What was typed, checked as the command line does it. Raises Invalid with every problem at once."""

    def problems(given: Mapping[str, Any]) -> dict[str, str]:
        return {**_missing_keys(platform, given), **switches.problems(platform, given, tool().settings)}

    given = load(SwitchesForm, problems)
    wrong = problems(given)
    if wrong:
        raise Invalid(wrong)
    return given


def _missing_keys(platform: Platform, given: Mapping[str, Any]) -> dict[str, str]:
    """Keys that were pasted before stay when no others are."""
    if not _are_pasted(request.form):
        return {} if "jwks_uri" in given else {"jwks_uri": "platform.address_of_keys"}
    return {} if "pasted_keys" in given or platform.pasted_keys else {"pasted_keys": "key.unreadable"}
