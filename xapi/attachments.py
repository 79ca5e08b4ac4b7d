"""What is sent along with statements (Part Two, 2.4.11), kept once for all that name it."""

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from xapi import signatures
from xapi.errors import InvalidStatement
from xapi.facets import Statement
from xapi.rows import Attachment, inserting

_HASHES = {56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}  # by the length of the digest
_DATA, _PARTS = "Part Two, 2.4.11", "Part Three, 1.5.2"


def check(statement: Statement, contents: Mapping[str, bytes], version: str) -> None:
    """Whether all that the statement names came along, and signatures fit. Raises InvalidStatement."""
    for path, attachment in _of(statement):
        if attachment["sha2"].lower() not in contents and "fileUrl" not in attachment:
            raise InvalidStatement(path, "It has neither a fileUrl nor a part of the message.", _PARTS)
    signatures.check(statement, contents, version)


def check_parts(statements: Iterable[Statement], contents: Mapping[str, bytes]) -> None:
    """Whether nothing else came along, and each part is what it says. Raises InvalidStatement."""
    if not contents:
        return
    named = _hashes(statements)
    for sha2, content in contents.items():
        if sha2 not in named:
            raise InvalidStatement("", f"A part of the message has the hash {sha2}, which no attachment names.", _PARTS)
        name = _HASHES.get(len(sha2))
        if name is None or hashlib.new(name, content).hexdigest() != sha2:
            raise InvalidStatement("", f"The part with the hash {sha2} has other contents.", _PARTS)


def keep(
    db: Session, tenant: uuid.UUID, statements: Iterable[Statement], contents: Mapping[str, bytes], now: datetime
) -> None:
    """Store what these statements name, unless it is there."""
    rows = [
        {"tenant": tenant, "sha2": sha2, "content": contents[sha2], "stored": now}
        for sha2 in sorted(_hashes(statements) & contents.keys())
    ]
    if rows:
        db.execute(inserting(db, Attachment).on_conflict_do_nothing(), rows)


def named_in(statements: Iterable[Statement]) -> dict[str, str]:
    """The SHA-2 of all attachments of these statements, with their media types, in order."""
    return {
        attachment["sha2"].lower(): attachment["contentType"]
        for statement in statements
        for _, attachment in _of(statement)
    }


def load(db: Session, *, tenant: uuid.UUID, hashes: Iterable[str]) -> dict[str, bytes]:
    """Those that are here: of the others a statement says where they are."""
    wanted = list(hashes)
    found: dict[str, bytes] = {}
    for start in range(0, len(wanted), 500):
        rows = db.execute(
            select(Attachment.sha2, Attachment.content).where(
                Attachment.tenant == tenant, Attachment.sha2.in_(wanted[start : start + 500])
            )
        )
        found |= {row.sha2: row.content for row in rows}
    return found


def _hashes(statements: Iterable[Statement]) -> set[str]:
    return {attachment["sha2"].lower() for statement in statements for _, attachment in _of(statement)}


def _of(statement: Statement) -> Iterator[tuple[str, dict[str, Any]]]:
    for place, attachment in enumerate(statement.get("attachments", ())):
        yield f"attachments[{place}]", attachment
    thing = statement["object"]
    if thing.get("objectType") == "SubStatement":
        for place, attachment in enumerate(thing.get("attachments", ())):
            yield f"object.attachments[{place}]", attachment
