"""One golden file per fact: the statement it becomes. ``UPDATE_GOLDEN=1`` writes them anew: read them."""

import json
import os
from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import pytest

from lti_mentor import clock
from lti_mentor.activity import facts
from lti_mentor.activity.profile import document, ours
from lti_mentor.activity.record import record
from lti_mentor.activity.statements import known_facts, statement
from lti_mentor.db import connect
from tests.conftest import url_of
from xapi import profile, store
from xapi.errors import NotOfProfile
from xapi.validation import checked
from xapi.vocabulary import PROFILE_VERSION, terms

GOLDEN = Path(__file__).parent / "golden"
BASE = "https://mentor.example.org"


def an_id(number: int) -> UUID:
    return UUID(f"00000000-0000-4000-8000-{number:012}")


DOMAIN = facts.DomainValue(domain="1", value=Fraction(81), weight=Fraction(12), mentor=75, course=Fraction(90))
VALUES = {
    "actor": "learner-pseudonym",
    "at": datetime(2026, 5, 1, 10, tzinfo=UTC),
    "id": an_id(1),
    "program": an_id(2),
    "registration": an_id(3),
    "instructor": "mentor-pseudonym",
    "course": an_id(4),
    "certification": "comptia-security-plus",
    "starts_on": date(2026, 1, 5),
    "ends_on": date(2026, 7, 6),
    "meetings_per_month": 2,
    "target_active": 80,
    "target_cadence": 70,
    "target_on_time": 70,
    "target_certified": 20,
    "part": "mentee",
    "goal": an_id(5),
    "due_on": date(2026, 6, 1),
    "original_due_on": date(2026, 5, 20),
    "domains": (("comptia-security-plus", "5"),),
    "percent": 60,
    "set_by": an_id(6),
    "pursuit": an_id(10),
    "status": "studying",
    "target_on": date(2026, 9, 1),
    "exam_on": date(2026, 8, 1),
    "attempt": 1,
    "valid_until": date(2029, 8, 1),
    "domain": "5",
    "value": 50,
    "evidence": an_id(7),
    "version": 2,
    "confirmed": Fraction("46.204"),
    "own_estimate": Fraction(55),
    "covered": Fraction(80),
    "said": an_id(9),
    "meeting": an_id(8),
    "planned_at": datetime(2026, 5, 2, 14, tzinfo=UTC),
    "minutes": 45,
}


# What these say belongs to no mentorship.
BESIDE = (facts.Launched, facts.ProgramPlanned, facts.Enrolled, facts.Withdrawn)
PAIR = {"registration", "instructor"}


def example(kind):
    names = kind.__dataclass_fields__.keys() - (PAIR if kind in BESIDE else set())
    values = VALUES | ({"domains": (DOMAIN,)} if kind is facts.ReadinessChanged else {})
    return kind(**{name: values[name] for name in names})


KINDS = sorted(known_facts(), key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_fact_becomes_its_golden_statement(kind):
    made = statement(example(kind), BASE)
    file = GOLDEN / f"{kind.__name__}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(json.dumps(made, indent=2, sort_keys=True) + "\n")
    assert made == json.loads(file.read_text())
    checked(made)
    assert len(profile.check(ours(), made)) == 1


def test_every_fact_has_a_golden_file_and_no_file_is_left_over():
    assert {path.stem for path in GOLDEN.glob("*.json")} == {kind.__name__ for kind in KINDS}


def test_every_template_has_a_fact_that_follows_it():
    found = {name for kind in KINDS for name in profile.check(ours(), statement(example(kind), BASE))}
    assert found == ours().templates.keys()


TYPES = {"array": list, "integer": int, "null": type(None), "number": (int, float), "object": dict, "string": str}


def fits(value, schema):
    """The words of JSON Schema that the profile uses."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(isinstance(value, TYPES[kind]) for kind in kinds):
        return False
    if isinstance(value, dict):
        inside = schema["properties"]
        return set(schema["required"]) <= value.keys() <= inside.keys() and all(
            fits(value[name], inside[name]) for name in value
        )
    if isinstance(value, list):
        return all(fits(each, schema["items"]) for each in value)
    if isinstance(value, (int, float)):
        return schema.get("minimum", value) <= value <= schema.get("maximum", value)
    if schema.get("format") == "date":
        return bool(date.fromisoformat(value))
    return True


def test_our_own_extensions_have_the_values_that_the_profile_describes():
    schemas = {
        each["id"]: json.loads(each["inlineSchema"]) for each in document()["concepts"] if "inlineSchema" in each
    }
    seen = set()
    for kind in KINDS:
        made = statement(example(kind), BASE)
        for part in (made["context"], made.get("result", {})):
            for key, value in part.get("extensions", {}).items():
                if key in schemas:
                    seen.add(key)
                    assert fits(value, schemas[key]), (kind.__name__, key)
    assert seen == schemas.keys()


def test_statements_use_only_terms_of_the_vocabulary():
    known = {term.iri for term in terms()} | {PROFILE_VERSION}

    def iris(part):
        if isinstance(part, dict):
            for name, value in part.items():
                if name in ("id", "type") and isinstance(value, str) and value.startswith("http") and BASE not in value:
                    yield value
                if name == "extensions":
                    yield from value
                yield from iris(value)
        elif isinstance(part, list):
            for each in part:
                yield from iris(each)

    for kind in KINDS:
        assert set(iris(statement(example(kind), BASE))) <= known, kind.__name__


def test_a_statement_that_follows_no_template_is_not_stored_where_statements_are_checked(
    sqlite_database, sqlite_cast, loaded_settings
):
    guest = facts.Enrolled(actor="guest", at=clock.now(), program=sqlite_cast.program.id, part="guest")
    with pytest.raises(NotOfProfile, match=r"purpose.*each has to be of.*templates/enrolled"):  # noqa: SIM117
        with sqlite_database.transaction() as db:
            record(db, sqlite_cast.learner.organization_id, guest)
    unchecked = connect(url_of(sqlite_database))
    with unchecked.transaction() as db:
        assert store.get(db, tenant=sqlite_cast.learner.organization_id, statement_id=guest.id) is None
        assert record(db, sqlite_cast.learner.organization_id, guest) == guest.id
    unchecked.engine.dispose()


def test_a_statement_that_refers_to_another_than_it_should_is_not_stored_where_statements_are_checked(
    sqlite_database, sqlite_cast
):
    home, due_on = sqlite_cast.learner.organization_id, date(2026, 6, 1)
    about = {"actor": "learner", "at": clock.now(), "goal": an_id(5), "due_on": due_on}
    with sqlite_database.transaction() as db:
        goal_set = record(db, home, facts.GoalSet(**about))
        progress = record(db, home, facts.ProgressMade(actor="learner", at=clock.now(), goal=an_id(5), percent=60))
        record(db, home, facts.GoalAchieved(**about, original_due_on=due_on, set_by=goal_set))
    with pytest.raises(NotOfProfile, match="object: has to refer to"), sqlite_database.transaction() as db:
        record(db, home, facts.GoalAchieved(**about, original_due_on=due_on, set_by=progress))
