"""Access tokens of an LMS's services (Security Framework 4.1): asked for with a signed assertion, kept until they end.

A token belongs to one registration, one token endpoint and one set of scopes: issuers are shared by whole clouds.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import jwt
from sqlalchemy import ForeignKey, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base, inserting
from lti_mentor.errors import PlatformError
from lti_mentor.lti import http, keys
from lti_mentor.lti.http import Answer
from lti_mentor.lti.platforms import Platform
from lti_mentor.tool import Tool

PURPOSE = "access-token"
MARGIN = timedelta(seconds=60)  # a token is not used in its last minute
ASSERTION_SECONDS = 300
USUAL_SECONDS = 3600
LONGEST_SECONDS = 24 * 3600  # whatever a platform says, a token is asked for anew every day


class AccessToken(Base):
    """Installation-wide, as its platform is; sealed."""

    __tablename__ = "access_tokens"

    platform_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("platforms.id", ondelete="CASCADE"), primary_key=True)
    token_endpoint: Mapped[str] = mapped_column(primary_key=True)
    scopes: Mapped[str] = mapped_column(primary_key=True)  # sorted, space separated
    sealed_token: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(index=True)


def access_token(tool: Tool, platform: Platform, scopes: Iterable[str], *, anew: bool = False) -> str:
    """A token for these scopes: a kept one, unless it has to be ``anew``. Raises PlatformError."""
    wanted = " ".join(sorted(set(scopes)))
    with tool.database.reading() as db:
        kept = None if anew else _kept(db, platform, wanted)
        key = None if kept else keys.signing(db)
    if kept is not None:
        return tool.vault.open(PURPOSE, kept.sealed_token).decode()
    if key is None:
        raise PlatformError("platform.no_tool_key")
    fields = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": _assertion(tool, platform, key),
        "scope": wanted,
    }
    token, seconds = read(_asked(tool, platform, fields))
    with tool.database.transaction() as db:
        _keep(db, platform, wanted, tool.vault.seal(PURPOSE, token.encode()), clock.now() + timedelta(seconds=seconds))
    return token


def _kept(db: Session, platform: Platform, wanted: str) -> AccessToken | None:
    kept = db.get(AccessToken, (platform.id, platform.token_endpoint, wanted))
    return kept if kept is not None and kept.expires_at > clock.now() + MARGIN else None


def _assertion(tool: Tool, platform: Platform, key: keys.ToolKey) -> str:
    now = int(clock.now().timestamp())
    claims = {
        "iss": platform.client_id,
        "sub": platform.client_id,
        "aud": platform.token_audience or platform.token_endpoint,
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
        "jti": str(uuid.uuid4()),
    }
    private_pem = tool.vault.open(keys.PURPOSE, key.sealed_private_pem)
    return jwt.encode(claims, private_pem, algorithm="RS256", headers={"kid": key.jwk["kid"]})


def _asked(tool: Tool, platform: Platform, fields: dict[str, str]) -> Any:
    answer = http.post_form(platform.token_endpoint, fields, tool.settings, guarded=platform.is_https)
    if answer.status in http.GOOD:
        return answer.json()
    if answer.is_retryable:
        wait = http.retry_after(answer)
        raise PlatformError("platform.bad_status", retryable=True, status=answer.status, retry_after=wait)
    raise PlatformError("platform.no_scope" if _is_about_scopes(answer) else "platform.no_token", status=answer.status)


def _is_about_scopes(answer: Answer) -> bool:
    """RFC 6749, 5.2: the client may sign in, and not have what it asks for."""
    try:
        said = answer.json()
    except PlatformError:
        return False
    return isinstance(said, dict) and said.get("error") == "invalid_scope"


def read(answer: Any) -> tuple[str, int]:
    """The token in the answer and the seconds it is good for. Raises PlatformError."""
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        raise PlatformError("platform.not_json")
    return token, _seconds(answer.get("expires_in"))


def _seconds(given: Any) -> int:
    """Also of a number that came as a text; the usual hour when nothing was said, since a 401 is asked anew anyway."""
    if given is None:
        return USUAL_SECONDS
    try:
        return int(min(max(float(given), 0), LONGEST_SECONDS))
    except (TypeError, ValueError, OverflowError):
        return 0


def forget(db: Session) -> None:
    """Ask for all tokens anew, such as after the secret key that sealed them was rotated."""
    db.execute(delete(AccessToken))


def _keep(db: Session, platform: Platform, scopes: str, sealed: str, expires_at: datetime) -> None:
    """Insert or replace; several workers may ask at the same moment."""
    key = {"platform_id": platform.id, "token_endpoint": platform.token_endpoint, "scopes": scopes}
    kept = {"sealed_token": sealed, "expires_at": expires_at}
    db.execute(inserting(db, AccessToken).values(key | kept).on_conflict_do_update(index_elements=list(key), set_=kept))
