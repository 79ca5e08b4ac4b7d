"""The services of the practice LMS: tokens for tools that sign their assertion (Security Framework 4.1)."""

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

import jwt
import requests
from flask import Flask, Response, jsonify, request

from lti_mentor.practice.registration import SCOPES, RegisteredTool

if TYPE_CHECKING:
    from lti_mentor.practice.lms import Lms

SECONDS = 3600
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
            _key(tool, jwt.get_unverified_header(assertion).get("kid")),
            algorithms=["RS256"],
            audience=f"{lms.world.issuer}/token",
            options={"require": ["exp", "iat", "jti"]},
        )
    except (jwt.PyJWTError, requests.RequestException, LookupError):
        return False
    is_new = signed["jti"] not in lms.assertions
    lms.assertions.add(signed["jti"])
    return is_new


def _key(tool: RegisteredTool, kid: str | None) -> jwt.PyJWK:
    keys = jwt.PyJWKSet.from_dict(requests.get(tool.key_set_url, timeout=5).json()).keys
    return {key.key_id: key for key in keys}[kid]
