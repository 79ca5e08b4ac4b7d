"""When a pair was active, results as history, when an answered version was sent"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# What counted as activity of a pair when this schema came into being.
ACTIVITY = (
    "http://adlnet.gov/expapi/verbs/attended",
    "http://adlnet.gov/expapi/verbs/progressed",
    "http://adlnet.gov/expapi/verbs/shared",
    "http://id.tincanapi.com/verb/defined",
    "http://id.tincanapi.com/verb/rated",
    "https://w3id.org/xapi/tla/verbs/achieved",
    "http://activitystrea.ms/schema/1.0/accept",
    "http://activitystrea.ms/schema/1.0/reject",
    "http://adlnet.gov/expapi/verbs/commented",
)


def upgrade() -> None:
    moment = lti_mentor.db.UtcDateTime(timezone=True)
    with op.batch_alter_table("items", schema=None) as batch_op:
        batch_op.add_column(sa.Column("overdue_noted_at", moment, nullable=True))
    with op.batch_alter_table("mentorships", schema=None) as batch_op:
        batch_op.add_column(sa.Column("active_at", moment, nullable=True))
    with op.batch_alter_table("results", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_results_organization_id_item_id_person_id"), type_="unique")
        batch_op.create_unique_constraint(
            batch_op.f("uq_results_organization_id_item_id_person_id_achieved_at"),
            ["organization_id", "item_id", "person_id", "achieved_at"],
        )
    with op.batch_alter_table("reviews", schema=None) as batch_op:
        batch_op.add_column(sa.Column("submitted_at", moment, nullable=True))
    _fill_active_at(op.get_bind(), moment)
    _fill_submitted_at(op.get_bind(), moment)


def _fill_active_at(connection: sa.Connection, moment: sa.types.TypeEngine[datetime]) -> None:
    """From the statements about each pair that are not voided."""
    owner = sa.column("organization_id", sa.Uuid())
    pairs = sa.table("mentorships", sa.column("id", sa.Uuid()), owner, sa.column("active_at", moment))
    said = sa.table(
        "xapi_statements",
        *_place(),
        sa.column("verb", sa.Text()),
        sa.column("timestamp", moment),
        sa.column("voided_by", sa.Uuid()),
    )
    facets = sa.table("xapi_facets", *_place(), sa.column("kind", sa.String()), sa.column("value", sa.String()))
    for pair_id, tenant in connection.execute(sa.select(pairs.c.id, pairs.c.organization_id)).all():
        last = sa.select(sa.func.max(said.c.timestamp)).join(
            facets, (facets.c.tenant == said.c.tenant) & (facets.c.seq == said.c.seq)
        )
        mine = (facets.c.tenant == tenant, facets.c.kind == "registration", facets.c.value == str(pair_id))
        active_at = connection.scalar(last.where(*mine, said.c.verb.in_(ACTIVITY), said.c.voided_by.is_(None)))
        connection.execute(pairs.update().where(pairs.c.id == pair_id).values(active_at=active_at))


def _place() -> tuple[sa.ColumnClause[Any], ...]:
    return sa.column("tenant", sa.Uuid()), sa.column("seq", sa.BigInteger())


def _fill_submitted_at(connection: sa.Connection, moment: sa.types.TypeEngine[datetime]) -> None:
    """Known only where no later version was sent."""
    same = (sa.column("evidence_id", sa.Uuid()), sa.column("version", sa.Integer()))
    reviews = sa.table("reviews", *same, sa.column("submitted_at", moment))
    pieces = sa.table(
        "evidence", sa.column("id", sa.Uuid()), sa.column("version", sa.Integer()), sa.column("submitted_at", moment)
    )
    sent = sa.select(pieces.c.submitted_at).where(
        pieces.c.id == reviews.c.evidence_id, pieces.c.version == reviews.c.version
    )
    connection.execute(reviews.update().values(submitted_at=sent.scalar_subquery()))
