"""A page of single statements, voided ones among them, and the titles of what they are about."""

import json
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from lti_mentor.mentoring.certifications import Certification, Domain
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.evidence import Evidence
from lti_mentor.mentoring.goals import Goal
from lti_mentor.mentoring.meetings import Meeting
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Pseudonym
from lti_mentor.mentoring.programs import Program
from lti_mentor.mentoring.pursuits import Pursuit
from xapi import store
from xapi.facets import Statement

PAGE = 20
AT_ONCE = 500
MOST = 10_000  # statements that one search for words looks through


@dataclass(frozen=True)
class Line:
    statement: Statement  # as its reader may see it
    sentence: str
    voided_by: uuid.UUID | None


@dataclass(frozen=True)
class Found:
    """``following`` is where the next page begins; ``looked`` how many were looked through."""

    lines: list[Line]
    following: int | None
    looked: int


def page(
    db: Session,
    *,
    tenant: uuid.UUID,
    wanted: store.Query,
    words: str,
    guard: Callable[[Statement], Statement],
    tell: Callable[[Sequence[Statement]], list[str]],
) -> Found:
    """The newest that fit and have all these words in what the reader may see: the statement or its sentence.

    ``guard`` gives what may be seen of a statement, ``tell`` the sentence of each of several.
    """
    texts = words.casefold().split()
    wanted = replace(wanted, also_voided=True, limit=AT_ONCE if texts else PAGE)
    lines: list[Line] = []
    looked, after = 0, wanted.after
    while True:
        kept = store.browse(db, tenant=tenant, wanted=replace(wanted, after=after))
        shown = [guard(json.loads(each.body)) for each in kept[: wanted.limit]]
        for each, statement, sentence in zip(kept, shown, tell(shown), strict=False):
            if len(lines) == PAGE:
                return Found(lines, after, looked)
            looked, after = looked + 1, each.seq
            if not texts or _has_all(statement, sentence, texts):
                lines.append(Line(statement, sentence, each.voided_by))
        if len(kept) <= wanted.limit:
            return Found(lines, None, looked)
        if not texts or looked >= MOST:
            return Found(lines, after, looked)


def _has_all(shown: Statement, sentence: str, texts: list[str]) -> bool:
    text = f"{sentence}\n{json.dumps(shown, ensure_ascii=False)}".casefold()
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


_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PART = re.compile(r"(?<![\w-])[0-9a-f]{8,32}(?![\w-])")  # of a pseudonym: a sentence has 8 letters of it
MOST_NAMED = 20


def named(db: Session, organization_id: uuid.UUID, texts: Iterable[str]) -> set[uuid.UUID]:
    """The people whom a pseudonym in these texts means, or the id of something that is theirs."""
    text = "\n".join(texts).casefold()
    ids = [uuid.UUID(each) for each in _ID.findall(text)[:MOST_NAMED]]
    parts = [Pseudonym.actor_name.contains(each) for each in _PART.findall(text)[:MOST_NAMED]]
    found: set[uuid.UUID] = set()
    if parts:
        called = select(Pseudonym.person_id).where(Pseudonym.organization_id == organization_id, or_(*parts))
        found.update(db.scalars(called))
    if ids:
        met = select(Meeting.mentorship_id).where(Meeting.id.in_(ids))
        pairs = select(Mentorship.mentor_id, Mentorship.mentee_id).where(
            Mentorship.organization_id == organization_id, or_(Mentorship.id.in_(ids), Mentorship.id.in_(met))
        )
        shown = select(Evidence.pursuit_id).where(Evidence.id.in_(ids))
        learners = select(Pursuit.person_id).where(
            Pursuit.organization_id == organization_id, or_(Pursuit.id.in_(ids), Pursuit.id.in_(shown))
        )
        owners = select(Goal.owner_id).where(Goal.organization_id == organization_id, Goal.id.in_(ids))
        found.update(each for pair in db.execute(pairs) for each in pair)
        found.update([*db.scalars(learners), *db.scalars(owners)])
    return found
