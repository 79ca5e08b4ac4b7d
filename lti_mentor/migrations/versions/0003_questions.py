"""Questions about evidence, answers that can be withdrawn"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("evidence", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_evidence_status"), type_="check")
        batch_op.create_check_constraint(
            batch_op.f("ck_evidence_status"), "\"status\" IN ('waiting', 'asked', 'accepted', 'returned')"
        )
    with op.batch_alter_table("reviews", schema=None) as batch_op:
        batch_op.add_column(sa.Column("statement_ids", sa.JSON(), nullable=False, server_default="[]"))
