"""What the practice LMS holds: people, courses with graded items, and the tool it launches."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

LEARNER = "http://purl.imsglobal.org/vocab/lis/v2/membership#Learner"
INSTRUCTOR = "http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor"
OBSERVER = "http://purl.imsglobal.org/vocab/lis/v2/membership#Mentor"  # what LTI calls somebody who looks after others


@dataclass(frozen=True, kw_only=True)
class LmsPerson:
    id: str
    name: str | None = None  # none: the LMS withholds it
    email: str | None = None
    locale: str = "en"


@dataclass(frozen=True, kw_only=True)
class LmsItem:
    id: str
    title: str
    maximum: int = 100
    due_at: str | None = None


@dataclass
class CourseLink:
    """A link that a tool placed in a course, with what it wants to be launched with."""

    id: str
    title: str
    url: str
    custom: dict[str, str] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)  # the links it was copied from, the nearest first
    column_id: str | None = None  # of the gradebook; copies have none
    group: str = ""  # whom it is for, besides those who teach; everybody, where it names none


@dataclass(frozen=True, kw_only=True)
class LmsCourse:
    id: str
    label: str
    title: str
    deployment_id: str
    members: dict[str, list[str]]  # person -> roles
    items: list[LmsItem] = field(default_factory=list)
    observed: dict[str, list[str]] = field(default_factory=dict)  # observer -> whom they look after
    custom: dict[str, str | None] = field(default_factory=dict)
    lrs_key: str | None = None  # "key:secret" of the tool's record store
    history: list[str] = field(default_factory=list)  # the courses it was copied from, the nearest first
    groups: dict[str, list[str]] = field(default_factory=dict)  # name -> people
    links: list[CourseLink] = field(default_factory=list)  # that are there from the beginning


@dataclass(frozen=True, kw_only=True)
class World:
    issuer: str
    client_id: str
    tool_url: str
    people: list[LmsPerson]
    courses: list[LmsCourse]
    offers_storage: bool = False  # its pages keep things for tools (LTI Client Side postMessages)

    def person(self, person_id: str) -> LmsPerson | None:
        return next((person for person in self.people if person.id == person_id), None)

    def course(self, course_id: str) -> LmsCourse | None:
        return next((course for course in self.courses if course.id == course_id), None)

    def opening(self, course: LmsCourse, link: CourseLink | None) -> list[str]:
        """Who can open the link: everybody of the course, or a group and its teachers."""
        if link is None or not link.group:
            return list(course.members)
        chosen = course.groups.get(link.group, [])
        return [who for who, roles in course.members.items() if who in chosen or INSTRUCTOR in roles]

    @property
    def launch_url(self) -> str:
        return f"{self.tool_url}/lti/launch"

    def item_iri(self, course: LmsCourse, item: LmsItem) -> str:
        """How statements about the item name it."""
        return f"{self.issuer}/courses/{course.id}/items/{item.id}"

    def dump(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")


def load(path: Path) -> World:
    given: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    courses = [LmsCourse(**{**course, **_parts(course)}) for course in given["courses"]]
    return World(**{**given, "people": [LmsPerson(**person) for person in given["people"]], "courses": courses})


def _parts(course: dict[str, Any]) -> dict[str, Any]:
    items, links = (LmsItem(**item) for item in course["items"]), (CourseLink(**link) for link in course["links"])
    return {"items": list(items), "links": list(links)}
