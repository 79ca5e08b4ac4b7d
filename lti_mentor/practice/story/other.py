"""The second organization of the demo: small, on the same issuer, and never to be seen from the first."""

import uuid
from datetime import timedelta

from lti_mentor import clock
from lti_mentor.db import Database
from lti_mentor.mentoring import courses, mentorships, organizations, people, programs
from lti_mentor.mentoring.people import Identity
from lti_mentor.mentoring.programs import ProgramDraft
from lti_mentor.practice.story import cast
from lti_mentor.practice.world import World


def tell(database: Database, world: World, deployment_id: uuid.UUID, organization: str) -> None:
    """Twelve people, a program and two pairs."""
    described = next(course for course in world.courses if course.deployment_id == "2")
    with database.transaction() as db, clock.moved_to(clock.now() - timedelta(days=50)):
        owner = organizations.named(db, organization)
        known = [
            people.meet(db, owner.id, Identity(issuer=world.issuer, subject=each.key, name=each.name))
            for each in cast.STRANGERS
        ]
        course = courses.meet(
            db,
            owner.id,
            deployment_id=deployment_id,
            context_id=described.id,
            label=described.label,
            title=described.title,
        )
        for number, person in enumerate(known):
            courses.join(db, course, person, teaches=number == 0)
            courses.launched(db, person, course)
        today = clock.today()
        draft = ProgramDraft(name="Harbor mentoring", starts_on=today, ends_on=today + timedelta(weeks=20))
        program = programs.create(db, course, draft, by=known[0])
        programs.enroll(db, program, known[1], "mentor", capacity=2)
        for learner in known[2:4]:
            programs.enroll(db, program, learner, "mentee")
            mentorships.pair(db, program, mentor=known[1], mentee=learner, by=known[0])
