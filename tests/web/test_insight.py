"""The analyst's list of statements."""

import re

import pytest

from tests.support.member import Member


@pytest.fixture
def analyst(database, cast, loaded_settings):
    return Member(database, loaded_settings, cast.analyst, cast.course)


def test_a_date_that_is_none_is_said_beside_its_field_and_the_other_filters_stay(analyst):
    answer = analyst.get("insight/statements?since=last+week&until=2026-13-01&activity=urn:x")
    assert answer.status_code == 422
    said = re.findall(r'<li><a href="#(\w+)"><span dir="auto">([^<]+)</span>: Give a date.', answer.text)
    assert said == [("since", "Stored since"), ("until", "Stored until")]
    assert 'value="last week"' in answer.text
    assert 'value="urn:x"' in answer.text


def test_every_verb_stands_once_in_the_filter_and_finds_its_statements(analyst):
    page = analyst.get("insight/statements").text
    labels = re.findall(r'<option value="(http[^"]+)">([^<]+)</option>', page)
    assert len({label for _, label in labels}) == len(labels) > 20
    assert "scheduled (a meeting)" in dict(labels).values()
    joined = next(iri for iri, label in labels if label == "joined")
    found = analyst.get("insight/statements?verb=" + joined).text
    assert found.count('<th scope="row">') == 1


def test_the_page_after_the_last_is_empty_and_a_strange_place_is_the_first(analyst):
    assert "No statement fits" in analyst.get("insight/statements?after=0").text
    for after in ("-1", "x", "9" * 40):
        assert '<th scope="row">' in analyst.get(f"insight/statements?after={after}").text
