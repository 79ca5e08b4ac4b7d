"""The login initiation (Security Framework 5.1.1.1): one single-use row ties the launch to browser and platform."""

import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base, fewer_than, insert_if, same, try_insert
from lti_mentor.errors import LaunchError, TooMany
from lti_mentor.lti import platforms, quirks
from lti_mentor.lti.platforms import Door
from lti_mentor.settings import Settings
from lti_mentor.tool import Tool
from lti_mentor.vault import hashed

PURPOSE = "login-caller"
LONGEST = 2000  # characters of an issuer or an id
PARAMETERS = ("iss", "login_hint", "target_link_uri", "lti_message_hint", "client_id", "lti_deployment_id")
LONGEST_AGAIN = 6000  # characters of them all in an address


class Login(Base):
    """Installation-wide: which organization it is for is only known once the token is verified."""

    __tablename__ = "logins"

    state_hash: Mapped[str] = mapped_column(primary_key=True)
    nonce_hash: Mapped[str]
    browser_hash: Mapped[str]
    platform_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("platforms.id", ondelete="CASCADE"))
    deployment_id: Mapped[str | None]
    institution: Mapped[str]  # hash of the deployment, on a shared client: its launches count together; else nothing
    address_hash: Mapped[str | None]
    failures: Mapped[int] = mapped_column(default=0)  # tokens that were refused
    created_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]  # by a launch that was verified
    again: Mapped[str | None]  # its parameters, where it began in a frame: for a tab of its own

    __table_args__ = (
        Index("ix_logins_platform_id_institution_used_at", "platform_id", "institution", "used_at"),
        Index(
            "ix_logins_waiting",
            "platform_id",
            "address_hash",
            "created_at",
            sqlite_where=text("used_at IS NULL"),
            postgresql_where=text("used_at IS NULL"),
        ),
    )


_LOGINS = Base.metadata.tables["logins"]
WITHIN = timedelta(minutes=1)
_OF_PLATFORM = same(_LOGINS.c.platform_id)
_FROM_ADDRESS = (_LOGINS.c.created_at, _OF_PLATFORM, _LOGINS.c.used_at.is_(None), same(_LOGINS.c.address_hash))
# Anybody may send a login, so of an address only those count that no launch has followed, and of a platform only
# launches: a stranger uses up what the own address has. A login hint says nothing about who comes (see the quirk
# one_hint_for_all), so a page that loops without a launch is stopped with its address; a person is known at the launch.
_KEEP = insert_if(
    _LOGINS,
    fewer_than("of_address", *_FROM_ADDRESS),
    fewer_than("of_platform", _LOGINS.c.used_at, _OF_PLATFORM, same(_LOGINS.c.institution)),
)


@dataclass(frozen=True)
class Begun:
    """Where the browser goes next, and the secret it has to bring back: in a cookie, or from the platform's storage.

    In a frame, also what a login would be given again in a tab of its own.
    """

    redirect_url: str
    state: str
    browser_secret: str
    platform: Door
    again: str | None


def fits(secret: str, kept: str) -> bool:
    return hmac.compare_digest(hashed(secret), kept)


def begin(db: Connection, tool: Tool, given: Mapping[str, str], *, address: str, is_framed: bool) -> Begun:
    """Answer a login initiation that came from this address. Raises LaunchError and TooMany."""
    for name in ("iss", "login_hint", "target_link_uri"):
        if not given.get(name):
            raise LaunchError("launch.missing_parameter", name=name)
    for name in ("iss", "client_id", "lti_deployment_id"):
        if not given.get(name, "").isprintable() or len(given.get(name, "")) > LONGEST:
            raise LaunchError("launch.bad_parameter", name=name)
    if not is_ours(given["target_link_uri"], tool.settings):
        raise LaunchError("launch.foreign_target")
    platform = platforms.for_login(db, given["iss"], given.get("client_id"))
    again = _again(given) if is_framed else None
    state, nonce, browser_secret = (secrets.token_urlsafe(32) for _ in range(3))
    values = {
        "state_hash": hashed(state),
        "nonce_hash": hashed(nonce),
        "browser_hash": hashed(browser_secret),
        "platform_id": platform.id,
        "deployment_id": given.get("lti_deployment_id") or None,
        "institution": hashed(given.get("lti_deployment_id", "")) if platform.issuer in quirks.SHARED_CLIENTS else "",
        "address_hash": tool.vault.recognizable(PURPOSE, address),
        "failures": 0,
        "created_at": clock.now(),
        "used_at": None,
        "again": again,
    }
    _keep(db, tool.settings, values)
    query = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": platform.client_id,
        "redirect_uri": f"{tool.settings.base_url}/lti/launch",
        "login_hint": given["login_hint"],
        "nonce": nonce,
        "state": state,
    }
    if "lti_message_hint" in given:
        query["lti_message_hint"] = given["lti_message_hint"]
    endpoint = platform.authorization_endpoint
    next_url = f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"
    return Begun(next_url, state, browser_secret, platform, again)


def _again(given: Mapping[str, str]) -> str | None:
    """As a query; none when an address could not carry it."""
    query = urlencode({name: given[name] for name in PARAMETERS if name in given})
    return query if len(query) <= LONGEST_AGAIN else None


def _keep(db: Connection, settings: Settings, values: Mapping[str, Any]) -> None:
    """Raises TooMany when the address or the platform had so many within a minute already."""
    kept = try_insert(
        db,
        _KEEP,
        values,
        since=values["created_at"] - WITHIN,
        of_address=settings.logins_a_minute_of_address,
        of_platform=settings.launches_a_minute_of_platform,
    )
    if not kept:
        raise TooMany("launch.too_many", seconds=int(WITHIN.total_seconds()))


def is_ours(url: str, settings: Settings) -> bool:
    """Whether an address belongs to this tool: same origin, and below its path."""
    base = settings.base_url
    return url == base or url.startswith((f"{base}/", f"{base}?", f"{base}#"))
