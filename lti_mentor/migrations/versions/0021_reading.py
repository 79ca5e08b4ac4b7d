"""When a worker last took a job"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("claimed_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
