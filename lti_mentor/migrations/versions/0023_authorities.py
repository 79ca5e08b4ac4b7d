"""Record store: whose a statement is, what came along with it, and one spelling of agents"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

LONGEST = 1000  # bytes of a value as it stands; a longer one is there as its digest
A_LOOK = 1000  # statements in memory at a time


def upgrade() -> None:
    with op.batch_alter_table("xapi_statements", schema=None) as batch_op:
        batch_op.add_column(sa.Column("authority", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "xapi_enclosures",
        sa.Column("tenant", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sha2", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "seq"],
            ["xapi_statements.tenant", "xapi_statements.seq"],
            name=op.f("fk_xapi_enclosures_tenant_seq"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant", "seq", "sha2", name=op.f("pk_xapi_enclosures")),
    )
    connection = op.get_bind()
    _fill(connection)
    _respell_facets(connection)
    _respell_documents(connection)


def _columns() -> tuple[sa.ColumnClause[Any], ...]:
    return sa.column("tenant", sa.Uuid()), sa.column("seq", sa.BigInteger())


_STATEMENTS = sa.table("xapi_statements", *_columns(), sa.column("authority", sa.Text()), sa.column("body", sa.Text()))
_ENCLOSURES = sa.table("xapi_enclosures", *_columns(), sa.column("sha2", sa.String()))
_ATTACHMENTS = sa.table("xapi_attachments", sa.column("tenant", sa.Uuid()), sa.column("sha2", sa.String()))
_FACETS = sa.table(
    "xapi_facets",
    *_columns(),
    sa.column("kind", sa.String()),
    sa.column("value", sa.String()),
    sa.column("source", sa.BigInteger()),
)
_DOCUMENTS = sa.table(
    "xapi_documents",
    sa.column("tenant", sa.Uuid()),
    sa.column("place", sa.LargeBinary()),
    sa.column("kind", sa.String()),
    sa.column("agent", sa.Text()),
    sa.column("activity", sa.Text()),
    sa.column("registration", sa.Uuid()),
    sa.column("document_id", sa.Text()),
    sa.column("modified", sa.DateTime(timezone=True)),
)


def _fill(connection: sa.Connection) -> None:
    """Whose each statement is, and which attachments came along with it.

    With an address besides it is not known whether the content came along: the first one to name it may have it.
    """
    authorities = sa.update(_STATEMENTS).where(
        _STATEMENTS.c.tenant == sa.bindparam("of"), _STATEMENTS.c.seq == sa.bindparam("at")
    )
    for tenant in connection.scalars(sa.select(_STATEMENTS.c.tenant).distinct()).all():
        kept = set(connection.scalars(sa.select(_ATTACHMENTS.c.sha2).where(_ATTACHMENTS.c.tenant == tenant)))
        seen: set[str] = set()
        for look in _looks(connection, tenant):
            filled, enclosed = [], []
            for seq, body in look:
                statement = json.loads(body)
                filled.append({"of": tenant, "at": seq, "authority": _short(_agent_key(statement["authority"]))})
                own = {sha2 for sha2, has_address in _attachments(statement) if not has_address or sha2 not in seen}
                enclosed += [{"tenant": tenant, "seq": seq, "sha2": sha2} for sha2 in own & kept]
                seen |= own
            connection.execute(authorities.values(authority=sa.bindparam("authority")), filled)
            if enclosed:
                connection.execute(_ENCLOSURES.insert(), enclosed)


def _looks(connection: sa.Connection, tenant: Any) -> Iterator[list[Any]]:
    last = 0
    wanted = sa.select(_STATEMENTS.c.seq, _STATEMENTS.c.body).where(_STATEMENTS.c.tenant == tenant)
    while rows := connection.execute(
        wanted.where(_STATEMENTS.c.seq > last).order_by(_STATEMENTS.c.seq).limit(A_LOOK)
    ).all():
        yield list(rows)
        last = rows[-1].seq


def _attachments(statement: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    inside = statement["object"] if statement["object"].get("objectType") == "SubStatement" else {}
    for said in (statement, inside):
        for attachment in said.get("attachments", ()):
            yield attachment["sha2"].lower(), "fileUrl" in attachment


def _agent_key(agent: dict[str, Any]) -> str:
    if "account" in agent:
        return f"account {agent['account']['homePage']} {agent['account']['name']}"
    kind = next((kind for kind in ("mbox", "mbox_sha1sum", "openid") if kind in agent), None)
    return _respelled(f"{kind} {agent[kind]}") if kind else ""


def _short(value: str) -> str:
    plain = value.encode()
    return value if len(plain) <= LONGEST else f"sha256 {hashlib.sha256(plain).hexdigest()}"


def _respelled(key: str) -> str:
    """Of an agent: without capitals in a domain or a digest."""
    if key.startswith("mbox_sha1sum "):
        return key.lower()
    name, at, domain = key.rpartition("@")
    return name + at + domain.lower() if key.startswith("mbox ") else key


def _respell_facets(connection: sa.Connection) -> None:
    facets, other = _FACETS.c, _FACETS.alias("other").c
    mailed = sa.select(facets.tenant, facets.kind, facets.value).where(
        facets.kind.in_(("agent", "related_agent")), facets.value.like("mbox%")
    )
    for tenant, kind, value in connection.execute(mailed.distinct()).all():
        better = _respelled(value)
        if better == value:
            continue
        old = sa.and_(facets.tenant == tenant, facets.kind == kind, facets.value == value)
        there = sa.exists().where(
            other.tenant == tenant,
            other.kind == kind,
            other.value == better,
            other.seq == facets.seq,
            other.source == facets.source,
        )
        rows = sa.select(facets.tenant, facets.kind, sa.literal(better), facets.seq, facets.source)
        names = ["tenant", "kind", "value", "seq", "source"]
        connection.execute(_FACETS.insert().from_select(names, rows.where(old, ~there)))
        connection.execute(_FACETS.delete().where(old))


def _respell_documents(connection: sa.Connection) -> None:
    """Where two spellings have the same document, one stays where nobody finds it, until the agent is forgotten.

    So does one about an activity whose name is too long to be here.
    """
    kept = _DOCUMENTS.c
    mailed = sa.select(_DOCUMENTS).where(kept.agent.like("mbox%")).order_by(kept.modified.desc())
    for row in connection.execute(mailed).all():
        agent = _respelled(row.agent)
        if agent == row.agent:
            continue
        names = [row.kind, agent, row.activity, row.registration and str(row.registration), row.document_id]
        place = hashlib.sha256(json.dumps(names).encode()).digest()
        is_taken = connection.scalar(sa.select(kept.place).where(kept.tenant == row.tenant, kept.place == place))
        this = sa.update(_DOCUMENTS).where(kept.tenant == row.tenant, kept.place == row.place)
        connection.execute(this.values(agent=agent, place=row.place if is_taken else place))
