"""Platforms (an LMS registration) and their deployments; the organization hangs on the deployment."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    Connection,
    CursorResult,
    ForeignKey,
    Select,
    String,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from lti_mentor import clock
from lti_mentor.db import Base, inserting, new_id, one_of
from lti_mentor.errors import LaunchError, NotFound, Refused
from lti_mentor.lti import quirks
from lti_mentor.lti.checks import check_address, check_address_of_keys, check_frame_ancestors, check_pasted_keys
from lti_mentor.lti.origins import is_https, origin

STATES = ("pending", "active", "disabled")
DEPLOYMENT_STATES = ("pending", "active", "refused")
PENDING_FOR = timedelta(days=30)  # since it was last tried
MOST_PENDING = 20  # deployments of one platform that wait at a time
SEEN_AGAIN = timedelta(hours=1)


class Platform(Base):
    """One registration. Installation-wide: several organizations may share an issuer and even a client id."""

    __tablename__ = "platforms"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    issuer: Mapped[str]
    client_id: Mapped[str]
    authorization_endpoint: Mapped[str]
    token_endpoint: Mapped[str]
    jwks_uri: Mapped[str | None]  # where it publishes its keys; none when they were pasted
    pasted_keys: Mapped[list[dict[str, str]] | None] = mapped_column(JSON(none_as_null=True))  # see keysets.read
    frame_ancestors: Mapped[list[str]] = mapped_column(JSON)  # origins besides those of the issuer and the log-in
    foreign_azp: Mapped[bool] = mapped_column(default=False)  # see the quirk foreign_azp
    trusted_audiences: Mapped[list[str]] = mapped_column(JSON, default=list)  # that may stand beside the client id
    role_map: Mapped[dict[str, str]] = mapped_column(JSON, default=dict)  # see quirks.teaches
    leeway_seconds: Mapped[int | None]  # by which its clock may differ; none: as the settings say
    observers: Mapped[bool] = mapped_column(default=False)  # see the progress of people who agreed
    granted_scopes: Mapped[list[str]] = mapped_column(JSON, default=list)  # at registration; none when added by hand
    token_audience: Mapped[str | None]  # of our assertions, when it is not the token endpoint
    family: Mapped[str | None]  # what product it says it is, such as moodle; none: it has not said yet
    adopting_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("organizations.id", ondelete="SET NULL"))
    status: Mapped[str] = mapped_column(default="active")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    deployments: Mapped[list["Deployment"]] = relationship(lazy="selectin", cascade="all, delete-orphan")

    __table_args__ = (
        UniqueConstraint("issuer", "client_id"),
        one_of("status", STATES),
        CheckConstraint("(jwks_uri IS NULL) <> (pasted_keys IS NULL)", name="one_source_of_keys"),
    )

    @property
    def title(self) -> str:
        return f"{self.issuer} ({self.client_id})"

    @property
    def is_https(self) -> bool:
        """Whether tokens go to it, and its keys come, with TLS alone, whatever addresses it names."""
        return is_https(self.issuer)

    @property
    def organization_ids(self) -> set[uuid.UUID]:
        """Whose people launch from here; a deployment that is new belongs to the adopting one."""
        adopting = {self.adopting_id} if self.adopting_id else set()
        return adopting | {each.organization_id for each in self.deployments if each.organization_id}

    @property
    def framing_origins(self) -> list[str]:
        return _framing_origins(self)


class Deployment(Base):
    """One that nobody has let in yet, or that was refused, belongs to no organization."""

    __tablename__ = "deployments"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    platform_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("platforms.id", ondelete="CASCADE"))
    organization_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("organizations.id", ondelete="CASCADE"), index=True
    )
    deployment_id: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")
    last_launch_at: Mapped[datetime | None]  # to the hour; until it is let in, when it was last tried

    __table_args__ = (
        UniqueConstraint("platform_id", "deployment_id"),
        one_of("status", DEPLOYMENT_STATES),
        CheckConstraint("(status = 'active') = (organization_id IS NOT NULL)", name="active_of_an_organization"),
    )


class KeySet(Base):
    """The public keys of a platform as last fetched."""

    __tablename__ = "key_sets"

    jwks_uri: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)  # the keys, and whether they were asked for a platform of https
    fetched_at: Mapped[datetime]
    max_age: Mapped[int | None]  # seconds from then, as the platform said
    tried_at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What an administrator copies from the LMS."""

    issuer: str
    client_id: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str | None = None
    pasted_keys: Sequence[dict[str, str]] = ()  # where there is no such address
    deployment_ids: tuple[str, ...]
    frame_ancestors: tuple[str, ...] = ()
    token_audience: str | None = None  # none: as it was
    foreign_azp: bool | None = None


def add(db: Session, registration: Registration, *, organization_id: uuid.UUID) -> Platform:
    """Register a platform for an organization, or bring a known one up to date and add deployments. Raises Refused.

    A deployment that waits goes on waiting: letting it in is put on record. Whether keys may come in the clear is for
    the settings to say: ``switches.check_keys`` before, and ``keysets`` whenever they are asked for.
    """
    for name in ("issuer", "authorization_endpoint", "token_endpoint"):
        check_address(name, getattr(registration, name))
    check_frame_ancestors(registration.frame_ancestors)
    platform = find_locked(db, registration.issuer, registration.client_id)
    before = standing(platform) if platform else None
    if platform is None:
        platform = Platform(issuer=registration.issuer, client_id=registration.client_id, frame_ancestors=[])
        db.add(platform)
    for name in ("authorization_endpoint", "token_endpoint"):
        setattr(platform, name, getattr(registration, name))
    for name in ("token_audience", "foreign_azp"):
        if getattr(registration, name) is not None:
            setattr(platform, name, getattr(registration, name))
    take_keys(platform, registration.jwks_uri, registration.pasted_keys)
    platform.frame_ancestors = list(dict.fromkeys([*platform.frame_ancestors, *registration.frame_ancestors]))
    db.flush()
    _lock_organizations(db, platform.organization_ids | {organization_id})  # at once, for deployments come one by one
    for deployment_id in registration.deployment_ids:
        _deploy(db, platform, deployment_id, organization_id)
    check_alone(db, platform, before)
    return platform


def take_keys(platform: Platform, jwks_uri: str | None, pasted: Sequence[dict[str, str]]) -> None:
    """Its keys are published at an address, or they were pasted: one of both. Raises Refused."""
    if bool(jwks_uri) == bool(pasted):
        raise Refused("platform.one_source_of_keys")
    check_address_of_keys(jwks_uri or None)
    check_pasted_keys(pasted)
    platform.jwks_uri, platform.pasted_keys = jwks_uri or None, list(pasted) or None


def _deploy(db: Session, platform: Platform, deployment_id: str, organization_id: uuid.UUID) -> None:
    known = deployment(db, platform, deployment_id)
    if known is None:
        known = Deployment(deployment_id=deployment_id, status="pending")
        platform.deployments.append(known)
        let_in(db, platform, known, organization_id)
    elif known.status == "refused":
        raise Refused("platform.deployment_refused", deployment_id=deployment_id)
    elif known.status == "active" and known.organization_id != organization_id:
        raise Refused("platform.deployment_taken", deployment_id=deployment_id)
    db.flush()


@dataclass(frozen=True)
class Standing:
    """Where the keys and the tokens of a platform come from, and whose people launch from it."""

    places: tuple[str | None, str | None]
    organization_ids: frozenset[uuid.UUID]


def standing(platform: Platform) -> Standing:
    """All hosts of a cloud are one place; keys that were pasted come from none."""
    keys, tokens = (_place(url, platform.issuer) for url in (platform.jwks_uri, platform.token_endpoint))
    return Standing((keys, tokens), frozenset(platform.organization_ids))


def _place(url: str | None, issuer: str) -> str | None:
    is_of_cloud = url is not None and quirks.is_of_cloud(urlsplit(url).hostname or "", issuer)
    return issuer if is_of_cloud else url and origin(url)


def check_alone(db: Session, platform: Platform, before: Standing | None = None) -> None:
    """After a change; of what was so before nothing is said. Raises Refused.

    Of two changes at the same moment the second sees the first: it waits here for the organizations of both.
    A subject is of one issuer (Core 5.3.6), so people are known by these two. Of two platforms of one issuer at two
    places each could sign in the people of the other: they never serve one organization.
    """
    now = standing(platform)
    was_there = before.organization_ids if before is not None and before.places == now.places else frozenset()
    coming = now.organization_ids - was_there
    db.flush()
    _lock_organizations(db, coming)
    if any(others_elsewhere(db, platform, each) for each in coming):
        raise Refused("platform.elsewhere")


def _lock_organizations(db: Session, organization_ids: Collection[uuid.UUID]) -> None:
    """After the platform, as a launch of somebody new does it."""
    ids = Base.metadata.tables["organizations"].c.id
    db.execute(select(ids).where(ids.in_(organization_ids)).order_by(ids).with_for_update(key_share=True)).all()


def others_elsewhere(db: Session, platform: Platform, organization_id: uuid.UUID) -> list[Platform]:
    """Those of the organization that have its issuer and are at another place; nobody gets in from one switched off."""
    here = standing(platform).places
    known = [each for each in of_organization(db, organization_id) if each.issuer == platform.issuer]
    others = [each for each in known if each.id != platform.id and each.status != "disabled"]
    return [
        each for each in others if any(a and b and a != b for a, b in zip(here, standing(each).places, strict=True))
    ]


def listed(db: Session) -> Sequence[Platform]:
    """All platforms, oldest first."""
    return db.scalars(select(Platform).order_by(Platform.created_at)).all()


def get(db: Session, platform_id: uuid.UUID) -> Platform:
    """Raises NotFound."""
    platform = db.get(Platform, platform_id)
    if platform is None:
        raise NotFound("platform.unknown")
    return platform


def of_organization(db: Session, organization_id: uuid.UUID) -> Sequence[Platform]:
    """Those that launch for this organization, oldest first."""
    deployed = select(Deployment.platform_id).where(Deployment.organization_id == organization_id)
    wanted = select(Platform).where(or_(Platform.id.in_(deployed), Platform.adopting_id == organization_id))
    return db.scalars(wanted.order_by(Platform.created_at)).all()


def get_of(db: Session, organization_id: uuid.UUID, platform_id: uuid.UUID) -> Platform:
    """A platform of this organization. Raises NotFound."""
    platform = db.get(Platform, platform_id)
    if platform is None or organization_id not in platform.organization_ids:
        raise NotFound("platform.unknown")
    return platform


def lock(db: Session, platform_id: uuid.UUID) -> None:
    """Let nobody else begin to use it before this transaction is over."""
    _locked(db, Platform.id == platform_id)


def _locked(db: Session, *which: ColumnElement[bool]) -> Platform | None:
    """As it is now, with its deployments, also where the session has read it before."""
    held = select(Platform).where(*which).with_for_update()
    return db.scalar(held, execution_options={"populate_existing": True})


def find_locked(db: Session, issuer: str, client_id: str) -> Platform | None:
    """A registration that is known already, for ``lock``."""
    return _locked(db, Platform.issuer == issuer, Platform.client_id == client_id)


def get_locked(db: Session, platform_id: uuid.UUID) -> Platform:
    """As ``get``, and nobody else begins to use it before this transaction is over. Raises NotFound."""
    lock(db, platform_id)
    return get(db, platform_id)


def get_own(db: Session, organization_id: uuid.UUID, platform_id: uuid.UUID) -> Platform:
    """A platform of this organization alone, which it may change. Raises NotFound, and Refused for a shared one."""
    platform = get_of(db, organization_id, platform_id)
    if platform.organization_ids != {organization_id}:
        raise Refused("platform.shared")
    return platform


def may_decide(platform: Platform, organization_id: uuid.UUID) -> bool:
    """Whether deployments that are new there can only be of this organization."""
    return platform.organization_ids == {organization_id} and platform.issuer not in quirks.SHARED_CLIENTS


def get_deployment(db: Session, platform: Platform, deployment_id: uuid.UUID) -> Deployment:
    """A deployment of the platform as it is now, by our id. Raises NotFound."""
    found = db.get(Deployment, deployment_id, populate_existing=True)
    if found is None or found.platform_id != platform.id:
        raise NotFound("deployment.unknown")
    return found


def let_in(db: Session, platform: Platform, deployment: Deployment, organization_id: uuid.UUID) -> None:
    """Its launches are of this organization from now on. Raises Refused, as where they are of one already.

    What is new there may be of either after that, so the rule of another organization ends.
    """
    if deployment.status == "active":
        raise Refused("deployment.decided")
    before = standing(platform)
    if platform.adopting_id != organization_id:
        platform.adopting_id = None
    deployment.status, deployment.organization_id, deployment.last_launch_at = "active", organization_id, None
    check_alone(db, platform, before)


def refuse(deployment: Deployment) -> None:
    """Keep it, so that it does not ask again with each launch; also one that was let in."""
    deployment.status, deployment.organization_id = "refused", None


def has(db: Session, platform: Platform, deployment_id: uuid.UUID) -> bool:
    """Whether the deployment is one of the platform, by our id of it."""
    wanted = select(Deployment.id).where(Deployment.id == deployment_id, Deployment.platform_id == platform.id)
    return db.scalar(wanted) is not None


def of_deployment(db: Session, deployment_id: uuid.UUID) -> Platform | None:
    """The platform of a deployment, by our id of it; none when it was removed."""
    wanted = select(Platform).join(Deployment, Deployment.platform_id == Platform.id)
    return db.scalar(wanted.where(Deployment.id == deployment_id))


def serving(db: Session, organization_id: uuid.UUID, deployment_id: uuid.UUID) -> Platform | None:
    """The same where the deployment is of this organization now: it may have been refused or given away."""
    wanted = select(Platform).join(Deployment, Deployment.platform_id == Platform.id)
    return db.scalar(wanted.where(Deployment.id == deployment_id, Deployment.organization_id == organization_id))


def approve(db: Session, platform_id: uuid.UUID) -> Platform:
    """Let its launches in: for the first time, or again. Raises Refused."""
    platform = get(db, platform_id)
    if platform.status != "active":
        check_alone(db, platform)
    platform.status = "active"
    return platform


def disable(db: Session, platform_id: uuid.UUID) -> Platform:
    """Refuse its launches from now on; nothing is lost."""
    platform = get(db, platform_id)
    platform.status = "disabled"
    return platform


def remove(db: Session, platform_id: uuid.UUID) -> Platform:
    """Forget the registration; people, courses and statements stay."""
    platform = get(db, platform_id)
    db.delete(platform)
    db.flush()
    return platform


_DEPLOYMENTS = Deployment.__table__.c
_OWNER = select(_DEPLOYMENTS.organization_id).where(_DEPLOYMENTS.id == bindparam("deployment"))


def is_still(db: Session, deployment: Deployment) -> bool:
    """Whether it is let in by the same organization as when it was read; one that is refused is of none."""
    return db.connection().execute(_OWNER, {"deployment": deployment.id}).scalar() == deployment.organization_id


def launched(db: Session, deployment: Deployment) -> None:
    """Remember when people last came from here; most launches write nothing."""
    now = clock.now()
    if deployment.last_launch_at is None or deployment.last_launch_at < now - SEEN_AGAIN:
        db.execute(update(Deployment).where(Deployment.id == deployment.id).values(last_launch_at=now))


@dataclass(frozen=True)
class Door:
    """What a login needs of its platform."""

    id: uuid.UUID
    issuer: str
    client_id: str
    authorization_endpoint: str
    frame_ancestors: list[str]
    status: str
    family: str | None

    @property
    def framing_origins(self) -> list[str]:
        return _framing_origins(self)


def _framing_origins(platform: Platform | Door) -> list[str]:
    """Who may show us in a frame, as far as the registration says."""
    origins = map(origin, [platform.issuer, platform.authorization_endpoint, *platform.frame_ancestors])
    return list(dict.fromkeys(found for found in origins if found))


_CLIENT = bindparam("client_id", type_=String)
_PLATFORMS = Platform.__table__.c
_FOR_LOGIN = (
    select(*(_PLATFORMS[each.name] for each in fields(Door)))
    .where(_PLATFORMS.issuer == bindparam("issuer"), or_(_CLIENT.is_(None), _PLATFORMS.client_id == _CLIENT))
    .limit(2)
)


def for_login(db: Connection, issuer: str, client_id: str | None) -> Door:
    """The platform a login initiation comes from. Raises LaunchError when it is unknown, ambiguous or disabled."""
    found = db.execute(_FOR_LOGIN, {"issuer": issuer, "client_id": client_id or None}).all()
    if not found:
        raise LaunchError("launch.unknown_platform", issuer=issuer)
    if len(found) > 1:
        raise LaunchError("launch.ambiguous_platform", issuer=issuer)
    door = Door(*found[0])
    require_active(door)
    return door


def require_active(platform: Platform | Door) -> None:
    """Raises LaunchError for a platform that waits for approval or is switched off."""
    if platform.status != "active":
        raise LaunchError(f"launch.{platform.status}_platform")


def adopt(db: Session, platform: Platform, new: Deployment) -> Deployment:
    """Take in a deployment that a launch brought, also one that waits; gives it as it is in the database."""
    names = ("id", "platform_id", "organization_id", "deployment_id", "status")
    adopted = {name: getattr(new, name) for name in ("organization_id", "status")}
    key, waits = ("platform_id", "deployment_id"), Deployment.status == "pending"
    adding = inserting(db, Deployment).values({name: getattr(new, name) for name in names})
    db.execute(adding.on_conflict_do_update(index_elements=key, set_=adopted, where=waits))
    return db.scalars(_named(platform, new.deployment_id)).one()


def wait(db: Session, platform: Platform, new: Deployment) -> Deployment | None:
    """Keep a deployment that a launch brought until somebody decides; none when too many wait already."""
    known = deployment(db, platform, new.deployment_id)
    if known is not None:
        return known
    lock(db, platform.id)  # so that no more wait than may
    if deployment(db, platform, new.deployment_id) is None and count_pending(db, platform) < MOST_PENDING:
        db.add(Deployment(platform_id=platform.id, deployment_id=new.deployment_id, status="pending"))
        db.flush()
    return deployment(db, platform, new.deployment_id)


def count_pending(db: Session, platform: Platform) -> int:
    """How many of its deployments wait."""
    waiting = (Deployment.platform_id == platform.id, Deployment.status == "pending")
    return db.scalar(select(func.count()).select_from(Deployment).where(*waiting)) or 0


def forget_waiting(db: Session) -> int:
    """Remove deployments that wait and that nobody tries any more; gives how many."""
    given_up = (Deployment.status == "pending", Deployment.last_launch_at < clock.now() - PENDING_FOR)
    return cast("CursorResult[Any]", db.execute(delete(Deployment).where(*given_up))).rowcount


def adopter(db: Session, platform: Platform) -> uuid.UUID | None:
    """Whose a deployment becomes that nobody has seen; nobody's where another organization uses the platform too."""
    if platform.adopting_id is None:
        return None
    of_another = Deployment.organization_id.is_not(None) & (Deployment.organization_id != platform.adopting_id)
    shared = db.scalar(select(Deployment.id).where(Deployment.platform_id == platform.id, of_another).limit(1))
    return None if shared else platform.adopting_id


def deployment(db: Session, platform: Platform, deployment_id: str) -> Deployment | None:
    """Exact, case and all."""
    return db.scalar(_named(platform, deployment_id))


def _named(platform: Platform, deployment_id: str) -> Select[Deployment]:
    return select(Deployment).where(Deployment.platform_id == platform.id, Deployment.deployment_id == deployment_id)
