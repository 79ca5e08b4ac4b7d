"""A roster is read on where it was, and its links alone are asked about again"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("context_services", schema=None) as batch_op:
        batch_op.add_column(sa.Column("roster_whole_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("roster_began_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("roster_next_url", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("roster_pages", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("roster_is_whole", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("links_again_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
    with op.batch_alter_table("context_services", schema=None) as batch_op:
        batch_op.alter_column("roster_pages", existing_type=sa.Integer(), server_default=None)
        batch_op.alter_column("roster_is_whole", existing_type=sa.Boolean(), server_default=None)

    with op.batch_alter_table("launched_links", schema=None) as batch_op:
        batch_op.add_column(sa.Column("people_tried_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
