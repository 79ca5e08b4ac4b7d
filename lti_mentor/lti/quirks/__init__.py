"""What single platforms do differently: each with the day it was seen and its source, beside the code that answers it.

Most are answered by how the tool works everywhere. Tests replay each one: ``pytest.mark.quirk`` names it.
"""

from lti_mentor.lti.quirks import browsers, launches, links, platforms, services
from lti_mentor.lti.quirks.launches import administers, custom, may_place, observes, teaches
from lti_mentor.lti.quirks.platforms import (
    SHARED_CLIENTS,
    SHARED_ISSUERS,
    audience,
    is_of_cloud,
    registers_at,
    shows_elsewhere,
    speaks_for,
)
from lti_mentor.lti.quirks.services import TOO_MANY, link_header, score_extras, status, ties_columns

__all__ = [
    "ALL",
    "SHARED_CLIENTS",
    "SHARED_ISSUERS",
    "TOO_MANY",
    "administers",
    "audience",
    "custom",
    "is_of_cloud",
    "link_header",
    "may_place",
    "observes",
    "registers_at",
    "score_extras",
    "shows_elsewhere",
    "speaks_for",
    "status",
    "teaches",
    "ties_columns",
]

ALL = (*browsers.QUIRKS, *launches.QUIRKS, *platforms.QUIRKS, *services.QUIRKS, *links.QUIRKS)
