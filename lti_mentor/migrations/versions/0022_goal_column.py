"""A grade column without a certification shows goals; a score may wait to be counted, and be none"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("grade_columns", schema=None) as batch_op:
        batch_op.alter_column("certification_id", existing_type=sa.String(), nullable=True)
        batch_op.create_index(
            "uq_grade_columns_goals_of_a_program",
            ["organization_id", "program_id", "course_id"],
            unique=True,
            sqlite_where=sa.text("certification_id IS NULL"),
            postgresql_where=sa.text("certification_id IS NULL"),
        )
    with op.batch_alter_table("latest_scores", schema=None) as batch_op:
        batch_op.alter_column("value", existing_type=sa.Integer(), nullable=True)
        batch_op.add_column(sa.Column("is_stale", sa.Boolean(), nullable=False, server_default=sa.false()))
