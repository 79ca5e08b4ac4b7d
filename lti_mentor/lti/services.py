"""Calling the services of an LMS: with a token of just the scopes needed, page by page, and no page twice."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus, urldefrag, urljoin, urlsplit

from lti_mentor import clock
from lti_mentor.errors import PlatformError
from lti_mentor.lti import http, quirks, tokens
from lti_mentor.lti.http import Answer
from lti_mentor.lti.origins import origin
from lti_mentor.lti.platforms import Platform
from lti_mentor.tool import Tool

MAXIMUM_BYTES = 20_000_000  # of one page: some platforms send a whole course at once
MOST_PAGES = 2_000
TOO_SLOW = "platform.too_slow"  # the reason of a list that has more pages than there was time for
TOKEN_HELD = tokens.MARGIN / 2  # of a token that is good for the margin at least
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Service:
    """A service of one platform and the scopes that calls of it need."""

    tool: Tool
    platform: Platform
    scopes: Sequence[str]
    _token: str = field(default="", init=False, repr=False)
    _token_until: datetime = field(default=NEVER, init=False)  # until then it is not looked up again

    def call(self, method: str, url: str, *, accept: str, body: bytes | None = None, sends: str = "") -> Answer:
        """One call. Raises PlatformError for every answer that is not good; a token that ended is asked for anew once.

        ``sends`` is the media type of the body. The error carries ``status`` and, when the platform said how long to
        wait, ``retry_after`` in seconds.
        """
        answer = self._ask(method, url, accept, body, sends, anew=False)
        if answer.status == 401:
            answer = self._ask(method, url, accept, body, sends, anew=True)
        if answer.is_good:
            return answer
        status = quirks.status(answer.status, answer.body)
        raise PlatformError(
            "platform.bad_status",
            retryable=answer.is_retryable or status == quirks.TOO_MANY,
            status=status,
            retry_after=http.retry_after(answer),
        )

    def _ask(self, method: str, url: str, accept: str, body: bytes | None, sends: str, *, anew: bool) -> Answer:
        now = clock.now()
        if anew or now > self._token_until:
            self._token = tokens.access_token(self.tool, self.platform, self.scopes, anew=anew)
            self._token_until = now + TOKEN_HELD
        sent = {"Content-Type": sends} if sends else {}
        headers = {"Accept": accept, **http.authorized(self._token), **sent}
        return http.ask(
            method,
            url,
            self.tool.settings,
            body=body,
            headers=headers,
            maximum_bytes=MAXIMUM_BYTES,
            guarded=self.platform.is_https,
        )

    def pages(
        self, url: str, *, accept: str, until: datetime | None = None, only: tuple[str, str] | None = None
    ) -> Iterator["Page"]:
        """Every page from this address on (RFC 8288, ``rel="next"``).

        ``only`` is a parameter that makes the list shorter. Some platforms forget it on the way to the next page, and
        everybody would be on that one: it is put back there, in the place of whatever else it was made.

        Raises PlatformError for a page that leads to another origin or back to one that was read, for too many, and
        when another one is to be asked for after ``until``.
        """
        seen: set[str] = set()
        following: str | None = url
        while following is not None:
            following = with_only(following, *only) if only is not None else following
            if origin(following) != origin(url):
                raise PlatformError("platform.foreign_page")
            if following in seen or len(seen) >= MOST_PAGES:
                raise PlatformError("platform.endless_pages")
            if seen and until is not None and clock.now() > until:
                raise PlatformError(TOO_SLOW, retryable=True)
            seen.add(read := following)
            answer = self.call("GET", read, accept=accept)
            found = links(answer, read)
            differences = found.get("differences")
            is_same = differences is not None and origin(differences) == origin(url)
            following = found.get("next")
            yield Page(answer.json(), read, differences if is_same else None, following)


@dataclass(frozen=True)
class Page:
    """The JSON of a page and its address; where the changes after this reading can be had, if the platform offers that;
    and where the next page is, as far as the platform says."""

    body: Any
    url: str
    differences: str | None
    following: str | None


_LINK = re.compile(r'\s*<([^<>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+\s*(?:=\s*(?:"[^"]*"|[^\s;,"]*))?)*)\s*(?:,|$)')
_RELATION = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))', re.IGNORECASE)


def links(answer: Answer, url: str) -> dict[str, str]:
    """Address by relation (RFC 8288), of all Link headers of an answer.

    Raises PlatformError for a header that cannot be read: a list that is cut short must not look whole.
    """
    header = quirks.link_header(", ".join(answer.headers.get_all("Link", []))).strip()
    found: dict[str, str] = {}
    place = 0
    while place < len(header):
        link = _LINK.match(header, place)
        if link is None:
            raise PlatformError("platform.bad_link")
        relation = _RELATION.search(link[2])
        try:
            target = urljoin(url, link[1])
        except ValueError:
            raise PlatformError("platform.bad_link") from None
        for word in (relation[1] or relation[2] or "").lower().split() if relation else []:
            found.setdefault(word, target)
        place = link.end()
    return found


def with_query(url: str, name: str, value: str) -> str:
    """The address with one more parameter, unless it has it already; what it came with is kept as it is."""
    url = urldefrag(url).url
    query = urlsplit(url).query
    if any(part.partition("=")[0] == name for part in query.split("&")):
        return url
    return f"{url}{'&' if query else '?'}{name}={value}"


def with_only(url: str, name: str, value: str) -> str:
    """The address with this parameter, and no other value of it; what it came with besides is kept as it is."""
    address = urlsplit(url)
    parts = address.query.split("&") if address.query else []
    theirs = [part for part in parts if unquote_plus(part.partition("=")[0]) == name]
    if [unquote_plus(part.partition("=")[2]) for part in theirs] != [unquote_plus(value)]:
        parts = [*(part for part in parts if part not in theirs), f"{name}={value}"]
    return address._replace(query="&".join(parts), fragment="").geturl()


def before_query(url: str, path: str) -> str:
    """The address of what lies below: its path comes before the query (Moodle's line items end in ``?type_id=1``)."""
    address = urlsplit(url)
    return address._replace(path=address.path + path).geturl()
