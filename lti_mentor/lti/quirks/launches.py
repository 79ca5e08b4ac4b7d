"""What a launch says, and who opens it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lti_mentor.lti.quirks.quirk import UNKNOWN, Quirk

QUIRKS = (
    Quirk(
        "short_lived_nonces",
        "everywhere",
        "2023-01-18",
        "https://github.com/Cvmcosta/ltijs/issues/175",
        "A nonce that is forgotten before its token ends lets the token in again.",
    ),
    Quirk(
        "clocks_ahead",
        "everywhere",
        "2024-11-07",
        "https://github.com/dmitry-viskov/pylti1.3/issues/146",
        "A clock that is 0.15 seconds ahead is enough for a token that seems to come from the future.",
    ),
    Quirk(
        "shared_mail",
        "everywhere",
        "2026-06",
        "https://github.com/CircuitVerse/CircuitVerse/pull/7510",
        "A mail address may be missing, shared or anybody's: it says nothing about who somebody is.",
    ),
    Quirk(
        "no_names",
        "everywhere",
        "2019-11-06",
        "https://github.com/hypothesis/lms/issues/1123",
        "Names are withheld, from the beginning or from some day on, and all look the same.",
    ),
    Quirk(
        "course_as_link",
        "Canvas",
        "2021-10-18",
        "https://github.com/instructure/canvas-lms/issues/1952",
        "SpeedGrader, modules and the editor send the id of the course as that of the link.",
    ),
    Quirk(
        "numbers_and_nulls",
        "Canvas",
        "2022-10-03",
        "https://github.com/hypothesis/lms/issues/4492",
        "Custom parameters come as numbers, titles as null, and claims have members that no specification names.",
    ),
    Quirk(
        "unresolved_variables",
        "Moodle, Brightspace",
        "2026-11",
        "https://www.imsglobal.org/spec/lti/v1p3#custom-properties-and-variables",
        "A variable that is not known comes back as it was asked for; Moodle sends null for a withheld one.",
    ),
    Quirk(
        "query_encoded_twice",
        "Canvas",
        "2019",
        "https://github.com/instructure/canvas-lms/issues/1486",
        "SpeedGrader encodes the query of a link once more.",
    ),
    Quirk(
        "small_ids",
        "Moodle",
        "2021",
        "https://github.com/Cvmcosta/ltijs/issues/86",
        "Ids are small numbers that every Moodle gives out; issuers may have a path, or no encryption.",
    ),
    Quirk(
        "foreign_azp",
        "Blackboard",
        "2019-07-26",
        "https://github.com/1EdTech/lti-1-3-php-library/issues/18",
        "azp names another id than aud. A registration may allow it (Platform.foreign_azp).",
    ),
    Quirk(
        "no_link",
        "Blackboard",
        "2020-03-11",
        "https://github.com/1EdTech/lti-1-3-php-library/issues/43",
        "Some versions launched a link without saying which.",
    ),
    Quirk(
        "long_hints",
        "Blackboard",
        "2026-11",
        "https://docs.anthology.com/docs/lti/core/handling-oidc-login",
        "The message hint is long, and has to come back to the letter.",
    ),
    Quirk(
        "empty_names",
        "Blackboard",
        UNKNOWN,
        UNKNOWN,
        "What is withheld comes as an empty text.",
    ),
    Quirk(
        "everything_withheld",
        "Brightspace",
        "2026-11",
        "https://community.d2l.com/brightspace/kb/articles/23764-security-settings-for-lti-advantage-1-3",
        "A deployment may hide names, mail, course and title of the link; tokens are good for 30 minutes.",
    ),
    Quirk(
        "two_issuers",
        "Sakai",
        "2022-02-10",
        "https://github.com/sakaiproject/sakai/pull/10007",
        "The issuer of the token differed from that of the login. Nothing here believes such a token.",
    ),
    Quirk(
        "one_hint_for_all",
        "Sakai",
        "2026-11",
        "https://github.com/sakaiproject/sakai/blob/master/lti/lti-impl/src/java/org/sakaiproject/lti/impl/LTISecurityServiceImpl.java",
        "The login hint is the path of the link, encoded: the same for everybody who opens it.",
    ),
    Quirk(
        "short_roles",
        "Moodle, the certification suite",
        "2026-11",
        "https://github.com/hypothesis/lms/tree/main/tests/functional/lti_certification/v13",
        "Roles are words such as Instructor instead of URIs: in Moodle's roster, and in launches of the suite.",
    ),
    Quirk(
        "no_course_roles",
        "Open edX",
        "2026-03-09",
        "https://github.com/openedx/xblock-lti-consumer/issues/618",
        "Roles are those of the institution alone. A registration says which of them teach (Platform.role_map).",
    ),
    Quirk(
        "administrators_of_no_course",
        "everywhere",
        "2022-10-10",
        "https://github.com/hypothesis/product-backlog/issues/1394",
        "An administrator who is not in the course has a role of the institution alone, and expects a teacher's pages.",
    ),
)

_CONTEXT_ROLE = "http://purl.imsglobal.org/vocab/lis/v2/membership"
INSTRUCTORS = frozenset(f"{_CONTEXT_ROLE}#{name}" for name in ("Instructor", "Administrator"))
ADMINISTRATORS = frozenset(
    {
        "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator",
        "http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator",
    }
)
TEACHERS = INSTRUCTORS | ADMINISTRATORS
# Sub-roles of Instructor who teach; graders and teaching assistants do where a registration says so.
LECTURERS = frozenset(
    f"{_CONTEXT_ROLE}/Instructor#{name}"
    for name in ("PrimaryInstructor", "SecondaryInstructor", "Lecturer", "GuestInstructor", "ExternalInstructor")
)
# They build the course, as designers of Canvas do, and see nothing of its people.
DEVELOPERS = frozenset(
    {
        f"{_CONTEXT_ROLE}#ContentDeveloper",
        f"{_CONTEXT_ROLE}/ContentDeveloper#ContentDeveloper",
        f"{_CONTEXT_ROLE}/ContentDeveloper#ContentExpert",
        f"{_CONTEXT_ROLE}/ContentDeveloper#ExternalContentExpert",
    }
)
OBSERVER = f"{_CONTEXT_ROLE}#Mentor"
# Core A.2.3: these roles of the course may come by their names alone.
_WHOLE = {
    name: f"{_CONTEXT_ROLE}#{name}"
    for name in (
        "Administrator",
        "ContentDeveloper",
        "Instructor",
        "Learner",
        "Manager",
        "Member",
        "Mentor",
        "Officer",
    )
}


def teaches(roles: Sequence[str], role_map: Mapping[str, str]) -> bool:
    """Whether the LMS calls the person a teacher of the course.

    Roles of the course count alone; an administrator of the institution who has none there is let in as a teacher.
    ``role_map`` says of single roles, by exact name, whether they make a "teacher" or a "learner" here. A sub-role may
    come without its principal role (Core A.2.3.1), and is what that one is unless it is mapped itself.
    """
    given, said = _whole(roles), dict(zip(_whole(role_map), role_map.values(), strict=True))
    counted = [role for role in given if role.startswith(_CONTEXT_ROLE)] or given
    return any(_makes(role, said) == "teacher" for role in counted)


def _whole(roles: Iterable[str]) -> list[str]:
    return [_WHOLE.get(role, role) for role in roles]


def _makes(role: str, role_map: Mapping[str, str]) -> str:
    if role in LECTURERS and role not in role_map:
        role = f"{_CONTEXT_ROLE}#Instructor"
    return role_map.get(role, "teacher" if role in TEACHERS else "learner")


def may_place(roles: Sequence[str], role_map: Mapping[str, str]) -> bool:
    """Whether the person may put something into the course: who teaches it, and who builds it."""
    learners = _whole(name for name, standing in role_map.items() if standing == "learner")
    return not DEVELOPERS.isdisjoint(set(_whole(roles)) - set(learners)) or teaches(roles, role_map)


def administers(roles: Sequence[Any]) -> bool:
    """Whether the LMS calls the person an administrator of the institution."""
    return any(role in ADMINISTRATORS for role in roles if isinstance(role, str))


def observes(roles: Sequence[str]) -> bool:
    """Whether the LMS calls the person a mentor of others in the course, as it does parents and advisers."""
    return OBSERVER in _whole(roles)


def custom(values: Any) -> dict[str, str]:
    """Custom parameters as texts, without those that came unresolved or as null."""
    if not isinstance(values, Mapping):
        return {}
    texts = {str(name): str(value) for name, value in values.items() if value is not None}
    return {name: value for name, value in texts.items() if not value.startswith("$")}
