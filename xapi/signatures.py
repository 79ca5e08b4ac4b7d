"""Signed statements (Part Two, 2.6): a JSON web signature over the statement, sent along as an attachment."""

import base64
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import RSAAlgorithm

from xapi import equality, strict, validation
from xapi.errors import InvalidStatement
from xapi.facets import Statement

USAGE = "http://adlnet.gov/expapi/attachments/signature"
ALGORITHMS = ("RS256", "RS384", "RS512")
_SECTION = "Part Two, 2.6"


def check(statement: Statement, contents: Mapping[str, bytes], version: str) -> None:
    """Whether each signature of the statement is one over it. Raises InvalidStatement.

    Whom the certificate belongs to is not looked into: the specification leaves that to whoever reads the statement.
    """
    for place, attachment in enumerate(statement.get("attachments", ())):
        if attachment["usageType"] == USAGE:
            path, content = f"attachments[{place}]", contents.get(attachment["sha2"].lower())
            whole = _opened(attachment, content, path)
            if not _says_the_same(whole["payload"], statement, version):
                raise InvalidStatement(path, "It has been made over another statement.", _SECTION)


def _opened(attachment: dict[str, Any], content: bytes | None, path: str) -> dict[str, Any]:
    """The signature with its header and what it is over, which it fits."""
    if attachment["contentType"] != "application/octet-stream":
        raise InvalidStatement(f"{path}.contentType", "Of a signature it is application/octet-stream.", _SECTION)
    if content is None:
        raise InvalidStatement(path, "A signature comes along as a part of the message.", _SECTION)
    try:
        whole = jwt.api_jws.decode_complete(content, options={"verify_signature": False})
        whole["payload"] = strict.parsed(whole["payload"])
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise InvalidStatement(path, "It has to be a JSON web signature over a statement.", _SECTION) from None
    if whole["header"].get("alg") not in ALGORITHMS:
        raise InvalidStatement(path, "It has to be signed with RS256, RS384 or RS512.", _SECTION)
    if "x5c" in whole["header"]:
        _verify(content, whole, path)
    return whole


def _says_the_same(payload: Any, statement: Statement, version: str) -> bool:
    signed = validation.checked(payload, version)
    if "id" in signed and signed["id"].lower() != statement.get("id", signed["id"]).lower():
        return False
    return equality.digest(signed) == equality.digest(statement)


def _verify(content: bytes, whole: dict[str, Any], path: str) -> None:
    """By the first certificate of the chain."""
    try:
        key = x509.load_der_x509_certificate(base64.b64decode(whole["header"]["x5c"][0])).public_key()
        algorithm = RSAAlgorithm(getattr(RSAAlgorithm, whole["header"]["alg"].replace("RS", "SHA")))
        signed = content.strip().rpartition(b".")[0]
        fits = isinstance(key, RSAPublicKey) and algorithm.verify(signed, key, whole["signature"])
    except (ValueError, TypeError, IndexError, KeyError, UnsupportedAlgorithm, x509.InvalidVersion):
        fits = False
    if not fits:
        raise InvalidStatement(path, "The certificate in it does not fit its signature.", _SECTION)
