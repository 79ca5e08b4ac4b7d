"""Messages of several parts (RFC 2046): statements, and what is sent along with them (Part Three, 1.5.2)."""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from xapi.errors import InvalidStatement

MOST_PARTS = 1000
_HASH = re.compile(r"[0-9a-fA-F]{56,128}")
_SECTION = "Part Three, 1.5.2"


@dataclass(frozen=True)
class Part:
    headers: Mapping[str, str]  # names in small letters
    content: bytes


def parts(body: bytes, boundary: str) -> list[Part]:
    """The parts of the message. Raises InvalidStatement."""
    mark = b"--" + boundary.encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + mark, MOST_PARTS + 2)
    if len(pieces) > MOST_PARTS + 2:
        raise InvalidStatement("", f"The message has more than {MOST_PARTS} parts.", _SECTION)
    if not boundary or len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise InvalidStatement("", "The message has no parts with the boundary of its content type.", _SECTION)
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> Part:
    padding, _, rest = piece.partition(b"\r\n")
    if padding.strip(b" \t"):
        raise InvalidStatement("", "After a boundary comes a new line.", _SECTION)
    if rest.startswith(b"\r\n"):
        return Part({}, rest[2:])
    head, end, content = rest.partition(b"\r\n\r\n")
    lines = [line.partition(":") for line in head.decode("latin-1").split("\r\n")]
    if not end or not all(colon and name.strip() for name, colon, _ in lines):
        raise InvalidStatement("", "Each part of the message has headers, an empty line and contents.", _SECTION)
    return Part({name.strip().lower(): value.strip() for name, _, value in lines}, content)


def contents(attached: Iterable[Part]) -> dict[str, bytes]:
    """The attachments by their SHA-2, in small letters. Raises InvalidStatement."""
    found: dict[str, bytes] = {}
    for part in attached:
        sha2 = part.headers.get("x-experience-api-hash", "")
        if not _HASH.fullmatch(sha2):
            raise InvalidStatement("", "Each attachment has a header X-Experience-API-Hash with its SHA-2.", _SECTION)
        if part.headers.get("content-transfer-encoding", "").lower() != "binary":
            raise InvalidStatement("", "Each attachment has a header Content-Transfer-Encoding: binary.", _SECTION)
        found[sha2.lower()] = part.content
    return found


def attachment(sha2: str, media_type: str, content: bytes) -> Part:
    """As a part of a message. What was stored before media types were checked may have line ends in it."""
    headers = {
        "Content-Type": " ".join(media_type.split()),
        "Content-Transfer-Encoding": "binary",
        "X-Experience-API-Hash": sha2,
    }
    return Part(headers, content)


def message(text: bytes, attached: Iterable[Part]) -> tuple[Iterator[bytes], str]:
    """JSON and its attachments as one message, part by part, and its content type."""
    boundary = secrets.token_hex(24)
    parts = chain([Part({"Content-Type": "application/json"}, text)], attached)
    return pieces(parts, boundary), f"multipart/mixed; boundary={boundary}"


def pieces(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    """As one message, part by part."""
    for part in parts:
        head = "".join(f"{name}: {value}\r\n" for name, value in part.headers.items())
        yield f"--{boundary}\r\n{head}\r\n".encode()
        yield part.content
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()
