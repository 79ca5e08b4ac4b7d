"""Who a platform is: issuers, clients, deployments, keys and how it registers."""

from lti_mentor.lti import origins
from lti_mentor.lti.quirks.quirk import Quirk

QUIRKS = (
    Quirk(
        "keys_rotated_hourly",
        "Brightspace",
        "2020-11-16",
        "https://github.com/oat-sa/lib-lti1p3-core/pull/68",
        "Keys change every hour, so a key that is not known has to be looked up however fresh the others are.",
    ),
    Quirk(
        "shared_issuers",
        "Canvas, Blackboard",
        "2021-09-14",
        "https://github.com/instructure/canvas-lms/issues/1935",
        "One issuer stands for all institutions of the cloud, and for self-hosted Canvases that left it as it was.",
    ),
    Quirk(
        "own_domains",
        "Canvas",
        "2026-11",
        "https://github.com/instructure/canvas-lms/blob/master/app/controllers/security_controller.rb",
        "Institutions of the cloud register tools at domains of their own, which the configuration names.",
    ),
    Quirk(
        "own_issuers",
        "Canvas",
        "2026-11",
        "https://github.com/instructure/canvas-lms/blob/master/app/controllers/security_controller.rb",
        "A self-hosted one may have an issuer of its own (lti_iss); its product_family_code says that it is a Canvas.",
    ),
    Quirk(
        "other_pages",
        "Canvas, Blackboard",
        "2026-04",
        "https://docs.anthology.com/docs/blackboard/lti/1.3/core/jwt-contents",
        "Courses are shown at neither issuer nor log-in; the launch names that address as the way back.",
    ),
    Quirk(
        "new_deployments",
        "Canvas",
        "2022-04-05",
        "https://github.com/Unicon/tool13demo/pull/28",
        "The login names no deployment, and a tool in a course, or a copy of it, is a new one.",
    ),
    Quirk(
        "deployments_are_tenants",
        "Blackboard",
        "2021-12-14",
        "https://github.com/Simon-Initiative/oli-torus/pull/1979",
        "Issuer and client are the same for everybody: the deployment alone is the institution.",
    ),
    Quirk(
        "one_audience",
        "Canvas",
        "2021-08-12",
        "https://github.com/instructure/canvas-lms/issues/1925",
        "Assertions are taken for the address of the token endpoint to the letter, without a slash at its end.",
    ),
    Quirk(
        "bare_servers",
        "Canvas",
        "2026-11",
        "https://github.com/instructure/canvas-lms/blob/master/doc/api/registration.md",
        "A bare host is named as authorization server, and is no audience that assertions are taken for.",
    ),
    Quirk(
        "audience_of_its_own",
        "Brightspace",
        "2022-04-08",
        "https://github.com/Simon-Initiative/lti_1p3/pull/10",
        "The audience of assertions is another address than the token endpoint, and two of them give a 500.",
    ),
    Quirk(
        "registration_wants_the_token",
        "Canvas",
        "2024-08-10",
        "https://github.com/instructure/canvas-lms/issues/2396",
        "The configuration is given to who brings the registration token; refusals are 422 with a list of errors.",
    ),
    Quirk(
        "no_registration_token",
        "Brightspace",
        "2026-06-05",
        "https://github.com/openwebwork/webwork2/pull/2993",
        "Registration comes without a token, and a deployment is made afterwards by hand.",
    ),
    Quirk(
        "complete_keys",
        "Canvas",
        "2020-07-06",
        "https://github.com/tsugiproject/tsugi/issues/82",
        "A key of a tool is taken only with alg and use.",
    ),
    Quirk(
        "keys_without_alg",
        "Brightspace",
        "2019-10-25",
        "https://github.com/1EdTech/lti-1-3-php-library/issues/34",
        "Its keys do not say their algorithm; of ours it wants the id in every answer of the picker.",
    ),
    Quirk(
        "exact_redirects",
        "Brightspace",
        "2026-11",
        "https://community.d2l.com/brightspace/kb/articles/23662-tool-registration-deployment-and-links",
        "Only the redirect address that was registered is taken, to the letter.",
    ),
    Quirk(
        "pasted_keys",
        "Avendoo",
        "2022-05-31",
        "https://github.com/dmitry-viskov/pylti1.3/issues/83",
        "Keys are exchanged by pasting them: the address of a key set is not taken.",
    ),
)

CANVAS = frozenset(f"https://canvas.{name}instructure.com" for name in ("", "beta.", "test."))
SHARED_ISSUERS = {
    **dict.fromkeys(CANVAS, ("instructure.com", "canvaslms.com")),
    "https://blackboard.com": ("blackboard.com",),
}
SHARED_CLIENTS = frozenset({"https://blackboard.com"})  # an unknown deployment is a stranger there


def speaks_for(host: str, issuer: str) -> bool:
    """Whether a platform at this host may register under this issuer."""
    return host == origins.host(issuer) or is_of_cloud(host, issuer)


def is_of_cloud(host: str, issuer: str) -> bool:
    """Whether the host belongs to the cloud that is the issuer of many institutions."""
    domains = SHARED_ISSUERS.get(issuer, ())
    return any(host == name or host.endswith(f".{name}") for name in domains)


def is_canvas(issuer: str, family: str | None) -> bool:
    return issuer in CANVAS or (family or "").casefold() == "canvas"


def registers_at(host: str, issuer: str) -> bool:
    """Whether tools of this issuer may be registered at this host."""
    return issuer in CANVAS or speaks_for(host, issuer)


def shows_elsewhere(issuer: str, family: str | None) -> bool:
    """Whether only a signed message says where the platform shows its courses."""
    return issuer in SHARED_ISSUERS or is_canvas(issuer, family) or (family or "").casefold() == "schoology"


def audience(authorization_server: str | None) -> str | None:
    """The audience of our assertions that a platform names; none: its token endpoint."""
    is_address = authorization_server is not None and "://" in authorization_server
    return authorization_server if is_address else None
