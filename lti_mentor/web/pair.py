"""What the two of a mentorship share: their meetings, the cards from the coordinator, and the end."""

import uuid
from datetime import timedelta

from flask import Blueprint, render_template, request
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.errors import Invalid
from lti_mentor.mentoring import meetings, mentorships, notices, pairing
from lti_mentor.web import fields, language
from lti_mentor.web.fields import FormSchema
from lti_mentor.web.forms import form
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url

pair = Blueprint("pair", __name__, url_prefix="/pair")


@pair.get("/<uuid:mentorship_id>/meetings", endpoint="meetings")
def show_meetings(mentorship_id: uuid.UUID, error: Invalid | None = None) -> str:
    """The meetings of one of the person's mentorships, and a form for the next."""
    visit = current_visit()
    with tool().database.reading() as db:
        mentorship = mentorships.get_for(db, visit.person, mentorship_id)
        found = meetings.of_mentorship(db, mentorship)
        partner = mentorships.partner(db, mentorship, visit.person)
    return render_template(
        "pair/meetings.html",
        mentorship=mentorship,
        meetings=found,
        partner=partner,
        error=error,
        typed=request.form,
        now=clock.now(),
        tomorrow=(clock.today() + timedelta(days=7)).isoformat(),
    )


class MeetingForm(FormSchema):
    day = fields.text()
    time = fields.text()
    minutes = fields.whole(load_default=45)


@pair.post("/<uuid:mentorship_id>/meetings")
@form(again=show_meetings)
def plan_meeting(db: Session, mentorship_id: uuid.UUID) -> str:
    person, typed = current_visit().person, fields.load(MeetingForm)
    mentorship = mentorships.get_for(db, person, mentorship_id)
    moment = fields.local_moment(typed["day"], typed["time"], language.zone())
    try:
        meetings.plan(db, mentorship, planned_at=moment, minutes=typed["minutes"], by=person)
    except Invalid as error:
        raise Invalid({"day" if name == "planned_at" else name: why for name, why in error.fields.items()}) from None
    return visit_url("pair.meetings", mentorship_id=mentorship_id)


_SETTLE = {"held": meetings.hold, "missed": meetings.miss, "called_off": meetings.call_off}


@pair.post("/<uuid:mentorship_id>/meetings/<uuid:meeting_id>/<any(held, missed, called_off):outcome>")
@form()
def settle_meeting(db: Session, mentorship_id: uuid.UUID, meeting_id: uuid.UUID, outcome: str) -> str:
    person = current_visit().person
    _SETTLE[outcome](db, meetings.get_for(db, person, meeting_id), by=person)
    return visit_url("pair.meetings", mentorship_id=mentorship_id)


@pair.post("/<uuid:mentorship_id>/<any(completed, ended):how>")
@form()
def finish(db: Session, mentorship_id: uuid.UUID, how: str) -> str:
    """The two reached what they wanted, or stop without anybody's fault."""
    person = current_visit().person
    mentorship = mentorships.get_for(db, person, mentorship_id)
    pairing.finish(db, mentorship, how, by=person)
    return visit_url("home.home")


# Cards from the coordinator -------------------------------------------------------------------------------------------


@pair.post("/reminders/closed")
@form()
def close_reminders(db: Session) -> str:
    notices.close_all(db, current_visit().person)
    return visit_url("home.home")


@pair.post("/check-ins/<uuid:reminder_id>/<any(fine, help):word>")
@form()
def answer_check_in(db: Session, reminder_id: uuid.UUID, word: str) -> str:
    """Tell the coordinator how the pair is doing."""
    notices.answer(db, current_visit().person, reminder_id, word)
    return visit_url("home.home")
