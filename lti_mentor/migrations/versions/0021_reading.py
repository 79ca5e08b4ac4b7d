"""When a worker last took a job, and how far an export is"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("claimed_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))

    op.create_table(
        "export_runs",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("form_key", sa.String(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_export_runs_organization_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_export_runs_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_runs")),
        sa.UniqueConstraint(
            "organization_id", "person_id", "form_key", name=op.f("uq_export_runs_organization_id_person_id_form_key")
        ),
    )
    with op.batch_alter_table("export_runs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_export_runs_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_export_runs_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_export_runs_person_id"), ["person_id"], unique=False)
