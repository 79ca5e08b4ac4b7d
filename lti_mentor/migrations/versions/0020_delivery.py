"""Delivery of statements to record stores outside"""

from typing import Any

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("xapi_heads", schema=None) as batch_op:
        batch_op.add_column(sa.Column("targets", sa.Integer(), nullable=False, server_default="0"))

    op.create_table(
        "xapi_targets",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("token_endpoint", sa.Text(), nullable=True),
        sa.Column("scope", sa.String(), nullable=True),
        sa.Column("verbs", sa.JSON(), nullable=False),
        sa.Column("activities", sa.JSON(), nullable=False),
        sa.Column("profiles", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("created_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("queue_from", sa.BigInteger(), nullable=False),
        sa.Column("queued_seq", sa.BigInteger(), nullable=False),
        sa.Column("queue_until", sa.BigInteger(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("leased_until", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("retry_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("failed_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('new', 'active', 'paused', 'refused')", name=op.f("ck_xapi_targets_status")),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_xapi_targets")),
    )
    with op.batch_alter_table("xapi_targets", schema=None) as batch_op:
        batch_op.create_index("uq_xapi_targets_tenant_label", ["tenant", "label"], unique=True)

    _create_letters("xapi_outbox")
    _create_letters(
        "xapi_dead_letters",
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
    )


def _create_letters(name: str, *columns: sa.Column[Any]) -> None:
    """A statement and the target it is for."""
    op.create_table(
        name,
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        *columns,
        sa.ForeignKeyConstraint(
            ["tenant", "target_id"],
            ["xapi_targets.tenant", "xapi_targets.id"],
            name=op.f(f"fk_{name}_tenant_target_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "seq"],
            ["xapi_statements.tenant", "xapi_statements.seq"],
            name=op.f(f"fk_{name}_tenant_seq"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "target_id", "seq", name=op.f(f"pk_{name}")),
    )
    with op.batch_alter_table(name, schema=None) as batch_op:
        batch_op.create_index(f"ix_{name}_tenant_seq", ["tenant", "seq"], unique=False)
