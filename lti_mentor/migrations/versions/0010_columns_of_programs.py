"""A grade column belongs to a program; refused scores are tried again the next day"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("grade_columns", schema=None) as batch_op:
        batch_op.add_column(sa.Column("program_id", sa.Uuid(), nullable=True))
    _fill_program_id(op.get_bind())
    with op.batch_alter_table("grade_columns", schema=None) as batch_op:
        batch_op.alter_column("program_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.drop_constraint(
            batch_op.f("uq_grade_columns_organization_id_course_id_certification_id"), type_="unique"
        )
        batch_op.create_unique_constraint(
            "uq_grade_columns_one_of_a_program", ["organization_id", "program_id", "course_id", "certification_id"]
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_grade_columns_program_id"), "programs", ["program_id"], ["id"], ondelete="CASCADE"
        )
    with op.batch_alter_table("latest_scores", schema=None) as batch_op:
        batch_op.add_column(sa.Column("refused_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
        batch_op.drop_column("refused_value")
    with op.batch_alter_table("pickers", schema=None) as batch_op:
        batch_op.drop_column("context_id")


def _fill_program_id(connection: sa.Connection) -> None:
    """A program of the course; a column without one has nobody to show, and goes."""
    columns = sa.table("grade_columns", *(sa.column(name, sa.Uuid()) for name in ("id", "program_id", "course_id")))
    attached = sa.table("program_courses", *(sa.column(name, sa.Uuid()) for name in ("program_id", "course_id")))
    scores = sa.table("latest_scores", sa.column("column_id", sa.Uuid()))
    first = sa.select(attached.c.program_id).where(attached.c.course_id == columns.c.course_id).limit(1)
    connection.execute(columns.update().values(program_id=first.scalar_subquery()))
    gone = sa.select(columns.c.id).where(columns.c.program_id.is_(None))
    connection.execute(scores.delete().where(scores.c.column_id.in_(gone)))
    connection.execute(columns.delete().where(columns.c.program_id.is_(None)))
