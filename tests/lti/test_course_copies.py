"""Copies of courses, over real HTTP: what comes along, what never does, and how a copy is recognized."""

import re
import threading
import uuid
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urljoin

import pytest
from sqlalchemy import func, select

from lti_mentor import clock
from lti_mentor.errors import NotAllowed
from lti_mentor.jobs import grades
from lti_mentor.mentoring import (
    course_copies,
    course_map,
    courses,
    goals,
    gradebook,
    programs,
    pursuits,
    readiness_columns,
    results,
)
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.course_copies import CourseCopy
from lti_mentor.mentoring.courses import Course, Item, MappedItem, Member, Result
from lti_mentor.mentoring.goals import GoalDraft, LinkDraft
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.mentoring.programs import ProgramDraft
from lti_mentor.practice.copies import copied
from lti_mentor.practice.grades import ToolColumn
from lti_mentor.practice.world import INSTRUCTOR, LEARNER
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.lti.test_deep_linking import count, follow, opened, place, sent
from tests.support.visitor import Visitor

SECURITY = "comptia-security-plus"
MAP = {"Quiz 1": {(SECURITY, "1"): 3}, "Quiz 2": {(SECURITY, "2"): 1, (SECURITY, "3"): 2}, "Welcome": {}}


def person(db, subject) -> Person:
    return db.scalars(select(Person).join(Account).where(Account.subject == subject)).one()


def set_up(site, course="1") -> Course:
    """A course with a map, dates before and after today, and a result of a learner."""
    for who in ("coordinator", "learner"):
        Visitor().launch(site.lms.url, who, course)
    with site.database.transaction() as db:
        found, teacher = db.scalars(select(Course).where(Course.context_id == course)).one(), person(db, "coordinator")
        lines = {}
        for title, mapped in MAP.items():
            item = courses.add_item(db, found, activity_iri=f"https://lms.example.org/{title}", title=title)
            lines[item.id] = mapped
            item.due_at = clock.now() + timedelta(days=20 if title == "Quiz 2" else -20)
            results.take(db, item, person(db, "learner"), score=50, maximum=100, source="statement", at=clock.now())
        course_map.save(db, found, lines, by=teacher)
        return found


def copy_of(site, course="1", **members):
    """The course as the learning platform copies it."""
    made = copied(site.lms.lms, site.lms.world.course(course), "coordinator")
    made.members.update(members)
    return made


def by_title(site, context_id) -> dict:
    """The map of a course, by the titles of its items."""
    with site.database.reading() as db:
        course = db.scalars(select(Course).where(Course.context_id == context_id)).one()
        mapped = course_map.of_course(db, course)
        return {item.title: mapped.get(item.id, {}) for item in courses.items(db, course)}


def test_the_course_map_comes_along_and_people_and_results_do_not(both_site):
    set_up(both_site)
    copy = copy_of(both_site)
    page = Visitor().launch(both_site.lms.url, "coordinator", copy.id)
    assert "This course is a copy of Course one" in page.text
    assert "Its course map came along with 3 items" in page.text
    assert by_title(both_site, copy.id) == MAP
    with both_site.database.reading() as db:
        course = db.scalars(select(Course).where(Course.context_id == copy.id)).one()
        items = courses.items(db, course)
        assert {(item.activity_iri, item.due_at) for item in items} == {(None, None)}
        assert db.scalars(select(Member.person_id).where(Member.course_id == course.id)).all() == [
            person(db, "coordinator").id
        ]
        theirs = select(Result).where(Result.item_id.in_([item.id for item in items]))
        assert db.scalars(theirs).all() == []
        entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "course_copied")).one()
        assert entry.actor_id == person(db, "coordinator").id
        assert str(course.id) in entry.place


def test_a_learner_may_be_first_and_sees_nothing_of_it(site):
    set_up(site)
    copy = copy_of(site, learner=[LEARNER])
    page = Visitor().launch(site.lms.url, "learner", copy.id)
    assert "is a copy of" not in page.text
    assert by_title(site, copy.id) == {}, "what comes along is for a teacher to see first"
    assert "is a copy of" in Visitor().launch(site.lms.url, "coordinator", copy.id).text
    assert by_title(site, copy.id) == MAP


def test_many_launches_copy_once_and_what_was_changed_since_stays(site):
    set_up(site)
    copy = copy_of(site, learner=[LEARNER])
    for who in ("learner", "coordinator", "learner"):
        Visitor().launch(site.lms.url, who, copy.id)
    with site.database.transaction() as db:
        course = db.scalars(select(Course).where(Course.context_id == copy.id)).one()
        course_map.save(db, course, {item.id: {} for item in courses.items(db, course)}, by=person(db, "coordinator"))
    Visitor().launch(site.lms.url, "coordinator", copy.id)
    assert by_title(site, copy.id) == {title: {} for title in MAP}
    assert count(site, CourseCopy) == 1


def test_two_first_launches_at_the_same_moment_copy_once(both_site):
    set_up(both_site)
    copy = copy_of(both_site, learner=[LEARNER])
    begun = []
    for who in ("coordinator", "learner"):
        visitor = Visitor()
        begun.append((visitor, *visitor.begin(both_site.lms.url, who, copy.id)))
    together, statuses = threading.Barrier(2), []

    def launch(visitor, url, fields):
        together.wait()
        statuses.append(visitor.request("POST", url, data=fields).status_code)

    threads = [threading.Thread(target=launch, args=each) for each in begun]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [303, 303]
    assert by_title(both_site, copy.id) == MAP
    assert count(both_site, CourseCopy) == 1
    assert count(both_site, Item) == 2 * len(MAP)


@pytest.mark.quirk("history_of_copies")
def test_the_nearest_course_that_is_known_counts(site):
    set_up(site)
    unseen = copy_of(site)
    again = copy_of(site, unseen.id)
    assert again.history == [unseen.id, "1"]
    page = Visitor().launch(site.lms.url, "coordinator", again.id)
    assert "This course is a copy of Course one" in page.text
    assert by_title(site, again.id) == MAP


@pytest.mark.parametrize("said", ["$Nothing.that.is.known", "", ", ,", "nobody,knows", "x" * 3000, None])
def test_a_history_that_says_nothing_makes_no_copy(site, said):
    set_up(site)
    copy = copy_of(site)
    site.lms.lms.tools["tests"] = replace(site.lms.lms.tools["tests"], custom={"context_history": said})
    assert Visitor().launch(site.lms.url, "coordinator", copy.id).status_code == 200
    assert by_title(site, copy.id) == {}
    assert count(site, CourseCopy) == 0


def test_a_course_with_a_set_up_of_its_own_keeps_it(site):
    set_up(site)
    copy = copy_of(site)
    custom = site.lms.lms.tools["tests"]
    site.lms.lms.tools["tests"] = replace(custom, custom={})
    Visitor().launch(site.lms.url, "coordinator", copy.id)
    with site.database.transaction() as db:
        course = db.scalars(select(Course).where(Course.context_id == copy.id)).one()
        courses.add_item(db, course, activity_iri="urn:own", title="Own")
    site.lms.lms.tools["tests"] = custom
    Visitor().launch(site.lms.url, "coordinator", copy.id)
    assert by_title(site, copy.id) == {"Own": {}}


def test_ids_mean_the_courses_of_one_deployment_alone(site):
    """Another organization, or another deployment of the same, has courses of the same ids."""
    set_up(site)
    foreign = site.lms.world.course("1b")
    foreign.members["outsider"] = [INSTRUCTOR]
    foreign.history.append("1")
    Visitor().launch(site.lms.url, "outsider", "1b")
    assert count(site, CourseCopy) == 0
    assert by_title(site, "1b") == {}
    with site.database.transaction() as db:
        first = db.scalars(select(Course).where(Course.context_id == "1")).one()
        same = {"organization_id": first.organization_id, "label": None, "title": None}
        other = courses.meet(db, deployment_id=first.id, context_id="9", **same)  # a deployment of its own
        assert course_copies.recognize(db, other, [(first.id, "1")], by=person(db, "coordinator")) is None


@pytest.mark.quirk("copies_without_history")
def test_a_copy_without_history_is_recognized_by_the_key_of_a_placed_link(site):
    set_up(site)
    visitor = opened(site)
    address, token = sent(place(visitor, "home"))
    visitor.request("POST", address, data={"JWT": token})
    tools = site.lms.lms.tools
    tools["tests"] = replace(tools["tests"], custom={})
    copy = copy_of(site)
    (link,) = site.lms.lms.links[copy.id]
    link.custom = {"mentor_link": link.custom["mentor_link"]}  # a platform that knows no variables
    assert "is a copy of" not in Visitor().launch(site.lms.url, "coordinator", copy.id).text
    assert by_title(site, copy.id) == {}
    page = follow(site, "coordinator", link.id, course=copy.id)
    assert "This course is a copy of Course one" in page.text
    assert by_title(site, copy.id) == MAP


def map_page(site, copy) -> Visitor:
    visitor = Visitor()
    page = visitor.launch(site.lms.url, "coordinator", copy.id)
    path = re.search(r'href="([^"]*/map)"', page.text)[1]
    visitor.get(urljoin(site.url, path))
    return visitor


def ids_of(visitor) -> dict[str, str]:
    """By title the ids of the items on the map page."""
    rows = re.findall(r'<tr><th scope="row" dir="auto">([^<]+?) *</th><td>(.*?)</td></tr>', visitor.page.text, re.S)
    return {title: re.search(r'name="item" value="([^"]+)"', row)[1] for title, row in rows}


def test_a_teacher_gives_addresses_and_checks_dates_then_grades_count(site):
    set_up(site)
    copy = copy_of(site, learner=[LEARNER])
    Visitor().launch(site.lms.url, "learner", copy.id)
    visitor = map_page(site, copy)
    ahead = (clock.now() + timedelta(days=20)).date().isoformat()
    assert visitor.page.text.count('type="date" value=""') == 2, "dates that have passed are left out"
    assert f'type="date" value="{ahead}"' in visitor.page.text
    first, second = (ids_of(visitor)[title] for title in ("Quiz 1", "Quiz 2"))
    kept = {
        "item": [first, second],
        f"domain-{first}": [f"{SECURITY}/1"],
        f"weight-{first}": ["3"],
        f"domain-{second}": [f"{SECURITY}/2", f"{SECURITY}/3"],
        f"weight-{second}": ["1", "2"],
        f"due-{second}": ahead,
    }
    form = "/map"
    wrong = visitor.submit(form, {**kept, f"address-{first}": "nonsense", f"due-{second}": "soon"})
    assert wrong.status_code == 422
    assert 'value="nonsense"' in wrong.text
    twice = visitor.submit(form, {**kept, f"address-{first}": "urn:1", f"address-{second}": "urn:1"})
    assert twice.status_code == 422
    assert "has this address already" in twice.text
    with site.database.reading() as db:
        assert db.scalars(select(Item).where(Item.activity_iri == "urn:1")).all() == [], "all or nothing"
    visitor.submit(form, {**kept, f"address-{first}": "urn:1", f"address-{second}": "urn:2"})
    assert by_title(site, copy.id) == MAP
    with site.database.transaction() as db:
        item = db.scalars(select(Item).where(Item.activity_iri == "urn:2")).one()
        assert item.due_at.date().isoformat() == ahead
        assert results.take_statements(db, item.organization_id, [statement(site, "urn:1")]) == 1
    assert "Address in this course" in visitor.page.text, "one still waits for its address"


def test_a_grade_under_the_title_of_an_item_that_waits_proposes_its_address_to_the_teacher(both_site):
    set_up(both_site)
    copy = copy_of(both_site, learner=[LEARNER])
    visitor = map_page(both_site, copy)
    assert "has a grade under this title" not in visitor.page.text
    Visitor().launch(both_site.lms.url, "learner", copy.id)
    seen = statement(both_site, "https://lms.example.org/quiz/7", name="Quiz 1")
    with both_site.database.transaction() as db:
        course = db.scalars(select(Course).where(Course.context_id == copy.id)).one()
        assert results.take_statements(db, course.organization_id, [seen]) == 0
        assert {item.activity_iri for item in courses.items(db, course)} == {None}, "a title alone decides nothing"
    visitor = map_page(both_site, copy)
    assert visitor.page.text.count("has a grade under this title at https://lms.example.org/quiz/7") == 1
    first = ids_of(visitor)["Quiz 1"]
    kept = {"item": [first], f"domain-{first}": [f"{SECURITY}/1"], f"weight-{first}": ["3"]}
    visitor.submit("/map", {**kept, f"address-{first}": "https://lms.example.org/quiz/7"})
    assert "has a grade under this title" not in visitor.page.text
    with both_site.database.transaction() as db:
        assert results.take_statements(db, course.organization_id, [seen]) == 1


@pytest.mark.parametrize(
    ("who", "name", "copies"),
    [("mentor", "Quiz 1", 1), ("learner", "Quiz 9", 1), ("learner", None, 1), ("learner", "Quiz 1", 2)],
    ids=["somebody else", "another title", "no title", "two copies"],
)
def test_a_grade_that_may_be_of_something_else_proposes_nothing(site, who, name, copies):
    set_up(site)
    for _ in range(copies):
        copy = copy_of(site, learner=[LEARNER])
        for person_id in ("coordinator", "learner"):
            Visitor().launch(site.lms.url, person_id, copy.id)
    Visitor().launch(site.lms.url, "mentor", "1")
    with site.database.transaction() as db:
        organization_id = db.scalars(select(Course.organization_id)).first()
        given = statement(site, "https://lms.example.org/quiz/7", name=name, who=who)
        assert results.take_statements(db, organization_id, [given]) == 0
        assert db.scalars(select(Item).where(Item.seen_iri.is_not(None))).all() == []


def statement(site, iri, *, name=None, who="learner") -> dict:
    definition = {"definition": {"name": {"en": name}}} if name else {}
    return {
        "actor": {"account": {"homePage": site.lms.url, "name": who}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/scored"},
        "object": {"id": iri, **definition},
        "result": {"score": {"scaled": 0.9}},
        "timestamp": clock.now().isoformat(),
    }


def test_an_item_that_is_added_under_its_title_gets_what_came_along(site):
    set_up(site)
    copy = copy_of(site)
    Visitor().launch(site.lms.url, "coordinator", copy.id)
    with site.database.transaction() as db:
        course = db.scalars(select(Course).where(Course.context_id == copy.id)).one()
        item = courses.add_item(db, course, activity_iri="urn:new", title="Quiz 1")
        assert course_map.of_course(db, course)[item.id] == MAP["Quiz 1"]
    assert by_title(site, copy.id) == MAP


def test_an_item_that_is_not_in_the_copy_is_taken_out_unless_a_goal_needs_it(site):
    set_up(site)
    copy = copy_of(site, learner=[LEARNER])
    Visitor().launch(site.lms.url, "learner", copy.id)
    visitor = map_page(site, copy)
    first, second = (ids_of(visitor)[title] for title in ("Quiz 1", "Quiz 2"))
    with site.database.transaction() as db:
        course = db.scalars(select(Course).where(Course.context_id == copy.id)).one()
        own = courses.add_item(db, course, activity_iri="urn:own", title="Own")
        draft = GoalDraft(
            title="Pass it",
            baseline=0,
            target=10,
            due_on=clock.today() + timedelta(days=9),
            links=[LinkDraft(kind="item", item_id=uuid.UUID(second), course_id=course.id)],
        )
        goals.set_goal(db, person(db, "learner"), draft)
    refused = visitor.submit("/map", {"item": [first, second], "gone": [first, second]})
    assert refused.status_code == 422
    assert "Somebody measures a goal by one of the items" in refused.text
    assert set(by_title(site, copy.id)) == {*MAP, "Own"}
    visitor.submit("/map", {"item": [first], "gone": [first, str(own.id)]})
    assert set(by_title(site, copy.id)) == {"Quiz 2", "Welcome", "Own"}, "what has an address stays"


def test_the_note_is_put_away_for_all_teachers(site):
    set_up(site)
    copy = copy_of(site, mentor=[INSTRUCTOR])
    visitor = Visitor()
    visitor.launch(site.lms.url, "coordinator", copy.id)
    page = visitor.submit("/copy/seen")
    assert "The note is put away." in page.text
    assert "is a copy of" not in page.text
    assert "is a copy of" not in Visitor().launch(site.lms.url, "mentor", copy.id).text


def test_a_copy_of_a_course_without_set_up_says_nothing(site):
    Visitor().launch(site.lms.url, "coordinator", "1")
    copy = copy_of(site)
    assert "is a copy of" not in Visitor().launch(site.lms.url, "coordinator", copy.id).text


def with_program(site, *, with_goals=False, **dates) -> programs.Program:
    today = clock.today()
    draft = ProgramDraft(name="Autumn", starts_on=today, ends_on=today + timedelta(weeks=20))
    with site.database.transaction() as db:
        course, teacher = db.scalars(select(Course)).one(), person(db, "coordinator")
        program = programs.create(db, course, draft, by=teacher)
        programs.enroll(db, program, person(db, "learner"), "mentee")
        column = readiness_columns.open_column(db, program, course, SECURITY, by=teacher)
        column.lineitem_url, column.sends = "https://lms.example.org/columns/1", "when_final"
        if with_goals:
            readiness_columns.open_column(db, program, course, None, by=teacher)
        for name, value in dates.items():
            setattr(program, name, value)
        return program


def test_a_program_that_still_runs_is_let_in_by_its_coordinator_with_its_columns(site):
    set_up(site)
    program = with_program(site, with_goals=True)
    copy = copy_of(site)
    visitor = Visitor()
    page = visitor.launch(site.lms.url, "coordinator", copy.id)
    assert "Let Autumn run here too" in page.text
    with site.database.reading() as db:
        course = db.scalars(select(Course).where(Course.context_id == copy.id)).one()
        assert programs.of_course(db, course) == [], "nothing runs here before somebody says so"
    visitor.submit(f"/programs/{program.id}/courses")
    with site.database.reading() as db:
        first = db.scalars(select(Course).where(Course.context_id == "1")).one()
        kept, twins = (
            {column.certification_id: column for column in gradebook.columns_of(db, program, each)}
            for each in (first, course)
        )
        assert set(twins) == {SECURITY, None}, "readiness and goals"
        for what, twin in twins.items():
            assert twin.key == kept[what].key, "the platform copies its column with our key"
            assert twin.lineitem_url is None
            assert twin.sends == kept[what].sends
            assert gradebook.scores_of(db, twin) == {}, "scores are those of the people of each course"


def test_the_copied_column_of_the_platform_is_found_by_its_key(site):
    set_up(site)
    program = with_program(site)
    with site.database.transaction() as db:
        course = db.scalars(select(Course)).one()
        (column,) = gradebook.columns_of(db, program, course)
        column.lineitem_url = None
        from_key = str(column.key)
    site.lms.lms.columns["7"] = ToolColumn("7", "1", "Readiness", 100, from_key)
    copy = copy_of(site, learner=[LEARNER])
    Visitor().launch(site.lms.url, "learner", copy.id)
    visitor = Visitor()
    visitor.launch(site.lms.url, "coordinator", copy.id)
    with site.database.transaction() as db:
        pursuits.start(db, person(db, "learner"), SECURITY)
    visitor.submit(f"/programs/{program.id}/courses")
    assert grades.run(Tool(site.settings, site.database, Vault(site.settings.secret_key))) == 1
    theirs = [column for column in site.lms.lms.columns.values() if column.course_id == copy.id]
    assert [list(column.scores) for column in theirs] == [["learner"]]
    assert len(site.lms.lms.columns) == 2


@pytest.mark.parametrize("who", ["over", "not coordinated"])
def test_a_program_that_is_over_or_of_others_is_not_offered(site, who):
    set_up(site)
    yesterday = clock.today() - timedelta(days=1)
    dates = {"starts_on": yesterday - timedelta(days=90), "ends_on": yesterday} if who == "over" else {}
    program = with_program(site, **dates)
    copy = copy_of(site, mentor=[INSTRUCTOR])
    page = Visitor().launch(site.lms.url, "coordinator" if who == "over" else "mentor", copy.id)
    assert "is a copy of" in page.text
    assert "Let Autumn run here too" not in page.text
    with site.database.transaction() as db:
        course = db.scalars(select(Course).where(Course.context_id == copy.id)).one()
        if who != "over":
            with pytest.raises(NotAllowed):
                course_copies.attach(db, program, course, by=person(db, "coordinator"))


def test_only_who_may_set_the_map_puts_the_note_away(site):
    set_up(site)
    copy = copy_of(site, learner=[LEARNER])
    Visitor().launch(site.lms.url, "coordinator", copy.id)
    visitor = Visitor()
    page = visitor.launch(site.lms.url, "learner", copy.id)
    with site.database.reading() as db:
        course = db.scalars(select(Course).where(Course.context_id == copy.id)).one()
        assert db.scalar(select(func.count()).select_from(MappedItem)) > 0
    visit = re.match(r".*/v/[^/]+/", page.url)[0]
    visitor.get(f"{visit}learner/goals/new")
    _, fields = visitor.form("/goals")
    answer = visitor.request("POST", f"{visit}coordinator/courses/{course.id}/copy/seen", data=fields)
    assert answer.status_code == 403
