"""Origins of web addresses: what two of them have to share for one to stand for the other."""

import re
from urllib.parse import urlsplit

USUAL_PORTS = {"http": 80, "https": 443}
_PLACE = re.compile(r"([^\[\]@:]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{0,5}))?")
_HOST = re.compile(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]")


def origin(url: str) -> str | None:
    """Scheme, host and port of a web address, as browsers write them; none when it is not one. It is safe in a header.

    In lower case, without the port that is usual, and in ASCII where the host has other letters (RFC 6454, 4).
    """
    try:
        address = urlsplit(url)
        place = _PLACE.fullmatch(address.netloc)
        host = _in_ascii(place[1].lower()) if place else ""
    except ValueError:
        return None
    usual = USUAL_PORTS.get(address.scheme)
    if place is None or usual is None or not _HOST.fullmatch(host):
        return None
    port = int(place[2] or usual)
    return f"{address.scheme}://{host}" + ("" if port == usual else f":{port}")


def is_https(url: str) -> bool:
    """However its scheme is written."""
    return (origin(url) or "").startswith("https:")


def host(url: str) -> str:
    """As the origin has it; empty when it is no web address."""
    return urlsplit(origin(url) or "").hostname or ""


def _in_ascii(name: str) -> str:
    """Raises ValueError for a name that would become that of somebody else: ß is no ss in newer rules."""
    if name.isascii():
        return name
    found = name.encode("idna")
    if found.decode("idna") != name:
        raise ValueError("a name that old and new rules read differently")
    return found.decode()
