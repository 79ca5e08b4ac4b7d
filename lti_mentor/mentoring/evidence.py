"""Evidence for an exam domain: submitted, then accepted with a rating or returned with a comment."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import JSON, ForeignKey, Index, and_, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.activity import facts
from lti_mentor.activity.record import last_activity, record
from lti_mentor.db import Row, one_of
from lti_mentor.errors import Invalid, NotAllowed, NotFound, Refused
from lti_mentor.mentoring import catalog, mentorships, people, pursuits, standing
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.mentoring.readiness import SCALE

STATES = ("waiting", "asked", "accepted", "returned")  # with the mentor, with the learner, and the two ends
DECISIONS = ("accepted", "returned", "asked")


class Evidence(Row):
    __tablename__ = "evidence"

    pursuit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pursuits.id", ondelete="CASCADE"), index=True)
    mentorship_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("mentorships.id", ondelete="CASCADE"))
    domain_code: Mapped[str]
    text: Mapped[str]
    link: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1)
    status: Mapped[str] = mapped_column(default="waiting")
    submitted_at: Mapped[datetime] = mapped_column(default=clock.now)  # of this version

    __table_args__ = (
        one_of("status", STATES),
        Index("ix_evidence_mentorship_status", "organization_id", "mentorship_id", "status"),
    )


class Review(Row):
    """What the mentor said about one version."""

    __tablename__ = "reviews"

    evidence_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("evidence.id", ondelete="CASCADE"), index=True)
    reviewer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    version: Mapped[int]
    decision: Mapped[str]
    rating: Mapped[int | None]
    comment: Mapped[str]
    topics: Mapped[list[str]] = mapped_column(JSON)
    statement_ids: Mapped[list[str]] = mapped_column(JSON, default=list)  # what it said, voided when it is taken back
    decided_at: Mapped[datetime] = mapped_column(default=clock.now)
    submitted_at: Mapped[datetime | None]  # when the version it answers was sent
    seen_at: Mapped[datetime | None]  # by the learner; until then it may be taken back
    taken_back_at: Mapped[datetime | None]

    __table_args__ = (one_of("decision", DECISIONS),)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What the learner hands in: words, a link, or both."""

    text: str = ""
    link: str | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the mentor says about the version they saw."""

    version: int
    comment: str = ""
    topics: Sequence[str] = ()
    rating: int | None = None


@dataclass(frozen=True)
class Work:
    """When somebody began the way to a certification, and when they handed in the last of what was accepted."""

    began_at: datetime
    handed_in_at: datetime | None


def work_of(
    db: Session, organization_id: uuid.UUID, certification_id: str, person_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, Work]:
    """By person, without those who are not on the way."""
    wanted = (
        select(Pursuit.person_id, Pursuit.started_at, func.max(Evidence.submitted_at))
        .outerjoin(Evidence, and_(Evidence.pursuit_id == Pursuit.id, Evidence.status == "accepted"))
        .where(
            Pursuit.organization_id == organization_id,
            Pursuit.certification_id == certification_id,
            Pursuit.person_id.in_(person_ids),
        )
        .group_by(Pursuit.person_id, Pursuit.started_at)
    )
    return {person_id: Work(began_at, handed_in_at) for person_id, began_at, handed_in_at in db.execute(wanted)}


def submit(db: Session, pursuit: Pursuit, domain_code: str, submission: Submission) -> Evidence:
    """Send evidence for a domain to the mentor. Raises Refused without a mentor."""
    _check(submission)
    if domain_code not in {domain.code for domain in catalog.entry(pursuit.certification_id).domains}:
        raise Invalid({"domain": "domain.unknown"})
    mentorship = mentorships.of_mentee_id(db, pursuit.organization_id, pursuit.person_id)
    if mentorship is None:
        raise Refused("evidence.no_mentor")
    evidence = Evidence(
        organization_id=pursuit.organization_id,
        pursuit_id=pursuit.id,
        mentorship_id=mentorship.id,
        domain_code=domain_code,
        text=submission.text.strip(),
        link=submission.link or None,
        version=1,
        status="waiting",
        submitted_at=clock.now(),
    )
    db.add(evidence)
    db.flush()
    _record(db, evidence, facts.EvidenceSubmitted, pursuit.person_id)
    return evidence


def resubmit(db: Session, evidence: Evidence, submission: Submission) -> None:
    """A new version, of a returned piece or of one the mentor has not answered yet. Raises Refused without a mentor."""
    _check(submission)
    if evidence.status == "accepted":
        raise Refused("evidence.accepted")
    if db.get_one(Mentorship, evidence.mentorship_id).status != "open":
        raise Refused("evidence.no_mentor")
    evidence.text, evidence.link = submission.text.strip(), submission.link or None
    evidence.version, evidence.status, evidence.submitted_at = evidence.version + 1, "waiting", clock.now()
    db.flush()
    _record(db, evidence, facts.EvidenceSubmitted, db.get_one(Pursuit, evidence.pursuit_id).person_id)


def hand_over(db: Session, mentorship: Mentorship) -> None:
    """What is not settled with a former mentor of the program goes to the one the learner has now."""
    mine = select(Pursuit.id).where(
        Pursuit.organization_id == mentorship.organization_id, Pursuit.person_id == mentorship.mentee_id
    )
    closed = select(Mentorship.id).where(
        Mentorship.organization_id == mentorship.organization_id,
        Mentorship.program_id == mentorship.program_id,
        Mentorship.status != "open",
    )
    wanted = select(Evidence).where(
        Evidence.organization_id == mentorship.organization_id,
        Evidence.pursuit_id.in_(mine),
        Evidence.mentorship_id.in_(closed),
        Evidence.status.in_(("waiting", "asked", "returned")),
    )
    for piece in db.scalars(wanted):
        piece.mentorship_id = mentorship.id
    db.flush()


def _check(submission: Submission) -> None:
    wrong = {}
    if not submission.text.strip() and not submission.link:
        wrong["text"] = "evidence.empty"
    if len(submission.text) > 20_000:
        wrong["text"] = "text.too_long"
    if submission.link:
        address = urlsplit(submission.link)
        if address.scheme not in ("http", "https") or not address.hostname or len(submission.link) > 2_000:
            wrong["link"] = "link.not_http"
    if wrong:
        raise Invalid(wrong)


def _record(
    db: Session, evidence: Evidence, kind: type[facts.EvidenceFact], actor_id: uuid.UUID, **values: Any
) -> uuid.UUID:
    pursuit = db.get_one(Pursuit, evidence.pursuit_id)
    mentorship = db.get_one(Mentorship, evidence.mentorship_id)
    fact = kind(
        actor=people.actor_name(db, actor_id),
        at=clock.now(),
        certification=pursuit.certification_id,
        pursuit=pursuit.id,
        domain=evidence.domain_code,
        evidence=evidence.id,
        version=evidence.version,
        **mentorships.about(db, mentorship),
        **values,
    )
    return mentorships.note(db, evidence.organization_id, mentorship, fact)


def accept(db: Session, evidence: Evidence, verdict: Verdict, *, by: Person) -> Review:
    """It is enough for this rating of the domain; readiness moves in the same transaction."""
    _may_review(db, evidence, verdict, by)
    if verdict.rating not in SCALE:
        raise Invalid({"rating": "rating.missing"})
    pursuit = db.get_one(Pursuit, evidence.pursuit_id)
    before = standing.of(db, pursuit)
    review = _decide(db, evidence, verdict, by, "accepted")
    accepted = _record(db, evidence, facts.EvidenceAccepted, by.id, value=verdict.rating)
    rated = pursuits.rate_by_mentor(db, pursuit, evidence.domain_code, verdict.rating, by=by, evidence_id=evidence.id)
    review.statement_ids = [str(accepted), str(rated)]
    standing.record_change(db, pursuit, before)
    return review


def return_it(db: Session, evidence: Evidence, verdict: Verdict, *, by: Person) -> Review:
    """It is not enough yet; the comment says what is missing."""
    _may_review(db, evidence, verdict, by)
    _need_comment(verdict)
    review = _decide(db, evidence, verdict, by, "returned")
    review.statement_ids = [str(_record(db, evidence, facts.EvidenceReturned, by.id))]
    return review


def ask(db: Session, evidence: Evidence, verdict: Verdict, *, by: Person) -> Review:
    """A question: it is the learner's turn, with a new version."""
    _may_review(db, evidence, verdict, by)
    _need_comment(verdict)
    review = _decide(db, evidence, verdict, by, "asked")
    review.statement_ids = [str(_record(db, evidence, facts.EvidenceQuestioned, by.id))]
    return review


def _need_comment(verdict: Verdict) -> None:
    if not verdict.comment.strip():
        raise Invalid({"comment": "comment.missing"})


def _may_review(db: Session, evidence: Evidence, verdict: Verdict, by: Person) -> None:
    mentorship = db.get_one(Mentorship, evidence.mentorship_id)
    if mentorship.mentor_id != by.id or mentorship.status != "open":
        raise NotAllowed("evidence.not_mentor")
    if evidence.status not in ("waiting", "asked"):
        raise Refused("evidence.answered")
    if evidence.version != verdict.version:
        raise Invalid({"version": "evidence.changed"})
    if len(verdict.comment) > 5_000:
        raise Invalid({"comment": "text.too_long"})


def _decide(db: Session, evidence: Evidence, verdict: Verdict, by: Person, decision: str) -> Review:
    review = Review(
        organization_id=evidence.organization_id,
        evidence_id=evidence.id,
        reviewer_id=by.id,
        version=evidence.version,
        decision=decision,
        rating=verdict.rating if decision == "accepted" else None,
        comment=verdict.comment.strip(),
        topics=list(verdict.topics),
        decided_at=clock.now(),
        submitted_at=evidence.submitted_at,
    )
    db.add(review)
    evidence.status = decision
    db.flush()
    return review


def take_back(db: Session, review: Review, *, by: Person) -> None:
    """Undo an answer that the learner has not seen: the piece waits as before, and what the answer said is void."""
    evidence = db.get_one(Evidence, review.evidence_id)
    if review.reviewer_id != by.id:
        raise NotAllowed("evidence.not_mentor")
    if review.seen_at is not None:
        raise Refused("evidence.seen")
    if review.taken_back_at is not None or evidence.version != review.version:
        raise Refused("evidence.moved_on")
    pursuit = db.get_one(Pursuit, evidence.pursuit_id)
    before = standing.of(db, pursuit)
    review.taken_back_at = clock.now()
    evidence.status = _status_before(db, evidence)
    if review.decision == "accepted":
        pursuits.forget_rating(db, pursuit, evidence.id)
    db.flush()
    for statement_id in review.statement_ids:
        withdrawn = facts.Withdrawn(actor=people.actor_name(db, by.id), at=clock.now(), said=uuid.UUID(statement_id))
        record(db, evidence.organization_id, withdrawn)
    mentorship = db.get_one(Mentorship, evidence.mentorship_id)
    mentorship.active_at = last_activity(db, mentorship.organization_id, mentorship.id)
    standing.record_change(db, pursuit, before)


def _status_before(db: Session, evidence: Evidence) -> str:
    """With the learner when a question about this version still stands, else with the mentor."""
    standing_ones = (each for each in reviews(db, evidence) if each.taken_back_at is None)
    asked = any(each.decision == "asked" and each.version == evidence.version for each in standing_ones)
    return "asked" if asked else "waiting"


def mark_seen(db: Session, evidence: Evidence) -> None:
    """The learner has seen the answers; none can be taken back any more."""
    for review in reviews(db, evidence):
        if review.seen_at is None and review.taken_back_at is None:
            review.seen_at = clock.now()
    db.flush()


def reviews(db: Session, evidence: Evidence) -> Sequence[Review]:
    """What was said about a piece, oldest first."""
    wanted = select(Review).where(Review.organization_id == evidence.organization_id, Review.evidence_id == evidence.id)
    return db.scalars(wanted.order_by(Review.decided_at)).all()


def of_pursuit(db: Session, pursuit: Pursuit) -> Sequence[Evidence]:
    """All pieces for a certification, the newest first."""
    wanted = select(Evidence).where(
        Evidence.organization_id == pursuit.organization_id, Evidence.pursuit_id == pursuit.id
    )
    return db.scalars(wanted.order_by(Evidence.submitted_at.desc())).all()


def get_own(db: Session, person: Person, evidence_id: uuid.UUID) -> Evidence:
    """Evidence of the person. Raises NotFound for every other."""
    evidence = _get(db, person, evidence_id)
    if db.get_one(Pursuit, evidence.pursuit_id).person_id != person.id:
        raise NotFound("evidence.unknown")
    return evidence


def get_for_mentor(db: Session, mentor: Person, evidence_id: uuid.UUID) -> Evidence:
    """Evidence handed to the person in an open mentorship. Raises NotFound for every other."""
    evidence = _get(db, mentor, evidence_id)
    mentorship = db.get_one(Mentorship, evidence.mentorship_id)
    if mentorship.mentor_id != mentor.id or mentorship.status != "open":
        raise NotFound("evidence.unknown")
    return evidence


def _get(db: Session, person: Person, evidence_id: uuid.UUID) -> Evidence:
    evidence = db.scalar(
        select(Evidence).where(Evidence.organization_id == person.organization_id, Evidence.id == evidence_id)
    )
    if evidence is None:
        raise NotFound("evidence.unknown")
    return evidence
