"""Speaking to a record store outside (xAPI 1.0.3 Part Three, xAPI 2.0 4): is it one, does it let us in, take this."""

import base64
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.errors import PlatformError
from lti_mentor.lti import http, tokens
from lti_mentor.lti.http import Answer, Kept
from lti_mentor.tool import Tool
from xapi import attachments, delivery
from xapi.facets import Statement
from xapi.multipart import Part
from xapi.outbox import Letter
from xapi.rows import Target

FORM = "application/x-www-form-urlencoded"
_TOKENS: dict[tuple[uuid.UUID, str], tuple[str, datetime]] = {}  # of this process, by target and its sealed secret


def try_out(tool: Tool, target: Target) -> None:
    """Whether it would take statements, before it is added. Raises PlatformError."""
    with http.keeping(tool.settings, guarded=True) as connection:
        try:
            Speaker(tool, target, connection).check()
        except PlatformError as problem:
            raise PlatformError(reason_of(problem), status=problem.values.get("status")) from None


def reason_of(problem: PlatformError) -> str:
    """What went wrong on the way is said of a record store as it is of a platform."""
    return problem.reason.replace("platform.", "target.")


@dataclass(frozen=True)
class Speaker:
    """A conversation with one target over one connection."""

    tool: Tool
    target: Target
    connection: Kept

    def check(self) -> None:
        """Whether it is a record store of the right version that lets us in. Raises PlatformError."""
        about = self._ask("GET", "/about")
        spoken = _versions(about)
        if spoken is None:
            raise PlatformError("target.no_lrs", status=about.status)
        if not any(version.startswith(self.target.version[:3]) for version in spoken):
            raise PlatformError("target.other_version")
        asked = self._ask("GET", "/statements?limit=1&format=ids")
        if asked.status not in (200, 403):  # a key that may write need not be one that may read
            raise self.problem(asked)

    def send(self, letters: Sequence[Letter]) -> Answer:
        """Raises PlatformError when there is no whole answer."""
        body, kind = self._message(letters)
        return self._ask("POST", "/statements", body, kind)

    def has(self, said: Statement) -> bool:
        """Whether it has this very statement, maybe voided. Raises PlatformError when it does not say so now."""
        for name in ("statementId", "voidedStatementId"):
            answer = self._ask("GET", f"/statements?{name}={said['id']}")
            if answer.is_retryable:
                raise self.problem(answer)
            if answer.is_good:
                return delivery.is_same(said, answer.body)
        return False

    def problem(self, answer: Answer) -> PlatformError:
        """What is wrong with an answer like this."""
        reason = "target.shut_out" if answer.status in (401, 403) else "target.bad_status"
        return PlatformError(reason, status=answer.status, retry_after=_asked(answer), answer=self.shown(answer))

    def shown(self, answer: Answer) -> str:
        """The beginning of what it said, without our secrets."""
        token, _ = _TOKENS.get(self._token_key, ("", None))
        return delivery.shown(answer.body, (self._secret, self._basic.partition(" ")[2], token))

    def _message(self, letters: Sequence[Letter]) -> tuple[bytes, str]:
        attached: list[Part] = []
        if any(letter.has_attachments for letter in letters):
            statements = [json.loads(letter.body) for letter in letters]
            with self.tool.database.reading() as db:
                attached = attachments.parts(db, tenant=self.target.tenant, statements=statements)
        return delivery.message((letter.body for letter in letters), attached)

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str | None = None) -> Answer:
        """A token that ended is asked for anew once."""
        answer = self._exchange(method, path, body, kind, anew=False)
        if answer.status == 401 and self.target.token_endpoint:
            answer = self._exchange(method, path, body, kind, anew=True)
        return answer

    def _exchange(self, method: str, path: str, body: bytes | None, kind: str | None, *, anew: bool) -> Answer:
        headers = {
            "Authorization": f"Bearer {self._token(anew)}" if self.target.token_endpoint else self._basic,
            "X-Experience-API-Version": self.target.version,
            **({"Content-Type": kind} if kind else {}),
        }
        url = f"{self.target.endpoint}{path}"
        return self.connection.ask(method, url, body=body, headers=headers)

    @property
    def _secret(self) -> str:
        return outside.secret_of(self.tool.vault, self.target)

    @property
    def _basic(self) -> str:
        key, secret = self.target.key, self._secret
        if self.target.token_endpoint:  # RFC 6749, 2.3.1
            key, secret = quote(key, safe=""), quote(secret, safe="")
        return f"Basic {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"

    @property
    def _token_key(self) -> tuple[uuid.UUID, str]:
        return self.target.id, self.target.sealed_secret

    def _token(self, anew: bool) -> str:
        """By client credentials (RFC 6749, 4.4). Raises PlatformError."""
        token, until = _TOKENS.get(self._token_key, ("", clock.now()))
        if token and not anew and until > clock.now():
            return token
        form = {"grant_type": "client_credentials"} | ({"scope": self.target.scope} if self.target.scope else {})
        headers = {"Authorization": self._basic, "Content-Type": FORM}
        address, settings = str(self.target.token_endpoint), self.tool.settings
        with http.keeping(settings, guarded=True) as connection:
            answer = connection.ask("POST", address, body=urlencode(form).encode(), headers=headers)
        if not answer.is_good:
            reason = "target.bad_status" if answer.is_retryable else "target.no_token"
            raise PlatformError(reason, status=answer.status, retry_after=_asked(answer))
        token, seconds = tokens.read(answer.json())
        _TOKENS[self._token_key] = token, clock.now() + timedelta(seconds=seconds) - tokens.MARGIN
        return token


def _asked(answer: Answer) -> int | None:
    """Seconds that it asks to wait."""
    return http.retry_after(answer, int(delivery.LONGEST_ASKED.total_seconds()))


def _versions(about: Answer) -> list[str] | None:
    """Those that it speaks; none when it is no record store."""
    try:
        said: Any = json.loads(about.body)
    except (ValueError, RecursionError):
        return None
    given = said.get("version") if isinstance(said, dict) and about.is_good else None
    return [str(version) for version in given] if isinstance(given, list) else None
