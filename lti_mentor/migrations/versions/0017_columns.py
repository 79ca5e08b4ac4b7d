"""The ids under which platforms launch what was placed; how long keys are good; addresses seen for copied items"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "launched_links",
        sa.Column("placed_link_id", sa.Uuid(), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("context_id", sa.String(), nullable=False),
        sa.Column("resource_link_id", sa.String(), nullable=False),
        sa.Column("launched_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name=op.f("fk_launched_links_deployment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_launched_links_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["placed_link_id"], ["placed_links.id"], name=op.f("fk_launched_links_placed_link_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_launched_links")),
        sa.UniqueConstraint(
            "organization_id",
            "deployment_id",
            "context_id",
            "placed_link_id",
            name="uq_launched_links_of_context",
        ),
    )
    with op.batch_alter_table("launched_links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_launched_links_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_launched_links_placed_link_id"), ["placed_link_id"], unique=False)
    with op.batch_alter_table("key_sets", schema=None) as batch_op:
        batch_op.add_column(sa.Column("max_age", sa.Integer(), nullable=True))
    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.add_column(sa.Column("seen_iri", sa.String(), nullable=True))
