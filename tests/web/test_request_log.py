"""What a process logs goes to standard error as JSON lines, and the records of the server keep their process."""

import json
import subprocess
import sys

BEGIN = "import logging; from lti_mentor.web import request_log; request_log.to_standard_error('INFO'); "


def logged(code: str) -> str:
    """By a process of its own, since it is about all logs of a process."""
    return subprocess.run([sys.executable, "-c", BEGIN + code], check=True, capture_output=True, text=True).stderr


def test_a_record_is_one_line_of_json_with_what_is_worth_knowing():
    said = logged("logging.getLogger('lti_mentor.jobs').info('read', extra={'reason': 'x.y', 'secret': 'no'})")
    line = json.loads(said)
    assert (line["level"], line["message"], line["reason"]) == ("INFO", "read", "x.y")
    assert "secret" not in line


def test_the_server_still_says_which_of_its_processes_speaks():
    said = logged(
        "import os; from gunicorn.config import Config; from gunicorn.glogging import Logger;"
        " Logger(Config()).warning('Invalid request from ip=%s in %d', '127.0.0.1', os.getpid())"
    )
    assert "Logging error" not in said
    before, _, process = said.strip().splitlines()[0].partition(" in ")
    assert f"[{process}]" in before
