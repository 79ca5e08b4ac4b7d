"""An export of what the filters of the statements ask for, for those who may see records."""

import secrets

from flask import make_response, render_template, request
from werkzeug.wrappers import Response

from lti_mentor.activity.record import iri_base
from lti_mentor.errors import Invalid, NotAllowed
from lti_mentor.insight import exports
from lti_mentor.insight.exports import Export
from lti_mentor.web import access, forms
from lti_mentor.web.exports import begin, download, of
from lti_mentor.web.forms import Shown
from lti_mentor.web.insight.blueprint import insight
from lti_mentor.web.insight.statements import FILTERS, Asked, asked_for, guard, may_see_people, write_down
from lti_mentor.web.tool import tool
from lti_mentor.web.visit import current_visit

_FILTERS = tuple(name for name in FILTERS if name != "q")  # words are looked for on the page alone


@insight.get("/export")
def export(error: Invalid | None = None) -> Shown:
    """What can be had, and how many statements it is."""
    _require_records()
    count = None
    try:
        count = _made(_asked()).count()
    except Invalid as problem:
        error = error or problem
    kept = {name: request.values[name] for name in _FILTERS if request.values.get(name)}
    page = render_template(
        "insight/export.html",
        count=count,
        kept=kept,
        words=request.values.get("q"),
        formats=list(exports.FORMATS),
        columns=exports.COLUMNS,
        given=request.form,
        error=error,
        run=None,
        form_key=secrets.token_urlsafe(18),
        is_asked=False,
        seen=None,
    )
    return make_response(page, error.status) if error else page


@insight.post("/export/file")
def export_file() -> Response | str:
    """The file, sent while it is read; on record."""
    _require_records()
    forms.require_own()
    kind = request.form.get("format", "")
    typed = [line.strip() for line in request.form.get("more", "").splitlines() if line.strip()]
    try:
        if kind not in exports.FORMATS:
            raise Invalid({"format": "export.no_format"})
        columns = exports.checked([*request.form.getlist("column"), *typed])
        asked = _asked()
    except Invalid as problem:
        return export(error=problem)
    with tool().database.transaction() as db:
        run = begin(db, current_visit().person, _form_key())
        write_down(db, "exported_statements", "insight.export", asked.subjects)
    return download(_made(asked), kind, columns, run)


@insight.get("/export/progress")
def export_progress() -> str:
    """How far the export is that the form of this key asked for.

    ``seen`` is the time of one that was shown to its end: the form is sent again, and that one is over.
    """
    _require_records()
    seen = request.args.get("seen")
    with tool().database.reading() as db:
        run = of(db, current_visit().person, _form_key())
    if run and run.at.isoformat() == seen:
        run = None
    if run and (run.is_whole or run.is_cut_off):
        seen = run.at.isoformat()
    return render_template("insight/progress.html", run=run, form_key=_form_key(), is_asked=True, seen=seen)


def _form_key() -> str:
    return request.values.get("form_key", "")[:64].replace("\0", "")


def _require_records() -> None:
    access.require("analyst")
    if not may_see_people():
        raise NotAllowed("export.no_records")


def _asked() -> Asked:
    with tool().database.reading() as db:
        return asked_for(db, {name: request.values[name] for name in _FILTERS if name in request.values})


def _made(asked: Asked) -> Export:
    with tool().database.reading() as db:
        base = iri_base(db)
    return exports.export(tool().database, current_visit().organization_id, asked.wanted, guard(base))
