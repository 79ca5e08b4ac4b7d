"""Which product a platform is: kept from its registration or its launches, for what is about one product alone."""

import pytest
from flask import request
from sqlalchemy import event, select

from lti_mentor.jobs import grades
from lti_mentor.lti.platforms import Platform
from lti_mentor.lti.registration import PLATFORM_CONFIGURATION
from lti_mentor.practice.tokens import CLAIM
from tests.lti import test_tied_columns as tied_columns
from tests.lti.test_certification import open_column
from tests.lti.test_launch import send
from tests.lti.test_one_issuer import run
from tests.lti.test_registration import invited, open_address, platform, platforms
from tests.lti.test_threats import change, tool_of

TOLD = "https://canvas.instructure.com/lti/submission"
PRODUCT = f"{CLAIM}tool_platform"


def family(site) -> str | None:
    with site.database.reading() as db:
        return db.scalars(select(Platform)).one().family


def test_a_registration_keeps_the_product_and_another_without_one_leaves_it(site):
    changes = {PLATFORM_CONFIGURATION: {"product_family_code": "canvas"}}
    with platform(changes) as (url, _):
        open_address(invited(site), url)
        assert platforms(site)[-1].family == "canvas"
        changes.clear()
        open_address(invited(site), url)
        assert platforms(site)[-1].family == "canvas"
    assert "product:                canvas" in run(site, "platform", "show", platforms(site)[-1].id).output


def test_the_first_launch_that_names_the_product_keeps_it_and_no_later_one_writes(both_site):
    site, written = both_site, []

    def note(connection, cursor, statement, *others):
        if statement.startswith("UPDATE platforms"):
            written.append(statement)

    for claim in (..., "canvas", {"product_family_code": 7}, {"product_family_code": ""}):
        assert send(site, {PRODUCT: claim}).status_code == 303
        assert family(site) is None
    assert send(site, {PRODUCT: {"product_family_code": "canvas\0"}}).status_code == 303
    assert family(site) == "canvas"
    event.listen(site.database.engine, "before_cursor_execute", note)
    assert send(site, {PRODUCT: {"product_family_code": "moodle"}}).status_code == 303
    assert (family(site), written) == ("canvas", [])


def test_a_launch_that_is_refused_keeps_no_product(site):
    assert send(site, {PRODUCT: {"product_family_code": "canvas"}, "nonce": "another"}).status_code == 400
    assert family(site) is None


@pytest.mark.quirk("own_issuers")
@pytest.mark.parametrize(("product", "is_told"), [("canvas", True), ("Canvas", True), ("moodle", False)])
def test_a_score_is_no_new_submission_on_a_canvas_with_an_issuer_of_its_own(site, product, is_told):
    open_column(site)
    change(site, Platform, family=product)
    seen = []
    site.lms.lms.bad_answers[:] = [lambda: None, lambda: None, lambda: seen.append(request.get_json())]
    assert grades.run(tool_of(site)) == 1
    assert seen[0].get(TOLD) == ({"new_submission": False} if is_told else None)


@pytest.mark.quirk("own_issuers")
def test_a_column_is_tied_to_nothing_on_a_canvas_with_an_issuer_of_its_own(site):
    tied_columns.chosen(site)
    tied_columns.open_column(site)
    change(site, Platform, family="canvas")
    assert tied_columns.tied(site) == {"1": None}
