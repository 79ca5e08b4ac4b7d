"""What everything that runs reaches for: the settings, the database and the vault of the running tool."""

from dataclasses import dataclass

from lti_mentor.db import Database
from lti_mentor.settings import Settings
from lti_mentor.vault import Vault


@dataclass(frozen=True)
class Tool:
    settings: Settings
    database: Database
    vault: Vault
