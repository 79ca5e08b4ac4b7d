"""What can be placed in a course is for each feature to say, not for the database"""

from alembic import op

revision = "0031"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("placed_links", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_placed_links_kind"), type_="check")
