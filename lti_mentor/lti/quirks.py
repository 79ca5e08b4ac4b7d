"""What single platforms do differently, each with where it was seen.

FOREIGN_AZP  Blackboard, 2019 (1EdTech/lti-1-3-php-library issue 18): ``azp`` of an id_token is another id than ``aud``.
             Allowed per registration (``Platform.foreign_azp``) and off by default.
UNRESOLVED   A custom variable that the platform does not know arrives as it was asked for, such as
             ``$Context.id.history`` (LTI Core 5.4.6.1); Moodle 4.5 sends null for withheld ones; Canvas numbers
             (hypothesis/lms issue 4492).
SHARED_ISSUERS  Canvas cloud and Blackboard use one issuer for all institutions, so the address that registers has
             another host than the issuer (instructure/canvas-lms issue 1935, tsugiproject/tsugi issue 83,
             Simon-Initiative/oli-torus pull 1979).
OWN_DOMAINS  Institutions of the Canvas cloud register tools at domains of their own, which Canvas names in the
             configuration (canvas-lms, app/controllers/security_controller.rb, seen 2026-11).
SHARED_CLIENTS  On Blackboard one client id serves all institutions too: an unknown deployment is a stranger.
BARE_SERVERS  Canvas names ``canvas.instructure.com`` as its authorization server (doc/api/registration.md of
             instructure/canvas-lms, 2026-11) and takes assertions for its token endpoint alone (issue 1925 there;
             packbackbooks/lti-1-3-php-library issue 157).
OTHER_PAGES  Canvas and Blackboard show courses at the institution's own address, which is neither their issuer nor
             their log-in; launches name it as the way back (samples of docs.anthology.com, 2026-04).
CURLY_LINKS  Moodle 4.5 writes the Link header of line items with curly quotes and ``&amp;`` (seen 2026-11).
RATE_LIMITS  Canvas answered 403 "Rate Limit Exceeded" until 2025-10, and 429 since (ucfopen/canvasapi issue 704).
NEW_SUBMISSIONS  On Canvas a score is a new submission and uses up an attempt (hypothesis/lms issue 4973).
ONLY_GRADED  Canvas and Moodle take a number away again when ``gradingProgress`` says that it may still change
             (scores_controller.rb of instructure/canvas-lms, resources/scores.php of Moodle's gradebookservices, seen
             2026-11).
HAND_IN_TIMES  Canvas refuses a ``submission.submittedAt`` that is more than a minute ahead, and dates new submissions
             by it (same place); Moodle and Open edX take it and do nothing with it.
TIED_COLUMNS  Open edX shows a score on its progress page only when the column names its component as ``resourceLinkId``
             (lti_consumer/signals/signals.py of lti-consumer-xblock 11.4.4). Canvas gives a link that is an assignment
             a column of its own, and shows only scores of the first column of a link; for any other link it answers
             404 or 412 (scores_controller.rb and line_items_controller.rb of instructure/canvas-lms, issue 1944
             there): columns of ours are never tied to a link on Canvas. Moodle answers 403 for a link that is gone
             (gradebookservices, resources/lineitems.php); once a link has a second column its launches name none,
             which nothing here needs. Sakai takes the id and does nothing with it (LTI13Servlet, LineItemUtil); for
             Blackboard it is the course content of the column (docs.anthology.com, 2024-10). All seen 2026-11.
             A column is tied when it is made, which is all that the specification says of it, and never by a PUT later,
             which writes the whole column: Sakai shows and counts one again that a teacher had hidden, since its GET
             says neither (LineItemUtil), and Canvas drops the id. Open edX takes it, but shows only what is told after.
SHORT_ROLES  Moodle's roster and the certification suite send "Instructor" instead of the URI.
NO_COURSE_ROLES  Open edX sends roles of the institution alone (openedx/xblock-lti-consumer issue 618): a registration
             says which of them teach (``Platform.role_map``).
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

INSTRUCTORS = frozenset(
    {
        "http://purl.imsglobal.org/vocab/lis/v2/membership#Instructor",
        "http://purl.imsglobal.org/vocab/lis/v2/membership#Administrator",
        "Instructor",
    }
)
ADMINISTRATORS = frozenset(
    {
        "http://purl.imsglobal.org/vocab/lis/v2/institution/person#Administrator",
        "http://purl.imsglobal.org/vocab/lis/v2/system/person#Administrator",
    }
)
TEACHERS = INSTRUCTORS | ADMINISTRATORS
CANVAS = frozenset(f"https://canvas.{name}instructure.com" for name in ("", "beta.", "test."))
OBSERVERS = frozenset({"http://purl.imsglobal.org/vocab/lis/v2/membership#Mentor", "Mentor"})
SHARED_ISSUERS = {
    **dict.fromkeys(CANVAS, ("instructure.com", "canvaslms.com")),
    "https://blackboard.com": ("blackboard.com",),
}
SHARED_CLIENTS = frozenset({"https://blackboard.com"})
SCORE_OF_NO_SUBMISSION = {"https://canvas.instructure.com/lti/submission": {"new_submission": False}}
TOO_MANY = 429
_CONTEXT_ROLE = "http://purl.imsglobal.org/vocab/lis/v2/membership"
_SHORT = frozenset({"Instructor", "Learner"})


def teaches(roles: list[str], role_map: Mapping[str, str]) -> bool:
    """Whether the LMS calls the person a teacher of the course.

    Roles of the course count alone; an administrator of the institution who has none there is let in as a teacher.
    ``role_map`` says of single roles, by exact name, whether they make a "teacher" or a "learner" here.
    """
    counted = [role for role in roles if role.startswith(_CONTEXT_ROLE) or role in _SHORT] or roles
    return any(role_map.get(role, "teacher" if role in TEACHERS else "learner") == "teacher" for role in counted)


def administers(roles: Sequence[Any]) -> bool:
    """Whether the LMS calls the person an administrator of the institution."""
    return any(role in ADMINISTRATORS for role in roles if isinstance(role, str))


def observes(roles: Sequence[str]) -> bool:
    """Whether the LMS calls the person a mentor of others in the course, as it does parents and advisers."""
    return bool(OBSERVERS & set(roles))


def speaks_for(host: str, issuer: str) -> bool:
    """Whether a platform at this host may register under this issuer."""
    domains = SHARED_ISSUERS.get(issuer, ())
    return host == urlsplit(issuer).hostname or any(host == name or host.endswith(f".{name}") for name in domains)


def audience(authorization_server: str | None) -> str | None:
    """The audience of our assertions that a platform names; none: its token endpoint."""
    is_address = authorization_server is not None and "://" in authorization_server
    return authorization_server if is_address else None


def status(given: int, body: bytes) -> int:
    """The status that was meant: too many requests are no refusal."""
    return TOO_MANY if given == 403 and b"Rate Limit Exceeded" in body[:500] else given


def score_extras(issuer: str) -> dict[str, Any]:
    """What a score has on this platform besides what the specification says."""
    return SCORE_OF_NO_SUBMISSION if issuer in CANVAS else {}


def ties_columns(issuer: str) -> bool:
    """Whether a new column may say which resource link it is about."""
    return issuer not in CANVAS


def registers_at(host: str, issuer: str) -> bool:
    """Whether tools of this issuer may be registered at this host."""
    return issuer in CANVAS or speaks_for(host, issuer)


def link_header(text: str) -> str:
    """A Link header as RFC 8288 writes it; it was read as Latin-1, whatever its bytes were."""
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode()
    return text.translate({0x201C: '"', 0x201D: '"'}).replace("&amp;", "&")


def custom(values: Any) -> dict[str, str]:
    """Custom parameters as texts, without those that came unresolved or as null."""
    if not isinstance(values, Mapping):
        return {}
    texts = {str(name): str(value) for name, value in values.items() if value is not None}
    return {name: value for name, value in texts.items() if not value.startswith("$")}
