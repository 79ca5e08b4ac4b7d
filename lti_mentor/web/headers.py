"""Headers of every answer: what may run, who may frame, what may be kept."""

from flask import Flask, Response, g, request
from werkzeug.http import dump_cookie
from werkzeug.wrappers import Response as AnyResponse

from lti_mentor.errors import MentorError, TooMany
from lti_mentor.lti import quirks
from lti_mentor.lti.origins import origin
from lti_mentor.lti.platforms import Door, Platform
from lti_mentor.web.tool import tool

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'"
)


def is_from_here() -> bool:
    """Whether a page of ours sent this request: what the browser says itself, no page can make it say otherwise.

    A browser that says nothing of the kind names the origin; ``null`` is what any page may send.
    """
    site = request.headers.get("Sec-Fetch-Site")
    return is_own_origin(request.headers.get("Origin")) if site is None else site == "same-origin"


def is_own_origin(given: str | None) -> bool:
    """The public address, or the host that a trusted proxy names; never without encryption where that is public."""
    settings = tool().settings
    scheme = "https" if settings.is_https else request.scheme
    named = origin(given or "")
    return named is not None and named in (origin(settings.base_url), origin(f"{scheme}://{request.host}"))


def let_anybody_frame() -> None:
    """For pages that say why nothing is shown, where nobody knows which platform it is about.

    There is nothing to protect, and the frame would stay blank.
    """
    g.setdefault("framing_origins", ("*",))


def let_platform_frame(platform: Platform | Door) -> None:
    """For pages that come before the signed message, which alone says where some platforms show their courses."""
    is_elsewhere = quirks.shows_elsewhere(platform.issuer, platform.family)
    g.framing_origins = ("*",) if is_elsewhere else tuple(platform.framing_origins)


def set_cookie(response: AnyResponse, name: str, value: str, *, path: str, seconds: int) -> None:
    """For frames: kept by browsers that block third-party cookies too, and sent to this path alone.

    All of those know how long by ``Max-Age``, so no date is written besides.
    """
    written = dump_cookie(
        name,
        value,
        path=path,
        max_age=seconds,
        sync_expires=False,
        secure=True,
        httponly=True,
        samesite="None",
        partitioned=True,
    )
    response.headers.add("Set-Cookie", written)


def when_again(error: MentorError) -> dict[str, str]:
    """For whoever came too often: how long to wait."""
    return {"Retry-After": str(error.seconds)} if isinstance(error, TooMany) else {}


def install(app: Flask) -> None:
    app.after_request(_add)


def _add(response: Response) -> Response:
    headers = response.headers
    if "Content-Security-Policy" in headers:
        return response  # of a page that was shown at once, with what is right for it
    ancestors = " ".join(g.get("framing_origins", ())) or "'none'"
    targets = " ".join(["'self'", *g.get("form_targets", ())])
    headers["Content-Security-Policy"] = f"{POLICY}; form-action {targets}; frame-ancestors {ancestors}"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = g.get("referrer_policy", "no-referrer")
    if not request.path.startswith("/static/"):
        headers.setdefault("Cache-Control", "no-store")
    if tool().settings.is_https:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return response
