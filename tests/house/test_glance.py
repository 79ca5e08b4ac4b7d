"""Rows that are only looked at: they have what loaded ones have, and nothing can be changed in them."""

import pytest
from sqlalchemy import literal, select
from sqlalchemy.orm import object_session

from lti_mentor.db import Glance
from lti_mentor.lti import platforms
from lti_mentor.lti.platforms import Deployment, Platform, Registration
from lti_mentor.mentoring.people import Person


@pytest.fixture
def registered(database, cast):
    registration = Registration(
        issuer="https://lms.example.org",
        client_id="tests",
        authorization_endpoint="https://lms.example.org/authorize",
        token_endpoint="https://lms.example.org/token",
        jwks_uri="https://lms.example.org/jwks",
        deployment_ids=(),
    )
    with database.transaction() as db:
        platforms.add(db, registration, organization_id=cast.learner.organization_id)
    return cast


def columns(row):
    return {column.name: getattr(row, column.name) for column in row.__table__.c}


def test_a_row_has_what_a_loaded_one_has_in_the_same_types(database, registered):
    for kind in (Person, Platform):
        glance = Glance(kind)
        with database.reading() as db:
            loaded = db.scalars(select(kind).order_by(kind.id)).first()
            found = db.execute(select(*glance.columns).where(kind.__table__.c.id == loaded.id)).one()
            (seen,) = glance.rows(found)
            assert object_session(seen) is None
            assert columns(seen) == columns(loaded)
            assert list(map(type, columns(seen).values())) == list(map(type, columns(loaded).values()))


def test_an_outer_join_that_finds_none_gives_none_and_what_comes_after_stays_in_place(database, registered):
    glance = Glance(Platform, Deployment)
    one, other = Platform.__table__, Deployment.__table__
    joined = one.outerjoin(other, other.c.platform_id == one.c.id)
    with database.reading() as db:
        found = db.execute(select(*glance.columns, literal(7)).select_from(joined)).one()
        platform, deployment = glance.rows(found)
    assert (platform.client_id, deployment, found[-1]) == ("tests", None, 7)


def test_to_change_one_is_an_error_that_says_what_to_do_and_too_few_columns_are_one_too(database, cast):
    glance = Glance(Person)
    one = select(*glance.columns).where(Person.__table__.c.id == cast.learner.id)
    with database.transaction() as db:
        (seen,) = glance.rows(db.execute(one).one())
        with pytest.raises(TypeError, match=r"Person\.name would not be written: get the row by its id first"):
            seen.name = "Somebody else"
        with pytest.raises(TypeError, match="get the row by its id first"):
            del seen.name
        assert (seen.name, isinstance(seen, Person)) == (cast.learner.name, True)
        db.get_one(Person, seen.id).name = "Somebody else"
        with pytest.raises(ValueError, match="shorter"):
            glance.rows(db.execute(one).one()[:-1])
    with database.reading() as db:
        assert db.get_one(Person, cast.learner.id).name == "Somebody else"
