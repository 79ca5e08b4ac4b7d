"""Messages about somebody else: whom they name, and whom an observer may look at (Core 5.4.3).

A claim without which the message means nothing is refused; ``role_scope_mentor`` of an odd shape names nobody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lti_mentor.errors import LaunchError
from lti_mentor.lti import quirks, texts
from lti_mentor.lti.contexts import GRADES_CLAIM, address

REVIEW = "LtiSubmissionReviewRequest"
PRIVACY = "DataPrivacyLaunchRequest"
ROLES = "https://purl.imsglobal.org/spec/lti/claim/roles"
FOR_USER = "https://purl.imsglobal.org/spec/lti/claim/for_user"
SCOPE_OF_MENTOR = "https://purl.imsglobal.org/spec/lti/claim/role_scope_mentor"
MOST_OBSERVED = 200  # people in one launch


@dataclass(frozen=True)
class Review:
    """Whose submission is looked at, and in which column of the gradebook."""

    subject: str
    lineitem_url: str | None

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> "Review":
        """Raises LaunchError."""
        grades = claims.get(GRADES_CLAIM)
        if not isinstance(grades, Mapping):
            raise LaunchError("launch.missing_claim", name="endpoint")
        return cls(_for_user(claims), address(grades.get("lineitem")))


def reviewable(url: str) -> dict[str, Any]:
    """What a column says of itself: whatever its scores tell of an activity, the record behind it opens here."""
    return {"reviewableStatus": ["InProgress", "Completed"], "url": url}


def privacy_of(claims: Mapping[str, Any]) -> str:
    """Whose data an administrator of the platform asks for. Raises LaunchError."""
    if not quirks.administers(claims[ROLES]):
        raise LaunchError("launch.not_administrator")
    return _for_user(claims)


def _for_user(claims: Mapping[str, Any]) -> str:
    given = claims.get(FOR_USER)
    subject = texts.as_id(given.get("user_id")) if isinstance(given, Mapping) else None
    if subject is None:
        raise LaunchError("launch.missing_claim", name="for_user")
    return subject


def observed(claims: Mapping[str, Any], roles: Sequence[str]) -> tuple[str, ...] | None:
    """Whom an observer of the course is to look after; none for somebody who is no observer."""
    if not quirks.observes(roles):
        return None
    given = claims.get(SCOPE_OF_MENTOR)
    named = [texts.as_id(each) for each in given] if isinstance(given, list) else []
    return tuple(subject for subject in dict.fromkeys(named) if subject is not None)[:MOST_OBSERVED]
