"""One learner of a program: how far they are, what their goals come to, how evidence stands, never what is in it."""

import uuid

from flask import render_template, request

from lti_mentor.errors import NotFound
from lti_mentor.mentoring import (
    catalog,
    evidence,
    goal_columns,
    mentorships,
    people,
    programs,
    pursuits,
    readiness_columns,
    standing,
)
from lti_mentor.web import access
from lti_mentor.web.coordinator.blueprint import coordinator
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit


@coordinator.get("/programs/<uuid:program_id>/learners/<uuid:learner_id>")
def learner(program_id: uuid.UUID, learner_id: uuid.UUID) -> str:
    """Readiness for each certification, the one asked for first."""
    visit = current_visit()
    with tool().database.reading() as db:
        program = programs.get_for_coordinator(db, visit.person, program_id)
        if programs.participant(db, program, learner_id, "mentee") is None:
            raise NotFound("person.unknown")
        found = people.get(db, visit.organization_id, learner_id)
        ways = [way for way in pursuits.all_of(db, found) if way.status != "abandoned"]
        standings = standing.of_many(db, ways)
        pieces = {way.id: evidence.of_pursuit(db, way) for way in ways}
        not_final_in = {
            way.id: [course for its, course in readiness_columns.not_final_in(db, way) if its.id == program.id]
            for way in ways
        }
        sums = [each for each in goal_columns.of_person(db, found) if each.program.id == program.id]
        pair = mentorships.of_mentee(db, found, program)
        mentor = people.get(db, visit.organization_id, pair.mentor_id) if pair else None
    access.note_read(found)
    ways.sort(key=lambda way: way.certification_id != request.args.get("certification"))
    return render_template(
        "coordinator/learner.html",
        program=program,
        learner=found,
        pair=pair,
        mentor=mentor,
        ways=[(way, catalog.entry(way.certification_id), standings[way.id].readiness) for way in ways],
        pieces=pieces,
        not_final_in=not_final_in,
        sums=sums,
    )
