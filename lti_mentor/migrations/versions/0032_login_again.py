"""A login can begin once more in a tab, and features say themselves what can be placed in a course"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("logins", schema=None) as batch_op:
        batch_op.add_column(sa.Column("again", sa.String(), nullable=True))

    with op.batch_alter_table("placed_links", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_placed_links_kind"), type_="check")
