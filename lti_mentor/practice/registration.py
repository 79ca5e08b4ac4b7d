"""The practice LMS as a platform that tools register with (Dynamic Registration 1.0)."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

if TYPE_CHECKING:
    from lti_mentor.practice.lms import Lms

TOOL = "https://purl.imsglobal.org/spec/lti-tool-configuration"
SCOPES = (
    "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly",
    "https://purl.imsglobal.org/spec/lti-ags/scope/lineitem",
    "https://purl.imsglobal.org/spec/lti-ags/scope/result.readonly",
    "https://purl.imsglobal.org/spec/lti-ags/scope/score",
)
VARIABLES = ("Context.id.history", "ResourceLink.id.history", "Person.address.timezone")
CLAIMS = ("iss", "sub", "name", "email")


@dataclass(frozen=True)
class RegisteredTool:
    """A tool that may be launched."""

    client_id: str
    deployment_id: str | None  # none: that of the course
    name: str
    login_url: str
    launch_url: str
    key_set_url: str
    custom: Mapping[str, str] = field(default_factory=dict)  # for every launch


def add_registration(app: Flask, lms: "Lms") -> None:
    @app.get("/.well-known/openid-configuration")
    def openid_configuration() -> Response:
        issuer = lms.world.issuer
        return jsonify(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "jwks_uri": f"{issuer}/jwks",
                "registration_endpoint": f"{issuer}/register",
                "scopes_supported": ["openid", *SCOPES],
                "claims_supported": list(CLAIMS),
                "https://purl.imsglobal.org/spec/lti-platform-configuration": {
                    "product_family_code": "practice",
                    "version": "1",
                    "messages_supported": [
                        {"type": "LtiResourceLinkRequest", "placements": ["course_navigation"]},
                        {"type": "LtiDeepLinkingRequest", "placements": ["link_selection"]},
                        {"type": "LtiSubmissionReviewRequest"},
                        {"type": "DataPrivacyLaunchRequest"},
                    ],
                    "variables": list(VARIABLES),
                },
            }
        )

    @app.post("/register")
    def register() -> AnyResponse | tuple[Response, int]:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in lms.registration_tokens:
            return jsonify(error="invalid_token"), 401
        problem = _problem(request.get_json(silent=True))
        if problem:
            return jsonify(error="invalid_client_metadata", error_description=problem), 400
        lms.registration_tokens.discard(token)
        return jsonify(_registered(lms, request.get_json()))

    @app.get("/tools")
    def tools() -> str:
        return render_template("tools.html", tools=lms.tools.values(), frame=None)

    @app.post("/tools")
    def add_tool() -> AnyResponse | str:
        address = request.form.get("address", "").strip()
        if urlsplit(address).scheme not in ("http", "https"):
            return redirect(url_for("tools"), 303)
        token = secrets.token_urlsafe(16)
        lms.registration_tokens.add(token)
        given = {
            "openid_configuration": f"{lms.world.issuer}/.well-known/openid-configuration",
            "registration_token": token,
        }
        frame = f"{address}{'&' if '?' in address else '?'}{urlencode(given)}"
        return render_template("tools.html", tools=lms.tools.values(), frame=frame)


def _problem(given: Any) -> str | None:
    """What a strict platform does not take."""
    tool = given.get(TOOL) if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or not isinstance(tool, Mapping):
        return "The tool configuration is missing."
    needed = ("client_name", "initiate_login_uri", "redirect_uris", "jwks_uri", "scope")
    missing = [name for name in needed if not given.get(name)]
    if missing:
        return f"{missing[0]} is missing."
    if given.get("application_type") != "web" or "id_token" not in given.get("response_types", ()):
        return "Only web tools with id_token are registered."
    if given.get("token_endpoint_auth_method") != "private_key_jwt":
        return "Only private_key_jwt is accepted."
    if set(given["scope"].split()) - set(SCOPES) or set(tool.get("claims", ())) - set(CLAIMS):
        return "A scope or a claim is not supported."
    if urlsplit(tool.get("target_link_uri", "")).netloc != tool.get("domain"):
        return "domain_targetlinkuri_mismatch"
    if {str(value).removeprefix("$") for value in tool.get("custom_parameters", {}).values()} - set(VARIABLES):
        return "A variable is not supported."
    return None


def _registered(lms: "Lms", given: Mapping[str, Any]) -> dict[str, Any]:
    """A tool of this domain that is known is brought up to date under the same ids."""
    launch_url = given["redirect_uris"][0]
    known = next((tool for tool in lms.tools.values() if tool.launch_url == launch_url and tool.deployment_id), None)
    client_id = known.client_id if known else secrets.token_hex(8)
    deployment_id = str(known.deployment_id if known else 100 + len(lms.tools))
    lms.tools[client_id] = RegisteredTool(
        client_id,
        deployment_id,
        given["client_name"],
        given["initiate_login_uri"],
        launch_url,
        given["jwks_uri"],
        given[TOOL].get("custom_parameters", {}),
    )
    return {**given, "client_id": client_id, TOOL: {**given[TOOL], "deployment_id": deployment_id}}
