"""Keys that end or are bound to an activity"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0027"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("xapi_keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("activity", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("expires_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("last_used_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
