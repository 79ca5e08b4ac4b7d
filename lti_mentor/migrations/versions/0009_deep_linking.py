"""Pickers and placed links"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "placed_links",
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("placed_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("\"kind\" IN ('home', 'program', 'certification')", name=op.f("ck_placed_links_kind")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_placed_links_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_placed_links")),
        sa.UniqueConstraint("organization_id", "key", name=op.f("uq_placed_links_organization_id_key")),
    )
    with op.batch_alter_table("placed_links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_placed_links_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "pickers",
        sa.Column("visit_key", sa.String(), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("context_id", sa.String(), nullable=True),
        sa.Column("return_url", sa.String(), nullable=False),
        sa.Column("data", sa.String(), nullable=True),
        sa.Column("accepts_several", sa.Boolean(), nullable=False),
        sa.Column("accepts_columns", sa.Boolean(), nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.Column("answered_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("expires_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name=op.f("fk_pickers_deployment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_pickers_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pickers")),
    )
    with op.batch_alter_table("pickers", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_pickers_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_pickers_organization_id"), ["organization_id"], unique=False)
