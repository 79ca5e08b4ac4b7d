"""The IRIs this product speaks, each with its English display and where it is defined.

What is published elsewhere is used as it is defined there; what is not is described in our own profile, below an IRI
that is the same in every installation (``config/profile.jsonld``). Where sources disagree on the spelling of Activity
Streams terms the ``schema/1.0`` form is used, and ADL terms are written with ``http``.
"""

from dataclasses import dataclass

ADL = "ADL vocabulary"
STREAMS = "Activity Streams 1.0, as listed in the Tin Can registry"
TINCAN = "Tin Can registry"
TLA = "Total Learning Architecture, Master Object Model"
CMI5 = "cmi5 profile"
SCORM = "SCORM profile"
ACROSSX = "AcrossX profile"
PROFILES = "xAPI Profile Specification"

PROFILE = "https://w3id.org/lti-mentor/xapi"  # every version of our profile, wherever it is served
PROFILE_VERSION = f"{PROFILE}/v1"  # statements name this one
OURS = "this profile"


@dataclass(frozen=True)
class Term:
    iri: str
    display: str
    source: str


class Verbs:
    """Verbs of our facts, and those we understand when an LMS reports results."""

    LAUNCHED = Term("http://adlnet.gov/expapi/verbs/launched", "launched", ADL)
    REGISTERED = Term("http://adlnet.gov/expapi/verbs/registered", "registered", ADL)
    PROGRESSED = Term("http://adlnet.gov/expapi/verbs/progressed", "progressed", ADL)
    ATTENDED = Term("http://adlnet.gov/expapi/verbs/attended", "attended", ADL)
    PASSED = Term("http://adlnet.gov/expapi/verbs/passed", "passed", SCORM)
    FAILED = Term("http://adlnet.gov/expapi/verbs/failed", "failed", SCORM)
    COMPLETED = Term("http://adlnet.gov/expapi/verbs/completed", "completed", SCORM)
    SCORED = Term("http://adlnet.gov/expapi/verbs/scored", "scored", SCORM)
    SHARED = Term("http://adlnet.gov/expapi/verbs/shared", "shared", ADL)
    COMMENTED = Term("http://adlnet.gov/expapi/verbs/commented", "commented", ADL)
    VOIDED = Term("http://adlnet.gov/expapi/verbs/voided", "voided", ADL)
    JOINED = Term("http://activitystrea.ms/schema/1.0/join", "joined", STREAMS)
    LEFT = Term("http://activitystrea.ms/schema/1.0/leave", "left", STREAMS)
    SCHEDULED = Term("http://activitystrea.ms/schema/1.0/schedule", "scheduled", STREAMS)
    CANCELED = Term("http://activitystrea.ms/schema/1.0/cancel", "canceled", STREAMS)
    CONFIRMED = Term("http://activitystrea.ms/schema/1.0/confirm", "confirmed", STREAMS)
    ACCEPTED = Term("http://activitystrea.ms/schema/1.0/accept", "accepted", STREAMS)
    REJECTED = Term("http://activitystrea.ms/schema/1.0/reject", "rejected", STREAMS)
    MISSED = Term(f"{PROFILE}/verbs/missed", "missed", OURS)
    DEFINED = Term("http://id.tincanapi.com/verb/defined", "defined", TINCAN)
    EARNED = Term("http://id.tincanapi.com/verb/earned", "earned", TINCAN)
    RATED = Term("http://id.tincanapi.com/verb/rated", "rated", TINCAN)
    PLANNED = Term("https://w3id.org/xapi/tla/verbs/planned", "planned", TLA)
    ACHIEVED = Term("https://w3id.org/xapi/tla/verbs/achieved", "achieved", TLA)
    DESELECTED = Term("https://w3id.org/xapi/tla/verbs/deselected", "deselected", TLA)
    DATED = Term("https://w3id.org/xapi/tla/verbs/scheduled", "scheduled", TLA)  # a goal or an exam, not a meeting


class Activities:
    """Types of the things our statements are about."""

    COURSE = Term("http://adlnet.gov/expapi/activities/course", "course", ADL)
    ASSESSMENT = Term("http://adlnet.gov/expapi/activities/assessment", "assessment", ADL)
    MEETING = Term("http://adlnet.gov/expapi/activities/meeting", "meeting", ADL)
    GOAL = Term("http://id.tincanapi.com/activitytype/goal", "goal", TINCAN)
    PROGRAM = Term("https://w3id.org/xapi/acrossx/activities/learning-plan", "learning plan", ACROSSX)
    MENTORSHIP = Term(f"{PROFILE}/activity-types/mentorship", "mentorship", OURS)
    CREDENTIAL = Term("https://w3id.org/xapi/tla/activity-types/credential", "credential", TLA)
    COMPETENCY = Term("https://w3id.org/xapi/tla/activity-types/competency", "competency", TLA)
    EVIDENCE = Term(f"{PROFILE}/activity-types/evidence", "evidence", OURS)
    PROFILE = Term("http://adlnet.gov/expapi/activities/profile", "profile", SCORM)


class Extensions:
    """Keys of result and context extensions."""

    DUE_DATE = Term("https://w3id.org/xapi/tla/extensions/due_date", "due date", TLA)
    ORIGINAL_DUE_DATE = Term(f"{PROFILE}/extensions/original-due-date", "original due date", OURS)
    OWN_ESTIMATE = Term(f"{PROFILE}/extensions/own-estimate", "own estimate", OURS)
    COVERED = Term(f"{PROFILE}/extensions/covered", "covered", OURS)
    PARTS = Term(f"{PROFILE}/extensions/readiness-parts", "parts of the readiness", OURS)
    TARGETS = Term(f"{PROFILE}/extensions/targets", "targets", OURS)
    PLANNED_START = Term("http://id.tincanapi.com/extension/planned-start-time", "planned start time", TINCAN)
    PLANNED_DURATION = Term("http://id.tincanapi.com/extension/planned-duration", "planned duration", TINCAN)
    VALID_UNTIL = Term("http://id.tincanapi.com/extension/valid-until", "valid until", TINCAN)
    PURPOSE = Term("http://id.tincanapi.com/extension/purpose", "purpose", TINCAN)
    PROGRESS = Term("https://w3id.org/xapi/cmi5/result/extensions/progress", "progress", CMI5)
    SUBREGISTRATION = Term("https://w3id.org/xapi/profiles/extensions/subregistration", "subregistration", PROFILES)


# What our statements said before there was the profile: they stay as they are, and whoever reads ours knows both.
BEFORE = {
    "http://activitystrea.ms/schema/1.0/rsvp-no": Verbs.MISSED.iri,
    "http://id.tincanapi.com/activitytype/strategy": Activities.MENTORSHIP.iri,
    "http://activitystrea.ms/schema/1.0/task": Activities.EVIDENCE.iri,
    "https://w3id.org/xapi/tla/extensions/confidence": Extensions.OWN_ESTIMATE.iri,
    "http://id.tincanapi.com/extension/target": Extensions.TARGETS.iri,
}


def verbs() -> tuple[Term, ...]:
    """Those of Verbs, in the order they are written."""
    return tuple(value for value in vars(Verbs).values() if isinstance(value, Term))


def terms() -> tuple[Term, ...]:
    """All of them, in the order they are written."""
    return tuple(
        value for group in (Verbs, Activities, Extensions) for value in vars(group).values() if isinstance(value, Term)
    )
