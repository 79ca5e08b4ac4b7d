"""The services of the practice LMS: tokens for tools that sign their assertion, and rosters in pages."""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jwt
import requests
from flask import Flask, Response, jsonify, request

from lti_mentor.practice.registration import SCOPES, RegisteredTool
from lti_mentor.practice.world import LmsCourse

if TYPE_CHECKING:
    from lti_mentor.practice.lms import Lms

SECONDS = 3600
# End points that may have a bad day.
SERVICES = frozenset({"memberships", "lineitems", "lineitem", "add_lineitem", "add_score", "results"})
ROSTER = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
MEMBERSHIPS = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def add_services(app: Flask, lms: "Lms") -> None:
    @app.post("/token")
    def token() -> Response | tuple[Response, int]:
        lms.token_requests += 1
        if request.form.get("grant_type") != "client_credentials":
            return jsonify(error="unsupported_grant_type"), 400
        if not _is_asserted(lms, request.form):
            return jsonify(error="invalid_client"), 400
        granted = [scope for scope in request.form.get("scope", "").split() if scope in SCOPES]
        if not granted:
            return jsonify(error="invalid_scope"), 400
        value = secrets.token_urlsafe(24)
        lms.access_tokens[value] = frozenset(granted)
        return jsonify(access_token=value, token_type="Bearer", expires_in=SECONDS, scope=" ".join(granted))  # noqa: S106

    @app.before_request
    def on_a_bad_day() -> Response | None:
        """The services answer as the list says, one after the other, before they do their work again."""
        is_service = request.endpoint in SERVICES
        return lms.bad_answers.pop(0)() if is_service and lms.bad_answers else None

    @app.get("/courses/<course_id>/memberships")
    def memberships(course_id: str) -> Response | tuple[Response, int]:
        course = lms.world.course(course_id)
        if not may(lms, ROSTER):
            return jsonify(error="invalid_token"), 401
        if course is None:
            return jsonify(error="not_found"), 404
        lms.roster_requests += 1
        link_id = request.args.get("rlid")
        members = _listed(lms, course, link_id)
        if members is None:
            return jsonify(error="not_found"), 404
        limit = max(1, min(request.args.get("limit", 100, type=int), lms.most_members))
        first = request.args.get("from", 0, type=int)
        rows = [_member(lms, course, person_id) for person_id in members[first : first + limit]]
        body = {"id": request.url, "context": {"id": course.id, "label": course.label}, "members": rows}
        answer = jsonify(body)
        answer.content_type = MEMBERSHIPS
        if first + limit < len(members):
            following = f"{lms.world.issuer}/courses/{course.id}/memberships?limit={limit}&from={first + limit}"
            if link_id is not None and not lms.forgets_link:
                following += f"&rlid={quote(link_id)}"
            answer.headers["Link"] = f'<{following}>; rel="next"'
        return answer


def _listed(lms: "Lms", course: LmsCourse, link_id: str | None) -> list[str] | None:
    """Everybody, or those who can open the link of this id; none where the course has no such link."""
    if link_id in (None, f"{course.id}-mentoring"):
        return list(course.members)
    link = next((each for each in lms.links.get(course.id, []) if each.id == link_id), None)
    return lms.world.opening(course, link) if link is not None else None


def may(lms: "Lms", scope: str) -> bool:
    """Whether the call carries a token that was given for this scope."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return scope in lms.access_tokens.get(token, frozenset())


def _member(lms: "Lms", course: LmsCourse, person_id: str) -> dict[str, Any]:
    """In the shape a Moodle sends: short roles, and only active people."""
    person = lms.world.person(person_id)
    names = {"name": person.name, "email": person.email} if person else {}
    roles = [role.rpartition("#")[2] for role in course.members[person_id]]
    return {
        "status": "Active",
        "user_id": person_id,
        "roles": roles,
        **{name: value for name, value in names.items() if value is not None},
    }


def _is_asserted(lms: "Lms", form: Mapping[str, str]) -> bool:
    """Whether a registered tool signed this for us, and for the first time."""
    assertion = form.get("client_assertion", "")
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False})
        tool = lms.tools.get(claims.get("sub", ""))
        if form.get("client_assertion_type") != ASSERTION or tool is None or claims.get("iss") != tool.client_id:
            return False
        signed = jwt.decode(
            assertion,
            tool_key(tool, jwt.get_unverified_header(assertion).get("kid")),
            algorithms=["RS256"],
            audience=f"{lms.world.issuer}/token",
            options={"require": ["exp", "iat", "jti"]},
        )
    except (jwt.PyJWTError, requests.RequestException, LookupError):
        return False
    is_new = signed["jti"] not in lms.assertions
    lms.assertions.add(signed["jti"])
    return is_new


def tool_key(tool: RegisteredTool, kid: str | None) -> jwt.PyJWK:
    keys = jwt.PyJWKSet.from_dict(requests.get(tool.key_set_url, timeout=5).json()).keys
    return {key.key_id: key for key in keys}[kid]
