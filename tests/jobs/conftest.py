"""A tool, an organization of it, and a record store outside."""

import pytest
from sqlalchemy import select

from lti_mentor.activity import outside
from lti_mentor.activity.outside import TargetDraft
from lti_mentor.mentoring import organizations
from lti_mentor.tool import Tool
from lti_mentor.vault import Vault
from tests.support.old_statements import OLD
from tests.support.outside import peer
from xapi.rows import StoredStatement


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


@pytest.fixture
def store_outside(database, home, tool):
    """A target that statements wait for, and that nothing is sent to."""
    with database.transaction() as db:
        draft = TargetDraft(label="Warehouse", endpoint="https://lrs.example.org/xapi", key="k", secret="s")
        return outside.add(db, tool.vault, home, draft)


@pytest.fixture
def early(database, cast):
    """What the cast said is as old as everything that a test lets be old."""
    with database.transaction() as db:
        for row in db.scalars(select(StoredStatement)):
            row.stored -= OLD
