"""What is known of agents and activities, over HTTP. The ids are those of the xAPI LRS conformance requirements."""

import uuid

from tests.support.record_store import ANN, COURSE, post, statement


def test_an_activity_has_everything_that_statements_said_of_it(lrs_client):
    """XAPI-00250, XAPI-00251, XAPI-00252, XAPI-00253, XAPI-00254; xAPI 2.0, 4.1.6.4: an unknown one is an activity all
    the same.
    """
    iri = f"{COURSE}/{uuid.uuid4()}"
    unknown = lrs_client.get("activities", {"activityId": iri})
    assert (unknown.status_code, unknown.json()) == (200, {"objectType": "Activity", "id": iri})
    for name in ({"en-US": "example meeting"}, {"fr-FR": "réunion"}):
        definition = {"name": name, "type": "http://adlnet.gov/expapi/activities/meeting"}
        post(lrs_client, statement(object={"id": iri, "definition": definition}))
    assert lrs_client.get("activities", {"activityId": iri}).json() == {
        "objectType": "Activity",
        "id": iri,
        "definition": {
            "name": {"en-US": "example meeting", "fr-FR": "réunion"},
            "type": "http://adlnet.gov/expapi/activities/meeting",
        },
    }
    head = lrs_client.ask("HEAD", "activities", {"activityId": iri})
    assert (head.status_code, head.content) == (200, b"")
    for query in ({}, {"activityId": "no IRI"}, {"activityId": iri, "agent": ANN}):
        assert lrs_client.get("activities", query).status_code == 400
    assert lrs_client.ask("PUT", "activities", {"activityId": iri}, {}).status_code == 405


def test_an_agent_is_a_person_of_lists(lrs_client):
    """XAPI-00236, XAPI-00237, XAPI-00238, XAPI-00239, XAPI-00240, XAPI-00241, XAPI-00242, XAPI-00243, XAPI-00244,
    XAPI-00245, XAPI-00246, XAPI-00247, XAPI-00248, XAPI-00249.
    """
    for name, value in (
        ("mbox", "mailto:a@example.org"),
        ("mbox_sha1sum", "ebd31e95054c018b10727ccffd2ef2ec3a016ee9"),
        ("openid", "https://id.example.org/a"),
        ("account", {"homePage": "https://lms.example.org", "name": str(uuid.uuid4())}),
    ):
        agent = {name: value, "objectType": "Agent"}
        unknown = lrs_client.get("agents", {"agent": agent})
        assert (unknown.status_code, unknown.json()) == (200, {"objectType": "Person", name: [value]})
        post(lrs_client, statement(actor=agent | {"name": "Ann"}))
        assert lrs_client.get("agents", {"agent": agent}).json() == unknown.json() | {"name": ["Ann"]}
        head = lrs_client.ask("HEAD", "agents", {"agent": agent})
        assert (head.status_code, head.content) == (200, b"")
    for query in (
        {},
        {"agent": "nobody"},
        {"agent": {"objectType": "Agent"}},
        {"agent": ANN | {"objectType": "Group"}},
        {"agent": ANN, "Agent": "x"},
    ):
        assert lrs_client.get("agents", query).status_code == 400
    assert lrs_client.ask("POST", "agents", {"agent": ANN}, {}).status_code == 405
