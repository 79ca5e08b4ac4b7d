"""Names and Roles Provisioning 2.0: the members of a context, or those who can open one link, page by page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from lti_mentor.errors import PlatformError
from lti_mentor.lti import quirks, texts
from lti_mentor.lti.platforms import Platform
from lti_mentor.lti.services import Service, with_query
from lti_mentor.tool import Tool

SCOPE = "https://purl.imsglobal.org/spec/lti-nrps/scope/contextmembership.readonly"
MEDIA_TYPE = "application/vnd.ims.lti-nrps.v2.membershipcontainer+json"
PER_PAGE = 500  # asked for; a platform may send fewer, and what it sends more is the next page


@dataclass(frozen=True)
class Listed:
    """A member. ``is_active`` is false for those who are suspended or gone."""

    subject: str
    name: str | None
    email: str | None
    teaches: bool
    is_active: bool


@dataclass(frozen=True)
class RosterPage:
    members: tuple[Listed, ...]
    differences_url: str | None  # on the last page: where the changes after this reading can be had
    next_url: str | None  # none on the last page; of one that was taken apart its own, on all parts but the last
    goes_on: bool  # this is a part of what was sent, and another one follows
    is_readable: bool  # false: somebody on it could not be made out, so who is missing is not known


def read(
    tool: Tool, platform: Platform, url: str, *, until: datetime, link_id: str | None = None
) -> Iterator[RosterPage]:
    """Every page; with the id of a link only those whom the platform lets open it (``rlid``).

    Raises PlatformError for one without a list of members, which is no empty course, and when there are more after
    ``until``.
    """
    yield from read_on(tool, platform, with_query(url, "limit", str(PER_PAGE)), until=until, link_id=link_id)


def read_on(
    tool: Tool, platform: Platform, url: str, *, until: datetime, link_id: str | None = None
) -> Iterator[RosterPage]:
    """The same from a page on, whose address is the platform's and taken as it is."""
    service = Service(tool, platform, (SCOPE,))
    only = ("rlid", quote(link_id, safe="")) if link_id is not None else None
    for page in service.pages(url, accept=MEDIA_TYPE, until=until, only=only):
        members = page.body.get("members") if isinstance(page.body, Mapping) else None
        if not isinstance(members, list):
            raise PlatformError("platform.no_members")
        found = tuple(listed for each in members if (listed := _listed(each, platform.role_map)))
        for first in range(0, len(found) or 1, PER_PAGE):  # some send a whole course: too much for one query
            part, goes_on = found[first : first + PER_PAGE], first + PER_PAGE < len(found)
            next_url = page.url if goes_on else page.following
            yield RosterPage(part, page.differences, next_url, goes_on, is_readable=len(found) == len(members))


def _listed(member: Any, role_map: Mapping[str, str]) -> Listed | None:
    """None for somebody without a usable id: nobody could ever launch as them."""
    if not isinstance(member, Mapping):
        return None
    subject = texts.as_id(member.get("user_id"))
    if subject is None:
        return None
    roles = member.get("roles")
    roles = [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else []
    return Listed(
        subject,
        texts.full_name(member),
        texts.shown(member.get("email")),
        quirks.teaches(roles, role_map),
        str(member.get("status")).rpartition("#")[2].lower() not in ("inactive", "deleted"),
    )
