"""Documents and definitions of activities in the record store"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "xapi_activities",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("iri", sa.Text(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "iri", name=op.f("pk_xapi_activities")),
    )

    op.create_table(
        "xapi_documents",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("place", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("activity", sa.Text(), nullable=True),
        sa.Column("registration", sa.Uuid(), nullable=True),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("etag", sa.String(), nullable=False),
        sa.Column("modified", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "place", name=op.f("pk_xapi_documents")),
    )
    with op.batch_alter_table("xapi_documents", schema=None) as batch_op:
        batch_op.create_index("ix_xapi_documents_tenant_agent_activity", ["tenant", "agent", "activity"], unique=False)
