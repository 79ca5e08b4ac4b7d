"""Deep Linking 2.0: what a platform asks for, what is placed, and the signed answer.

An activity without content of ours has nothing the platform could keep a key in: what a teacher chooses for it is kept
by its resource link.
"""

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import jwt
from sqlalchemy import JSON, ForeignKey, UniqueConstraint, Uuid, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import Base, Glance, Row, new_id
from lti_mentor.errors import LaunchError, NotFound, Refused
from lti_mentor.lti import keys, messages, platforms
from lti_mentor.lti.contexts import address
from lti_mentor.lti.platforms import Deployment
from lti_mentor.vault import Vault

MESSAGE = "LtiDeepLinkingRequest"
SETTINGS = "https://purl.imsglobal.org/spec/lti-dl/claim/deep_linking_settings"
_CLAIM = "https://purl.imsglobal.org/spec/lti/claim/"
_ANSWER = "https://purl.imsglobal.org/spec/lti-dl/claim/"
LINK = "ltiResourceLink"
GOOD_FOR = timedelta(hours=1)
ANSWER_SECONDS = 300
LONGEST_DATA = 20_000  # characters
FRAME = {"width": 880, "height": 620}  # pixels: what matters on our pages stands in the first 560
WINDOW = {"targetName": "lti-mentor"}
# Asked for with each link too: a tool that was registered by hand may lack them.
HISTORIES = {"context_history": "$Context.id.history", "link_history": "$ResourceLink.id.history"}


@dataclass(frozen=True)
class Wanted:
    """What the platform takes. ``data`` goes back as it came."""

    return_url: str
    data: str | None
    accepts_several: bool
    accepts_columns: bool
    targets: list[str] = field(default_factory=list)  # where it shows links: iframe, window and others

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> "Wanted":
        """Raises LaunchError when nothing that we have could be placed."""
        given = claims.get(SETTINGS)
        given = given if isinstance(given, Mapping) else {}
        return_url, data = address(given.get("deep_link_return_url")), given.get("data")
        if return_url is None or not (data is None or (isinstance(data, str) and _is_kept(data))):
            raise LaunchError("launch.missing_claim", name="deep_linking_settings")
        types = given.get("accept_types")
        if not isinstance(types, list) or LINK not in types:
            raise LaunchError("launch.no_links_taken")
        # 4.4.1 names no default for either: one thing is right anyway, and Moodle makes columns without a word.
        several = _is_said(given.get("accept_multiple"), default=False)
        columns = _is_said(given.get("accept_lineitem"), default=True)
        targets = given.get("accept_presentation_document_targets")
        known = [name for name in ("iframe", "window") if isinstance(targets, list) and name in targets]
        return cls(return_url, data, several, columns, known)


def _is_said(value: Any, *, default: bool) -> bool:
    """Also of a text that means it."""
    said = value.strip().casefold() if isinstance(value, str) else value
    return said in (True, "true") or (default and said not in (False, "false"))


def _is_kept(data: str) -> bool:
    """Whether it can be kept as it is: not endless, no NUL, no half of a character."""
    return len(data) <= LONGEST_DATA and "\0" not in data and not any("\ud800" <= each <= "\udfff" for each in data)


class Picker(Row):
    """One request to choose something, bound to the visit that its launch opened.

    Either the platform wants an answer at ``return_url``, or an activity without content is to show something.
    """

    __tablename__ = "pickers"

    visit_key: Mapped[str]
    deployment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("deployments.id", ondelete="CASCADE"))
    return_url: Mapped[str | None]
    resource_link_id: Mapped[str | None]  # of the activity
    data: Mapped[str | None]
    accepts_several: Mapped[bool]
    accepts_columns: Mapped[bool]
    targets: Mapped[list[str]] = mapped_column(JSON, default=list)
    items: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)  # the answer
    answered_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class PlacedLink(Row):
    """Something of ours in a course. The platform keeps ``key`` and copies it with the course.

    What a teacher chose for an activity without content is known by its ``resource_link_id`` instead.
    """

    __tablename__ = "placed_links"

    key: Mapped[uuid.UUID] = mapped_column(default=new_id)
    kind: Mapped[str]  # the feature whose it is, see ``web/placed.py``
    target: Mapped[str]  # which one of that kind: the id of a program, the slug of a certification, or nothing
    placed_at: Mapped[datetime] = mapped_column(default=clock.now)
    deployment_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("deployments.id", ondelete="SET NULL"))
    context_id: Mapped[str | None]  # where it was placed first
    resource_link_id: Mapped[str | None]

    __table_args__ = (
        UniqueConstraint("organization_id", "key"),
        UniqueConstraint("organization_id", "deployment_id", "resource_link_id", name="uq_placed_links_of_activity"),
    )

    @property
    def place(self) -> tuple[uuid.UUID, str] | None:
        """The deployment and the context it was placed in first, as long as that deployment is there."""
        return (self.deployment_id, self.context_id) if self.deployment_id and self.context_id else None


def open_picker(db: Session, deployment: Deployment, wanted: Wanted, *, visit_key: str) -> Picker:
    """Keep what the platform asked for until the teacher has chosen."""
    picker = Picker(
        organization_id=deployment.organization_id,
        deployment_id=deployment.id,
        visit_key=visit_key,
        expires_at=clock.now() + GOOD_FOR,
        **vars(wanted),
    )
    db.add(picker)
    db.flush()
    return picker


def open_choice(db: Session, deployment: Deployment, resource_link_id: str, *, visit_key: str) -> Picker:
    """Let the teacher of this visit choose what an activity without content shows."""
    picker = Picker(
        organization_id=deployment.organization_id,
        deployment_id=deployment.id,
        visit_key=visit_key,
        resource_link_id=resource_link_id,
        accepts_several=False,
        accepts_columns=False,
        expires_at=clock.now() + GOOD_FOR,
    )
    db.add(picker)
    db.flush()
    return picker


def choice_of_visit(db: Session, organization_id: uuid.UUID, *, visit_key: str) -> Picker | None:
    """What the teacher of this visit may still choose for the activity they came from."""
    return db.scalar(
        select(Picker).where(
            Picker.organization_id == organization_id,
            Picker.visit_key == visit_key,
            Picker.resource_link_id.is_not(None),
            Picker.expires_at > clock.now(),
        )
    )


def get_picker(db: Session, organization_id: uuid.UUID, picker_id: uuid.UUID, *, visit_key: str) -> Picker:
    """The picker of this visit. Raises NotFound for every other, and Refused when its time is over."""
    picker = db.scalar(
        select(Picker).where(
            Picker.organization_id == organization_id, Picker.id == picker_id, Picker.visit_key == visit_key
        )
    )
    if picker is None:
        raise NotFound("picker.unknown")
    if picker.expires_at < clock.now():
        raise Refused("picker.over")
    return picker


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Something to place: title and text for the course page, dates, and a column of the gradebook if it has one.

    ``shows`` are sentences about what people find behind the link, for whoever chooses.
    """

    kind: str
    target: str
    title: str
    text: str
    shows: tuple[str, ...] = ()
    column_key: uuid.UUID | None = None
    column_label: str = ""
    column_tag: str = ""
    opens_at: datetime | None = None
    closes_at: datetime | None = None

    @property
    def value(self) -> str:
        """What stands for it in a form."""
        return f"{self.kind} {self.target}".strip()


def answer(db: Session, picker: Picker, choices: Sequence[Choice], *, context_id: str | None, base_url: str) -> None:
    """Keep what is placed, once; no choice at all is an answer too. Raises Refused for a second answer."""
    db.refresh(picker, with_for_update=True)
    if picker.answered_at is not None:
        raise Refused("picker.answered")
    if len(choices) > 1 and not picker.accepts_several:
        raise Refused("picker.one_only")
    items = []
    for choice in choices:
        link = _place(db, picker, choice, context_id)
        items.append(_item(link, choice, base_url) | _presented(picker.targets))
    picker.items, picker.answered_at = items, clock.now()


def _place(db: Session, picker: Picker, choice: Choice, context_id: str | None) -> PlacedLink:
    key = choice.column_key or new_id()  # one key for a link and its column
    link = PlacedLink(organization_id=picker.organization_id, key=key, kind=choice.kind, target=choice.target)
    link.deployment_id, link.context_id = picker.deployment_id, context_id
    db.add(link)
    db.flush()
    return link


def show(db: Session, picker: Picker, choice: Choice, *, context_id: str | None) -> None:
    """Let the activity of the picker show this from now on. Raises NotFound for a picker of the platform."""
    if picker.resource_link_id is None:
        raise NotFound("picker.unknown")
    db.refresh(picker, with_for_update=True)
    known = of_activity(db, picker.organization_id, picker.deployment_id, [picker.resource_link_id])
    if known is not None:
        link = db.get_one(PlacedLink, known.id)
    else:
        link = _place(db, picker, choice, context_id)
        link.resource_link_id = picker.resource_link_id
    link.kind, link.target = choice.kind, choice.target


# Made once: building a statement costs more than running it.
_GLANCE = Glance(PlacedLink)
_PLACED = Base.metadata.tables["placed_links"].c
_OF_ACTIVITIES = select(*_GLANCE.columns).where(
    _PLACED.organization_id == bindparam("organization_id", type_=Uuid()),
    _PLACED.deployment_id == bindparam("deployment_id", type_=Uuid()),
    _PLACED.resource_link_id.in_(bindparam("links", expanding=True)),
)


def of_activity(
    db: Session, organization_id: uuid.UUID, deployment_id: uuid.UUID, resource_link_ids: Sequence[str]
) -> PlacedLink | None:
    """What was chosen for the first of these activities that something was chosen for, to be looked at."""
    given = {"organization_id": organization_id, "deployment_id": deployment_id, "links": list(resource_link_ids)}
    links = (_GLANCE.rows(row)[0] for row in db.connection().execute(_OF_ACTIVITIES, given))
    found = {link.resource_link_id: link for link in links}
    return next((found[each] for each in resource_link_ids if each in found), None)


def _presented(targets: Sequence[str]) -> dict[str, Any]:
    """In a frame where the platform has one, else in a window, else as it likes."""
    if "iframe" in targets:
        return {"iframe": FRAME}
    return {"window": WINDOW} if "window" in targets else {}


def _item(link: PlacedLink, choice: Choice, base_url: str) -> dict[str, Any]:
    """With its key in address and custom parameter: one of the two survives in every platform."""
    item: dict[str, Any] = {
        "type": LINK,
        "url": f"{base_url}/lti/launch?link={link.key}",
        "title": choice.title,
        "text": choice.text,
        "custom": {"mentor_link": str(link.key), **HISTORIES},
    }
    dates = {"startDateTime": choice.opens_at, "endDateTime": choice.closes_at}
    ahead = {name: at.isoformat() for name, at in dates.items() if at is not None and at > clock.now()}
    if choice.column_key is not None:
        maximum = {"scoreMaximum": 100, "label": choice.column_label, "resourceId": str(choice.column_key)}
        review = {**messages.reviewable(item["url"]), "custom": item["custom"]}
        item["lineItem"] = {**maximum, "tag": choice.column_tag, "submissionReview": review}
        if "endDateTime" in ahead:
            item["submission"] = {"endDateTime": ahead["endDateTime"]}
    elif ahead:
        item["available"] = ahead
    return item


def signed(db: Session, vault: Vault, picker: Picker) -> str:
    """The answer as a message of the tool (Security Framework 5.2.2), good for a few minutes."""
    platform = platforms.of_deployment(db, picker.deployment_id)
    deployment = db.get_one(Deployment, picker.deployment_id)
    key = keys.signing(db)
    if platform is None or key is None:
        raise Refused("picker.over")
    now = int(clock.now().timestamp())
    claims = {
        "iss": platform.client_id,
        "aud": platform.issuer,
        "iat": now,
        "exp": now + ANSWER_SECONDS,
        "nonce": secrets.token_urlsafe(16),
        f"{_CLAIM}deployment_id": deployment.deployment_id,
        f"{_CLAIM}message_type": "LtiDeepLinkingResponse",
        f"{_CLAIM}version": "1.3.0",
        f"{_ANSWER}content_items": picker.items,
    }
    if picker.data is not None:
        claims[f"{_ANSWER}data"] = picker.data
    private_pem = vault.open(keys.PURPOSE, key.sealed_private_pem)
    return jwt.encode(claims, private_pem, algorithm="RS256", headers={"kid": key.jwk["kid"]})


def placed(db: Session, organization_id: uuid.UUID, key_text: str) -> PlacedLink | None:
    """What a launch means by this key; none when it is none of ours."""
    try:
        key = uuid.UUID(key_text)
    except ValueError:
        return None
    return db.scalar(select(PlacedLink).where(PlacedLink.organization_id == organization_id, PlacedLink.key == key))
