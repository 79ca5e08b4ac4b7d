"""How often what is known of activities has changed, so that it can be remembered"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("xapi_heads", schema=None) as batch_op:
        batch_op.add_column(sa.Column("definitions", sa.BigInteger(), server_default="0", nullable=False))
    with op.batch_alter_table("xapi_heads", schema=None) as batch_op:
        batch_op.alter_column("definitions", server_default=None)
