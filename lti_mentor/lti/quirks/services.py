"""Rosters, columns, scores and results."""

from contextlib import suppress
from typing import Any

from lti_mentor.lti.quirks.platforms import is_canvas
from lti_mentor.lti.quirks.quirk import Quirk

QUIRKS = (
    Quirk(
        "rosters_cut_short",
        "everywhere",
        "2026-08",
        "https://github.com/CircuitVerse/CircuitVerse/pull/7779",
        "A list that ends early, or has no members in it, is no empty class: nobody may be gone by it.",
    ),
    Quirk(
        "pages_of_50",
        "Canvas",
        "2021-07-20",
        "https://github.com/microsoftarchive/Learn-LTI/issues/146",
        "A page of the roster has at most 50 people, whatever is asked for.",
    ),
    Quirk(
        "curly_links",
        "Moodle",
        "2026-11",
        "https://github.com/moodle/moodle/tree/MOODLE_405_STABLE/mod/lti/service/gradebookservices",
        "The Link header of line items has curly quotes and &amp; (a recording of 4.5.6).",
    ),
    Quirk(
        "rate_limits",
        "Canvas",
        "2025-10-08",
        "https://github.com/ucfopen/canvasapi/issues/704",
        "Too many calls were answered with 403 and Rate Limit Exceeded; since then with 429.",
    ),
    Quirk(
        "tokens_count",
        "Canvas",
        "2024-11-19",
        "https://github.com/numbas/numbas-lti-provider/issues/345",
        "Asking for a token with every score is what uses up the calls that are allowed.",
    ),
    Quirk(
        "new_submissions",
        "Canvas",
        "2023-02-03",
        "https://github.com/hypothesis/lms/issues/4973",
        "A score is a new submission and uses up an attempt, unless it says that it is none.",
    ),
    Quirk(
        "cleared_scores",
        "Canvas",
        "2026-09-21",
        "https://github.com/hypothesis/lms/pull/7471",
        "A score without a number takes the one there away unless preserve_score is sent with it, which we never do: "
        "only what shall be gone is told without one. Results of a foreign column are refused with 412.",
    ),
    Quirk(
        "only_graded",
        "Canvas, Moodle",
        "2026-11",
        "https://github.com/instructure/canvas-lms/blob/master/app/controllers/lti/ims/scores_controller.rb",
        "A number is taken away again when gradingProgress says that it may still change. It is said only of columns "
        "whose coordinator wants nobody to see a number before it is final.",
    ),
    Quirk(
        "late_scores",
        "Canvas",
        "2024-07-19",
        "https://github.com/Cvmcosta/ltijs/issues/229",
        "A score that comes after the due date counts as late unless it says when the work was handed in.",
    ),
    Quirk(
        "times_ahead",
        "Canvas",
        "2026-11",
        "https://github.com/instructure/canvas-lms/blob/master/app/controllers/lti/ims/scores_controller.rb",
        "submittedAt may be a minute ahead at most; Moodle and Open edX take it and do nothing with it.",
    ),
    Quirk(
        "query_in_columns",
        "Moodle",
        "2022-05-04",
        "https://github.com/hypothesis/lms/pull/3913",
        "Addresses of columns end in ?type_id=1, before which /scores belongs; media types have to be exact.",
    ),
    Quirk(
        "scopes_by_name",
        "Moodle",
        "2022-11-07",
        "https://github.com/dmitry-viskov/pylti1.3/pull/103",
        "Reading columns needs lineitem.readonly there, and lineitem where only that is offered.",
    ),
    Quirk(
        "no_new_columns",
        "Moodle",
        "2022-02-14",
        "https://github.com/dmitry-viskov/pylti1.3/issues/68",
        "An administrator may let a tool send scores and make no columns.",
    ),
    Quirk(
        "people_without_grades",
        "Moodle",
        "2022-09-28",
        "https://github.com/Cvmcosta/ltijs/issues/65",
        "A score of a teacher, a guest or a stranger is refused with 400.",
    ),
    Quirk(
        "nameless_callers",
        "Moodle",
        "2026-11",
        "https://github.com/hypothesis/lms/blob/main/lms/services/jwt.py",
        "Whoever asks without a User-Agent gets a 403.",
    ),
    Quirk(
        "times_with_a_zone",
        "Blackboard",
        "2020-04-07",
        "https://github.com/dmitry-viskov/pylti1.3/issues/14",
        "A time without a zone is an invalid date string.",
    ),
    Quirk(
        "times_with_fractions",
        "Schoology",
        "2023",
        "https://github.com/packbackbooks/lti-1-3-php-library/pull/104",
        "A time without parts of a second is refused.",
    ),
    Quirk(
        "paged_results",
        "Blackboard",
        "2026-11",
        "https://github.com/hypothesis/lms/blob/main/lms/services/lti_grading/_v13.py",
        "Launches name the list of columns and no column, and results come page by page.",
    ),
    Quirk(
        "not_enrolled",
        "Brightspace",
        "2026-11",
        "https://github.com/hypothesis/lms/blob/main/lms/services/lti_grading/_v13.py",
        "A score of somebody who left is refused with 403, or with 404 as if the column were gone.",
    ),
    Quirk(
        "tied_columns",
        "Open edX, Canvas, Moodle",
        "2026-11",
        "https://github.com/openedx/xblock-lti-consumer/blob/master/lti_consumer/signals/signals.py",
        "Open edX shows a score only of a column that names its component as resourceLinkId. Canvas shows the first "
        "column of a link alone, and answers 404 or 412 for one that is no assignment, so nothing is tied there. "
        "Moodle answers 403 for a link that is gone.",
    ),
)

SCORE_OF_NO_SUBMISSION = {"https://canvas.instructure.com/lti/submission": {"new_submission": False}}
TOO_MANY = 429


def status(given: int, body: bytes) -> int:
    """The status that was meant: too many requests are no refusal."""
    return TOO_MANY if given == 403 and b"Rate Limit Exceeded" in body[:500] else given


def score_extras(issuer: str, family: str | None) -> dict[str, Any]:
    """What a score has on this platform besides what the specification says."""
    return SCORE_OF_NO_SUBMISSION if is_canvas(issuer, family) else {}


def ties_columns(issuer: str, family: str | None) -> bool:
    """Whether a new column may say which resource link it is about.

    A new one alone, which is all that the specification says of it: a PUT writes the whole column. By one Sakai shows
    and counts a column again that a teacher had hidden, since its GET says neither (LineItemUtil), Canvas drops the id,
    and Open edX shows only what is told after (seen 2026-11).
    """
    return not is_canvas(issuer, family)


def link_header(text: str) -> str:
    """A Link header as RFC 8288 writes it; it was read as Latin-1, whatever its bytes were."""
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode()
    return text.translate({0x201C: '"', 0x201D: '"'}).replace("&amp;", "&")
