"""A second opinion: the LTI 1.3 platform of Open edX, lti-consumer-xblock, served over HTTP for one course.

Its LTI is untouched: log-in, launch, keys, tokens, deep linking, rosters and grades are the package's own views, models
and templates. What stands in for the rest of Open edX is in ``course.py``: who is in the course and under which id,
and who may edit it. The XBlock itself is not loaded: the tool is configured in the package's database table.

It runs with a Python of its own (``make .venv-second-platform``), knows nothing of ours and is never imported by it:
the package is AGPL-3.0, and its dependencies are not ours.
"""
