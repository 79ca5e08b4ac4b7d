"""The figures: is it working, for whom, and how do I know?"""

import statistics

from flask import render_template, request

from lti_mentor import clock
from lti_mentor.insight import explain, figures, memory, privacy
from lti_mentor.insight.figures import Insight
from lti_mentor.mentoring import programs
from lti_mentor.web import access
from lti_mentor.web.insight.blueprint import insight
from lti_mentor.web.insight.command import curl
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit


@insight.get("/", endpoint="home")
def show_home() -> str:
    """Is it working, for whom, and how do I know?"""
    access.require("analyst")
    visit, settings = current_visit(), tool().settings
    now = clock.now()
    with tool().database.reading() as db:
        listed = programs.listed(db, visit.organization_id)
        chosen = next((each for each in listed if str(each.id) == request.args.get("program")), None)
        largest = max(listed, key=lambda each: programs.size(db, each), default=None)
        program = chosen or largest
        record = memory.record_of(db, program) if program else None
    hidden = record is None or privacy.is_hidden(len(record.mentees), settings.minimum_group)
    summary = figures.summarize(record, now) if record and not hidden else None
    return render_template(
        "insight/home.html",
        programs=listed,
        program=program,
        insight=summary,
        steps=privacy.steps(summary.funnel) if summary else [],
        usual_days=_usual_days(summary) if summary else None,
        minimum=settings.minimum_group,
        count=privacy.count,
        percent=privacy.percent,
        explain=explain.of,
        curl=curl,
    )


def _usual_days(summary: Insight) -> int | None:
    """Half of the certifications took no longer; nothing is said where they are few."""
    days = summary.days_to_certification
    return statistics.median_low(days) if not privacy.is_hidden(len(days), tool().settings.minimum_group) else None
