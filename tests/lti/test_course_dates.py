"""When a course begins and ends, where the platform says so: what a program that is started there is proposed."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.mentoring.courses import Course
from tests.support.visitor import Visitor


def proposed(site, begin, end) -> list[str]:
    site.lms.world.course("1").custom.update(course_begin=begin, course_end=end)
    visitor = Visitor()
    visit = re.match(r".*/v/[^/]+/", visitor.launch(site.lms.url, "coordinator", "1").url)[0]
    form = visitor.get(f"{visit}coordinator/programs/new").text
    return [re.search(rf'name="{name}" type="date" value="([^"]*)"', form)[1] for name in ("starts_on", "ends_on")]


def in_days(days: int) -> date:
    return clock.today() + timedelta(days=days)


def test_a_program_is_proposed_the_days_of_its_course(both_site):
    first, last = in_days(30).isoformat(), in_days(100).isoformat()
    assert proposed(both_site, f"{first}T09:00:00Z", f"{last}T12:00:00.000+02:00") == [first, last]
    today, half_a_year = in_days(0).isoformat(), in_days(26 * 7).isoformat()
    assert proposed(both_site, f"{in_days(-9)}T09:00:00Z", f"{last}T12:00:00Z") == [today, last]
    assert proposed(both_site, f"{in_days(-99)}T09:00:00Z", f"{in_days(-9)}T12:00:00Z") == [today, half_a_year]


@pytest.mark.quirk("unresolved_variables")
@pytest.mark.parametrize(
    "said",
    [
        "$CourseSection.timeFrame.begin",
        "",
        "0",
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "2026-08-24",
        "2026-08-24T09:00:00",
        "2026-13-99T00:00:00Z",
        "x" * 3000,
        None,
    ],
)
def test_what_is_no_moment_is_no_date_of_the_course(site, said):
    assert proposed(site, said, said) == [in_days(0).isoformat(), in_days(26 * 7).isoformat()]
    with site.database.reading() as db:
        assert db.execute(select(Course.begins_at, Course.ends_at)).one() == (None, None)


def test_dates_that_change_are_kept_and_those_that_are_withheld_stay(site):
    for begin, end in (("2026-08-24T06:00:00Z", "2026-12-18T22:59:59Z"), ("2026-08-31T06:00:00Z", None)):
        proposed(site, begin, end)
    with site.database.reading() as db:
        assert db.execute(select(Course.begins_at, Course.ends_at)).one() == (
            datetime(2026, 8, 31, 6, tzinfo=UTC),
            datetime(2026, 12, 18, 22, 59, 59, tzinfo=UTC),
        )
