"""The id_tokens of the practice LMS, and its key set."""

import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from lti_mentor.practice.world import LmsCourse, LmsPerson, World

CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
GRADES = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"


class SigningKey:
    """An RSA key with its id."""

    def __init__(self) -> None:
        self.kid = uuid.uuid4().hex
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwk(self) -> dict[str, Any]:
        public: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "alg": "RS256", "use": "sig"}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        return jwt.encode(claims, self.private, algorithm="RS256", headers={"kid": self.kid, **header})


def claims(
    world: World, person: LmsPerson, course: LmsCourse, *, nonce: str, target: str | None = None
) -> dict[str, Any]:
    """What a launch from the course says, in the shape a Moodle sends."""
    now = int(time.time())
    names = {"name": person.name, "email": person.email}
    return {
        "iss": world.issuer,
        "aud": world.client_id,
        "sub": person.id,
        "iat": now,
        "exp": now + 60,
        "nonce": nonce,
        **{name: value for name, value in names.items() if value is not None},
        f"{CLAIM}version": "1.3.0",
        f"{CLAIM}message_type": "LtiResourceLinkRequest",
        f"{CLAIM}deployment_id": course.deployment_id,
        f"{CLAIM}target_link_uri": target or world.launch_url,
        f"{CLAIM}context": {
            "id": course.id,
            "label": course.label,
            "title": course.title,
            "type": ["http://purl.imsglobal.org/vocab/lis/v2/course#CourseSection"],
        },
        f"{CLAIM}resource_link": {"id": f"{course.id}-mentoring", "title": "Mentoring", "description": ""},
        f"{CLAIM}roles": course.members.get(person.id, []),
        **({f"{CLAIM}role_scope_mentor": course.observed[person.id]} if person.id in course.observed else {}),
        f"{CLAIM}custom": dict(course.custom),
        f"{CLAIM}launch_presentation": {
            "locale": person.locale,
            "document_target": "iframe",
            "return_url": f"{world.issuer}/as/{person.id}/courses/{course.id}",
        },
        "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice": {
            "context_memberships_url": f"{world.issuer}/courses/{course.id}/memberships",
            "service_versions": ["2.0"],
        },
        GRADES: {
            "lineitems": f"{world.issuer}/courses/{course.id}/lineitems",
            "scope": [
                f"https://purl.imsglobal.org/spec/lti-ags/scope/{name}"
                for name in ("lineitem", "result.readonly", "score")
            ],
        },
        f"{CLAIM}tool_platform": {"guid": "practice", "product_family_code": "practice", "name": "Practice LMS"},
    }
