"""Record stores outside: which there are, what waits for them, and what may be done about it. Secrets are sealed."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.db import new_id
from lti_mentor.errors import Invalid, NotFound, Refused
from lti_mentor.vault import Vault
from xapi import delivery, outbox
from xapi.outbox import Standing
from xapi.rows import FormerTarget, Target
from xapi.store import Taken

PURPOSE = "lrs-target"
LONGEST_LABEL = 100
VERSIONS = delivery.VERSIONS


@dataclass(frozen=True, kw_only=True)
class TargetDraft:
    """What an administrator says of a record store. Without a token endpoint, key and secret are those of Basic."""

    label: str
    endpoint: str
    key: str
    secret: str
    version: str = VERSIONS[0]
    token_endpoint: str | None = None
    scope: str | None = None
    verbs: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    since: datetime | None = None  # what was stored before it is added, from then on; nothing by default


def add(db: Session, vault: Vault, organization_id: uuid.UUID, draft: TargetDraft) -> Target:
    """A new target; a worker checks it and then sends. Raises Invalid and Refused."""
    target = drafted(vault, organization_id, draft)
    if outbox.named(db, tenant=organization_id, label=target.label) is not None:
        raise Refused("target.label_taken")
    outbox.add_target(db, target, since=draft.since, now=clock.now())
    return target


def drafted(vault: Vault, organization_id: uuid.UUID, draft: TargetDraft) -> Target:
    """The row as it would be added. Raises Invalid."""
    wrong = problems(draft)
    if wrong:
        raise Invalid(wrong)
    return Target(
        tenant=organization_id,
        id=new_id(),
        label=draft.label.strip(),
        endpoint=delivery.endpoint(draft.endpoint),
        version=draft.version,
        key=draft.key,
        sealed_secret=vault.seal(PURPOSE, draft.secret.encode()),
        token_endpoint=draft.token_endpoint,
        scope=draft.scope,
        verbs=list(draft.verbs),
        activities=list(draft.activities),
        profiles=list(draft.profiles),
        status=outbox.NEW,
        created_at=clock.now(),
        queue_from=0,
        queued_seq=0,
        queue_until=0,
        delivered=0,
        failures=0,
        errors=0,
    )


def problems(draft: TargetDraft) -> dict[str, str]:
    """A reason for each field that cannot be used."""
    wrong: dict[str, str] = {}
    if not 1 <= len(draft.label.strip()) <= LONGEST_LABEL or not draft.label.isprintable():
        wrong["label"] = "target.label"
    if not _is_address(draft.endpoint):
        wrong["endpoint"] = "target.endpoint"
    wrong |= _wrong_ways_in(draft.key, draft.secret, draft.token_endpoint)
    if draft.version not in VERSIONS:
        wrong["version"] = "target.version"
    if draft.token_endpoint is not None and not _is_address(draft.token_endpoint):
        wrong["token_endpoint"] = "target.token_endpoint"  # noqa: S105 (the code of a reason)
    for name in ("verbs", "activities", "profiles"):
        if not all(":" in iri for iri in getattr(draft, name)):
            wrong[name] = "target.iri"
    return wrong


def _wrong_ways_in(key: str, secret: str, token_endpoint: str | None) -> dict[str, str]:
    wrong: dict[str, str] = {}
    if not key or not key.isprintable() or (":" in key and not token_endpoint):
        wrong["key"] = "target.key"
    if not secret or not secret.isprintable():
        wrong["secret"] = "target.secret"  # noqa: S105 (the code of a reason)
    return wrong


def _is_address(text: str) -> bool:
    try:
        return bool(delivery.endpoint(text))
    except ValueError:
        return False


def secret_of(vault: Vault, target: Target) -> str:
    return vault.open(PURPOSE, target.sealed_secret).decode()


def reseal(db: Session, vault: Vault) -> int:
    """Seal the secrets with the current secret key; gives how many there are."""
    targets = db.scalars(select(Target)).all()
    for target in targets:
        target.sealed_secret = vault.reseal(PURPOSE, target.sealed_secret)
    return len(targets)


def queue(db: Session, organization_id: uuid.UUID, taken: Taken) -> None:
    """Queue what was stored in this very transaction for the targets that want it."""
    if taken.is_wanted:
        outbox.queue(db, tenant=organization_id, statements=taken.new)


def standings(db: Session, organization_id: uuid.UUID | None = None) -> list[Standing]:
    """The targets of an organization, or of all, with what waits for each."""
    return outbox.standings(db, tenant=organization_id)


def standing(db: Session, organization_id: uuid.UUID, target_id: uuid.UUID) -> Standing:
    """Raises NotFound."""
    return outbox.standing(db, _get(db, organization_id, target_id))


def named(db: Session, organization_id: uuid.UUID, label: str) -> Target:
    """Raises NotFound."""
    target = outbox.named(db, tenant=organization_id, label=label)
    if target is None:
        raise NotFound("target.unknown")
    return target


def to_change(db: Session, organization_id: uuid.UUID, target_id: uuid.UUID) -> Target:
    """Left alone by workers until the transaction ends. Raises NotFound."""
    target = _get(db, organization_id, target_id)
    outbox.lock(db, target, now=clock.now())
    return target


def _get(db: Session, organization_id: uuid.UUID, target_id: uuid.UUID) -> Target:
    target = outbox.get(db, tenant=organization_id, target_id=target_id)
    if target is None:
        raise NotFound("target.unknown")
    return target


def pause(target: Target) -> None:
    """Send nothing until it is resumed; what it wants goes on waiting for it."""
    target.status = outbox.PAUSED


def resume(target: Target) -> None:
    """Check it again, at once, and send what waits."""
    target.status, target.failures, target.retry_at = outbox.NEW, 0, None


def change_secret(vault: Vault, target: Target, *, key: str, secret: str) -> None:
    """Get in with these from now on; checked again at once unless it is paused. Raises Invalid."""
    wrong = _wrong_ways_in(key, secret, target.token_endpoint)
    if wrong:
        raise Invalid(wrong)
    target.key, target.sealed_secret = key, vault.seal(PURPOSE, secret.encode())
    if target.status != outbox.PAUSED:
        resume(target)


def send_older(db: Session, target: Target, since: datetime) -> None:
    """Send everything that was stored from then on once more; what is there already stays as it is."""
    outbox.queue_older(db, target, since=since, now=clock.now())


def remove(db: Session, target: Target) -> None:
    """Forget the target, what waits for it and what it refused."""
    outbox.remove(db, target, now=clock.now())


def forget(db: Session, organization_id: uuid.UUID, agents: Iterable[str]) -> list[Target | FormerTarget]:
    """Send nothing any more that speaks of somebody; gives the record stores that may have something already."""
    outbox.forget_agents(db, tenant=organization_id, agents=agents, now=clock.now())
    return holders(db, organization_id)


def holders(db: Session, organization_id: uuid.UUID) -> list[Target | FormerTarget]:
    """The record stores that may have statements, also those that were removed."""
    return outbox.holders(db, tenant=organization_id)


def replay(db: Session, target: Target, statement_id: uuid.UUID | None = None) -> int:
    """Send again what was refused, one statement or all; gives how many."""
    return outbox.replay(db, target, statement_id, now=clock.now())


dead_letters, drop = outbox.dead_letters, outbox.drop
