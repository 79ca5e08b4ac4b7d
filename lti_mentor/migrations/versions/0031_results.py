"""When a platform was last asked what stands in a grade column"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("grade_columns", schema=None) as batch_op:
        batch_op.add_column(sa.Column("results_asked_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
