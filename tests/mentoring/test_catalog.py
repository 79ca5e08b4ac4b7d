from datetime import date
from pathlib import Path

import pytest

from lti_mentor import shipped
from lti_mentor.errors import SettingsError
from lti_mentor.mentoring import catalog


def test_six_certifications_of_different_fields_are_shipped():
    entries = catalog.load()
    assert len(entries) == 6
    assert len({entry.field for entry in entries}) == 6


@pytest.mark.parametrize("entry", catalog.load(), ids=lambda entry: entry.slug)
def test_every_entry_is_complete(entry):
    assert sum(domain.weight for domain in entry.domains) == 100
    assert all(domain.topics and domain.title for domain in entry.domains)
    assert entry.source_url.startswith("https://")
    assert not entry.is_stale(date(2026, 12, 1))
    assert entry.is_stale(date(2028, 12, 1))


def test_security_plus_has_the_weights_and_the_scaled_pass_mark_of_its_issuer():
    entry = catalog.entry("comptia-security-plus")
    assert [domain.weight for domain in entry.domains] == [12, 22, 18, 28, 20]
    assert (entry.pass_mark.score, entry.pass_mark.scale_min, entry.pass_mark.scale_max) == (750, 100, 900)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("field =", "fields ="), "there is no field fields"),
        (("weight_low = 12", "weight_low = 0"), "weights lie between"),
        (('code = "2"', 'code = "1"'), "a code of its own"),
        (("score = 750", "score = 950"), "pass_mark"),
        (('renewal = "', 'renewal = ""\nx = "'), "there is no field x"),
    ],
)
def test_a_wrong_entry_is_refused_with_a_sentence(tmp_path: Path, change, problem):
    source = shipped.folder("config") / "certifications" / "comptia-security-plus.toml"
    (tmp_path / "entry.toml").write_text(source.read_text().replace(*change, 1))
    with pytest.raises(SettingsError, match=problem):
        catalog.load(tmp_path)
