"""Trying the connection to a platform: its keys, and a token of its services."""

from collections.abc import Callable
from dataclasses import dataclass

from lti_mentor.errors import PlatformError
from lti_mentor.lti import contexts, http, keysets, tokens
from lti_mentor.lti.platforms import Platform
from lti_mentor.lti.registration import SCOPES
from lti_mentor.tool import Tool


@dataclass(frozen=True)
class Tried:
    """One step: ``problem`` is none when it worked, ``count`` is how many keys or scopes it found."""

    step: str  # keys or token
    count: int
    problem: PlatformError | None = None


def try_out(tool: Tool, platform: Platform) -> list[Tried]:
    """Each step by itself, so that one that fails does not hide the other."""
    return [_try("keys", lambda: _keys(tool, platform)), _try("token", lambda: _token(tool, platform))]


def _try(step: str, count: Callable[[], int]) -> Tried:
    try:
        return Tried(step, count())
    except PlatformError as problem:
        return Tried(step, 0, problem)


def _keys(tool: Tool, platform: Platform) -> int:
    if platform.jwks_uri is None:
        return len(platform.pasted_keys or [])
    usable = keysets.usable(http.get_json(platform.jwks_uri, tool.settings, guarded=platform.is_https))
    if not usable:
        raise PlatformError("platform.no_usable_key")
    return usable


def _token(tool: Tool, platform: Platform) -> int:
    """Some servers refuse a request for one scope that they do not give, and some leave that one out."""
    scopes = platform.granted_scopes or _listed(tool, platform) or SCOPES
    try:
        tokens.access_token(tool, platform, scopes, anew=True)
    except PlatformError as problem:
        if problem.reason != "platform.no_scope":
            raise
        refused = [scope for scope in scopes if not _gives(tool, platform, scope)]
        if not refused:
            raise  # each by itself, and not what rosters and grades ask for at once
        names = ", ".join(scope.rpartition("/")[2] for scope in refused)
        raise PlatformError("platform.scopes_refused", names=names) from None
    return len(scopes)


def _listed(tool: Tool, platform: Platform) -> list[str]:
    """What launches said that the tool may do, where no registration did."""
    with tool.database.reading() as db:
        listed = contexts.scopes_of(db, platform)
    return [scope for scope in SCOPES if scope in listed]


def _gives(tool: Tool, platform: Platform, scope: str) -> bool:
    try:
        tokens.access_token(tool, platform, [scope], anew=True)
    except PlatformError as problem:
        if problem.reason == "platform.no_scope":
            return False
        raise
    return True
