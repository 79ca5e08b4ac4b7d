"""What is sent along with statements (Part Two, 2.4.11), kept once for all that name it."""

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, insert, select
from sqlalchemy.orm import Session

from xapi import multipart, signatures
from xapi.errors import InvalidStatement
from xapi.facets import Statement
from xapi.multipart import Part
from xapi.rows import Attachment, Enclosure, StoredStatement, inserting

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
    db: Session, tenant: uuid.UUID, statements: Mapping[int, Statement], contents: Mapping[str, bytes], now: datetime
) -> None:
    """Store what came along with these statements, which stand under their seq."""
    enclosed = [
        (seq, sha2) for seq, statement in statements.items() for sha2 in sorted(_hashes([statement]) & contents.keys())
    ]
    if enclosed:
        rows = [
            {"tenant": tenant, "sha2": sha2, "content": contents[sha2], "stored": now}
            for sha2 in sorted({sha2 for _, sha2 in enclosed})
        ]
        db.execute(inserting(db, Attachment).on_conflict_do_nothing(), rows)
        db.execute(insert(Enclosure), [{"tenant": tenant, "seq": seq, "sha2": sha2} for seq, sha2 in enclosed])


def parts(db: Session, *, tenant: uuid.UUID, statements: Iterable[Statement]) -> list[Part]:
    """What came along with these statements, each content once; of others a statement says where they are."""
    named = enclosed(db, tenant=tenant, statements=statements)
    found = ((sha2, kind, content(db, tenant=tenant, sha2=sha2)) for sha2, kind in named.items())
    return [multipart.attachment(sha2, kind, inside) for sha2, kind, inside in found if inside is not None]


def enclosed(db: Session, *, tenant: uuid.UUID, statements: Iterable[Statement]) -> dict[str, str]:
    """The SHA-2 of what came along with these statements, each with its media type."""
    named: dict[str, str] = {}
    ids = []
    for statement in statements:
        found = {attachment["sha2"].lower(): attachment["contentType"] for _, attachment in _of(statement)}
        named |= found
        if found:
            ids.append(uuid.UUID(statement["id"]))
    here = _enclosed(db, tenant, ids) if ids else set()
    return {sha2: kind for sha2, kind in named.items() if sha2 in here}


def listed(db: Session, *, tenant: uuid.UUID, statement: Statement) -> list[dict[str, Any]]:
    """What a statement names, in short, and whether its content is here."""
    here = enclosed(db, tenant=tenant, statements=[statement])
    return [
        {
            "type": each["contentType"],
            "size": each["length"],
            "sha2": each["sha2"],
            "is_kept": each["sha2"].lower() in here,
        }
        for _, each in _of(statement)
    ]


def _enclosed(db: Session, tenant: uuid.UUID, statement_ids: Sequence[uuid.UUID]) -> set[str]:
    statement = and_(StoredStatement.tenant == Enclosure.tenant, StoredStatement.seq == Enclosure.seq)
    wanted = select(Enclosure.sha2).join(StoredStatement, statement).where(StoredStatement.tenant == tenant)
    return set(db.scalars(wanted.where(StoredStatement.statement_id.in_(statement_ids))))


def content(db: Session, *, tenant: uuid.UUID, sha2: str) -> bytes | None:
    """Alone, for it may be long."""
    return db.scalar(select(Attachment.content).where(Attachment.tenant == tenant, Attachment.sha2 == sha2))


def _hashes(statements: Iterable[Statement]) -> set[str]:
    return {attachment["sha2"].lower() for statement in statements for _, attachment in _of(statement)}


def _of(statement: Statement) -> Iterator[tuple[str, dict[str, Any]]]:
    for place, attachment in enumerate(statement.get("attachments", ())):
        yield f"attachments[{place}]", attachment
    thing = statement["object"]
    if thing.get("objectType") == "SubStatement":
        for place, attachment in enumerate(thing.get("attachments", ())):
            yield f"object.attachments[{place}]", attachment
