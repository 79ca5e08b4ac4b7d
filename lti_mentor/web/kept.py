"""What is kept about somebody: counted in words, and as one file."""

import tempfile
from collections.abc import Iterator
from typing import IO

from flask import Response
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.mentoring import audit, privacy
from lti_mentor.mentoring.people import Person
from lti_mentor.web.language import _, number
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit

MOST = 1000  # that are counted: a page has to come at once
PIECE = 65536  # bytes, sent at a time
# Tables as people call what is in them.
KINDS = {
    "people": "Name, mail address, language and time zone",
    "accounts": "Accounts in learning platforms",
    "pseudonyms": "Pseudonyms in the record store",
    "grants": "Rights in this tool",
    "members": "Courses",
    "link_members": "Activities of courses that the learning platform lets them open",
    "participants": "Parts in programs",
    "mentorships": "Mentorships",
    "meetings": "Meetings",
    "goals": "Goals",
    "goal_links": "Parts that make up goals",
    "pursuits": "Certifications on the way",
    "ratings": "Ratings of exam domains",
    "evidence": "Pieces of evidence",
    "reviews": "Answers to evidence",
    "results": "Results of course items",
    "latest_scores": "Scores for gradebooks",
    "reminders": "Cards from and to coordinators",
    "observer_consents": "Agreements with observers",
    "export_runs": "Exports of the last day",
    "link_codes": "Codes that link accounts",
    "admin_links": "Links to the administration",
    "visits": "Visits",
    "named_people": "People named in visits",
    "audit_entries": "Entries of the audit log",
    "statements": "Statements in the record store",
    "documents": "Documents in the record store",
}


def counted(db: Session, person: Person) -> list[tuple[str, str]]:
    """Each kind of data with how much there is of it, in the order of KINDS."""
    found = {name: len(rows) for name, rows in privacy.kept(db, person).items()}
    found["statements"] = privacy.count_statements(db, person, most=MOST)
    found["documents"] = privacy.count_documents(db, person)
    named = [(_(label), found.pop(name)) for name, label in KINDS.items() if found.get(name)]
    named += sorted((name, count) for name, count in found.items() if count)
    return [(label, _shown(count)) for label, count in named]


def _shown(count: int) -> str:
    return number(count) if count < MOST else _("%(count)s or more", count=number(MOST))


def download(person: Person, *, place: str) -> Response:
    """Everything as JSON to keep; on record."""
    visit, file = current_visit(), tempfile.TemporaryFile()  # noqa: SIM115 (open until it is sent)
    try:
        with tool().database.reading() as db:
            file.writelines(piece.encode() for piece in privacy.export(db, person))
        with tool().database.transaction() as db:
            about = {"actor_id": visit.person_id, "subject_id": person.id}
            audit.write(db, visit.organization_id, "exported", place=place, **about)
    except BaseException:
        file.close()
        raise
    size = file.tell()
    file.seek(0)
    response = Response(_pieces(file), mimetype="application/json")
    response.call_on_close(file.close)
    response.content_length = size
    name = f"mentoring-data-{clock.today().isoformat()}.json"
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece
