"""What a Moodle 4.5.6 sent and answered, recorded and played again: launches, pickers, rosters and grades."""

import json
from pathlib import Path

import jwt
import pytest
import requests
from flask import Response
from sqlalchemy import select

from lti_mentor.jobs import grades, rosters
from lti_mentor.lti import links
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.deep_linking import PlacedLink
from lti_mentor.lti.links import LaunchedLink, LinkMember
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.mentoring.people import Account, Person
from lti_mentor.practice.tokens import CLAIM, claims
from tests.lti import test_deep_linking as deep_linking
from tests.lti.test_certification import with_column
from tests.lti.test_launch import send
from tests.lti.test_quirks import asked
from tests.lti.test_threats import change, tool_of
from tests.support.recording import Asked, recording
from tests.support.visitor import Visitor

FOLDER = Path(__file__).parent / "moodle"
MOODLE = "http://127.0.0.1:8900"
TOOLS = ("http://127.0.0.1:9101", "https://localhost:9143")
OWN = ("iss", "aud", "iat", "exp", "nonce", f"{CLAIM}deployment_id")  # of each launch


def recorded(name: str, site, moodle: str = MOODLE):
    """A recording with our own addresses in the place of those of that time."""
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8").replace(MOODLE, moodle)
    for tool in TOOLS:
        text = text.replace(tool, site.url)
    return json.loads(text)


def launch(site, name: str, moodle: str = MOODLE, visitor: Visitor | None = None) -> requests.Response:
    """The message as it was recorded, signed anew for this moment."""
    payload = recorded(name, site, moodle)["payload"]
    world = site.lms.world
    practice = claims(world, world.person("learner"), world.course("1"), nonce="")
    changes = {**dict.fromkeys(practice, ...), **payload}
    return send(site, {name: value for name, value in changes.items() if name not in OWN}, visitor=visitor)


LAUNCHES = sorted(
    path.stem
    for path in FOLDER.glob("launch_*.json")
    if path.stem not in ("launch_deep_linking_teacher", "launch_submission_review")
)


@pytest.mark.quirk("unresolved_variables")
@pytest.mark.parametrize("name", LAUNCHES)
def test_a_recorded_launch_opens_for_whom_it_was(both_site, name):
    visitor, said = Visitor(), recorded(name, both_site)["payload"]
    answer = launch(both_site, name, visitor=visitor)
    assert answer.status_code == 303, answer.text
    assert visitor.get(both_site.url + answer.headers["Location"]).status_code == 200
    with both_site.database.reading() as db:
        person, account, member = db.execute(select(Person, Account, Member).join(Account).join(Member)).one()
        course, services = db.scalars(select(Course)).one(), db.scalars(select(ContextServices)).one()
    assert (account.subject, person.name, person.email) == (said["sub"], said.get("name"), said.get("email"))
    assert member.teaches == any(role.endswith("membership#Instructor") for role in said[f"{CLAIM}roles"])
    context = said[f"{CLAIM}context"]
    assert (course.context_id, course.label, course.title) == (context["id"], context["label"], context["title"])
    offered = said["https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"]
    assert (services.lineitems_url, services.grade_scopes) == (offered["lineitems"], sorted(offered["scope"]))
    assert services.memberships_url.startswith(f"{MOODLE}/mod/lti/services.php/CourseSection/")


def test_the_recorded_submission_review_opens_the_record_for_the_teacher_who_coordinates(site):
    for name in ("launch_teacher", "launch_student"):
        launch(site, name)
    assert reviewed(site).status_code == 403, "a teacher of the course alone may not look"
    with_column(site, "3", "5")
    page = reviewed(site)
    assert page.status_code == 200
    assert "/learners/" in page.url
    assert recorded("launch_student", site)["payload"]["name"] in page.text


def reviewed(site) -> requests.Response:
    visitor = Visitor()
    answer = launch(site, "launch_submission_review", visitor=visitor)
    assert answer.status_code == 303, answer.text
    return visitor.get(site.url + answer.headers["Location"])


def test_administrator_and_the_same_in_the_role_of_a_student_are_one_person(site):
    launch(site, "launch_admin")
    launch(site, "launch_admin_switched_to_student")
    with site.database.reading() as db:
        assert [member.teaches for member in db.scalars(select(Member))] == [False]


@pytest.mark.parametrize("name", ["student", "deep_linking", "cross_site"])
def test_a_recorded_log_in_is_answered_with_its_hints_unchanged(site, name):
    params = recorded(f"oidc_login_init_{name}", site)["params"]
    change(site, Platform, issuer=params["iss"], client_id=params["client_id"])
    answer = requests.post(f"{site.url}/lti/login", data=params, allow_redirects=False, timeout=5)
    given = asked(answer)
    assert (given["login_hint"], given["lti_message_hint"]) == (params["login_hint"], params["lti_message_hint"])
    assert given["redirect_uri"] == f"{site.url}/lti/launch"


def test_the_recorded_picker_is_answered_in_the_shape_that_moodle_took(site):
    visitor = Visitor()
    answer = launch(site, "launch_deep_linking_teacher", visitor=visitor)
    assert "/picker/" in visitor.get(site.url + answer.headers["Location"]).url
    address, token = deep_linking.sent(deep_linking.place(visitor, "home"))
    assert address == f"{MOODLE}/mod/lti/contentitem_return.php?course=2&id=1&sesskey=removed"
    took, ours = (
        recorded("deep_linking_response_one_item", site),
        jwt.decode(token, options={"verify_signature": False}),
    )
    items = "https://purl.imsglobal.org/spec/lti-dl/claim/content_items"
    assert set(took) - {"https://purl.imsglobal.org/spec/lti-dl/claim/data"} == set(ours)
    assert set(took[items][0]) - {"lineItem"} <= set(ours[items][0])
    assert all(isinstance(value, str) and "\n" not in value for value in ours[items][0]["custom"].values())


def test_a_column_of_the_picker_has_what_the_recorded_one_had(site):
    deep_linking.with_program(site)
    page = deep_linking.place(deep_linking.opened(site), deep_linking.SECURITY, columns=[deep_linking.SECURITY])
    items = "https://purl.imsglobal.org/spec/lti-dl/claim/content_items"
    (item,) = deep_linking.message(deep_linking.sent(page)[1])[items]
    theirs = recorded("deep_linking_response_one_item", site)[items][0]["lineItem"]
    assert set(item["lineItem"]) - {"submissionReview"} == set(theirs)


class Moodle:
    """Gives the recorded answers: of each address those named here one after the other, the last one for ever."""

    def __init__(self, **answers: list[str]) -> None:
        usual = {
            "token.php": ["token_all"],
            "memberships?limit=500": ["nrps_limit3"],
            "memberships?limit=3&from=3": ["nrps_limit3_page2"],
            "memberships?limit=3&from=6": ["nrps_limit3_page3"],
            "GET lineitems?": ["ags_lineitems_resource_id"],
            "POST lineitems?": ["ags_create_uncoupled"],
            "lineitem?type_id=1": ["ags_create_uncoupled"],
            "lineitem/scores?type_id=1": ["score_uncoupled_7of10_item_max40"],
            "lineitem/results?type_id=1": ["results_uncoupled"],
        }
        self.answers = usual | {name: list(names) for name, names in answers.items()}
        self.base = ""

    def __call__(self, call: Asked) -> Response:
        given = f"{call.method} {call.address.rpartition('/')[2]}"
        (known,) = [name for name in self.answers if given.startswith(name) or name in call.address]
        names = self.answers[known]
        name = names.pop(0) if len(names) > 1 else names[0]
        text = (FOLDER / "services.json").read_text(encoding="utf-8").replace(MOODLE, self.base)
        answer = json.loads(text)[name]["response"]
        body = answer["body"] if isinstance(answer["body"], str) else json.dumps(answer["body"])
        return Response(body, f"{answer['status']} {answer['reason'][:40]}", answer["headers"])


@pytest.fixture
def moodle(site):
    """A Moodle whose teacher and one student have opened the tool."""
    answers = Moodle()
    with recording(answers) as (base, seen):
        answers.base = base
        change(site, Platform, token_endpoint=f"{base}/mod/lti/token.php")
        for name in ("launch_teacher", "launch_student"):
            assert launch(site, name, base).status_code == 303
        yield answers, seen


@pytest.mark.quirk("short_roles")
def test_the_recorded_roster_is_read_page_by_page(site, moodle):
    _, seen = moodle
    assert rosters.run(tool_of(site)) == 1
    with site.database.reading() as db:
        rows = db.execute(
            select(Account.subject, Person.name, Member.teaches).select_from(Person).join(Account).join(Member)
        ).all()
    names = {subject: name for subject, name, _ in rows}
    assert (names["7"], names["9"], len(names)) == ("Zoë Özil", "Sofia Pupil", 9)
    assert {subject for subject, _, teaches in rows if teaches} == {"3"}
    token, *pages = seen
    assert token.form["scope"].endswith("contextmembership.readonly")
    assert {page.headers["Accept"] for page in pages} == {"application/vnd.ims.lti-nrps.v2.membershipcontainer+json"}
    assert [page.address.partition("?")[2] for page in pages] == ["limit=500", "limit=3&from=3", "limit=3&from=6"]


@pytest.mark.parametrize(
    ("answer", "problem", "able"),
    [("nrps_rlid", None, {"3", "4", "5", "8", "10"}), ("nrps_rlid_bad", "activity.not_found", set())],
)
def test_the_recorded_answer_to_who_can_open_an_activity_is_read_after_the_roster(site, moodle, answer, problem, able):
    answers, seen = moodle
    answers.answers["memberships?limit=500"] = ["nrps_limit3", answer]
    answers.answers["memberships?limit=2&from=2&rlid=1"] = ["nrps_limit3_page3"]
    with site.database.transaction() as db:
        services = db.scalars(select(ContextServices)).one()
        owner, deployment = services.organization_id, db.get_one(Deployment, services.deployment_id)
        db.add(placed := PlacedLink(organization_id=owner, kind="home", target=""))
        db.flush()
        links.launched(db, placed, deployment, services.context_id, "1")
        links.ask_for_people(db.scalars(select(LaunchedLink)).one())
    rosters.run(tool_of(site))
    with site.database.reading() as db:
        assert db.scalars(select(LaunchedLink.people_problem)).one() == problem
        listed = select(Account.subject).join(LinkMember, LinkMember.person_id == Account.person_id)
        assert set(db.scalars(listed)) == able
        assert len(db.scalars(select(Member)).all()) == 9
    pages = [call.address.partition("?")[2] for call in seen if "memberships" in call.address][3:]
    assert pages == ["limit=500&rlid=1", "limit=2&from=2&rlid=1"][: 1 if problem else 2]


@pytest.mark.quirk("query_in_columns", "scopes_by_name")
def test_a_column_is_made_in_the_recorded_gradebook_scored_and_read_back(site, moodle):
    answers, seen = moodle
    with_column(site, "3", "5")
    answers.answers["lineitem/scores?type_id=1"] = ["score_same_second_again", "score_uncoupled_7of10_item_max40"]
    assert grades.run(tool_of(site)) == 1
    with site.database.reading() as db:
        column, score = db.scalars(select(GradeColumn)).one(), db.scalars(select(LatestScore)).one()
    assert column.lineitem_url == f"{answers.base}/mod/lti/services.php/2/lineitems/8/lineitem?type_id=1"
    assert (score.problem, score.read_value) == (None, 90)
    scopes = {call.form["scope"] for call in seen if call.address.endswith("token.php")}
    assert any(
        "scope/lineitem scope" in each.replace("https://purl.imsglobal.org/spec/lti-ags/", "") for each in scopes
    )
    calls = [(call.method, call.address.partition("services.php")[2]) for call in seen if "services" in call.address]
    assert calls == [
        ("GET", f"/2/lineitems?type_id=1&resource_id={column.key}"),
        ("POST", "/2/lineitems?type_id=1"),
        *[("POST", "/2/lineitems/8/lineitem/scores?type_id=1")] * 2,
        ("GET", "/2/lineitems/8/lineitem/results?type_id=1"),
    ]
    first, second = (json.loads(call.body) for call in seen if "/scores" in call.address)
    assert first["timestamp"][:19] < second["timestamp"][:19]
    assert second["userId"] == "5"
    kinds = {call.headers["Content-Type"] for call in seen if "/scores" in call.address}
    assert kinds == {"application/vnd.ims.lis.v1.score+json"}


@pytest.mark.quirk("curly_links")
def test_a_list_of_columns_with_a_link_in_curly_quotes_is_read_to_its_end(site, moodle):
    answers, seen = moodle
    with_column(site, "3", "5")
    answers.answers["GET lineitems?"] = ["ags_lineitems_limit1", "ags_lineitems_resource_id"]
    assert grades.run(tool_of(site)) == 1
    lists = [call.address.partition("?")[2] for call in seen if call.method == "GET" and "lineitems?" in call.address]
    assert lists[1] == "type_id=1&limit=1&from=1"


@pytest.mark.quirk("people_without_grades")
@pytest.mark.parametrize(
    ("answer", "of_person", "of_column"),
    [
        ("score_teacher", "grades.person_refused", None),
        ("score_email_as_user", None, "platform.bad_status"),
        ("nrps_wrong_scope_token", None, "platform.bad_status"),
        ("ags_get_deleted", "grades.person_refused", None),
    ],
)
def test_a_recorded_refusal_is_laid_to_whom_it_concerns(site, moodle, answer, of_person, of_column):
    answers, _ = moodle
    with_column(site, "3", "5")
    answers.answers["lineitem/scores?type_id=1"] = [answer]
    assert grades.run(tool_of(site)) == 0
    with site.database.reading() as db:
        assert db.scalars(select(LatestScore.problem)).one() == of_person
        assert db.scalars(select(GradeColumn.problem)).one() == of_column


def test_a_client_that_moodle_does_not_know_is_said_of_the_column(site, moodle):
    answers, _ = moodle
    with_column(site, "3", "5")
    answers.answers["token.php"] = ["token_unknown_client"]
    assert grades.run(tool_of(site)) == 0
    with site.database.reading() as db:
        assert db.scalars(select(GradeColumn.problem)).one() == "platform.no_token"


def test_results_that_moodle_cannot_give_change_nothing(site, moodle):
    answers, _ = moodle
    with_column(site, "3", "5")
    answers.answers["lineitem/results?type_id=1"] = ["results_limit1"]
    assert grades.run(tool_of(site)) == 1
    with site.database.reading() as db:
        assert db.scalars(select(GradeColumn.problem)).one() is None
