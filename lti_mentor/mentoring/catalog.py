"""The shipped catalog of certifications: ``config/certifications/*.toml`` read into checked, frozen values.

A certification that ends moves to ``config/certifications/retired``: nobody new can choose it, and whoever is on the
way to it or holds it sees their pages as before.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

from lti_mentor import shipped
from lti_mentor.errors import NotFound, SettingsError


@dataclass(frozen=True)
class PassMark:
    """``kind`` is scaled (a score on a scale of its own), percent, or unpublished."""

    kind: str
    score: int | None = None
    scale_min: int | None = None
    scale_max: int | None = None
    percent: Fraction | None = None


@dataclass(frozen=True)
class ExamDomain:
    """``weight`` is in percent of the exam: the middle of low and high, normalized over all domains to 100."""

    code: str
    title: str
    weight_low: Fraction | None
    weight_high: Fraction | None
    weight: Fraction
    topics: tuple[str, ...]


@dataclass(frozen=True)
class CatalogEntry:
    slug: str
    field: str
    issuer: str
    issuer_url: str
    code: str
    name: str
    version: str
    exam_codes: tuple[str, ...]
    domains: tuple[ExamDomain, ...]
    weights_published: bool
    pass_mark: PassMark
    prerequisites: str
    validity_months: int | None  # none: does not expire
    renewal: str
    language: str
    source_url: str
    checked_on: date
    facts: Mapping[str, Any]  # the file as it is, for display
    is_retired: bool

    def domain(self, code: str) -> ExamDomain:
        """One exam domain. Raises NotFound."""
        for domain in self.domains:
            if domain.code == code:
                return domain
        raise NotFound("domain.unknown")

    def is_stale(self, today: date) -> bool:
        """Whether the facts were checked more than 12 months ago, so that a coordinator should look."""
        return (today.year - 1, today.month, today.day) > (
            self.checked_on.year,
            self.checked_on.month,
            self.checked_on.day,
        )


def load(folder: Path | None = None) -> tuple[CatalogEntry, ...]:
    """All entries, the retired ones last. Raises SettingsError."""
    folder = folder or shipped.folder("config") / "certifications"
    found = tuple(
        _entry(path, is_retired=place == "retired")
        for place in ("", "retired")
        for path in sorted((folder / place).glob("*.toml"))
    )
    codes: dict[str, str] = {}
    for one in found:
        if codes.setdefault(one.code, one.slug) != one.slug:
            raise SettingsError(f"{one.slug}.toml: the code {one.code} is already used by {codes[one.code]}.toml.")
    return found


@cache
def entries() -> Mapping[str, CatalogEntry]:
    """The shipped entries by slug, read once, with the retired ones."""
    return {entry.slug: entry for entry in load()}


def offered() -> list[CatalogEntry]:
    """Those that somebody can choose."""
    return [entry for entry in entries().values() if not entry.is_retired]


def entry(slug: str) -> CatalogEntry:
    """One shipped entry. Raises NotFound."""
    try:
        return entries()[slug]
    except KeyError:
        raise NotFound("certification.unknown") from None


_TEXTS = (
    "field",
    "issuer",
    "issuer_url",
    "code",
    "name",
    "version",
    "prerequisites",
    "renewal",
    "language",
    "source_url",
)
_REQUIRED = frozenset({*_TEXTS, "exam_codes", "domains", "pass_mark", "validity_months", "checked_on"})
_WEIGHTS = frozenset({"weight_low", "weight_high"})
_DOMAIN_FIELDS = frozenset({"code", "title", "topics"})


def _entry(path: Path, *, is_retired: bool) -> CatalogEntry:
    facts = _read(path)
    _check_facts(path.name, facts)
    domains, published = _domains(path.name, facts["domains"])
    return CatalogEntry(
        slug=path.stem,
        **{name: facts[name] for name in _TEXTS},
        exam_codes=tuple(facts["exam_codes"]),
        domains=domains,
        weights_published=published,
        pass_mark=_pass_mark(path.name, facts["pass_mark"]),
        validity_months=facts["validity_months"] or None,
        checked_on=facts["checked_on"],
        facts=facts,
        is_retired=is_retired,
    )


def _read(path: Path) -> dict[str, Any]:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", path.stem):
        raise SettingsError(f"{path.name}: the name of the file is small letters and digits joined by hyphens.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path.name} is not valid TOML: {error}.") from None


def _check_facts(place: str, facts: Mapping[str, Any]) -> None:
    _check_fields(place, facts, _REQUIRED)
    for name in _TEXTS:
        if not _is_text(facts[name]):
            raise SettingsError(f"{place}: {name} is a text that says something.")
    for name in ("issuer_url", "source_url"):
        if not facts[name].startswith("https://"):
            raise SettingsError(f"{place}: {name} is an address that starts with https://.")
    if not _are_texts(facts["exam_codes"]):
        raise SettingsError(f"{place}: exam_codes is a list of at least one code.")
    if type(facts["validity_months"]) is not int or facts["validity_months"] < 0:
        raise SettingsError(f"{place}: validity_months is a whole number; 0 means that it does not expire.")
    if type(facts["checked_on"]) is not date:
        raise SettingsError(f"{place}: checked_on is a date such as 2026-11-24.")


def _check_fields(place: str, values: Mapping[str, Any], allowed: frozenset[str]) -> None:
    unknown, missing = sorted(set(values) - allowed), sorted(allowed - set(values))
    if unknown:
        raise SettingsError(f"{place}: there is no field {unknown[0]}.")
    if missing:
        raise SettingsError(f"{place}: the field {missing[0]} is missing.")


def _domains(place: str, domains: Any) -> tuple[tuple[ExamDomain, ...], bool]:
    """The domains with their normalized weights, and whether the issuer publishes weights."""
    if not isinstance(domains, list) or not domains or not all(isinstance(domain, dict) for domain in domains):
        raise SettingsError(f"{place}: domains is a list of at least one [[domains]].")
    weighed = [bool(_WEIGHTS & set(domain)) for domain in domains]
    if any(weighed) and not all(weighed):
        raise SettingsError(f"{place}: either every domain has weights or, when none are published, none has.")
    for domain in domains:
        _check_domain(f"{place}, domain {domain.get('code')}", domain, _WEIGHTS if all(weighed) else frozenset())
    if len({domain["code"] for domain in domains}) < len(domains):
        raise SettingsError(f"{place}: every domain has a code of its own.")
    if all(weighed):
        _check_sum(place, domains)
    middles = [_middle(domain) if all(weighed) else Fraction(1) for domain in domains]
    total = sum(middles, Fraction(0))
    return tuple(_domain(d, m / total * 100) for d, m in zip(domains, middles, strict=True)), all(weighed)


def _check_domain(place: str, domain: Mapping[str, Any], weights: frozenset[str]) -> None:
    _check_fields(place, domain, _DOMAIN_FIELDS | weights)
    if not _is_text(domain["code"]) or not _is_text(domain["title"]):
        raise SettingsError(f"{place}: code and title are texts that say something.")
    if not _are_texts(domain["topics"]):
        raise SettingsError(f"{place}: topics is a list of at least one text.")
    if not all(_is_number(domain[name]) for name in weights):
        raise SettingsError(f"{place}: weights are numbers in percent.")
    if weights and not 0 < domain["weight_low"] <= domain["weight_high"] <= 100:
        raise SettingsError(f"{place}: weights lie between 0 and 100, low before high.")


def _check_sum(place: str, domains: Sequence[Mapping[str, Any]]) -> None:
    low, high = (sum(_exact(domain[name]) for domain in domains) for name in ("weight_low", "weight_high"))
    if not low <= 100 <= high:
        raise SettingsError(f"{place}: the weights of the domains cannot add up to 100.")


def _middle(domain: Mapping[str, Any]) -> Fraction:
    return (_exact(domain["weight_low"]) + _exact(domain["weight_high"])) / 2


def _domain(domain: Mapping[str, Any], weight: Fraction) -> ExamDomain:
    return ExamDomain(
        code=domain["code"],
        title=domain["title"],
        weight_low=_exact(domain["weight_low"]) if "weight_low" in domain else None,
        weight_high=_exact(domain["weight_high"]) if "weight_high" in domain else None,
        weight=weight,
        topics=tuple(domain["topics"]),
    )


def _pass_mark(place: str, mark: Any) -> PassMark:
    fields = set(mark) if isinstance(mark, dict) else set()
    if fields == {"published"} and mark["published"] is False:
        return PassMark("unpublished")
    if fields == {"percent"} and _is_number(mark["percent"]) and 0 < mark["percent"] <= 100:
        return PassMark("percent", percent=_exact(mark["percent"]))
    scaled = fields == {"score", "scale_min", "scale_max"} and all(type(value) is int for value in mark.values())
    if scaled and mark["scale_min"] < mark["score"] <= mark["scale_max"]:
        return PassMark("scaled", mark["score"], mark["scale_min"], mark["scale_max"])
    raise SettingsError(f"{place}: pass_mark is a score on a scale, a percent, or published = false.")


def _exact(number: float) -> Fraction:
    """A number as it is written in the file."""
    return Fraction(str(number))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(_is_text(value) for value in values)
