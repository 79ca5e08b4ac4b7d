"""How statements come into the store.

One request of a process checks and stores at a time: threads that compute at once wait for the interpreter at every
call of the database, and everybody else for the lock that one of them holds. Who has the turn takes along what others
have sent with the same key meanwhile: all of it is one transaction, or each is one of its own where something is wrong.
Where several came at once just now, it waits a moment for as many again; who comes alone waits for nobody.
"""

import json
import logging
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from threading import Condition, RLock
from typing import Any

from flask import g, request
from sqlalchemy.orm import Session

from lti_mentor import clock
from lti_mentor.activity import outside, record
from lti_mentor.db import is_away
from lti_mentor.mentoring import results
from lti_mentor.tool import Tool
from lti_mentor.web.lrs import LET_IN, Wrong, authority, caller_with, key_digest, out_of_bounds
from lti_mentor.web.tool import tool
from xapi import activities, drafts, keys, multipart, store, strict
from xapi.drafts import Batch
from xapi.errors import InvalidStatement, VoidingRefused
from xapi.facets import Statement
from xapi.store import Taken
from xapi.vocabulary import Verbs

log = logging.getLogger(__name__)

JSON, MIXED = "application/json", "multipart/mixed"
PATIENCE = 1.0  # seconds, for the turn: whoever has it may wait for a lock, and four large batches take half of it
GATHERING = 0.002  # seconds, for as many as there were the last time: a commit costs more than one of them
MOST_BYTES = 200_000  # that are taken along


@dataclass(eq=False)
class Sent:
    """What a request sends to be stored, and what comes of it."""

    tool: Tool
    key: bytes  # the digest of it and its secret
    version: str
    media_type: str
    boundary: str
    body: bytes
    statement_id: uuid.UUID | None  # of the address, where it is about a single one
    caller: keys.Caller | None = None  # once the key was looked up
    outcome: Future[Taken] = field(default_factory=Future)

    def goes_with(self, other: "Sent") -> bool:
        """Whether a transaction could be of both. Attachments are for the statements that they came with."""
        is_plain = self.media_type == other.media_type == JSON
        return is_plain and self.tool is other.tool and self.key == other.key


class Turns:
    """Whose turn it is, and who waits for one."""

    def __init__(self) -> None:
        lock = RLock()
        self._changed, self._joined = Condition(lock), Condition(lock)
        self._waiting: list[Sent] = []
        self._holder: Sent | None = None
        self._last: Sent | None = None  # whose turn was the last one, without the body and what came of it
        self._lately = 0  # how many could have gone with it by its end

    @property
    def waiting(self) -> int:
        """How many do."""
        return len(self._waiting)

    @property
    def is_taken(self) -> bool:
        return self._holder is not None

    @contextmanager
    def turn(self, sent: Sent) -> Iterator[list[Sent]]:
        """What to store now: nothing where another one is at it already, and this one alone after a long wait."""
        chosen: list[Sent] = []
        try:
            chosen = self._chosen(sent)
            yield chosen
        finally:
            with self._changed:
                if self._holder is sent:
                    self._holder, self._last = None, replace(sent, body=b"", outcome=Future())
                    self._lately = len(chosen) + len(_together(sent, self._waiting))
                    self._changed.notify_all()

    def _chosen(self, sent: Sent) -> list[Sent]:
        with self._changed:
            chosen: list[Sent] = []
            self._waiting.append(sent)
            self._joined.notify()
            try:
                self._changed.wait_for(lambda: sent not in self._waiting or not self.is_taken, PATIENCE)
                if sent in self._waiting and self.is_taken:
                    chosen = [sent]
                elif sent in self._waiting:
                    self._holder = sent
                    self._joined.wait_for(lambda: self._is_enough(sent), GATHERING)
                    chosen = _together(sent, self._waiting)
            finally:  # where it is interrupted, nobody stores what nobody waits for
                self._waiting = [each for each in self._waiting if each is not sent and each not in chosen]
            return chosen

    def _is_enough(self, sent: Sent) -> bool:
        """Whether as many go with it as with the last one, if it was of the same, or as have room."""
        expected = self._lately if self._last is not None and sent.goes_with(self._last) else 1
        return len(_together(sent, self._waiting)) >= min(expected, MOST_BYTES // max(len(sent.body), 1))


TURNS = Turns()


def _together(first: Sent, waiting: Sequence[Sent]) -> list[Sent]:
    """It and what goes with it, in the order in which they came."""
    chosen, size = [], len(first.body)
    for each in waiting:
        if each is not first and first.goes_with(each) and size + len(each.body) <= MOST_BYTES:
            size += len(each.body)
            chosen.append(each)
        elif each is first:
            chosen.append(each)
    return chosen


def take_sent(statement_id: uuid.UUID | None = None) -> list[uuid.UUID]:
    """Store what the request sends, all or none, and give the ids in its order.

    Raises Wrong, InvalidStatement, Conflict and VoidingRefused.
    """
    sent = Sent(
        tool=tool(),
        key=key_digest(),
        version=g.version,
        media_type=request.mimetype,
        boundary=request.mimetype_params.get("boundary", ""),
        body=request.get_data(),  # which takes as long as the sender likes
        statement_id=statement_id,
        caller=g.get("caller"),
    )
    with TURNS.turn(sent) as together:
        _settle(together)
    try:
        taken = sent.outcome.result()
    finally:
        if sent.caller is not None:  # also where it is refused
            g.caller = sent.caller
    g.through = taken.through
    return taken.ids


def _settle(sents: Sequence[Sent]) -> None:
    """Let each of them know what came of it, whatever happens."""
    problem: Exception = RuntimeError("the worker was stopped meanwhile")
    batches: list[tuple[Sent, Batch]] = []
    try:
        _let_in(sents)
        for sent in sents:
            with _telling(sent):
                batches.append((sent, _checked(sent)))
        _store_together(batches)
    except Exception as error:
        problem = error
    finally:
        for sent in sents:
            if not sent.outcome.done():
                sent.outcome.set_exception(problem)


def _let_in(sents: Sequence[Sent]) -> None:
    """Look the key up for those who came so far without: it is the same for all. Raises Wrong."""
    if any(sent.caller is None for sent in sents):
        try:
            g.caller = caller_with(keys.WRITE)
        except Wrong:
            LET_IN.discard(sents[0].key)
            raise
        for sent in sents:
            sent.caller = g.caller


@contextmanager
def _telling(sent: Sent) -> Iterator[None]:
    """What goes wrong is told to whom it concerns: where the database is away, that is everybody."""
    try:
        yield
    except Exception as error:
        if is_away(error):
            raise
        sent.outcome.set_exception(error)


def _store_together(batches: Sequence[tuple[Sent, Batch]]) -> None:
    """In one transaction, and where something is wrong in one each, so that it concerns nobody else."""
    if len(batches) > 1 and _are_apart([batch for _, batch in batches]):
        try:
            taken = _store(drafts.together([batch for _, batch in batches]))
        except Exception as error:
            if is_away(error):
                raise
            log.info("statements of several requests are stored one by one", extra={"reason": type(error).__name__})
        else:
            _tell(taken, batches)
            return
    for sent, batch in batches:
        with _telling(sent):
            sent.outcome.set_result(_store(batch))


def _are_apart(batches: Sequence[Batch]) -> bool:
    """Whether no id is in two of them."""
    ids = [statement_id for batch in batches for statement_id in batch.named]
    return len(ids) == len(set(ids))


def _tell(taken: Taken, batches: Sequence[tuple[Sent, Batch]]) -> None:
    """Each its own ids."""
    rest = iter(taken.ids)
    for sent, batch in batches:
        sent.outcome.set_result(replace(taken, ids=list(islice(rest, len(batch.drafts)))))


def _checked(sent: Sent) -> Batch:
    """What is sent, as it can be stored. Raises Wrong and InvalidStatement."""
    given, contents = _given(sent)
    if sent.statement_id is not None:
        if not isinstance(given, dict):
            raise InvalidStatement("", "It has to be one statement.", "Part Three, 2.1.1")
        if str(given.setdefault("id", str(sent.statement_id))).lower() != str(sent.statement_id):
            raise InvalidStatement("id", "It differs from statementId.", "Part Three, 2.1.1")
    said, caller = given if isinstance(given, list) else [given], g.caller
    batch = drafts.checked(said, tenant=caller.tenant, authority=authority(), version=sent.version, contents=contents)
    if not all(caller.may_see(draft.statement) for draft in batch.drafts):
        raise out_of_bounds("a statement has to have it as its object or among the activities of its context")
    return batch


def _given(sent: Sent) -> tuple[Any, dict[str, bytes]]:
    """What is sent, and its attachments by SHA-2."""
    if sent.media_type == JSON:
        return _parsed(sent.body), {}
    if sent.media_type == MIXED:
        first, *attached = multipart.parts(sent.body, sent.boundary)
        if first.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            raise InvalidStatement("", f"The first part of the message is {JSON}.", "Part Three, 1.5.2")
        return _parsed(first.content), multipart.contents(attached)
    raise Wrong(400, "content_type", f"Send the content type {JSON} or {MIXED}.")


def _parsed(body: bytes) -> Any:
    try:
        return strict.parsed(body)
    except ValueError:
        raise Wrong(400, "json", "The body is not valid JSON.") from None


def _store(batch: Batch) -> Taken:
    """Again where a form or a roster wrote about the same people: those lock what we lock, the other way round."""
    teaches = g.caller.may(keys.DEFINE) and g.caller.activity is None
    said = activities.said([draft.statement for draft in batch.drafts]) if teaches else {}
    taken, learned = tool().database.write(partial(_write, batch, said))
    if learned is not None:
        activities.remember(learned)
    return taken


def _write(batch: Batch, said: activities.Said, db: Session) -> tuple[Taken, activities.Learned | None]:
    """``said`` is what all of them say about activities: what was here already teaches nothing."""
    taken, learned = _take(db, batch), None
    if said:
        new = said if len(taken.new) == len(batch.drafts) else activities.said(taken.new)
        learned = activities.define(db, tenant=g.caller.tenant, said=new, version=taken.definitions)
    outside.queue(db, g.caller.tenant, taken)
    if g.caller.activity is None:  # of the items of courses a bound key says nothing that counts
        results.take_statements(db, g.caller.tenant, taken.new)
    return taken, learned


def _take(db: Session, batch: Batch) -> Taken:
    """A bound key voids what it may see, and hears of nothing else whether it is there. Raises Wrong."""
    refusal = out_of_bounds("it voids only statements that are here and name it too")
    is_bound, may_void_all = g.caller.activity is not None, g.caller.may(keys.ALL)
    keyed, now = partial(record.statement_hash, db, tool().vault), clock.now()
    try:
        taken = store.take(db, tenant=g.caller.tenant, batch=batch, now=now, keyed=keyed, voids_all=may_void_all)
    except VoidingRefused as error:
        raise (refusal if is_bound else error) from None
    if is_bound and not all(_may_void(db, statement) for statement in taken.new):
        raise refusal
    return taken


def _may_void(db: Session, statement: Statement) -> bool:
    """Whether it is none that voids, or the other one names the activity too."""
    if statement["verb"]["id"] != Verbs.VOIDED.iri:
        return True
    target_id = uuid.UUID(statement["object"]["id"])
    known = (find(db, tenant=g.caller.tenant, statement_id=target_id) for find in (store.get, store.get_voided))
    return any(body is not None and g.caller.may_see(json.loads(body)) for body in known)
