"""What statements are found by stands in its index as a digest"""

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

KEY = ["digest", "seq", "source"]
_OF_SQLITE = "facet_digest(tenant, kind, value)"
_OF_POSTGRESQL = (
    "substr(sha256(convert_to(replace(tenant::text, '-', '') || ' ' || kind || ' ' || value, 'UTF8')), 1, 16)"
)


def upgrade() -> None:
    """Into a new table, in the order in which it is kept."""
    connection = op.get_bind()
    op.rename_table("xapi_facets", "xapi_facets_before")  # nobody adds to it any more from here on
    digest = _OF_POSTGRESQL
    if connection.dialect.name == "postgresql":
        op.execute("ALTER INDEX pk_xapi_facets RENAME TO pk_xapi_facets_before")
    else:
        digest = _OF_SQLITE
        raw: Any = connection.connection.driver_connection
        raw.create_function("facet_digest", 3, _digest, deterministic=True)
    op.create_table(
        "xapi_facets",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint(*KEY, name=op.f("pk_xapi_facets")),
        sqlite_with_rowid=False,
    )
    rows = f"SELECT {digest}, seq, source FROM xapi_facets_before ORDER BY 1, 2, 3"  # noqa: S608 (of constants)
    op.execute(f"INSERT INTO xapi_facets {rows}")
    op.drop_table("xapi_facets_before")
    if connection.dialect.name == "postgresql":
        op.execute("ANALYZE xapi_facets")  # or searches are planned for an empty table


def _digest(tenant: str, kind: str, value: str) -> bytes:
    return hashlib.sha256(f"{tenant} {kind} {value}".encode()).digest()[:16]
