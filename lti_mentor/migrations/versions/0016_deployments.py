"""Deployments that wait, and the platform that a visit came from"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("status", sa.String(), nullable=False, server_default="active"))
        batch_op.alter_column("organization_id", existing_type=sa.Uuid(), nullable=True)
        batch_op.create_check_constraint(
            batch_op.f("ck_deployments_status"), "\"status\" IN ('pending', 'active', 'refused')"
        )
        batch_op.create_check_constraint(
            batch_op.f("ck_deployments_active_of_an_organization"),
            "(status = 'active') = (organization_id IS NOT NULL)",
        )
    with op.batch_alter_table("visits", schema=None) as batch_op:
        batch_op.add_column(sa.Column("platform_id", sa.Uuid(), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_visits_platform_id"), "platforms", ["platform_id"], ["id"], ondelete="SET NULL"
        )
    # Visits that are open now; one without a course ends with its time.
    op.execute(
        "UPDATE visits SET platform_id = (SELECT deployments.platform_id FROM courses JOIN deployments"
        " ON deployments.id = courses.deployment_id WHERE courses.id = visits.course_id)"
    )
