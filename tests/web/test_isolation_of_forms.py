"""No field of a form reaches another organization, whatever id of it is sent there."""

import re
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Uuid, select, update

from lti_mentor.app import create_app
from lti_mentor.mentoring import courses, people
from lti_mentor.mentoring.people import Pseudonym
from lti_mentor.mentoring.programs import Participant
from tests.conftest import gather_cast
from tests.support.html_forms import HtmlForm, Pair, forms_of
from tests.support.walk import ask, open_visit, routes, send
from tests.web.conftest import things_of
from tests.web.test_isolation import mark, owned_tables, owner_column, rows_of, traces

ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
LOOKED_UP = frozenset({"activity", "code", "link", "mentorship", "name", "person", "q"})  # typed, and searched for
WHO = {name: (name, name) for name in ("learner", "mentor", "coordinator", "analyst")}
WHO["administrator"] = ("administrator", "analyst")  # of the twin the analyst has every right


def shape(text: str) -> str:
    """The same for the same kind of thing."""
    return ID.sub("*", text)


def forms(app, opened, things) -> dict[str, HtmlForm]:
    """The forms of all pages that somebody may open, by where they lead."""
    found = {}
    for rule in routes(app):
        page = ask(app, opened, rule, things) if "GET" in rule.methods else None
        if page is not None and page.status_code == 200 and page.mimetype == "text/html":
            for form in forms_of(page.text):
                form.action = form.action or page.request.path
                place = shape(form.action.partition(f"{opened.key}/")[2].partition("?")[0])
                found.setdefault(f"{form.method} {place}", form)
    return found


def attempts(mine: HtmlForm, theirs: HtmlForm | None, ids: set[str], typed: set[str]) -> Iterator[Pair]:
    """What the second organization puts into its own form, one field at a time, to name something of the first."""
    for name, value in theirs.offered if theirs is not None else []:
        if ids & set(ID.findall(f"{name} {value}")):
            yield name, value
            for other, own in mine.filled:
                if shape(other) == shape(name):
                    yield other, value
                    yield name, own
    for name in sorted(mine.typed & LOOKED_UP):
        yield from ((name, each) for each in sorted(typed))


def what_is_typed(db, cast, item) -> set[str]:
    things = (cast.learner, cast.mentorship, cast.program, cast.course, cast.pursuit, item)
    name = db.scalars(select(Pseudonym.actor_name).where(Pseudonym.person_id == cast.learner.id)).one()
    return {name, *(str(thing.id) for thing in things)}


def references(db, organization_id, ids: set[str]) -> set[str]:
    """Columns by which something of an organization refers to one of these."""
    found = set()
    for table in owned_tables():
        for row in db.execute(select(table).where(owner_column(table) == organization_id)).mappings():
            columns = [column for column in table.c if isinstance(column.type, Uuid)]
            found |= {f"{table.name}.{column.name}" for column in columns if str(row[column.name]) in ids}
    return found


def with_item(db, cast):
    """In the course there is something to choose, and the mentor has a free place."""
    db.execute(update(Participant).where(Participant.person_id == cast.mentor.id).values(capacity=5))
    return courses.add_item(db, db.merge(cast.course), activity_iri=f"urn:item:{uuid.uuid4()}", title="Quiz")


@pytest.mark.threat("other_tenants")
@pytest.mark.parametrize("who", WHO)
def test_no_field_of_a_form_takes_an_id_of_another_organization(
    sqlite_database, sqlite_cast, loaded_settings, things, who
):
    """Every form of every page, sent by the twin with what the same form shows to the first organization."""
    first, (of_first, of_twin) = sqlite_cast.course.organization_id, WHO[who]
    with sqlite_database.transaction() as db:
        item, twin = with_item(db, sqlite_cast), gather_cast(db, "Twin")
        with_item(db, twin)
        for right in people.RIGHTS:
            people.grant(db, twin.analyst, right)
        mark(db, first)
        typed = what_is_typed(db, sqlite_cast, item)
    own, app = things_of(sqlite_database, twin, loaded_settings, "twin"), create_app(loaded_settings, sqlite_database)
    theirs = forms(app, open_visit(sqlite_database, app, getattr(sqlite_cast, of_first), sqlite_cast.course.id), things)
    opened = open_visit(sqlite_database, app, getattr(twin, of_twin), twin.course.id)
    with sqlite_database.reading() as db:
        ids, before = traces(db, first) | {str(things["deployment_id"])}, rows_of(db, first)
    tried, wrong = set(), set()
    for place, form in forms(app, opened, own).items():
        for name, value in dict.fromkeys(attempts(form, theirs.get(place), ids, typed)):
            answer, said = send(app, opened, form, (name, value)), f"{name} {value}"
            tried.add(f"{place} {shape(name)}")
            if answer.status_code >= 500:
                wrong.add(f"{place} {shape(name)}: {answer.status_code}")
            if any(each in answer.text for each in ids if each not in said):
                wrong.add(f"{place} {shape(name)} shows something")
    assert wrong == set()
    assert tried >= TRIED[who]
    with sqlite_database.reading() as db:
        assert rows_of(db, first) == before
        assert references(db, twin.course.organization_id, ids) == set()


# What has to be among the fields, so that nobody finds out years later that the walk tried nothing.
TRIED = {
    "learner": {"POST learner/goals link", "POST learner/goals weight item *"},
    "mentor": {"POST learner/goals link"},
    "coordinator": {
        "POST coordinator/courses/*/map domain-*",
        "POST coordinator/courses/*/map item",
        "POST coordinator/programs/*/pairing mentor-*",
        "POST coordinator/programs/*/people person",
    },
    "analyst": {"GET insight/statements mentorship", "GET insight/statements person"},
    "administrator": {"POST admin/lrs-keys bound_to", "POST admin/rights/revoked person"},
}


def test_the_same_forms_take_what_is_of_their_own_organization(sqlite_database, sqlite_cast, loaded_settings, things):
    """So it is the id that was refused, and nothing else that the walk sends along."""
    with sqlite_database.transaction() as db:
        with_item(db, sqlite_cast)
    app = create_app(loaded_settings, sqlite_database)
    opened = open_visit(sqlite_database, app, sqlite_cast.coordinator, sqlite_cast.course.id)
    found, taken = forms(app, opened, things), set()
    for place, form in found.items():
        for name, value in form.offered:
            named = f"{place} {shape(name)}"
            if named in TRIED["coordinator"] and ID.search(f"{name} {value}") and named not in taken:
                taken |= {named} if send(app, opened, form, (name, value)).status_code == 303 else set()
    assert taken == TRIED["coordinator"]
