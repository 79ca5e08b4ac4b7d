import re
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from lti_mentor import shipped
from lti_mentor.errors import NotFound, SettingsError
from lti_mentor.mentoring import catalog


def test_six_certifications_of_different_fields_are_shipped():
    entries = catalog.load()
    assert len(entries) == 6
    assert len({entry.field for entry in entries}) == 6


def test_a_retired_certification_is_known_and_not_offered(tmp_path):
    (tmp_path / "retired").mkdir()
    (tmp_path / "retired" / "gone.toml").write_text(security_plus(), encoding="utf-8")
    (entry,) = catalog.load(tmp_path)
    assert (entry.slug, entry.is_retired) == ("gone", True)
    assert len(catalog.offered()) == len([each for each in catalog.load() if not each.is_retired])


def test_every_certification_of_a_release_is_still_known():
    kept = "\n".join(
        path.read_text(encoding="utf-8") for path in (Path(__file__).parents[1] / "house/releases").glob("*")
    )
    slugs = set(re.findall(r"INTO [\w.\"]*certifications\"? VALUES ?\('([^']+)'", kept))
    assert slugs
    assert slugs <= set(catalog.entries()), "move it to config/certifications/retired instead of taking it away"


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


def security_plus() -> str:
    return (shipped.folder("config") / "certifications" / "comptia-security-plus.toml").read_text(encoding="utf-8")


def loaded(folder: Path, text: str) -> catalog.CatalogEntry:
    (folder / "entry.toml").write_text(text, encoding="utf-8")
    (entry,) = catalog.load(folder)
    return entry


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("field =", "fields ="), "there is no field fields"),
        (('renewal = "50', 'x = "50'), "there is no field x"),
        (('language = "English and others"\n', ""), "the field language is missing"),
        (('version = "V7"', 'version = " "'), "version is a text that says something"),
        (("https://www.comptia.org/certifications", "http://www.comptia.org/certifications"), "starts with https"),
        (('exam_codes = ["SY0-701"]', "exam_codes = []"), "exam_codes is a list"),
        (("validity_months = 36", "validity_months = -1"), "validity_months is a whole number"),
        (("validity_months = 36", 'validity_months = "36"'), "validity_months is a whole number"),
        (("checked_on = 2026-11-24", 'checked_on = "2026-11-24"'), "checked_on is a date"),
        (("checked_on = 2026-11-24", "checked_on = 2026-11-24T00:00:00Z"), "checked_on is a date"),
        (("checked_on = 2026-11-24", "checked_on = 2026-13-24"), "entry.toml is not valid TOML"),
        (("weight_low = 12", "weight_low = 0"), "weights lie between"),
        (("weight_low = 12", "weight_low = 13"), "weights lie between"),
        (("weight_low = 12", "weight_low = true"), "weights are numbers"),
        (("weight_low = 12", "weight_low = nan"), "weights are numbers"),
        (("weight_low = 12\n", ""), "the field weight_low is missing"),
        (("weight_low = 12\nweight_high = 12\n", ""), "either every domain has weights"),
        (("weight_low = 12\nweight_high = 12\n", "weight_low = 11\nweight_high = 11\n"), "cannot add up to 100"),
        (('code = "2"', 'code = "1"'), "a code of its own"),
        (('code = "2"', "code = 2"), "code and title are texts"),
        (('title = "Security operations"', 'title = ""'), "code and title are texts"),
        (('"Automation"', '""'), "topics is a list"),
        (("score = 750", "score = 950"), "pass_mark"),
        (("score = 750", 'score = "750"'), "pass_mark"),
        (("{ score = 750, scale_min = 100, scale_max = 900 }", "{ percent = 101 }"), "pass_mark"),
        (("{ score = 750, scale_min = 100, scale_max = 900 }", "{ published = true }"), "pass_mark"),
        (("{ score = 750, scale_min = 100, scale_max = 900 }", "750"), "pass_mark"),
    ],
)
def test_a_wrong_entry_is_refused_with_a_sentence(tmp_path: Path, change, problem):
    assert change[0] in security_plus()
    with pytest.raises(SettingsError, match=problem) as refusal:
        loaded(tmp_path, security_plus().replace(*change, 1))
    assert str(refusal.value).startswith("entry.toml")
    assert str(refusal.value).endswith(".")


def test_two_entries_never_share_a_code(tmp_path: Path):
    (tmp_path / "another.toml").write_text(security_plus(), encoding="utf-8")
    with pytest.raises(SettingsError, match=r"entry\.toml: the code Security\+ is already used by another\.toml\."):
        loaded(tmp_path, security_plus())


def test_a_file_name_that_cannot_stand_in_an_address_is_refused(tmp_path: Path):
    (tmp_path / "Security Plus.toml").write_text(security_plus(), encoding="utf-8")
    with pytest.raises(SettingsError, match="the name of the file"):
        catalog.load(tmp_path)


def test_an_entry_without_domains_is_refused(tmp_path: Path):
    head = security_plus().split("[[domains]]")[0]
    with pytest.raises(SettingsError, match="the field domains is missing"):
        loaded(tmp_path, head)
    with pytest.raises(SettingsError, match="at least one"):
        loaded(tmp_path, "domains = []\n" + head)


def test_the_middles_of_published_ranges_are_normalized_to_100(tmp_path: Path):
    text = security_plus()
    for weight, low, high in ((12, 10, 14), (22, 20, 30), (18, 15, 20), (28, 20, 30), (20, 15, 25)):
        text = text.replace(
            f"weight_low = {weight}\nweight_high = {weight}\n", f"weight_low = {low}\nweight_high = {high}\n"
        )
    entry = loaded(tmp_path, text)
    middles = [Fraction(12), Fraction(25), Fraction("17.5"), Fraction(25), Fraction(20)]
    assert [domain.weight for domain in entry.domains] == [middle / Fraction("99.5") * 100 for middle in middles]
    assert sum(domain.weight for domain in entry.domains) == 100
    assert (entry.domains[1].weight_low, entry.domains[1].weight_high) == (20, 30)


def test_domains_weigh_the_same_when_no_weights_are_published(tmp_path: Path):
    lines = [line for line in security_plus().splitlines() if not line.startswith("weight_")]
    entry = loaded(tmp_path, "\n".join(lines))
    assert not entry.weights_published
    assert {domain.weight for domain in entry.domains} == {20}
    assert entry.domains[0].weight_low is None


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ("{ percent = 62.5 }", catalog.PassMark("percent", percent=Fraction("62.5"))),
        ("{ published = false }", catalog.PassMark("unpublished")),
    ],
)
def test_a_pass_mark_may_be_a_percentage_or_unpublished(tmp_path: Path, mark, expected):
    text = security_plus().replace("{ score = 750, scale_min = 100, scale_max = 900 }", mark)
    assert loaded(tmp_path, text).pass_mark == expected


@pytest.mark.parametrize(
    ("checked", "today", "stale"),
    [
        (date(2026, 11, 24), date(2027, 11, 24), False),
        (date(2026, 11, 24), date(2027, 11, 25), True),
        (date(2028, 2, 29), date(2029, 2, 28), False),
        (date(2028, 2, 29), date(2029, 3, 1), True),
    ],
)
def test_an_entry_is_stale_after_12_months(tmp_path: Path, checked, today, stale):
    entry = loaded(tmp_path, security_plus().replace("checked_on = 2026-11-24", f"checked_on = {checked}"))
    assert entry.is_stale(today) is stale


def test_an_unknown_certification_or_domain_is_not_found():
    with pytest.raises(NotFound):
        catalog.entry("no-such-thing")
    with pytest.raises(NotFound):
        catalog.entry("pmp").domain("9")
    assert catalog.entry("pmp").domain("2").title == "Process"
