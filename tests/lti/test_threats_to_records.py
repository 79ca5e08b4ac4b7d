"""What an attacker may try with the records, or may learn of them: spreadsheets, and credentials of record stores."""

import csv
import io

import pytest
import requests
from flask import Response
from sqlalchemy import select

from lti_mentor import clock
from lti_mentor.activity import record
from lti_mentor.jobs import statements
from lti_mentor.mentoring import organizations
from lti_mentor.web.request_log import JsonLines
from tests.lti.test_threats import tool_of
from tests.support.outside import say, standing, statement
from tests.support.recording import recording
from tests.web.test_admin import Administrator
from xapi import keys
from xapi.rows import Target

SECRET = "the secret of the other side"


@pytest.mark.threat("formulas")
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_formulas_that_a_client_wrote_are_text_in_an_export(site, start):
    tool = tool_of(site)
    with site.database.transaction() as db:
        key = keys.add(
            db,
            tenant=organizations.named(db, "Home").id,
            label="reader",
            now=clock.now(),
            fingerprint=lambda text: record.key_hashes(db, tool.vault, text)[0],
        )
    formula = f'{start}HYPERLINK("http://evil.example.org")'
    said = statement(1, result={"response": formula})
    sent = {"json": said, "headers": {"X-Experience-API-Version": "1.0.3"}, "auth": key, "timeout": 9}
    assert requests.post(f"{site.url}/xapi/statements", **sent).status_code == 200
    columns = {"columns": "id,result.response"}
    answer = requests.get(f"{site.url}/api/statements.csv", params=columns, auth=key, timeout=9)
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert row == {"id": said["id"], "result.response": f"'{formula}"}


def store_that_lets_nobody_in(asked):
    if asked.address.endswith("/about"):
        return Response('{"version": ["1.0.3"]}', mimetype="application/json")
    return Response(f"I know {asked.headers['Authorization']}", 401) if asked.method == "POST" else Response("{}")


@pytest.mark.threat("record_store_credentials")
def test_record_store_credentials_are_on_no_page_in_no_log_and_in_no_row(site, caplog):
    caplog.set_level("DEBUG")
    administrator = Administrator(site)
    administrator.open("targets")
    with recording(store_that_lets_nobody_in) as (base, seen):
        typed = {"label": "Warehouse", "endpoint": f"{base}/xapi", "key": "us", "secret": SECRET}
        pages = [administrator.submit("/admin/targets", {**typed, "label": ""})]
        pages.append(administrator.submit("/admin/targets", typed))
        with site.database.reading() as db:
            home = db.scalars(select(Target.tenant)).one()
        say(site.database, home, [statement(1)])
        assert statements.run(tool_of(site)) == 0
    token = seen[-1].headers["Authorization"].removeprefix("Basic ")
    target_id = standing(site.database, home).target.id
    pages += [administrator.open(page) for page in ("", "targets", f"targets/{target_id}", "log")]
    with site.database.reading() as db:
        kept = str(db.execute(select(Target.__table__)).all())
    lines = "".join(JsonLines().format(each) for each in caplog.records)
    assert "Warehouse" in pages[-1].text
    for secret in (SECRET, token):
        assert all(secret not in page.text + page.url for page in pages)
        assert secret not in kept + lines
