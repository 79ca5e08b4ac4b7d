"""What a launch says about the services of its context, and when its roster was read and is to be read again."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    ForeignKey,
    Index,
    UniqueConstraint,
    Uuid,
    and_,
    bindparam,
    func,
    not_,
    or_,
    select,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base, Row, inserting
from lti_mentor.errors import PlatformError
from lti_mentor.lti.origins import origin
from lti_mentor.lti.platforms import Deployment, Platform
from lti_mentor.lti.roster import SCOPE as ROSTER_SCOPE
from lti_mentor.lti.services import MOST_PAGES, TOO_SLOW

ROSTER_CLAIM = "https://purl.imsglobal.org/spec/lti-nrps/claim/namesroleservice"
GRADES_CLAIM = "https://purl.imsglobal.org/spec/lti-ags/claim/endpoint"
LONGEST = 2000  # characters of an address

EVERY = timedelta(hours=24)
LEASE = timedelta(minutes=5)
WHOLE_EVERY = 7  # days: the whole list is read then, though a platform offers the differences
LATEST_RETRY = timedelta(hours=6)
OLDEST = EVERY  # of a reading that is gone on with: the list is due anew by then


@dataclass(frozen=True)
class Offered:
    """Services of a context, each none when it is not offered."""

    memberships_url: str | None
    lineitems_url: str | None
    grade_scopes: tuple[str, ...]
    lineitem_url: str | None = None  # of the link that was launched; all there is, where columns are not listed

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> "Offered":
        roster, grades = _claim(claims, ROSTER_CLAIM), _claim(claims, GRADES_CLAIM)
        scopes, lineitems, lineitem = (
            grades.get("scope"),
            address(grades.get("lineitems")),
            address(grades.get("lineitem")),
        )
        return cls(
            address(roster.get("context_memberships_url")),
            lineitems,
            tuple(sorted(scope for scope in scopes if isinstance(scope, str))) if isinstance(scopes, list) else (),
            lineitem if lineitems is None else _of_same_place(lineitem, lineitems),
        )


def _claim(claims: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = claims.get(name)
    return found if isinstance(found, Mapping) else {}


def address(value: Any) -> str | None:
    """A usable web address; Moodle leaves an empty one where a column was deleted."""
    usable = isinstance(value, str) and len(value) <= LONGEST and value.isprintable() and origin(value) is not None
    return value if usable else None


def _of_same_place(url: str | None, known: str | None) -> str | None:
    """A token is sent there: only a column beside the list of columns is taken, and only a page beside the first."""
    return url if url is not None and known is not None and origin(url) == origin(known) else None


class ContextServices(Row):
    """The services of one context of a deployment, as the last launch named them; and how its roster stands."""

    __tablename__ = "context_services"

    deployment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("deployments.id", ondelete="CASCADE"))
    context_id: Mapped[str]
    memberships_url: Mapped[str | None]
    lineitems_url: Mapped[str | None]
    grade_scopes: Mapped[list[str]] = mapped_column(JSON, default=list)
    roster_asked_at: Mapped[datetime | None]  # by somebody who did not want to wait
    roster_read_at: Mapped[datetime | None]  # to its end
    roster_whole_at: Mapped[datetime | None]  # the last reading that let us know who is missing
    roster_people: Mapped[int] = mapped_column(default=0)  # of the last reading, or of the one that runs
    roster_differences_url: Mapped[str | None]
    roster_began_at: Mapped[datetime | None]  # the reading that is not at its end
    roster_next_url: Mapped[str | None]  # its next page; none: it begins anew
    roster_pages: Mapped[int] = mapped_column(default=0)  # of it so far, in all its turns
    roster_is_whole: Mapped[bool] = mapped_column(default=False)  # so far it lets us know who is missing
    links_again_at: Mapped[datetime | None]  # those that are left after the roster was read
    roster_leased_until: Mapped[datetime | None]  # a worker reads it
    roster_problem: Mapped[str | None]  # a reason code, of the last reading that failed
    roster_failures: Mapped[int] = mapped_column(default=0)  # since the last success
    roster_retry_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("organization_id", "deployment_id", "context_id"),
        Index("ix_context_services_roster_read_at", "roster_read_at"),
    )

    @property
    def tells_who_left(self) -> bool:
        """Once it is at its end. A list of nobody is rather a mistake."""
        return self.roster_is_whole and self.roster_people > 0

    @hybrid_property
    def is_between_turns(self) -> bool:
        """A long one that was cut by the time goes on at its next page: it is on its way, and that is no fault."""
        return self.roster_problem == TOO_SLOW and self.roster_next_url is not None

    @is_between_turns.inplace.expression
    @classmethod
    def _is_between_turns(cls) -> ColumnElement[bool]:
        return and_(cls.roster_problem == TOO_SLOW, cls.roster_next_url.is_not(None))

    @property
    def is_being_read(self) -> bool:
        return self.roster_leased_until is not None and self.roster_leased_until > clock.now()

    @property
    def is_due(self) -> bool:
        """A worker reads it, or does as soon as one is free: somebody asked, and it did not fail since."""
        is_waiting = self.roster_asked_at is not None and (
            self.roster_read_at is None or self.roster_read_at < self.roster_asked_at
        )
        return self.is_being_read or (is_waiting and self.roster_retry_at is None)

    @property
    def are_links_due(self) -> bool:
        """The same of what is asked about its links."""
        return self.is_due or (self.links_again_at is not None and self.links_again_at <= clock.now())


def of(db: Session, organization_id: uuid.UUID, deployment_id: uuid.UUID, context_id: str) -> ContextServices | None:
    """The services of a context, if a launch named any."""
    return db.scalar(
        select(ContextServices).where(
            ContextServices.organization_id == organization_id,
            ContextServices.deployment_id == deployment_id,
            ContextServices.context_id == context_id,
        )
    )


# Of those alone something is read: the platform is let in, and the deployment may have been refused since.
_LET_IN = (Platform.status == "active", Deployment.organization_id == ContextServices.organization_id)


def is_let_in(db: Session, row: ContextServices) -> bool:
    """Whether anything is read for it at all."""
    wanted = (
        select(ContextServices.id)
        .join(Deployment, Deployment.id == ContextServices.deployment_id)
        .join(Platform, Platform.id == Deployment.platform_id)
        .where(ContextServices.id == row.id, *_LET_IN)
    )
    return db.scalar(wanted) is not None


# Made once: building a statement costs more than running it.
_SERVICES = Base.metadata.tables["context_services"].c
_KNOWN = select(_SERVICES.memberships_url, _SERVICES.lineitems_url, _SERVICES.grade_scopes).where(
    _SERVICES.organization_id == bindparam("organization_id", type_=Uuid()),
    _SERVICES.deployment_id == bindparam("deployment_id", type_=Uuid()),
    _SERVICES.context_id == bindparam("context_id"),
)


def keep(db: Session, deployment: Deployment, context_id: str, offered: Offered) -> None:
    """Remember what the launch offers; what it does not name stays as it was: not every message names every service."""
    if offered.memberships_url is None and offered.lineitems_url is None and offered.lineitem_url is None:
        return
    key: dict[str, Any] = {
        "organization_id": deployment.organization_id,
        "deployment_id": deployment.id,
        "context_id": context_id,
    }
    known = db.connection().execute(_KNOWN, key).one_or_none()
    memberships, lineitems, scopes = known or (None, None, [])
    memberships = offered.memberships_url or memberships
    if offered.lineitems_url is not None:
        lineitems, scopes = offered.lineitems_url, list(offered.grade_scopes)
    elif lineitems is None and offered.lineitem_url is not None:
        scopes = list(offered.grade_scopes)
    if known is not None and tuple(known) == (memberships, lineitems, scopes):
        return
    row = of(db, **key) or _new(db, key)
    if row.memberships_url != memberships:
        row.roster_differences_url = None
    if _is_elsewhere(row.memberships_url, memberships):
        row.roster_next_url = row.roster_began_at = row.roster_leased_until = None
    row.memberships_url, row.lineitems_url, row.grade_scopes = memberships, lineitems, scopes


def _is_elsewhere(known: str | None, named: str | None) -> bool:
    """Where a reading cannot go on. Another address at the same place is enough: there are platforms that name another
    one with each link.
    """
    return origin(known or "") != origin(named or "")


def _new(db: Session, key: Mapping[str, Any]) -> ContextServices:
    """Several launches may bring a new context at the same moment."""
    db.execute(inserting(db, ContextServices).values(key).on_conflict_do_nothing())
    return db.scalars(select(ContextServices).filter_by(**key)).one()


def scopes_of(db: Session, platform: Platform) -> set[str]:
    """What its launches said that the tool may do, in any context."""
    offered = (
        select(ContextServices.memberships_url, ContextServices.grade_scopes)
        .join(Deployment, Deployment.id == ContextServices.deployment_id)
        .where(Deployment.platform_id == platform.id)
    )
    found: set[str] = set()
    for memberships_url, grade_scopes in db.execute(offered):
        found.update(grade_scopes, [ROSTER_SCOPE] if memberships_url else [])
    return found


def problems(db: Session, organization_id: uuid.UUID) -> Sequence[tuple[uuid.UUID, str, int]]:
    """Why rosters could not be read the last time: deployment, reason, and of how many contexts."""
    known, is_fault = ContextServices.roster_problem.is_not(None), not_(ContextServices.is_between_turns)
    wanted = (
        select(ContextServices.deployment_id, ContextServices.roster_problem, func.count())
        .where(ContextServices.organization_id == organization_id, known, is_fault)
        .group_by(ContextServices.deployment_id, ContextServices.roster_problem)
    )
    return [(deployment_id, str(reason), count) for deployment_id, reason, count in db.execute(wanted)]


def ask_for_roster(row: ContextServices) -> None:
    """Read it as soon as a worker is free, also when it failed a moment ago."""
    row.roster_asked_at, row.roster_retry_at = clock.now(), None


def claim_roster(db: Session, *, besides: Collection[uuid.UUID] = ()) -> tuple[ContextServices, Platform] | None:
    """The context whose roster is to be read next, ours until its lease ends; asked-for ones first.

    Where its links alone are to be asked about no reading has begun. ``besides`` are platforms that had their turn.
    """
    now = clock.now()
    is_due = or_(
        ContextServices.roster_read_at.is_(None),
        ContextServices.roster_read_at < now - EVERY,
        ContextServices.roster_asked_at > ContextServices.roster_read_at,
    )
    wanted = (
        select(ContextServices, Platform, func.coalesce(is_due, False))
        .join(Deployment, Deployment.id == ContextServices.deployment_id)
        .join(Platform, Platform.id == Deployment.platform_id)
        .where(
            ContextServices.memberships_url.is_not(None),
            *_LET_IN,
            Platform.id.not_in(besides),
            or_(is_due, ContextServices.links_again_at <= now),
            or_(ContextServices.roster_retry_at.is_(None), ContextServices.roster_retry_at <= now),
            or_(ContextServices.roster_leased_until.is_(None), ContextServices.roster_leased_until < now),
        )
        .order_by(ContextServices.roster_asked_at.is_(None), ContextServices.roster_read_at, ContextServices.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=ContextServices)
    )
    found = db.execute(wanted).one_or_none()
    if found is None:
        return None
    row, platform, begins = found
    row.roster_leased_until = now + LEASE
    began_at = row.roster_began_at
    if begins and (row.roster_next_url is None or began_at is None or began_at < now - OLDEST):
        _begin(row, now)
    return row, platform


def _begin(row: ContextServices, now: datetime) -> None:
    row.roster_began_at, row.roster_next_url, row.links_again_at = now, None, None
    row.roster_people = row.roster_pages = 0
    if row.roster_read_at is None or now.date().toordinal() % WHOLE_EVERY == 0:
        row.roster_differences_url = None
    row.roster_is_whole = row.roster_differences_url is None


def page_read(row: ContextServices, people: int, *, next_url: str | None, is_readable: bool) -> None:
    """Another page is in; one who goes on later does so at the next one.

    Raises PlatformError for one too many: a turn may be too short to tell that a list has no end.
    """
    if row.roster_pages >= MOST_PAGES:
        raise PlatformError("platform.endless_pages")
    still_reading(row)
    row.roster_pages += 1
    row.roster_people += people
    row.roster_next_url = _of_same_place(address(next_url), row.memberships_url)
    row.roster_is_whole = row.roster_is_whole and is_readable


def still_reading(row: ContextServices) -> None:
    """The lease begins anew."""
    row.roster_leased_until = clock.now() + LEASE


def give_roster_back(row: ContextServices) -> None:
    """The next worker goes on with it."""
    row.roster_leased_until = None


def roster_read(row: ContextServices, *, started_at: datetime, differences_url: str | None) -> None:
    """To its end; its links are next. Whoever asked while it was read is answered by the next reading."""
    row.roster_read_at, row.roster_differences_url = started_at, differences_url
    if row.tells_who_left:
        row.roster_whole_at = started_at
    row.roster_began_at = row.roster_next_url = row.roster_retry_at = row.roster_problem = None
    row.roster_failures = 0
    row.links_again_at = clock.now()


def links_read(row: ContextServices, *, again_at: datetime | None) -> None:
    """Those that are left are asked about then, without the roster; a problem since it was read was theirs."""
    row.roster_leased_until, row.links_again_at = None, again_at
    row.roster_retry_at = row.roster_problem = None
    row.roster_failures = 0


def roster_failed(row: ContextServices, reason: str, *, retry_after: int | None, before: str | None) -> None:
    """Try again later, each time twice as late until it comes further; when the platform said, if that is later still
    or the turn came further: one that always says at once would keep its other contexts from their turn.

    ``before`` is the page at which this turn began, if it was not the first one. A list without an end comes further in
    each turn, but nowhere.
    """
    came_further = row.roster_next_url not in (None, before)
    row.roster_failures = 1 if came_further else row.roster_failures + 1
    doubled = 30 * 2 ** min(row.roster_failures, 10)
    said = doubled if retry_after is None else max(retry_after, 1)
    wait = timedelta(seconds=said if came_further else max(said, doubled))
    row.roster_leased_until, row.roster_problem, row.roster_differences_url = None, reason, None
    row.roster_retry_at = clock.now() + (LATEST_RETRY if row.roster_pages >= MOST_PAGES else min(wait, LATEST_RETRY))
