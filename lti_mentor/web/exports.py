"""An export as the answer to a request, sent while it is read."""

import os
from collections.abc import Sequence

from flask import Response
from werkzeug.wsgi import FileWrapper

from lti_mentor import clock
from lti_mentor.insight import exports
from lti_mentor.insight.exports import FORMATS, Export


def download(made: Export, kind: str, columns: Sequence[str]) -> Response:
    """A file to keep, and how many statements are in it. Raises Refused."""
    count = made.count()
    if kind == "parquet":
        file = exports.parquet(made.batches(), columns)
        response = Response(FileWrapper(file), direct_passthrough=True)
        response.content_length = os.fstat(file.fileno()).st_size
        response.call_on_close(file.close)
    else:
        response = Response(exports.lines(made.batches(), kind, columns))
    response.content_type = FORMATS[kind] + ("; charset=utf-8" if kind == "csv" else "")
    name = f"statements-{clock.now():%Y-%m-%d}.{kind}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["X-Total-Count"] = str(count)
    return response
