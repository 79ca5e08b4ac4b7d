"""The profile that our statements follow: ``config/profile.jsonld``, as text, as JSON and ready to check with."""

import json
from functools import cache
from typing import Any

from lti_mentor import shipped
from xapi import profile


@cache
def text() -> str:
    return (shipped.folder("config") / "profile.jsonld").read_text(encoding="utf-8")


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text())
    return found


@cache
def ours() -> profile.Profile:
    return profile.read(document())
