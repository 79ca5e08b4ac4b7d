"""The coordinator's home: four counts, each a list of pairs or people with one action."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.mentoring import mentorships, notices, people, programs
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.evidence import Evidence
from lti_mentor.mentoring.meetings import Meeting
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.notices import CheckIn
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program

STUCK = timedelta(days=21)
OLD_REVIEW = timedelta(days=7)


@dataclass(frozen=True)
class PairRow:
    mentorship: Mentorship
    mentor: Person
    mentee: Person
    days: int
    card: str | None  # the kind of the one they got within a week
    check_in: CheckIn | None

    @property
    def may_remind(self) -> bool:
        return self.card is None


@dataclass(frozen=True)
class CoordinatorHome:
    program: Program
    courses: tuple[Course, ...]
    without_mentor: tuple[Person, ...]
    never_met: tuple[PairRow, ...]
    silent: tuple[PairRow, ...]
    old_reviews: tuple[PairRow, ...]
    open_pairs: int


def home(db: Session, program: Program) -> CoordinatorHome:
    """How the program stands; a fixed number of queries."""
    pairs = mentorships.of_program(db, program)
    known = people.by_ids(
        db, program.organization_id, [pid for pair in pairs for pid in (pair.mentor_id, pair.mentee_id)]
    )
    reminded = notices.reminded(db, pairs)
    check_ins = notices.check_ins(db, pairs)
    met = _last_met(db, program)
    now = clock.now()

    def rows(chosen: Sequence[tuple[Mentorship, datetime]]) -> tuple[PairRow, ...]:
        found = [
            PairRow(
                mentorship=pair,
                mentor=known[pair.mentor_id],
                mentee=known[pair.mentee_id],
                days=(now - since).days,
                card=reminded.get(pair.id),
                check_in=check_ins.get(pair.id),
            )
            for pair, since in chosen
        ]
        return tuple(sorted(found, key=lambda row: -row.days))

    unmet = [(pair, pair.started_at) for pair in pairs if pair.id not in met]
    old = _old_reviews(db, program)
    return CoordinatorHome(
        program=program,
        courses=tuple(programs.courses_of(db, program)),
        without_mentor=without_mentor(db, program),
        never_met=rows([(pair, since) for pair, since in unmet if now - since > STUCK]),
        silent=rows([(pair, mentorships.quiet_since(pair)) for pair in pairs if mentorships.is_silent(pair)]),
        old_reviews=rows([(pair, old[pair.id]) for pair in pairs if pair.id in old]),
        open_pairs=len(pairs),
    )


def _last_met(db: Session, program: Program) -> dict[uuid.UUID, datetime]:
    wanted = (
        select(Meeting.mentorship_id, func.max(Meeting.planned_at))
        .join(Mentorship, Mentorship.id == Meeting.mentorship_id)
        .where(
            Meeting.organization_id == program.organization_id,
            Mentorship.program_id == program.id,
            Meeting.status == "held",
        )
        .group_by(Meeting.mentorship_id)
    )
    return dict(db.execute(wanted).all())


def _old_reviews(db: Session, program: Program) -> dict[uuid.UUID, datetime]:
    """Since when the oldest piece of each pair waits, where that is longer than a week."""
    wanted = (
        select(Evidence.mentorship_id, func.min(Evidence.submitted_at))
        .join(Mentorship, Mentorship.id == Evidence.mentorship_id)
        .where(
            Evidence.organization_id == program.organization_id,
            Mentorship.program_id == program.id,
            Evidence.status == "waiting",
            Evidence.submitted_at < clock.now() - OLD_REVIEW,
        )
        .group_by(Evidence.mentorship_id)
    )
    return dict(db.execute(wanted).all())


def without_mentor(db: Session, program: Program) -> tuple[Person, ...]:
    """Enrolled learners who have no open mentorship, and had none that was completed."""
    enrolled = [row.person_id for row in programs.participants(db, program, "mentee")]
    served = select(Mentorship.mentee_id).where(
        Mentorship.organization_id == program.organization_id,
        Mentorship.program_id == program.id,
        Mentorship.status != "ended",
    )
    having = set(db.scalars(served))
    found = people.by_ids(db, program.organization_id, [pid for pid in enrolled if pid not in having])
    return tuple(sorted(found.values(), key=lambda person: person.number))
