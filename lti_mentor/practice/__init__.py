"""A small, strict practice LMS for the demo and the tests."""
