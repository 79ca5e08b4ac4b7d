"""What every view reaches for: the settings, the database and the vault of the running tool."""

from dataclasses import dataclass
from typing import cast

from flask import current_app

from lti_mentor.db import Database
from lti_mentor.settings import Settings
from lti_mentor.vault import Vault


@dataclass(frozen=True)
class Tool:
    settings: Settings
    database: Database
    vault: Vault


def tool() -> Tool:
    """The tool of the current request."""
    return cast(Tool, current_app.extensions["lti_mentor"])
