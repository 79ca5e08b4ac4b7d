"""An export as the answer to a request, sent while it is read, and how far it is."""

import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from flask import Response
from sqlalchemy import ForeignKey, UniqueConstraint, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, Session, mapped_column
from werkzeug.wsgi import FileWrapper

from lti_mentor import clock
from lti_mentor.db import Database, Row
from lti_mentor.insight import exports
from lti_mentor.insight.exports import FORMATS, Batch
from lti_mentor.mentoring.people import Person

CUT_OFF = timedelta(minutes=2)  # without one more statement


class ExportRun(Row):
    """How far an export is that a page waits for. ``form_key`` names the form that asked for it."""

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


def begin(db: Session, person: Person, form_key: str, total: int) -> ExportRun:
    """Count from nothing, also where the same form is sent again."""
    run = of(db, person, form_key)
    if run is None:
        run = ExportRun(organization_id=person.organization_id, person_id=person.id, form_key=form_key)
        db.add(run)
    run.total, run.done, run.at = total, 0, clock.now()
    db.flush()
    return run


def of(db: Session, person: Person, form_key: str) -> ExportRun | None:
    wanted = select(ExportRun).where(
        ExportRun.organization_id == person.organization_id, ExportRun.person_id == person.id
    )
    return db.scalar(wanted.where(ExportRun.form_key == form_key))


def counted(database: Database, run: ExportRun, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The same statements; how many there were is written down, unless somebody else is writing just then."""
    done = 0
    for batch in batches:
        yield batch
        done += len(batch)
        with suppress(OperationalError), database.writing_at_once() as db:
            db.execute(update(ExportRun).where(ExportRun.id == run.id).values(done=done, at=clock.now()))
    with database.transaction() as db:
        db.execute(update(ExportRun).where(ExportRun.id == run.id).values(done=run.total, at=clock.now()))


def download(batches: Iterable[Batch], count: int, kind: str, columns: Sequence[str]) -> Response:
    """A file to keep, and how many statements are in it. Raises Refused."""
    if kind == "parquet":
        file = exports.parquet(batches, columns)
        response = Response(FileWrapper(file), direct_passthrough=True)
        response.content_length = os.fstat(file.fileno()).st_size
        response.call_on_close(file.close)
    else:
        response = Response(exports.lines(batches, kind, columns))
    response.content_type = FORMATS[kind] + ("; charset=utf-8" if kind == "csv" else "")
    name = f"statements-{clock.now():%Y-%m-%d}.{kind}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Total-Count"] = str(count)
    return response
