"""Record store: attachments, and statements about statements"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

import lti_mentor.db

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

LONGEST = 1000  # bytes of a value as it stands; a longer one is there as its digest


def upgrade() -> None:
    with op.batch_alter_table("xapi_facets", schema=None) as batch_op:
        batch_op.add_column(sa.Column("source", sa.BigInteger(), nullable=True))
    op.execute("UPDATE xapi_facets SET source = seq")
    with op.batch_alter_table("xapi_facets", schema=None) as batch_op:
        batch_op.alter_column("source", existing_type=sa.BigInteger(), nullable=False)
        batch_op.drop_constraint(batch_op.f("pk_xapi_facets"), type_="primary")
        batch_op.create_primary_key(batch_op.f("pk_xapi_facets"), ["tenant", "kind", "value", "seq", "source"])
    op.create_table(
        "xapi_references",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "seq"],
            ["xapi_statements.tenant", "xapi_statements.seq"],
            name=op.f("fk_xapi_references_tenant_seq"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "target_id", "seq", name=op.f("pk_xapi_references")),
    )
    op.create_table(
        "xapi_attachments",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("sha2", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("stored", lti_mentor.db.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "sha2", name=op.f("pk_xapi_attachments")),
    )
    _fill_verbs(op.get_bind())
    _fill_references(op.get_bind())
    with op.batch_alter_table("xapi_statements", schema=None) as batch_op:
        batch_op.drop_index("ix_xapi_statements_tenant_verb_seq")


def _columns() -> tuple[sa.ColumnClause[Any], ...]:
    return sa.column("tenant", sa.Uuid()), sa.column("seq", sa.BigInteger())


_STATEMENTS = sa.table(
    "xapi_statements",
    *_columns(),
    sa.column("statement_id", sa.Uuid()),
    sa.column("verb", sa.Text()),
    sa.column("body", sa.Text()),
)
_FACETS = sa.table(
    "xapi_facets",
    *_columns(),
    sa.column("kind", sa.String()),
    sa.column("value", sa.String()),
    sa.column("source", sa.BigInteger()),
)
_REFERENCES = sa.table("xapi_references", *_columns(), sa.column("target_id", sa.Uuid()))


def _fill_verbs(connection: sa.Connection) -> None:
    """Found by its verb in the same way as by everything else."""
    said = _STATEMENTS.c
    for (verb,) in connection.execute(sa.select(said.verb).distinct()).all():
        rows = sa.select(said.tenant, sa.literal("verb"), sa.literal(_short(verb)), said.seq, said.seq)
        connection.execute(
            _FACETS.insert().from_select(["tenant", "kind", "value", "seq", "source"], rows.where(said.verb == verb))
        )


def _short(value: str) -> str:
    plain = value.encode()
    return value if len(plain) <= LONGEST else f"sha256 {hashlib.sha256(plain).hexdigest()}"


def _fill_references(connection: sa.Connection) -> None:
    """A statement about an earlier one is found by what that one says too."""
    for tenant, seq, target_id in list(_references(connection)):
        connection.execute(_REFERENCES.insert().values(tenant=tenant, target_id=target_id, seq=seq))
        target = connection.scalar(
            sa.select(_STATEMENTS.c.seq).where(
                _STATEMENTS.c.tenant == tenant, _STATEMENTS.c.statement_id == target_id, _STATEMENTS.c.seq < seq
            )
        )
        if target is not None:
            facets = _FACETS.c
            rows = sa.select(facets.tenant, facets.kind, facets.value, sa.literal(seq), facets.source).where(
                facets.tenant == tenant, facets.seq == target
            )
            connection.execute(_FACETS.insert().from_select(["tenant", "kind", "value", "seq", "source"], rows))


def _references(connection: sa.Connection) -> Iterator[tuple[UUID, int, UUID]]:
    said = _STATEMENTS.c
    wanted = sa.select(said.tenant, said.seq, said.body).where(said.body.contains('"StatementRef"'))
    for tenant, seq, body in connection.execute(wanted.order_by(said.tenant, said.seq)):
        thing = json.loads(body)["object"]
        if thing.get("objectType") == "StatementRef":
            yield tenant, seq, UUID(thing["id"])
