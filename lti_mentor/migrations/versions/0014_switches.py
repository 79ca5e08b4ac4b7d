"""What single platforms need to be let in"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("platforms", schema=None) as batch_op:
        batch_op.add_column(sa.Column("pasted_keys", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("trusted_audiences", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("role_map", sa.JSON(), nullable=False, server_default="{}"))
        batch_op.add_column(sa.Column("leeway_seconds", sa.Integer(), nullable=True))
        batch_op.alter_column("jwks_uri", existing_type=sa.String(), nullable=True)
        batch_op.create_check_constraint(
            batch_op.f("ck_platforms_one_source_of_keys"), "(jwks_uri IS NULL) <> (pasted_keys IS NULL)"
        )
