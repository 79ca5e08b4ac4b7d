"""The ids under which platforms launch what was placed: a link has one in each course that it was copied to.

And who can open it there, where somebody asked: a platform may keep an activity for a group of its course.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint, Uuid, bindparam, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Row, inserting, new_id
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
    title: Mapped[str | None]  # as the platform calls the activity
    launched_at: Mapped[datetime] = mapped_column(default=clock.now)  # last, to the day
    people_asked_at: Mapped[datetime | None]  # who can open it; read again with each roster from then on
    people_read_at: Mapped[datetime | None]  # to the end of the list
    people_tried_at: Mapped[datetime | None]  # last, whatever came of it
    people_so_far: Mapped[int | None]  # while it is read
    people_problem: Mapped[str | None]  # a reason code, of the last reading that failed

    __table_args__ = (
        UniqueConstraint(
            "organization_id", "deployment_id", "context_id", "placed_link_id", name="uq_launched_links_of_context"
        ),
    )

    @property
    def is_waiting(self) -> bool:
        """Asked about, and not answered since."""
        return (
            self.people_asked_at is not None
            and self.people_problem is None
            and (self.people_read_at is None or self.people_read_at < self.people_asked_at)
        )


class LinkMember(Row):
    """Somebody of the course who can open a link, as the platform says; nobody is in the course by this."""

    __tablename__ = "link_members"

    launched_link_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("launched_links.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    listed_at: Mapped[datetime]  # by the last reading that had them

    __table_args__ = (UniqueConstraint("organization_id", "launched_link_id", "person_id"),)


NEVER = datetime(1970, 1, 1, tzinfo=UTC)
SEEN_AGAIN, GIVEN_UP = timedelta(days=1), timedelta(days=7)
# Made once: building a statement costs more than running it.
_IN_CONTEXT = select(
    LaunchedLink.id, LaunchedLink.resource_link_id, LaunchedLink.title, LaunchedLink.launched_at
).where(
    LaunchedLink.organization_id == bindparam("organization_id", type_=Uuid()),
    LaunchedLink.deployment_id == bindparam("deployment_id", type_=Uuid()),
    LaunchedLink.context_id == bindparam("context_id"),
    LaunchedLink.placed_link_id == bindparam("placed_link_id", type_=Uuid()),
)


def launched(
    db: Session,
    link: PlacedLink,
    deployment: Deployment,
    context_id: str,
    resource_link_id: str,
    *,
    title: str | None = None,
) -> None:
    """Remember what the platform calls the link in this context; most launches write nothing."""
    key: dict[str, Any] = {
        "organization_id": deployment.organization_id,
        "deployment_id": deployment.id,
        "context_id": context_id,
        "placed_link_id": link.id,
    }
    values: dict[str, Any] = {"resource_link_id": resource_link_id, "title": title, "launched_at": clock.now()}
    known = db.execute(_IN_CONTEXT, key).one_or_none()
    if known is None:
        db.execute(inserting(db, LaunchedLink).values(key | values).on_conflict_do_nothing())
        return
    row_id, kept_id, kept_title, launched_at = known
    is_same, age = kept_id == resource_link_id, clock.now() - launched_at
    if age > (SEEN_AGAIN if is_same else GIVEN_UP) or (is_same and kept_title is None and title is not None):
        if is_same:
            values["title"] = title or kept_title  # some launches withhold it
        else:  # who can open it now is not known
            values |= dict.fromkeys(("people_read_at", "people_tried_at", "people_so_far", "people_problem"))
        db.execute(update(LaunchedLink).where(LaunchedLink.id == row_id).values(values))
        if not is_same:  # last: what a reading of the one before is just writing goes too
            theirs = (LinkMember.organization_id == deployment.organization_id, LinkMember.launched_link_id == row_id)
            db.execute(delete(LinkMember).where(*theirs))


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


def of_context(
    db: Session, organization_id: uuid.UUID, deployment_id: uuid.UUID, context_id: str
) -> Sequence[tuple[LaunchedLink, PlacedLink]]:
    """What was placed in a context and launched from there, by title."""
    wanted = (
        select(LaunchedLink, PlacedLink)
        .join(PlacedLink, PlacedLink.id == LaunchedLink.placed_link_id)
        .where(
            LaunchedLink.organization_id == organization_id,
            LaunchedLink.deployment_id == deployment_id,
            LaunchedLink.context_id == context_id,
        )
        .order_by(LaunchedLink.title, LaunchedLink.id)
    )
    return [(link, placed) for link, placed in db.execute(wanted)]


# Who can open a link --------------------------------------------------------------------------------------------------


def ask_for_people(link: LaunchedLink) -> None:
    """Read who can open it with the next roster of its context, and with each one after that."""
    link.people_asked_at, link.people_so_far, link.people_problem = clock.now(), None, None


def asked_about(
    db: Session, organization_id: uuid.UUID, deployment_id: uuid.UUID, context_id: str, *, since: datetime
) -> list[LaunchedLink]:
    """The links of a context that somebody asked about and that were not tried since; first those that somebody waits
    for, and those last that failed. Of these, the one that was not read for longest."""
    found = of_context(db, organization_id, deployment_id, context_id)
    asked = [link for link, _ in found if link.people_asked_at is not None]
    return sorted((link for link in asked if link.is_waiting or (link.people_tried_at or NEVER) < since), key=_turn)


def _turn(link: LaunchedLink) -> tuple[bool, bool, datetime]:
    return link.people_problem is not None, not link.is_waiting, link.people_read_at or NEVER


def none_so_far(db: Session, organization_id: uuid.UUID, deployment_id: uuid.UUID, context_id: str) -> None:
    """A reading begins: how far one was that came to no end is of no interest."""
    theirs = (
        LaunchedLink.organization_id == organization_id,
        LaunchedLink.deployment_id == deployment_id,
        LaunchedLink.context_id == context_id,
        LaunchedLink.people_so_far.is_not(None),
    )
    db.execute(update(LaunchedLink).where(*theirs).values(people_so_far=None))


def still_same(db: Session, link: LaunchedLink) -> LaunchedLink | None:
    """The link as it is now, until the end of the transaction; none when another activity is in its place, or none."""
    now = db.get(LaunchedLink, link.id, with_for_update=True)
    return now if now is not None and now.resource_link_id == link.resource_link_id else None


def take_people(db: Session, link: LaunchedLink, person_ids: Collection[uuid.UUID], *, at: datetime) -> None:
    """Those who can open it, of a list that was read to its end."""
    mine = {"organization_id": link.organization_id, "launched_link_id": link.id, "listed_at": at}
    rows = [{"id": new_id(), "person_id": person_id, **mine} for person_id in person_ids]
    if rows:
        key = [LinkMember.organization_id, LinkMember.launched_link_id, LinkMember.person_id]
        db.execute(inserting(db, LinkMember).on_conflict_do_update(index_elements=key, set_={"listed_at": at}), rows)


def people_read(db: Session, link: LaunchedLink, *, started_at: datetime, is_whole: bool) -> None:
    """To its end. Whoever is not on a whole list can open it no more."""
    link.people_read_at = link.people_tried_at = started_at
    link.people_so_far = link.people_problem = None
    if is_whole:
        gone = (LinkMember.launched_link_id == link.id, LinkMember.listed_at < started_at)
        db.execute(delete(LinkMember).where(LinkMember.organization_id == link.organization_id, *gone))


def people_failed(link: LaunchedLink, reason: str) -> None:
    """What was known of it stays; it is read again with the next roster."""
    link.people_tried_at, link.people_so_far, link.people_problem = clock.now(), None, reason


def people_of(db: Session, link: LaunchedLink) -> set[uuid.UUID]:
    """Who can open it, as far as the platform said."""
    mine = (LinkMember.organization_id == link.organization_id, LinkMember.launched_link_id == link.id)
    return set(db.scalars(select(LinkMember.person_id).where(*mine)))
