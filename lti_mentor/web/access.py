"""Which pages somebody may see: by their parts in the product, never by a role of the LMS."""

from flask import request

from lti_mentor.errors import NotAllowed
from lti_mentor.mentoring import audit
from lti_mentor.mentoring.people import Person
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit

_NOT = {"analyst": "insight.not_analyst", "administrator": "admin.not_administrator"}


def require(part: str) -> None:
    """Raises NotAllowed unless the person of the visit has this part."""
    if part not in current_visit().parts:
        raise NotAllowed(_NOT.get(part))


def note_read(*subjects: Person) -> None:
    """Write down that this visit looks at the records of other people."""
    visit = current_visit()
    others = [subject for subject in subjects if subject.id != visit.person_id]
    if not others:
        return
    with tool().database.transaction() as db:
        for subject in others:
            audit.write(
                db,
                visit.organization_id,
                "read_record",
                place=request.endpoint or "",
                actor_id=visit.person_id,
                subject_id=subject.id,
            )
