"""What single platforms need to be let in, and what counts how often somebody comes"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0014"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("platforms", schema=None) as batch_op:
        batch_op.add_column(sa.Column("pasted_keys", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("trusted_audiences", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("role_map", sa.JSON(), nullable=False, server_default="{}"))
        batch_op.add_column(sa.Column("leeway_seconds", sa.Integer(), nullable=True))
        batch_op.alter_column("jwks_uri", existing_type=sa.String(), nullable=True)
        batch_op.create_check_constraint(
            batch_op.f("ck_platforms_one_source_of_keys"), "(jwks_uri IS NULL) <> (pasted_keys IS NULL)"
        )
    with op.batch_alter_table("logins", schema=None) as batch_op:
        batch_op.add_column(sa.Column("caller_hash", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
        batch_op.create_index(
            "ix_logins_platform_id_created_at_caller_hash", ["platform_id", "created_at", "caller_hash"], unique=False
        )

    op.create_table(
        "attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("caller_hash", sa.String(), nullable=False),
        sa.Column("at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index("ix_attempts_kind_at_caller_hash", ["kind", "at", "caller_hash"], unique=False)
