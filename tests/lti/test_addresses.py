"""Addresses of services: what is asked of a list is on each page of it, once."""

import pytest

from lti_mentor.lti.services import with_only, with_query


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("https://lms.example.org/m", "https://lms.example.org/m?rlid=a%20b"),
        ("https://lms.example.org/m#top", "https://lms.example.org/m?rlid=a%20b"),
        ("https://lms.example.org/m?type=1&x", "https://lms.example.org/m?type=1&x&rlid=a%20b"),
        ("https://lms.example.org/m?rlid=2&type=1", "https://lms.example.org/m?type=1&rlid=a%20b"),
        ("https://lms.example.org/m?rlid=&type=%C3%BC", "https://lms.example.org/m?type=%C3%BC&rlid=a%20b"),
        ("https://lms.example.org/m?rlid", "https://lms.example.org/m?rlid=a%20b"),
        ("https://lms.example.org/m?rlid=a%20b&rlid=2", "https://lms.example.org/m?rlid=a%20b"),
        ("https://lms.example.org/m?rlid=a+b&type=1", "https://lms.example.org/m?rlid=a+b&type=1"),
    ],
)
def test_an_address_asks_for_one_link_alone_whatever_it_came_with(given, made):
    assert with_only(given, "rlid", "a%20b") == made


def test_a_parameter_goes_before_the_fragment_which_is_sent_to_nobody():
    assert with_query("https://lms.example.org/m?a=1#top", "limit", "500") == "https://lms.example.org/m?a=1&limit=500"
    assert with_query("https://lms.example.org/m?limit=5", "limit", "500") == "https://lms.example.org/m?limit=5"
