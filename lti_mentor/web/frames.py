"""How a launch is tied to its browser, also in a frame where the browser keeps no cookie for us, and goes on there.

A browser is asked first: it gets a cookie and is sent to the same login once more. If the cookie comes back, all goes
by cookies. If not, the secret of the launch goes through the storage of the platform where it offers one (OIDC Login
with LTI Client Side postMessages), and else a new tab is offered, before the platform's hint is spent. The question is
a redirection: a page of ours between the platform and itself would keep its own ``SameSite=Lax`` cookies away.
"""

import secrets
from io import BytesIO
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from flask import Response, current_app, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from lti_mentor.errors import LaunchError
from lti_mentor.lti.login import Begun
from lti_mentor.lti.origins import origin
from lti_mentor.lti.platforms import Platform
from lti_mentor.vault import hashed
from lti_mentor.web import headers
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import HEADER, current_visit

PATH = "/lti/"
KEPT = "mentor_kept"  # says that this browser keeps cookies here, and nothing else
KEPT_SECONDS = 30 * 24 * 3600
LOGIN = "mentor_login_"
ASKED, TAB = "mentor_asked", "mentor_tab"  # parameters of our own at the login
LONGEST_NAME = 100  # characters of a frame's name, and of a tab's
MOST_LOGINS = 20  # that one browser keeps waiting: servers take 8 kB of cookies, and a page may have many frames
MOST_STEPS = 5  # redirections from a form or a launch to its page


def shall_ask() -> bool:
    """Whether it is still open if this browser keeps cookies here. Programs that are no browsers are not asked."""
    is_browser = "Sec-Fetch-Dest" in request.headers or "lti_storage_target" in request.values
    return is_browser and KEPT not in request.cookies and ASKED not in request.args


def ask() -> AnyResponse:
    """The same login again, with a cookie to bring back; whatever was posted is posted again."""
    again = urlencode([*request.args.items(multi=True), (ASKED, "1")])
    response = redirect(f"{url_for('lti.begin_login')}?{again}", 307)
    set_cookie(response, KEPT, "1", KEPT_SECONDS)
    return response


def set_cookie(response: AnyResponse, name: str, value: str, seconds: int) -> None:
    """For the login and the launch alone."""
    headers.set_cookie(response, name, value, path=f"{request.script_root}{PATH}", seconds=seconds)


def _login_of(state: str) -> str:
    """A name for each login, so that two frames of one page do not disturb each other."""
    return f"{_logins_here()}{hashed(state)[:16]}"


def _logins_here() -> str:
    """How these names begin: another installation on the host, at another path or port, has and counts its own."""
    return f"{LOGIN}{hashed(tool().settings.base_url)[:8]}_"


def _prefix() -> str:
    """With encryption no other host of the domain can plant one that begins with ``__Host-`` (RFC 6265bis 4.1.3.2)."""
    return "__Host-" if tool().settings.is_https else ""


def cookie_of(state: str) -> str:
    return f"{_prefix()}{_login_of(state)}"


def _set_login_cookie(response: AnyResponse, name: str, value: str, seconds: int) -> None:
    headers.set_cookie(response, name, value, path="/", seconds=seconds)  # as the prefix demands


def forget_login(response: AnyResponse, state: str) -> None:
    if cookie_of(state) in request.cookies:
        _set_login_cookie(response, cookie_of(state), "", 0)


def _forget_old_logins(response: AnyResponse) -> None:
    """A page that begins logins again and again fills no more of what a browser may send; it sends the oldest first."""
    logins = [name for name in request.cookies if name.startswith(f"{_prefix()}{_logins_here()}")]
    for name in logins[: 1 - MOST_LOGINS]:
        _set_login_cookie(response, name, "", 0)


def onward(begun: Begun) -> AnyResponse:
    """To the platform; by way of a page of ours when the browser keeps nothing."""
    keeps = KEPT in request.cookies or ASKED not in request.args
    response = redirect(begun.redirect_url, 302) if keeps else _without_cookies(begun)
    value = f"{begun.browser_secret}.{_name(request.args.get(TAB))}"
    _forget_old_logins(response)
    _set_login_cookie(response, cookie_of(begun.state), value, tool().settings.login_minutes * 60)
    return response


def _without_cookies(begun: Begun) -> AnyResponse:
    target = _name(request.values.get("lti_storage_target"))
    if not begun.again and not target:
        raise LaunchError("launch.cookies_blocked")
    page = render_template(
        "lti/opening.html",
        next_url=begun.redirect_url if target else None,
        storage=_storage(begun.platform.authorization_endpoint, target, begun.state),
        secret=begun.browser_secret,
        tab_url=tab_url(begun.again) if begun.again else None,
    )
    return Response(page)


def is_framed() -> bool:
    """Whether the page is shown inside another one, as far as the browser says."""
    return request.headers.get("Sec-Fetch-Dest") != "document"


def tab_url(query: str) -> str:
    """A login again, for a tab of its own; its name lets a second click come back to what the first one opened."""
    return f"{url_for('lti.begin_login')}?{query}&{urlencode({TAB: secrets.token_urlsafe(12)})}"


def _storage(authorization_endpoint: str, target: str, state: str) -> dict[str, str]:
    """Where the platform keeps things for us: the frame by its name, and the one origin that may answer."""
    where = origin(authorization_endpoint) or ""
    return {"target": target, "origin": where, "key": _login_of(state)}


def opened_in_tab() -> str | None:
    """Where a first click on "new tab" led to, if this is another click."""
    tab = _name(request.args.get(TAB))
    location = request.cookies.get(_tab_cookie(tab), "") if tab else ""
    is_ours = location.startswith(f"{request.script_root}/v/") and location.isprintable()  # others plant cookies too
    return location if is_ours else None


def remember_tab(response: AnyResponse, tab: str, location: str) -> None:
    if tab:
        set_cookie(response, _tab_cookie(tab), location, tool().settings.visit_hours * 3600)


def _tab_cookie(tab: str) -> str:
    return f"mentor_tab_{hashed(tab)[:16]}"


def returned(state: str) -> tuple[str | None, str]:
    """The secret that this browser brings back, and the name of its tab when it is one that we opened.

    A secret that comes in a form counts only from a page of ours: anybody could bring their own.
    """
    secret, _, tab = request.cookies.get(cookie_of(state), "").partition(".")
    if not secret and headers.is_from_here():
        secret = request.form.get("browser_secret", "")
    return secret or None, tab


def fetching_page(platform: Platform, state: str, token: str) -> str | None:
    """A page that asks the platform for the secret and launches once more; none where it has no storage for us."""
    target = _name(request.form.get("lti_storage_target"))
    if not target or "browser_secret" in request.form:
        return None
    g.referrer_policy = "same-origin"  # lets the browser say that the form comes from here
    storage = _storage(platform.authorization_endpoint, target, state)
    return render_template("lti/fetching.html", storage=storage, fields={"state": state, "id_token": token})


def _name(given: str | None) -> str:
    return given if given and len(given) <= LONGEST_NAME and given.isprintable() else ""


def go_on(location: str) -> AnyResponse:
    """Send the browser to an address of the visit.

    A browser that only proves the visit by its page would arrive there with nothing, unless htmx goes for it: it is
    shown the page at once.
    """
    visit = current_visit()
    if not visit.is_in_page or "HX-Request" in request.headers:
        return redirect(location, 303)
    return shown_at_once(location, visit.secret)


def shown_at_once(location: str, secret: str) -> Response:
    """What is at an address of ours, for the person with this secret of a visit."""
    for _step in range(MOST_STEPS):
        with current_app.app_context(), current_app.request_context(_getting(location, secret)):  # a ``g`` of its own
            response = current_app.full_dispatch_request()
        if response.status_code not in (302, 303):
            break
        location = response.location or ""
    return response


def _getting(location: str, secret: str) -> dict[str, Any]:
    """The request of this moment, but for another page and without its body."""
    address = urlsplit(location)
    kept = {name: value for name, value in request.environ.items() if not name.startswith(("werkzeug.", "flask."))}
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_COOKIE"):
        kept.pop(name, None)
    return kept | {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": unquote(address.path.removeprefix(request.environ.get("SCRIPT_NAME", ""))),
        "QUERY_STRING": address.query,
        "wsgi.input": BytesIO(),
        f"HTTP_{HEADER.upper().replace('-', '_')}": secret,
    }
