"""Links to the administration, tests of connections, last launches"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "admin_links",
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("expires_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("used_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_admin_links_organization_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_admin_links_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admin_links")),
    )
    with op.batch_alter_table("admin_links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_admin_links_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_admin_links_secret_hash"), ["secret_hash"], unique=False)

    op.create_table(
        "connection_tests",
        sa.Column("platform_id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("leased_until", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("tried_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["platform_id"], ["platforms.id"], name=op.f("fk_connection_tests_platform_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("platform_id", name=op.f("pk_connection_tests")),
    )
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("last_launch_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
