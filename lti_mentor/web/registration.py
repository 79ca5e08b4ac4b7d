"""Dynamic Registration: the LMS opens this address in a frame of its administration pages."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from flask import Blueprint, render_template, request
from sqlalchemy.orm import Session

from lti_mentor.errors import MentorError, PlatformError, Refused, TooMany
from lti_mentor.lti import quirks
from lti_mentor.lti import registration as rules
from lti_mentor.lti.registration import Kept
from lti_mentor.mentoring import audit, organizations
from lti_mentor.web import errors, headers, limits, platform_changes
from lti_mentor.web.tool import tool

registration = Blueprint("registration", __name__, url_prefix="/lti/register")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Guest:
    """On whose behalf an LMS registers; ``invitation_id`` is none when anybody may."""

    organization_id: UUID
    needs_approval: bool
    invitation_id: UUID | None


@registration.get("")
def register() -> str | tuple[str, int]:
    """Dynamic Registration 1.0, 3.3 to 3.6: read what the platform is, send what the tool is, keep the answer."""
    headers.let_anybody_frame()  # the host of the administration pages is not known, and nothing here can be clicked
    settings, database = tool().settings, tool().database
    address, token = request.args.get("openid_configuration"), request.args.get("registration_token")
    if not address:
        return render_template("lti/paste.html")
    secret = request.args.get("invitation")
    if not secret and not settings.open_registration:
        raise Refused("registration.closed")
    invited = _invited(secret) if secret else None
    if invited is None:
        _check_pace()
    try:
        offer = rules.read_offer(address, token, settings)
        if invited is None and offer.issuer in quirks.SHARED_ISSUERS:
            raise Refused("registration.closed")  # its institutions would share one organization here
        granted = rules.register(offer, token, settings)
        with database.transaction() as db:
            guest = invited or _stranger(db, offer)
            kept = rules.keep(
                db, offer, granted, organization_id=guest.organization_id, needs_approval=guest.needs_approval
            )
            _check_stranger(guest, kept.is_new)
            known_as = [granted.deployment_id] if granted.deployment_id else []
            platform_changes.let_in_all(db, kept.platform, known_as, guest.organization_id, place="lti/register")
            what = f": {', '.join(kept.changed)}" if kept.changed else ""
            audit.write(db, guest.organization_id, "registered", place=f"lti/register {kept.platform.title}{what}")
    except Exception:  # whatever it was: the invitation is still good
        _give_back(invited)
        raise
    return _done(kept)


def _check_pace() -> None:
    """Of strangers: whoever has a good invitation never waits for them."""
    settings = tool().settings
    with tool().database.transaction() as db:
        limits.take(
            db,
            tool().vault,
            "registration",
            limits.address(),
            each=settings.registrations_an_hour_of_address,
            together=settings.registrations_an_hour,
            within=timedelta(hours=1),
        )


def _invited(secret: str) -> Guest:
    try:
        with tool().database.transaction() as db:
            invitation = rules.take(db, secret)
    except Refused:
        _check_pace()
        raise
    return Guest(invitation.organization_id, invitation.needs_approval, invitation.id)


def _stranger(db: Session, offer: rules.Offer) -> Guest:
    """Where registration is open: an organization of the platform's own, and nothing before an approval."""
    return Guest(organizations.named(db, offer.issuer).id, needs_approval=True, invitation_id=None)


def _check_stranger(guest: Guest, is_new: bool) -> None:
    """Nobody without an invitation changes what is registered."""
    if guest.invitation_id is None and not is_new:
        raise Refused("registration.of_others")


def _give_back(invited: Guest | None) -> None:
    if invited is not None and invited.invitation_id is not None:
        with tool().database.transaction() as db:
            rules.give_back(db, invited.invitation_id)


def _done(kept: Kept) -> str:
    log.info("platform registered", extra={"detail": kept.platform.issuer})
    changed = [errors.field_name(name) for name in kept.changed]
    return render_template("lti/registered.html", platform=kept.platform, is_new=kept.is_new, changed=changed)


@registration.errorhandler(PlatformError)
@registration.errorhandler(Refused)
@registration.errorhandler(TooMany)
def refuse(error: MentorError) -> tuple[str, int, dict[str, str]]:
    """A page in the LMS's frame that says what went wrong; nothing was registered here."""
    headers.let_anybody_frame()
    log.warning("registration refused", extra={"reason": error.reason})
    return render_template("lti/not_registered.html", error=error), error.status, headers.when_again(error)
