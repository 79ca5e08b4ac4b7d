"""Grade columns and latest scores"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "grade_columns",
        sa.Column("course_id", sa.Uuid(), nullable=False),
        sa.Column("certification_id", sa.String(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("lineitem_url", sa.String(), nullable=True),
        sa.Column("leased_until", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("retry_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("\"status\" IN ('open', 'closed')", name=op.f("ck_grade_columns_status")),
        sa.ForeignKeyConstraint(
            ["certification_id"], ["certifications.id"], name=op.f("fk_grade_columns_certification_id")
        ),
        sa.ForeignKeyConstraint(
            ["course_id"], ["courses.id"], name=op.f("fk_grade_columns_course_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_grade_columns_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grade_columns")),
        sa.UniqueConstraint(
            "organization_id",
            "course_id",
            "certification_id",
            name=op.f("uq_grade_columns_organization_id_course_id_certification_id"),
        ),
    )
    with op.batch_alter_table("grade_columns", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_grade_columns_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "latest_scores",
        sa.Column("column_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column("changed_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("sent_value", sa.Integer(), nullable=True),
        sa.Column("sent_complete", sa.Boolean(), nullable=False),
        sa.Column("sent_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("refused_value", sa.Integer(), nullable=True),
        sa.Column("problem", sa.String(), nullable=True),
        sa.Column("read_value", sa.Double(), nullable=True),
        sa.Column("read_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["column_id"], ["grade_columns.id"], name=op.f("fk_latest_scores_column_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_latest_scores_organization_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_latest_scores_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_latest_scores")),
        sa.UniqueConstraint(
            "organization_id",
            "column_id",
            "person_id",
            name=op.f("uq_latest_scores_organization_id_column_id_person_id"),
        ),
    )
    with op.batch_alter_table("latest_scores", schema=None) as batch_op:
        batch_op.create_index("ix_latest_scores_column_changed", ["column_id", "changed_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_latest_scores_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_latest_scores_person_id"), ["person_id"], unique=False)
