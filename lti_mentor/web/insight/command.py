"""A command that reads from the record store what a page shows."""

from collections.abc import Mapping
from urllib.parse import urlencode

from lti_mentor.web.tool import tool


def curl(parameters: Mapping[str, str]) -> str:
    query = f"?{urlencode(parameters)}" if parameters else ""
    address = f"{tool().settings.base_url}/xapi/statements{query}"
    return f"curl -u KEY:SECRET -H 'X-Experience-API-Version: 1.0.3' '{address}'"
