"""What an administrator sets for one registration, because its platform does something in its own way."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy.orm import Session

from lti_mentor.errors import Refused
from lti_mentor.lti import platforms, quirks
from lti_mentor.lti.checks import LONGEST, check_address_of_keys, check_frame_ancestors, check_pasted_keys
from lti_mentor.lti.http import may_be_inside
from lti_mentor.lti.origins import is_https
from lti_mentor.lti.platforms import Platform, take_keys
from lti_mentor.settings import Settings

LONGEST_LEEWAY = 300  # seconds; Security Framework 5.1.3 (7): no more than a few minutes
MOST_ROLES = 50
KEYS = frozenset({"jwks_uri", "pasted_keys"})  # one replaces the other


def change(db: Session, platform: Platform, wanted: Mapping[str, Any], settings: Settings) -> list[str]:
    """Set these columns of the platform; gives the names of those that are different now. Raises Refused."""
    for reason in problems(platform, wanted, settings).values():
        raise Refused(reason)
    standing = platforms.standing(platform)
    before = {name: getattr(platform, name) for name in [*_checks(platform, settings), "foreign_azp", "adopting_id"]}
    for name, value in wanted.items():
        if name not in KEYS:
            setattr(platform, name, value)
    if KEYS & set(wanted):
        take_keys(platform, wanted.get("jwks_uri"), wanted.get("pasted_keys") or ())
    platforms.check_alone(db, platform, standing)
    return [name for name, value in before.items() if getattr(platform, name) != value]


def problems(platform: Platform, wanted: Mapping[str, Any], settings: Settings) -> dict[str, str]:
    """The reason for each of these columns that cannot be so."""
    wrong = {}
    for name, check in _checks(platform, settings).items():
        try:
            if name in wanted:
                check(wanted[name])
        except Refused as problem:
            wrong[name] = problem.reason
    if wanted.get("adopting_id") and platform.issuer in quirks.SHARED_CLIENTS:
        wrong["adopting_id"] = "deployment.whose"
    others = {each.organization_id for each in platform.deployments} - {None, wanted.get("adopting_id")}
    if wanted.get("adopting_id") and others:
        wrong["adopting_id"] = "deployment.several"
    if not wanted.get("adopting_id", True) and all(each.status != "active" for each in platform.deployments):
        wrong["adopting_id"] = "platform.no_deployment"  # it would be of no organization
    return wrong


def roles(lines: Iterable[str]) -> dict[str, str]:
    """What roles make here, from URI=teacher or URI=learner for each; what is neither is a problem of ``role_map``."""
    pairs = (line.rpartition("=") for line in lines)
    return {role.strip(): part.strip() for role, _, part in pairs}


def check_keys(url: str | None, issuer: str, settings: Settings) -> None:
    """Keys of a platform of https come over TLS, or from a network of ours, as ``keysets`` asks. Raises Refused."""
    check_address_of_keys(url)
    if url is not None and is_https(issuer) and not (is_https(url) or may_be_inside(url, settings)):
        raise Refused("platform.keys_in_the_clear")


def _check_leeway(seconds: int | None) -> None:
    if seconds is not None and not 0 <= seconds <= LONGEST_LEEWAY:
        raise Refused("platform.leeway")


def _check_audience(audience: str | None) -> None:
    if audience is not None and not _is_text(audience):
        raise Refused("platform.audience")


def _check_audiences(audiences: list[str]) -> None:
    if not all(_is_text(audience) for audience in audiences):
        raise Refused("platform.audience")


def _check_roles(roles: Mapping[str, str]) -> None:
    fits = all(_is_text(role) and part in ("teacher", "learner") for role, part in roles.items())
    if not fits or len(roles) > MOST_ROLES:
        raise Refused("platform.role")


def _is_text(text: str) -> bool:
    return 0 < len(text) <= LONGEST and text.isprintable()


def _checks(platform: Platform, settings: Settings) -> dict[str, Callable[[Any], None]]:
    """In the order of the form."""
    return {
        "jwks_uri": lambda url: check_keys(url, platform.issuer, settings),
        "pasted_keys": check_pasted_keys,
        "trusted_audiences": _check_audiences,
        "token_audience": _check_audience,
        "leeway_seconds": _check_leeway,
        "role_map": _check_roles,
        "frame_ancestors": check_frame_ancestors,
    }
