"""Certifications of the shipped catalog, as rows that others can refer to."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from lti_mentor.db import Base
from lti_mentor.errors import NotFound
from lti_mentor.mentoring import catalog


class Certification(Base):
    """A catalog entry; shipped with the product and the same for every organization."""

    __tablename__ = "certifications"

    id: Mapped[str] = mapped_column(primary_key=True)  # the slug: comptia-security-plus
    name: Mapped[str]
    issuer: Mapped[str]
    code: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)  # the whole entry of the file, for display
    domains: Mapped[list["Domain"]] = relationship(order_by="Domain.position", lazy="selectin")


class Domain(Base):
    """An exam domain. ``weight`` is in percent of the exam, normalized over the certification."""

    __tablename__ = "domains"

    certification_id: Mapped[str] = mapped_column(ForeignKey("certifications.id", ondelete="CASCADE"), primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    title: Mapped[str]
    weight_numerator: Mapped[int]  # kept exact
    weight_denominator: Mapped[int]
    topics: Mapped[list[str]] = mapped_column(JSON)

    @property
    def weight(self) -> Fraction:
        return Fraction(self.weight_numerator, self.weight_denominator)


def sync_catalog(db: Session) -> int:
    """Make the rows say what the shipped files say; how many entries there are."""
    entries = catalog.load()
    for entry in entries:
        row = db.get(Certification, entry.slug) or Certification(id=entry.slug)
        row.name, row.issuer, row.code = entry.name, entry.issuer, entry.code
        row.facts = _plain(entry.facts)
        db.add(row)
        db.flush()
        for position, domain in enumerate(entry.domains):
            kept = db.get(Domain, (entry.slug, domain.code)) or Domain(certification_id=entry.slug, code=domain.code)
            kept.position, kept.title, kept.topics = position, domain.title, list(domain.topics)
            kept.weight_numerator, kept.weight_denominator = domain.weight.numerator, domain.weight.denominator
            db.add(kept)
    db.flush()
    return len(entries)


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in facts.items()}


def get(db: Session, certification_id: str) -> Certification:
    """A catalog entry. Raises NotFound."""
    certification = db.get(Certification, certification_id)
    if certification is None:
        raise NotFound("certification.unknown")
    return certification
