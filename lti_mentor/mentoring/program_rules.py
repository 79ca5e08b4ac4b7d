"""How a program weighs and when somebody is ready: changing it moves readiness, and that goes on record."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from lti_mentor.errors import Invalid, NotAllowed
from lti_mentor.mentoring import programs, standing
from lti_mentor.mentoring.mentorships import Mentorship
from lti_mentor.mentoring.people import Person
from lti_mentor.mentoring.programs import Program
from lti_mentor.mentoring.pursuits import Pursuit
from lti_mentor.mentoring.readiness import Rules


def save(db: Session, program: Program, rules: Rules, *, by: Person) -> None:
    """From now on these count for every open pair. Raises NotAllowed, and Invalid for what is not a percent."""
    if programs.participant(db, program, by.id, "coordinator") is None:
        raise NotAllowed("program.not_coordinator")
    wrong = {name: "percent.range" for name, value in vars(rules).items() if not 0 <= value <= 100}
    if rules.floor > rules.ready_line:
        wrong["floor"] = "program.floor"
    if wrong:
        raise Invalid(wrong)
    if rules == program.rules:
        return
    mentees = select(Mentorship.mentee_id).where(
        Mentorship.organization_id == program.organization_id,
        Mentorship.program_id == program.id,
        Mentorship.status == "open",
    )
    pursuits = db.scalars(
        select(Pursuit).where(Pursuit.organization_id == program.organization_id, Pursuit.person_id.in_(mentees))
    ).all()
    before = standing.of_many(db, pursuits)
    program.mentor_weight, program.ready_line, program.floor = rules.mentor_weight, rules.ready_line, rules.floor
    db.flush()
    standing.record_changes(db, pursuits, before)
