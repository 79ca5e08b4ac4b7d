"""Pursuits: a person on the way to a certification, from interest to award, with ratings of its exam domains."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.activity import facts
from lti_mentor.db import Row, one_of
from lti_mentor.errors import Invalid, NotFound, Refused
from lti_mentor.mentoring import catalog, certifications, gradebook, mentorships, people
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.readiness import SCALE

PURSUIT_STATES = ("interested", "studying", "booked", "failed", "passed", "awarded", "abandoned")
RATED_BY = ("learner", "mentor")


class Pursuit(Row):
    """A person on the way to a certification."""

    __tablename__ = "pursuits"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    certification_id: Mapped[str] = mapped_column(ForeignKey("certifications.id"))
    status: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(default=clock.now)
    target_on: Mapped[date | None]
    exam_on: Mapped[date | None]
    attempts: Mapped[int] = mapped_column(default=0)
    awarded_on: Mapped[date | None]
    expires_on: Mapped[date | None]

    __table_args__ = (
        UniqueConstraint("organization_id", "person_id", "certification_id"),
        one_of("status", PURSUIT_STATES),
    )


class Rating(Row):
    """A rating on the anchored scale. The last one counts; earlier ones stay as history."""

    __tablename__ = "ratings"

    pursuit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("pursuits.id", ondelete="CASCADE"), index=True)
    certification_id: Mapped[str]
    domain_code: Mapped[str]
    rated_by: Mapped[str]
    rater_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    value: Mapped[int]
    rated_at: Mapped[datetime] = mapped_column(default=clock.now)
    evidence_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("evidence.id", ondelete="SET NULL"))

    __table_args__ = (
        one_of("rated_by", RATED_BY),
        CheckConstraint("value IN (0, 25, 50, 75, 100)", name="value"),
        ForeignKeyConstraint(["certification_id", "domain_code"], ["domains.certification_id", "domains.code"]),
    )


def start(
    db: Session, person: Person, certification_id: str, *, status: str = "studying", target_on: date | None = None
) -> Pursuit:
    """Begin. Raises Refused for a retired certification and when the person is on the way already, Invalid for a target
    date in the past."""
    certifications.get(db, certification_id)
    if catalog.entry(certification_id).is_retired:
        raise Refused("certification.retired")
    if target_on is not None and target_on < clock.today():
        raise Invalid({"target_on": "date.past"})
    if status not in ("interested", "studying"):
        raise Invalid({"status": "pursuit.status"})
    if of_person(db, person, certification_id) is not None:
        raise Refused("pursuit.known")
    pursuit = Pursuit(
        organization_id=person.organization_id,
        person_id=person.id,
        certification_id=certification_id,
        status=status,
        started_at=clock.now(),
        target_on=target_on,
    )
    db.add(pursuit)
    db.flush()
    _record(db, pursuit, facts.PursuitStarted, status=status, target_on=target_on)
    return pursuit


def _record(db: Session, pursuit: Pursuit, kind: type[facts.Fact], **values: object) -> uuid.UUID:
    """A fact whose actor is the learner; gives the id of its statement."""
    mentorship = mentorships.of_mentee_id(db, pursuit.organization_id, pursuit.person_id)
    common = {
        "actor": people.actor_name(db, pursuit.person_id),
        "at": clock.now(),
        "certification": pursuit.certification_id,
        "pursuit": pursuit.id,
        **mentorships.about(db, mentorship),
    }
    fact = kind(**{**common, **values})  # type: ignore[arg-type]
    return mentorships.note(db, pursuit.organization_id, mentorship, fact)


def of_person(db: Session, person: Person, certification_id: str) -> Pursuit | None:
    """The pursuit of this certification, if there is one."""
    return db.scalar(
        select(Pursuit).where(
            Pursuit.organization_id == person.organization_id,
            Pursuit.person_id == person.id,
            Pursuit.certification_id == certification_id,
        )
    )


def all_of(db: Session, person: Person) -> Sequence[Pursuit]:
    """Every pursuit of the person, the newest first."""
    wanted = select(Pursuit).where(Pursuit.organization_id == person.organization_id, Pursuit.person_id == person.id)
    return db.scalars(wanted.order_by(Pursuit.started_at.desc())).all()


def get_own(db: Session, person: Person, pursuit_id: uuid.UUID) -> Pursuit:
    """A pursuit of the person. Raises NotFound for every other."""
    pursuit = db.scalar(
        select(Pursuit).where(
            Pursuit.organization_id == person.organization_id,
            Pursuit.id == pursuit_id,
            Pursuit.person_id == person.id,
        )
    )
    if pursuit is None:
        raise NotFound("pursuit.unknown")
    return pursuit


def get_for_mentor(db: Session, mentor: Person, pursuit_id: uuid.UUID) -> Pursuit:
    """A pursuit of somebody the person mentors now. Raises NotFound for every other."""
    pursuit = db.scalar(
        select(Pursuit).where(Pursuit.organization_id == mentor.organization_id, Pursuit.id == pursuit_id)
    )
    if pursuit is None or not mentorships.mentors(db, mentor, pursuit.person_id):
        raise NotFound("pursuit.unknown")
    return pursuit


def study(db: Session, pursuit: Pursuit) -> None:
    """From interest to work."""
    _expect(pursuit, "interested")
    pursuit.status = "studying"
    _record(db, pursuit, facts.PursuitStarted, status="studying", target_on=pursuit.target_on)


def book_exam(db: Session, pursuit: Pursuit, exam_on: date) -> None:
    """A date for the exam. Raises Invalid for one in the past."""
    _expect(pursuit, "interested", "studying", "booked", "failed")
    if exam_on < clock.today():
        raise Invalid({"exam_on": "date.past"})
    pursuit.status, pursuit.exam_on = "booked", exam_on
    _record(db, pursuit, facts.ExamBooked, exam_on=exam_on)


def pass_exam(db: Session, pursuit: Pursuit) -> None:
    """The learner says that the exam is passed."""
    _expect(pursuit, "booked", "studying", "failed")
    pursuit.status, pursuit.attempts = "passed", pursuit.attempts + 1
    _record(db, pursuit, facts.ExamPassed, attempt=pursuit.attempts)


def fail_exam(db: Session, pursuit: Pursuit) -> None:
    """The learner says that the exam is not passed this time."""
    _expect(pursuit, "booked", "studying", "failed")
    pursuit.status, pursuit.attempts, pursuit.exam_on = "failed", pursuit.attempts + 1, None
    _record(db, pursuit, facts.ExamFailed, attempt=pursuit.attempts)


def award(db: Session, pursuit: Pursuit, *, awarded_on: date, expires_on: date | None) -> None:
    """The certificate is there. Raises Invalid when it expires before it is awarded or is awarded in the future."""
    _expect(pursuit, "passed", "booked", "studying", "failed")
    if awarded_on > clock.today():
        raise Invalid({"awarded_on": "date.future"})
    if expires_on is not None and expires_on <= awarded_on:
        raise Invalid({"expires_on": "pursuit.expires_before_award"})
    pursuit.status, pursuit.awarded_on, pursuit.expires_on = "awarded", awarded_on, expires_on
    noon = datetime.combine(awarded_on, time(12), UTC)  # a certificate has a day, not an hour
    at = clock.now() if awarded_on == clock.today() else noon
    _record(db, pursuit, facts.CertificationAwarded, at=at, valid_until=expires_on)
    gradebook.complete(db, pursuit.organization_id, pursuit.person_id, pursuit.certification_id)


def _expect(pursuit: Pursuit, *states: str) -> None:
    if pursuit.status not in states:
        raise Refused("pursuit.state", status=pursuit.status)


def rate_self(db: Session, pursuit: Pursuit, ratings: Mapping[str, int]) -> None:
    """The learner's own rating of some domains, by code."""
    _check_ratings(db, pursuit, ratings)
    for code, value in ratings.items():
        _rate(db, pursuit, code, value, rated_by="learner", rater_id=pursuit.person_id)
        _record(db, pursuit, facts.DomainRatedByLearner, domain=code, value=value)


def rate_by_mentor(
    db: Session, pursuit: Pursuit, code: str, value: int, *, by: Person, evidence_id: uuid.UUID | None = None
) -> uuid.UUID:
    """The mentor's rating of one domain, perhaps because of a piece of evidence; gives the id of its statement."""
    _check_ratings(db, pursuit, {code: value})
    _rate(db, pursuit, code, value, rated_by="mentor", rater_id=by.id, evidence_id=evidence_id)
    actor = people.actor_name(db, by.id)
    return _record(db, pursuit, facts.DomainRatedByMentor, actor=actor, domain=code, value=value)


def _check_ratings(db: Session, pursuit: Pursuit, ratings: Mapping[str, int]) -> None:
    known = {domain.code for domain in certifications.get(db, pursuit.certification_id).domains}
    wrong = {f"rating-{code}": "rating.scale" for code, value in ratings.items() if value not in SCALE}
    wrong |= {f"rating-{code}": "domain.unknown" for code in ratings if code not in known}
    if wrong:
        raise Invalid(wrong)


def _rate(
    db: Session,
    pursuit: Pursuit,
    code: str,
    value: int,
    *,
    rated_by: str,
    rater_id: uuid.UUID,
    evidence_id: uuid.UUID | None = None,
) -> None:
    db.add(
        Rating(
            organization_id=pursuit.organization_id,
            pursuit_id=pursuit.id,
            certification_id=pursuit.certification_id,
            domain_code=code,
            rated_by=rated_by,
            rater_id=rater_id,
            value=value,
            rated_at=clock.now(),
            evidence_id=evidence_id,
        )
    )
    db.flush()


def forget_rating(db: Session, pursuit: Pursuit, evidence_id: uuid.UUID) -> None:
    """Take away the rating that a piece of evidence gave; the one before counts again."""
    db.execute(
        delete(Rating).where(
            Rating.organization_id == pursuit.organization_id,
            Rating.pursuit_id == pursuit.id,
            Rating.evidence_id == evidence_id,
        )
    )
