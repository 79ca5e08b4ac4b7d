"""My accounts: two launches prove two accounts, a code makes them one."""

import re

from click.testing import CliRunner
from sqlalchemy import func, select

from lti_mentor.cli import main
from lti_mentor.lti import platforms
from lti_mentor.lti.platforms import Registration
from lti_mentor.mentoring import organizations, people
from lti_mentor.mentoring.people import Account, Identity, Person
from tests.conftest import SECRET, url_of
from tests.support.desk import Desk
from tests.support.member import Member

SECOND = "http://second.example.org"


def second_member(database, settings, cast):
    with database.transaction() as db:
        identity = Identity(issuer=SECOND, subject="77", name="Learner")
        twin = people.meet(db, cast.learner.organization_id, identity)
    return Member(database, settings, twin, cast.course)


def code_on(page) -> str:
    return re.search(r"(?<![\w-])[2-9A-Z]{4}-[2-9A-Z]{4}(?![\w-])", page.text)[0]  # and no part of an id


def test_two_launches_from_two_platforms_become_one_person(both_site):
    with both_site.database.transaction() as db:
        registration = Registration(
            issuer=SECOND,
            client_id="tests",
            authorization_endpoint=f"{SECOND}/authorize",
            token_endpoint=f"{SECOND}/token",
            jwks_uri=f"{both_site.lms.url}/jwks",
            deployment_ids=("1",),
        )
        platforms.add(db, registration, organization_id=organizations.named(db, "Home").id)
    desk = Desk(both_site)
    assert desk.launch("learner").status_code == 303
    assert second_launch(desk).status_code == 303
    first, second = (_member(both_site, issuer) for issuer in (both_site.lms.world.issuer, SECOND))
    first.post("accounts/code", "accounts/")
    code = code_on(first.get("accounts/"))
    question = second.post("accounts/link", "accounts/", code=code)
    assert "The code was made by" in question.text
    assert both_site.lms.world.issuer in question.text
    assert len(linked_issuers(both_site, first)) == 1, "nothing happens before the answer"
    answer = second.post("accounts/link", "accounts/", code=code, decision="confirm")
    assert answer.status_code == 303
    page = second.get("accounts/?done=accounts.use_code")  # the same visit, now as the kept person
    assert "Both accounts are one now." in page.text
    assert SECOND in page.text
    assert both_site.lms.world.issuer in page.text
    assert second_launch(desk).status_code == 303
    with both_site.database.reading() as db:
        assert db.scalar(select(func.count()).select_from(Person)) == 1
        assert db.scalar(select(func.count()).select_from(Account)) == 2


def linked_issuers(site, member):
    return re.findall(r"<li>(http[^<]*)</li>", member.get("accounts/").text)


def test_somebody_with_rights_or_a_program_is_not_linked_by_a_code(database, cast, loaded_settings):
    first = Member(database, loaded_settings, cast.learner, cast.course)
    first.post("accounts/code", "accounts/")
    code = code_on(first.get("accounts/"))
    for person in (cast.analyst, cast.coordinator):
        other = Member(database, loaded_settings, person, cast.course)
        for decision in ("", "confirm"):
            answer = other.post("accounts/link", "accounts/", code=code, decision=decision)
            assert answer.status_code == 409
            assert "Code for support: link.has_rights" in answer.text


def second_launch(desk):
    client, begun = desk.login("77", iss=SECOND)
    return desk.post(client, "/lti/launch", desk.form(begun, "77", iss=SECOND))


def _member(site, issuer):
    class Place:
        id = None

    with site.database.reading() as db:
        person = db.scalars(select(Person).join(Account).where(Account.issuer == issuer)).one()
    return Member(site.database, site.settings, person, Place)


def test_a_wrong_code_says_what_to_do_and_keeps_what_was_typed(database, cast, loaded_settings):
    second = second_member(database, loaded_settings, cast)
    answer = second.post("accounts/link", "accounts/", code="ABCD-EFGH")
    assert answer.status_code == 422
    assert "Make a new one in the other platform" in answer.text
    assert 'value="ABCD-EFGH"' in answer.text


def test_codes_cannot_be_guessed(database, cast, loaded_settings):
    first = Member(database, loaded_settings, cast.learner, cast.course)
    second = second_member(database, loaded_settings, cast)
    first.post("accounts/code", "accounts/")
    code = code_on(first.get("accounts/"))
    for number in range(10):
        assert second.post("accounts/link", "accounts/", code=f"ABCD-EFG{number}").status_code == 422
    stopped = second.post("accounts/link", "accounts/", code=code)
    assert stopped.status_code == 429
    assert "Code for support: link.too_many" in stopped.text
    assert stopped.headers["Retry-After"] == "3600"
    with database.reading() as db:
        assert len(people.accounts_of(db, cast.learner)) == 1


def test_the_page_shows_until_when_a_code_is_good(database, cast, loaded_settings):
    first = Member(database, loaded_settings, cast.learner, cast.course)
    first.post("accounts/code", "accounts/")
    assert "Good once, until <time" in first.get("accounts/").text


def test_the_own_code_says_where_to_type_it(database, cast, loaded_settings):
    first = Member(database, loaded_settings, cast.learner, cast.course)
    first.post("accounts/code", "accounts/")
    answer = first.post("accounts/link", "accounts/", code=code_on(first.get("accounts/")))
    assert answer.status_code == 409
    assert "in the other platform" in answer.text
    assert code_on(first.get("accounts/"))  # it is good still


def test_a_code_is_shown_to_its_maker_alone(database, cast, loaded_settings):
    first = Member(database, loaded_settings, cast.learner, cast.course)
    first.post("accounts/code", "accounts/")
    other = Member(database, loaded_settings, cast.other_learner, cast.course)
    assert code_on(first.get("accounts/")) not in other.get("accounts/").text


def test_an_administrator_links_on_the_command_line(database, cast, loaded_settings):
    second_member(database, loaded_settings, cast)
    surroundings = {"LTI_MENTOR_DATABASE_URL": url_of(database), "LTI_MENTOR_SECRET_KEY": SECRET}
    command = ["person", "link", "learner", "77", "--organization", "Home"]
    done = CliRunner().invoke(main, command, env=surroundings)
    assert done.exit_code == 0, done.output
    again = CliRunner().invoke(main, command, env=surroundings)
    assert again.exit_code == 1
    assert "Both are one person already" in again.output
    with database.reading() as db:
        assert {each.issuer for each in people.accounts_of(db, cast.learner)} == {"https://lms.example.org", SECOND}
