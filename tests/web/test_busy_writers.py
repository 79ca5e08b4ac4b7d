"""Eight clients write at once about the same people and activities, to a production server with two workers."""

import random
import uuid
from concurrent.futures import ThreadPoolExecutor

import requests

from tests.conftest import SECRET, url_of
from tests.support import processes
from tests.support.record_store import CONFIRMED, EXAM, Client, found, made_key, post, statement

WRITERS, ROUNDS = 8, 6
PEOPLE = [{"objectType": "Agent", "account": {"homePage": "https://lms.example.org", "name": f"{n}"}} for n in range(4)]
ACTIVITIES = [f"https://lms.example.org/exams/{number}" for number in range(4)]


def said(chance, place):
    """With a definition that is new each time, about one of the few activities."""
    parents = [{"id": iri, "definition": {"name": {"en": f"As of {place}"}}} for iri in chance.sample(ACTIVITIES, 3)]
    return statement(
        actor=chance.choice(PEOPLE),
        object={"id": chance.choice(ACTIVITIES), "definition": {"name": {"de": f"Stand {place}"}}},
        context={"registration": str(uuid.UUID(int=place % 3, version=4)), "contextActivities": {"parent": parents}},
    )


def write(client, number):
    """Single ones, batches, one about another, and the same ones again; gives their ids."""
    chance, ids = random.Random(number), []
    for place in range(ROUNDS):
        single, batch = said(chance, place), [said(chance, place) for _ in range(25)]
        about = statement(verb={"id": CONFIRMED}, object={"objectType": "StatementRef", "id": single["id"]})
        for given in ([single], batch, [about], batch):
            post(client, given)
            ids += [each["id"] for each in given]
    return set(ids)


def test_eight_writers_of_the_same_things_lose_nothing_and_hold_up_nobody_for_good(database):
    port = processes.free_port()
    key = made_key(database, (SECRET,))
    with processes.serving(url_of(database), port), ThreadPoolExecutor(WRITERS) as writers:
        clients = [Client(requests.Session(), f"http://127.0.0.1:{port}", key) for _ in range(WRITERS)]
        written = set().union(*writers.map(write, clients, range(WRITERS)))
        client, more, kept = clients[0], "/xapi/statements", []
        while more:
            page = requests.get(
                f"{client.address}{more}", auth=key, headers={"X-Experience-API-Version": "1.0.3"}
            ).json()
            kept += [each["id"] for each in page["statements"]]
            more = page["more"]
        assert sorted(kept) == sorted(written)
        assert len(written) == WRITERS * ROUNDS * 27
        for iri in ACTIVITIES:
            known = client.get("activities", {"activityId": iri}).json()["definition"]
            assert set(known["name"]) == {"en", "de"}
        assert len(found(client, activity=ACTIVITIES[0], limit="100")) == 100
        assert found(client, activity=EXAM) == []
