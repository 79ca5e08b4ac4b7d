"""What a platform takes from the picker, in the shapes in which platforms say it."""

import pytest
from sqlalchemy import select

from lti_mentor.lti.deep_linking import Picker
from tests.lti.test_deep_linking import SECURITY, message, opened, place, sent


def asked(site, **settings) -> Picker:
    opened(site, settings)
    with site.database.reading() as db:
        return db.scalars(select(Picker)).one()


@pytest.mark.parametrize(
    ("said", "several"),
    [
        (True, True),
        ("true", True),
        ("True", True),
        (False, False),
        ("false", False),
        ("False ", False),
        (..., False),  # Deep Linking 4.4.1 names no default: one thing is right either way
        (None, False),
        ("", False),
        (["true"], False),
    ],
    ids=str,
)
def test_several_things_are_taken_where_the_platform_says_so(site, said, several):
    assert asked(site, accept_multiple=said).accepts_several is several


@pytest.mark.parametrize(
    ("said", "columns"), [(True, True), (..., True), (None, True), (False, False), ("false", False)], ids=str
)
def test_columns_are_taken_unless_the_platform_says_that_it_ignores_them(site, said, columns):
    """When nothing is said nothing may be assumed; Moodle says nothing and makes them."""
    assert asked(site, accept_lineitem=said).accepts_columns is columns


def test_of_several_one_is_placed_where_the_platform_says_false_as_a_text(site):
    visitor = opened(site, {"accept_multiple": "false"})
    assert 'type="radio"' in visitor.page.text
    page = place(visitor, "home", SECURITY)
    assert page.status_code == 422
    assert "takes one thing at a time" in page.text
    claims = message(sent(place(visitor, "home"))[1])
    assert len(claims["https://purl.imsglobal.org/spec/lti-dl/claim/content_items"]) == 1
