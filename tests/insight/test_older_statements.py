"""Statements made before there was a profile say some things with other terms: the figures read them as well."""

from datetime import date

from lti_mentor.activity.record import AUTHORITY
from lti_mentor.insight.figures import gather
from xapi.vocabulary import BEFORE, terms

BASE = "https://mentor.example.org"
PROGRAM = f"{BASE}/programs/1"
TINCAN, STREAMS = "http://id.tincanapi.com", "http://activitystrea.ms/schema/1.0"
STRATEGY, TASK = f"{TINCAN}/activitytype/strategy", f"{STREAMS}/task"
PLAN = "https://w3id.org/xapi/acrossx/activities/learning-plan"
CREDENTIAL = "https://w3id.org/xapi/tla/activity-types/credential"
PLANNED_START = f"{TINCAN}/extension/planned-start-time"


def said(verb, thing, kind, *, result=None, **extensions):
    return {
        "authority": {"account": {"homePage": BASE, "name": AUTHORITY}},
        "actor": {"account": {"homePage": BASE, "name": "learner"}},
        "verb": {"id": verb},
        "object": {"id": f"{BASE}/{thing}", "definition": {"type": kind}},
        "context": {"registration": "pair", "extensions": extensions},
        "result": result or {},
        "timestamp": "2026-05-01T10:00:00+00:00",
    }


def test_what_older_statements_say_counts_as_before():
    plan = {f"{TINCAN}/extension/target": {"active": 80}, PLANNED_START: "2026-05-01"}
    start = {PLANNED_START: "2026-05-01T09:00:00Z"}
    readiness = {"score": {"raw": 40}, "extensions": {"https://w3id.org/xapi/tla/extensions/confidence": 55}}
    statements = [
        said("https://w3id.org/xapi/tla/verbs/planned", "programs/1", PLAN, **plan),
        said(f"{STREAMS}/join", "mentorships/1", STRATEGY),
        said(f"{STREAMS}/rsvp-no", "meetings/1", "http://adlnet.gov/expapi/activities/meeting", **start),
        said("http://adlnet.gov/expapi/verbs/shared", "evidence/1", TASK),
        said("http://adlnet.gov/expapi/verbs/scored", "certifications/c", CREDENTIAL, result=readiness),
    ]
    record = gather(statements, program=PROGRAM, base=BASE)
    assert (record.plan.targets, record.plan.starts_on) == ({"active": 80}, date(2026, 5, 1))
    assert record.paired == {"pair": "learner"}
    assert record.settled == {f"{BASE}/meetings/1": "missed"}
    assert [own for *_, own in record.readiness] == [55]


def test_an_older_term_is_said_no_more():
    assert BEFORE.keys().isdisjoint(term.iri for term in terms())
    assert set(BEFORE.values()) <= {term.iri for term in terms()}
