"""The login initiation (Security Framework 5.1.1.1): one single-use row ties the launch to browser and platform."""

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from sqlalchemy import ForeignKey, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base
from lti_mentor.errors import LaunchError
from lti_mentor.lti import platforms
from lti_mentor.lti.platforms import Platform
from lti_mentor.settings import Settings

LONGEST = 2000  # characters of an issuer or an id


class Login(Base):
    """Installation-wide: which organization it is for is only known once the token is verified."""

    __tablename__ = "logins"

    state_hash: Mapped[str] = mapped_column(primary_key=True)
    nonce_hash: Mapped[str]
    browser_hash: Mapped[str]
    platform_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("platforms.id", ondelete="CASCADE"))
    deployment_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


_INSERT = insert(Base.metadata.tables["logins"])


@dataclass(frozen=True)
class Begun:
    """Where the browser goes next, and the secret it has to bring back: in a cookie, or from the platform's storage."""

    redirect_url: str
    state: str
    browser_secret: str
    platform: Platform


def hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def fits(secret: str, kept: str) -> bool:
    return hmac.compare_digest(hashed(secret), kept)


def begin(db: Session, settings: Settings, given: Mapping[str, str]) -> Begun:
    """Answer a login initiation. Raises LaunchError."""
    for name in ("iss", "login_hint", "target_link_uri"):
        if not given.get(name):
            raise LaunchError("launch.missing_parameter", name=name)
    for name in ("iss", "client_id", "lti_deployment_id"):
        if not given.get(name, "").isprintable() or len(given.get(name, "")) > LONGEST:
            raise LaunchError("launch.bad_parameter", name=name)
    if not is_ours(given["target_link_uri"], settings):
        raise LaunchError("launch.foreign_target")
    platform = platforms.for_login(db, given["iss"], given.get("client_id"))
    state, nonce, browser_secret = (secrets.token_urlsafe(32) for _ in range(3))
    values = {
        "state_hash": hashed(state),
        "nonce_hash": hashed(nonce),
        "browser_hash": hashed(browser_secret),
        "platform_id": platform.id,
        "deployment_id": given.get("lti_deployment_id") or None,
        "created_at": clock.now(),
    }
    db.execute(_INSERT, values)
    query = {
        "scope": "openid",
        "response_type": "id_token",
        "response_mode": "form_post",
        "prompt": "none",
        "client_id": platform.client_id,
        "redirect_uri": f"{settings.base_url}/lti/launch",
        "login_hint": given["login_hint"],
        "nonce": nonce,
        "state": state,
    }
    if "lti_message_hint" in given:
        query["lti_message_hint"] = given["lti_message_hint"]
    endpoint = platform.authorization_endpoint
    return Begun(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", state, browser_secret, platform)


def is_ours(url: str, settings: Settings) -> bool:
    """Whether an address belongs to this tool: same origin, and below its path."""
    base = settings.base_url
    return url == base or url.startswith((f"{base}/", f"{base}?", f"{base}#"))
