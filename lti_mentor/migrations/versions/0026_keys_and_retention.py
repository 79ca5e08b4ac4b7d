"""Keys that end or are bound to an activity; statements that go because of their age"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("xapi_keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("activity", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("expires_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("last_used_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))

    op.create_table(
        "xapi_removed_statements",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("statement_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("timeless_digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "statement_id", name=op.f("pk_xapi_removed_statements")),
    )
    with op.batch_alter_table("xapi_references", schema=None) as batch_op:
        batch_op.create_index("ix_xapi_references_tenant_seq", ["tenant", "seq"], unique=False)
    op.create_table(
        "retention_rules",
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("whose", sa.String(), nullable=False),
        sa.Column("verb", sa.String(), nullable=True),
        sa.Column("profile", sa.String(), nullable=True),
        sa.Column("created_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("done_on", sa.Date(), nullable=True),
        sa.Column("looked_until", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("\"whose\" IN ('all', 'ours', 'others')", name=op.f("ck_retention_rules_whose")),
        sa.CheckConstraint("days > 0", name=op.f("ck_retention_rules_days")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_retention_rules_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_rules")),
    )
    with op.batch_alter_table("retention_rules", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_retention_rules_organization_id"), ["organization_id"], unique=False)
    with op.batch_alter_table("xapi_enclosures", schema=None) as batch_op:
        batch_op.create_index("ix_xapi_enclosures_tenant_sha2", ["tenant", "sha2"], unique=False)
