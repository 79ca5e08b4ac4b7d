"""Accounts of people who were erased, so that no list of people brings them back"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erased_accounts",
        sa.Column("account_hash", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_erased_accounts_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erased_accounts")),
        sa.UniqueConstraint(
            "organization_id", "account_hash", name=op.f("uq_erased_accounts_organization_id_account_hash")
        ),
    )
    with op.batch_alter_table("erased_accounts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_erased_accounts_organization_id"), ["organization_id"], unique=False)
