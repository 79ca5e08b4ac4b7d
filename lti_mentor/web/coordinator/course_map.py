"""The course map: which item of a course shows which exam domain."""

import uuid
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from flask import render_template, request
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.errors import Invalid, MentorError, Refused
from lti_mentor.mentoring import catalog, course_copies, course_map, courses, programs
from lti_mentor.mentoring.course_map import DomainKey
from lti_mentor.web import fields, language
from lti_mentor.web.coordinator.blueprint import coordinator
from lti_mentor.web.fields import FormSchema
from lti_mentor.web.forms import form
from lti_mentor.web.lists import page_of
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit, visit_url


@coordinator.get("/courses/<uuid:course_id>/map", endpoint="course_map")
def show_map(course_id: uuid.UUID, error: MentorError | None = None) -> str:
    """Which item of this course shows which exam domain; for the others, which domain has a title like theirs."""
    with tool().database.reading() as db:
        course = course_map.get_course(db, current_visit().person, course_id)
        items = courses.items(db, course)
        page = page_of(items, lambda item: item.title)
        mapped = course_map.of_course(db, course)
        used = course_map.certifications_of(db, course)
        mine = programs.coordinated_in(db, current_visit().person, course)
        waits = any(item.activity_iri is None for item in items)
        original = course_copies.original_of(db, course) if waits else None
        dates = course_copies.dates_ahead(db, original) if original else {}
    entries = [entry for entry in catalog.entries().values() if entry.slug in used or not entry.is_retired]
    near = [entry for entry in entries if entry.slug in used] or entries
    suggested = {
        item.id: found
        for item in page.rows
        if item.id not in mapped and (found := course_map.suggest(item.title, near))
    }
    return render_template(
        "coordinator/map.html",
        course=course,
        page=page,
        programs=mine,
        mapped=mapped,
        original=original,
        dates={title: due_at.astimezone(language.zone()).date().isoformat() for title, due_at in dates.items()},
        suggested=suggested,
        is_filled=request.args.get("suggested") == "yes",
        entries=entries,
        stale=[entry for entry in entries if entry.is_stale(clock.today())],
        error=error,
        typed=request.form,
    )


@coordinator.post("/courses/<uuid:course_id>/map")
@form(again=show_map)
def save_map(db: Session, course_id: uuid.UUID) -> str:
    """The items that were on the page."""
    person = current_visit().person
    course = course_map.get_course(db, person, course_id)
    given, gone = _uuids("item"), _uuids("gone")
    items = {item_id: _lines(item_id) for item_id in given if item_id not in gone}
    course_map.save(db, course, items, by=person)
    try:
        course_copies.take_out(db, course, gone)
    except Refused as problem:
        raise Invalid({"gone": problem.reason}) from None
    for item_id, (address, due_at) in _addresses(items).items():
        try:
            courses.give_address(db, course, item_id, address, due_at=due_at)
        except Refused as problem:
            raise Invalid({f"address-{item_id}": problem.reason}) from None
    return visit_url("coordinator.course_map", course_id=course_id, q=request.args.get("q"), page=_page())


def _page() -> str | None:
    return request.args.get("page")


def _uuids(name: str) -> list[uuid.UUID]:
    """The ids in the fields of this name, without those that cannot be one."""
    found = []
    for text in request.form.getlist(name):
        with suppress(ValueError):
            found.append(uuid.UUID(text))
    return found


def _lines(item_id: uuid.UUID) -> dict[DomainKey, int]:
    """The chosen domains of one item with their weights. Raises Invalid for a weight that is no number."""
    chosen = request.form.getlist(f"domain-{item_id}")
    weights = request.form.getlist(f"weight-{item_id}")
    lines: dict[DomainKey, int] = {}
    for place, text in enumerate(chosen):
        given = weights[place].strip() if place < len(weights) else ""
        if not text:
            continue
        if given and not (given.isdecimal() and len(given) < 4):
            raise Invalid({f"weight-{item_id}": "goal.link_weight"})
        slug, _, code = text.partition("/")
        if (slug, code) in lines:
            raise Invalid({f"domain-{item_id}": "item.same_domain"})
        lines[slug, code] = int(given or 1)
    return lines


def _addresses(item_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, tuple[str, datetime | None]]:
    """The addresses that were given to items of a copy, each with its date. Raises Invalid with every problem."""
    found: dict[uuid.UUID, tuple[str, datetime | None]] = {}
    wrong: dict[str, str] = {}
    for item_id in item_ids:
        address = request.form.get(f"address-{item_id}", "").strip()
        if address and not _is_address(address):
            wrong[f"address-{item_id}"] = "item.address"
        elif address:
            try:
                found[item_id] = (address, _end_of(request.form.get(f"due-{item_id}", "")))
            except Invalid as problem:
                wrong[f"due-{item_id}"] = next(iter(problem.fields.values()))
    if wrong:
        raise Invalid(wrong)
    return found


def _is_address(text: str) -> bool:
    return ":" in text and text.isprintable()


def _end_of(day: str) -> datetime | None:
    """The end of that day for the person. Raises Invalid for what is no day."""
    return fields.local_moment(day, "23:59", language.zone()) if day else None


class ItemForm(FormSchema):
    title = fields.text()
    activity_iri = fields.text()
    due_on = fields.day(load_default=None)


@coordinator.post("/courses/<uuid:course_id>/copy/seen")
@form()
def settle_copy(db: Session, course_id: uuid.UUID) -> str:
    """The teacher has seen what came along with the copy."""
    course_copies.settle(db, course_map.get_course(db, current_visit().person, course_id))
    return visit_url("coordinator.home")


@coordinator.post("/courses/<uuid:course_id>/items")
@form(again=show_map)
def add_item(db: Session, course_id: uuid.UUID) -> str:
    course = course_map.get_course(db, current_visit().person, course_id)
    typed = fields.load(ItemForm)
    wrong = {}
    if not typed["title"]:
        wrong["title"] = "item.no_title"
    if not _is_address(typed["activity_iri"]):
        wrong["activity_iri"] = "item.address"
    if wrong:
        raise Invalid(wrong)
    due_at = _end_of(typed["due_on"].isoformat() if typed["due_on"] else "")
    courses.add_item(db, course, activity_iri=typed["activity_iri"], title=typed["title"], due_at=due_at)
    return visit_url("coordinator.course_map", course_id=course_id)
