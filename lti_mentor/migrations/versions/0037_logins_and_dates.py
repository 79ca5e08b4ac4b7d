"""Logins are limited by no login hint, and of a shared client by institution; when a course begins and ends"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("logins", schema=None) as batch_op:
        batch_op.drop_column("caller_hash")
        batch_op.add_column(sa.Column("institution", sa.String(), nullable=False, server_default=""))
        batch_op.drop_index("ix_logins_platform_id_used_at")
        batch_op.create_index(
            "ix_logins_platform_id_institution_used_at", ["platform_id", "institution", "used_at"], unique=False
        )
    with op.batch_alter_table("logins", schema=None) as batch_op:
        batch_op.alter_column("institution", existing_type=sa.String(), server_default=None)

    with op.batch_alter_table("courses", schema=None) as batch_op:
        batch_op.add_column(sa.Column("begins_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("ends_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
