"""Who can open what was placed in a course, where somebody asked"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("launched_links", schema=None) as batch_op:
        batch_op.add_column(sa.Column("title", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("people_asked_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("people_read_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("people_so_far", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("people_problem", sa.String(), nullable=True))
    op.create_table(
        "link_members",
        sa.Column("launched_link_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("listed_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["launched_link_id"],
            ["launched_links.id"],
            name=op.f("fk_link_members_launched_link_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_link_members_organization_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_link_members_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_members")),
        sa.UniqueConstraint(
            "organization_id",
            "launched_link_id",
            "person_id",
            name=op.f("uq_link_members_organization_id_launched_link_id_person_id"),
        ),
    )
    with op.batch_alter_table("link_members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_link_members_launched_link_id"), ["launched_link_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_link_members_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_link_members_person_id"), ["person_id"], unique=False)
