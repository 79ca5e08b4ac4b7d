"""People named in visits, people who were erased, and what observers may see"""

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "observer_consents",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("given_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_observer_consents_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_observer_consents_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observer_consents")),
        sa.UniqueConstraint(
            "organization_id", "person_id", name=op.f("uq_observer_consents_organization_id_person_id")
        ),
    )
    with op.batch_alter_table("observer_consents", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_observer_consents_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "named_people",
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_named_people_organization_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_named_people_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["visit_id"], ["visits.id"], name=op.f("fk_named_people_visit_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_named_people")),
        sa.UniqueConstraint(
            "organization_id", "visit_id", "person_id", name=op.f("uq_named_people_organization_id_visit_id_person_id")
        ),
    )
    with op.batch_alter_table("named_people", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_named_people_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_named_people_person_id"), ["person_id"], unique=False)

    with op.batch_alter_table("people", schema=None) as batch_op:
        batch_op.add_column(sa.Column("erased_at", lti_mentor.db.UtcDateTime(timezone=True), nullable=True))
    with op.batch_alter_table("platforms", schema=None) as batch_op:
        batch_op.add_column(sa.Column("observers", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("visits", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(), nullable=False, server_default="usual"))
        batch_op.create_check_constraint(batch_op.f("ck_visits_kind"), "\"kind\" IN ('usual', 'observer', 'privacy')")
