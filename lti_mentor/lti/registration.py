"""Dynamic Registration 1.0: an LMS registers itself at an address that an administrator of the tool gave away."""

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from sqlalchemy import CheckConstraint, CursorResult, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row
from lti_mentor.errors import NotFound, PlatformError, Refused
from lti_mentor.lti import http, platforms, quirks, texts
from lti_mentor.lti.origins import host, is_https, origin
from lti_mentor.lti.platforms import Platform, Registration
from lti_mentor.settings import Settings
from lti_mentor.vault import hashed

PLATFORM_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-platform-configuration"
TOOL_CONFIGURATION = "https://purl.imsglobal.org/spec/lti-tool-configuration"
LONGEST = 2000  # characters of an address or an id

# What the tool would like to have; only what a platform offers is asked for. Scopes are asked for once, so that nobody
# has to register again when a feature begins to use them.
SCOPES = (
    "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly",
    "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem",
    "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem.readonly",
    "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly",
    "https://purl.imsglobal.org/spec/lti-ags/scope/score",
)
CLAIMS = ("iss", "sub", "name", "given_name", "family_name", "email")
MESSAGES = {  # each with the placements that suit it, where a platform names them
    "LtiResourceLinkRequest": ("course_navigation",),
    "LtiDeepLinkingRequest": ("link_selection", "assignment_selection", "ContentArea"),
    "LtiSubmissionReviewRequest": (),
    "DataPrivacyLaunchRequest": (),
}
VARIABLES = {
    "context_history": "Context.id.history",
    "link_history": "ResourceLink.id.history",
    "course_begin": "CourseSection.timeFrame.begin",
    "course_end": "CourseSection.timeFrame.end",
    "time_zone": "Person.address.timezone",
}


class Invitation(Row):
    """The right to register so many platforms for an organization. The secret itself is shown once."""

    __tablename__ = "invitations"

    secret_hash: Mapped[str] = mapped_column(index=True)
    uses_left: Mapped[int]
    needs_approval: Mapped[bool]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    __table_args__ = (CheckConstraint("uses_left >= 0", name="uses_left"),)


@dataclass(frozen=True)
class Offer:
    """What a platform says of itself in its OpenID configuration, checked."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    registration_endpoint: str
    token_audience: str | None
    family: str | None
    scopes: frozenset[str]
    claims: frozenset[str] | None  # none: it does not say
    variables: frozenset[str] | None
    messages: Mapping[str, frozenset[str]]  # supported ones with their placements


@dataclass(frozen=True)
class Granted:
    """What the platform registered."""

    client_id: str
    deployment_id: str | None
    scopes: tuple[str, ...]


def invite(
    db: Session, organization_id: uuid.UUID, *, uses: int = 1, hours: int = 72, needs_approval: bool = False
) -> str:
    """A new invitation; gives its secret. Raises Refused."""
    if not 1 <= uses <= 100 or not 1 <= hours <= 24 * 90:
        raise Refused("invitation.limits")
    secret = secrets.token_urlsafe(32)
    db.add(
        Invitation(
            organization_id=organization_id,
            secret_hash=hashed(secret),
            uses_left=uses,
            needs_approval=needs_approval,
            expires_at=clock.now() + timedelta(hours=hours),
        )
    )
    db.flush()
    return secret


def take(db: Session, secret: str) -> Invitation:
    """Use the invitation once; of many at the same moment no more than it has uses. Raises Refused."""
    fits = (Invitation.secret_hash == hashed(secret), Invitation.expires_at > clock.now())
    fewer = update(Invitation).where(*fits, Invitation.uses_left > 0).values(uses_left=Invitation.uses_left - 1)
    taken = cast("CursorResult[Any]", db.execute(fewer, execution_options={"synchronize_session": False}))
    if taken.rowcount != 1:
        raise Refused("invitation.over")
    return db.scalars(select(Invitation).where(Invitation.secret_hash == hashed(secret))).one()


def give_back(db: Session, invitation_id: uuid.UUID) -> None:
    """The registration did not come about: the invitation may be used again."""
    more = update(Invitation).where(Invitation.id == invitation_id).values(uses_left=Invitation.uses_left + 1)
    db.execute(more, execution_options={"synchronize_session": False})


def open_invitations(db: Session, organization_id: uuid.UUID) -> Sequence[Invitation]:
    """Those that still let somebody register, the newest first."""
    wanted = select(Invitation).where(
        Invitation.organization_id == organization_id,
        Invitation.uses_left > 0,
        Invitation.expires_at > clock.now(),
    )
    return db.scalars(wanted.order_by(Invitation.created_at.desc())).all()


def revoke(db: Session, organization_id: uuid.UUID, invitation_id: uuid.UUID) -> None:
    """Let nobody register with it any more; it is gone, so that nothing gives a use back. Raises NotFound."""
    given = delete(Invitation).where(Invitation.organization_id == organization_id, Invitation.id == invitation_id)
    gone = cast("CursorResult[Any]", db.execute(given, execution_options={"synchronize_session": False}))
    if gone.rowcount != 1:
        raise NotFound("invitation.unknown")


def read_offer(url: str, token: str | None, settings: Settings) -> Offer:
    """Ask the platform what it is. Raises PlatformError, and Refused when what it says cannot be trusted."""
    if len(url) > LONGEST:
        raise Refused("registration.address")
    given = http.get_json(url, settings, bearer=token)  # Canvas wants the token here too
    if not isinstance(given, Mapping):
        raise PlatformError("platform.not_json")
    about = given.get(PLATFORM_CONFIGURATION)
    about = about if isinstance(about, Mapping) else {}
    offer = Offer(
        issuer=_address(given, "issuer"),
        authorization_endpoint=_address(given, "authorization_endpoint"),
        token_endpoint=_address(given, "token_endpoint"),
        jwks_uri=_address(given, "jwks_uri"),
        registration_endpoint=_address(given, "registration_endpoint"),
        token_audience=quirks.audience(_text(given.get("authorization_server"))),
        family=texts.shown(about.get("product_family_code")),
        scopes=_words(given.get("scopes_supported")) or frozenset(),
        claims=_words(given.get("claims_supported")),
        variables=_words(about.get("variables")),
        messages=_messages(about.get("messages_supported")),
    )
    check_safety(url, offer)
    if not quirks.speaks_for(host(url), offer.issuer):
        raise Refused("registration.issuer", issuer=offer.issuer)
    if not quirks.registers_at(host(offer.registration_endpoint), offer.issuer):
        raise Refused("registration.endpoint")
    return offer


def check_safety(url: str, offer: Offer) -> None:
    """A platform of https names no address that anybody on the way could answer for it. Raises Refused."""
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint")
    if not is_https(offer.issuer):
        return
    if not is_https(url):
        raise Refused("registration.issuer", issuer=offer.issuer)
    for name in names:
        if not is_https(getattr(offer, name)):
            raise Refused("registration.incomplete", name=name)


def _address(given: Mapping[str, Any], name: str) -> str:
    value = _text(given.get(name))
    if value is None or origin(value) is None:
        raise Refused("registration.incomplete", name=name)
    return value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable() else None


def _words(value: Any) -> frozenset[str] | None:
    return frozenset(word for word in value if isinstance(word, str)) if isinstance(value, list) else None


def _messages(messages: Any) -> dict[str, frozenset[str]]:
    """Each message the platform supports with the placements it names for it."""
    found: dict[str, frozenset[str]] = {}
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, Mapping) and isinstance(message.get("type"), str):
            found[message["type"]] = found.get(message["type"], frozenset()) | (
                _words(message.get("placements")) or frozenset()
            )
    return found


def register(offer: Offer, token: str | None, settings: Settings) -> Granted:
    """Send the tool's configuration. Raises PlatformError."""
    answer = http.post_json(offer.registration_endpoint, configuration(offer, settings), settings, bearer=token)
    client_id = _text(answer.get("client_id")) if isinstance(answer, Mapping) else None
    if client_id is None:
        raise PlatformError("registration.no_client")
    tool = answer.get(TOOL_CONFIGURATION)
    deployment_id = tool.get("deployment_id") if isinstance(tool, Mapping) else None
    scope = answer.get("scope")
    return Granted(
        client_id=client_id,
        deployment_id=texts.as_id(deployment_id),
        scopes=tuple(word for word in scope.split() if word in SCOPES) if isinstance(scope, str) else (),
    )


def configuration(offer: Offer, settings: Settings) -> dict[str, Any]:
    """The tool as this platform is told about it: nothing is asked for that it does not offer."""
    base = settings.base_url
    launch = f"{base}/lti/launch"
    variables = {
        name: f"${variable}"
        for name, variable in VARIABLES.items()
        if offer.variables is None or variable in offer.variables
    }
    return {
        "application_type": "web",
        "response_types": ["id_token"],
        "grant_types": ["implicit", "client_credentials"],
        "client_name": "LTI Mentor",
        "initiate_login_uri": f"{base}/lti/login",
        "redirect_uris": [launch],
        "jwks_uri": f"{base}/lti/jwks",
        "token_endpoint_auth_method": "private_key_jwt",
        "scope": " ".join(scope for scope in SCOPES if scope in offer.scopes),
        TOOL_CONFIGURATION: {
            "domain": urlsplit(base).netloc,
            "target_link_uri": launch,
            "description": "Mentoring goals, evidence and certifications inside the course.",
            "custom_parameters": variables,
            "claims": [claim for claim in CLAIMS if offer.claims is None or claim in offer.claims],
            "messages": [_message(kind, launch, offer) for kind in MESSAGES if kind in {*offer.messages, _ALWAYS}],
        },
    }


_ALWAYS = "LtiResourceLinkRequest"  # every platform has it, named or not


def _message(kind: str, launch: str, offer: Offer) -> dict[str, Any]:
    placements = [place for place in MESSAGES[kind] if place in offer.messages.get(kind, frozenset())]
    message = {"type": kind, "target_link_uri": launch, "label": "Mentoring"}
    return message | ({"placements": placements} if placements else {})


@dataclass(frozen=True)
class Kept:
    """The platform as a row. ``changed`` names what is different from before, where it was somebody's already."""

    platform: Platform
    is_new: bool
    changed: tuple[str, ...]


def keep(db: Session, offer: Offer, granted: Granted, *, organization_id: uuid.UUID, needs_approval: bool) -> Kept:
    """A new platform, or one of the organization brought up to date, with all that was decided here. Raises Refused."""
    known = platforms.find_locked(db, offer.issuer, granted.client_id)
    owner_ids = known.organization_ids if known else set()
    if owner_ids - {organization_id}:
        raise Refused("registration.of_others")
    if known and not owner_ids:
        _forget_decisions(known)
    pasted = known.pasted_keys if known and owner_ids else None
    registration = Registration(
        issuer=offer.issuer,
        client_id=granted.client_id,
        authorization_endpoint=offer.authorization_endpoint,
        token_endpoint=offer.token_endpoint,
        jwks_uri=None if pasted else offer.jwks_uri,
        pasted_keys=pasted or (),
        deployment_ids=(granted.deployment_id,) if granted.deployment_id else (),
        token_audience=offer.token_audience,
    )
    changed = _changes(known, registration, offer.family) if known and owner_ids else []
    if changed and needs_approval and known and known.status == "active":
        raise Refused("registration.needs_approval")
    if known and owner_ids and known.granted_scopes != list(granted.scopes):
        changed.append("granted_scopes")
    platform = platforms.add(db, registration, organization_id=organization_id)
    platform.granted_scopes, platform.family = list(granted.scopes), offer.family or platform.family
    if not owner_ids:
        _begin(platform, organization_id, needs_approval=needs_approval)
        platforms.check_alone(db, platform)
    db.flush()
    return Kept(platform, is_new=not owner_ids, changed=tuple(changed))


def _forget_decisions(platform: Platform) -> None:
    """What an administrator decided for people who are gone is not decided for those who come now.

    One that is switched off stays so, and a deployment that was refused: neither lets anybody in.
    """
    platform.foreign_azp = platform.observers = False
    platform.trusted_audiences, platform.role_map, platform.frame_ancestors = [], {}, []
    platform.leeway_seconds = platform.token_audience = platform.family = None


def _begin(platform: Platform, organization_id: uuid.UUID, *, needs_approval: bool) -> None:
    """What an administrator decides about later, also of a platform that is nobody's any more."""
    if platform.issuer not in quirks.SHARED_CLIENTS:
        platform.adopting_id = organization_id
    if needs_approval:
        platform.status = "pending"


def _changes(known: Platform, registration: Registration, family: str | None) -> list[str]:
    """What becomes different; a name that the platform does not give stays as it is."""
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "token_audience")
    changed = [name for name in names if getattr(registration, name) not in (None, getattr(known, name))]
    changed += ["family"] if known.family is not None and family not in (None, known.family) else []
    deployed = {each.deployment_id for each in known.deployments if each.status == "active"}
    return changed + (["deployments"] if set(registration.deployment_ids) - deployed else [])
