"""Messages about somebody else, over real HTTP: reviews from the gradebook, data privacy launches, observers."""

import json
from pathlib import Path
from urllib.parse import urljoin

import jwt
import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from lti_mentor import clock
from lti_mentor.activity import outside
from lti_mentor.activity.outside import TargetDraft
from lti_mentor.cli import main
from lti_mentor.jobs import grades
from lti_mentor.lti.platforms import Platform
from lti_mentor.mentoring import (
    courses,
    evidence,
    goals,
    gradebook,
    mentorships,
    observers,
    people,
    programs,
    pursuits,
    readiness_columns,
)
from lti_mentor.mentoring.audit import AuditEntry
from lti_mentor.mentoring.courses import Course
from lti_mentor.mentoring.evidence import Submission
from lti_mentor.mentoring.goals import GoalDraft
from lti_mentor.mentoring.gradebook import GradeColumn
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.mentoring.programs import Program, ProgramDraft
from lti_mentor.practice.tokens import CLAIM
from lti_mentor.practice.world import INSTRUCTOR, LEARNER, OBSERVER, LmsPerson
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.conftest import SECRET, url_of
from tests.support.visitor import Visitor

SLUG = "comptia-security-plus"
GRADES = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
NOTHING = "There is nothing here that you may see"


def person(db, subject) -> Person:
    return db.scalars(select(Person).join(Account).where(Account.subject == subject)).one()


def people_in(site) -> int:
    with site.database.reading() as db:
        return db.scalar(select(func.count()).select_from(Person))


@pytest.fixture
def scored(site):
    """A pair of a program, a piece of evidence, and a column with the learner's score in the gradebook."""
    for name in ("coordinator", "mentor", "learner", "analyst"):
        Visitor().launch(site.lms.url, name, "1")
    with site.database.transaction() as db:
        known = {name: person(db, name) for name in ("coordinator", "mentor", "learner")}
        course, today = db.scalars(select(Course)).one(), clock.today()
        draft = ProgramDraft(name="Autumn", starts_on=today, ends_on=today.replace(year=today.year + 1))
        program = programs.create(db, course, draft, by=known["coordinator"])
        programs.enroll(db, program, known["mentor"], "mentor", capacity=1)
        programs.enroll(db, program, known["learner"], "mentee")
        mentorships.pair(db, program, mentor=known["mentor"], mentee=known["learner"], by=known["coordinator"])
        pursuit = pursuits.start(db, known["learner"], SLUG)
        evidence.submit(db, pursuit, "1", Submission(text="What I did in the lab is between us."))
        readiness_columns.open_column(db, program, course, SLUG, by=known["coordinator"])
    assert grades.run(Tool(site.settings, site.database, Vault(site.settings.secret_key))) == 1
    return site


def begin(site, who, about="learner", message="review") -> tuple[Visitor, str, dict[str, str]]:
    """Up to the form with the signed message."""
    visitor = Visitor()
    if message == "privacy":
        visitor.get(f"{site.lms.url}/privacy")
        visitor.get(f"{site.lms.url}/privacy/open?about=1/{about}")
    else:
        column = next(iter(site.lms.lms.columns))
        visitor.get(f"{site.lms.url}/as/{who}/courses/1")
        visitor.get(f"{site.lms.url}/as/{who}/courses/1/open?message=review&about={about}&column={column}")
    url, fields = visitor.form("/lti/login")
    login = visitor.request("POST", url, data=fields)
    visitor.request("GET", login.headers["Location"])
    return visitor, *visitor.form("/lti/launch")


def sent(site, who, changes=None, **wanted) -> Visitor:
    """The page after the message; ``changes`` replace claims, ... takes one away."""
    visitor, url, fields = begin(site, who, **wanted)
    claims = jwt.decode(fields["id_token"], options={"verify_signature": False}) | (changes or {})
    body = {name: value for name, value in claims.items() if value is not ...}
    answer = visitor.request("POST", url, data={**fields, "id_token": site.lms.lms.keys[0].sign(body)})
    if answer.is_redirect:
        visitor.get(urljoin(url, answer.headers["Location"]))
    return visitor


# Submission review ----------------------------------------------------------------------------------------------------


def test_a_teacher_who_coordinates_opens_the_record_from_the_gradebook(scored):
    gradebook_page = Visitor().get(f"{scored.lms.url}/as/coordinator/courses/1/grades").text
    assert "message=review&amp;about=learner" in gradebook_page
    page = sent(scored, "coordinator").page
    assert page.status_code == 200
    assert "/learners/" in page.url
    assert "CompTIA Security+" in page.text
    assert "waits for the mentor" in page.text
    assert "between us" not in page.text
    with scored.database.reading() as db:
        entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "read_record")).one()
        assert (entry.actor_id, entry.subject_id) == (person(db, "coordinator").id, person(db, "learner").id)


def test_the_mentor_comes_to_the_mentee_and_the_learner_to_their_own_certification(scored):
    assert "waits for you" in sent(scored, "mentor").page.text
    own = sent(scored, "learner").page
    assert "/learner/pursuits/" in own.url
    assert own.status_code == 200


def test_whoever_may_not_look_learns_nothing_not_even_whether_there_is_somebody(scored):
    before = people_in(scored)
    scored.lms.world.courses[0].members["analyst"].append(INSTRUCTOR)
    known, unknown = (sent(scored, "analyst", about=about).page for about in ("learner", "nobody-at-all"))
    assert (known.status_code, unknown.status_code) == (403, 403)
    assert NOTHING in known.text
    assert known.text.count("Learner") == unknown.text.count("Learner")
    assert len(known.text) == len(unknown.text)
    assert people_in(scored) == before
    assert NOTHING in sent(scored, "coordinator", about="nobody-at-all").page.text
    assert NOTHING in sent(scored, "learner", about="mentor").page.text


def test_a_mentor_of_somebody_else_and_a_former_mentor_see_nothing(scored):
    assert NOTHING in sent(scored, "mentor", about="analyst").page.text
    with scored.database.transaction() as db:
        mentor = person(db, "mentor")
        mentorships.end(db, mentorships.of_mentor(db, mentor)[0], by=mentor)
    assert NOTHING in sent(scored, "mentor").page.text


def test_a_review_as_a_moodle_sends_it_opens(scored):
    recorded = json.loads((Path(__file__).parent / "moodle" / "launch_submission_review.json").read_text())["payload"]
    ours = ("iss", "aud", "nonce", "iat", "exp", f"{CLAIM}deployment_id")
    visitor, url, fields = begin(scored, "mentor")
    claims = jwt.decode(fields["id_token"], options={"verify_signature": False})
    body = {**recorded, **{name: claims[name] for name in ours}, "sub": "mentor"}
    body[f"{CLAIM}for_user"] = {"user_id": "learner"}
    body[f"{CLAIM}target_link_uri"] = f"{scored.url}/lti/launch?review=1"
    body[f"{CLAIM}custom"] = {**recorded[f"{CLAIM}custom"]}
    answer = visitor.request("POST", url, data={**fields, "id_token": scored.lms.lms.keys[0].sign(body)})
    page = visitor.get(urljoin(url, answer.headers["Location"]))
    assert page.status_code == 200
    assert "waits for you" in page.text


def test_the_certification_of_the_column_comes_first(scored):
    with scored.database.transaction() as db:
        pursuits.start(db, person(db, "learner"), "cka")
    for who in ("mentor", "coordinator"):
        text = sent(scored, who).page.text
        assert text.index("CompTIA Security+") < text.index("Certified Kubernetes Administrator")


def test_a_score_of_goals_opens_the_goals(scored):
    with scored.database.transaction() as db:
        program, course = db.scalars(select(Program)).one(), db.scalars(select(Course)).one()
        readiness_columns.open_column(db, program, course, None, by=person(db, "coordinator"))
        due_on = clock.today().replace(year=clock.today().year + 1)
        for visibility in ("shared", "private"):
            draft = GoalDraft(title=f"A {visibility} goal", baseline=0, target=10, due_on=due_on, visibility=visibility)
            goals.set_goal(db, person(db, "learner"), draft)
    assert grades.run(Tool(scored.settings, scored.database, Vault(scored.settings.secret_key))) == 1
    columns = scored.lms.lms.columns
    columns.pop(next(iter(columns)))
    for who, end in (("mentor", "#goals"), ("coordinator", "#goals"), ("learner", "/learner/goals")):
        page = sent(scored, who).page
        assert (page.status_code, page.url.endswith(end)) == (200, True), page.url
        assert ('id="goals"' in page.text) == (end == "#goals")
        assert "A shared goal" in page.text
        assert ("A private goal" in page.text) == (who == "learner")


def test_a_column_of_another_course_is_none_of_this_one(scored):
    with scored.database.transaction() as db:
        column = db.scalars(select(GradeColumn)).one()
        other = courses.meet(
            db, column.organization_id, deployment_id=column.id, context_id="9", label=None, title="Another"
        )
        assert gradebook.at_address(db, other, column.lineitem_url) is None


ODD = [None, "learner", 7, [], ["user_id"], {}, {"user_id": None}, {"user_id": True}, {"user_id": {}}]
ODD += [{"user_id": ""}, {"user_id": "x" * 300}, {"user_id": "\0"}, {"user_id": ["learner"]}]


@pytest.mark.parametrize("message", ["review", "privacy"])
def test_a_message_about_nobody_is_refused_with_a_reason(scored, message):
    for given in ODD:
        page = sent(scored, "coordinator", {f"{CLAIM}for_user": given}, message=message).page
        assert page.status_code == 400, given
        assert "Code for support: launch.missing_claim" in page.text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({GRADES: ...}, "launch.missing_claim"),
        ({GRADES: None}, "launch.missing_claim"),
        ({GRADES: ["lineitem"]}, "launch.missing_claim"),
        ({GRADES: {}}, "launch.message"),
        ({f"{CLAIM}roles": "Instructor"}, "launch.missing_claim"),
        ({f"{CLAIM}message_type": ["LtiSubmissionReviewRequest"]}, "launch.missing_claim"),
        ({f"{CLAIM}message_type": {"a": 1}}, "launch.missing_claim"),
        ({f"{CLAIM}message_type": "LtiStartProctoring"}, "launch.message_type"),
    ],
)
def test_a_review_that_is_not_complete_is_refused_with_a_reason(scored, changes, reason):
    page = sent(scored, "coordinator", changes).page
    assert page.status_code == 400
    assert f"Code for support: {reason}" in page.text


def test_a_review_for_a_column_we_do_not_know_opens_the_record_all_the_same(scored):
    for lineitem in ("", None, 7, ["x"], "javascript:alert(1)", "https://elsewhere.example.org/1"):
        assert "waits for you" in sent(scored, "mentor", {GRADES: {"lineitem": lineitem}}).page.text, lineitem


# Data privacy ---------------------------------------------------------------------------------------------------------


def asked(site, about="learner", changes=None) -> Visitor:
    return sent(site, "administrator", changes, about=about, message="privacy")


def visit_of(page) -> str:
    return page.url[: page.url.index("/", page.url.index("/v/") + 3)]


def test_an_administrator_sees_downloads_and_erases_what_is_kept_about_one_person(scored):
    visitor = asked(scored)
    page = visitor.page
    assert "What is kept about Learner" in page.text
    assert "Pieces of evidence" in page.text
    file = visitor.submit("/privacy/data.json")
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert file.json()["rows"]["evidence"][0]["text"] == "What I did in the lab is between us."
    assert visitor.get(f"{visit_of(page)}/privacy/data.json").status_code == 405
    visitor.get(f"{visit_of(page)}/privacy/erase")
    assert visitor.submit("/privacy/erase").status_code == 422
    assert "Tick the box" in visitor.page.text
    with scored.database.reading() as db:
        assert person(db, "learner").name == "Learner"
    done = visitor.submit("/privacy/erase", {"confirmed": "yes"})
    assert "Everything about the person is erased." in done.text
    assert "Nothing is kept here about this person" in done.text
    with scored.database.reading() as db:
        assert (
            people.by_accounts(db, db.scalars(select(Course)).one().organization_id, scored.lms.url, ["learner"]) == []
        )
        actions = set(db.scalars(select(AuditEntry.action).where(AuditEntry.place.contains("privacy"))))
    assert actions == {"read_record", "exported", "erased"}


def test_visits_of_somebody_who_was_erased_are_over_and_the_next_one_is_of_somebody_new(scored):
    learner = Visitor()
    home = learner.launch(scored.lms.url, "learner", "1").url
    visitor = asked(scored)
    visitor.get(f"{visit_of(visitor.page)}/privacy/erase")
    visitor.submit("/privacy/erase", {"confirmed": "yes"})
    assert learner.get(home).status_code == 401
    assert "Set your first goal" in Visitor().launch(scored.lms.url, "learner", "1").text
    assert NOTHING in sent(scored, "coordinator").page.text, "a new person, in no program yet"
    assert "A person who was erased" not in Visitor().launch(scored.lms.url, "coordinator", "1").text


def test_whom_to_ask_after_erasing_is_said_again_to_a_second_tap_and_a_reload(scored):
    draft = TargetDraft(label="Warehouse", endpoint="https://lrs.example.org/xapi", key="k", secret="s")
    with scored.database.transaction() as db:
        home = person(db, "learner").organization_id
        outside.add(db, Vault((SECRET,)), home, draft).leased_until = clock.now()
    visitor = asked(scored)
    assert "Warehouse" not in visitor.page.text
    visitor.get(f"{visit_of(visitor.page)}/privacy/erase")
    url, fields = visitor.form("/privacy/erase")
    taps = [visitor.request("POST", url, data={**fields, "confirmed": "yes"}) for _ in range(2)]
    location = urljoin(url, taps[0].headers["Location"])
    assert urljoin(url, taps[1].headers["Location"]) == location
    for page in (visitor.get(location), visitor.get(location)):
        assert "Everything about the person is erased." in page.text
        assert "Have it erased there too" in page.text
        assert "https://lrs.example.org/xapi" in page.text
        assert "nothing more to do" not in page.text


def test_that_visit_opens_nothing_else(scored):
    visitor = asked(scored)
    base = visit_of(visitor.page)
    for path in ("learner/", "learner/goals/new", "coordinator/", "mentor/", "insight/", "about-me/", "observer/"):
        answer = visitor.get(f"{base}/{path}")
        assert answer.status_code == 403, path
        assert "privacy.only_that" in answer.text
    assert "What is kept about Learner" in visitor.get(f"{base}/").text


@pytest.mark.parametrize("path", ["", "erase"])
def test_the_pages_open_in_no_other_visit(scored, path):
    visitor = Visitor()
    page = visitor.launch(scored.lms.url, "coordinator", "1")
    assert visitor.get(f"{visit_of(page)}/privacy/{path}").status_code == 403


def test_nothing_is_kept_about_somebody_who_was_never_here(scored):
    visitor = asked(scored, about="nobody-at-all")
    assert "Nothing is kept here about this person" in visitor.page.text
    assert visitor.get(f"{visit_of(visitor.page)}/privacy/erase").status_code == 404


NO_ADMINISTRATORS = [
    [],
    [LEARNER],
    [INSTRUCTOR],
    ["Administrator"],
    [{"a": 1}, None, 7],
    ["http://purl.imsglobal.org/vocab/lis/v2/membership#Administrator"],
]


def test_only_an_administrator_of_the_platform_may_ask(scored):
    before = people_in(scored)
    for roles in NO_ADMINISTRATORS:
        page = asked(scored, changes={f"{CLAIM}roles": roles}).page
        assert page.status_code == 400, roles
        assert "launch.not_administrator" in page.text
    assert people_in(scored) == before


@pytest.mark.parametrize("claim", ["context", "resource_link"])
def test_a_privacy_launch_from_a_course_is_refused(scored, claim):
    page = asked(scored, changes={f"{CLAIM}{claim}": {"id": "1"}}).page
    assert page.status_code == 400
    assert "launch.message" in page.text


def test_an_administrator_of_one_organization_reaches_nobody_of_another(scored):
    visitor = Visitor()
    visitor.get(f"{scored.lms.url}/privacy")
    visitor.get(f"{scored.lms.url}/privacy/open?about=1b/learner")
    url, fields = visitor.form("/lti/login")
    visitor.request("GET", visitor.request("POST", url, data=fields).headers["Location"])
    assert "Nothing is kept here" in visitor.submit("/lti/launch").text


def test_a_learner_downloads_what_is_kept_about_them(scored):
    visitor = Visitor()
    page = visitor.launch(scored.lms.url, "learner", "1")
    assert "What is kept about me" in page.text
    assert "Pieces of evidence" in visitor.get(f"{visit_of(page)}/about-me/").text
    file = visitor.submit("/about-me/data.json")
    assert (file.headers["Cache-Control"], file.headers["Content-Length"]) == ("no-store", str(len(file.content)))
    assert (file.json()["rows"]["people"][0]["name"], bool(file.json()["statements"])) == ("Learner", True)
    with scored.database.reading() as db:
        entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "exported")).one()
        assert entry.actor_id == entry.subject_id


# Observers ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def observed(scored):
    """A parent whom the platform names for the learner and for somebody else."""
    world = scored.lms.world
    world.people.append(LmsPerson(id="parent", name="Parent"))
    world.courses[0].members["parent"] = [OBSERVER]
    world.courses[0].observed["parent"] = ["learner", "analyst", "nobody-at-all"]
    return scored


def switch(site, state) -> None:
    with site.database.reading() as db:
        platform = db.scalars(select(Platform)).one()
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(site.database), "LTI_MENTOR_SECRET_KEY": SECRET}
    done = CliRunner().invoke(main, ["platform", "observers", str(platform.id), state], env=surroundings)
    assert done.exit_code == 0, done.output


def agree(site) -> Visitor:
    """The learner, after they pressed the button."""
    learner = Visitor()
    page = learner.launch(site.lms.url, "learner", "1")
    learner.get(f"{visit_of(page)}/about-me/")
    assert "Observers whom your school names may see" in learner.submit("/observers/allowed").text
    return learner


def test_an_observer_sees_nothing_by_default(observed):
    agree(observed)
    page = Visitor().launch(observed.lms.url, "parent", "1")
    assert "Mentoring shows nothing to observers here" in page.text
    assert "CompTIA" not in page.text


def test_switched_on_an_observer_sees_nobody_who_did_not_agree(observed):
    switch(observed, "on")
    page = Visitor().launch(observed.lms.url, "parent", "1")
    assert "Nobody has agreed" in page.text
    assert "CompTIA" not in page.text


def test_an_observer_sees_the_progress_of_those_who_agreed_until_they_refuse(observed):
    with observed.database.transaction() as db:
        learner, due_on = person(db, "learner"), clock.today()
        for title, visibility in (("A private thing", "private"), ("A shared thing", "shared")):
            draft = GoalDraft(title=title, baseline=0, target=1, due_on=due_on, visibility=visibility)
            goals.set_goal(db, learner, draft)
        observers.agree(db, person(db, "coordinator"))
    switch(observed, "on")
    learner, parent = agree(observed), Visitor()
    page = parent.launch(observed.lms.url, "parent", "1")
    assert "CompTIA Security+" in page.text
    assert "0 goals achieved, 1 open" in page.text
    for hidden in ("A private thing", "A shared thing", "between us", "Analyst", "Coordinator"):
        assert hidden not in page.text, hidden
    with observed.database.reading() as db:
        read = db.scalars(select(AuditEntry).where(AuditEntry.place == "observer.home")).all()
        assert {entry.subject_id for entry in read} == {person(db, "learner").id}
        said = set(db.scalars(select(AuditEntry.action)))
        assert {"observers_on", "observers_allowed"} <= said
    learner.submit("/observers/refused")
    assert "Nobody has agreed" in parent.get(page.url).text
    learner.submit("/observers/allowed")
    assert "CompTIA Security+" in parent.get(page.url).text
    switch(observed, "off")
    assert "shows nothing to observers" in parent.get(page.url).text


def test_the_scope_holds_for_its_visit_and_the_role_gives_no_part(observed):
    switch(observed, "on")
    agree(observed)
    parent = Visitor()
    first = parent.launch(observed.lms.url, "parent", "1")
    assert "CompTIA" in first.text
    observed.lms.world.courses[0].observed["parent"] = []
    later = Visitor().launch(observed.lms.url, "parent", "1")
    assert "Nobody has agreed" in later.text
    assert "CompTIA" in parent.get(first.url).text
    base = visit_of(first)
    assert parent.get(f"{base}/mentor/").status_code == 403
    assert "Program" not in later.text.partition("</header>")[0]
    with observed.database.reading() as db:
        assert (
            db.scalars(
                select(programs.Participant).where(programs.Participant.person_id == person(db, "parent").id)
            ).all()
            == []
        )
    assert NOTHING in sent(observed, "parent").page.text


def test_whom_nobody_calls_an_observer_has_no_such_page_whatever_the_claim_says(observed):
    switch(observed, "on")
    agree(observed)
    observed.lms.world.courses[0].members["parent"] = [LEARNER]
    visitor = Visitor()
    page = visitor.launch(observed.lms.url, "parent", "1")
    assert "People I look after" not in page.text
    assert visitor.get(f"{visit_of(page)}/observer/").status_code == 403


NO_SCOPES = [None, "learner", 7, True, {}, {"learner": 1}, [None], [{"user_id": "learner"}], ["\0"], ["x" * 300], [[]]]


def test_a_scope_that_is_none_names_nobody(observed):
    switch(observed, "on")
    agree(observed)
    for given in NO_SCOPES:
        visitor = Visitor()
        url, fields = visitor.begin(observed.lms.url, "parent", "1")
        claims = jwt.decode(fields["id_token"], options={"verify_signature": False})
        claims[f"{CLAIM}role_scope_mentor"] = given
        answer = visitor.request("POST", url, data={**fields, "id_token": observed.lms.lms.keys[0].sign(claims)})
        page = visitor.get(urljoin(url, answer.headers["Location"]))
        assert page.status_code == 200, given
        assert "Nobody has agreed" in page.text


def test_a_mentor_of_the_program_keeps_their_home_when_the_platform_calls_them_an_observer(observed):
    observed.lms.world.courses[0].members["mentor"] = [OBSERVER]
    page = Visitor().launch(observed.lms.url, "mentor", "1")
    assert "/mentor/" in page.url
    assert "People I look after" in page.text
