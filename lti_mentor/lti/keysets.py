"""The platform's public keys: pasted by an administrator, or fetched again when old or when a key is unknown."""

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate
from jwt.algorithms import RSAAlgorithm
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.db import Database, inserting
from lti_mentor.errors import LaunchError, PlatformError, Refused
from lti_mentor.lti import http
from lti_mentor.lti.http import Answer
from lti_mentor.lti.origins import is_https
from lti_mentor.lti.platforms import KeySet, Platform
from lti_mentor.settings import Settings

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
# What a platform says of how long its keys are good is taken between these two. A new key is found at once by its id,
# so they are about one that was withdrawn: it is believed for a day at the longest (Canvas says ten), and a platform
# that says nothing may be kept is asked by 12 launches an hour and not by each.
SHORTEST, LONGEST = timedelta(minutes=5), timedelta(hours=24)
LONGEST_WAIT = 3.0  # seconds for keys that another launch asks for
DIGITS = 9  # of seconds: decades, which a database can keep
SMALLEST = 2048  # bits of a pasted key


def verification_key(
    database: Database, settings: Settings, platform: Platform, kept: KeySet | None, kid: object
) -> Any:
    """The public key with this id. ``kept`` is what the database had when the launch was read. Raises LaunchError.

    A single pasted PEM has no name to choose it by, so whatever the platform calls it is let be.
    """
    pasted = platform.pasted_keys or []
    if len(pasted) == 1 and "kid" not in pasted[0]:
        return _parsed(pasted[0]["n"], pasted[0]["e"])
    if not isinstance(kid, str) or not kid:
        raise LaunchError("launch.no_key_id")
    if platform.jwks_uri is not None:
        return _published(database, settings, kept, platform.jwks_uri, kid, guarded=platform.is_https)
    for key in pasted:
        if key.get("kid") == kid:
            return _parsed(key["n"], key["e"])
    raise LaunchError("launch.unknown_key")


def _published(
    database: Database, settings: Settings, kept: KeySet | None, jwks_uri: str, kid: str, *, guarded: bool
) -> Any:
    now, kept = clock.now(), _believed(kept, guarded)
    fresh = kept is not None and now - kept.fetched_at < _good_for(kept, settings)
    found = _find(kept, kid)
    if found and fresh:
        return _parsed(*found)
    tried_just_now = kept is not None and now - kept.tried_at < timedelta(seconds=settings.key_retry_seconds)
    if not tried_just_now:
        kept = _fetch(database, settings, kept, jwks_uri, seconds=0 if found else LONGEST_WAIT, guarded=guarded)
        found = _find(kept, kid)
    if found is None:
        raise LaunchError("launch.unknown_key" if kept and kept.fetched_at > NEVER else "launch.no_keys")
    return _parsed(*found)


def _believed(kept: KeySet | None, guarded: bool) -> KeySet | None:
    """A platform of https believes no plain address that was asked for one of http, which may have the same."""
    if kept is None or not guarded or is_https(kept.jwks_uri) or kept.body.get("guarded"):
        return kept
    return None


def _good_for(kept: KeySet, settings: Settings) -> timedelta:
    if kept.max_age is None:
        return timedelta(minutes=settings.key_cache_minutes)
    return min(max(timedelta(seconds=kept.max_age), SHORTEST), LONGEST)


def _find(kept: KeySet | None, kid: str) -> tuple[str, str] | None:
    """Modulus and exponent of an RSA signing key."""
    for key in kept.body["keys"] if kept else ():
        if key.get("kid") == kid and _signs(key):
            return str(key["n"]), str(key["e"])
    return None


def _signs(key: Mapping[str, Any]) -> bool:
    fits = key.get("use") in (None, "sig") and key.get("alg") in (None, "RS256")
    return key.get("kty") == "RSA" and fits and isinstance(key.get("n"), str) and isinstance(key.get("e"), str)


def usable(body: Any) -> int:
    """How many keys of this answer a launch could be signed with."""
    return sum(1 for key in body["keys"] if key.get("kid") and _signs(key)) if _is_key_set(body) else 0


@lru_cache(maxsize=256)
def _parsed(n: str, e: str) -> Any:
    try:
        return jwt.PyJWK({"kty": "RSA", "n": n, "e": e}, algorithm="RS256").key
    except (jwt.PyJWTError, ValueError):
        raise LaunchError("launch.unknown_key", detail="the key is not usable") from None


_ASKING: dict[str, threading.Lock] = {}


def _fetch(
    database: Database, settings: Settings, kept: KeySet | None, jwks_uri: str, *, seconds: float, guarded: bool
) -> KeySet | None:
    """What the platform publishes now; of launches that come together one asks, the others take what it learned.

    They wait for it this long at most, then go on with what we had: one slow platform must not hold every thread.
    """
    asking = _ASKING.setdefault(jwks_uri, threading.Lock())
    if not asking.acquire(timeout=seconds):
        return kept
    try:
        with database.reading() as db:
            latest = _believed(db.get(KeySet, jwks_uri), guarded)
        if latest is not None and (kept is None or latest.tried_at > kept.tried_at):
            return latest
        return _ask(database, settings, latest, jwks_uri, guarded=guarded)
    finally:
        asking.release()


def _ask(database: Database, settings: Settings, kept: KeySet | None, jwks_uri: str, *, guarded: bool) -> KeySet | None:
    """What the platform publishes now; what we had when it does not answer well, unless that came in the clear."""
    try:
        answer = http.get(jwks_uri, settings, guarded=guarded)
        body = answer.json()
        usable = _is_key_set(body)
    except PlatformError as problem:
        usable = False
        kept = None if problem.reason == "platform.not_encrypted" else kept
    now = clock.now()
    with database.transaction() as db:
        if usable:
            values = {"body": {**_of_use(body), "guarded": guarded}, "fetched_at": now, "max_age": _max_age(answer)}
        elif kept is not None:
            values = {"body": kept.body, "fetched_at": kept.fetched_at, "max_age": kept.max_age}
        else:
            values = {"body": {"keys": [], "guarded": guarded}, "fetched_at": NEVER, "max_age": None}
        _keep(db, {"jwks_uri": jwks_uri, "tried_at": now, **values})
        return db.get(KeySet, jwks_uri) or kept


def _max_age(answer: Answer) -> int | None:
    """Seconds that the answer is good for from now (RFC 9111, 4.2); none when the platform does not say."""
    said = [each.strip().lower() for each in ",".join(answer.headers.get_all("Cache-Control", [])).split(",")]
    if "no-store" in said or "no-cache" in said:
        return 0
    ages = [each.partition("=")[2].strip(' "') for each in said if each.partition("=")[0].strip() == "max-age"]
    if not ages or not ages[0].isdecimal():
        return None
    spent = answer.headers.get("Age", "0").strip()
    return max(int(ages[0][:DIGITS]) - (int(spent[:DIGITS]) if spent.isdecimal() else 0), 0)


def _keep(db: Session, values: dict[str, Any]) -> None:
    """Insert or replace; several launches may fetch at the same moment."""
    rest = {name: value for name, value in values.items() if name != "jwks_uri"}
    db.execute(inserting(db, KeySet).values(values).on_conflict_do_update(index_elements=["jwks_uri"], set_=rest))


def _of_use(body: Mapping[str, Any]) -> dict[str, Any]:
    """The keys a launch could be signed with; whatever else an answer has, a database may not be able to keep."""
    named = [key for key in body["keys"] if _signs(key) and isinstance(key.get("kid"), str)]
    return {"keys": [{name: key[name] for name in ("kty", "kid", "n", "e")} for key in named]}


def _is_key_set(body: Any) -> bool:
    keys = body.get("keys") if isinstance(body, Mapping) else None
    return isinstance(keys, list) and all(isinstance(key, Mapping) for key in keys)


def read(text: str) -> list[dict[str, str]]:
    """The public keys in a PEM, a JWK or a JWK set, each as a JWK of just what is needed. Raises Refused."""
    if "PRIVATE KEY" in text:
        raise Refused("key.private")
    if "-----BEGIN" in text:
        return [_pem(text)]
    try:
        given = json.loads(text)
    except ValueError:
        raise Refused("key.unreadable") from None
    found = given.get("keys", [given]) if isinstance(given, Mapping) else None
    if not isinstance(found, list):
        raise Refused("key.unreadable")
    signing = [_jwk(key) for key in found if isinstance(key, Mapping) and _signs(key)]
    if not signing:
        raise Refused("key.unreadable")
    return signing


def _pem(text: str) -> dict[str, str]:
    try:
        if "BEGIN CERTIFICATE" in text:
            key: Any = load_pem_x509_certificate(text.encode()).public_key()
        else:
            key = serialization.load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise Refused("key.unreadable") from None
    _check_strength(key)
    written = RSAAlgorithm.to_jwk(key, as_dict=True)
    return {name: str(written[name]) for name in ("kty", "n", "e")}


def _jwk(given: Mapping[str, Any]) -> dict[str, str]:
    if "d" in given:
        raise Refused("key.private")
    try:
        _check_strength(_parsed(str(given["n"]), str(given["e"])))
    except LaunchError:
        raise Refused("key.unreadable") from None
    kid = given.get("kid")
    named = {"kid": kid} if isinstance(kid, str) and kid else {}
    return {"kty": "RSA", "n": str(given["n"]), "e": str(given["e"]), **named}


def _check_strength(key: Any) -> None:
    if not isinstance(key, RSAPublicKey) or key.key_size < SMALLEST:
        raise Refused("key.too_weak")
