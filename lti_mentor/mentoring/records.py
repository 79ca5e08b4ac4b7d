"""Whose record somebody may open: their own, a mentee's, and that of a learner in a program they coordinate."""

import uuid

from sqlalchemy.orm import Session

from lti_mentor.mentoring import mentorships, programs
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program


def way_to(
    db: Session, person: Person, learner: Person, *, program_id: uuid.UUID | None = None
) -> Person | Mentorship | Program | None:
    """Through what the person may: being the learner, an open mentorship, a program; none when they may not.

    Of several mentorships or programs the one asked for comes first.
    """
    if person.id == learner.id:
        return learner
    pairs = [pair for pair in mentorships.of_mentor(db, person) if pair.mentee_id == learner.id]
    if pairs:
        return min(pairs, key=lambda pair: pair.program_id != program_id)
    mine = [
        program
        for program in programs.coordinated_by(db, person)
        if programs.participant(db, program, learner.id, "mentee") is not None
    ]
    return min(mine, key=lambda program: program.id != program_id, default=None)
