"""An export as the answer to a request, sent while it is read, and how far it is."""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from threading import BoundedSemaphore
from typing import IO, TypeVar

from flask import Response, request
from sqlalchemy import ForeignKey, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from lti_mentor import clock
from lti_mentor.db import UNREACHABLE, Database, Row, inserting, new_id
from lti_mentor.errors import TooMany
from lti_mentor.insight import exports
from lti_mentor.insight.exports import FORMATS, Export
from lti_mentor.mentoring.people import Person

AT_ONCE = 2  # exports of one process: its other threads stay free for everybody else
_PLACES = BoundedSemaphore(AT_ONCE)
WAIT_SECONDS = 60
CUT_OFF = timedelta(minutes=5)  # without one more statement: the process was killed
_PIECE = 65536  # bytes


class ExportRun(Row):
    """How far an export is that a page waits for. ``form_key`` names the form that asked for it.

    ``done`` stays below ``total`` until the file is whole, and both are what is in it then.
    """

    __tablename__ = "export_runs"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    form_key: Mapped[str]
    total: Mapped[int]
    done: Mapped[int] = mapped_column(default=0)
    at: Mapped[datetime] = mapped_column(default=clock.now, index=True)  # of the last change

    __table_args__ = (UniqueConstraint("organization_id", "person_id", "form_key"),)

    @property
    def is_whole(self) -> bool:
        return self.done >= self.total

    @property
    def is_cut_off(self) -> bool:
        return not self.is_whole and self.at < clock.now() - CUT_OFF


def begin(db: Session, person: Person, form_key: str) -> uuid.UUID:
    """Count from nothing, also where the same form is sent again, or twice at once. Gives the id of the run."""
    whose = {"organization_id": person.organization_id, "person_id": person.id, "form_key": form_key}
    nothing = {"total": 0, "done": -1, "at": clock.now()}
    made = inserting(db, ExportRun).values(id=new_id(), **whose, **nothing)
    again = made.on_conflict_do_update(index_elements=list(whose), set_=nothing)
    return db.execute(again.returning(ExportRun.id)).scalar_one()


def of(db: Session, person: Person, form_key: str) -> ExportRun | None:
    wanted = select(ExportRun).where(
        ExportRun.organization_id == person.organization_id, ExportRun.person_id == person.id
    )
    return db.scalar(wanted.where(ExportRun.form_key == form_key))


@dataclass
class Progress:
    """What the page is told that waits for this run; nobody, where there is none."""

    database: Database
    run: uuid.UUID | None
    total: int = 0
    done: int = 0

    def take(self, number: int) -> None:
        """So many more were handed on; unless somebody else is writing just then."""
        self.done += number
        with suppress(*UNREACHABLE):
            self._write(self.database.writing_at_once, done=min(self.done, self.total - 1), total=self.total)

    def finish(self) -> None:
        """What was found is what there is: a statement may have been voided since they were counted."""
        with suppress(*UNREACHABLE):
            self._write(self.database.transaction, done=self.done, total=self.done)

    def stop(self) -> None:
        """The file was not finished."""
        with suppress(*UNREACHABLE):
            self._write(self.database.transaction, at=clock.now() - 2 * CUT_OFF)

    def _write(self, opened: Callable[[], AbstractContextManager[Session]], **values: object) -> None:
        if self.run is not None:
            with opened() as db:
                db.execute(update(ExportRun).where(ExportRun.id == self.run).values({"at": clock.now(), **values}))


def download(made: Export, kind: str, columns: Sequence[str], run: uuid.UUID | None = None) -> Response:
    """A file to keep, and how many statements are in it. Raises Refused and TooMany."""
    progress, place = Progress(made.database, run), ExitStack()
    try:
        _take(place)
        progress.total = made.count()
        progress.take(0)
        response = _response(made, kind, columns, progress, place.close)
    except BaseException:
        place.close()
        progress.stop()
        raise
    response.call_on_close(place.close)
    response.content_type = FORMATS[kind] + ("; charset=utf-8" if kind == "csv" else "")
    name = f"statements-{clock.now():%Y-%m-%d}.{kind}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Total-Count"] = str(progress.total)
    return response


def _take(place: ExitStack) -> None:
    """One of the few, until it is closed, however often that is done. Raises TooMany."""
    if not _PLACES.acquire(blocking=False):
        raise TooMany("export.too_many", seconds=WAIT_SECONDS)
    place.callback(_PLACES.release)


def _response(
    made: Export, kind: str, columns: Sequence[str], progress: Progress, leave: Callable[[], None]
) -> Response:
    """A Parquet file is made before its first byte can be sent; of others a piece is sent as soon as it is read."""
    if kind == "parquet":
        exports.need_duckdb()
    if request.method == "HEAD":
        return Response(iter(()))
    if kind != "parquet":
        return Response(_told(exports.lines(made, kind, columns, progress.take), progress, leave))
    file = tempfile.TemporaryFile()  # noqa: SIM115 (open until it is sent)
    try:
        exports.write_parquet(made, columns, file, progress.take)
    except BaseException:
        file.close()
        raise
    response = Response(_told(_read(file), progress, leave))
    response.content_length = os.fstat(file.fileno()).st_size
    response.call_on_close(file.close)
    return response


def _read(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    with file:
        yield from iter(partial(file.read, _PIECE), b"")


_Piece = TypeVar("_Piece", str, bytes)


def _told(pieces: Iterator[_Piece], progress: Progress, leave: Callable[[], None]) -> Iterator[_Piece]:
    """The same pieces; whoever waits is told whether all of them were taken."""
    try:
        yield from pieces
    except BaseException:
        progress.stop()
        raise
    else:
        progress.finish()
    finally:
        leave()
