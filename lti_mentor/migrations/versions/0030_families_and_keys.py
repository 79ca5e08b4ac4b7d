"""What product a platform says it is, and when a key of the tool begins to sign"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("platforms", schema=None) as batch_op:
        batch_op.add_column(sa.Column("family", sa.String(), nullable=True))
    with op.batch_alter_table("tool_keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("signs_from", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
    # Until now each key has signed since it was made.
    op.execute("UPDATE tool_keys SET signs_from = created_at")
    with op.batch_alter_table("tool_keys", schema=None) as batch_op:
        batch_op.alter_column("signs_from", existing_type=lti_mentor.db.UtcDateTime(timezone=True), nullable=False)
        batch_op.drop_constraint(batch_op.f("ck_tool_keys_status"), type_="check")
        batch_op.drop_column("status")
