"""What the scope of a key lets it do with statements, over HTTP."""

from tests.support.record_store import (
    ANN,
    CONFIRMED,
    EXAM,
    SCORED,
    VOIDED,
    about,
    found,
    one,
    post,
    statement,
    voiding,
)
from xapi import keys

SCOPES = [
    (keys.WRITE, 200, 403, None),
    (keys.READ, 403, 200, False),
    (keys.READ_MINE, 403, 200, True),
    (keys.ALL_READ, 403, 200, False),
    (keys.ALL, 200, 200, False),
    (keys.STATE, 403, 403, None),
    (keys.PROFILE, 403, 403, None),
    (keys.DEFINE, 403, 403, None),
]


def test_a_key_does_what_its_scope_says_and_no_more(lrs_server, lrs_session):
    """Part Three, 4.2."""
    given = statement()
    post(lrs_server.client(lrs_session, organization="Scopes"), given)
    for scope, write, read, mine in SCOPES:
        client = lrs_server.client(lrs_session, scope, organization="Scopes")
        post(client, statement(), write)
        assert client.get("statements", {}).status_code == read
        if read == 200:
            assert (given["id"] in found(client)) is not mine
            assert (given["id"] in found(client, agent=ANN)) is not mine
            one(client, given["id"], 404 if mine else 200)


def test_a_key_that_reads_its_own_sees_them_all_and_nothing_else(lrs_server, lrs_session):
    other = lrs_server.client(lrs_session, organization="Mine")
    client = lrs_server.client(lrs_session, keys.WRITE, keys.READ_MINE, organization="Mine")
    theirs, own, voided = statement(), statement(object={"id": EXAM}), statement()
    post(client, [own, voided])
    me = one(client, own["id"]).json()["authority"]
    of_me = statement(context={"instructor": me})
    post(other, [theirs, of_me])
    reference, void = about(theirs), voiding(voided)
    post(client, [reference, void])
    assert found(client) == [void["id"], reference["id"], own["id"]]
    assert found(client, verb=VOIDED) == [void["id"]]
    assert one(client, voided["id"], name="voidedStatementId")
    assert found(client, activity=EXAM) == [own["id"]]  # by what it says itself: what it is about may be theirs
    assert found(client, agent=ANN) == found(client, agent=ANN, verb=SCORED) == [own["id"]]
    assert of_me["id"] not in found(client, agent=me, related_agents="true")
    assert "definition" not in one(client, own["id"], format="canonical").json()["object"]
    everything = lrs_server.client(lrs_session, keys.READ, organization="Mine")
    assert one(everything, own["id"], format="canonical").json()["object"]["definition"]


def test_a_key_voids_what_is_its_own_and_one_for_everything_anything(lrs_server, lrs_session):
    """Part Two, 2.3.2."""
    first, second = (lrs_server.client(lrs_session, *keys.USUAL, organization="Void") for _ in range(2))
    whole = lrs_server.client(lrs_session, organization="Void")
    theirs, own, late = statement(), statement(), statement()
    post(first, [theirs, late])
    post(second, own)
    along = statement()
    refused = post(second, [along, voiding(theirs)], 403)
    assert refused.json()["error"] == "statement.not_yours"
    one(second, along["id"], 404)
    one(second, theirs["id"])
    post(second, voiding(own))
    one(second, own["id"], 404)
    post(whole, voiding(theirs))
    one(first, theirs["id"], 404)


def test_a_voiding_statement_that_comes_first_voids_what_comes_from_the_same_key(lrs_server, lrs_session):
    first, second = (lrs_server.client(lrs_session, *keys.USUAL, organization="Void early") for _ in range(2))
    given, other = statement(), statement()
    post(second, [voiding(given), voiding(other)])
    post(first, given)
    post(second, other)
    one(first, given["id"])
    one(second, other["id"], 404)


def test_only_a_key_that_may_define_changes_what_is_known(lrs_server, lrs_session):
    usual = lrs_server.client(lrs_session, *keys.USUAL, organization="Define")
    defining = lrs_server.client(lrs_session, keys.WRITE, keys.DEFINE, organization="Define")
    for client, name in ((defining, "Exam"), (usual, "Something else")):
        post(client, statement(object={"id": EXAM, "definition": {"name": {"en": name}}}))
    known = usual.get("activities", {"activityId": EXAM}).json()
    assert known["definition"]["name"] == {"en": "Exam"}


def test_statements_of_another_organization_are_never_seen(lrs_server, lrs_session):
    client, theirs = lrs_server.client(lrs_session), lrs_server.client(lrs_session)
    given = statement()
    post(client, given)
    assert found(theirs) == []
    one(theirs, given["id"], 404)
    post(theirs, given | {"verb": {"id": CONFIRMED}})
