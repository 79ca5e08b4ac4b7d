"""Many rows at once, past SQLAlchemy."""

import json
import uuid

import pytest
from sqlalchemy.exc import IntegrityError

from lti_mentor.db import lost_a_race
from tests.xapi.test_store import NOW, TENANT, put, statement
from xapi import inserts, store, times
from xapi.inserts import Written
from xapi.search import Query

AT = times.written(NOW)
NOTHING = inserts.findable([])
STRANGE = "tab\t, line\n, return\r, slash \\ \\. \\N, quotes \" '' and Prüfung 😀"


def test_strange_letters_come_back_from_a_batch_and_alone(database):
    put(database, [statement(object={"id": "https://a.example/1", "definition": {"name": {"en": STRANGE}}})])
    put(database, [statement(result={"response": STRANGE}), *(statement() for _ in range(inserts.FEW))])
    with database.reading() as db:
        texts = store.query(db, tenant=TENANT, wanted=Query(ascending=True)).statements
    assert json.loads(texts[0])["object"]["definition"]["name"]["en"] == STRANGE
    assert json.loads(texts[1])["result"]["response"] == STRANGE


@pytest.mark.parametrize("count", [1, inserts.FEW, inserts.FEW + 1])
def test_a_row_that_is_there_already_is_the_error_that_it_is_elsewhere(database, count):
    rows = [Written(seq, str(uuid.uuid4()), AT, AT, "https://a.example/verb", "{}") for seq in range(1, count + 1)]
    with database.transaction() as db:
        inserts.add(db.connection(), TENANT, "somebody", rows, NOTHING, 1)
    with pytest.raises(IntegrityError) as caught, database.transaction() as db:
        inserts.add(db.connection(), TENANT, "somebody", rows, NOTHING, 1)
    assert lost_a_race(caught.value)
    with database.transaction() as db:
        later = [each._replace(seq=each.seq + 100, id=str(uuid.uuid4())) for each in rows]
        inserts.add(db.connection(), TENANT, "somebody", later, NOTHING, 1)


@pytest.mark.parametrize("count", [2, inserts.FEW + 1])
def test_an_error_says_nothing_of_the_row(database, count):
    taken = str(uuid.uuid4())
    rows = [Written(seq, taken, AT, AT, "https://a.example/verb", '{"name": "Secret"}') for seq in range(count)]
    with pytest.raises(IntegrityError) as caught, database.transaction() as db:
        inserts.add(db.connection(), TENANT, "somebody", rows, NOTHING, 1)
    said = f"{caught.value} {caught.value.__cause__} {caught.value.orig!r}"
    assert not any(word in said for word in ("Secret", "a.example", "DETAIL", "CONTEXT"))
