"""The shipped catalog of certifications: ``config/certifications/*.toml`` read into checked, frozen values."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from lti_mentor import shipped
from lti_mentor.errors import NotFound, SettingsError

STALE_AFTER_DAYS = 365


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

    def domain(self, code: str) -> ExamDomain:
        """One exam domain. Raises NotFound."""
        for domain in self.domains:
            if domain.code == code:
                return domain
        raise NotFound("domain.unknown")

    def is_stale(self, today: date) -> bool:
        """Whether the facts were checked so long ago that a coordinator should look."""
        return (today - self.checked_on).days > STALE_AFTER_DAYS


def load(folder: Path | None = None) -> tuple[CatalogEntry, ...]:
    """All entries, by slug. Raises SettingsError."""
    folder = folder or shipped.folder("config") / "certifications"
    return tuple(_entry(path) for path in sorted(folder.glob("*.toml")))


@cache
def entries() -> Mapping[str, CatalogEntry]:
    """The shipped entries by slug, read once."""
    return {entry.slug: entry for entry in load()}


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
_DOMAIN_FIELDS = frozenset({"code", "title", "topics", "weight_low", "weight_high"})


def _entry(path: Path) -> CatalogEntry:
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path.name} is not valid TOML: {error}.") from None
    _check_fields(path.name, facts, _REQUIRED)
    for name in _TEXTS:
        if not isinstance(facts[name], str) or not facts[name].strip():
            raise SettingsError(f"{path.name}: {name} is a text that says something.")
    if not isinstance(facts["checked_on"], date):
        raise SettingsError(f"{path.name}: checked_on is a date such as 2026-11-24.")
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
    )


def _check_fields(place: str, values: Mapping[str, Any], allowed: frozenset[str]) -> None:
    unknown, missing = sorted(set(values) - allowed), sorted(allowed - set(values))
    if unknown:
        raise SettingsError(f"{place}: there is no field {unknown[0]}.")
    if missing:
        raise SettingsError(f"{place}: the field {missing[0]} is missing.")


def _domains(place: str, domains: list[dict[str, Any]]) -> tuple[tuple[ExamDomain, ...], bool]:
    published = all("weight_low" in domain for domain in domains)
    for domain in domains:
        weights = {"weight_low", "weight_high"} if published else set()
        _check_fields(
            f"{place}, domain {domain.get('code')}", domain, _DOMAIN_FIELDS - {"weight_low", "weight_high"} | weights
        )
        if published and not 0 < domain["weight_low"] <= domain["weight_high"] <= 100:
            raise SettingsError(f"{place}, domain {domain['code']}: weights lie between 0 and 100, low before high.")
    if len({domain["code"] for domain in domains}) < len(domains) or not domains:
        raise SettingsError(f"{place}: every domain has a code of its own, and there is at least one.")
    middles = [_middle(domain) if published else Fraction(1) for domain in domains]
    total = sum(middles, Fraction(0))
    return tuple(_domain(d, m / total * 100) for d, m in zip(domains, middles, strict=True)), published


def _middle(domain: Mapping[str, Any]) -> Fraction:
    return (Fraction(str(domain["weight_low"])) + Fraction(str(domain["weight_high"]))) / 2


def _domain(domain: Mapping[str, Any], weight: Fraction) -> ExamDomain:
    low, high = domain.get("weight_low"), domain.get("weight_high")
    return ExamDomain(
        code=domain["code"],
        title=domain["title"],
        weight_low=None if low is None else Fraction(str(low)),
        weight_high=None if high is None else Fraction(str(high)),
        weight=weight,
        topics=tuple(domain["topics"]),
    )


def _pass_mark(place: str, mark: Mapping[str, Any]) -> PassMark:
    if set(mark) == {"score", "scale_min", "scale_max"} and mark["scale_min"] < mark["score"] <= mark["scale_max"]:
        return PassMark("scaled", mark["score"], mark["scale_min"], mark["scale_max"])
    if set(mark) == {"percent"} and 0 < mark["percent"] <= 100:
        return PassMark("percent", percent=Fraction(str(mark["percent"])))
    if mark == {"published": False}:
        return PassMark("unpublished")
    raise SettingsError(f"{place}: pass_mark is a score on a scale, a percent, or published = false.")
