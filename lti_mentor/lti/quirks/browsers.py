"""Frames, cookies and the way back to a tab of its own."""

from lti_mentor.lti.quirks.quirk import UNKNOWN, Quirk

QUIRKS = (
    Quirk(
        "third_party_cookies",
        "Safari",
        "2023-03-09",
        "https://github.com/Cvmcosta/ltijs/issues/180",
        "In a frame of another site no cookie is kept, so the launch cannot show that it began in this browser.",
    ),
    Quirk(
        "partitioned_cookies",
        "Chrome",
        "2025-08-08",
        "https://github.com/Cvmcosta/ltijs/pull/266",
        "Where third-party cookies are off, a partitioned one is kept in the frame, and is not there in a new tab.",
    ),
    Quirk(
        "new_tab",
        "everywhere",
        "2024-12-13",
        "https://github.com/PrairieLearn/PrairieLearn/pull/10694",
        "Out of a frame that keeps nothing a button leads to a tab, and people press it again in the page they left.",
    ),
    Quirk(
        "no_single_way",
        "everywhere",
        "2026-09-09",
        "https://github.com/Cvmcosta/ltijs/issues/165",
        "Cookies, storage of the platform and tabs each fail somewhere: one has to be tried after the other.",
    ),
    Quirk(
        "insecure_cookies",
        "Chrome",
        "2020-01-29",
        "https://github.com/openequella/openEQUELLA/issues/1458",
        "SameSite=None without Secure is dropped, and nothing says so.",
    ),
    Quirk(
        "lost_cookies",
        "everywhere",
        "2024-12-18",
        "https://github.com/dmitry-viskov/pylti1.3-flask-example/issues/30",
        "Now and then a launch comes without the cookie of its login, and a reload brings a nonce that is used up.",
    ),
    Quirk(
        "replaced_csrf_cookie",
        "everywhere",
        "2019-09-17",
        "https://github.com/numbas/numbas-lti-provider/issues/63",
        "A launch in a second tab replaces the cookie that the forms of the first one are checked against.",
    ),
    Quirk(
        "shared_cookies",
        "everywhere",
        UNKNOWN,
        "https://github.com/bigbluebutton/bbb-app-rooms/pull/302",
        "Two launches in one browser get into each other's way where they share a cookie.",
    ),
    Quirk(
        "posted_again",
        "everywhere",
        "2026-09-10",
        "https://github.com/tsugiproject/tsugi/pull/250",
        "A reload restores the POST that a frame was opened with.",
    ),
    Quirk(
        "many_frames",
        "Schoology",
        "2024-04",
        "https://github.com/code-dot-org/code-dot-org/pull/57992",
        "Districts show courses at domains of their own: one fixed list of who may frame leaves frames blank.",
    ),
    Quirk(
        "storage_elsewhere",
        "Canvas",
        "2023-08-19",
        "https://canvas.instructure.com/doc/api/file.lti_window_post_message.html",
        "Storage answers at the origin of the log-in (sso.canvaslms.com) alone, in the frame that the login names.",
    ),
    Quirk(
        "login_required",
        "Canvas",
        "2021-06-24",
        "https://github.com/instructure/canvas-lms/issues/1900",
        "Its own cookie is blocked in its frame, so it does not know who is there and sends an error.",
    ),
    Quirk(
        "lax_session",
        "Moodle",
        "2026-05-21",
        "https://github.com/openwebwork/webwork2/issues/2982",
        "Its session is SameSite=Lax since 4.5.11: an authentication request that is posted comes without it.",
    ),
    Quirk(
        "bare_405",
        "Blackbaud",
        "2026-08-13",
        "https://github.com/RunestoneInteractive/rs/issues/1366",
        "A launch by GET ended in the words Method Not Allowed, with which nobody could do anything.",
    ),
)
