"""The launch (Security Framework 5.1.3, Core 5.3): signature before claims, all claims before anything is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import jwt
from pylti1p3.exception import LtiException
from pylti1p3.message_validators.deep_link import DeepLinkMessageValidator
from pylti1p3.message_validators.privacy_launch import PrivacyLaunchValidator
from pylti1p3.message_validators.resource_message import ResourceMessageValidator
from pylti1p3.message_validators.submission_review import SubmissionReviewLaunchValidator
from sqlalchemy import Connection, Update, and_, bindparam, select, update
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.db import Base, Database, Glance, new_id
from lti_mentor.errors import LaunchError, NotForUs
from lti_mentor.lti import deep_linking, keysets, messages, origins, platforms, quirks, texts
from lti_mentor.lti.contexts import Offered
from lti_mentor.lti.deep_linking import Wanted
from lti_mentor.lti.login import Login, fits, is_ours
from lti_mentor.lti.messages import PRIVACY, REVIEW, Review
from lti_mentor.lti.platforms import Deployment, KeySet, Platform
from lti_mentor.settings import Settings
from lti_mentor.vault import hashed

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
ALGORITHM = "RS256"
LATEST = 1e12  # seconds since 1970 that a clock may show
RESOURCE_LINK = "LtiResourceLinkRequest"
VALIDATORS: dict[str, Any] = {
    RESOURCE_LINK: ResourceMessageValidator,
    deep_linking.MESSAGE: DeepLinkMessageValidator,
    REVIEW: SubmissionReviewLaunchValidator,
    PRIVACY: PrivacyLaunchValidator,
}


@dataclass(frozen=True)
class Context:
    id: str
    label: str | None
    title: str | None
    begins_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Launch:
    """What a verified launch says."""

    state_hash: str
    platform: Platform
    deployment: Deployment
    is_new_deployment: bool
    subject: str
    name: str | None
    email: str | None
    locale: str | None
    zone: str | None
    teaches: bool
    may_place: bool  # something of ours in the course
    context: Context | None
    resource_link_id: str | None  # none: a message about no link
    resource_link_title: str | None
    deep_link: Wanted | None  # something of ours is to be placed
    review: Review | None  # somebody's record is to be opened
    privacy_of: str | None  # the subject whose data an administrator asks for
    observed: tuple[str, ...] | None  # subjects an observer looks after; none: no observer
    custom: Mapping[str, str]
    target_link_uri: str
    return_url: str | None
    services: Offered
    family: str | None  # what product the platform says it is

    @property
    def organization_id(self) -> UUID:
        return cast(UUID, self.deployment.organization_id)  # only an active deployment opens anything

    @property
    def is_let_in(self) -> bool:
        """Whether its deployment is of an organization; if not, it opens nothing and is announced."""
        return self.deployment.status == "active"

    @property
    def framing_origins(self) -> list[str]:
        """Who may show us in a frame: its platform, and the page that the signed message leads back to."""
        ways_back = (self.return_url, self.deep_link.return_url if self.deep_link else None)
        pages = [origin for url in ways_back if url and (origin := origins.origin(url))]
        return list(dict.fromkeys([*self.platform.framing_origins, *pages]))

    @property
    def context_history(self) -> list[str]:
        """The contexts that this one was copied from, the nearest first."""
        return texts.ids(self.custom.get("context_history"))

    @property
    def link_history(self) -> list[str]:
        """The resource links that this one was copied from, the nearest first."""
        return texts.ids(self.custom.get("link_history"))


@dataclass(frozen=True)
class Pending:
    """The login a launch answers, as the database has it."""

    login: Login
    platform: Platform
    key_set: KeySet | None
    deployment: Deployment | None  # where the login named one that is known


# Made once: building a statement costs more than running it.
_LOGINS, _PLATFORMS, _KEY_SETS, _DEPLOYMENTS = (
    Base.metadata.tables[name] for name in ("logins", "platforms", "key_sets", "deployments")
)
_GLANCE = Glance(Login, Platform, KeySet, Deployment)
_NAMED = and_(_DEPLOYMENTS.c.platform_id == _PLATFORMS.c.id, _DEPLOYMENTS.c.deployment_id == _LOGINS.c.deployment_id)
_PENDING = (
    select(*_GLANCE.columns)
    .join_from(_LOGINS, _PLATFORMS, _PLATFORMS.c.id == _LOGINS.c.platform_id)
    .outerjoin(_KEY_SETS, _KEY_SETS.c.jwks_uri == _PLATFORMS.c.jwks_uri)
    .outerjoin(_DEPLOYMENTS, _NAMED)
    .where(_LOGINS.c.state_hash == bindparam("state_hash"))
)
MOST_FAILURES = 5  # tokens that one login is refused with
_ACTIVE = select(_PLATFORMS.c.id).where(_PLATFORMS.c.id == bindparam("from_platform"), _PLATFORMS.c.status == "active")
# The platform stays as it is until the visit is open: whoever suspends it, ends the visit too.
_UNUSED = update(_LOGINS).where(
    _LOGINS.c.state_hash == bindparam("given"),
    _LOGINS.c.used_at.is_(None),
    _LOGINS.c.failures < MOST_FAILURES,
    _LOGINS.c.platform_id.in_(_ACTIVE.with_for_update(read=True, key_share=True)),
)
_CONSUME = _UNUSED.values(used_at=bindparam("now"), again=None)
_GIVE_UP = _UNUSED.values(failures=MOST_FAILURES, again=None)


def pending(db: Connection, settings: Settings, *, state: str) -> Pending:
    """The login with this state. Raises LaunchError."""
    found = db.execute(_PENDING, {"state_hash": hashed(state)}).one_or_none()
    if found is None:
        raise LaunchError("launch.unknown_state")
    login, platform, key_set, deployment = _GLANCE.rows(found)
    if login.used_at is not None or login.failures >= MOST_FAILURES:
        raise LaunchError("launch.used_state")
    if clock.now() - login.created_at > timedelta(minutes=settings.login_minutes):
        raise LaunchError("launch.expired_login")
    platforms.require_active(platform)
    return Pending(login, platform, key_set, deployment)


def check_browser(waiting: Pending, browser_secret: str | None) -> None:
    """Raises LaunchError unless the login began in the browser that brings this secret back."""
    if browser_secret is None:
        raise LaunchError("launch.no_cookie")
    if not fits(browser_secret, waiting.login.browser_hash):
        raise LaunchError("launch.other_browser")


def verify(database: Database, settings: Settings, waiting: Pending, token: str) -> Launch:
    """The launch in the token. Asks the LMS for its keys when needed. Raises LaunchError."""
    claims = _verified_claims(database, settings, waiting, token)
    _check_times(claims, settings, waiting.platform)
    _check_parties(claims, waiting.platform)
    if not fits(_text(claims, "nonce"), waiting.login.nonce_hash):
        raise LaunchError("launch.nonce")
    deployment, is_new = _deployment(database, claims, waiting)
    _check_message(claims)
    target = claims.get(f"{CLAIM}target_link_uri")
    if not isinstance(target, str) or not is_ours(target, settings):
        raise LaunchError("launch.foreign_target")
    return _launch(claims, waiting, (deployment, is_new), target)


def failed(db: Session, waiting: Pending) -> None:
    """Count a refused token: what limits logins then limits launches too, the bad ones as well."""
    mine = update(_LOGINS).where(_LOGINS.c.state_hash == waiting.login.state_hash)
    db.execute(mine.values(failures=_LOGINS.c.failures + 1))


def consume(db: Session, launch: Launch) -> Launch:
    """Use up the login; exactly one launch can. Raises LaunchError for all others."""
    _use_up(db, launch, _CONSUME, now=clock.now())
    if launch.platform.family is None and launch.family is not None:
        _keep_family(db, launch)
    if not launch.is_new_deployment:
        if not platforms.is_still(db, launch.deployment):
            raise LaunchError("launch.refused_deployment")
        return launch
    adopted = platforms.adopt(db, launch.platform, launch.deployment)
    if adopted.status != "active":
        raise LaunchError("launch.refused_deployment")
    return replace(launch, deployment=adopted)


def _keep_family(db: Session, launch: Launch) -> None:
    """Once: what is known already stays, also what another launch kept since."""
    unknown = (_PLATFORMS.c.id == launch.platform.id, _PLATFORMS.c.family.is_(None))
    db.execute(update(_PLATFORMS).where(*unknown).values(family=launch.family))


def announce(db: Session, launch: Launch) -> LaunchError:
    """Keep the deployment of a launch that nobody let in yet; gives what to answer.

    The login counts as one that no launch followed: for its address and not for the platform, which others use too.
    """
    kept = platforms.wait(db, launch.platform, launch.deployment)
    _use_up(db, launch, _GIVE_UP)
    if kept is None:
        return LaunchError("launch.deployment")
    platforms.launched(db, kept)
    return LaunchError("launch.pending_deployment", deployment_id=kept.deployment_id)


def _use_up(db: Session, launch: Launch, statement: Update, **values: datetime) -> None:
    """Raises LaunchError for all but one."""
    which = {"given": launch.state_hash, "from_platform": launch.platform.id}
    if db.connection().execute(statement, {**which, **values}).rowcount != 1:
        platforms.require_active(platforms.get(db, launch.platform.id))  # since the login it may be suspended
        raise LaunchError("launch.used_state")


def _verified_claims(database: Database, settings: Settings, waiting: Pending, token: str) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(f"{token.partition('.')[0]}..")  # the rest is looked at once, with the key
    except jwt.PyJWTError:
        raise LaunchError("launch.bad_token") from None
    if header.get("alg") != ALGORITHM:
        raise LaunchError("launch.algorithm")
    key = keysets.verification_key(database, settings, waiting.platform, waiting.key_set, header.get("kid"))
    try:
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=[ALGORITHM], options=_SIGNATURE_ONLY)
    except jwt.InvalidSignatureError:
        raise LaunchError("launch.bad_signature") from None
    except jwt.PyJWTError:
        raise LaunchError("launch.bad_token") from None
    return claims


_SIGNATURE_ONLY: Any = {
    "verify_signature": True,
    **dict.fromkeys(
        ("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False
    ),
}


def _check_times(claims: Mapping[str, Any], settings: Settings, platform: Platform) -> None:
    now, leeway = clock.now().timestamp(), settings.clock_leeway_seconds
    if platform.leeway_seconds is not None:
        leeway = platform.leeway_seconds
    for name in ("exp", "iat"):
        if not _is_moment(claims.get(name)):
            raise LaunchError("launch.missing_claim", name=name)
    if claims["exp"] < now - leeway:
        raise LaunchError("launch.expired")
    not_before = claims.get("nbf", claims["iat"])
    if claims["iat"] > now + leeway or (isinstance(not_before, int | float) and not_before > now + leeway):
        raise LaunchError("launch.not_yet")
    if claims["iat"] < now - leeway - settings.login_minutes * 60:
        raise LaunchError("launch.too_old")


def _is_moment(value: Any) -> bool:
    """Seconds since 1970; no infinity, and no integer of a thousand digits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LATEST


def _check_parties(claims: Mapping[str, Any], platform: Platform) -> None:
    if _text(claims, "iss") != platform.issuer:
        raise LaunchError("launch.issuer")
    given = claims.get("aud")
    audiences = [given] if isinstance(given, str) else given
    if not isinstance(audiences, list) or platform.client_id not in audiences:
        raise NotForUs("launch.audience")
    # Security Framework 5.1.3 (3): no further audience that is not trusted, whatever azp says
    if any(each != platform.client_id and each not in platform.trusted_audiences for each in audiences):
        raise NotForUs("launch.foreign_audience")
    party = claims.get("azp")
    if len(audiences) > 1 and party is None:
        raise NotForUs("launch.audience")
    if party is not None and party != platform.client_id and not platform.foreign_azp:
        raise LaunchError("launch.authorized_party")


def _deployment(database: Database, claims: Mapping[str, Any], waiting: Pending) -> tuple[Deployment, bool]:
    """The deployment, and whether the launch brings it: to be adopted by its platform's rule, or to wait."""
    given, known = _text(claims, f"{CLAIM}deployment_id"), waiting.deployment
    if waiting.login.deployment_id not in (None, given):
        raise LaunchError("launch.deployment")
    if known is None or known.status == "pending":
        with database.reading() as db:
            known = known or platforms.deployment(db, waiting.platform, given)
            owner_id = platforms.adopter(db, waiting.platform)
    if known is not None and known.status == "refused":
        raise LaunchError("launch.refused_deployment")
    if known is not None and known.status == "active":
        return known, False
    values = {"platform_id": waiting.platform.id, "organization_id": owner_id, "deployment_id": _id(given)}
    return Deployment(id=new_id(), status="active" if owner_id else "pending", **values), True


def _check_message(claims: Mapping[str, Any]) -> None:
    kind = claims.get(f"{CLAIM}message_type")
    if not isinstance(kind, str) or not kind:
        raise LaunchError("launch.missing_claim", name="message_type")
    if kind not in VALIDATORS:
        raise LaunchError("launch.message_type")
    roles, has_link = claims.get(f"{CLAIM}roles"), isinstance(claims.get(f"{CLAIM}resource_link"), dict)
    if not isinstance(roles, list) or (kind == RESOURCE_LINK and not has_link):
        raise LaunchError("launch.missing_claim", name="roles or resource_link")
    if kind in _SAY_MORE:
        _SAY_MORE[kind](claims)
    try:
        VALIDATORS[kind]().validate(claims)
    except LtiException as problem:
        raise LaunchError("launch.message", detail=str(problem)) from None


# What these messages need besides, checked first: it says more than the library does, and takes any shape.
_SAY_MORE: dict[str, Callable[[Mapping[str, Any]], object]] = {
    deep_linking.MESSAGE: Wanted.of,
    REVIEW: Review.of,
    PRIVACY: messages.privacy_of,
}


def _launch(claims: Mapping[str, Any], waiting: Pending, found: tuple[Deployment, bool], target: str) -> Launch:
    presentation = claims.get(f"{CLAIM}launch_presentation")
    presentation = presentation if isinstance(presentation, dict) else {}
    custom = quirks.custom(claims.get(f"{CLAIM}custom"))
    roles = [role for role in claims[f"{CLAIM}roles"] if isinstance(role, str)]
    product, link = claims.get(f"{CLAIM}tool_platform"), claims.get(f"{CLAIM}resource_link")
    kind = claims[f"{CLAIM}message_type"]
    return Launch(
        state_hash=waiting.login.state_hash,
        platform=waiting.platform,
        deployment=found[0],
        is_new_deployment=found[1],
        subject=_id(claims["sub"]),
        name=texts.full_name(claims),
        email=texts.shown(claims.get("email")),
        locale=texts.shown(presentation.get("locale")) or texts.shown(claims.get("locale")),
        zone=texts.shown(claims.get("zoneinfo")) or custom.get("time_zone"),
        teaches=quirks.teaches(roles, waiting.platform.role_map),
        may_place=quirks.may_place(roles, waiting.platform.role_map),
        context=_context(claims.get(f"{CLAIM}context"), custom),
        resource_link_id=_link_id(link),
        resource_link_title=texts.shown(link.get("title")) if isinstance(link, dict) else None,
        deep_link=Wanted.of(claims) if kind == deep_linking.MESSAGE else None,
        review=Review.of(claims) if kind == REVIEW else None,
        privacy_of=messages.privacy_of(claims) if kind == PRIVACY else None,
        observed=messages.observed(claims, roles),
        custom=custom,
        target_link_uri=target,
        return_url=texts.shown(presentation.get("return_url")),
        services=Offered.of(claims),
        family=texts.shown(product.get("product_family_code")) if isinstance(product, dict) else None,
    )


def _link_id(claim: Any) -> str | None:
    return _id(claim["id"]) if isinstance(claim, dict) and claim.get("id") else None


def _context(claim: Any, custom: Mapping[str, str]) -> Context | None:
    if not isinstance(claim, dict) or not claim.get("id"):
        return None
    names = texts.shown(claim.get("label")), texts.shown(claim.get("title"))
    return Context(
        _id(claim["id"]), *names, *(texts.moment(custom.get(each)) for each in ("course_begin", "course_end"))
    )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise LaunchError("launch.missing_claim", name=name)
    return value


def _id(value: Any) -> str:
    text = texts.as_id(value)
    if text is None:
        raise LaunchError("launch.bad_id")
    return text
