"""A tool, an organization of it, and a record store outside."""

import pytest

from lti_mentor.mentoring import organizations
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.support.outside import peer


@pytest.fixture
def tool(database, loaded_settings):
    return Tool(loaded_settings, database, Vault(loaded_settings.secret_key))


@pytest.fixture
def home(database):
    """The organization whose statements are delivered."""
    with database.transaction() as db:
        return organizations.named(db, "Home").id


@pytest.fixture
def warehouse(sqlite_template, tmp_path, loaded_settings):
    with peer(sqlite_template, tmp_path, loaded_settings) as found:
        yield found
