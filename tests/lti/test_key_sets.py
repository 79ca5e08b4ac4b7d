"""How long the published keys of a platform are believed: as it says, within bounds; a new key is found at once."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import jsonify
from sqlalchemy import select

from lti_mentor.lti.platforms import KeySet, Platform
from lti_mentor.practice.tokens import SigningKey
from tests.lti.test_launch import refused, send
from tests.support.recording import recording


@contextmanager
def publishing(site, **headers):
    """The keys of the practice LMS at another address, with these headers; gives what was asked there."""

    def answer(_):
        keys = jsonify(keys=[key.jwk() for key in site.lms.lms.keys])
        keys.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return keys

    with recording(answer) as (base, seen):
        with site.database.transaction() as db:
            db.scalars(select(Platform)).one().jwks_uri = f"{base}/jwks"
        yield seen


def age(site, **by) -> None:
    """As if the keys had been fetched so long ago."""
    with site.database.transaction() as db:
        kept = db.scalars(select(KeySet)).one()
        kept.fetched_at -= timedelta(**by)
        kept.tried_at -= timedelta(**by)


def launch(site):
    answer = send(site)
    assert answer.status_code == 303
    return answer


@pytest.mark.parametrize(
    ("headers", "good", "over"),
    [
        ({}, {"minutes": 59}, {"minutes": 2}),
        ({"Cache_Control": "max-age=7200"}, {"minutes": 119}, {"minutes": 2}),
        ({"Cache_Control": 'public, Max-Age = "7200"'}, {"minutes": 119}, {"minutes": 2}),
        ({"Cache_Control": "max-age=3600", "Age": "3000"}, {"minutes": 9}, {"minutes": 2}),
        ({"Cache_Control": "max-age=3600", "Age": "a day"}, {"minutes": 59}, {"minutes": 2}),
        ({"Cache_Control": "s-maxage=7200"}, {"minutes": 59}, {"minutes": 2}),
        ({"Cache_Control": "max-age=soon"}, {"minutes": 59}, {"minutes": 2}),
        ({"Cache_Control": "max-age=-1"}, {"minutes": 59}, {"minutes": 2}),
        ({"Cache_Control": "max-age=0"}, {"minutes": 4}, {"minutes": 2}),
        ({"Cache_Control": "max-age=60", "Age": "90"}, {"minutes": 4}, {"minutes": 2}),
        ({"Cache_Control": "no-store, max-age=7200"}, {"minutes": 4}, {"minutes": 2}),
        ({"Cache_Control": "private, no-cache"}, {"minutes": 4}, {"minutes": 2}),
        ({"Cache_Control": "max-age=864000"}, {"hours": 23}, {"hours": 2}),
        ({"Cache_Control": "max-age=" + "9" * 5000}, {"hours": 23}, {"hours": 2}),
    ],
)
def test_keys_are_good_for_as_long_as_the_platform_says_within_bounds(site, headers, good, over):
    with publishing(site, **headers) as seen:
        for _ in range(2):
            launch(site)
        age(site, **good)
        launch(site)
        assert len(seen) == 1
        age(site, **over)
        for _ in range(2):
            launch(site)
        assert len(seen) == 2


def test_a_new_key_is_found_at_once_however_long_the_keys_before_it_were_good(both_site):
    with publishing(both_site, Cache_Control="max-age=86400") as seen:
        launch(both_site)
        age(both_site, minutes=1)
        both_site.lms.lms.rotate()
        launch(both_site)
        assert len(seen) == 2


def test_unknown_keys_do_not_ask_a_platform_again_and_again_that_says_nothing_may_be_kept(site):
    with publishing(site, Cache_Control="no-store") as seen:
        launch(site)
        for _ in range(3):
            refused(send(site, key=SigningKey()), "launch.unknown_key")
        assert len(seen) == 1, "the keys were asked for a moment ago"


def test_a_key_that_was_withdrawn_is_believed_no_longer_than_its_platform_said(site):
    with publishing(site, Cache_Control="max-age=600"):
        launch(site)
        withdrawn = site.lms.lms.keys[0]
        site.lms.lms.rotate()
        age(site, minutes=11)
        refused(send(site, key=withdrawn), "launch.unknown_key")
