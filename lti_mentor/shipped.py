"""Where the shipped folders ``templates/`` and ``config/`` are: inside a wheel, or beside the package in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """The folder of that name; the one inside the package wins, so a wheel never picks up a stranger's."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
