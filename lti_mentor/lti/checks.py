"""What a registration may say, whoever types it."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from lti_mentor.errors import Refused
from lti_mentor.lti.origins import origin

LONGEST = 2000  # characters of an address, an audience or a role


def check_address(name: str, url: str) -> None:
    """Raises Refused."""
    if origin(url) is None:
        raise Refused("platform.address", name=name)


def check_frame_ancestors(origins: Sequence[str]) -> None:
    """Raises Refused."""
    if any(origin(ancestor) is None or any(urlsplit(ancestor)[2:]) for ancestor in origins):
        raise Refused("platform.frame_ancestor")


def check_address_of_keys(url: str | None) -> None:
    """Raises Refused."""
    if url is not None and (origin(url) is None or len(url) > LONGEST or not url.isprintable()):
        raise Refused("platform.address_of_keys")


def check_pasted_keys(pasted: Sequence[dict[str, str]]) -> None:
    """Raises Refused."""
    if len(pasted) > 1 and len({key.get("kid", "") for key in pasted} - {""}) < len(pasted):
        raise Refused("key.without_id")
