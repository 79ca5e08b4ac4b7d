"""A page of single statements, voided ones among them, and the titles of what they are about."""

import json
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from lti_mentor.mentoring.certifications import Certification, Domain
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.programs import Program
from xapi import store
from xapi.facets import Statement

PAGE = 20
AT_ONCE = 500
MOST = 10_000  # statements that one search for words looks through


@dataclass(frozen=True)
class Line:
    statement: Statement  # as its reader may see it
    voided_by: uuid.UUID | None


@dataclass(frozen=True)
class Found:
    """``following`` is where the next page begins; ``looked`` how many were looked through."""

    lines: list[Line]
    following: int | None
    looked: int


def page(
    db: Session, *, tenant: uuid.UUID, wanted: store.Query, words: str, guard: Callable[[Statement], Statement]
) -> Found:
    """The newest that fit and have all these words in what the reader may see."""
    texts = words.casefold().split()
    wanted = replace(wanted, also_voided=True, limit=AT_ONCE if texts else PAGE)
    lines: list[Line] = []
    looked, after = 0, wanted.after
    while True:
        kept = store.browse(db, tenant=tenant, wanted=replace(wanted, after=after))
        for each in kept[: wanted.limit]:
            if len(lines) == PAGE:
                return Found(lines, after, looked)
            looked, after = looked + 1, each.seq
            shown = guard(json.loads(each.body))
            if not texts or _has_all(shown, texts):
                lines.append(Line(shown, each.voided_by))
        if len(kept) <= wanted.limit:
            return Found(lines, None, looked)
        if not texts or looked >= MOST:
            return Found(lines, after, looked)


def _has_all(shown: Statement, texts: list[str]) -> bool:
    text = json.dumps(shown, ensure_ascii=False).casefold()
    return all(word in text for word in texts)


_OURS = re.compile(r"/(?P<kind>programs|courses|certifications)/(?P<id>[^/]+)(/domains/(?P<code>[^/]+)|/exam)?")


def titles(db: Session, organization_id: uuid.UUID, base: str, iris: Iterable[str]) -> dict[str, str]:
    """Of programs, courses, certifications and their domains, by IRI; an exam has the title of its certification."""
    parsed = {iri: _OURS.fullmatch(iri.removeprefix(base)) for iri in iris if iri.startswith(base)}
    found = {iri: (match["kind"], match["id"], match["code"]) for iri, match in parsed.items() if match}
    slugs = {key for kind, key, _ in found.values() if kind == "certifications"}
    known: dict[tuple[str, str, str | None], str] = {}
    for kind, row, title in (("programs", Program, Program.name), ("courses", Course, Course.title)):
        ids = [uuid.UUID(key) for each, key, _ in found.values() if each == kind and _is_uuid(key)]
        wanted = select(row.id, title).where(row.organization_id == organization_id, row.id.in_(ids))
        known |= {(kind, str(key), None): text for key, text in db.execute(wanted) if text}
    wanted_names = select(Certification.id, Certification.name).where(Certification.id.in_(slugs))
    known |= {("certifications", slug, None): name for slug, name in db.execute(wanted_names)}
    wanted_domains = select(Domain.certification_id, Domain.code, Domain.title)
    for slug, code, title_ in db.execute(wanted_domains.where(Domain.certification_id.in_(slugs))):
        known["certifications", slug, code] = title_
    return {iri: known[key] for iri, key in found.items() if key in known}


def _is_uuid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None
