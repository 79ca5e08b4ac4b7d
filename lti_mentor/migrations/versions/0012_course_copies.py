"""Copies of courses, and what activities without content show"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

KINDS = "\"kind\" IN ('home', 'program', 'certification', 'goal')"


def upgrade() -> None:
    op.create_table(
        "course_copies",
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("original_id", sa.Uuid(), nullable=False),
        sa.Column("recognized_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("settled_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["course_id"], ["courses.id"], name=op.f("fk_course_copies_course_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["original_id"], ["courses.id"], name=op.f("fk_course_copies_original_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_course_copies_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course_copies")),
        sa.UniqueConstraint("organization_id", "course_id", name=op.f("uq_course_copies_organization_id_course_id")),
    )
    with op.batch_alter_table("course_copies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_course_copies_organization_id"), ["organization_id"], unique=False)

    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.alter_column("activity_iri", existing_type=sa.String(), nullable=True)

    with op.batch_alter_table("placed_links", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deployment_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("context_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("resource_link_id", sa.String(), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_placed_links_deployment_id"), "deployments", ["deployment_id"], ["id"], ondelete="SET NULL"
        )
        batch_op.create_unique_constraint(
            "uq_placed_links_of_activity", ["organization_id", "deployment_id", "resource_link_id"]
        )
        batch_op.drop_constraint(batch_op.f("ck_placed_links_kind"), type_="check")
        batch_op.create_check_constraint(batch_op.f("ck_placed_links_kind"), KINDS)

    with op.batch_alter_table("pickers", schema=None) as batch_op:
        batch_op.alter_column("return_url", existing_type=sa.String(), nullable=True)
        batch_op.add_column(sa.Column("resource_link_id", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("targets", sa.JSON(), nullable=False, server_default="[]"))
    with op.batch_alter_table("pickers", schema=None) as batch_op:
        batch_op.alter_column("targets", existing_type=sa.JSON(), server_default=None)
