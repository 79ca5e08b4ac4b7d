"""A grade column says what it sends before a score is final, and a score how it was sent"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("grade_columns", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sends", sa.String(), nullable=False, server_default="as_it_stands"))
        batch_op.create_check_constraint(
            batch_op.f("ck_grade_columns_sends"), "\"sends\" IN ('as_it_stands', 'when_final')"
        )
    # Until now each score has been sent as final.
    with op.batch_alter_table("latest_scores", schema=None) as batch_op:
        batch_op.add_column(sa.Column("sent_pending", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("grade_columns", schema=None) as batch_op:
        batch_op.alter_column("sends", existing_type=sa.String(), server_default=None)
    with op.batch_alter_table("latest_scores", schema=None) as batch_op:
        batch_op.alter_column("sent_pending", existing_type=sa.Boolean(), server_default=None)
