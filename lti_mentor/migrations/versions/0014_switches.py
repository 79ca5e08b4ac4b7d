"""Switches of platforms, limits, and people known on several platforms"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0014"
down_revision = "0013"
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
    with op.batch_alter_table("logins", schema=None) as batch_op:
        batch_op.add_column(sa.Column("caller_hash", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("failures", sa.Integer(), nullable=False, server_default="0"))
        batch_op.create_index(
            "ix_logins_platform_id_created_at_caller_hash", ["platform_id", "created_at", "caller_hash"], unique=False
        )

    op.create_table(
        "attempts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("caller_hash", sa.String(), nullable=False),
        sa.Column("at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.create_index("ix_attempts_kind_at_caller_hash", ["kind", "at", "caller_hash"], unique=False)

    with op.batch_alter_table("pseudonyms", schema=None) as batch_op:
        batch_op.add_column(sa.Column("is_current", sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.drop_constraint(batch_op.f("uq_pseudonyms_organization_id_person_id"), type_="unique")
        batch_op.create_index(
            "uq_pseudonyms_one_current_of_a_person",
            ["organization_id", "person_id"],
            unique=True,
            sqlite_where=sa.text("is_current = 1"),
            postgresql_where=sa.text("is_current"),
        )

    op.create_table(
        "link_codes",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("sealed_code", sa.String(), nullable=False),
        sa.Column("expires_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_link_codes_organization_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_link_codes_person_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_codes")),
        sa.UniqueConstraint("organization_id", "code_hash", name=op.f("uq_link_codes_organization_id_code_hash")),
    )
    with op.batch_alter_table("link_codes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_link_codes_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_link_codes_person_id"), ["person_id"], unique=False)
