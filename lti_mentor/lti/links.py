"""The ids under which platforms launch what was placed: a link has one in each course that it was copied to."""

import uuid
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint, Uuid, bindparam, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, inserting
from lti_mentor.lti.deep_linking import PlacedLink
from lti_mentor.lti.platforms import Deployment


class LaunchedLink(Row):
    """A placed link as it stands in a context.

    Of several activities with the same content the first one counts, until nobody has launched it for some days.
    """

    __tablename__ = "launched_links"

    placed_link_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("placed_links.id", ondelete="CASCADE"), index=True)
    deployment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("deployments.id", ondelete="CASCADE"))
    context_id: Mapped[str]
    resource_link_id: Mapped[str]
    launched_at: Mapped[datetime] = mapped_column(default=clock.now)  # last, to the day

    __table_args__ = (
        UniqueConstraint(
            "organization_id", "deployment_id", "context_id", "placed_link_id", name="uq_launched_links_of_context"
        ),
    )


SEEN_AGAIN, GIVEN_UP = timedelta(days=1), timedelta(days=7)
# Made once: building a statement costs more than running it.
_IN_CONTEXT = select(LaunchedLink.id, LaunchedLink.resource_link_id, LaunchedLink.launched_at).where(
    LaunchedLink.organization_id == bindparam("organization_id", type_=Uuid()),
    LaunchedLink.deployment_id == bindparam("deployment_id", type_=Uuid()),
    LaunchedLink.context_id == bindparam("context_id"),
    LaunchedLink.placed_link_id == bindparam("placed_link_id", type_=Uuid()),
)


def launched(db: Session, link: PlacedLink, deployment: Deployment, context_id: str, resource_link_id: str) -> None:
    """Remember the id that the platform gave to the link in this context; most launches write nothing."""
    key: dict[str, Any] = {
        "organization_id": deployment.organization_id,
        "deployment_id": deployment.id,
        "context_id": context_id,
        "placed_link_id": link.id,
    }
    values = {"resource_link_id": resource_link_id, "launched_at": clock.now()}
    known = db.execute(_IN_CONTEXT, key).one_or_none()
    if known is None:
        db.execute(inserting(db, LaunchedLink).values(key | values).on_conflict_do_nothing())
        return
    row_id, kept_id, launched_at = known
    if launched_at < clock.now() - (SEEN_AGAIN if kept_id == resource_link_id else GIVEN_UP):
        db.execute(update(LaunchedLink).where(LaunchedLink.id == row_id).values(values))


def showing(
    db: Session,
    organization_id: uuid.UUID,
    place: tuple[uuid.UUID, str],
    content: tuple[str, str],
    *,
    column_key: uuid.UUID,
) -> str | None:
    """The platform's id of a link in this deployment and context that shows the content: its kind and target.

    The one that was placed with the column comes first, then the one that came last.
    """
    (deployment_id, context_id), (kind, target) = place, content
    wanted = (
        select(LaunchedLink.resource_link_id)
        .join(PlacedLink, PlacedLink.id == LaunchedLink.placed_link_id)
        .where(
            LaunchedLink.organization_id == organization_id,
            LaunchedLink.deployment_id == deployment_id,
            LaunchedLink.context_id == context_id,
            PlacedLink.kind == kind,
            PlacedLink.target == target,
        )
        .order_by((PlacedLink.key == column_key).desc(), LaunchedLink.launched_at.desc())
        .limit(1)
    )
    return db.scalar(wanted)
