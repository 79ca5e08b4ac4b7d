"""How often statements were voided or removed, so that what they said can be remembered"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("xapi_heads", schema=None) as batch_op:
        batch_op.add_column(sa.Column("withdrawals", sa.BigInteger(), server_default="0", nullable=False))
    with op.batch_alter_table("xapi_heads", schema=None) as batch_op:
        batch_op.alter_column("withdrawals", server_default=None)
