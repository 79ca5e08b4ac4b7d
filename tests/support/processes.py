"""The commands of the tool as processes of their own, which a test may kill."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from tests.conftest import SECRET


@contextmanager
def running(*arguments: str, **environment: str) -> Iterator[subprocess.Popen]:
    """``lti-mentor`` with these arguments, in a process group of its own, which is gone afterwards."""
    command = [sys.executable, "-m", "lti_mentor.cli", *arguments]
    surroundings = os.environ | {f"LTI_MENTOR_{name}": value for name, value in environment.items()}
    with subprocess.Popen(command, env=surroundings, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                kill(process)


def kill(process: subprocess.Popen) -> None:
    """All of it at once, with no chance to clean up."""
    os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def serving(database_url: str, port: int) -> Iterator[subprocess.Popen]:
    """A production server with two workers, which answers."""
    environment = {"DATABASE_URL": database_url, "BASE_URL": f"http://localhost:{port}", "SECRET_KEY": SECRET}
    with running("serve", "--port", str(port), "--workers", "2", **environment) as process:
        wait_until_it_answers(process, port)
        yield process


def wait_until_it_answers(process: subprocess.Popen, port: int) -> None:
    while process.poll() is None:
        try:
            if requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok:
                return
        except requests.ConnectionError:
            continue
    raise AssertionError("the server did not start")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
