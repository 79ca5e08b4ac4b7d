"""A second organization on the same issuer, and even the same client, sees nothing of the first."""

import json
import uuid
from dataclasses import replace

import pytest
from sqlalchemy import Table, select, update

from lti_mentor import clock, migrations
from lti_mentor.activity import record
from lti_mentor.app import create_app
from lti_mentor.jobs import grades, rosters
from lti_mentor.lti import platforms, tokens
from lti_mentor.lti.contexts import ContextServices
from lti_mentor.lti.platforms import Deployment, Platform, Registration
from lti_mentor.lti.registration import SCOPES
from lti_mentor.mentoring import organizations, people, programs, pursuits, readiness_columns
from lti_mentor.mentoring.courses import Course, Member
from lti_mentor.mentoring.gradebook import GradeColumn, LatestScore
from lti_mentor.mentoring.people import Account, Person, Pseudonym
from lti_mentor.mentoring.programs import ProgramDraft
from lti_mentor.practice.tokens import CLAIM
from lti_mentor.practice.world import INSTRUCTOR, LEARNER, LmsPerson
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.conftest import gather_cast
from tests.support.desk import Desk
from tests.support.walk import ask, open_visit, routes
from xapi import keys
from xapi.rows import StoredStatement

MARK = "of the first organization"
WRITTEN = frozenset({"name", "title", "label", "email", "unit", "text", "comment", "link"})


def owner_column(table: Table):
    return table.c.get("organization_id", table.c.get("tenant"))


def owned_tables() -> list[Table]:
    """Every table whose rows belong to an organization, the record store's as well."""
    tables = [table for metadata in migrations.metadata() for table in metadata.sorted_tables]
    return [table for table in tables if owner_column(table) is not None]


def rows_of(db, organization_id) -> dict[str, list[tuple]]:
    return {
        table.name: sorted(map(tuple, db.execute(select(table).where(owner_column(table) == organization_id))), key=str)
        for table in owned_tables()
    }


def mark(db, organization_id) -> None:
    """Put a mark into everything that somebody of the organization wrote."""
    for table in owned_tables():
        for column in table.c:
            if column.name in WRITTEN and "id" in table.c:
                for (key,) in db.execute(select(table.c.id).where(owner_column(table) == organization_id)).all():
                    marked = f"https://{MARK}/{key}" if column.name == "link" else f"{MARK} {key}"
                    mine = update(table).where(table.c.id == key, column.is_not(None))
                    db.execute(mine.values({column.name: marked}))


def traces(db, organization_id) -> set[str]:
    """Whatever would give away something of the organization: the mark, ids, and names in statements."""
    ids = {str(value) for table in owned_tables() if "id" in table.c for value in _ids(db, table, organization_id)}
    names = set(db.scalars(select(Pseudonym.actor_name).where(Pseudonym.organization_id == organization_id)))
    return {MARK, str(organization_id)} | ids | names


def _ids(db, table, organization_id):
    return db.scalars(select(table.c.id).where(owner_column(table) == organization_id))


@pytest.mark.threat("other_tenants")
@pytest.mark.parametrize("who", ["learner", "mentor", "coordinator", "analyst"])
def test_no_page_shows_or_changes_anything_of_another_organization(
    sqlite_database, sqlite_cast, loaded_settings, things, who
):
    """The twin has the same subjects, the same context and the same parts, in an organization of its own."""
    first = sqlite_cast.course.organization_id
    with sqlite_database.transaction() as db:
        twin = gather_cast(db, "Twin")
        for right in people.RIGHTS:
            people.grant(db, twin.analyst, right)
        mark(db, first)
        before, given_away = rows_of(db, first), traces(db, first) | {str(things["deployment_id"])}
    app = create_app(loaded_settings, sqlite_database)
    opened = open_visit(sqlite_database, app, getattr(twin, who), twin.course.id)
    wrong = set()
    for rule in routes(app):
        answer = ask(app, opened, rule, things)
        names_a_thing = any(isinstance(things[name], uuid.UUID) for name in rule.arguments - {"visit_key"})
        if names_a_thing and answer.status_code not in (403, 404, 409):
            wrong.add(f"{rule.endpoint} opened: {answer.status_code}")
        if any(trace in answer.text for trace in given_away):
            wrong.add(f"{rule.endpoint} shows something")
    assert wrong == set()
    with sqlite_database.reading() as db:
        assert rows_of(db, first) == before
        assert db.get_one(Deployment, things["deployment_id"]).status == "pending"


def test_the_walk_would_see_a_trace(sqlite_database, sqlite_cast, loaded_settings, things):
    """The same pages asked as the first organization itself: nearly all give something away."""
    first = sqlite_cast.course.organization_id
    with sqlite_database.transaction() as db:
        mark(db, first)
        given_away = traces(db, first)
    app = create_app(loaded_settings, sqlite_database)
    opened = open_visit(sqlite_database, app, sqlite_cast.learner, sqlite_cast.course.id)
    homes = [rule for rule in routes(app) if rule.endpoint in ("learner.home", "learner.goal", "learner.pursuit")]
    shown = [any(trace in ask(app, opened, rule, things).text for trace in given_away) for rule in homes]
    assert shown == [True, True, True]


def key_of(db, vault, tenant) -> tuple[str, str]:
    def hashed(text):
        return record.key_hashes(db, vault, text)[0]

    return keys.add(db, tenant=tenant, label="k", now=clock.now(), fingerprint=hashed, scopes=("all",))


PLACES = ("/xapi/activities/state", "/xapi/activities/profile", "/xapi/agents/profile")
VERSION = {"X-Experience-API-Version": "1.0.3"}


def addresses(app) -> list[str]:
    """Everything that is read with a key, from the URL map."""
    rules = [str(rule) for rule in app.url_map.iter_rules() if "GET" in rule.methods]
    found = [rule for rule in rules if rule.startswith(("/api", "/xapi")) and "<path:" not in rule]
    return sorted(
        {rule.replace("<any(csv, jsonl, parquet):kind>", kind) for rule in found for kind in ("csv", "jsonl")}
    )


def questions(db, tenant, agent) -> list[dict[str, str]]:
    """Every parameter there is, with what the organization has; alone, and with the others that name it."""
    rows = db.execute(
        select(StoredStatement.statement_id, StoredStatement.body).where(StoredStatement.tenant == tenant)
    )
    said = {str(number): json.loads(body) for number, body in rows.all()}
    things = sorted({each["object"]["id"] for each in said.values() if "id" in each["object"]})
    document = {"agent": agent, "activityId": things[0], "stateId": MARK, "profileId": MARK}
    asked = [{}, {"limit": "500"}, {"ascending": "true"}, {"agent": agent}, {"agent": agent, "related_agents": "true"}]
    asked += [{name: thing} for thing in things for name in ("activity", "activityId")]
    asked += [{word: number} for number in said for word in ("statementId", "voidedStatementId")]
    pairs = [
        ("agent", "profileId"),
        ("activityId", "profileId"),
        ("activityId", "agent"),
        ("activityId", "agent", "stateId"),
    ]
    return asked + [{name: document[name] for name in names} for names in pairs]


@pytest.mark.threat("other_tenants")
def test_no_key_of_the_record_store_reads_or_changes_another_organization(database, cast, loaded_settings):
    """Every address under /xapi and /api, asked for everything that the first organization has there."""
    first = cast.course.organization_id
    app = create_app(loaded_settings, database)
    vault = app.extensions["lti_mentor"].vault
    with database.transaction() as db:
        twin = gather_cast(db, "Twin")
        own, theirs = key_of(db, vault, first), key_of(db, vault, twin.course.organization_id)
        account = {"homePage": loaded_settings.base_url, "name": people.actor_name(db, cast.learner.id)}
        agent = json.dumps({"account": account})
        asked = questions(db, first, agent)
    client = app.test_client()
    for place in PLACES:
        for query in asked[-4:]:
            client.put(place, query_string=query, data=MARK, auth=own, headers={**VERSION, "If-None-Match": "*"})
    with database.reading() as db:
        given_away = traces(db, first)
    shown, seen_by_owner = set(), set()
    for address in addresses(app):
        for query in asked:
            said = " ".join(query.values())
            for auth, seen in ((theirs, shown), (own, seen_by_owner)):
                answer = client.get(address, query_string=query, auth=auth, headers=VERSION)
                if any(trace in answer.text for trace in given_away if trace not in said):
                    seen.add(address)
    assert shown == set()
    assert seen_by_owner >= {*PLACES, "/xapi/statements", "/api/statements.csv"}, "the walk would see it"
    with database.reading() as db:
        before = rows_of(db, first)
    for number in [query["statementId"] for query in asked if "statementId" in query]:
        body = {"actor": {"account": account}, "verb": {"id": "urn:verb"}, "object": {"id": "urn:thing"}}
        put = {"query_string": {"statementId": number}, "json": body, "auth": theirs, "headers": VERSION}
        assert client.put("/xapi/statements", **put).status_code == 204, "an id of others is a free one"
    for place in PLACES:
        for query in asked[-4:]:
            client.put(place, query_string=query, data="x", auth=theirs, headers=VERSION)
            client.delete(place, query_string=query, auth=theirs, headers=VERSION)
    with database.reading() as db:
        assert rows_of(db, first) == before


def twins(site, **changes):
    """The same course, by its ids, in a deployment of each organization; each with a teacher and the same learner."""
    first, second = site.lms.world.courses
    second.members.update({"coordinator": [INSTRUCTOR], "learner": [LEARNER]})
    same = {f"{CLAIM}context": {"id": "same", "label": "S", "title": "Same"}, f"{CLAIM}resource_link": {"id": "link"}}
    for course in (first, second):
        for subject, roles in (("coordinator", (INSTRUCTOR,)), ("learner", (LEARNER,))):
            answer = Desk(site, course=course, roles=roles).launch(subject, **same, **changes)
            assert answer.status_code == 303


def test_the_same_subject_and_course_in_two_deployments_are_two(both_site):
    twins(both_site)
    with both_site.database.reading() as db:
        known = db.execute(select(Account.subject, Account.organization_id, Account.person_id)).all()
        found = db.scalars(select(Course)).all()
        services = db.scalars(select(ContextServices)).all()
    assert len({row.person_id for row in known}) == len(known) == 4
    assert {row.subject for row in known} == {"coordinator", "learner"}
    assert len({course.organization_id for course in found}) == len(found) == 2
    assert {course.context_id for course in found} == {"same"}
    assert {each.organization_id for each in services} == {course.organization_id for course in found}
    assert len({each.memberships_url for each in services}) == 2


def test_a_roster_fills_the_course_of_its_own_organization_alone(both_site):
    both_site.lms.world.people.append(LmsPerson(id="only-there", name="Only There"))
    both_site.lms.world.courses[1].members["only-there"] = [LEARNER]
    twins(both_site)
    assert rosters.run(tool_of(both_site)) == 2
    with both_site.database.reading() as db:
        members = db.execute(
            select(Account.subject, Account.organization_id, Person.organization_id, Course.organization_id)
            .join(Person, Person.id == Account.person_id)
            .join(Member, Member.person_id == Person.id)
            .join(Course, Course.id == Member.course_id)
        ).all()
    assert all(len(set(row[1:])) == 1 for row in members)  # account, person and course are of one organization
    assert {row[1] for row in members if row[0] == "learner"} == {row[1] for row in members}
    assert len({row[1] for row in members if row[0] == "only-there"}) == 1
    assert len({row[1] for row in members if row[0] == "mentor"}) == 1


def test_scores_go_to_the_gradebook_of_their_own_organization_alone(both_site):
    twins(both_site)
    with both_site.database.transaction() as db:
        for course in db.scalars(select(Course).order_by(Course.id)).all():
            teacher, learner = (_person(db, course.organization_id, name) for name in ("coordinator", "learner"))
            today = clock.today()
            draft = ProgramDraft(name="Program", starts_on=today, ends_on=today.replace(year=today.year + 1))
            program = programs.create(db, course, draft, by=teacher)
            programs.enroll(db, program, learner, "mentee")
            pursuits.start(db, learner, "comptia-security-plus")
            readiness_columns.open_column(db, program, course, "comptia-security-plus", by=teacher)
    grades.run(tool_of(both_site))
    with both_site.database.reading() as db:
        columns = {column.id: column for column in db.scalars(select(GradeColumn))}
        offered = dict(db.execute(select(ContextServices.organization_id, ContextServices.lineitems_url)).all())
        scores = db.scalars(select(LatestScore)).all()
    assert len(columns) == len(scores) == 2
    for column in columns.values():
        assert column.lineitem_url.startswith(offered[column.organization_id])
    assert len({column.lineitem_url for column in columns.values()}) == 2
    assert all(columns[each.column_id].organization_id == each.organization_id for each in scores)


def _person(db, organization_id, subject):
    found = people.by_account(db, organization_id, db.scalars(select(Account.issuer)).first(), subject)
    assert found is not None
    return found


def tool_of(site) -> Tool:
    return Tool(site.settings, site.database, Vault(site.settings.secret_key))


def another_client(site) -> Platform:
    """A second registration on the same issuer, of another organization."""
    issuer = site.lms.world.issuer
    with site.database.transaction() as db:
        registration = Registration(
            issuer=issuer,
            client_id="another",
            authorization_endpoint=f"{issuer}/authorize",
            token_endpoint=f"{issuer}/token",
            jwks_uri=f"{issuer}/jwks",
            deployment_ids=("1",),
        )
        return platforms.add(db, registration, organization_id=organizations.named(db, "Third").id)


def test_clients_of_one_issuer_have_tokens_of_their_own(both_site):
    tool, twin = tool_of(both_site), another_client(both_site)
    with both_site.database.reading() as db:
        first = db.scalars(select(Platform).where(Platform.client_id == "tests")).one()
    kept = tokens.access_token(tool, first, SCOPES[:1])
    known = both_site.lms.lms.tools
    known["another"] = replace(known["tests"], client_id="another")
    assert tokens.access_token(tool, twin, SCOPES[:1]) != kept
    assert tokens.access_token(tool, first, SCOPES[:1]) == kept


def test_a_launch_of_one_client_never_counts_for_another(both_site):
    another_client(both_site)
    desk = Desk(both_site)
    client, begun = desk.login("learner", client_id="another")
    answer = desk.post(client, "/lti/launch", desk.form(begun, "learner"))  # signed for the client "tests"
    assert "launch.audience" in answer.text
    client, begun = desk.login("learner", client_id="another")
    assert desk.post(client, "/lti/launch", desk.form(begun, "learner", aud="another")).status_code == 303
    with both_site.database.reading() as db:
        owners = db.scalars(select(Account.organization_id)).all()
        assert owners == [organizations.named(db, "Third").id]
