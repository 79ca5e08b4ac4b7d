"""What statements are found by takes half the room; voided statements and items of courses have an index"""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


KEY = ["tenant", "value", "kind", "seq", "source"]


def upgrade() -> None:
    _pair_agents_and_verbs(op.get_bind())
    if op.get_bind().dialect.name == "sqlite":
        _copy_facets()
    else:
        op.drop_constraint("fk_xapi_facets_tenant_seq", "xapi_facets", type_="foreignkey")
        op.drop_index("ix_xapi_facets_tenant_seq", "xapi_facets")
        op.drop_constraint("pk_xapi_facets", "xapi_facets", type_="primary")
        op.create_primary_key("pk_xapi_facets", "xapi_facets", KEY)
    op.drop_column("xapi_statements", "digest")
    op.create_index(
        "ix_xapi_statements_voided",
        "xapi_statements",
        ["tenant", "seq"],
        sqlite_where=sa.text("voided_by IS NOT NULL"),
        postgresql_where=sa.text("voided_by IS NOT NULL"),
    )
    op.create_index("ix_items_organization_id_activity_iri", "items", ["organization_id", "activity_iri"])


LONGEST = 1000  # bytes of a value as it stands; a longer one is there as its digest
_FACETS = sa.table(
    "xapi_facets",
    sa.column("tenant", sa.Uuid()),
    sa.column("kind", sa.String()),
    sa.column("value", sa.String()),
    sa.column("seq", sa.BigInteger()),
    sa.column("source", sa.BigInteger()),
)


def _pair_agents_and_verbs(connection: sa.Connection) -> None:
    """What has a certain agent and a certain verb is found at once."""
    agent, verb = _FACETS.alias(), _FACETS.alias()
    paired = agent.c.value + " " + verb.c.value
    of_one = sa.and_(verb.c.tenant == agent.c.tenant, verb.c.seq == agent.c.seq, verb.c.source == agent.c.source)
    both = agent.join(verb, of_one)
    size = sa.func.length(sa.cast(paired, sa.LargeBinary))
    if connection.dialect.name == "postgresql":
        size = sa.func.octet_length(paired)
    rows = sa.select(agent.c.tenant, sa.literal("agent_verb"), paired, agent.c.seq, agent.c.source).select_from(both)
    rows = rows.where(agent.c.kind == "agent", verb.c.kind == "verb")
    names = ["tenant", "kind", "value", "seq", "source"]
    connection.execute(_FACETS.insert().from_select(names, rows.where(size <= LONGEST)))
    for tenant, kind, value, seq, source in connection.execute(rows.where(size > LONGEST)).all():
        digest = f"sha256 {hashlib.sha256(value.encode()).hexdigest()}"
        found = dict(zip(names, (tenant, kind, digest, seq, source), strict=True))
        connection.execute(_FACETS.insert().values(found))


def _copy_facets() -> None:
    """Into a table that is its own index."""
    op.create_table(
        "xapi_facets_copy",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("value", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint(*KEY, name=op.f("pk_xapi_facets")),
        sqlite_with_rowid=False,
    )
    columns = ", ".join(KEY)
    op.execute(f"INSERT INTO xapi_facets_copy SELECT {columns} FROM xapi_facets ORDER BY {columns}")  # noqa: S608
    op.drop_table("xapi_facets")
    op.rename_table("xapi_facets_copy", "xapi_facets")
