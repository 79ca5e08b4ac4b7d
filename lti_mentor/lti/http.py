"""Asking an LMS: bounded in time and size, never a redirect, never a private address unless the settings allow it.

The host is resolved once and the connection goes to the address that was checked, so a name cannot change its mind.
"""

import ipaddress
import json
import socket
from contextlib import closing
from typing import Any
from urllib.parse import SplitResult, urlsplit

import urllib3

from lti_mentor import db
from lti_mentor.errors import PlatformError
from lti_mentor.settings import Settings

MAXIMUM_BYTES = 1_000_000


def get_json(url: str, settings: Settings) -> Any:
    """The JSON at this address. Raises PlatformError, whose reason never carries what was answered."""
    if db.in_transaction():
        raise RuntimeError("an HTTP request is not made while a transaction is open")
    address = urlsplit(url)
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
    except ValueError:
        raise PlatformError("platform.address_refused") from None
    if address.scheme not in ("http", "https") or not address.hostname:
        raise PlatformError("platform.address_refused")
    ip = _checked_address(address.hostname, port, settings)
    try:
        return json.loads(_body(address, ip, port, settings))
    except (ValueError, RecursionError):
        raise PlatformError("platform.not_json") from None


def _checked_address(host: str, port: int, settings: Settings) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise PlatformError("platform.no_address", retryable=True) from None
    addresses = [str(info[4][0]) for info in found]
    for text in addresses:
        if not _allowed(text, settings):
            raise PlatformError("platform.address_refused")
    return addresses[0]


def _allowed(text: str, settings: Settings) -> bool:
    address = ipaddress.ip_address(text.split("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.is_global and not address.is_multicast:
        return True
    networks = (ipaddress.ip_network(network) for network in settings.allowed_networks)
    return settings.allow_private_addresses or any(address in network for network in networks)


def _body(address: SplitResult, ip: str, port: int, settings: Settings) -> bytes:
    timeout = urllib3.Timeout(connect=settings.connect_timeout_seconds, read=settings.read_timeout_seconds)
    path = (address.path or "/") + (f"?{address.query}" if address.query else "")
    headers = {"Host": address.netloc.rpartition("@")[2], "Accept": "application/json", "User-Agent": "lti-mentor"}
    pool: urllib3.HTTPConnectionPool
    if address.scheme == "https":
        pool = urllib3.HTTPSConnectionPool(
            ip, port, timeout=timeout, assert_hostname=address.hostname, server_hostname=address.hostname
        )
    else:
        pool = urllib3.HTTPConnectionPool(ip, port, timeout=timeout)
    try:
        with pool:
            answer = pool.request("GET", path, headers=headers, redirect=False, retries=False, preload_content=False)
            with closing(answer):
                body = answer.read(MAXIMUM_BYTES + 1, decode_content=True)
    except urllib3.exceptions.HTTPError:
        raise PlatformError("platform.no_answer", retryable=True) from None
    if answer.status != 200:
        raise PlatformError("platform.bad_status", retryable=answer.status >= 500)
    if len(body) > MAXIMUM_BYTES:
        raise PlatformError("platform.too_large")
    return bytes(body)
