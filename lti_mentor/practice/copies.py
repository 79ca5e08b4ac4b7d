"""Copying a course in the practice LMS, and what its custom variables stand for."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from flask import Flask, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from lti_mentor.practice.grades import ToolColumn
from lti_mentor.practice.world import INSTRUCTOR, CourseLink, LmsCourse

if TYPE_CHECKING:
    from lti_mentor.practice.lms import Lms


def add_copies(app: Flask, lms: "Lms") -> None:
    @app.post("/as/<person_id>/courses/<course_id>/copy")
    def copy_course(person_id: str, course_id: str) -> AnyResponse | tuple[str, int]:
        course = lms.world.course(course_id)
        if course is None or INSTRUCTOR not in course.members.get(person_id, ()):
            return "Only a teacher may copy a course.", 403
        copy = copied(lms, course, person_id)
        return redirect(url_for("course_page", person_id=person_id, course_id=copy.id), 303)


def copied(lms: "Lms", course: LmsCourse, teacher_id: str) -> LmsCourse:
    """As a Moodle does it: new ids for course, links and columns; custom and resource ids kept; nobody else in it."""
    copy = replace(
        course,
        id=str(100 + len(lms.world.courses)),
        label=f"{course.label}-copy",
        title=f"{course.title} (copy)",
        members={teacher_id: course.members[teacher_id]},
        history=[course.id, *course.history],
        groups={},
        links=[],
    )
    lms.world.courses.append(copy)
    lms.links[copy.id] = [
        CourseLink(secrets.token_hex(4), link.title, link.url, dict(link.custom), [link.id, *link.history])
        for link in lms.links.get(course.id, [])
    ]
    for column in [each for each in lms.columns.values() if each.course_id == course.id]:
        twin = ToolColumn(secrets.token_hex(4), copy.id, column.label, column.maximum, column.resource_id)
        lms.columns[twin.id] = twin
    return copy


def resolved(asked: Mapping[str, str | None], course: LmsCourse, link: CourseLink | None) -> dict[str, str | None]:
    """Custom parameters with their variables filled in; one that is not known stays as it was asked for."""
    known = {
        "$Context.id.history": ",".join(course.history),
        "$ResourceLink.id.history": ",".join(link.history if link else []),
        "$Person.address.timezone": "99",  # as a Moodle says it when nobody chose one
    }
    return {name: known.get(value or "", value) for name, value in asked.items()}
