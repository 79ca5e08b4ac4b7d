"""The review page: a piece of evidence, its domain, and what each rating would change."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.mentoring import catalog, evidence, standing
from lti_mentor.mentoring.catalog import CatalogEntry, ExamDomain
from lti_mentor.mentoring.evidence import Evidence, Review
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.mentoring.readiness import SCALE, DomainReadiness, Rating, Readiness, what_if


@dataclass(frozen=True)
class Outcome:
    """What happens when the evidence is accepted with this rating."""

    rating: int
    before: Readiness
    after: Readiness
    code: str

    @property
    def domain_before(self) -> DomainReadiness:
        return self.before.domain(self.code)

    @property
    def domain_after(self) -> DomainReadiness:
        return self.after.domain(self.code)


@dataclass(frozen=True)
class ReviewPage:
    evidence: Evidence
    learner: Person
    pursuit: Pursuit
    entry: CatalogEntry
    exam_domain: ExamDomain
    domain: DomainReadiness
    readiness: Readiness
    reviews: Sequence[Review]  # by the mentor the piece is with: what another said stays between them
    outcomes: tuple[Outcome, ...]
    others_waiting: Sequence[Evidence]

    @property
    def last_review(self) -> Review | None:
        kept = [review for review in self.reviews if review.taken_back_at is None]
        return kept[-1] if kept else None


def page(db: Session, piece: Evidence) -> ReviewPage:
    """Everything the mentor needs to decide."""
    pursuit = db.get_one(Pursuit, piece.pursuit_id)
    entry = catalog.entry(pursuit.certification_id)
    where = standing.of(db, pursuit)
    return ReviewPage(
        evidence=piece,
        learner=db.get_one(Person, pursuit.person_id),
        pursuit=pursuit,
        entry=entry,
        exam_domain=next(domain for domain in entry.domains if domain.code == piece.domain_code),
        domain=where.readiness.domain(piece.domain_code),
        readiness=where.readiness,
        reviews=[each for each in evidence.reviews(db, piece) if each.reviewer_id == _mentor_id(db, piece)],
        outcomes=tuple(_outcome(where, piece.domain_code, rating) for rating in SCALE),
        others_waiting=_others(db, piece),
    )


def _mentor_id(db: Session, piece: Evidence) -> uuid.UUID:
    return db.get_one(Mentorship, piece.mentorship_id).mentor_id


def _outcome(where: standing.Standing, code: str, rating: int) -> Outcome:
    before, after = what_if(where.inputs, where.rules, code, Rating(rating, clock.now()))
    return Outcome(rating, before, after, code)


def _others(db: Session, piece: Evidence) -> Sequence[Evidence]:
    """What else waits for the same mentor, oldest first."""
    mine = select(Mentorship.mentor_id).where(Mentorship.id == piece.mentorship_id).scalar_subquery()
    wanted = (
        select(Evidence)
        .join(Mentorship, Mentorship.id == Evidence.mentorship_id)
        .where(
            Evidence.organization_id == piece.organization_id,
            Mentorship.mentor_id == mine,
            Mentorship.status == "open",
            Evidence.status == "waiting",
            Evidence.id != piece.id,
        )
    )
    return db.scalars(wanted.order_by(Evidence.submitted_at)).all()
