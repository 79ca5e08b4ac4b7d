"""A browser without a screen: follows forms and keeps cookies, also Secure ones on localhost as Chromium does."""

import html
import re
from http.cookies import SimpleCookie
from urllib.parse import urljoin, urlsplit

import requests

_FORM = re.compile(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', re.S)
_FIELD = re.compile(r'<input (?:type="hidden" )?name="([^"]*)" value="([^"]*)"')


class Visitor:
    def __init__(self) -> None:
        self.cookies: dict[tuple[str, str, str], str] = {}  # host, path, name
        self.page: requests.Response | None = None

    def request(self, method: str, url: str, **options) -> requests.Response:  # type: ignore[no-untyped-def]
        parts = urlsplit(url)
        kept = [
            f"{name}={value}"
            for (host, path, name), value in self.cookies.items()
            if host == parts.netloc and parts.path.startswith(path)
        ]
        headers = {"Cookie": "; ".join(kept), **options.pop("headers", {})}
        answer = requests.request(method, url, headers=headers, allow_redirects=False, timeout=20, **options)
        for line in answer.raw.headers.getlist("Set-Cookie"):
            self._keep(parts.netloc, line)
        self.page = answer
        return answer

    def _keep(self, host: str, line: str) -> None:
        for name, morsel in SimpleCookie(line.replace("Partitioned;", "").replace("; Partitioned", "")).items():
            key = (host, morsel["path"] or "/", name)
            if morsel["max-age"] == "0":
                self.cookies.pop(key, None)
            else:
                self.cookies[key] = morsel.value

    def get(self, url: str) -> requests.Response:
        answer = self.request("GET", url)
        while answer.is_redirect:
            url = urljoin(url, answer.headers["Location"])
            answer = self.request("GET", url)
        return answer

    def form(self, action_part: str = "") -> tuple[str, dict[str, str]]:
        """Address and hidden fields of the first form of the page whose address contains the text."""
        assert self.page is not None
        for action, inner in _FORM.findall(self.page.text):
            if action_part in action:
                found = {html.unescape(name): html.unescape(value) for name, value in _FIELD.findall(inner)}
                return urljoin(self.page.url, html.unescape(action)), found
        raise AssertionError(f"no form to {action_part!r} on {self.page.url}: {self.page.status_code}")

    def submit(self, action_part: str, typed: dict[str, object] | None = None) -> requests.Response:
        """Fill in the form of the page and follow where it leads."""
        url, fields = self.form(action_part)
        is_own = urlsplit(url).netloc == urlsplit(self.page.url).netloc
        site = {"Sec-Fetch-Site": "same-origin"} if is_own else {}  # as a browser says it
        answer = self.request("POST", url, data={**fields, **(typed or {})}, headers=site)
        if answer.is_redirect:
            return self.get(urljoin(url, answer.headers["Location"]))
        return answer

    def begin(self, lms: str, person: str, course: str) -> tuple[str, dict[str, str]]:
        """Up to the form with the signed token, which it gives without sending it."""
        self.get(f"{lms}/as/{person}/courses/{course}")
        self.get(f"{lms}/as/{person}/courses/{course}/open")
        url, fields = self.form("/lti/login")
        login = self.request("POST", url, data=fields)
        if login.status_code == 307:  # asked whether cookies are kept
            login = self.request("POST", urljoin(url, login.headers["Location"]), data=fields)
        assert login.status_code == 302, login.text
        self.request("GET", login.headers["Location"])
        return self.form("/lti/launch")

    def launch(self, lms: str, person: str, course: str) -> requests.Response:
        """All the way to the first page."""
        url, fields = self.begin(lms, person, course)
        answer = self.request("POST", url, data=fields)
        return self.get(urljoin(url, answer.headers["Location"])) if answer.is_redirect else answer
