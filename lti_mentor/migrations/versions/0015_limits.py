"""What limits count: logins that wait for their launch by address, visits of a person by time"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("logins", schema=None) as batch_op:
        batch_op.add_column(sa.Column("address_hash", sa.String(), nullable=True))
        batch_op.drop_index("ix_logins_platform_id_created_at_caller_hash")
        batch_op.create_index("ix_logins_platform_id_used_at", ["platform_id", "used_at"], unique=False)
        batch_op.create_index(
            "ix_logins_waiting",
            ["platform_id", "address_hash", "created_at"],
            unique=False,
            sqlite_where=sa.text("used_at IS NULL"),
            postgresql_where=sa.text("used_at IS NULL"),
        )
    with op.batch_alter_table("visits", schema=None) as batch_op:
        batch_op.drop_index("ix_visits_person_id")
        batch_op.create_index("ix_visits_person_id_opened_at", ["person_id", "opened_at"], unique=False)
