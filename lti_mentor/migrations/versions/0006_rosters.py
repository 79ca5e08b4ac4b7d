"""Services of a context, and rosters"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "context_services",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("context_id", sa.String(), nullable=False),
        sa.Column("memberships_url", sa.String(), nullable=True),
        sa.Column("lineitems_url", sa.String(), nullable=True),
        sa.Column("grade_scopes", sa.JSON(), nullable=False),
        sa.Column("roster_asked_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("roster_read_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("roster_people", sa.Integer(), nullable=False),
        sa.Column("roster_differences_url", sa.String(), nullable=True),
        sa.Column("roster_leased_until", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("roster_problem", sa.String(), nullable=True),
        sa.Column("roster_failures", sa.Integer(), nullable=False),
        sa.Column("roster_retry_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"], ["deployments.id"], name=op.f("fk_context_services_deployment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_context_services_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_context_services")),
        sa.UniqueConstraint(
            "organization_id",
            "deployment_id",
            "context_id",
            name=op.f("uq_context_services_organization_id_deployment_id_context_id"),
        ),
    )
    with op.batch_alter_table("context_services", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_context_services_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index("ix_context_services_roster_read_at", ["roster_read_at"], unique=False)

    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.add_column(sa.Column("listed_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("left_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
        batch_op.alter_column("seen_at", existing_type=sa.DATETIME(), nullable=True)
