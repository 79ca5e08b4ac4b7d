"""Asking an LMS: bounded in time and size, never a redirect, never a private address unless the settings allow it.

The host is resolved once and the connection goes to the address that was checked, so a name cannot change its mind.
"""

import http.client
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit

from lti_mentor import clock, db
from lti_mentor.errors import PlatformError
from lti_mentor.lti.origins import host, origin
from lti_mentor.settings import Settings

MAXIMUM_BYTES = 1_000_000
GOOD = (200, 201)
LONGEST_WAIT = 3600  # seconds, whatever a platform asks for


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    headers: Message
    body: bytes

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_retryable(self) -> bool:
        return self.status == 429 or self.status >= 500

    def json(self) -> Any:
        """Raises PlatformError when it is none, and for one that is nested beyond reason."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise PlatformError("platform.not_json") from None


def get_json(url: str, settings: Settings, *, bearer: str | None = None, guarded: bool = False) -> Any:
    """The JSON at this address. Raises PlatformError, whose reason never carries what was answered."""
    return get(url, settings, bearer=bearer, guarded=guarded).json()


def get(url: str, settings: Settings, *, bearer: str | None = None, guarded: bool = False) -> Answer:
    """The good answer at this address. Raises PlatformError."""
    return _good(ask("GET", url, settings, headers=authorized(bearer), guarded=guarded))


def post_json(url: str, body: Mapping[str, Any], settings: Settings, *, bearer: str | None = None) -> Any:
    """The JSON that answers this JSON. Raises PlatformError, as ``get_json`` does."""
    sent = {**authorized(bearer), "Content-Type": "application/json"}
    return _good(ask("POST", url, settings, body=json.dumps(body).encode(), headers=sent)).json()


def post_form(url: str, fields: Mapping[str, str], settings: Settings, *, guarded: bool = False) -> Answer:
    """The answer to this form, whatever its status. Raises PlatformError when there is none."""
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    return ask("POST", url, settings, body=urlencode(fields).encode(), headers=sent, guarded=guarded)


def retry_after(answer: Answer, most: int = LONGEST_WAIT) -> int | None:
    """Seconds the platform asks to wait, from a number or a date; at most an hour."""
    given = answer.headers.get("Retry-After", "").strip()
    if given.isdecimal() and len(given) < 10:
        return min(int(given), most)
    try:
        at = parsedate_to_datetime(given)
    except (ValueError, OverflowError):  # the latter of a year or a zone beyond all numbers
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0, min(int((at - clock.now()).total_seconds()), most))


def authorized(bearer: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {bearer}"} if bearer else {}


def _good(answer: Answer) -> Answer:
    if answer.status not in GOOD:
        raise PlatformError("platform.bad_status", retryable=answer.is_retryable, status=answer.status)
    return answer


def ask(
    method: str,
    url: str,
    settings: Settings,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    maximum_bytes: int = MAXIMUM_BYTES,
    guarded: bool = False,
) -> Answer:
    """One exchange; a redirect is an answer like any other. Raises PlatformError when there is no whole answer."""
    with keeping(settings, guarded=guarded) as connection:
        return connection.ask(method, url, body=body, headers=headers, maximum_bytes=maximum_bytes)


class Kept:
    """A connection that is used again for the next exchange with the same host. For one thread.

    Where it is ``guarded`` it goes to the world outside with TLS alone.
    """

    def __init__(self, settings: Settings, *, guarded: bool = False) -> None:
        self._settings, self._guarded = settings, guarded
        self._place: tuple[str, str, int] | None = None
        self._connection = http.client.HTTPConnection("")

    def ask(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        maximum_bytes: int = MAXIMUM_BYTES,
    ) -> Answer:
        """One exchange, as ``ask`` makes it."""
        if db.in_transaction():
            raise RuntimeError("an HTTP request is not made while a transaction is open")
        address, place = _placed(url)
        is_new = place != self._place or self._connection.sock is None
        if is_new:
            self.close()
            self._open(address, place)
        try:
            with _deadline(self._connection.sock, self._settings):
                if is_new:
                    _greet(self._connection.sock)
                answer = _exchange(self._connection, method, address, body, headers or {}, maximum_bytes)
        except PlatformError:
            self.close()
            raise
        if len(answer.body) > maximum_bytes:
            self.close()
            raise PlatformError("platform.too_large")
        return answer

    def _open(self, address: SplitResult, place: tuple[str, str, int]) -> None:
        scheme, host, port = place
        ip = _checked_address(host, port, self._settings)
        if self._guarded and scheme == "http" and not _is_inside(_read(ip), self._settings):
            raise PlatformError("platform.not_encrypted")
        self._connection = http.client.HTTPConnection(host, port)
        self._connection.auto_open = 0  # never to an address that was not checked
        try:
            self._connection.sock = _socket(address, ip, port, self._settings)
        except OSError:
            raise PlatformError("platform.no_answer", retryable=True) from None
        self._place = place

    def close(self) -> None:
        self._connection.close()


@contextmanager
def keeping(settings: Settings, *, guarded: bool = False) -> Iterator[Kept]:
    """A connection that is closed at the end."""
    connection = Kept(settings, guarded=guarded)
    try:
        yield connection
    finally:
        connection.close()


def _placed(url: str) -> tuple[SplitResult, tuple[str, str, int]]:
    """The address, and its scheme, host and port. Raises PlatformError."""
    try:
        address = _to_ask(url)
        port = address.port or (443 if address.scheme == "https" else 80)
    except ValueError:
        raise PlatformError("platform.address_refused") from None
    if address.scheme not in ("http", "https") or not address.hostname:
        raise PlatformError("platform.address_refused")
    return address, (address.scheme, address.hostname, port)


def _to_ask(url: str) -> SplitResult:
    """With the host as names are asked for."""
    address = urlsplit(url)
    return address if address.netloc.isascii() else address._replace(netloc=urlsplit(origin(url) or "").netloc)


def _checked_address(host: str, port: int, settings: Settings) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise PlatformError("platform.no_address", retryable=True) from None
    addresses = [str(info[4][0]) for info in found]
    for text in addresses:
        if not _allowed(text, settings):
            raise PlatformError("platform.address_refused")
    return addresses[0]


def _read(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.split("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _allowed(text: str, settings: Settings) -> bool:
    address = _read(text)
    if address.is_global and not address.is_multicast and not _carries_another(address):
        return True
    return _is_inside(address, settings)


def _is_inside(address: ipaddress.IPv4Address | ipaddress.IPv6Address, settings: Settings) -> bool:
    """Whether the settings say that it belongs to those who run the tool."""
    networks = (ipaddress.ip_network(network) for network in settings.allowed_networks)
    is_of_development = settings.allow_private_addresses and address.is_loopback
    return is_of_development or any(address in network for network in networks)


def may_be_inside(url: str, settings: Settings) -> bool:
    """Whether what answers there may belong to them; where a name leads, only the connection knows."""
    named = host(url)
    try:
        return _is_inside(_read(named), settings)
    except ValueError:
        return bool(settings.allowed_networks) or (settings.allow_private_addresses and named == "localhost")


def _carries_another(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """IPv6 that leads to an IPv4 address by a gateway, or only to the site: global by its number alone."""
    return address.version == 6 and any(address in network for network in _GATEWAYS)


_GATEWAYS = [
    ipaddress.ip_network(text) for text in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "fec0::/10")
]


@contextmanager
def _deadline(sock: socket.socket, settings: Settings) -> Iterator[None]:
    """Cut the connection when the whole exchange takes too long."""
    was_cut = threading.Event()
    deadline = threading.Timer(settings.answer_timeout_seconds, _cut, (sock, was_cut))
    deadline.daemon = True
    deadline.start()
    try:
        yield
        if was_cut.is_set():  # what was read so far looks like an answer that ended
            raise PlatformError("platform.no_answer", retryable=True)
    finally:
        deadline.cancel()


def _socket(address: SplitResult, ip: str, port: int, settings: Settings) -> socket.socket:
    """Connected, and wrapped for TLS without having said anything yet. Raises OSError."""
    sock = socket.create_connection((ip, port), timeout=settings.connect_timeout_seconds)
    sock.settimeout(settings.read_timeout_seconds)
    if address.scheme == "http":
        return sock
    trusted = _trusted(ssl.get_default_verify_paths(), clock.now().hour)
    return trusted.wrap_socket(sock, server_hostname=address.hostname, do_handshake_on_connect=False)


@lru_cache(maxsize=1)
def _trusted(paths: ssl.DefaultVerifyPaths, hour: int) -> ssl.SSLContext:
    """The authorities of the system. Reading them takes longer than a handshake, so it is done once an hour."""
    return ssl.create_default_context()


def _greet(sock: socket.socket) -> None:
    """The handshake of TLS, which checks certificate and name; inside the deadline like everything that is read."""
    try:
        if isinstance(sock, ssl.SSLSocket):
            sock.do_handshake()
    except (OSError, ValueError):
        raise PlatformError("platform.no_answer", retryable=True) from None


def _cut(sock: socket.socket, was_cut: threading.Event) -> None:
    """Wake up whoever reads from it: a drop every few seconds is no answer."""
    was_cut.set()
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it ended by itself in this very moment


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    address: SplitResult,
    body: bytes | None,
    headers: Mapping[str, str],
    maximum_bytes: int,
) -> Answer:
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    usual = {"Host": address.netloc.rpartition("@")[2], "Accept": "application/json", "User-Agent": "lti-mentor"}
    try:
        connection.request(method, path, body, {**usual, **headers})
        with connection.getresponse() as answer:
            return Answer(answer.status, answer.headers, answer.read(maximum_bytes + 1))
    except (OSError, ValueError, http.client.HTTPException):
        raise PlatformError("platform.no_answer", retryable=True) from None
