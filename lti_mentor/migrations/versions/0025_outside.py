"""What record stores outside get no more, which were removed, since when statements wait; delivery is no job now"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "xapi_withheld",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "seq"],
            ["xapi_statements.tenant", "xapi_statements.seq"],
            name=op.f("fk_xapi_withheld_tenant_seq"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "seq", name=op.f("pk_xapi_withheld")),
    )
    op.create_table(
        "xapi_former_targets",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("removed_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_xapi_former_targets")),
    )
    with op.batch_alter_table("xapi_outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("queued_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE xapi_outbox SET queued_at = (SELECT stored FROM xapi_statements WHERE"
        " xapi_statements.tenant = xapi_outbox.tenant AND xapi_statements.seq = xapi_outbox.seq)"
    )
    with op.batch_alter_table("xapi_outbox", schema=None) as batch_op:
        batch_op.alter_column("queued_at", existing_type=lti_mentor.db.UtcDateTime(timezone=True), nullable=False)
    with op.batch_alter_table("xapi_dead_letters", schema=None) as batch_op:
        batch_op.alter_column("status", existing_type=sa.Integer(), nullable=True)
    op.execute("DELETE FROM jobs WHERE kind = 'statements'")
